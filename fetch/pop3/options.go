package pop3

import (
	"context"
	"errors"
	"strings"
	"time"

	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// Options describe one maildrop. The zero values of the limits mean the defaults given here.
type Options struct {
	Dial     wire.Options // how to reach the server; StartTLS means STLS, which is required then
	User     string
	Password func(context.Context) (string, error) // asked at each login
	Auth     Auth
	After    After
	Name     string       // of the maildrop in the configuration, for Origin
	Account  mail.Account // identity of its contents, for Origin
	Memory   Memory       // what the server could last time; nil: each session asks again

	MaxMessages int   // most messages in a listing, 1,000,000
	MaxListing  int64 // most octets of one listing, 96 MiB
	MaxOctets   int64 // most octets of one message, 1 GiB: a bigger one stays where it is

	Now func() time.Time // nil: time.Now
}

// An Auth is a way to log in. There is no falling back from one to another in a session: a refused login
// counts against us at the server.
type Auth uint8

const (
	Auto     Auth = iota // USER and PASS; AUTH PLAIN where the server says that it has only that
	UserPass             // USER and PASS
	APOP                 // a digest of the password (MD5); never chosen by itself
	Plain                // AUTH PLAIN
)

// An After says what becomes of a message upstream once it is settled.
type After uint8

const (
	Keep   After = iota // it stays: the zero value destroys nothing
	Delete              // it is deleted
)

// A Memory keeps small facts between sessions, by key. Losing them costs turns, never mail. Safe for
// concurrent use if several maildrops share it.
type Memory interface {
	Load(key string) (value []byte, ok bool)
	Save(key string, value []byte) // an empty value forgets
}

const (
	maxMessages = 1_000_000
	maxListing  = 96 << 20
	maxOctets   = 1 << 30
)

func (o *Options) maxMessages() int {
	if o.MaxMessages > 0 {
		return o.MaxMessages
	}
	return maxMessages
}

func (o *Options) maxListing() int64 {
	if o.MaxListing > 0 {
		return o.MaxListing
	}
	return maxListing
}

func (o *Options) maxOctets() int64 {
	if o.MaxOctets > 0 {
		return o.MaxOctets
	}
	return maxOctets
}

func (o *Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// credentials resolves the password and checks what will be written into commands: a line end in it would
// begin a command of its own.
func (o *Options) credentials(ctx context.Context) (password string, err error) {
	if o.Password == nil {
		return "", errors.New("no password is configured")
	}
	if password, err = o.Password(ctx); err != nil {
		return "", err
	}
	for _, x := range []struct{ what, s string }{{"user name", o.User}, {"password", password}} {
		switch {
		case x.s == "":
			return "", errors.New("the " + x.what + " is empty")
		case strings.ContainsAny(x.s, "\r\n\x00"):
			return "", errors.New("the " + x.what + " contains a line end or NUL")
		case len(x.s) > 1024:
			return "", errors.New("the " + x.what + " is longer than 1024 octets")
		}
	}
	return password, nil
}

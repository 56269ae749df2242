package pop3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mailretr/relay/sasl"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// Options describe one maildrop. The zero values of the limits mean the defaults given here.
type Options struct {
	Dial     wire.Options // how to reach the server; StartTLS means STLS, which is required then
	User     string
	Password func(context.Context) (string, error) // asked at each login
	Auth     Auth
	Token    bool // Password is an access token of OAuth
	After    After
	Stays    bool         // with After Delete: something of what is collected is let go of by a later session, or by none
	Name     string       // of the maildrop in the configuration, for Origin
	Account  mail.Account // identity of its contents, for Origin
	Memory   Memory       // what the server could last time; nil: each session asks again

	// Blind says whether so many octets may be asked for before it is known how many there are, which saves a round
	// trip. nil: they may.
	Blind func(octets int64) bool

	Observe mail.Observer // is told what is odd about the server (mail.OpRemark); may be nil

	MaxMessages int   // most messages in a listing, 1,000,000
	MaxListing  int64 // most octets of one listing, 96 MiB
	MaxOctets   int64 // most octets of one message, 1 GiB: a bigger one stays where it is

	Now func() time.Time // nil: time.Now
}

// An Auth is a way to log in: one of these, or any of the mechanisms of relay/sasl. There is no falling back
// from one to another in a session: a refused login counts against us at the server.
type Auth string

const (
	Auto     Auth = ""     // the strongest that the server offers; USER and PASS are as good as AUTH PLAIN
	UserPass Auth = "USER" // USER and PASS
	APOP     Auth = "APOP" // a digest of the password (MD5); never chosen by itself
	Plain    Auth = Auth(sasl.Plain)
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
	without := o.Auth == Auth(sasl.External)
	switch {
	case without:
	case o.Password == nil:
		return "", errors.New("no password is configured")
	default:
		if password, err = o.Password(ctx); err != nil {
			return "", err
		}
	}
	most := 1024
	if o.Token {
		most = 64 << 10
	}
	for _, x := range []struct{ what, s string }{{"user name", o.User}, {"password", password}} {
		switch {
		case x.s == "" && !(without && x.what == "password"):
			return "", errors.New("the " + x.what + " is empty")
		case strings.ContainsAny(x.s, "\r\n\x00"):
			return "", errors.New("the " + x.what + " contains a line end or NUL")
		case len(x.s) > most:
			return "", fmt.Errorf("the %s is longer than %d octets", x.what, most)
		}
	}
	return password, nil
}

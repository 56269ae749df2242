package imap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/relay/imapconn"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// An Auth says how to log in: one of these, or any of the mechanisms of relay/sasl.
type Auth = imapconn.Auth

const (
	Auto  = imapconn.Auto
	Login = imapconn.Login
	Plain = imapconn.Plain
)

// An After says what becomes of a message that was settled as done. The zero value destroys nothing.
type After uint8

const (
	Keep   After = iota // it stays; the folder is opened with EXAMINE
	Delete              // it is flagged \Deleted and expunged
	Move                // it is put into Options.Target, which is made where it is missing
	Mark                // it stays, with Options.Flag
)

// Options describe one account. Dial.Address, User and Password are needed.
type Options struct {
	Dial     wire.Options
	User     string
	Password func(context.Context) (string, error) // asked once per session, when the connection is secure
	Auth     Auth
	Token    bool // Password is an access token of OAuth
	// Folders are names as people write them (UTF-8), patterns with * and % (RFC 9051, 6.3.9), and roles such as
	// \Junk (RFC 6154, 2); none means INBOX. A folder that several mean is collected from once, and belongs to
	// the first of them. Patterns spare \All and other copies, \Drafts, \Sent, \Trash and \Junk, and no folder
	// that mail is moved to is meant by a pattern or role.
	Folders []string
	Except  []string               // names, patterns and roles that patterns and roles do not mean
	To      map[string][]mail.Path // by entry of Folders: whom mail of these is for: mail.Message.To
	Search  *goimap.SearchCriteria // a filter, see session.Filter; not changed. nil: there is none
	After   After
	Target  string       // of Move: a folder as people write it, or a role
	Flag    string       // of Mark: a system flag or a keyword
	Account mail.Account // "": made from the host of Dial.Address and User
	Name    string       // of the maildrop, for Origin and events
	Limits  Limits
	Memory  *Memory          // nil: every session finds out anew
	Reissue time.Duration    // how often Watch begins its wait anew; 0: 9 minutes
	Observe mail.Observer    // told of a folder that is left out, and the like; may be nil
	Now     func() time.Time // for events; nil: time.Now

	ClassicWatch bool // Dial.TLS.Classic of the connections of Watch, which stay
	// Details: messages come with Origin.Date and Origin.Flags, which cost some 60 octets each.
	Details bool
	// Blind says whether so many octets may be asked for before it is known how many there are, which saves a round
	// trip. nil: they may.
	Blind func(octets int64) bool
	Pool  *Pool // of what is asked for ahead, shared with other maildrops; nil: each has its own limit only

	// NoCompress leaves COMPRESS=DEFLATE alone where it is offered.
	NoCompress bool
}

// Limits bound what a session takes. The zero values mean what stands beside them.
type Limits struct {
	Messages int           // in one folder; one with more is left out: 1,000,000
	Message  int64         // octets of one message; a larger one is yielded with an error: no limit
	Window   int64         // octets asked for ahead at most, and kept in memory: 8 MiB; see [Pool]
	Close    time.Duration // for Close, beside what it lets go of: 30 s

	// Compress is how many octets must be about to be asked for if COMPRESS, which costs a round trip and about
	// 130 octets, is to pay: 16 KiB.
	Compress int64
}

// Memory is what the server could and had at the end of the last good session. With it, the login and what is
// to be known of the folders take one round trip. It is plain data, read by Open and replaced by a Close that returns nil; not for two
// sessions at once.
type Memory struct {
	Caps    []string // capabilities after login, sorted
	Folders map[string]State

	// Busy: there was something to fetch, so the newest messages are asked about with the login.
	Busy bool
	// Introduce: it opens no folder before it was told who we are.
	Introduce bool
	// Uncompressed: it does not know how to compress, though it says so.
	Uncompressed bool
	// Unfit: it gave another part of a message than was asked for, so nothing is gone on with in the middle.
	Unfit bool

	// Target is what mail was copied to last. Below its UIDNext no session that broke has left a copy.
	Target Target `json:",omitzero"`

	Names   []Name    // what patterns and roles stood for
	NamedBy string    // by which settings
	Named   time.Time // when
	Left    []string  // what was to be said about it, for people
	Stuck   []string  // what was to be said about mail that could not be let go of
	Said    string    // what was last remarked about folders
}

// A Target is a folder to which mail is moved.
type Target struct {
	Name                 string
	UIDValidity, UIDNext uint32
}

// A Name is a folder, and the entry of Options.Folders that means it.
type Name struct{ Name, Spec string }

// State is a folder as it was last seen.
type State struct {
	UIDValidity, UIDNext, Exists uint32

	Came int64 `json:",omitempty"` // when mail has come into it last, in seconds of Unix; 0: not known
}

func (o *Options) limits() Limits {
	l := o.Limits
	if l.Messages <= 0 {
		l.Messages = 1_000_000
	}
	if l.Window <= 0 {
		l.Window = 8 << 20
	}
	if l.Compress <= 0 {
		l.Compress = 16 << 10
	}
	if l.Close <= 0 {
		l.Close = 30 * time.Second
	}
	return l
}

func (o *Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// host is Dial.Address without the port.
func (o *Options) host() string {
	if h, _, err := net.SplitHostPort(o.Dial.Address); err == nil {
		return h
	}
	return o.Dial.Address
}

// entry is what the way in needs to know.
func (o *Options) entry() imapconn.Options {
	return imapconn.Options{Dial: o.Dial, User: o.User, Password: o.Password, Auth: o.Auth, Token: o.Token,
		Choosable: true}
}

// check finds what must not reach a server.
func (o *Options) check() error {
	if e := o.entry(); e.Check() != nil {
		return e.Check()
	}
	switch {
	case o.After == Move && o.Target == "":
		return errors.New("no folder is configured to move mail to")
	case o.After == Mark && o.Flag == "":
		return errors.New("no flag is configured")
	}
	for what, s := range map[string]string{"target": o.Target, "flag": o.Flag} {
		if err := imapconn.Clean(what, s); err != nil {
			return err
		}
	}
	for _, f := range o.Except {
		if err := imapconn.Clean("folder name", f); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for _, f := range o.Folders {
		switch {
		case f == "":
			return errors.New("a folder has no name")
		case seen[f]:
			return fmt.Errorf("folder %q is configured twice", f)
		}
		seen[f] = true
		if err := imapconn.Clean("folder name", f); err != nil {
			return err
		}
	}
	return nil
}

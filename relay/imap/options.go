package imap

import (
	"errors"
	"strings"
	"time"

	"mailretr/relay/imapconn"
	"mailretr/store/mail"
)

// Options describe a destination.
type Options struct {
	imapconn.Options

	Folder string // where mail goes, in UTF-8; "": INBOX
	// Of says another folder for a message, or "" for Folder. nil: there is none.
	Of func(*mail.Message) string

	Flags []string // that each message is given: system flags or keywords
	Keep  bool     // the flags that the message had where it was collected are given too

	// Since is when this process began: an earlier one may have appended what was queued before and not have heard
	// the answer, so that is looked for first. Zero: nothing is.
	Since time.Time

	Reply   time.Duration    // for the server to take a message, after its last octet; 0: 10 minutes
	Grace   time.Duration    // of that, when the context has ended; 0: 10 seconds
	Now     func() time.Time // nil: time.Now
	Observe mail.Observer    // told of connections that failed, and of lost answers; may be nil
	Name    mail.Lane        // for events
}

// check finds what must not reach a server.
func (o *Options) check() error {
	if err := o.Options.Check(); err != nil {
		return err
	}
	for _, f := range o.Flags {
		if !sound(f) {
			return errors.New("flag " + mail.Printable(f, 100) + " cannot be given to a message")
		}
	}
	return imapconn.Clean("folder name", o.Folder)
}

// sound says whether a flag may stand in APPEND: one of the four that a client gives, or a keyword (RFC 9051, 2.3.2).
func sound(flag string) bool {
	name, system := strings.CutPrefix(flag, `\`)
	if system {
		switch strings.ToLower(name) {
		case "seen", "answered", "flagged", "draft":
			return true
		}
		return false
	}
	if flag == "" || len(flag) > 100 {
		return false
	}
	for i := range len(flag) {
		if c := flag[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return true
}

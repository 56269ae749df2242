package imap

import (
	"errors"
	"time"

	"mailretr/relay/flag"
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
		if !flag.Given(f) {
			return errors.New("flag " + mail.Printable(f, 100) + " cannot be given to a message")
		}
	}
	return imapconn.Clean("folder name", o.Folder)
}

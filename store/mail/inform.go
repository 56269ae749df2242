package mail

import (
	"context"
	"time"
)

// A Custody says what the delivery of a recipient means to a sender who asked for a report of success (RFC 3461,
// 5.2 and 6.2): who makes that report.
type Custody uint8

// Relayed is the zero value: a next hop of which nothing is known will not report.
const (
	Relayed Custody = iota // handed to a next hop that reports no success: we say that it was passed on
	Reports                // the next hop takes the parameters of DSNs, and reports itself
	Final                  // in the mailbox: we say that it was delivered
)

// String returns the word that a report has for it (RFC 3464, 2.3.3); "" where there is none to be made.
func (c Custody) String() string { return [...]string{"relayed", "", "delivered"}[min(c, Final)] }

// An Informer (optional on a Reporter) makes reports of what is no failure. As with [Reporter], m.Envelope.Recipients
// are those it is about, r their results, and what is returned goes into the commit which notes that it was made. No
// messages and no error: nobody wants to know, or nobody may.
type Informer interface {
	// Delayed tells the sender that a message waits, and will be tried until then (RFC 3461, 4.1, DELAY).
	Delayed(ctx context.Context, m *Message, r Report, until time.Time) ([]*Message, error)

	// Succeeded tells the sender of recipients that were delivered, and who asked for that (RFC 3461, 4.1, SUCCESS).
	Succeeded(ctx context.Context, m *Message, r Report) ([]*Message, error)
}

// A Redirector (optional on a Reporter) makes what brings a failed message to somebody else than its sender: whole,
// with the reason. to "" is the postmaster. No messages and no error: there is nobody to bring it to.
type Redirector interface {
	Redirect(ctx context.Context, m *Message, r Report, to Path) ([]*Message, error)
}

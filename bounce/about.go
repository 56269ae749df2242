package bounce

import (
	"errors"
	"strings"
	"time"

	"mailretr/store/mail"
)

// about is what a report is made from.
type about struct {
	kind   Kind
	m      *mail.Message
	now    time.Time
	until  time.Time // of Delayed
	header []byte
	list   []told // the recipients that are reported
	why    string // of Unreturned: why no report may go to the sender
	whole  bool   // the message is attached whole
}

// A told is a recipient with what was said last.
type told struct {
	mail.Recipient
	mail.Result
}

// expired says whether time was up, as opposed to a refusal.
func (x *told) expired() bool {
	var e interface{ Expired() bool }
	return x.Outcome != mail.Failed || x.After == mail.OpExpire || strings.HasSuffix(x.Enhanced, ".4.7") ||
		errors.As(x.Err, &e) && e.Expired()
}

// givenUp says whether somebody here has ended it, and why, if they said so.
func (x *told) givenUp() (why string, ok bool) {
	var e interface{ GivenUp() string }
	if !errors.As(x.Err, &e) {
		return "", false
	}
	return mail.Printable(strings.Join(strings.Fields(e.GivenUp()), " "), maxReply), true
}

// envelope is that of the message with the reported recipients only.
func (a *about) envelope() mail.Envelope {
	e := a.m.Envelope
	e.Recipients = make([]mail.Recipient, len(a.list))
	for i := range a.list {
		e.Recipients[i] = a.list[i].Recipient
	}
	return e
}

// local is a time as it is told to people; nil for none.
func (a *about) local(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.In(a.now.Location())
	return &t
}

// only says whether it is about nobody but this recipient.
func (a *about) only(p mail.Path) bool {
	for _, x := range a.list {
		if !strings.EqualFold(string(x.Forward), string(p)) {
			return false
		}
	}
	return true
}

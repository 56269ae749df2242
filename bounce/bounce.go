package bounce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mailretr/store/mail"
)

// A Reporter makes the reports of one configuration. Its fields are not changed once it is in use; it is
// then safe for concurrent use if Random is.
type Reporter struct {
	Name       string    // display name of From
	From       mail.Path // the address reports come from; it must exist
	Postmaster mail.Path // who gets what the sender may not; "": nobody, the queue holds it
	Host       string    // name of this machine: Reporting-MTA and Message-ID

	// AuthServ returns the authserv-id of the provider of a maildrop; "" where none is known. nil: none
	// is.
	AuthServ func(maildrop string) string

	Now    func() time.Time // nil: time.Now
	Random io.Reader        // nil: crypto/rand
}

var _ mail.Reporter = (*Reporter)(nil)

// Report implements [mail.Reporter]. It makes one report, which names all failed recipients: a DSN for the
// sender, or what stands in for it: the whole message for the postmaster. The content of the latter reads
// that of m when it is read, so that m has to be valid until then.
//
// A recipient counts as expired if its result has an error with a method Expired() bool that says so (the
// queue's way), is not Failed, comes After mail.OpExpire, or has the status x.4.7; the reply is then that
// of the last attempt. It counts as given up by hand if the error has a method GivenUp() string, which gives
// the reason, or "". Results that are Delivered are passed over.
//
// No messages and no error mean that nobody may be told: there is no postmaster; or it was the postmaster
// who could not be reached; or the sender wants no report of any recipient (NOTIFY); or the message has no
// ID, as after a probe: it is still upstream and its body was never fetched, so that there is nothing to
// send whole.
func (r *Reporter) Report(ctx context.Context, m *mail.Message, rep mail.Report) ([]*mail.Message, error) {
	f := failure{m: m, now: r.now()}
	for i, to := range m.Envelope.Recipients {
		if x := rep.Of(i); x.Outcome != mail.Delivered {
			f.failed = append(f.failed, failed{Recipient: to, Result: x})
		}
	}
	if len(f.failed) == 0 {
		return nil, nil
	}
	var err error
	if f.header, err = m.Content.Header(ctx); err != nil {
		return nil, fmt.Errorf("reading the header of a message to report on: %w", err)
	}
	var decision Decision
	policy := Policy{Own: r.From, AuthServ: r.authServ(m.Origin.Maildrop)}
	decision, f.why = policy.Decide(f.header, f.envelope())
	switch decision {
	case ToSender:
		return r.toSender(&f)
	case ToPostmaster:
		return r.toPostmaster(&f)
	}
	return nil, nil
}

// A failure is what a report is made from.
type failure struct {
	m      *mail.Message
	now    time.Time
	header []byte
	failed []failed
	why    string // no report may go to the sender
}

// A failed is a recipient with what was said last.
type failed struct {
	mail.Recipient
	mail.Result
}

// expired says whether time was up, as opposed to a refusal.
func (f *failed) expired() bool {
	var e interface{ Expired() bool }
	return f.Outcome != mail.Failed || f.After == mail.OpExpire || strings.HasSuffix(f.Enhanced, ".4.7") ||
		errors.As(f.Err, &e) && e.Expired()
}

// givenUp says whether somebody here has ended it, and why, if they said so.
func (f *failed) givenUp() (why string, ok bool) {
	var e interface{ GivenUp() string }
	if !errors.As(f.Err, &e) {
		return "", false
	}
	return mail.Printable(strings.Join(strings.Fields(e.GivenUp()), " "), maxReply), true
}

// envelope is that of the message with the failed recipients only.
func (f *failure) envelope() mail.Envelope {
	e := f.m.Envelope
	e.Recipients = make([]mail.Recipient, len(f.failed))
	for i := range f.failed {
		e.Recipients[i] = f.failed[i].Recipient
	}
	return e
}

func (r *Reporter) toSender(f *failure) ([]*mail.Message, error) {
	var wanted []failed
	for _, i := range wanting(f.envelope().Recipients) {
		wanted = append(wanted, f.failed[i])
	}
	f.failed = wanted
	to := f.m.Envelope.Reverse
	c, err := r.compose(f, to)
	if err != nil {
		return nil, err
	}
	return r.message(f, to, c), nil
}

func (r *Reporter) toPostmaster(f *failure) ([]*mail.Message, error) {
	if r.Postmaster.Null() || f.m.ID.Zero() || f.only(r.Postmaster) {
		return nil, nil
	}
	c, err := r.compose(f, r.Postmaster)
	if err != nil {
		return nil, err
	}
	return r.message(f, r.Postmaster, c), nil
}

// only says whether nobody but this recipient failed.
func (f *failure) only(p mail.Path) bool {
	for _, x := range f.failed {
		if !strings.EqualFold(string(x.Forward), string(p)) {
			return false
		}
	}
	return true
}

// message puts a report into its envelope: the null reverse-path (RFC 5321, 4.5.5).
func (r *Reporter) message(f *failure, to mail.Path, c mail.Content) []*mail.Message {
	return []*mail.Message{{
		Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: to}}},
		Content:  c,
		Parent:   f.m.ID,
	}}
}

func (r *Reporter) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

func (r *Reporter) authServ(maildrop string) string {
	if r.AuthServ == nil || maildrop == "" {
		return ""
	}
	return r.AuthServ(maildrop)
}

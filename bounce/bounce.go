package bounce

import (
	"context"
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

	// Text returns what reports on mail of a maildrop say to people, "" being mail that was not collected. nil, or
	// nil returned: English.
	Text func(maildrop string) *Text

	// Full is up to which size, in octets, a message goes back whole to a sender who asked for that (RET=FULL; RFC
	// 3461, 4.3). 0: never, its header only.
	Full int64

	Now    func() time.Time // nil: time.Now
	Random io.Reader        // nil: crypto/rand
}

var (
	_ mail.Reporter   = (*Reporter)(nil)
	_ mail.Informer   = (*Reporter)(nil)
	_ mail.Redirector = (*Reporter)(nil)
)

// Report implements [mail.Reporter]. It makes one report, which names all failed recipients: a DSN for the
// sender, or what stands in for it: the whole message for the postmaster. Where a report has the message whole, its
// content reads that of m when it is read, so that m has to be valid until then.
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
	a, err := r.about(ctx, Failed, m, rep, func(x mail.Result) bool { return x.Outcome != mail.Delivered })
	if a == nil {
		return nil, err
	}
	var decision Decision
	decision, a.why = r.policy(m).Decide(a.header, a.envelope())
	switch decision {
	case ToSender:
		return r.toSender(a, "FAILURE")
	case ToPostmaster:
		a.kind = Unreturned
		return r.redirect(a, r.Postmaster)
	}
	return nil, nil
}

// Delayed implements [mail.Informer]: one report to the sender, where one of a failure could go to them too. The
// postmaster is not told: nothing is lost yet.
func (r *Reporter) Delayed(ctx context.Context, m *mail.Message, rep mail.Report, until time.Time) (
	[]*mail.Message, error) {
	return r.inform(ctx, Delayed, m, rep, until)
}

// Succeeded implements [mail.Informer]: one report to the sender on those recipients that ask for it in NOTIFY and whose
// next hop does not report itself.
func (r *Reporter) Succeeded(ctx context.Context, m *mail.Message, rep mail.Report) ([]*mail.Message, error) {
	return r.inform(ctx, Succeeded, m, rep, time.Time{})
}

func (r *Reporter) inform(ctx context.Context, k Kind, m *mail.Message, rep mail.Report, until time.Time) (
	[]*mail.Message, error) {
	word, outcome := "DELAY", mail.Deferred
	if k == Succeeded {
		word, outcome = "SUCCESS", mail.Delivered
	}
	a, err := r.about(ctx, k, m, rep, func(x mail.Result) bool {
		return x.Outcome == outcome && (k == Delayed || x.Custody != mail.Reports)
	})
	if a == nil {
		return nil, err
	}
	a.until = until
	if a.keep(word); len(a.list) == 0 {
		return nil, nil
	}
	if decision, _ := r.policy(m).decide(word, a.header, a.envelope()); decision != ToSender {
		return nil, nil
	}
	return r.toSender(a, word)
}

// Redirect implements [mail.Redirector]: the message goes whole to somebody, "" being the postmaster, and its sender is
// not told. As with Report there is nothing to send of a message without an ID, or to who has just failed.
func (r *Reporter) Redirect(ctx context.Context, m *mail.Message, rep mail.Report, to mail.Path) (
	[]*mail.Message, error) {
	a, err := r.about(ctx, Redirected, m, rep, func(x mail.Result) bool { return x.Outcome != mail.Delivered })
	if a == nil {
		return nil, err
	}
	if to.Null() {
		to = r.Postmaster
	}
	return r.redirect(a, to)
}

// about gathers what a report is made from; nil where no recipient is of that kind.
func (r *Reporter) about(ctx context.Context, k Kind, m *mail.Message, rep mail.Report, is func(mail.Result) bool) (
	*about, error) {
	a := &about{kind: k, m: m, now: r.now()}
	for i, to := range m.Envelope.Recipients {
		if x := rep.Of(i); is(x) {
			a.list = append(a.list, told{Recipient: to, Result: x})
		}
	}
	if len(a.list) == 0 {
		return nil, nil
	}
	var err error
	if a.header, err = m.Content.Header(ctx); err != nil {
		return nil, fmt.Errorf("reading the header of a message to report on: %w", err)
	}
	return a, nil
}

// keep leaves those who want a report of this kind.
func (a *about) keep(word string) {
	var wanted []told
	for _, i := range wanting(a.envelope().Recipients, word) {
		wanted = append(wanted, a.list[i])
	}
	a.list = wanted
}

func (r *Reporter) policy(m *mail.Message) Policy {
	return Policy{Own: r.From, AuthServ: r.authServ(m.Origin.Maildrop)}
}

func (r *Reporter) toSender(a *about, word string) ([]*mail.Message, error) {
	a.keep(word)
	size := a.m.Content.Size()
	a.whole = a.kind == Failed && strings.EqualFold(a.m.Envelope.Ret, "FULL") && !a.m.ID.Zero() &&
		0 <= size && size <= r.Full // RFC 3461, 4.3: of other reports the header is enough
	return r.message(a, a.m.Envelope.Reverse)
}

// redirect sends the message whole.
func (r *Reporter) redirect(a *about, to mail.Path) ([]*mail.Message, error) {
	if to.Null() || a.m.ID.Zero() || a.only(to) {
		return nil, nil
	}
	a.whole = true
	all, err := r.message(a, to)
	for _, m := range all {
		m.Whole = true
	}
	return all, err
}

// message composes a report and puts it into its envelope: the null reverse-path (RFC 5321, 4.5.5).
func (r *Reporter) message(a *about, to mail.Path) ([]*mail.Message, error) {
	c, err := r.compose(a, to)
	if err != nil {
		return nil, err
	}
	return []*mail.Message{{
		Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: to}}},
		Content:  c,
		Parent:   a.m.ID,
	}}, nil
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

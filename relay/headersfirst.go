package relay

import (
	"context"
	"errors"
	"strings"

	"mailretr/store/mail"
)

// A Refuser is what HeadersFirst needs of the queue: the DSN of a refused message and its mark in one commit. An error
// means that nothing was done. One with a method Aside() bool that says true means that nobody may be told of this
// failure, or that it is not believed: the message is to stay where it is. One with a method Kept() bool that says true
// means that the admin wants it to stay, with a method Fetch() bool that it is wanted whole.
type Refuser interface {
	mail.Batcher
	Refuse(context.Context, *mail.Message, mail.Report) error
}

// HeadersFirst asks the next hop about the envelope before a large body crosses the line. It is a queue with a question in
// front: what is accepted, deferred for the first time by nobody's answer, or mixed goes into the queue.
//
//	all recipients failed    the DSN is queued, the UID taken, the body never fetched
//	all deferred             left upstream, asked again; Patience says when it is collected like the rest
//	no answer                collected: that is what the queue is for
//	anything else            collected, and each recipient judged when it is delivered
type HeadersFirst struct {
	To    Refuser
	Ask   mail.Prober // safe for concurrent use
	Above int64       // octets; below it nothing is asked

	// Aside notes that a message is left upstream, and why; it says whether it may be left. nil, or no: it is
	// collected, or refused with a DSN.
	Aside func(ctx context.Context, m *mail.Message, why Reason, report mail.Report) (left bool, err error)
}

// A Reason for which a message stays upstream after a probe.
type Reason uint8

const (
	ReasonDeferred Reason = iota // every recipient was deferred
	ReasonMute                   // refused, and nobody may be told
	ReasonSender                 // refused for what looks like a judgement on us, not on the recipient
	ReasonKept                   // refused in a way for which the admin wants it kept
)

// Deliver is a batch of one.
func (h *HeadersFirst) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	b := &probed{Batch: h.To.Batch(), h: h}
	verdict, report := Fetch, mail.Report(nil)
	if h.Above > 0 && m.Content.Size() >= h.Above {
		verdict, report = b.Sift(ctx, m)
	}
	if verdict != Fetch {
		return report
	}
	if err := b.Add(ctx, m); err != nil {
		return mail.Same(len(m.Envelope.Recipients), mail.Result{Err: err})
	}
	if r := b.Commit(ctx); len(r) == 1 {
		return r[0]
	}
	return nil
}

// Batch returns a batch of the queue that is a Sifter too.
func (h *HeadersFirst) Batch() mail.Batch { return &probed{Batch: h.To.Batch(), h: h} }

// probed is the queue's batch with the question in front.
type probed struct {
	mail.Batch
	h *HeadersFirst
}

// Sift asks, and decides by the table above.
func (p *probed) Sift(ctx context.Context, m *mail.Message) (Verdict, mail.Report) {
	if p.h.Ask == nil || len(m.Envelope.Recipients) == 0 {
		return Fetch, nil
	}
	report := p.h.Ask.Probe(ctx, m)
	switch {
	case len(report) != len(m.Envelope.Recipients) || report.Sick() != nil:
		return Fetch, nil
	case report.All(mail.Deferred):
		if answered(report) && p.aside(ctx, m, ReasonDeferred, report) {
			return Leave, nil
		}
		return Fetch, nil
	case !report.All(mail.Failed):
		return Fetch, nil
	case judgesUs(report) && p.aside(ctx, m, ReasonSender, report):
		return Leave, nil
	}
	return p.refuse(ctx, m, report)
}

// refuse ends a message without its body. When the DSN could not be queued nothing has happened, and the next session
// asks again.
func (p *probed) refuse(ctx context.Context, m *mail.Message, report mail.Report) (Verdict, mail.Report) {
	err := p.h.To.Refuse(ctx, m, report)
	switch {
	case err == nil:
		return Settled, mail.Same(len(report), mail.Result{Outcome: mail.Delivered})
	case is(err, untold.Fetch):
		return Fetch, nil // somebody is to have it whole
	case is(err, untold.Kept):
		if !p.aside(ctx, m, ReasonKept, report) {
			return Fetch, nil
		}
	case is(err, aside.Aside) && !p.aside(ctx, m, ReasonMute, report):
		return Fetch, nil // it may not stay upstream: the queue holds it
	}
	return Leave, nil
}

// Copy passes a message whose body is here already on to the queue, if that can take one.
func (p *probed) Copy(ctx context.Context, m, of *mail.Message, to []mail.Recipient) error {
	if c, ok := p.Batch.(mail.Copier); ok {
		return c.Copy(ctx, m, of, to)
	}
	return errNoCopies
}

var errNoCopies = errors.New("this queue takes no copies")

// aside and untold are what an error of Refuse may say of itself.
type (
	aside  interface{ Aside() bool }
	untold interface {
		Kept() bool
		Fetch() bool
	}
)

// is says whether an error of that kind says so.
func is[T any](err error, says func(T) bool) bool {
	var x T
	return errors.As(err, &x) && says(x)
}

func (p *probed) aside(ctx context.Context, m *mail.Message, why Reason, report mail.Report) bool {
	if p.h.Aside == nil {
		return false
	}
	left, err := p.h.Aside(ctx, m, why, report)
	return left && err == nil
}

// answered says whether the next hop has given a reply: silence is no reason to wait upstream.
func answered(report mail.Report) bool {
	for _, x := range report {
		if x.Reply == "" {
			return false
		}
	}
	return true
}

// judgesUs says whether each refusal judges the sender by our address (SPF, block lists, policy), as an MTA does that does
// not know us as a relay of its own. A plain "no such user" is not meant: it comes with 5.1.1 or without a code.
func judgesUs(report mail.Report) bool {
	for _, x := range report {
		ours := x.Enhanced == "5.1.7" || x.Enhanced == "5.1.8" || strings.HasPrefix(x.Enhanced, "5.7.")
		if !ours {
			return false
		}
	}
	return len(report) > 0
}

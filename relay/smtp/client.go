package smtp

import (
	"context"
	"io"
	"slices"
	"sync"

	"mailretr/store/mail"
)

// A Client delivers over one connection, which it makes when it needs it and keeps between messages. It is a
// mail.Deliverer and a mail.Prober. Not for concurrent use.
type Client struct {
	o      Options
	shared *Shared
	kept   *session // nil: none
	quits  sync.WaitGroup
}

// Deliver makes one transaction. A kept connection that turns out to be dead before the final dot is
// replaced and the transaction is repeated once; where a new one ends before it, or the server refuses us, the next server
// is asked. Neither is done when octets of a content that cannot be wound back (io.Seeker) were already read. A cut or time-out after the final dot is Deferred with After = OpDot: the
// message may have been delivered.
//
// When it is asked to give way ([mail.WithYield]) it does so before the final dot, and not after it. When ctx ends, what is under way is aborted at once before the final dot, and after it when the answer
// has not come within Times.Grace.
func (c *Client) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	return c.attempt(ctx, m, false)
}

// Probe asks MAIL and RCPT and takes it back by RSET. Delivered means that a message would be accepted so
// far. The content is not opened; its size is told.
func (c *Client) Probe(ctx context.Context, m *mail.Message) mail.Report {
	return c.attempt(ctx, m, true)
}

// Close ends the connection with QUIT, and waits for those that were given up before; at most Times.Quit.
// The client may be used again afterwards, it dials then.
func (c *Client) Close() error {
	if c.kept != nil {
		c.retire(c.kept)
	}
	c.quits.Wait()
	return nil
}

func (c *Client) attempt(ctx context.Context, m *mail.Message, probe bool) mail.Report {
	a := newAttempt(c, m, probe)
	defer a.close()
	a.client = c.client(ctx, m)
	late := ctx
	ctx, cancel := mail.Yielding(ctx)
	defer cancel()
	for len(a.todo) > 0 {
		if ctx.Err() != nil {
			a.all(mail.Result{Scope: mail.OfSession, Err: context.Cause(ctx)})
			break
		}
		s, reused, f := c.session(ctx, a)
		if f != nil {
			a.unheard(ctx, f)
			break
		}
		f = a.run(ctx, late, s)
		c.settle(late, s, a, f)
		if f == nil && a.next() {
			continue
		}
		if f == nil || !a.once(ctx, s, reused, f) {
			break
		}
		if c.kept == s {
			c.drop(s) // so that the next one is new
		}
	}
	a.copies()
	return a.report
}

// unheard gives those who are to be asked the result of a connection that could not be made. Where another server
// has said something before, in this attempt, that stands: it may be about this message, and no reason to take all of them
// for refused.
func (a *attempt) unheard(ctx context.Context, f *failure) {
	if a.before != nil {
		a.report = a.before
		return
	}
	a.fail(ctx, a.todo, f)
}

// once says whether the message is to be tried on another connection, once more: because a kept one was dead, or
// because a new one has ended before the final dot and there are other servers.
func (a *attempt) once(ctx context.Context, s *session, reused bool, f *failure) bool {
	if a.many { // it minds being asked too often, and will not be again
		a.many = false
		return a.again(ctx, f)
	}
	if !reused {
		if f.reply.over() && f.op == mail.OpMail || f.reply.code == 421 || f.reply.refusesUs() {
			a.c.shared.away(s.key, a.c.o.Now())
		}
		if a.failed[s.key] = true; !a.c.others(ctx, a.failed) {
			return false
		}
		a.before = slices.Clone(a.report)
	}
	return a.again(ctx, f)
}

// settle decides what becomes of the connection after a transaction that ended with f.
func (c *Client) settle(ctx context.Context, s *session, a *attempt, f *failure) {
	mine := f != nil && a.open && a.mine(f) // it is as good as before
	switch {
	case f != nil && !mine && (f.op == mail.OpBody || f.reply.over()):
		c.drop(s)
	case !s.caughtUp(ctx):
		c.drop(s)
	case f != nil && f.reply.refusesUs():
		c.retire(s) // the next attempt shall log in anew
	case a.open && !a.reset(s):
		// closed
	case s.messages >= s.most || s.resets >= s.mostResets:
		c.retire(s)
	}
}

// An attempt is one message on its way through one transaction.
type attempt struct {
	c      *Client
	m      *mail.Message
	client mail.Client // whom it is from
	probe  bool
	report mail.Report
	todo   []int         // recipients to be asked, each address once
	twin   []int         // for each recipient: where its address stands first
	body   io.ReadCloser // nil: not yet opened
	read   bool          // some of it was read
	open   bool          // MAIL was accepted and nothing has ended the transaction
	dot    bool          // the final dot may have left

	later []int // those of todo who did not go into the transaction
	taken bool  // somebody was accepted
	many  bool  // the server has said that they are too many, and how many it takes is known now

	failed map[string]bool // servers that have refused us or ended a connection
	before mail.Report     // what the last of them has said; nil: none
}

// newAttempt checks the envelope; what cannot be sent has failed already.
func newAttempt(c *Client, m *mail.Message, probe bool) *attempt {
	n := len(m.Envelope.Recipients)
	a := &attempt{c: c, m: m, probe: probe, report: make(mail.Report, n), twin: make([]int, n),
		failed: map[string]bool{}}
	stands := make(map[mail.Path]int, n)
	bad := func(i int, enhanced string, scope mail.Scope, err error) {
		a.report[i] = mail.Result{Outcome: mail.Failed, Scope: scope, Enhanced: enhanced, Err: err,
			At: c.o.Now()}
	}
	sender := m.Envelope.Reverse.Check()
	for i, r := range m.Envelope.Recipients {
		first, again := stands[r.Forward]
		if a.twin[i] = first; again {
			continue
		}
		stands[r.Forward], a.twin[i] = i, i
		switch err := r.Forward.CheckForward(); {
		case sender != nil:
			bad(i, "5.1.7", mail.OfMessage, sender)
		case err != nil:
			bad(i, "5.1.3", mail.OfRecipient, err)
		default:
			a.todo = append(a.todo, i)
		}
	}
	return a
}

// copies gives each recipient that stands twice the result of its first place.
func (a *attempt) copies() {
	for i, first := range a.twin {
		if first != i {
			a.report[i] = a.report[first]
		}
	}
}

func (a *attempt) close() {
	if a.body != nil {
		a.body.Close()
	}
}

// all gives those who are still to be asked one result.
func (a *attempt) all(r mail.Result) { a.each(a.todo, r) }

func (a *attempt) each(who []int, r mail.Result) {
	if r.At.IsZero() {
		r.At = a.c.o.Now()
	}
	for _, i := range who {
		a.report[i] = r
	}
}

// fail judges a failure for these recipients.
func (a *attempt) fail(ctx context.Context, who []int, f *failure) {
	r := a.result(f, false)
	if ctx.Err() != nil && r.Outcome == mail.Deferred && f.reply.code == 0 && !a.dot {
		r.Scope = mail.OfSession // nobody but us ended it
	}
	a.each(who, r)
}

// result makes a result of a failure.
func (a *attempt) result(f *failure, others bool) mail.Result {
	outcome, scope := judge(f.op, f.reply, others, a.c.o.LMTP)
	r := mail.Result{Outcome: outcome, Scope: scope, Enhanced: f.reply.enhanced, Reply: f.reply.text,
		RemoteMTA: f.host, Err: f.err, After: f.op, At: a.c.o.Now()}
	if f.op == mail.OpMail && f.reply.code == 552 && r.Enhanced == "" {
		r.Enhanced = "5.3.4" // the size, said at MAIL (RFC 1870, 6.1)
	}
	return r
}

// again says whether a failure means no more than that the connection was dead or the server refuses us, and makes
// ready for another one.
func (a *attempt) again(ctx context.Context, f *failure) bool {
	dead := f.reply.code == 0 || f.reply.code == 421 || f.reply.refusesUs() || f.op == mail.OpMail && f.reply.code == 503
	if a.dot || !dead || ctx.Err() != nil || a.mine(f) {
		return false
	}
	if a.read {
		s, ok := a.body.(io.Seeker)
		if !ok {
			return false
		}
		if _, err := s.Seek(0, io.SeekStart); err != nil {
			return false
		}
	}
	a.read, a.open = false, false
	for _, i := range a.todo {
		a.report[i] = mail.Result{}
	}
	return true
}

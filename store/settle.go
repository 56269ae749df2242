package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"mailretr/store/mail"
)

// settling is one record on its way from a report to the one commit with everything that follows:
// recipients that drop out, the next due time or the end, and the reports to whoever has to be told.
type settling struct {
	q       *Queue
	m       *mail.Message
	was     Lease
	j       judged
	batch   Batch
	success bool // somebody took a message of a sender

	// Of failures:
	reports []*entry    // staged, in the batch
	ticket  ticket      // for the one that goes to the sender
	failed  []Recipient // all recipients as they were before some were told of; nil where none was
	hasten  time.Time   // when something owed is looked at again; zero: never
	waiting string      // how a failure was that waits for a success; "" none
	suspect string      // how a failure was that is not believed any more; "" none
	mute    bool        // nobody may be told

	courtesy []*entry // reports of success, staged
	notes    []Note   // of the lane

	events []mail.Event // told after the commit
}

// settle commits what an attempt said of a leased record. The lease has ended afterwards.
func (q *Queue) settle(ctx context.Context, h *hold, report mail.Report) error {
	ctx = context.WithoutCancel(ctx) // half of it is worse than late
	s := &settling{q: q, m: h.m, was: h.Lease}
	a := attempt{begun: h.begun, now: q.now(), schedule: q.schedule(h.Record.Lane)}
	err := q.with(ctx, h.Record.Lane, func(l *laneState) {
		a.sick = l.sickness(h.Record.Queued, a.now)
		s.j = judge(h.Record, report, a)
		s.health(l)
	})
	if err != nil {
		q.Engine.Release(h.Lease)
		return local(err, "")
	}
	s.outcomes()
	s.failures(ctx)
	s.successes(ctx)
	return s.commit(ctx)
}

// health notes what the report says of the lane itself.
func (s *settling) health(l *laneState) {
	changed := false
	switch {
	case len(s.j.said) == 0:
	case s.j.sick && !s.j.counts:
		changed = l.begin(s.j.now)
	case slices.ContainsFunc(s.j.said, func(x told) bool { return x.Outcome != mail.Deferred || x.Reply != "" }):
		changed = l.end(s.j.now)
	}
	if changed {
		s.notes = append(s.notes, spellsNote(s.j.Lane, l))
	}
}

// outcomes makes the event of each recipient that was attempted.
func (s *settling) outcomes() {
	for i := range s.j.said {
		x := &s.j.said[i]
		if x.Scope == mail.OfTurn && x.Outcome == mail.Deferred {
			continue // nothing was attempted
		}
		e := s.event(mail.OpDeliver)
		e.To, e.Relay, e.Attempt = x.Forward, x.RemoteMTA, max(s.j.Attempts, 1)
		e.Delay, e.Outcome, e.Enhanced, e.Reply, e.Err = s.j.now.Sub(s.j.Queued), x.Outcome, x.Enhanced, x.Reply,
			x.Err
		if x.Outcome == mail.Deferred && s.j.counts { // it is here for the next attempt
			e.Saved = s.j.Size
		}
		if x.Outcome == mail.Delivered {
			s.success = s.success || s.j.Parent.Zero()
		}
		if x.After == mail.OpDot && x.Outcome == mail.Deferred && x.Reply == "" {
			e.Text = "the line broke after the message was sent: it may have been delivered"
		}
		s.events = append(s.events, e)
		if x.expired {
			s.events = append(s.events, s.given(x))
		}
	}
}

// given is the event of a recipient that is given up.
func (s *settling) given(x *told) mail.Event {
	e := s.event(mail.OpExpire)
	e.To, e.Delay, e.Attempt, e.Alarm = x.Forward, s.j.now.Sub(s.j.Queued), s.j.Attempts, s.j.late
	if e.Text = "given up for age"; s.j.late {
		e.Text = "given up for age; the next hop was away most of the time"
	}
	return e
}

func (s *settling) event(op mail.Op) mail.Event {
	return mail.Event{
		At: s.j.now, Op: op, ID: s.j.ID, Origin: s.j.Origin, Lane: s.j.Lane, From: s.j.Reverse, Octets: s.j.Size,
	}
}

// commit makes all of it durable, once. Where reports are what stands in the way, they stay owed.
func (s *settling) commit(ctx context.Context) error {
	err := s.q.commit(ctx, s.finish())
	if len(s.reports)+len(s.courtesy) > 0 && err != nil && !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrFenced) {
		s.withdraw(err)
		err = s.q.commit(ctx, s.finish())
	}
	switch {
	case err == nil:
		s.after(ctx)
		return nil
	case errors.Is(err, ErrFenced):
		e := s.event(mail.OpStore)
		e.Err, e.Alarm, e.Text = err, true, "an attempt outlived its lease; the message may be delivered twice"
		s.q.observe(e)
		s.unstage()
		return nil
	case !errors.Is(err, ErrUnknown): // else a commit may name the bodies
		s.unstage()
	}
	s.q.Engine.Release(s.was)
	return local(err, "")
}

// finish completes the batch: the record as it stays, or its end.
func (s *settling) finish() *Batch {
	b, r := &s.batch, s.j.Record
	b.Fence = []Lease{s.was}
	b.Put, b.Remove = b.Put[:0], b.Remove[:0]
	for _, e := range slices.Concat(s.reports, s.courtesy) {
		for _, p := range e.parts {
			b.Put = append(b.Put, p.rec)
		}
	}
	b.Notes = slices.Concat(s.notes, s.ticket.notes)
	if len(r.Recipients) == 0 {
		b.Remove = append(b.Remove, r.ID)
	} else {
		b.Put = append(b.Put, r)
	}
	b.ID = s.q.newID()
	return b
}

// withdraw takes back the reports, because the commit with them failed.
func (s *settling) withdraw(err error) {
	told, thanked := len(s.reports) > 0, len(s.courtesy) > 0
	s.unstage()
	if told {
		s.untold(err)
		s.due()
	}
	if thanked {
		s.discourteous(err)
	}
}

func (s *settling) unstage() {
	for _, e := range slices.Concat(s.reports, s.courtesy) {
		e.discard()
	}
	s.reports, s.courtesy = nil, nil
}

// after tells observers, and what else a success or a distrust leads to.
func (s *settling) after(ctx context.Context) {
	ended := len(s.j.Recipients) == 0
	for _, e := range s.events {
		if e.Op == mail.OpDeliver && e.Outcome == mail.Deferred && !ended {
			e.Next = s.j.Due
		}
		s.q.observe(e)
	}
	for _, e := range s.reports {
		s.q.reported(e, mail.ReportFailure, "report on ")
	}
	for _, e := range s.courtesy {
		s.q.reported(e, mail.ReportSuccess, "a success was told; report on ")
	}
	s.learn(ctx)
}

// reported tells observers of a report that was queued: of which kind, and what says it before the id of what it is about.
func (q *Queue) reported(e *entry, kind, what string) {
	for i := range e.parts {
		r := &e.parts[i].rec
		for _, x := range r.Recipients {
			q.observe(mail.Event{
				Op: mail.OpDSN, ID: r.ID, Origin: r.ParentOrigin, Lane: r.Lane, From: r.Reverse, To: x.Forward,
				Messages: 1, Octets: r.Size, Topic: kind, Text: what + r.Parent.String(),
			})
		}
	}
}

package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"mailretr/store/mail"
)

// Reports of what is no failure (RFC 3461): of success, in the commit that ends the recipients; of delay, by a look at
// what waits, since mail for a next hop that is away is not attempted.

// successes stages the report on those who were delivered and asked for it. One that cannot be made or queued is told to
// the admin, and nobody waits for it: the message has arrived.
func (s *settling) successes(ctx context.Context) {
	inf, ok := s.q.Reporter.(mail.Informer)
	if !ok || s.m == nil || !s.j.Parent.Zero() || s.j.Reverse.Null() {
		return
	}
	about := *s.m
	about.Envelope.Recipients = nil
	var results mail.Report
	for i := range s.j.said {
		if x := &s.j.said[i]; x.Outcome == mail.Delivered && x.Custody != mail.Reports && named(x.Notify, "SUCCESS") {
			about.Envelope.Recipients = append(about.Envelope.Recipients, x.Recipient)
			results = append(results, x.Result)
		}
	}
	if len(results) == 0 {
		return
	}
	ms, err := inf.Succeeded(ctx, &about, results)
	if err == nil {
		s.courtesy, err = s.q.stageReports(ctx, ms, &s.j.Record)
	}
	if err != nil {
		s.discourteous(err)
	}
}

// discourteous tells that a report of success was not sent.
func (s *settling) discourteous(err error) {
	e := s.event(mail.OpDSN)
	e.Err, e.Alarm, e.Text = err, true, "a report of success, which the sender asked for, could not be queued"
	s.events = append(s.events, e)
}

// named says whether a NOTIFY parameter names this word.
func named(notify, word string) bool {
	for _, w := range strings.Split(notify, ",") {
		if strings.EqualFold(strings.TrimSpace(w), word) {
			return true
		}
	}
	return false
}

// Warn tells the senders of mail that has waited for longer than [Queue.Late] that it waits, once per message and
// recipient, and returns how many reports that were. It is for now and then. Held mail is not meant, nor mail that is
// being attempted; and where the report itself would have to wait, since the next hop is away, the next call comes
// early enough. What waits for its turn because the next hop has just come back is not told of either: it is about to be
// delivered.
func (q *Queue) Warn(ctx context.Context) (n int, err error) {
	inf, ok := q.Reporter.(mail.Informer)
	if !ok || q.Late == nil || q.Late() <= 0 {
		return 0, nil
	}
	no, before := false, q.now().Add(-q.Late())
	var ids []mail.ID
	for l, err := range q.Engine.List(ctx, Filter{Held: &no}) {
		if err != nil {
			return 0, err
		}
		if l.Record.Queued.After(before) {
			break // they come in the order in which they were queued
		}
		if !l.Leased && len(l.Record.unwarned()) > 0 {
			ids = append(ids, l.Record.ID)
		}
	}
	var errs []error
	for _, id := range ids {
		leased, _, err := q.Engine.LeaseMessages(ctx, Filter{IDs: []mail.ID{id}}, 1, q.ttl())
		if err != nil {
			return n, errors.Join(append(errs, err)...)
		}
		for _, l := range leased {
			told, err := q.warn(ctx, inf, l)
			if told {
				n++
			}
			if err != nil {
				errs = append(errs, err)
			}
		}
	}
	return n, errors.Join(errs...)
}

// unwarned are the indices of the recipients of whose delay nobody was told yet. Of a report, or of mail that nobody has
// sent, there are none.
func (r *Record) unwarned() (at []int) {
	if !r.Parent.Zero() || r.Reverse.Null() || r.Held() {
		return nil
	}
	for i := range r.Recipients {
		if x := &r.Recipients[i]; x.State == Waiting && !x.Warned && !x.Copy {
			at = append(at, i)
		}
	}
	return at
}

// warn makes the report on one record, in one commit with the note that it was made. The lease has ended afterwards.
func (q *Queue) warn(ctx context.Context, inf mail.Informer, l Leased) (told bool, err error) {
	r := &l.Record
	at := r.unwarned()
	away, err := q.away(ctx, r.Reverse)
	if err == nil && !away {
		err = q.with(ctx, r.Lane, func(l *laneState) { away = l.drains(r.Last, q.now()) })
	}
	if err != nil || away || len(at) == 0 {
		q.Engine.Release(l.Lease)
		return false, err
	}
	t, err := q.room(ctx, r.Reverse, false)
	if err != nil || !t.later.IsZero() {
		q.Engine.Release(l.Lease)
		return false, err
	}
	all, err := q.delayed(ctx, inf, r, at)
	if err != nil {
		q.unused(t)
		q.Engine.Release(l.Lease)
		return false, err
	}
	for _, i := range at {
		r.Recipients[i].Warned = true
	}
	b := Batch{Fence: []Lease{l.Lease}, Put: []Record{*r}}
	if len(all) > 0 {
		b.Notes = t.notes
	} else {
		q.unused(t)
	}
	return len(all) > 0, q.noted(ctx, &b, all)
}

// away says whether what goes to this address would have to wait, because a next hop of it is sick.
func (q *Queue) away(ctx context.Context, to mail.Path) (sick bool, err error) {
	x := mail.Recipient{Forward: to}
	for _, name := range q.route(mail.Origin{}, mail.Envelope{Recipients: []mail.Recipient{x}}, x) {
		if err := q.with(ctx, name, func(l *laneState) { sick = sick || l.sick() }); err != nil {
			return false, err
		}
	}
	return sick, nil
}

// delayed stages the report on these recipients of a record.
func (q *Queue) delayed(ctx context.Context, inf mail.Informer, r *Record, at []int) ([]*entry, error) {
	var until time.Time
	err := q.with(ctx, r.Lane, func(l *laneState) {
		until = q.schedule(r.Lane).end(r.Queued, l.sickness(r.Queued, q.now()))
	})
	if err != nil {
		return nil, err
	}
	c := &content{q: q, r: r}
	defer c.close()
	about, results := aboutThese(q.message(r, c), pick(r.Recipients, at))
	for i := range results {
		results[i].Outcome = mail.Deferred
	}
	ms, err := inf.Delayed(ctx, about, results, until)
	if err != nil {
		return nil, err
	}
	return q.stageReports(ctx, ms, r)
}

// noted commits a changed record with reports on it that are staged.
func (q *Queue) noted(ctx context.Context, b *Batch, reports []*entry) error {
	for _, e := range reports {
		for _, p := range e.parts {
			b.Put = append(b.Put, p.rec)
		}
	}
	if err := q.commit(ctx, b); err != nil {
		q.Engine.Release(b.Fence...)
		if !isUnknown(err) {
			for _, e := range reports {
				e.discard()
			}
		}
		return local(err, "")
	}
	for _, e := range reports {
		q.reported(e, mail.ReportDelay, "a delay was told; report on ")
	}
	return nil
}

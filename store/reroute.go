package store

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"mailretr/store/mail"
)

// Reroute finds new lanes for messages whose lane is not known any more: at the start, and when the
// configuration has changed. n counts the messages that were changed. Those without a route stay as they
// are, with an event; those that are being attempted stay too.
func (q *Queue) Reroute(ctx context.Context, known func(mail.Lane) bool) (n int, err error) {
	var ids []mail.ID
	for l, err := range q.Engine.List(ctx, Filter{}) {
		if err != nil {
			return 0, err
		}
		if !known(l.Record.Lane) {
			ids = append(ids, l.Record.ID)
		}
	}
	for some := range slices.Chunk(ids, chunk) {
		moved, err := q.reroute(ctx, some, known)
		if n += moved; err != nil {
			return n, err
		}
	}
	return n, nil
}

// reroute routes the recipients of some records anew, unless their lane is known. n counts those that were changed: in one
// commit, but for those whose recipients part, which are copied. What is being attempted in its old lane, or is gone, is
// left out.
func (q *Queue) reroute(ctx context.Context, ids []mail.ID, known func(mail.Lane) bool) (n int, err error) {
	leased, _, err := q.Engine.LeaseMessages(ctx, Filter{IDs: ids}, len(ids), q.ttl())
	if err != nil {
		return 0, err
	}
	together := &Batch{}
	for i := range leased {
		l := &leased[i]
		var b *Batch
		var copies []Body
		if err == nil {
			b, copies, err = q.rerouted(ctx, l, known)
		}
		switch {
		case err != nil || b == nil:
			discard(copies)
			q.Engine.Release(l.Lease)
		case len(copies) == 0:
			together.Fence, together.Put = append(together.Fence, b.Fence...), append(together.Put, b.Put...)
		default:
			if err = q.routed(ctx, b, copies); err == nil {
				n++
			}
		}
	}
	if len(together.Put) == 0 {
		return n, err
	}
	if e := q.routed(ctx, together, nil); e != nil {
		return n, errors.Join(err, e)
	}
	return n + len(together.Put), err
}

// routed commits what was routed anew, or gives it back.
func (q *Queue) routed(ctx context.Context, b *Batch, copies []Body) error {
	err := q.commit(ctx, b)
	if err != nil {
		q.Engine.Release(b.Fence...)
	}
	if err != nil && !isUnknown(err) {
		discard(copies)
	}
	return err
}

func discard(copies []Body) {
	for _, c := range copies {
		c.Discard()
	}
}

// rerouted is the commit that routes a record anew; nil where nothing changes.
func (q *Queue) rerouted(ctx context.Context, l *Leased, known func(mail.Lane) bool) (*Batch, []Body, error) {
	r := &l.Record
	if known(r.Lane) {
		return nil, nil, nil
	}
	all := q.part(r)
	if len(all) == 0 || len(all) == 1 && all[0].lane == r.Lane {
		return nil, nil, nil
	}
	b := &Batch{Fence: []Lease{l.Lease}}
	for i, g := range all {
		part := *r
		part.Lane, part.Due, part.Recipients = g.lane, q.now(), g.to
		if g.lane != r.Lane {
			part.Home, part.Moved = "", time.Time{}
		}
		if i > 0 {
			part.ID = q.newID()
		}
		b.Put = append(b.Put, part)
	}
	copies, err := q.copies(ctx, r, b)
	return b, copies, err
}

// copies gives the records of a batch but the first a body of their own, that of r, and notes that they are to have one.
func (q *Queue) copies(ctx context.Context, r *Record, b *Batch) (copies []Body, err error) {
	var ids []mail.ID
	for i := range b.Put[1:] {
		ids = append(ids, b.Put[1+i].ID)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	begin, end := parting(r.ID, ids)
	if err := q.commit(ctx, &Batch{Notes: begin}); err != nil {
		return nil, err
	}
	for i := range ids {
		body, err := q.copy(ctx, r, &b.Put[1+i])
		if err != nil {
			return copies, err
		}
		copies = append(copies, body)
	}
	b.Notes = append(b.Notes, end...)
	return copies, nil
}

// part sorts the recipients of a record by lane. Those without a route go where the first of the others goes; nil
// where nobody has one.
func (q *Queue) part(r *Record) []*group {
	var sorted groups
	var lost []Recipient
	for _, x := range r.Recipients {
		to := x.anew(r.Lane, q.stays(r, q.route(r.Origin, mail.Envelope{Reverse: r.Reverse}, x.Recipient)))
		if x.State == Owed && len(to) > 1 {
			to = to[:1] // it is only reported
		}
		if len(to) == 0 {
			lost = append(lost, x)
			q.observe(mail.Event{
				Op: mail.OpAlarm, ID: r.ID, Lane: r.Lane, To: x.Forward, Err: errNoRoute, Alarm: true,
				Text: "a queued message has no route any more",
			})
		}
		sorted.add(x, to)
	}
	if len(sorted.all) > 0 {
		for _, x := range lost {
			sorted.add(x, []mail.Lane{sorted.all[0].lane})
		}
	}
	return sorted.all
}

// copy stages the body of a record once more, for another one.
func (q *Queue) copy(ctx context.Context, from, to *Record) (Body, error) {
	r, err := (&content{q: q, r: from}).Open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	body, err := q.Engine.Stage(ctx, to)
	if err != nil {
		return nil, err
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	if _, err = io.CopyBuffer(struct{ io.Writer }{body}, struct{ io.Reader }{r}, *buf); err == nil {
		to.Body, to.SHA256, err = body.Seal(ctx)
	}
	if err != nil {
		body.Discard()
		return nil, err
	}
	return body, nil
}

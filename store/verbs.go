package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"mailretr/store/mail"
)

// What people do to single messages. Each verb leases the record first, so it never races with an attempt:
// where one is under way it says so and waits until it has ended, or ctx. Each may be repeated without
// harm.

// A Busy function is told, once, that a verb waits for an attempt that is under way. nil: nobody is told.
type Busy func(mail.ID)

// An Ambiguous error says that several IDs begin or end so.
type Ambiguous struct {
	Text string
	IDs  []mail.ID
}

// Error asks for more.
func (a *Ambiguous) Error() string {
	return fmt.Sprintf("%q stands for %d messages or more; give more of the id", mail.Printable(a.Text, 40),
		len(a.IDs))
}

// Find returns the one message whose ID begins or ends with s. ErrNotFound where there is none, *Ambiguous
// where there are several.
func (q *Queue) Find(ctx context.Context, s string) (mail.ID, error) {
	if id, err := mail.ParseID(s); err == nil {
		_, err := q.Engine.Get(ctx, id)
		return id, err
	}
	if s == "" {
		return mail.ID{}, errors.New("an empty id names no message")
	}
	ids, err := q.Engine.Find(ctx, s, 10)
	switch {
	case err != nil:
		return mail.ID{}, err
	case len(ids) == 0:
		return mail.ID{}, ErrNotFound
	case len(ids) > 1:
		return mail.ID{}, &Ambiguous{Text: s, IDs: ids}
	}
	return ids[0], nil
}

// List yields records in order of queueing.
func (q *Queue) List(ctx context.Context, f Filter) iter.Seq2[Listed, error] {
	return q.Engine.List(ctx, f)
}

// Show returns one record and whether it is being attempted; ErrNotFound where there is none.
func (q *Queue) Show(ctx context.Context, id mail.ID) (Listed, error) {
	for l, err := range q.Engine.List(ctx, Filter{IDs: []mail.ID{id}}) {
		return l, err
	}
	return Listed{}, ErrNotFound
}

// Cat opens the octets of a message. The caller closes it.
func (q *Queue) Cat(ctx context.Context, id mail.ID) (io.ReadCloser, error) {
	r, err := q.Engine.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return (&content{q: q, r: &r}).Open(ctx)
}

// An Exported message: what is known of it, and its octets.
type Exported struct {
	Record Record
	Open   func(context.Context) (io.ReadCloser, error)
}

// Export yields messages with their octets, in order of queueing. One that leaves the queue meanwhile
// cannot be opened.
func (q *Queue) Export(ctx context.Context, f Filter) iter.Seq2[Exported, error] {
	return func(yield func(Exported, error) bool) {
		for l, err := range q.Engine.List(ctx, f) {
			if err != nil {
				yield(Exported{}, err)
				return
			}
			r := l.Record
			open := func(ctx context.Context) (io.ReadCloser, error) { return (&content{q: q, r: &r}).Open(ctx) }
			if !yield(Exported{Record: r, Open: open}, nil) {
				return
			}
		}
	}
}

// Hold keeps a message from being attempted until it is released. why is a sentence for people.
func (q *Queue) Hold(ctx context.Context, id mail.ID, why string, busy Busy) error {
	return q.edit(ctx, id, busy, "held", func(r *Record) bool {
		if r.Hold == HoldAdmin && r.HoldWhy == why {
			return false
		}
		r.Hold, r.HoldWhy = HoldAdmin, mail.Printable(why, 600)
		return true
	})
}

// Release lets a held message be attempted, at once. Where its reports are owed, they are tried again; what
// was held because nobody may be told is held again if that has not changed.
func (q *Queue) Release(ctx context.Context, id mail.ID, busy Busy) error {
	now := q.now()
	return q.edit(ctx, id, busy, "released", func(r *Record) bool { return r.release(now) })
}

// release makes a held record due.
func (r *Record) release(now time.Time) bool {
	if !r.Held() {
		return false
	}
	if r.Hold == HoldFlood {
		r.Released = now
	}
	r.Hold, r.HoldWhy, r.Due = NotHeld, "", now
	for i := range r.Recipients {
		if x := &r.Recipients[i]; x.State == Resting { // it is attempted again
			x.State = Waiting
		}
	}
	return true
}

// Retry makes a message due at once, held or not, and routes its recipients anew. Recipients that have
// failed and of whom nobody was told yet are attempted again too: somebody says that it is worth it.
func (q *Queue) Retry(ctx context.Context, id mail.ID, busy Busy) error {
	now := q.now()
	err := q.edit(ctx, id, busy, "to be retried", func(r *Record) bool {
		r.Hold, r.HoldWhy, r.Due = NotHeld, "", now
		return r.unowe()
	})
	if err != nil {
		return err
	}
	_, err = q.reroute(ctx, []mail.ID{id}, func(mail.Lane) bool { return false })
	return err
}

// Remove ends a message without telling anybody but observers.
func (q *Queue) Remove(ctx context.Context, id mail.ID, busy Busy) error {
	l, err := q.leaseOne(ctx, id, busy)
	if err != nil {
		return err
	}
	b := &Batch{Fence: []Lease{l.Lease}, Remove: []mail.ID{id}}
	return q.verb(ctx, l, b, "removed")
}

// Bounce fails all recipients that wait, now, and reports that to the sender. why is put into the report, and
// so is what the next hop said last; why may be "". One whose octets are lost is reported without them.
func (q *Queue) Bounce(ctx context.Context, id mail.ID, why string, busy Busy) error {
	l, err := q.leaseOne(ctx, id, busy)
	if err != nil {
		return err
	}
	now := q.now()
	r := &l.Record
	r.Hold, r.HoldWhy = NotHeld, ""
	for i := range r.Recipients {
		x := &r.Recipients[i]
		if x.State != Owed {
			x.State, x.Since, x.Times = Owed, now, 1
			x.Last = Said{At: now, Enhanced: "5.0.0", Reply: x.Last.Reply, RemoteMTA: x.Last.RemoteMTA,
				Err: mail.Printable(why, 300), GivenUp: true}
		}
	}
	c := &content{q: q, r: r}
	c.gone = lost(c.open(ctx)) // whoever is told of that hears it without them
	h := &hold{Leased: l, m: q.message(r, c), begun: now}
	defer h.close()
	q.observe(mail.Event{Op: mail.OpVerb, ID: id, Origin: r.Origin, Lane: r.Lane, From: r.Reverse,
		Text: "bounced"})
	return q.settle(ctx, h, nil)
}

// ReleaseAll releases what is held for one reason, and returns how many that were. Messages whose failures
// were not believed are attempted again.
func (q *Queue) ReleaseAll(ctx context.Context, f Filter, why Hold) (n int, err error) {
	yes, now := true, q.now()
	f.Held = &yes
	var ids []mail.ID
	for l, err := range q.Engine.List(ctx, f) {
		if err != nil {
			return 0, err
		}
		if l.Record.Hold == why {
			ids = append(ids, l.Record.ID)
		}
	}
	return q.change(ctx, ids, func(r *Record) bool {
		if r.Hold != why || !r.release(now) {
			return false
		}
		q.observe(mail.Event{Op: mail.OpHold, ID: r.ID, Origin: r.Origin, Lane: r.Lane, From: r.Reverse,
			Text: "released"})
		return true
	})
}

// edit leases one record, changes it, and commits. f says whether there is something to commit.
func (q *Queue) edit(ctx context.Context, id mail.ID, busy Busy, done string, f func(*Record) bool) error {
	l, err := q.leaseOne(ctx, id, busy)
	if err != nil {
		return err
	}
	if !f(&l.Record) {
		q.Engine.Release(l.Lease)
		return nil
	}
	return q.verb(ctx, l, &Batch{Fence: []Lease{l.Lease}, Put: []Record{l.Record}}, done)
}

func (q *Queue) verb(ctx context.Context, l Leased, b *Batch, done string) error {
	if err := q.commit(ctx, b); err != nil {
		q.Engine.Release(l.Lease)
		return err
	}
	r := &l.Record
	q.observe(mail.Event{
		Op: mail.OpVerb, ID: r.ID, Origin: r.Origin, Lane: r.Lane, From: r.Reverse, Octets: r.Size, Text: done,
		Next: r.Due,
	})
	return nil
}

// verbPause is how often a verb looks whether the attempt it waits for has ended.
const verbPause = 200 * time.Millisecond

// leaseOne leases a record by id. While it is being attempted it waits, and says so once.
func (q *Queue) leaseOne(ctx context.Context, id mail.ID, busy Busy) (Leased, error) {
	for told := false; ; told = true {
		l, _, err := q.Engine.LeaseMessages(ctx, Filter{IDs: []mail.ID{id}}, 1, q.ttl())
		if err != nil {
			return Leased{}, err
		}
		if len(l) > 0 {
			return l[0], nil
		}
		if _, err := q.Engine.Get(ctx, id); err != nil {
			return Leased{}, err
		}
		if !told && busy != nil {
			busy(id)
		}
		if err := q.wait(ctx, verbPause); err != nil {
			return Leased{}, err
		}
	}
}

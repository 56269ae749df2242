package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"mailretr/store/mail"
)

// A Fallback says where mail goes that has waited in a lane too long.
type Fallback struct {
	To    mail.Lane     // "": nowhere
	After time.Duration // since it was queued, or came from another lane
}

// FallBack moves what has waited in this lane too long to the one that Fallback names: what was attempted here and
// deferred, or what waits because the lane is sick. In the new lane its attempts begin anew; it expires counted from when
// it was queued, as before. What is held, or is being attempted, stays, and so does a recipient who has the message in the
// other lane already, or has had it there (see [spaceFallen]): the others of that record go without him. n counts what was
// moved. It is called now and then, and may be repeated.
func (q *Queue) FallBack(ctx context.Context, lane mail.Lane) (n int, err error) {
	f := q.fallback(lane)
	if f.To == "" {
		return 0, nil
	}
	sick := false
	if err := q.with(ctx, lane, func(l *laneState) { sick = l.sick() }); err != nil {
		return 0, err
	}
	var ids []mail.ID
	no := false
	for l, err := range q.Engine.List(ctx, Filter{Lane: lane, Held: &no}) {
		if err != nil {
			return 0, err
		}
		if !l.Leased && q.overdue(&l.Record, f, sick) {
			ids = append(ids, l.Record.ID)
		}
	}
	for some := range slices.Chunk(ids, chunk) {
		moved, err := q.fallen(ctx, some, lane, f, sick)
		if n += moved; err != nil {
			return n, err
		}
	}
	return n, nil
}

// A move is the commit that puts one or more records into the lane of a fall-back, and what is told of it.
type move struct {
	Batch
	copies []Body
	events []mail.Event
}

// fallen moves some records, in one commit but for those whose recipients part, and tells of each.
func (q *Queue) fallen(ctx context.Context, ids []mail.ID, lane mail.Lane, f Fallback, sick bool) (n int, err error) {
	leased, _, err := q.Engine.LeaseMessages(ctx, Filter{IDs: ids}, len(ids), q.ttl())
	if err != nil {
		return 0, err
	}
	together := &move{}
	for i := range leased {
		l := &leased[i]
		var m *move
		if r := &l.Record; err == nil && r.Lane == lane && !r.Held() && q.overdue(r, f, sick) { // else it has changed meanwhile
			m, err = q.fall(ctx, l, f)
		}
		switch {
		case err != nil || m == nil:
			q.Engine.Release(l.Lease)
		case len(m.copies) == 0:
			together.Fence, together.Put = append(together.Fence, m.Fence...), append(together.Put, m.Put...)
			together.Notes, together.events = append(together.Notes, m.Notes...), append(together.events, m.events...)
		default:
			err = q.moved(ctx, m, &n)
		}
	}
	if len(together.Put) == 0 {
		return n, err
	}
	return n, errors.Join(err, q.moved(ctx, together, &n))
}

// moved commits a move, or gives back what it would have moved, and tells of it.
func (q *Queue) moved(ctx context.Context, m *move, n *int) error {
	if err := q.routed(ctx, &m.Batch, m.copies); err != nil {
		return err
	}
	*n += len(m.events)
	for _, e := range m.events {
		q.observe(e)
	}
	return nil
}

// fall is the move of one record, or of those of its recipients who are not there yet; nil where nobody goes.
func (q *Queue) fall(ctx context.Context, l *Leased, f Fallback) (*move, error) {
	r, now := &l.Record, q.now()
	gone, stay := *r, *r
	gone.Recipients, stay.Recipients = nil, nil
	for _, x := range r.Recipients {
		there, err := q.there(ctx, r, &x, f.To)
		switch {
		case err != nil:
			return nil, err
		case there:
			stay.Recipients = append(stay.Recipients, x)
		default:
			gone.Recipients = append(gone.Recipients, x)
		}
	}
	if waitingCount(&gone) == 0 {
		return nil, nil
	}
	gone.fall(f.To, now)
	m := &move{Batch: Batch{Fence: []Lease{l.Lease}}}
	if len(stay.Recipients) > 0 {
		gone.ID, m.Put = q.newID(), append(m.Put, stay)
	}
	m.Put = append(m.Put, gone)
	var err error
	if m.copies, err = q.copies(ctx, r, &m.Batch); err != nil {
		discard(m.copies)
		return nil, err
	}
	for i := range gone.Recipients {
		if x := &gone.Recipients[i]; len(x.Beside) > 0 {
			m.Notes = append(m.Notes, Note{Space: spaceFallen, Owner: fallenKey(r, x, f.To), Value: pack(fallenTo{gone.ID, now})})
		}
	}
	m.events = append(m.events, mail.Event{
		Op: mail.OpMove, ID: gone.ID, Origin: r.Origin, Lane: gone.Lane, From: r.Reverse, Octets: r.Size, Next: gone.Due,
		Text: fmt.Sprintf("it has waited %s for %s, and goes to %s", now.Sub(r.since()).Round(time.Minute), r.Lane, f.To),
	})
	return m, nil
}

// there says whether a recipient has the message in a lane by another record, or has had it.
func (q *Queue) there(ctx context.Context, r *Record, x *Recipient, to mail.Lane) (bool, error) {
	if len(x.Beside) == 0 {
		return false, nil
	}
	if slices.Contains(x.Beside, to) {
		return true, nil
	}
	for n, err := range q.Engine.Notes(ctx, spaceFallen, fallenKey(r, x, to)) {
		var f fallenTo
		if err == nil {
			err = unpack(n.Value, &f)
		}
		return f.ID != r.ID, err
	}
	return false, nil
}

// A fallenTo is the note of a recipient with several destinations who has come to one by a fall-back: two destinations may
// have the same.
type fallenTo struct {
	ID mail.ID   `cbor:"1,keyasint"` // the record that has brought him there
	At time.Time `cbor:"2,keyasint"`
}

// fallenKey names a recipient of a message in a lane: the same for all records that the message was multiplied into.
func fallenKey(r *Record, x *Recipient, to mail.Lane) string {
	h := sha256.New()
	for _, s := range []string{string(r.SHA256[:]), r.Queued.UTC().Format(time.RFC3339Nano), string(x.Forward), string(to)} {
		fmt.Fprintf(h, "%d %s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// oldFalls are the notes of falls so old that no record of theirs can be waiting any more.
func (q *Queue) oldFalls(ctx context.Context) (old []Note, err error) {
	for n, err := range q.Engine.Notes(ctx, spaceFallen, "") {
		if err != nil {
			return nil, err
		}
		var f fallenTo
		if unpack(n.Value, &f) != nil || q.now().Sub(f.At) > importedFor {
			n.Value = nil
			old = append(old, n)
		}
	}
	return old, nil
}

// since is when the record came into its lane.
func (r *Record) since() time.Time {
	if r.Home != "" {
		return r.Moved
	}
	return r.Queued
}

// overdue says whether a record has waited too long.
func (q *Queue) overdue(r *Record, f Fallback, sick bool) bool {
	since := r.since()
	return q.now().Sub(since) >= f.After && (sick || !r.Last.Before(since)) && waitingCount(r) > 0
}

// fall puts a record into another lane.
func (r *Record) fall(to mail.Lane, now time.Time) {
	if r.Home == "" {
		r.Home = r.Lane
	}
	r.Lane, r.Moved, r.Due, r.Attempts, r.Sick = to, now, now, 0, 0
}

func (q *Queue) fallback(l mail.Lane) Fallback {
	if q.Fallback == nil {
		return Fallback{}
	}
	return q.Fallback(l)
}

// leads says whether mail of a lane may have come to another one by falling back.
func (q *Queue) leads(from, to mail.Lane) bool {
	for range 20 { // a circle is no configuration, but must not hold us either
		if from = q.fallback(from).To; from == to || from == "" {
			return from != ""
		}
	}
	return false
}

// stays is the route of a recipient of a record that has fallen back: where it is, as long as the route names the lane
// it came from, and that still leads here.
func (q *Queue) stays(r *Record, route []mail.Lane) []mail.Lane {
	if r.Home != "" && slices.Contains(route, r.Home) && q.leads(r.Home, r.Lane) {
		return []mail.Lane{r.Lane}
	}
	return route
}

package store

import (
	"context"
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
// it was queued, as before. What is held, is being attempted, or is in the other lane already stays. n counts what was
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

// fallen moves some records in one commit, and tells of each.
func (q *Queue) fallen(ctx context.Context, ids []mail.ID, lane mail.Lane, f Fallback, sick bool) (int, error) {
	var told []mail.Event
	n, err := q.change(ctx, ids, func(r *Record) bool {
		if r.Lane != lane || r.Held() || !q.overdue(r, f, sick) { // it has changed meanwhile
			return false
		}
		waited := q.now().Sub(r.since())
		r.fall(f.To, q.now())
		told = append(told, mail.Event{
			Op: mail.OpMove, ID: r.ID, Origin: r.Origin, Lane: r.Lane, From: r.Reverse, Octets: r.Size, Next: r.Due,
			Text: fmt.Sprintf("it has waited %s for %s, and goes to %s", waited.Round(time.Minute), lane, f.To),
		})
		return true
	})
	if err != nil {
		return n, err
	}
	for _, e := range told {
		q.observe(e)
	}
	return n, nil
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
	if q.now().Sub(since) < f.After || !sick && r.Last.Before(since) || waitingCount(r) == 0 {
		return false
	}
	return !slices.ContainsFunc(r.Recipients, func(x Recipient) bool { return slices.Contains(x.Beside, f.To) })
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

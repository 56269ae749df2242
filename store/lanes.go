package store

import (
	"context"
	"sync"
	"time"

	"mailretr/store/mail"
)

// lanes is what the queue knows of its next hops: when they were sick, and how far their refusals are to be
// trusted.
type lanes struct {
	mu sync.Mutex
	m  map[mail.Lane]*laneState
}

// laneState is guarded by lanes.mu.
type laneState struct {
	trust  trust
	spells []spell // in order; the last one may be open
}

// A spell is a time in which a lane was sick. To is zero while it is.
type spell struct {
	From time.Time `cbor:"1,keyasint"`
	To   time.Time `cbor:"2,keyasint"`
}

// maxSpells bounds what is kept of a lane; the oldest are forgotten, which expires messages earlier, never
// later.
const maxSpells = 200

func (l *laneState) sick() bool { return len(l.spells) > 0 && l.spells[len(l.spells)-1].To.IsZero() }

// begin and end note a change; false: it was so already.
func (l *laneState) begin(now time.Time) bool {
	if l.sick() {
		return false
	}
	if l.spells = append(l.spells, spell{From: now}); len(l.spells) > maxSpells {
		l.spells = l.spells[len(l.spells)-maxSpells:]
	}
	return true
}

func (l *laneState) end(now time.Time) bool {
	if !l.sick() {
		return false
	}
	l.spells[len(l.spells)-1].To = now
	return true
}

// drains says whether what was attempted last at that time only waits for its turn, since the lane is well again for no
// more than an hour.
func (l *laneState) drains(last, now time.Time) bool {
	if len(l.spells) == 0 || l.sick() {
		return false
	}
	well := l.spells[len(l.spells)-1].To
	return last.Before(well) && now.Sub(well) < time.Hour
}

// sickness returns how long the lane was sick between two instants.
func (l *laneState) sickness(from, to time.Time) (sum time.Duration) {
	for _, s := range l.spells {
		begin, end := s.From, s.To
		if end.IsZero() || end.After(to) {
			end = to
		}
		if begin.Before(from) {
			begin = from
		}
		if d := end.Sub(begin); d > 0 {
			sum += d
		}
	}
	return sum
}

// with runs f with the state of a lane, which it loads the first time.
func (q *Queue) with(ctx context.Context, name mail.Lane, f func(*laneState)) error {
	q.lanes.mu.Lock()
	defer q.lanes.mu.Unlock()
	l := q.lanes.m[name]
	if l == nil {
		l = &laneState{}
		for n, err := range q.Engine.Notes(ctx, spaceLane, string(name)) {
			if err != nil {
				return err
			}
			if n.Key == keySpells {
				if err := unpack(n.Value, &l.spells); err != nil {
					return err
				}
			}
		}
		if q.lanes.m == nil {
			q.lanes.m = map[mail.Lane]*laneState{}
		}
		q.lanes.m[name] = l
	}
	f(l)
	return nil
}

const keySpells = "spells"

// spellsNote is what a restart has to know of a lane.
func spellsNote(name mail.Lane, l *laneState) Note {
	return Note{Space: spaceLane, Owner: string(name), Key: keySpells, Value: pack(l.spells)}
}

// Postpone notes that a lane is sick from now on. The queue notices it by itself from reports that speak of
// the lane; this is for who knows earlier. What waits for the lane stays due, so that the first try is of
// the oldest.
func (q *Queue) Postpone(ctx context.Context, name mail.Lane) error {
	return q.spell(ctx, name, (*laneState).begin)
}

// DueNow notes that a lane is well again. Everything that waited for it is due, since its due times were
// not touched.
func (q *Queue) DueNow(ctx context.Context, name mail.Lane) error {
	return q.spell(ctx, name, (*laneState).end)
}

func (q *Queue) spell(ctx context.Context, name mail.Lane, change func(*laneState, time.Time) bool) error {
	var b Batch
	err := q.with(ctx, name, func(l *laneState) {
		if change(l, q.now()) {
			b.Notes = []Note{spellsNote(name, l)}
		}
	})
	if err != nil || b.Notes == nil {
		return err
	}
	return q.commit(ctx, &b)
}

// Recover mends what a wrong clock has done: what is due later than the longest pause is due now. It is for
// the start, and for when the wall clock has jumped.
func (q *Queue) Recover(ctx context.Context) (n int, err error) {
	no, now := false, q.now()
	var ids []mail.ID
	for l, err := range q.Engine.List(ctx, Filter{Held: &no}) {
		if err != nil {
			return 0, err
		}
		s := q.schedule(l.Record.Lane)
		if l.Record.Due.Sub(now) > max(s.Longest()*3/2, q.Guard.wait()) { // jitter is below half a pause
			ids = append(ids, l.Record.ID)
		}
	}
	return q.change(ctx, ids, func(r *Record) bool { r.Due = now; return true })
}

package badger

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"mailretr/store"
	"mailretr/store/mail"
)

// slotKey is the one slot of the embedded engine: all maildrops are ours.
const slotKey = "*"

// LeaseSlots returns the one slot that there is; it never runs out while the store is open.
func (e *Engine) LeaseSlots(ctx context.Context, ttl time.Duration) ([]store.Lease, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	return []store.Lease{{Key: slotKey, Epoch: 1, Until: e.opt.Now().Add(ttl)}}, ctx.Err()
}

// LeaseMessages leases what is due. It holds the lock of the leases while it reads, so that it sees no record
// in a state that a commit has changed already.
func (e *Engine) LeaseMessages(ctx context.Context, f store.Filter, n int, ttl time.Duration) (
	[]store.Leased, time.Time, error,
) {
	if err := e.usable(); err != nil {
		return nil, time.Time{}, err
	}
	if err := ctx.Err(); err != nil {
		return nil, time.Time{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	s := &search{e: e, txn: txn, f: f, n: n, now: e.opt.Now()}
	s.due = stamp(f.Due)
	if f.Due.IsZero() {
		s.due = stamp(s.now)
	}
	var err error
	if f.IDs != nil {
		err = s.byID()
	} else {
		err = s.byDue()
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	out := make([]store.Leased, len(s.found))
	for i := range s.found {
		r := &s.found[i]
		out[i] = store.Leased{Record: *r, Lease: e.live.grant(r, s.now.Add(ttl))}
		if f.IDs == nil {
			e.live.flight.takeoff(r.ID)
		}
	}
	e.live.flight.write()
	return out, s.next, nil
}

func (l *live) grant(r *store.Record, until time.Time) store.Lease {
	l.epoch++
	l.leases[r.ID] = &lease{epoch: l.epoch, until: until, stub: stubOf(r)}
	return store.Lease{Key: r.ID.String(), Epoch: l.epoch, Until: until}
}

// A search is one LeaseMessages.
type search struct {
	e     *Engine
	txn   *badger.Txn
	f     store.Filter
	n     int
	now   time.Time
	due   uint64
	found []store.Record
	next  time.Time
}

func (s *search) later(t time.Time) {
	if s.next.IsZero() || t.Before(s.next) {
		s.next = t
	}
}

func (s *search) byID() error {
	for _, id := range s.f.IDs {
		if len(s.found) >= s.n {
			break
		}
		if x := s.e.live.leased(id, s.now); x != nil {
			s.later(x.until)
			continue
		}
		if s.e.live.hidden(id) {
			continue
		}
		r, err := s.e.get(s.txn, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if s.wanted(&r) {
			s.found = append(s.found, r)
		}
	}
	return nil
}

// wanted says whether a record passes what the schedule does not tell.
func (s *search) wanted(r *store.Record) bool { return matches(&s.f, r, false) }

// byDue finds what is due in one lane, or in all of them in order.
func (s *search) byDue() error {
	if s.f.Held != nil && *s.f.Held {
		return nil // what is held is not due
	}
	lanes := s.e.live.lanes
	if s.f.Lane != "" {
		l := lanes[s.f.Lane]
		if l == nil {
			return nil
		}
		places, err := s.scan(l)
		if err != nil {
			return err
		}
		return s.take(places)
	}
	var all []place
	for _, l := range lanes {
		places, err := s.scan(l)
		if err != nil {
			return err
		}
		all = append(all, places...)
	}
	slices.SortFunc(all, func(a, b place) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	return s.take(all)
}

// scan reads the schedule of a lane from its low-water mark until it has one more than is wanted, or what is
// not due.
func (s *search) scan(l *lane) (out []place, err error) {
	it := s.txn.NewIterator(keysOnly(lanePrefix(l.low.lane)))
	defer it.Close()
	first := true
	for it.Seek(dueKey(l.low.lane, l.low.due, l.low.id)); it.Valid() && len(out) <= s.n; it.Next() {
		_, due, id, ok := parseDueKey(it.Item().Key())
		if !ok || s.e.live.hidden(id) {
			continue
		}
		p := place{l.low.lane, due, id}
		if first {
			l.low, first = p, false
		}
		x := s.e.live.leased(id, s.now)
		switch {
		case x != nil:
			s.later(x.until)
		case due > s.due:
			s.later(unstamp(due))
			return out, nil
		case s.f.Maildrop != "":
			r, err := s.e.get(s.txn, id)
			if err != nil || !s.wanted(&r) {
				continue // without a record: the next reconciliation removes the entry
			}
			out = append(out, p)
		default:
			out = append(out, p)
		}
	}
	return out, nil
}

// take reads the records of the first places. One that is suspect of having ended the process comes alone.
func (s *search) take(places []place) error {
	for _, p := range places {
		odd := s.e.live.flight.suspects[p.id] > 0
		if len(s.found) >= s.n || odd && len(s.found) > 0 {
			s.later(unstamp(p.due))
			return nil
		}
		r, err := s.e.get(s.txn, p.id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		s.found = append(s.found, r)
		if odd {
			s.n = 1
		}
	}
	return nil
}

// Renew prolongs leases. One that has run out, and that nobody else got, still holds.
func (e *Engine) Renew(ctx context.Context, ttl time.Duration, ls ...store.Lease) ([]store.Lease, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	until := e.opt.Now().Add(ttl)
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []store.Lease
	for _, l := range ls {
		if l.Key != slotKey {
			x := e.live.ours(l)
			if x == nil {
				continue
			}
			x.until = until
		}
		l.Until = until
		out = append(out, l)
	}
	return out, nil
}

// ours returns a lease that is still the last one of its record.
func (l *live) ours(s store.Lease) *lease {
	id, err := mail.ParseID(s.Key)
	if err != nil {
		return nil
	}
	if x := l.leases[id]; x != nil && x.epoch == s.Epoch {
		return x
	}
	return nil
}

// Release gives leases back.
func (e *Engine) Release(ls ...store.Lease) {
	e.mu.Lock()
	given := false
	for _, l := range ls {
		x := e.live.ours(l)
		if x == nil || x.settling > 0 {
			continue
		}
		id, _ := mail.ParseID(l.Key) // ours has read it
		e.live.end(id)
		given = true
	}
	e.live.flight.write()
	e.mu.Unlock()
	if given {
		e.wake()
	}
}

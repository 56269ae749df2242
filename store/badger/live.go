package badger

import (
	"maps"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

// live is what the engine knows of the queue without reading it: leases, counts, and where reading the
// schedule has to begin. Under Engine.mu.
type live struct {
	leases map[mail.ID]*lease
	epoch  uint64
	lanes  map[mail.Lane]*lane
	totals struct {
		messages, held int
		octets         int64
	}
	oldest mail.ID // no record has a smaller ID
	// ended are records that are there only because Badger has not been told of their end.
	ended  map[mail.ID]struct{}
	flight flight
}

// A lane is one part of the schedule.
type lane struct {
	n   int
	low place // nothing of the lane is due earlier: removed entries before it are not read again
}

// A lease is the right to settle a record, as long as its epoch is the last one that was given.
type lease struct {
	epoch    uint64
	until    time.Time
	settling int  // commits under way that end it: nobody else gets it meanwhile
	stub     stub // of its record, as it is now
}

func (p place) before(q place) bool {
	return p.due < q.due || p.due == q.due && p.id.Compare(q.id) < 0
}

// settle looks whether leases are still ours, and keeps them from being given to anybody else while they are
// settled. A lease that has run out is still ours as long as nobody else got it.
func (l *live) settle(fence []store.Lease) (ids []mail.ID, ok bool) {
	for i := range fence {
		if fence[i].Key == slotKey {
			continue
		}
		id, err := mail.ParseID(fence[i].Key)
		x := l.leases[id]
		if err != nil || x == nil || x.epoch != fence[i].Epoch {
			l.unsettle(ids)
			return nil, false
		}
		x.settling++
		ids = append(ids, id)
	}
	return ids, true
}

// unsettle is for a commit that was refused.
func (l *live) unsettle(ids []mail.ID) {
	for _, id := range ids {
		l.leases[id].settling--
	}
}

// leased says whether somebody has a lease.
func (l *live) leased(id mail.ID, now time.Time) *lease {
	if x := l.leases[id]; x != nil && (x.settling > 0 || now.Before(x.until)) {
		return x
	}
	return nil
}

// apply does in memory what a commit has made durable. It says whether something may be due earlier now.
func (l *live) apply(r *request) (wake bool) {
	x := &r.effect
	l.totals.messages += x.messages
	l.totals.held += x.held
	l.totals.octets += x.octets
	for _, p := range x.gone {
		if y := l.lanes[p.lane]; y != nil {
			if y.n--; y.n <= 0 {
				delete(l.lanes, p.lane)
			}
		}
	}
	for _, p := range x.come {
		l.come(p)
	}
	for i := range r.puts {
		p := &r.puts[i]
		if l.oldest.Compare(p.id) > 0 {
			l.oldest = p.id
		}
		if y := l.leases[p.id]; y != nil {
			y.stub = p.stub
		}
	}
	for _, id := range x.fenced {
		l.end(id)
	}
	for _, id := range x.ended {
		l.end(id)
	}
	l.flight.write()
	return len(x.come) > 0
}

func (l *live) come(p place) {
	y := l.lanes[p.lane]
	if y == nil {
		y = &lane{low: p}
		l.lanes[p.lane] = y
	}
	y.n++
	if p.before(y.low) {
		y.low = p
	}
}

// end ends the lease of a record.
func (l *live) end(id mail.ID) {
	delete(l.leases, id)
	l.flight.landed(id)
}

// hide keeps records from readers until Badger knows that they have ended; show ends that.
func (l *live) hide(ids []mail.ID) {
	for _, id := range ids {
		l.ended[id] = struct{}{}
	}
}

func (l *live) show(ids []mail.ID) {
	for _, id := range ids {
		delete(l.ended, id)
	}
}

func (l *live) hidden(id mail.ID) bool {
	_, ok := l.ended[id]
	return ok
}

// ended returns what is hidden now. Whoever reads without the lock asks before his transaction begins: what
// is not hidden any more then is known to the transaction.
func (e *Engine) ended() map[mail.ID]struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.live.ended)
}

package badger

import "time"

// recent remembers the IDs of commits that were made, so that a caller who did not get the answer may ask
// again. It has two generations: a new one begins after an hour or 65,536 commits. In memory only: when the
// process ends, no caller is left.
type recent struct {
	young, old map[[16]byte]struct{}
	begun      time.Time
}

const (
	recentTime  = time.Hour
	recentCount = 1 << 16
)

func (r *recent) has(id [16]byte) bool {
	if _, ok := r.young[id]; ok {
		return true
	}
	_, ok := r.old[id]
	return ok
}

func (r *recent) add(id [16]byte, now time.Time) {
	if id == ([16]byte{}) {
		return // the engine's own
	}
	if r.young == nil || len(r.young) >= recentCount || now.Sub(r.begun) > recentTime {
		r.old, r.young, r.begun = r.young, make(map[[16]byte]struct{}), now
	}
	r.young[id] = struct{}{}
}

package imap

import "sync"

// A Pool bounds what the sessions of all maildrops together ask for ahead, and so what of it may wait in
// memory. Each has a little that nobody can take from it; what is more comes out of the pool, and where that is
// used up a session asks for less at a time, which costs it round trips and no octets. A nil pool has no bound.
// Safe for concurrent use.
type Pool struct {
	Octets int64 // 0: 64 MiB, which is the first window of 33 sessions

	mu    sync.Mutex
	taken int64
}

const poolOctets = 64 << 20

// grow returns how many octets a session may have that has some, and would like more: never less than it has, nor
// than leastWindow where it wants that.
func (p *Pool) grow(have, want int64) int64 {
	if p == nil || want <= have {
		return max(have, want)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	most := p.Octets
	if most <= 0 {
		most = poolOctets
	}
	free := max(have, min(want, leastWindow))
	got := min(want, free+max(most-p.taken, 0))
	p.taken += pooled(got) - pooled(have)
	return got
}

// give takes back what a session had.
func (p *Pool) give(had int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken -= pooled(had)
}

// pooled is the part of a window that is the pool's.
func pooled(window int64) int64 { return max(window-leastWindow, 0) }

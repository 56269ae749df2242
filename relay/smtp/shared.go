package smtp

import (
	"sync"
	"time"

	"mailretr/relay/wire"
)

// Shared is what the connections of one destination know together: which servers were away, what a look-up of
// MX records said, how many recipients a server takes, and TLS sessions. What one connection has found out at the
// price of a time-out costs the others nothing. The zero value knows nothing yet. Safe for concurrent use.
type Shared struct {
	mu       sync.Mutex
	servers  map[string]*known // by network and address
	lookedUp map[string]*lookedUp
}

// known is what is known of one server. Guarded by Shared.mu.
type known struct {
	until    time.Time     // away until then, as far as one knows; zero: it answered
	wait     time.Duration // the pause now
	most     int           // recipients in one transaction; 0: nobody said
	learned  time.Time     // when most was
	sessions wire.Sessions
	untold   bool // that it does not take XCLIENT was told
}

const (
	// firstAway and mostAway bound how long a server that was away is asked last. It is asked all the same where no
	// other one answers.
	firstAway = time.Minute
	mostAway  = 15 * time.Minute
	// mostServers bounds what is remembered: look-ups may name ever new ones.
	mostServers = 200
	// learnedFor is how long the number of recipients that a server took is believed.
	learnedFor = time.Hour
)

// of returns what is known of a server. mu is held.
func (h *Shared) of(key string) *known {
	k := h.servers[key]
	if k == nil {
		if h.servers == nil || len(h.servers) >= mostServers {
			h.servers = map[string]*known{}
		}
		k = &known{}
		h.servers[key] = k
	}
	return k
}

// away notes that a server refuses us or does not answer.
func (h *Shared) away(key string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.of(key)
	k.wait = min(max(2*k.wait, firstAway), mostAway)
	k.until = now.Add(k.wait)
}

// here notes that it answers.
func (h *Shared) here(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.of(key)
	k.until, k.wait = time.Time{}, 0
}

// isAway says whether a server is to be asked last. One whose pause is over is asked in its turn, by the one
// connection that takes the turn: for the others it is away for a minute more.
func (h *Shared) isAway(key string, now time.Time, take bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.of(key)
	switch {
	case k.until.IsZero():
		return false
	case now.Before(k.until) && k.until.Sub(now) <= mostAway: // else the clock was turned back
		return true
	case take:
		k.until = now.Add(firstAway)
	}
	return false
}

// sessionsOf returns where TLS sessions of a server are kept.
func (h *Shared) sessionsOf(key string) *wire.Sessions {
	h.mu.Lock()
	defer h.mu.Unlock()
	return &h.of(key).sessions
}

// learn notes how many recipients a server took in one transaction before it said that they were too many.
func (h *Shared) learn(key string, most int, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.of(key)
	k.most, k.learned = max(most, 1), now
}

// learned returns what learn noted; 0: nothing, or too long ago.
func (h *Shared) learned(key string, now time.Time) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if k := h.of(key); now.Sub(k.learned) < learnedFor {
		return k.most
	}
	return 0
}

package web

import (
	"net/netip"
	"strings"
	"sync"
	"time"
)

// attempts count wrong passwords: of one client for one user, of one client, and for one user wherever they come from; but
// those in a browser where he has signed in before for it alone, so that who guesses cannot keep him out there. The zero
// value is ready; safe for concurrent use.
type attempts struct {
	mu  sync.Mutex
	all map[attemptKey]*bucket
}

type attemptKey struct {
	client netip.Prefix // zero: of all
	user   string       // "": for all
	known  string       // a browser; "": of those that are not known
}

// An attempt is a name and a password that somebody gives.
type attempt struct {
	client netip.Prefix
	user   string
	known  string // the browser, where who has this name has signed in before; see visit.knownAs
}

// A bucket fills again by itself.
type bucket struct {
	left float64
	at   time.Time
}

// A rateOf says how many may be wrong at once, and after what time one more.
type rateOf struct {
	burst float64
	every time.Duration
}

var (
	ofPair   = rateOf{5, 2 * time.Minute}
	ofClient = rateOf{30, time.Minute} // an office may be behind one address
	ofUser   = rateOf{100, time.Minute}
)

// maxCounted bounds what is counted; what has filled again is forgotten first.
const maxCounted = 50_000

// rate is the rate of a key.
func (k attemptKey) rate() rateOf {
	switch {
	case k.known != "":
		return ofPair
	case k.user == "":
		return ofClient
	case k.client == netip.Prefix{}:
		return ofUser
	}
	return ofPair
}

// keys are what it counts for.
func (x attempt) keys() []attemptKey {
	user := strings.ToLower(x.user)
	if x.known != "" {
		return []attemptKey{{user: user, known: x.known}}
	}
	return []attemptKey{{client: x.client}, {client: x.client, user: user}, {user: user}}
}

// take counts an attempt as a wrong one, before it is known what it is: many at once are many. wait is how long nobody is
// let try; 0: now.
func (a *attempts) take(x attempt, now time.Time) (wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	keys := x.keys()
	for _, k := range keys {
		if b := a.of(k, now); b.left < 1 {
			wait = max(wait, time.Duration((1-b.left)*float64(k.rate().every)))
		}
		if wait > 0 && k.user == "" {
			return wait // before anything is kept of what it typed: names without end would push out what others did
		}
	}
	if wait > 0 {
		return wait
	}
	for _, k := range keys {
		a.all[k].left--
	}
	return 0
}

// giveBack says that it was no wrong one. Where the password was right, what the client did wrong for this user before is
// forgotten; where nobody could tell it is not, since who guesses can break a connection off in time.
func (a *attempts) giveBack(x attempt, now time.Time, right bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range x.keys() {
		b := a.of(k, now)
		b.left = min(b.left+1, k.rate().burst)
		if right && k.rate() == ofPair {
			b.left = k.rate().burst
		}
	}
}

// of returns a bucket as it is now. a.mu is held.
func (a *attempts) of(k attemptKey, now time.Time) *bucket {
	r := k.rate()
	b := a.all[k]
	if b == nil {
		a.room(now)
		b = &bucket{left: r.burst, at: now}
		a.all[k] = b
	}
	b.left = min(b.left+float64(now.Sub(b.at))/float64(r.every), r.burst)
	b.at = now
	return b
}

// room forgets what is full again, and where that is not enough, some. a.mu is held.
func (a *attempts) room(now time.Time) {
	if a.all == nil {
		a.all = map[attemptKey]*bucket{}
	}
	if len(a.all) < maxCounted {
		return
	}
	for k, b := range a.all {
		if r := k.rate(); b.left+float64(now.Sub(b.at))/float64(r.every) >= r.burst {
			delete(a.all, k)
		}
	}
	for k := range a.all {
		if len(a.all) < maxCounted {
			return
		}
		delete(a.all, k)
	}
}

package web

import (
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// How an open page hears of a change: its script asks for the page again, with the stamp of what it shows. The answer waits
// until the stamp is another, which costs nearly nothing, and is the page as it is then. Who cannot wait, since too many do,
// gets the page at once, and asks again after lookAgain.

const (
	// lookAgain is the time between two looks of a script whose page does not wait.
	lookAgain = 15 * time.Second
	// held is how long one waits at most: what is told in relation to now has changed then in any case.
	held = 25 * time.Second
	// glance is the time between two comparisons of stamps.
	glance = time.Second
	// pause is the time between two looks of a script whose page waits; of one of an admin, where something happens all the
	// time, it is longer.
	pauseOwner, pauseAdmin = 1 * time.Second, 5 * time.Second
	// manyDrops is from how many maildrops on the pages of all of them are made less often: they cost more.
	manyDrops = 2000
	// maxHeld bounds those that wait, and heldByOne those of one client: each holds on to a connection.
	maxHeld, heldByOne = maxPeers / 2, maxOfOne / 2
)

// holding are the looks that wait. The zero value is ready; safe for concurrent use.
type holding struct {
	mu  sync.Mutex
	all map[netip.Prefix]int
	sum int
}

func (h *holding) enter(from netip.Prefix) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sum >= maxHeld || from.IsValid() && h.all[from] >= heldByOne {
		return false
	}
	if h.all == nil {
		h.all = map[netip.Prefix]int{}
	}
	h.all[from]++
	h.sum++
	return true
}

func (h *holding) leave(from netip.Prefix) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sum--
	if h.all[from]--; h.all[from] == 0 {
		delete(h.all, from)
	}
}

// patiently waits until something has changed for who has a page open, and returns the visit as it is then: he may have been
// signed out meanwhile.
func (v *visit) patiently() *visit {
	seen, s, r := v.r.Header.Get("X-Live"), v.Server, v.r
	if !v.known || seen == "" || r.Method != http.MethodGet || v.stamp() != seen {
		return v
	}
	from := v.from()
	if !s.holding.enter(from) {
		v.crowded = true
		return v
	}
	defer s.holding.leave(from)
	t, end := time.NewTicker(glance), time.NewTimer(held)
	defer t.Stop()
	defer end.Stop()
	for v.known && v.stamp() == seen {
		over := false
		select {
		case <-t.C:
		case <-end.C:
			over = true
		case <-r.Context().Done():
			over = true
		case <-s.life.Done():
			over = true
		}
		if v = s.visit(v.w, r); over {
			break
		}
	}
	return v
}

// pace is the time after which the script of this page looks again.
func (v *visit) pace() time.Duration {
	switch {
	case v.crowded:
		return lookAgain
	case !strings.HasPrefix(v.r.URL.Path, "/admin"):
		return pauseOwner
	case len(v.conf.Maildrops) > manyDrops:
		return lookAgain
	}
	return pauseAdmin
}

// stampLanes takes in which destinations take mail.
func (v *visit) stampLanes(h io.Writer) {
	for _, l := range v.House.Status.Lanes() {
		fmt.Fprintf(h, "%q %s", l.Lane, l.State)
	}
}

// stampDrop takes in what a page shows of a maildrop.
func (v *visit) stampDrop(h io.Writer, name string) {
	run := v.runs.of(name, v)
	if run == nil {
		run = &progress{}
	}
	fmt.Fprintf(h, "%q %d %+v %v", name, v.House.Status.Version(name), *run, v.runs.left(name, v) > 0)
	if c := v.consent(name); c != nil {
		fmt.Fprintf(h, "%+v", *c)
	}
}

// stamp is another where the page shows something else, but for what time alone makes of it.
func (v *visit) stamp() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %q %v", v.index().number, v.who.Owners, v.who.Admin)
	switch {
	case v.House.Status == nil:
	case strings.HasPrefix(v.r.URL.Path, "/admin"):
		fmt.Fprint(h, v.House.Status.Changes())
		if j := v.jobs.state(v); j != nil {
			fmt.Fprintf(h, "%+v", *j)
		}
		v.inspection.mark(h)
	case v.r.URL.Path == "/maildrop":
		v.stampDrop(h, v.r.URL.Query().Get("name"))
		v.stampLanes(h)
	default:
		v.stampLanes(h)
		for _, name := range v.mine() {
			v.stampDrop(h, name)
		}
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

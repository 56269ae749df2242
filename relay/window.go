package relay

import (
	"strings"
	"time"

	"mailretr/store/mail"
)

// How many connections of a lane deliver at once is found out: few at first, one more for as many messages in a row as
// there are connections, half of them when the next hop breaks off (421, a cut, a time-out), and no more than there are
// when it refuses another one while it serves these. Runner.Connections is the most.

// A window is what is known of how many a next hop takes. The zero value is the beginning. Guarded by Runner.mu.
type window struct {
	size  float64   // connections; 0: firstWindow
	calm  int       // ends of attempts since it was made smaller
	still time.Time // not made larger before
	pause time.Duration
}

const (
	firstWindow = 2
	// firstStill and mostStill bound how long a lane that took no more connections is not asked for another one.
	firstStill = 15 * time.Second
	mostStill  = 10 * time.Minute
)

// room is how many may work now.
func (w *window) room(most int, now time.Time) int {
	if w.size == 0 {
		w.size = firstWindow
	}
	n := w.size
	if w.pause > 0 && !now.Before(w.still) {
		n++ // it is asked again whether it takes another one
	}
	return max(min(int(n), most), 1)
}

// good notes an answer.
func (w *window) good(most int, now time.Time) {
	w.calm++
	switch {
	case now.Before(w.still):
	case w.size < float64(most):
		w.size = min(max(w.size, 1)+1/max(w.size, 1), float64(most))
	default:
		w.pause = 0 // all that there may be
	}
}

// broken notes that a connection ended in the middle. What breaks with it, breaks once.
func (w *window) broken() {
	w.calm++
	if float64(w.calm) >= w.size {
		w.size, w.calm = max(w.size/2, 1), 0
	}
}

// crowded notes that the next hop took no connection beside those that work.
func (w *window) crowded(active int, now time.Time) {
	if now.Before(w.still) { // they were under way together
		w.size = min(w.size, float64(active))
		return
	}
	w.pause = min(max(2*w.pause, firstStill), mostStill)
	w.size, w.calm, w.still = float64(active), 0, now.Add(w.pause)
}

// brokenOff says whether the next hop ended the connection rather than answer.
func brokenOff(report mail.Report) bool {
	for _, x := range report {
		silent := x.Reply == "" && x.Err != nil && x.After != mail.OpNone
		if x.Outcome == mail.Deferred && x.Scope == mail.OfMessage && (silent || strings.HasPrefix(x.Reply, "421")) {
			return true
		}
	}
	return false
}

// answered notes what a report says of how much the lane takes.
func (r *Runner) answered(l *lane, report mail.Report) {
	most := r.connections(l.name)
	r.mu.Lock()
	now := r.now()
	before := l.window.room(most, now)
	if brokenOff(report) {
		l.window.broken()
	} else if answeredAny(report) {
		l.window.good(most, now)
	}
	more := l.window.room(most, now) > before
	r.mu.Unlock()
	if more {
		r.wake()
	}
}

// crowd notes that a lane refused a connection while others of it work; false: none does, and it is the lane itself.
func (r *Runner) crowd(l *lane, why mail.Result) bool {
	r.mu.Lock()
	n, now := l.active-l.refused, r.now()
	if n == 0 || l.sick {
		r.mu.Unlock()
		return false
	}
	told := now.Before(l.window.still)
	l.window.crowded(n, now)
	next := l.window.still
	r.mu.Unlock()
	if !told {
		r.observe(mail.Event{Op: mail.OpDial, Lane: l.name, Relay: why.RemoteMTA, Next: next, // its deliverer has told why
			Text: "no connection beside those that there are; they go on"})
	}
	return true
}

// spare says whether a worker is to end because there are more than the lane takes. It counts as ended from then on.
func (r *Runner) spare(l *lane, gone *bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.active-l.ending > l.window.room(r.connections(l.name), r.now()) {
		l.ending++
		*gone = true
	}
	return *gone
}

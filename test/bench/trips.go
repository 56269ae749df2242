package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"sync"
	"time"

	"mailretr/test/real"
)

// Round trips: how fast mail is collected over a line that is long, in a maildrop's second session. What is timed is the
// session, from the connection to the moment at which the last command leaves that lets go of messages: a program says it
// of what it holds to be safe. The bare client holds nothing safe: its rate is that of its whole session, deletions and end
// included. What it would be up to the last octet of the last message is said beside it.

// A trip is one such row.
type trip struct {
	messages int
	delay    time.Duration
	imap     bool
	bare     float64 // of the bare client's rate
	theirs   float64 // times fetchmail's
	sample   int     // so many messages for fetchmail, whose rate does not depend on how many there are
	rounds   int
}

func (t trip) section() section {
	protocol := map[bool]string{true: "IMAP", false: "POP3"}[t.imap]
	return section{fmt.Sprintf("round trips: %d x 5 KB at %d ms, second session, %s (fetchmail: %d of them)", t.messages,
		t.delay.Milliseconds(), protocol, t.sample), t.run}
}

func (t trip) run(b *bench) chart {
	c := chart{unit: "/s"}
	rate := func(f func() float64) float64 {
		var all []float64
		for range t.rounds {
			all = append(all, f())
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	ours := rate(func() float64 { return t.mailretr(b) })
	var octet float64
	bare := rate(func() (whole float64) { whole, octet = t.bareClient(b); return whole })
	fetchmail := t.peer(b, peers[0], t.sample)
	c.add("mailretr", ours)
	c.add("bare client", bare)
	c.add("fetchmail", fetchmail)
	c.least = max(t.bare*bare, t.theirs*fetchmail)
	c.note("%.2f x the bare client (to reach: %.2f); %.0f x fetchmail (to reach: %.0f)", ours/bare, t.bare, ours/fetchmail, t.theirs)
	c.note("%.2f x the bare client up to its last octet, %.0f /s", ours/octet, octet)
	if !t.imap {
		mpop := t.peer(b, peers[2], t.messages) // once: it is far below
		c.add("mpop, into a Maildir", mpop)
		c.least = max(c.least, 2*mpop)
		c.note("%.1f x mpop (to reach: 2)", ours/mpop)
	}
	return c
}

// lets is what lets go of a message, in each protocol.
var lets = [][]byte{[]byte("DELE "), []byte("STORE "), []byte("EXPUNGE")}

// A stopwatch sees the line.
type stopwatch struct {
	mu          sync.Mutex
	began, last time.Time
}

func (s *stopwatch) see(up bool, octets []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began.IsZero() {
		s.began = time.Now()
	}
	if up && slices.ContainsFunc(lets, func(w []byte) bool { return bytes.Contains(octets, w) }) {
		s.last = time.Now()
	}
}

func (t trip) lay(b *bench) *ground {
	g := b.ground(plot{imap: t.imap, delay: t.delay})
	g.maildir = true
	g.d.Put(g.user, message(0, 500))
	return g
}

// timed fills the maildrop, has a session begun, and returns the rate of it. The greeting was on its way for half a round
// trip when the line showed it.
func (t trip) timed(g *ground, n int, begin func()) float64 {
	release := g.line.Hold() // a session that began before all is there would be another one
	for i := range n {
		g.d.Put(g.user, message(i+1, 5000))
	}
	var s stopwatch
	g.line.Watch(s.see)
	release()
	begin()
	real.Wait(g, 5*time.Minute, "an empty maildrop: "+g.said("mailretr"), func() bool { return g.d.Count(g.user) == 0 && g.line.Idle() })
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(n) / s.last.Sub(s.began.Add(-t.delay/2)).Seconds()
}

func (t trip) peer(b *bench, p peer, n int) float64 {
	defer b.end()
	g := t.lay(b)
	g.once(time.Minute, p.start)
	var cmd *exec.Cmd
	rate := t.timed(g, n, func() { cmd = p.start(b, g.place) })
	cmd.Wait()
	return rate
}

func (t trip) mailretr(b *bench) float64 {
	defer b.end()
	g := t.lay(b)
	g.top = "poll: 2s"
	cmd := b.mailretr(g.place)
	real.Wait(b, time.Minute, "the first session", func() bool { return g.d.Count(g.user) == 0 && g.line.Idle() })
	defer g.stop(cmd)
	return t.timed(g, t.messages, func() {})
}

func (t trip) bareClient(b *bench) (whole, octet float64) {
	defer b.end()
	g := t.lay(b)
	for i := range t.messages - 1 {
		g.d.Put(g.user, message(i+1, 5000))
	}
	x, err := g.bare()
	if err != nil {
		b.Fatalf("the bare client: %v", err)
	}
	real.Wait(b, time.Minute, "an empty maildrop", func() bool { return g.d.Count(g.user) == 0 })
	return float64(t.messages) / x.end.Sub(x.began).Seconds(), float64(t.messages) / x.octet.Sub(x.began).Seconds()
}

var tripRows = func() (all []section) {
	for _, imap := range []bool{false, true} {
		for _, t := range []trip{
			{messages: 500, delay: 50 * time.Millisecond, bare: 0.67, theirs: 100, sample: 40, rounds: 3},
			{messages: 200, delay: 150 * time.Millisecond, bare: 0.7, theirs: 80, sample: 15, rounds: 3},
			{messages: 5000, delay: 150 * time.Millisecond, bare: 0.6, theirs: 80, sample: 15, rounds: 3},
		} {
			t.imap = imap
			all = append(all, t.section())
		}
	}
	return all
}()

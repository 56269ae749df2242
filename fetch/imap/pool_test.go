package imap

import (
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

// TestPoolIsShared: windows grow as far as the pool reaches, each has its least, and what a session had goes to others.
func TestPoolIsShared(t *testing.T) {
	pool := &Pool{Octets: 5 << 20}
	var all []*session
	for range 4 {
		s := newSession(&Options{Pool: pool})
		s.widen(firstWindow)
		all = append(all, s)
	}
	equal(t, "first", all[0].window, firstWindow)
	equal(t, "second", all[1].window, firstWindow)
	equal(t, "third, for what is left", all[2].window, 1<<20+3*leastWindow)
	equal(t, "fourth, for which nothing is", all[3].window, leastWindow)
	all[3].widen(2 * leastWindow)
	equal(t, "fourth, and it stays so", all[3].window, leastWindow)
	all[0].giveBack()
	all[0].giveBack() // twice is once
	all[3].widen(8 << 20)
	equal(t, "fourth, when another has ended", all[3].window, firstWindow)
	for _, s := range all[1:] {
		s.giveBack()
	}
	equal(t, "taken when all have ended", pool.taken, 0)
}

// TestPoolUsedUp: with nothing left in the pool everything arrives all the same, and crosses the line once; little of it
// waits in memory.
func TestPoolUsedUp(t *testing.T) {
	s, l := newServer(t), &fetchtest.Line{}
	size := int64(0)
	for i := range 120 {
		m := fetchtest.Text(1000+i%6*30_000, i)
		s.put("INBOX", m)
		size += int64(len(m))
	}
	r := s.retriever(l)
	r.Pool = &Pool{Octets: 1}
	d := open(t, r)
	ms := messages(t, d)
	for i := range ms {
		j := i * 7919 % len(ms)
		ms[i], ms[j] = ms[j], ms[i]
	}
	_, before := l.Octets()
	announce(t, d, mail.Whole, ms)
	for _, m := range ms {
		if b, err := read(t.Context(), m); err != nil || int64(len(b)) != m.Content.Size() {
			t.Fatalf("%d octets of %d: %v", len(b), m.Content.Size(), err)
		}
		x := d.(*session)
		x.mu.Lock()
		if x.held > leastWindow+small || x.window > leastWindow+1 {
			t.Errorf("%d octets wait in memory, the window is %d", x.held, x.window)
		}
		x.mu.Unlock()
	}
	if _, after := l.Octets(); after-before > size+size/50 {
		t.Errorf("%d octets for %d", after-before, size)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

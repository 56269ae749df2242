package imap

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

// What a line that is long costs: round trips, and whether it is ever idle.

// far makes the server half a round trip away, with room for a megabyte on the line.
func (s *server) far(latency time.Duration) fetchtest.DialFunc {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := fetchtest.Pipe(1<<20, latency)
		s.wg.Go(func() { s.serve(theirs) })
		return ours, nil
	}
}

// TestRoundTrips: a remembered server takes one for login and listing, one for the sizes, one for contents
// and one for deletion and goodbye. What leaves together is one write, which is one record where the line is secure.
func TestRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const trip = 50 * time.Millisecond
		s := newServer(t)
		r := s.retriever(nil)
		far, writes := s.far(trip/2), 0
		r.Dial.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := far(ctx, network, address)
			return writeCounter{conn, &writes}, err
		}
		r.Memory = &Memory{}
		trips := func() float64 {
			s.put("INBOX", letterOf(1, "one"), letterOf(2, "two"))
			began := time.Now()
			if x, err := collect(t.Context(), r); err != nil || len(x.gone) != 2 {
				t.Fatal(x.gone, err)
			}
			return float64(time.Since(began)) / float64(trip)
		}
		// The greeting; LOGIN, SELECT, SEARCH, sizes, contents, STORE with EXPUNGE and LOGOUT.
		equal(t, "round trips of the first session", trips(), 0.5+6)
		writes = 0
		equal(t, "round trips of the second", trips(), 0.5+4)
		equal(t, "writes of the second", writes, 4)
	})
}

// A writeCounter counts writes.
type writeCounter struct {
	net.Conn
	n *int
}

func (w writeCounter) Write(p []byte) (int, error) {
	*w.n++
	return w.Conn.Write(p)
}

// TestTheLineIsFull: 500 messages of 5 kB at 50 ms, in the server's order and in another, take a few round
// trips, and the session knows them by heart.
func TestTheLineIsFull(t *testing.T) {
	for _, shuffled := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t)
			for i := range 500 {
				s.put("INBOX", fetchtest.Text(5000, i))
			}
			r := s.retriever(nil)
			r.Dial.DialContext = s.far(25 * time.Millisecond)
			d := open(t, r)
			ms := messages(t, d)
			if shuffled {
				for i := range ms {
					j := i * 7919 % len(ms)
					ms[i], ms[j] = ms[j], ms[i]
				}
			}
			began := time.Now()
			announce(t, d, mail.Whole, ms)
			for _, m := range ms {
				if _, err := read(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				d.Settle(t.Context(), m, done(m))
			}
			if took := time.Since(began); took > 400*time.Millisecond {
				t.Errorf("shuffled %v: it took %v", shuffled, took)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if n := len(s.fetches()); n > 12 {
				t.Errorf("shuffled %v: %d commands", shuffled, n)
			}
		})
	}
}

// TestLargeInARow: the next large message is on its way before the one before it was read.
func TestLargeInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		for i := range 12 {
			s.put("INBOX", fetchtest.Text(300_000, i))
		}
		r := s.retriever(nil)
		r.Dial.DialContext = s.far(25 * time.Millisecond)
		d := open(t, r)
		ms := messages(t, d)
		began := time.Now()
		announce(t, d, mail.Whole, ms)
		for i, m := range ms {
			if b, err := read(t.Context(), m); err != nil || b != string(fetchtest.Text(300_000, i)) {
				t.Fatal(i, err)
			}
		}
		if took := time.Since(began); took > 350*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// TestWindowFollowsTheLine: quick use doubles it, slow use halves it, within its bounds.
func TestWindowFollowsTheLine(t *testing.T) {
	now := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	s := newSession(&Options{Now: func() time.Time { return now }})
	s.widen(firstWindow)
	s.measure()
	equal(t, "first", s.window, firstWindow)
	in := func(d time.Duration) { // that is how long half of it took
		now = now.Add(d)
		s.out = s.window / 2
		s.measure()
	}
	for range 5 {
		in(400 * time.Millisecond)
	}
	equal(t, "quick", s.window, 8<<20)
	in(time.Second)
	equal(t, "neither", s.window, 8<<20)
	for range 9 {
		in(10 * time.Second)
	}
	equal(t, "slow", s.window, leastWindow)
}

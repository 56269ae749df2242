package pop3

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// A server that reads a command only when its last answer is written, behind small buffers, and a client
// that asks ahead would wait for each other if more were asked for than the buffers hold.
func TestPipelineWithSmallBuffers(t *testing.T) {
	for _, size := range []int{1100, 1500, 4096} {
		synctest.Test(t, func(t *testing.T) { // a deadlock fails at once here
			s := fetchtest.NewPOP3(t)
			s.Buffer = size
			var c [][]byte
			for i := range 600 {
				c = append(c, fetchtest.Text(100+i/300*i*20, i)) // half of them tiny
			}
			s.Put(c...)
			whole, err := collect(t.Context(), options(s, nil), true)
			if err != nil || len(whole) != len(c) || len(s.Left()) > 0 {
				t.Fatalf("%d whole, %d left, %v", len(whole), len(s.Left()), err)
			}
			for i := range c {
				if !bytes.Equal(whole[i], c[i]) {
					t.Fatalf("message %d differs", i)
				}
			}
			s.Close()
		})
	}
}

// What a rate makes us wait is counted by no limit, not at the end of a session either.
func TestPatienceOfAShaper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fetchtest.NewPOP3(t)
		for i := range 50 {
			s.Put(fetchtest.Text(100, i))
		}
		o := options(s, nil)
		o.Dial.Shapers = []*wire.Shaper{wire.NewShaper(1, 0)} // as many sessions have of a rate that they share
		if whole, err := collect(t.Context(), o, true); err != nil || len(whole) != 50 || len(s.Left()) > 0 {
			t.Errorf("%d are whole, %d are left, %v", len(whole), len(s.Left()), err)
		}
		s.Close()
	})
}

// A server that stops reading, and one that stops writing, in the middle of what was asked ahead: the session ends within
// its limits, nothing waits for ever, and nothing is deleted.
func TestServerStops(t *testing.T) {
	for _, size := range []int{1100, 4096, 64 << 10} {
		for _, drains := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := fetchtest.NewPOP3(t)
				s.Buffer = size
				for i := range 3000 {
					s.Put(fetchtest.Text(300, i))
				}
				answered := 0
				s.On = on("RETR", func(c *fetchtest.POP3Conn, _ string) bool {
					if answered++; answered < 50 {
						return false
					}
					if drains {
						c.Hang() // it reads on, and says nothing
					} else {
						time.Sleep(time.Hour)
						c.Cut()
					}
					return true
				})
				began := time.Now()
				whole, err := collect(t.Context(), options(s, nil), true)
				if err == nil || len(whole) != 49 || s.Count("DELE") > 0 {
					t.Errorf("buffers of %d: %d whole, %v", size, len(whole), err)
				}
				if took := time.Since(began); took > 10*time.Minute {
					t.Errorf("buffers of %d: took %v", size, took)
				}
				time.Sleep(2 * time.Hour)
				s.Close()
			})
		}
	}
}

// What is asked for and unanswered stays within the window: a server that waits before its first answer
// sees it all.
func TestWindow(t *testing.T) {
	for name, x := range map[string]struct {
		caps        []string
		size, count int
		least, most int // commands
		verb        string
	}{
		"small messages": {[]string{"PIPELINING", "UIDL"}, 200, 8000, 400, 6000, "RETR"},
		"5 KB":           {[]string{"PIPELINING", "UIDL"}, 5 << 10, 500, 180, 210, "RETR"},
		"100 KB":         {[]string{"PIPELINING", "UIDL"}, 100 << 10, 20, 8, 10, "RETR"},
		"1 MB":           {[]string{"PIPELINING", "UIDL"}, 1 << 20, 3, 1, 1, "RETR"},
		"lockstep":       {[]string{"UIDL"}, 200, 50, 1, 1, "RETR"},
		"deletions, one": {[]string{"UIDL"}, 200, 50, 1, 1, "DELE"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := fetchtest.NewPOP3(t)
				s.Caps, s.Buffer = x.caps, 1<<20
				for i := range x.count {
					s.Put(fetchtest.Text(x.size-100, i))
				}
				l := &fetchtest.Line{}
				var seen atomic.Int64
				s.On = on(x.verb, func(c *fetchtest.POP3Conn, arg string) bool {
					if seen.Load() > 0 {
						return false
					}
					time.Sleep(time.Second)
					waiting := c.Waiting()
					seen.Store(int64(1 + strings.Count(waiting, "\r\n")))
					return false
				})
				if _, err := collect(t.Context(), options(s, l), true); err != nil {
					t.Fatal(err)
				}
				if n := int(seen.Load()); n < x.least || n > x.most {
					t.Errorf("%d commands were waiting, want %d to %d", n, x.least, x.most)
				}
				s.Close()
			})
		})
	}
}

// The turns of sessions, as time over a round trip of 50 ms.
func TestTurns(t *testing.T) {
	const rtt = 50 * time.Millisecond
	for name, x := range map[string]struct {
		n     int
		mode  wire.Mode
		first time.Duration // greeting, [STLS, TLS,] CAPA, login with listing, …
		later time.Duration
	}{
		"empty, plain": {0, wire.Plain, 7 * rtt / 2, 5 * rtt / 2},
		"empty, STLS":  {0, wire.StartTLS, 11 * rtt / 2, 9 * rtt / 2},
		// Two windows of messages, however many there are, and all DELE in one turn with QUIT. The listing comes with the login later.
		"500, plain":  {500, wire.Plain, 13 * rtt / 2, 9 * rtt / 2},
		"3000, plain": {3000, wire.Plain, 13 * rtt / 2, 9 * rtt / 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, o := secured(t)
				s.Latency, s.Buffer = rtt/2, 32<<20
				o.Dial.TLS.Mode = x.mode
				o.Memory = &memory{}
				for i, most := range []time.Duration{x.first, x.later} {
					for i := range x.n {
						s.Put(fetchtest.Text(5000, i))
					}
					began := time.Now()
					if _, err := collect(t.Context(), o, true); err != nil {
						t.Fatal(err)
					}
					took := time.Since(began)
					t.Logf("session %d: %v, %.1f turns", i, took, float64(took)/float64(rtt))
					if took > most {
						t.Errorf("session %d took %v, want %v", i, took, most)
					}
				}
				s.Close()
			})
		})
	}
}

// An empty maildrop costs three commands where nothing is pipelined.
func TestEmptyPoll(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	s.Caps = nil
	o := options(s, nil)
	o.Memory = &memory{}
	if err := open(t, o).Close(); err != nil {
		t.Fatal(err)
	}
	s.Forget()
	if err := open(t, o).Close(); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.Log()); got != "[USER jaco PASS secret STAT QUIT]" {
		t.Errorf("commands: %s", got)
	}
}

// What was announced, and then is not wanted, costs what is on the line, and confuses nothing.
func TestPlanChanges(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	var c [][]byte
	for i := range 300 {
		c = append(c, fetchtest.Text(1000+i, i))
	}
	s.Put(c...)
	d := open(t, options(s, nil))
	var ms []*mail.Message
	for m, err := range d.Messages(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m)
	}
	a := d.(mail.Aheader)
	read := func(i int) {
		t.Helper()
		if b, err := octets(t.Context(), ms[i]); err != nil || !bytes.Equal(b, c[i]) {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	ahead := func(p mail.Part, ms []*mail.Message) {
		t.Helper()
		if err := a.Ahead(t.Context(), p, ms); err != nil {
			t.Fatal(err)
		}
	}
	ahead(mail.Whole, ms)
	read(0)
	read(1)
	read(7)   // some are left out
	read(3)   // and one of these is wanted after all
	read(200) // far away
	ahead(mail.Whole, ms[150:])
	read(150)
	ahead(mail.Header, ms[10:40])
	for i := 10; i < 20; i++ {
		if _, err := ms[i].Content.Header(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ahead(mail.Whole, ms[299:])
	read(299)
	read(0) // again
	ahead(mail.Whole, ms[50:60])
	for i := 50; i < 60; i++ {
		if _, err := ms[i].Content.Header(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			read(i)
		}
	}
	read(50) // its transfer was begun by Header and read over since
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if len(s.Left()) != 300 {
		t.Errorf("%d are left", len(s.Left()))
	}
}

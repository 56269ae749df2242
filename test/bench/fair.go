package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"mailretr/test/real"
)

// Who waits for whom: a large message lies in front of 20 small ones in one maildrop, and 100 others have 20 small ones
// each. Every connection carries 1 MB a second.

const (
	others    = 100
	smallOnes = 20
	largeSize = 10_000_000
	lineRate  = 1_000_000
	atOnce    = 8 // sessions of mailretr, or programs of the others
)

// An arrival is what the MTA saw, by sort of message, as time since the beginning.
type arrival struct {
	mu    sync.Mutex
	began time.Time
	small map[bool]int           // of the maildrop with the large message, and of the others
	last  map[bool]time.Duration // of these
	large time.Duration
}

func (a *arrival) take(t real.Taken) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	since := time.Since(a.began)
	if len(t.Octets) > largeSize/2 {
		a.large = since
		return ""
	}
	same := len(t.To) > 0 && strings.HasPrefix(t.To[0], "jaco@")
	a.small[same]++
	a.last[same] = since
	return ""
}

func (a *arrival) done() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.large > 0 && a.small[true] == smallOnes && a.small[false] == others*smallOnes
}

func (b *bench) fair(imap bool) chart {
	c := chart{unit: "s", decimals: 1}
	type way struct {
		name  string
		begin func(*ground) (end func())
	}
	ways := []way{{"mailretr", (*ground).fairMailretr},
		{"fetchmail", func(g *ground) func() { return g.pool(peers[0], 1) }},
		{"8 x fetchmail", func(g *ground) func() { return g.pool(peers[0], atOnce) }}}
	if !imap {
		ways = append(ways, way{"8 x mpop", func(g *ground) func() { return g.pool(peers[2], atOnce) }})
	}
	for _, w := range ways {
		a := &arrival{small: map[bool]int{}, last: map[bool]time.Duration{}}
		g := b.fairGround(imap, a.take)
		var once sync.Once
		a.began = time.Now()
		g.line.Watch(func(bool, []byte) { once.Do(func() { a.mu.Lock(); a.began = time.Now(); a.mu.Unlock() }) })
		end := w.begin(g)
		real.Wait(b, 3*time.Minute, "all messages at the MTA: "+g.said("mailretr"), a.done)
		end()
		c.add(w.name+", behind the large one", a.last[true].Seconds())
		c.add(w.name+", in the other maildrops", a.last[false].Seconds())
		c.add(w.name+", the large one", a.large.Seconds())
		if w.name == "mailretr" {
			c.want("the last behind the large one within 2 s", a.last[true] <= 2*time.Second)
			c.want("the last in the others within 1.2 s", a.last[false] <= 1200*time.Millisecond)
			c.want("all before the large one", max(a.last[true], a.last[false]) < a.large)
		}
		b.end()
	}
	c.note("as many bare clients at once, which keep and deliver nothing, have the last of the others after %.1f s", b.fairBare(imap))
	return c
}

// fairGround has all that mail.
func (b *bench) fairGround(imap bool, take func(real.Taken) string) *ground {
	g := b.ground(plot{imap: imap, take: take})
	g.line.Limit(lineRate)
	g.d.Put(g.user, noise(0, largeSize))
	for i := range smallOnes {
		g.d.Put(g.user, message(i, 2000))
		for k := range others {
			g.d.Put(fmt.Sprintf("u%d", k), message(i, 2000))
		}
	}
	return g
}

// fairBare is how long bare clients need for the other maildrops, while one collects the large message: what this machine,
// this Dovecot and this line allow. In seconds.
func (b *bench) fairBare(imap bool) float64 {
	defer b.end()
	g := b.fairGround(imap, nil)
	began := time.Now()
	next := make(chan int)
	var all sync.WaitGroup
	collect := func(user string) {
		one := *g
		one.user = user
		if _, err := one.bare(); err != nil {
			b.Fatalf("the bare client: %v", err)
		}
	}
	large := make(chan struct{})
	go func() { collect(g.user); close(large) }()
	for range atOnce - 1 {
		all.Go(func() {
			for k := range next {
				collect(fmt.Sprintf("u%d", k))
			}
		})
	}
	for k := range others {
		next <- k
	}
	close(next)
	all.Wait()
	took := time.Since(began).Seconds()
	<-large
	return took
}

// fairMailretr runs one daemon with all maildrops.
func (g *ground) fairMailretr() func() {
	g.top = fmt.Sprintf("limits: {per_server: %d}", atOnce)
	cmd := g.mailretrWith(g.place, g.more(others))
	return func() { g.stop(cmd) }
}

// more is YAML of maildrops u0, u1, … beside the first.
func (g *ground) more(n int) string {
	var s strings.Builder
	for i := range n {
		name := fmt.Sprintf("u%d", i)
		fmt.Fprintf(&s, "  - %s\n", g.maildrop(name, name))
	}
	return s.String()
}

// pool runs a program for each maildrop, so many at once; the one with the large message comes first.
func (g *ground) pool(p peer, n int) func() {
	users := []string{g.user}
	for i := range others {
		users = append(users, fmt.Sprintf("u%d", i))
	}
	next := make(chan string)
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for user := range next {
				x := g.place
				x.user, x.dir = user, filepath.Join(g.dir, user)
				if err := os.MkdirAll(x.dir, 0o700); err != nil {
					g.Fatalf("%v", err)
				}
				var cmd *exec.Cmd
				g.starting.Lock()
				cmd = p.start(g.bench, x)
				g.starting.Unlock()
				cmd.Wait()
			}
		})
	}
	go func() {
		for _, u := range users {
			next <- u
		}
		close(next)
	}()
	return all.Wait
}

var fairRows = []section{
	{"who waits: 10 MB in front of 20 small ones, 100 other maildrops with 20 each, 1 MB/s a connection, POP3",
		func(b *bench) chart { return b.fair(false) }},
	{"who waits: 10 MB in front of 20 small ones, 100 other maildrops with 20 each, 1 MB/s a connection, IMAP",
		func(b *bench) chart { return b.fair(true) }},
}

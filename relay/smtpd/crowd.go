package smtpd

import (
	"net/netip"
	"time"
)

// A party is whom something is counted against: an address, of IPv6 a whole /64, or at the other end of a unix socket a
// user of this machine, -1 where nobody knows which.
type party struct {
	addr netip.Addr
	user int64
}

// A crowd counts what strangers did lately. It is bounded: who has many addresses can make it forget, but not
// grow.
type crowd struct {
	since map[party]time.Time // when the minute of a client began
	sent  map[party]int       // messages in it
	tried map[party]tries     // logins that failed
}

type tries struct {
	n    int
	last time.Time
}

const (
	mostStrangers = 8192
	mostTries     = 5                // failed logins of one client
	forgiveness   = 10 * time.Minute // after the last one
)

// party is whom a client's doings are counted against.
func (c *client) party() party {
	if !c.addr.IsValid() {
		return party{user: c.uid}
	}
	if c.addr.Is6() {
		if p, err := c.addr.Prefix(64); err == nil {
			return party{addr: p.Addr()}
		}
	}
	return party{addr: c.addr}
}

// mayLogIn says whether a client may try a login.
func (s *Server) mayLogIn(p party, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.crowd.tried[p]
	return t.n < mostTries || now.Sub(t.last) > forgiveness
}

// loggedIn counts a login: one that was right ends the count.
func (s *Server) loggedIn(p party, right bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, n := &s.crowd, p
	if right {
		delete(c.tried, n)
		return
	}
	s.denied.Add(1)
	if c.tried == nil || len(c.tried) >= mostStrangers {
		c.tried = make(map[party]tries)
	}
	t := c.tried[n]
	if now.Sub(t.last) > forgiveness {
		t.n = 0
	}
	c.tried[n] = tries{t.n + 1, now}
}

// maySend counts a message and says whether its client keeps to the rate.
func (s *Server) maySend(p party, most int, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, n := &s.crowd, p
	if c.since == nil || len(c.since) >= mostStrangers {
		c.since, c.sent = make(map[party]time.Time), make(map[party]int)
	}
	if now.Sub(c.since[n]) >= time.Minute {
		c.since[n], c.sent[n] = now, 0
	}
	if c.sent[n] >= most {
		return false
	}
	c.sent[n]++
	return true
}

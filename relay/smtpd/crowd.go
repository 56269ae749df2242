package smtpd

import (
	"net/netip"
	"time"
)

// A crowd counts what strangers did lately. It is bounded: who has many addresses can make it forget, but not
// grow.
type crowd struct {
	since map[netip.Addr]time.Time // when the minute of an address began
	sent  map[netip.Addr]int       // messages in it
	tried map[netip.Addr]tries     // logins that failed
}

type tries struct {
	n    int
	last time.Time
}

const (
	mostStrangers = 8192
	mostTries     = 5                // failed logins from one address
	forgiveness   = 10 * time.Minute // after the last one
)

// network is an address as one client has it: of IPv6 a whole /64.
func network(a netip.Addr) netip.Addr {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// mayLogIn says whether a client may try a login.
func (s *Server) mayLogIn(a netip.Addr, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.crowd.tried[network(a)]
	return t.n < mostTries || now.Sub(t.last) > forgiveness
}

// loggedIn counts a login: one that was right ends the count.
func (s *Server) loggedIn(a netip.Addr, right bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, n := &s.crowd, network(a)
	if right {
		delete(c.tried, n)
		return
	}
	s.denied.Add(1)
	if c.tried == nil || len(c.tried) >= mostStrangers {
		c.tried = make(map[netip.Addr]tries)
	}
	t := c.tried[n]
	if now.Sub(t.last) > forgiveness {
		t.n = 0
	}
	c.tried[n] = tries{t.n + 1, now}
}

// maySend counts a message and says whether its client keeps to the rate.
func (s *Server) maySend(a netip.Addr, most int, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, n := &s.crowd, network(a)
	if c.since == nil || len(c.since) >= mostStrangers {
		c.since, c.sent = make(map[netip.Addr]time.Time), make(map[netip.Addr]int)
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

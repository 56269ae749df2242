package imap

import "time"

// The window is how many octets of messages may be on their way, or here and not read.

// portion is how much of the window is asked for at once: a quarter, or half of a small one. What is on its
// way when more is asked for has to outlast the round trip.
func (s *session) portion() int64 { return max(s.window/4, min(s.window/2, leastAsked)) }

// measure fits the window to the line, by the time that its free part took: what is on its way should last
// for a few round trips, and not for longer than a few seconds, because it is lost when the line breaks.
// s.mu is held.
func (s *session) measure() {
	now := s.o.now()
	if !s.filled.IsZero() && s.out < s.window {
		whole := float64(s.window) / float64(s.window-s.out) // as many times as much
		switch d := time.Duration(now.Sub(s.filled).Seconds() * whole * float64(time.Second)); {
		case d < quick:
			s.widen(2 * s.window)
		case d > slow:
			s.window = max(s.window/2, min(leastWindow, s.limits.Window))
		}
	}
	s.filled = now
}

// widen makes the window this large, if limits and pool allow it. s.mu is held.
func (s *session) widen(want int64) {
	s.share = s.o.Pool.grow(s.share, min(want, s.limits.Window))
	s.window = min(want, s.share)
}

// giveBack returns what the session had of the pool, when nothing of it is in memory any more.
func (s *session) giveBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.o.Pool.give(s.share)
	s.share = 0
}

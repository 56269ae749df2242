package wire

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

// A Shaper keeps what passes through all connections that have it to a rate, each direction for itself.
// Several on one connection all hold. Safe for concurrent use.
//
// The connections take turns in small pieces, so that a large body leaves room for small mail beside it. A
// wait for a turn is our own doing: no time limit counts it.
type Shaper struct{ up, down *rate.Limiter }

const (
	leastPiece = 512 // octets that pass at once, however slow the line
	turns      = 8   // pieces a second, at least
)

// NewShaper returns one; see Set.
func NewShaper(octets, burst int64) *Shaper {
	limit, most := limits(octets, burst)
	return &Shaper{rate.NewLimiter(limit, most), rate.NewLimiter(limit, most)}
}

// Set changes the rate, in octets per second (0: none is kept to), and the octets that may pass at once
// after a silence (0: those of one second). It holds for connections that are there as well.
func (s *Shaper) Set(octets, burst int64) {
	limit, most := limits(octets, burst)
	for _, l := range []*rate.Limiter{s.up, s.down} {
		l.SetBurst(most)
		l.SetLimit(limit)
	}
}

func limits(octets, burst int64) (rate.Limit, int) {
	if burst <= 0 {
		burst = octets
	}
	most := int(min(max(burst, leastPiece), 1<<30))
	if octets <= 0 {
		return rate.Inf, most
	}
	return rate.Limit(octets), most
}

// piece is how many octets may pass before the others have a turn.
func piece(l *rate.Limiter) int {
	if l.Limit() == rate.Inf {
		return 1 << 20
	}
	return max(leastPiece, min(int(l.Limit())/turns, l.Burst()))
}

// window is the receive buffer that lets no more than a second's worth arrive ahead of us; 0: as it is.
func (s *Shaper) window() int {
	if s.down.Limit() == rate.Inf {
		return 0
	}
	return min(max(int(s.down.Limit()), 8<<10), 1<<20)
}

// narrow sets the receive buffer of a socket, before it connects, because the window's scale is agreed on
// then. The kernel takes a half of it for its own book-keeping.
func narrow(raw syscall.RawConn, octets int) (err error) {
	failed := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, octets)
	})
	if failed != nil {
		return failed
	}
	return os.NewSyscallError("setsockopt", err)
}

// A share is what one direction of a connection takes part in.
type share struct {
	of  []*rate.Limiter
	due time.Time // before which nothing more may pass; of the goroutine of this direction
}

func newShare(shapers []*Shaper, which func(*Shaper) *rate.Limiter) (s share) {
	for _, x := range shapers {
		s.of = append(s.of, which(x))
	}
	return s
}

// cut returns as much of p as may pass in one turn.
func (s *share) cut(p []byte) []byte {
	for _, l := range s.of {
		p = p[:min(len(p), piece(l))]
	}
	return p
}

// spend books octets that have passed.
func (s *share) spend(n int) {
	if n <= 0 || len(s.of) == 0 {
		return
	}
	now := time.Now()
	for _, l := range s.of {
		r := l.ReserveN(now, min(n, l.Burst()))
		if due := now.Add(r.DelayFrom(now)); due.After(s.due) {
			s.due = due
		}
	}
}

// turn waits until octets may pass again. It ends early when the connection is aborted.
func (l *line) turn(s *share) {
	wait := time.Until(s.due)
	if s.due.IsZero() || wait <= 0 {
		return
	}
	l.held.Add(int64(wait)) // at once, because whoever counts must not count what is under way
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.gone:
	}
}

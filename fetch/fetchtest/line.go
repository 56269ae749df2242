package fetchtest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// A Line is a network that fails on order. The zero value is a perfect one. Set its fields before it is
// dialled; they hold for each connection anew.
type Line struct {
	Cut   int64 // octets from the server after which the connection ends; 0: never
	Reset bool  // the cut is an error rather than a clean end
	Hang  int64 // octets from the server after which nothing arrives any more; 0: never
	Chunk int   // most octets that one Read gives; 0: as many as there are

	mu       sync.Mutex
	open     int
	down, up int64
	before   int64 // down, when the session was about to be closed
	hung     chan struct{}
}

func (l *Line) quit() { l.mu.Lock(); l.before = l.down; l.mu.Unlock() }

// DialFunc is what wire.Options.DialContext and net.Dialer.DialContext are.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// Dialer puts the line in front of a dialler. A nil line is a perfect one.
func (l *Line) Dialer(dial DialFunc) DialFunc {
	if l == nil {
		return dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		l.open++
		l.mu.Unlock()
		return &lineConn{Conn: c, line: l}, nil
	}
}

// Open returns how many connections were dialled and not closed.
func (l *Line) Open() int { l.mu.Lock(); defer l.mu.Unlock(); return l.open }

// Octets returns what crossed the line in all connections together.
func (l *Line) Octets() (up, down int64) { l.mu.Lock(); defer l.mu.Unlock(); return l.up, l.down }

// Hung returns a channel that is closed once a connection hangs.
func (l *Line) Hung() <-chan struct{} { l.mu.Lock(); defer l.mu.Unlock(); return l.hanging() }

func (l *Line) hanging() chan struct{} {
	if l.hung == nil {
		l.hung = make(chan struct{})
	}
	return l.hung
}

// lineConn is one connection over a Line.
type lineConn struct {
	net.Conn
	line *Line
	got  int64
	once sync.Once
}

var errReset = errors.New("fetchtest: connection reset by the test")

// Read gives octets until the line fails.
func (c *lineConn) Read(p []byte) (int, error) {
	l := c.line
	if l.Hang > 0 && c.got >= l.Hang {
		return 0, c.hang(p)
	}
	if l.Cut > 0 && c.got >= l.Cut {
		if l.Reset {
			return 0, errReset
		}
		return 0, io.EOF
	}
	if l.Chunk > 0 && len(p) > l.Chunk {
		p = p[:l.Chunk]
	}
	for _, limit := range []int64{l.Cut, l.Hang} {
		if limit > 0 && int64(len(p)) > limit-c.got {
			p = p[:limit-c.got]
		}
	}
	n, err := c.Conn.Read(p)
	c.got += int64(n)
	l.mu.Lock()
	l.down += int64(n)
	l.mu.Unlock()
	return n, err
}

// hang swallows what arrives until the connection is closed or its deadline passes.
func (c *lineConn) hang(p []byte) error {
	l := c.line
	l.mu.Lock()
	select {
	case <-l.hanging():
	default:
		close(l.hung)
	}
	l.mu.Unlock()
	for len(p) > 0 {
		_, err := c.Conn.Read(p)
		if err == io.EOF { // the peer gave up; a dead line would not tell
			err = net.ErrClosed
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Write counts.
func (c *lineConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.line.mu.Lock()
	c.line.up += int64(n)
	c.line.mu.Unlock()
	return n, err
}

// Close counts, once.
func (c *lineConn) Close() error {
	c.once.Do(func() {
		c.line.mu.Lock()
		c.line.open--
		c.line.mu.Unlock()
	})
	return c.Conn.Close()
}

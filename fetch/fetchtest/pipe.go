package fetchtest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Pipe returns the two ends of a connection that holds up to size octets in each direction, as a socket
// does (net.Pipe holds none, so that a client that pipelines would wait for itself). Octets arrive after
// latency, half a round trip. It waits on a sync.Cond only, and so works under testing/synctest, where a
// latency costs no time. Closing one end gives the other what was written, then io.EOF.
func Pipe(size int, latency time.Duration) (a, b net.Conn) {
	x, y := newHalf(size, latency), newHalf(size, latency)
	return &pipeConn{in: x, out: y}, &pipeConn{in: y, out: x}
}

// half is one direction.
type half struct {
	mu     sync.Mutex
	cond   *sync.Cond
	buf    []byte
	late   []arrival // what of buf is still under way, in order
	size   int
	wait   time.Duration
	ended  bool // by the writer
	broken bool // by the reader
	read   deadline
	write  deadline
}

// arrival is when octets of a half can be read.
type arrival struct {
	n  int
	at time.Time
}

func newHalf(size int, latency time.Duration) *half {
	h := &half{size: size, wait: latency}
	h.cond = sync.NewCond(&h.mu)
	return h
}

// deadline is one of four of a connection.
type deadline struct {
	timer *time.Timer
	past  bool
}

// set arms d; h.mu guards it.
func (h *half) set(d *deadline, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer, d.past = nil, false
	if t.IsZero() {
		return
	}
	var self *time.Timer
	self = time.AfterFunc(time.Until(t), func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if d.timer == self {
			d.past = true
			h.cond.Broadcast()
		}
	})
	d.timer = self
}

func (h *half) get(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.broken:
			return 0, net.ErrClosed
		case h.read.past:
			return 0, os.ErrDeadlineExceeded
		case h.here() > 0:
			n := copy(p, h.buf[:h.here()])
			h.buf = h.buf[:copy(h.buf, h.buf[n:])]
			h.cond.Broadcast()
			return n, nil
		case h.ended && len(h.buf) == 0:
			return 0, io.EOF
		}
		h.cond.Wait()
	}
}

// here returns how many octets have arrived.
func (h *half) here() int {
	n := len(h.buf)
	for len(h.late) > 0 && !h.late[0].at.After(time.Now()) {
		h.late = h.late[1:]
	}
	for _, l := range h.late {
		n -= l.n
	}
	return n
}

// sent books octets that have just been written.
func (h *half) sent(n int) {
	if h.wait == 0 {
		h.cond.Broadcast()
		return
	}
	h.late = append(h.late, arrival{n, time.Now().Add(h.wait)})
	time.AfterFunc(h.wait, h.cond.Broadcast)
}

func (h *half) put(p []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(p) > 0 {
		switch room := h.size - len(h.buf); {
		case h.ended:
			return n, net.ErrClosed
		case h.broken:
			return n, io.ErrClosedPipe
		case h.write.past:
			return n, os.ErrDeadlineExceeded
		case room > 0:
			m := min(room, len(p))
			h.buf = append(h.buf, p[:m]...)
			p, n = p[m:], n+m
			h.sent(m)
		default:
			h.cond.Wait()
		}
	}
	return n, nil
}

// end marks the half as ended by its writer or broken by its reader.
func (h *half) end(flag *bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*flag = true
	for _, d := range []*deadline{&h.read, &h.write} {
		if d.timer != nil {
			d.timer.Stop()
			d.timer = nil
		}
	}
	h.cond.Broadcast()
}

// pipeConn is one end.
type pipeConn struct{ in, out *half }

func (c *pipeConn) Read(p []byte) (int, error)  { return c.in.get(p) }
func (c *pipeConn) Write(p []byte) (int, error) { return c.out.put(p) }
func (c *pipeConn) Close() error {
	c.out.end(&c.out.ended)
	c.in.end(&c.in.broken)
	return nil
}
func (c *pipeConn) SetReadDeadline(t time.Time) error  { c.in.set(&c.in.read, t); return nil }
func (c *pipeConn) SetWriteDeadline(t time.Time) error { c.out.set(&c.out.write, t); return nil }
func (c *pipeConn) SetDeadline(t time.Time) error {
	c.in.set(&c.in.read, t)
	c.out.set(&c.out.write, t)
	return nil
}
func (c *pipeConn) LocalAddr() net.Addr  { return pipeAddr{} }
func (c *pipeConn) RemoteAddr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

package wire

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// MaxLine bounds a status line or a line of a listing, in octets with its end.
const MaxLine = 4096

// gathered is how many octets a Write may leave for later.
const gathered = 32 << 10

// A Conn is a connection with deadlines, counts, limits and a trace. It is a net.Conn whose SetDeadline
// methods do nothing.
//
// Writes are gathered: they leave when a read has to wait for the network, or with Flush, as one segment and
// one TLS record; at once while another goroutine waits in a read. Reading and writing by two goroutines at
// once is allowed, two readers or two writers are not.
//
// Every wait ends. It ends after Options.Idle (see SetIdle) without an octet; a line or reply that has begun
// must be whole within Options.Reply; anything else in the middle of which the peer is, message octets above
// all and what is read by Reader directly, must keep [Rate]. Waiting for something to begin is bounded by the
// idle limit alone, so that IMAP IDLE may be silent for as long as its limit says. After such an error the
// connection is of no use.
type Conn struct {
	opts Options
	line *line
	tls  *tls.Conn // nil while plain
	top  net.Conn  // line or tls
	br   *bufio.Reader

	// Of the reading goroutine.
	gate   gate
	replay []byte
	long   []byte // a line that did not fit into br

	// Writes. wmu guards out and waiting, fmu is held while octets leave.
	wmu, fmu sync.Mutex
	out      []byte
	waiting  bool // a reader waits for the network: nobody else will flush

	data  atomic.Bool // see Data
	apart atomic.Bool // see Apart
	held  atomic.Bool // see Hold
	asked atomic.Bool // something was sent since the gate looked
	steps atomic.Bool // see Stepwise
	trace *trace
}

// New wraps a connection that is already there, for tests. With Implicit it shakes hands first. The caller's
// connection is closed when New fails.
func New(ctx context.Context, raw net.Conn, o Options) (*Conn, error) {
	c := wrap(raw, o)
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

func wrap(raw net.Conn, o Options) *Conn {
	l := &line{Conn: raw, meter: o.Meter, reply: or(o.Reply, 5*time.Minute), gone: make(chan struct{}),
		get: newShare(o.Shapers, func(s *Shaper) *rate.Limiter { return s.down }),
		put: newShare(o.Shapers, func(s *Shaper) *rate.Limiter { return s.up })}
	l.idle.Store(int64(or(o.Idle, time.Minute)))
	c := &Conn{opts: o, line: l, top: l}
	c.br = bufio.NewReaderSize(source{c}, cmp.Or(o.ReadBuffer, MaxLine))
	c.trace = newTrace(o, c)
	return c
}

// begin shakes hands where that comes first. The connection is closed when it fails.
func (c *Conn) begin(ctx context.Context) error {
	if c.opts.TLS.Mode != Implicit {
		return nil
	}
	if n := c.br.Buffered(); n > 0 { // behind the answer of a proxy
		c.Close()
		return c.insecure(fmt.Errorf("%d octets came before the handshake", n))
	}
	return c.secure(ctx)
}

// Gate sets what Read hands out from now on.
func (c *Conn) Gate(g Gate) { c.gate = gate{kind: g} }

// Replay makes the next Reads hand out these octets before anything from the network, e.g. a greeting that
// was read by us and that a library expects. Not counted again, and not subject to the gate's limits. Reader
// does not see them. The slice is not copied.
func (c *Conn) Replay(b []byte) { c.replay = b }

// Reader returns the one buffer that all reads share; reading from it directly passes by the gate and its
// limits, but deadlines, Rate and counts hold. What was written is flushed when it has to wait.
func (c *Conn) Reader() *bufio.Reader { return c.br }

// source is what br reads from. It sends what was gathered before it waits.
type source struct{ c *Conn }

func (s source) Read(p []byte) (int, error) {
	c := s.c
	if c.line.polling {
		return c.top.Read(p)
	}
	if !c.apart.Load() {
		if err := c.flush(true); err != nil {
			return 0, err
		}
	}
	n, err := c.top.Read(p)
	c.wmu.Lock()
	c.waiting = false
	c.wmu.Unlock()
	c.trace.came(p[:n])
	return n, c.told(err)
}

// told makes an error of TLS one of ours; others are already, or are io.EOF.
func (c *Conn) told(err error) error {
	var ours *Error
	var op *net.OpError
	var record tls.RecordHeaderError
	switch {
	case err == nil || err == io.EOF || errors.As(err, &ours):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF): // TLS says so of an end without its alert
		return io.EOF
	case errors.As(err, &op) || errors.As(err, &record): // an alert, ours or theirs; a torn record
		return &Error{Doing: "reading", Secure: true, Err: err}
	}
	return &Error{Doing: "reading", Err: err}
}

// Write gathers p; more than 32 KiB leave at once. With the gate Replies it is an error to write while octets
// of the peer wait: they cannot be the answer to what is about to be asked.
func (c *Conn) Write(p []byte) (int, error) {
	data := c.data.Load()
	if c.gate.kind == Replies && !data {
		if c.br.Buffered() > 0 {
			return 0, foreign("the server spoke out of turn")
		}
		c.gate = gate{kind: Replies}
	}
	c.trace.wrote(p, data)
	c.wmu.Lock()
	if len(c.out) == 0 && len(p) >= gathered {
		c.wmu.Unlock()
		return c.send(p)
	}
	c.out = append(c.out, p...)
	now := c.waiting && !c.held.Load() || len(c.out) >= gathered
	c.wmu.Unlock()
	if now {
		if err := c.flush(false); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// send writes p without a copy.
func (c *Conn) send(p []byte) (int, error) {
	c.fmu.Lock()
	defer c.fmu.Unlock()
	n, err := c.top.Write(p)
	return n, c.toldWriting(err)
}

// Apart says that another goroutine writes from now on, and flushes what it has written: reads then send
// nothing. A reader that sends for a writer could be held up by a peer that takes no more before it is read.
func (c *Conn) Apart(on bool) { c.apart.Store(on) }

// Hold gathers what is written from now on although a reader waits, until it is called with false, which sends nothing by
// itself: the caller flushes, and before that waits for no answer.
func (c *Conn) Hold(on bool) { c.held.Store(on) }

// Flush sends what was gathered.
func (c *Conn) Flush() error { return c.flush(false) }

// flush sends what was gathered. A reader does not wait for a writer that is already sending: the peer may be
// unable to take more before we read.
func (c *Conn) flush(reader bool) error {
	if !reader {
		c.fmu.Lock()
	} else if !c.fmu.TryLock() {
		c.wmu.Lock()
		c.waiting = true
		c.wmu.Unlock()
		return nil
	}
	defer c.fmu.Unlock()
	for {
		c.wmu.Lock()
		b := c.out
		if len(b) == 0 {
			c.waiting = c.waiting || reader
			c.wmu.Unlock()
			return nil
		}
		c.out = nil
		c.wmu.Unlock()
		c.asked.Store(true)
		if !c.data.Load() {
			c.line.in.anew.Store(true)
		}
		if _, err := c.top.Write(b); err != nil {
			return c.toldWriting(err)
		}
		c.wmu.Lock()
		if c.out == nil && cap(b) <= 4*gathered {
			c.out = b[:0]
		}
		c.wmu.Unlock()
	}
}

func (c *Conn) toldWriting(err error) error {
	var ours *Error
	if err == nil || errors.As(err, &ours) {
		return err
	}
	return &Error{Doing: "writing", Err: err}
}

// Mask keeps what is written from the trace until it is called with false: "***" stands there instead.
func (c *Conn) Mask(on bool) { c.trace.hide(on) }

// Hide keeps a password out of the trace, whoever says it from now on, and the forms in which it is sent: some servers quote
// the command that they refuse. It stands in for no Mask. One that is shorter than 4 octets is only masked.
func (c *Conn) Hide(user, password string) { c.trace.hush(user, password) }

// Data says that what follows is message octets (true) or commands again (false), in both directions: the
// trace counts instead of showing, and [Rate] is watched, beginning anew, instead of the time of a line or
// reply.
func (c *Conn) Data(on bool) {
	c.data.Store(on)
	c.line.in.anew.Store(true)
	c.line.out.anew.Store(true)
	c.trace.data(on)
}

// SetIdle changes the idle time-out of the waits that follow (SMTP: 10 minutes after the final dot). Safe
// from any goroutine.
func (c *Conn) SetIdle(d time.Duration) { c.line.idle.Store(int64(d)) }

// Watch aborts the connection when ctx ends. stop ends the watching; call it when the step is over.
func (c *Conn) Watch(ctx context.Context) (stop func()) {
	f := context.AfterFunc(ctx, func() { c.Abort(context.Cause(ctx)) })
	return func() { f() }
}

// WatchAfter is Watch for what must not be cut off at once: the connection is aborted when ctx has ended for this long.
func (c *Conn) WatchAfter(ctx context.Context, grace time.Duration) (stop func()) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	end := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			cancel(context.Cause(ctx))
		case <-late.Done():
		}
	})
	unwatch := c.Watch(late)
	return func() {
		unwatch()
		end()
		cancel(nil)
	}
}

// Abort closes the raw connection at once, without a TLS alert or a flush; reads and writes under way return,
// with err in their chain where it is not nil. Safe from any goroutine.
func (c *Conn) Abort(err error) { c.line.abort(err) }

// Close flushes nothing and closes the raw connection. Idempotent.
func (c *Conn) Close() error {
	if err := c.line.abort(nil); err != nil && !errors.Is(err, net.ErrClosed) {
		return &Error{Doing: "closing", Err: err}
	}
	return nil
}

// Alive says nil if the peer has neither closed the connection nor sent anything unasked: a peek at the
// socket, no round trip (NOOP makes Exim drop a client at the eleventh). Where the socket cannot be peeked
// at, nil.
//
// Under TLS what waits at the socket may be a session ticket, so it is read, without waiting: only
// application data, an alert or the end make the connection dead. Not for use while another goroutine reads.
func (c *Conn) Alive() error {
	switch {
	case c.line.cause.Load() != nil:
		return c.line.failed("looking at the connection", nil)
	case c.br.Buffered() > 0:
		return foreign("the server spoke out of turn")
	}
	if ready, err := readable(c.line.Conn); err != nil || !ready {
		return nil
	}
	c.line.polling = true
	_, err := c.br.Peek(1)
	c.line.polling = false
	switch {
	case err == nil:
		return foreign("the server spoke out of turn")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case err == io.EOF:
		err = errors.New("the server has closed the connection")
	}
	return &Error{Doing: "looking at the connection", Err: err}
}

// Within returns ctx that ends when d has passed, not counting the time in which the connection waits for its turn under a
// Shaper. stop releases it.
func (c *Conn) Within(ctx context.Context, d time.Duration) (limited context.Context, stop func()) {
	return c.line.bounded(ctx, d)
}

// Held is how long the connection has waited for its turns so far, a wait under way counted whole.
func (c *Conn) Held() time.Duration { return time.Duration(c.line.held.Load()) }

// Octets returns what crossed the line so far, below TLS.
func (c *Conn) Octets() (up, down int64) { return c.line.up.Load(), c.line.down.Load() }

// LocalAddr is that of the raw connection.
func (c *Conn) LocalAddr() net.Addr { return c.line.LocalAddr() }

// RemoteAddr is that of the raw connection.
func (c *Conn) RemoteAddr() net.Addr { return c.line.RemoteAddr() }

// The deadlines of libraries are swallowed: theirs are absolute and would end a slow big message.

// SetDeadline does nothing.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

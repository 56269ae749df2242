package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Rate is the least a transfer must keep, in octets per second, averaged over each stretch of Options.Reply
// (5 min) that was spent waiting for the line; time that we need ourselves is not counted. A line of 300
// octets per second passes for as long as it takes, a peer that sends one octet a minute does not.
const Rate = 100

// A pace is what one direction of the line has to keep to.
type pace struct {
	mode   mode
	left   time.Duration // whole: of the time for this line or reply
	waited time.Duration // rated: in this stretch
	got    int64         // rated: octets in this stretch
	anew   atomic.Bool   // rated: the next wait begins a new stretch; set from any goroutine
}

type mode uint8

const (
	rated mode = iota // in the middle of data: the idle limit, and Rate
	quiet             // nothing is under way: the idle limit alone
	whole             // in the middle of a line or reply: the idle limit, and what is left of Options.Reply
)

// A line is the raw connection: it counts, and ends what takes too long. Below TLS and everything else.
type line struct {
	net.Conn
	meter    *Meter
	up, down atomic.Int64
	idle     atomic.Int64 // time.Duration
	reply    time.Duration

	in, out   pace
	get, put  share         // of the shapers
	held      atomic.Int64  // time.Duration spent waiting for turns
	gone      chan struct{} // closed by abort
	closeGone sync.Once
	polling   bool // Read returns os.ErrDeadlineExceeded rather than waiting; of the reading goroutine

	cause atomic.Pointer[error] // why it was aborted, or how it failed first

	counting sync.Mutex
	settled  bool // what comes out of a read now is counted already; guarded by counting
}

// limit returns how long the next wait may take.
func (l *line) limit(p *pace) time.Duration {
	if p.anew.Swap(false) {
		p.waited, p.got = 0, 0
	}
	d := time.Duration(l.idle.Load())
	switch p.mode {
	case whole:
		d = min(d, p.left)
	case rated:
		d = min(d, l.reply-p.waited)
	}
	return max(d, time.Nanosecond)
}

// passed books a wait that brought n octets; it returns the limit that was broken, or nil. late says that the
// wait ended by its deadline.
func (l *line) passed(p *pace, d time.Duration, n int, late bool) error {
	switch p.mode {
	case whole:
		if p.left -= d; late && p.left <= 0 {
			return fmt.Errorf("a line was not whole within %v: %w", l.reply, os.ErrDeadlineExceeded)
		}
	case rated:
		p.waited, p.got = p.waited+d, p.got+int64(n)
		if p.waited >= l.reply {
			if p.got < int64(l.reply.Seconds()*Rate) {
				return fmt.Errorf("%d octets in %v are too slow: %w", p.got, l.reply, os.ErrDeadlineExceeded)
			}
			p.waited, p.got = 0, 0
			return nil
		}
	}
	if late && n == 0 && d >= time.Duration(l.idle.Load()) {
		return fmt.Errorf("nothing for %v: %w", time.Duration(l.idle.Load()), os.ErrDeadlineExceeded)
	}
	return nil
}

// Read waits for at least one octet. io.EOF comes as it is, other errors are *Error and final.
func (l *line) Read(p []byte) (int, error) {
	if l.polling {
		if ok, err := readable(l.Conn); err == nil && !ok {
			return 0, os.ErrDeadlineExceeded
		}
	} else {
		l.turn(&l.get)
	}
	p = l.meter.cut(l.get.cut(p))
	for {
		if l.cause.Load() != nil {
			return 0, l.failed("reading", nil)
		}
		began := time.Now()
		err := l.Conn.SetReadDeadline(began.Add(l.limit(&l.in)))
		if err != nil && !errors.Is(err, io.ErrClosedPipe) { // net.Pipe says so where Read says io.EOF
			return 0, l.failed("reading", err)
		}
		n, err := l.Conn.Read(p)
		l.get.spend(n)
		if err := l.came(n); err != nil {
			return 0, l.failed("reading", err)
		}
		late := errors.Is(err, os.ErrDeadlineExceeded)
		if slow := l.passed(&l.in, time.Since(began), n, late); slow != nil {
			return n, l.failed("reading", slow)
		}
		switch {
		case n > 0 && late:
			return n, nil
		case err == nil || err == io.EOF && l.cause.Load() == nil:
			return n, err
		case !late:
			return n, l.failed("reading", err)
		}
	}
}

// Write returns when all of p has left, or with a *Error, which is final. A wait that brought some octets
// across is progress and is followed by another.
func (l *line) Write(p []byte) (int, error) {
	done := 0
	for {
		if l.cause.Load() != nil {
			return done, l.failed("writing", nil)
		}
		l.turn(&l.put)
		began := time.Now()
		if err := l.Conn.SetWriteDeadline(began.Add(l.limit(&l.out))); err != nil {
			return done, l.failed("writing", err)
		}
		n, err := l.Conn.Write(l.put.cut(p[done:]))
		l.put.spend(n)
		done += n
		l.up.Add(int64(n))
		if l.meter != nil {
			l.meter.Up.Add(int64(n))
		}
		late := errors.Is(err, os.ErrDeadlineExceeded)
		if slow := l.passed(&l.out, time.Since(began), n, late); slow != nil {
			return done, l.failed("writing", slow)
		}
		switch {
		case done == len(p):
			return done, nil
		case err != nil && !late:
			return done, l.failed("writing", err)
		}
	}
}

// failed wraps an error of the connection, or says why it was aborted, if it was.
func (l *line) failed(doing string, err error) error {
	if l.cause.CompareAndSwap(nil, &err) {
		return &Error{Doing: doing, Err: err}
	}
	return &Error{Doing: doing, Err: *l.cause.Load()}
}

// came counts octets that were read.
func (l *line) came(n int) error {
	l.counting.Lock()
	counted := l.settled
	if !counted {
		l.down.Add(int64(n))
	}
	l.counting.Unlock()
	if counted {
		return nil
	}
	return l.meter.came(n)
}

// settle counts what has crossed the line and is not read any more, since the connection is closed next: the kernel may
// hold megabytes of a body that was cut. Only Linux says how much. What is still on its way is told to nobody.
func (l *line) settle() {
	l.counting.Lock()
	defer l.counting.Unlock()
	if l.settled {
		return
	}
	all, ok := received(l.Conn)
	if !ok {
		return
	}
	l.settled = true
	unread := all - l.down.Load()
	if unread <= 0 {
		return
	}
	l.down.Add(unread)
	if l.meter != nil {
		l.meter.Down.Add(unread)
		if !errors.Is(*l.cause.Load(), net.ErrClosed) {
			l.meter.Unread.Add(unread)
		}
	}
}

// abort closes the connection; the first cause is the one that is told.
func (l *line) abort(err error) error {
	if err == nil {
		err = net.ErrClosed
	}
	l.cause.CompareAndSwap(nil, &err)
	l.closeGone.Do(func() { close(l.gone) })
	l.settle()
	return l.Conn.Close()
}

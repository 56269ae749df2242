package imap

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"mailretr/relay/wire"
)

// autologout is how long a connection may rest while nothing is asked: servers give half an hour (RFC 9051,
// 5.4).
const autologout = 29 * time.Minute

// chatter is what an answer may have in octets beside what was asked for: capabilities, flags that others
// change, the texts of status responses. Real ones stay below 4 KiB.
const chatter = 32 << 10

var errAllowance = errors.New("the server sent more than was asked for")

// A line is what the library reads and writes. The library reads all the time, also when nothing is asked
// and the caller is busy elsewhere, so the idle limit is kept here: it runs only while a command waits for
// its answer and somebody reads. And it counts what comes against what was asked for, since the library
// gathers without limits.
type line struct {
	*wire.Conn
	idle   time.Duration
	scan   scanner      // of the reading goroutine
	allow  atomic.Int64 // octets that may still come
	wide   atomic.Int64 // longest logical line that is expected now; 0: maxLogical
	utf8   atomic.Bool  // names of folders are UTF-8 here, not coded
	joined atomic.Bool  // commands leave together
	names  bool         // a command with the name of a folder is being written, in pieces

	mu      sync.Mutex
	busy    int // commands without an answer
	reading bool
	timer   *time.Timer
	first   error // why the connection ended, unless we closed it
	bye     string
	closed  bool
	own     *own // a command of ours is under way

	rest []byte // of the reading goroutine: what came while a command of ours was under way, and is not its answer
}

// newLine takes over a connection that is greeted and secured.
func newLine(conn *wire.Conn, idle time.Duration) *line {
	if idle <= 0 {
		idle = time.Minute // as in relay/wire
	}
	conn.Gate(wire.IMAP)
	conn.SetIdle(max(autologout, idle))
	return &line{Conn: conn, idle: idle}
}

// Read is for the library alone.
func (l *line) Read(p []byte) (int, error) {
	for len(l.rest) == 0 {
		n, err := l.read(p)
		if err != nil || !l.sift(p[:n]) {
			return n, err
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func (l *line) read(p []byte) (int, error) {
	l.attend(true)
	n, err := l.Conn.Read(p)
	l.attend(false)
	l.scan.max = int(l.wide.Load())
	switch broken := l.scan.feed(p[:n]); {
	case err != nil:
	case broken != nil:
		err = &wire.Error{Doing: "reading", Foreign: true, Err: broken}
	case l.allow.Add(-int64(n)) < 0:
		err = &wire.Error{Doing: "reading", Foreign: true, Err: errAllowance}
	}
	if err == nil {
		return n, nil
	}
	l.mu.Lock()
	if l.first == nil && !l.closed {
		l.first, l.bye = err, l.scan.bye
	}
	o := l.own
	l.mu.Unlock()
	l.release(o, err)
	l.Conn.Abort(err)
	return 0, err
}

// Write sends at once: a command that is only gathered on a dead connection would never be answered. Where commands leave
// together a literal that the server has to ask for does so too.
func (l *line) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(l.coded(p))
	if err == nil && (!l.joined.Load() || bytes.HasSuffix(p, literalNext)) {
		err = l.Conn.Flush()
	}
	if err != nil {
		return min(n, len(p)), err
	}
	return len(p), nil
}

var literalNext = []byte("}\r\n")

// together gathers what ask writes, and sends it.
func (l *line) together(ask func()) error {
	l.joined.Store(true)
	l.Conn.Hold(true)
	ask()
	l.joined.Store(false)
	l.Conn.Hold(false)
	return l.Conn.Flush()
}

// Close is what the library does when it gives up, and we after it.
func (l *line) Close() error {
	l.mu.Lock()
	l.closed = true
	l.arm()
	l.mu.Unlock()
	return l.Conn.Close()
}

// end returns the server's BYE if that was its last word, and why the connection ended.
func (l *line) end() (bye string, first error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bye, l.first
}

// begin says that a command goes out whose answer takes about this many octets, message contents not
// counted. The result says that it was answered.
func (l *line) begin(octets int64) (done func()) {
	l.allow.Add(octets)
	l.mu.Lock()
	l.busy++
	l.arm()
	l.mu.Unlock()
	return func() {
		l.mu.Lock()
		l.busy--
		l.arm()
		l.mu.Unlock()
	}
}

func (l *line) attend(on bool) {
	l.mu.Lock()
	l.reading = on
	l.arm()
	l.mu.Unlock()
}

// arm starts the limit anew, or stops it. l.mu is held.
func (l *line) arm() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if l.busy == 0 || !l.reading || l.closed {
		return
	}
	_, before := l.Conn.Octets()
	began, held := time.Now(), l.Conn.Held()
	var self *time.Timer
	self = time.AfterFunc(l.idle, func() {
		_, now := l.Conn.Octets()
		left := l.idle + l.Conn.Held() - held - time.Since(began)
		l.mu.Lock()
		late := l.timer == self
		switch {
		case late && left > 0: // it is we who have waited for our turn
			self.Reset(left)
			late = false
		case late && float64(now-before) >= l.idle.Seconds()*wire.Rate:
			l.arm() // a record of TLS, or a block of what is compressed, is handed out when it is whole
			late = false
		}
		l.mu.Unlock()
		if late {
			l.Conn.Abort(fmt.Errorf("no answer for %v: %w", l.idle, os.ErrDeadlineExceeded))
		}
	})
	l.timer = self
}

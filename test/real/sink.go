package real

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Sink is a recording MTA: it takes mail as fast as it comes and remembers when the last one was taken. It writes
// nothing to disk.
type Sink struct {
	Port int
	Sum  Sum

	quick bool
	take  func(Taken) string
	from  atomic.Pointer[string] // whose mail is refused
	l     net.Listener
	mu    sync.Mutex
	conns map[net.Conn]bool
}

// Sum counts what was taken.
type Sum struct {
	Messages, Octets, Connections atomic.Int64
	Last                          atomic.Int64 // UnixNano of the last message
}

// A Taken message: what the client is about to be told 250 for.
type Taken struct {
	Conn   int64 // number of the connection
	From   string
	To     []string
	Octets []byte // dots removed, CRLF; valid during the call only
}

// StartSink begins one. With quick its kernel acknowledges each segment at once; without, it delays as kernels do. take, if
// not nil, is called for each message before its reply; what it returns is the reply, "" means 250.
func StartSink(t TB, quick bool, take func(Taken) string) *Sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("%v", err)
	}
	s := &Sink{Port: l.Addr().(*net.TCPAddr).Port, quick: quick, take: take, l: l, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); s.Drop() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

// Refuse has each recipient of this sender refused with 550 from now on.
func (s *Sink) Refuse(sender string) { s.from.Store(&sender) }

// Drop cuts all connections.
func (s *Sink) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// Until waits for this many messages and returns when the last of them was taken.
func (s *Sink) Until(t TB, n int64, limit time.Duration) time.Time {
	t.Helper()
	Wait(t, limit, fmt.Sprintf("%d messages at the MTA", n), func() bool { return s.Sum.Messages.Load() >= n })
	return time.Unix(0, s.Sum.Last.Load())
}

// quickly reads from a TCP connection with quick acknowledgements, which the kernel forgets after each.
type quickly struct {
	net.Conn
	raw syscall.RawConn
}

func (q quickly) Read(p []byte) (int, error) {
	n, err := q.Conn.Read(p)
	const quickAck = 12 // TCP_QUICKACK of Linux
	if e := q.raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, quickAck, 1) }); e != nil {
		return n, e
	}
	return n, err
}

func (s *Sink) serve(c net.Conn) {
	s.mu.Lock()
	s.conns[c] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		c.Close()
	}()
	if s.quick {
		if raw, err := c.(*net.TCPConn).SyscallConn(); err == nil {
			c = quickly{c, raw}
		}
	}
	d := &sinkDialogue{s: s, r: bufio.NewReaderSize(c, 64<<10), w: bufio.NewWriter(c), number: s.Sum.Connections.Add(1)}
	d.say("220 sink ESMTP")
	for {
		if d.r.Buffered() == 0 && d.w.Flush() != nil {
			return
		}
		line, err := d.r.ReadSlice('\n')
		if err != nil || d.command(strings.TrimRight(string(line), "\r\n")) {
			d.w.Flush()
			return
		}
	}
}

type sinkDialogue struct {
	s      *Sink
	r      *bufio.Reader
	w      *bufio.Writer
	number int64
	from   string
	to     []string
	octets bytes.Buffer
}

func (d *sinkDialogue) say(text string) { d.w.WriteString(text + "\r\n") }

func (d *sinkDialogue) command(line string) (done bool) {
	upper := strings.ToUpper(line)
	switch {
	case strings.HasPrefix(upper, "EHLO"):
		d.say("250-sink\r\n250-8BITMIME\r\n250-SIZE 0\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES")
	case strings.HasPrefix(upper, "MAIL"):
		d.from, d.to = address(line), nil
		d.say("250 2.1.0 ok")
	case strings.HasPrefix(upper, "RCPT"):
		if bad := d.s.from.Load(); bad != nil && *bad == d.from {
			d.say("550 not from you")
			return false
		}
		d.to = append(d.to, address(line))
		d.say("250 2.1.5 ok")
	case upper == "DATA":
		if len(d.to) == 0 {
			d.say("503 5.5.1 nobody to send it to")
			return false
		}
		d.say("354 go on")
		return d.w.Flush() != nil || !d.data()
	case upper == "QUIT":
		d.say("221 2.0.0 bye")
		return true
	default:
		d.say("250 2.0.0 ok")
	}
	return false
}

func address(line string) string {
	_, rest, _ := strings.Cut(line, "<")
	a, _, _ := strings.Cut(rest, ">")
	return a
}

func (d *sinkDialogue) data() bool {
	d.octets.Reset()
	var n int64
	whole := true // the last slice ended a line
	for {
		line, err := d.r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return false
		}
		if whole && string(line) == ".\r\n" {
			break
		}
		if whole && line[0] == '.' {
			line = line[1:]
		}
		whole = err == nil
		n += int64(len(line))
		if d.s.take != nil {
			d.octets.Write(line)
		}
	}
	reply := ""
	if d.s.take != nil {
		reply = d.s.take(Taken{d.number, d.from, d.to, d.octets.Bytes()})
	}
	if reply == "" {
		reply = "250 2.0.0 taken"
		d.s.Sum.Octets.Add(n)
		d.s.Sum.Last.Store(time.Now().UnixNano())
		d.s.Sum.Messages.Add(1)
	}
	d.say(reply)
	return true
}

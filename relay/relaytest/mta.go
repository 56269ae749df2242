package relaytest

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"

	"mailretr/store/mail"
)

// A Rcpt is one accepted recipient and the parameters of its RCPT command.
type Rcpt struct {
	Path   mail.Path
	Params string
}

// A Mail is one message as it came.
type Mail struct {
	Conn   int    // of which connection, 1 for the first
	Hello  string // what the client called itself
	TLS    bool
	User   string // who had logged in
	Client string // what was said of the client last: the PROXY line, or what followed XCLIENT; "" where nothing was
	From   mail.Path
	Params string // of the MAIL command
	To     []Rcpt // those for whom it was taken
	Data   []byte // without dot-stuffing and the final dot
	Size   int64  // of Data, also where it was not kept
}

// An MTA is a server in this process. Safe for concurrent use.
type MTA struct {
	script Script
	l      net.Listener // nil: by Pipe alone
	work   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
	n      int // connections so far
	mails  []Mail
	lines  []string
	came   chan struct{} // closed and made anew with each message
}

// New starts an MTA on a loopback port. It ends with the test, or by Close.
func New(t testing.TB, s Script) *MTA {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := NewPipe(t, s)
	m.l = l
	m.work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			m.accept(c)
		}
	})
	return m
}

// NewPipe makes an MTA that is reached by Dial alone, over net.Pipe: for testing/synctest, where it has to
// be made inside of the bubble.
func NewPipe(t testing.TB, s Script) *MTA {
	if s.Greeting == "" {
		s.Greeting = "220 mta.test ESMTP"
	}
	if s.Offers == nil {
		s.Offers = DefaultOffers
	}
	m := &MTA{script: s, conns: make(map[net.Conn]bool), came: make(chan struct{})}
	t.Cleanup(m.Close)
	return m
}

// Address is host:port; "pipe.test:25" where there is no listener.
func (m *MTA) Address() string {
	if m.l == nil {
		return "pipe.test:25"
	}
	return m.l.Addr().String()
}

// Dial connects, whatever the address. It is a wire.Options.DialContext.
func (m *MTA) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if m.l != nil {
		return new(net.Dialer).DialContext(ctx, "tcp", m.Address())
	}
	ours, theirs := net.Pipe()
	if !m.accept(ours) {
		theirs.Close()
		return nil, errors.New("connection refused")
	}
	return theirs, nil
}

// accept serves a connection; false after Close.
func (m *MTA) accept(c net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		c.Close()
		return false
	}
	m.n++
	m.conns[c] = true
	d := &dialogue{m: m, raw: c, no: m.n}
	m.work.Go(func() {
		d.run()
		c.Close()
		m.mu.Lock()
		delete(m.conns, c)
		m.mu.Unlock()
	})
	return true
}

// Close ends the listener and all connections, and waits for them. Idempotent.
func (m *MTA) Close() {
	m.mu.Lock()
	m.closed = true
	if m.l != nil {
		m.l.Close()
	}
	m.mu.Unlock()
	m.Hangup()
	m.work.Wait()
}

// Hangup closes the connections that are open.
func (m *MTA) Hangup() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.conns {
		c.Close()
	}
}

// Mails returns what was taken so far.
func (m *MTA) Mails() []Mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.mails)
}

// Lines returns the commands that came so far, each with the number of its connection: "1 MAIL
// FROM:<a@b.example>".
func (m *MTA) Lines() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.lines)
}

// Connections returns how many connections there were so far.
func (m *MTA) Connections() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.n
}

// Wait returns once n messages were taken, or ctx has ended.
func (m *MTA) Wait(ctx context.Context, n int) error {
	for {
		m.mu.Lock()
		enough, came := len(m.mails) >= n, m.came
		m.mu.Unlock()
		if enough {
			return nil
		}
		select {
		case <-came:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *MTA) take(x Mail) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mails = append(m.mails, x)
	close(m.came)
	m.came = make(chan struct{})
}

func (m *MTA) ask(s Step) Answer {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.Verb != Dot && s.Verb != Body && s.Verb != Connect {
		m.lines = append(m.lines, numbered(s.Conn, s.Line))
	}
	if m.script.Answer == nil {
		return Answer{}
	}
	return m.script.Answer(s)
}

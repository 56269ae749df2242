package smtpd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"mailretr/store/mail"
)

// A store takes messages as the queue does, or fails as it is told.
type store struct {
	mu   sync.Mutex
	got  []taken
	err  error
	wait chan struct{} // Deliver waits for it, nil: does not
	seen chan struct{} // gets one when Deliver has read a message, nil: nobody waits for it
}

type taken struct {
	envelope mail.Envelope
	id       mail.ID
	size     int64
	text     string
}

func (s *store) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	no := func(err error) mail.Report { return mail.Same(len(m.Envelope.Recipients), mail.Result{Err: err}) }
	r, err := m.Content.Open(ctx)
	if err != nil {
		return no(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return no(err)
	}
	if s.seen != nil {
		s.seen <- struct{}{}
	}
	if s.wait != nil {
		<-s.wait
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return no(s.err)
	}
	m.ID = m.Chosen
	s.got = append(s.got, taken{m.Envelope, m.ID, m.Content.Size(), string(b)})
	return mail.Same(len(m.Envelope.Recipients), mail.Result{Outcome: mail.Delivered})
}

func (s *store) messages() []taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

// A world is a server with its store, and clients from anywhere.
type world struct {
	t      testing.TB
	store  *store
	server *Server
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	stop   func() // asks it to end
	end    chan error

	mu     sync.Mutex
	events []mail.Event
}

func (w *world) Observe(e mail.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// Accept, Close and Addr make the world a listener.
func (w *world) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *world) Close() error { w.once.Do(func() { close(w.closed) }); return nil }

func (w *world) Addr() net.Addr { return &net.TCPAddr{} }

var errFull = errors.New("full")

// fixed is the time of the world: what it writes can be compared.
var fixed = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// open starts a server of these options; host, queue and observer are the world's.
func open(t testing.TB, o Options) *world {
	w := &world{t: t, store: &store{}, conns: make(chan net.Conn), closed: make(chan struct{}), end: make(chan error, 1)}
	o.Hostname, o.Queue, o.Observe = "mx.test", w.store, w
	o.Full = func(err error) bool { return errors.Is(err, errFull) }
	o.Now = func() time.Time { return fixed }
	var err error
	if w.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() { w.end <- w.server.Serve(ctx, w) }()
	return w
}

// shut ends the world.
func (w *world) shut() {
	w.t.Helper()
	w.stop()
	if err := <-w.end; err != nil {
		w.t.Errorf("Serve ended with %v", err)
	}
}

// A conn is one end of a pipe that says where it comes from.
type conn struct {
	net.Conn
	from net.Addr
}

func (c conn) RemoteAddr() net.Addr { return c.from }

// A talker is a client. What it is told is read beside what it says.
type talker struct {
	t     testing.TB
	c     net.Conn
	lines chan string
}

// dial connects from an address; "": by a unix socket.
func (w *world) dial(from string) *talker {
	t := w.dialRaw(from)
	t.listen()
	return t
}

// dialRaw connects without listening yet.
func (w *world) dialRaw(from string) *talker {
	here, there := net.Pipe()
	var a net.Addr = &net.UnixAddr{Net: "unix"}
	if from != "" {
		a = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 1025))
	}
	select {
	case w.conns <- conn{there, a}:
	case <-w.closed:
		there.Close()
	}
	return &talker{t: w.t, c: here}
}

func (t *talker) listen() {
	lines := make(chan string, 10000)
	t.lines = lines
	c := t.c
	go func() {
		defer close(lines)
		for br := bufio.NewReader(c); ; {
			line, err := br.ReadString('\n')
			if line != "" {
				lines <- line
			}
			if err != nil || strings.HasPrefix(line, "220 2.0.0") {
				return // TLS begins
			}
		}
	}()
}

// secure shakes hands.
func (t *talker) secure() {
	t.t.Helper()
	c := tls.Client(t.c, &tls.Config{InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		t.t.Fatalf("handshake: %v", err)
	}
	t.c = c
	t.listen()
}

// send writes beside reading: the other end may answer before it has read all.
func (t *talker) send(text string) {
	t.t.Helper()
	if _, err := io.WriteString(t.c, text); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.t.Fatalf("sending %.40q: %v", text, err)
	}
}

// hear returns the next answer, its lines joined; "" where the connection has ended.
func (t *talker) hear() string {
	var all strings.Builder
	for line := range t.lines {
		all.WriteString(line)
		if len(line) < 4 || line[3] != '-' {
			break
		}
	}
	return all.String()
}

// want hears an answer that begins so.
func (t *talker) want(prefix string) {
	t.t.Helper()
	if got := t.hear(); !strings.HasPrefix(got, prefix) || prefix == "" && got != "" {
		t.t.Fatalf("heard %q, want %q", got, prefix)
	}
}

// play runs a dialogue: lines that begin with > are sent with CRLF, others are the beginnings of answers, and
// END is the end of the connection.
func (t *talker) play(script string) {
	t.t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(script), "\n") {
		line = strings.TrimSpace(line)
		switch text, say := strings.CutPrefix(line, ">"); {
		case say:
			r := strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\0`, "\x00", `\\`, `\`, `\t`, "\t", `\e`, "\x1b")
			text = r.Replace(strings.TrimPrefix(text, " "))
			if !strings.HasSuffix(text, "\x00\x00") {
				text += "\r\n"
			}
			t.send(strings.TrimSuffix(text, "\x00\x00")) // \0\0 at the end: without CRLF
		case line == "END":
			t.want("")
		default:
			t.want(line)
		}
	}
}

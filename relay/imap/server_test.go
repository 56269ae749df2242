package imap

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"sync"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"go.uber.org/goleak"

	"mailretr/relay/imapconn"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A server is the library's own in memory, which keeps what was appended as it came, and refuses on order.
type server struct {
	t    testing.TB
	tls  *tls.Config
	caps goimap.CapSet
	// refuse says what APPEND is answered, after the octets; nil: OK.
	refuse func(folder string) error
	closed error // what EXAMINE is answered; nil: as it is
	// cut, where it is above 0, ends each connection after so many octets of the client.
	cut int

	user *imapmemserver.User
	net.Listener
	began     sync.Once
	accepting chan struct{} // closed when it listens

	mu       sync.Mutex
	appended []appended
	dialled  int
	deaf     bool // answers are thrown away
	answers  int  // how often it has answered after it had read something: round trips
	open     []net.Conn
}

type appended struct {
	folder string
	flags  []goimap.Flag
	at     time.Time
	octets []byte
}

func newServer(t testing.TB) *server {
	s := &server{t: t, caps: goimap.CapSet{goimap.CapIMAP4rev1: {}, goimap.CapLiteralPlus: {}}}
	s.user = imapmemserver.NewUser("jaco", "secret-canary")
	s.user.Create("INBOX", nil)
	return s
}

// start serves until the test ends.
func (s *server) start() *server {
	var err error
	if s.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		s.t.Fatal(err)
	}
	mem := imapmemserver.New()
	mem.AddUser(s.user)
	srv := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &recording{mem.NewSession(), s}, nil, nil
		},
		Caps: s.caps, TLSConfig: s.tls, InsecureAuth: s.tls == nil, Logger: log.New(io.Discard, "", 0),
	})
	ended := make(chan error)
	s.began, s.accepting = sync.Once{}, make(chan struct{})
	go func() { ended <- srv.Serve(s) }()
	<-s.accepting // it counts itself before, which must not meet Close
	s.t.Cleanup(func() { s.away(); srv.Close(); <-ended })
	return s
}

// away ends the server for whoever dials, and all connections.
func (s *server) away() {
	s.Listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.open {
		c.Close()
	}
}

// Accept is that of the listener, with a line in front of the server.
func (s *server) Accept() (net.Conn, error) {
	s.began.Do(func() { close(s.accepting) })
	c, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialled++
	s.open = append(s.open, c)
	return &line{Conn: c, server: s, left: s.cut}, nil
}

// A line is the server's side of a connection.
type line struct {
	net.Conn
	server *server
	left   int
	heard  bool // something was read since the last answer
}

func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.server.mu.Lock()
	l.heard = l.heard || n > 0
	l.server.mu.Unlock()
	if l.left > 0 {
		if l.left -= n; l.left <= 0 {
			l.Conn.Close()
			return 0, io.EOF
		}
	}
	return n, err
}

func (l *line) Write(p []byte) (int, error) {
	l.server.mu.Lock()
	deaf := l.server.deaf
	if l.heard {
		l.server.answers++
		l.heard = false
	}
	l.server.mu.Unlock()
	if deaf {
		l.Conn.Close()
		return 0, net.ErrClosed
	}
	return l.Conn.Write(p)
}

// A recording session keeps what was appended.
type recording struct {
	imapserver.Session
	s *server
}

// Namespace is that of a server that has nothing in front of its names.
func (r *recording) Namespace() (*goimap.NamespaceData, error) {
	return &goimap.NamespaceData{Personal: []goimap.NamespaceDescriptor{{Delim: '/'}}}, nil
}

// Select refuses on order.
func (r *recording) Select(folder string, o *goimap.SelectOptions) (*goimap.SelectData, error) {
	if r.s.closed != nil {
		return nil, r.s.closed
	}
	return r.Session.Select(folder, o)
}

func (r *recording) Append(folder string, lit goimap.LiteralReader, o *goimap.AppendOptions) (*goimap.AppendData, error) {
	b, err := io.ReadAll(lit)
	if err == nil && int64(len(b)) < lit.Size() { // the library does not tell a cut from an end
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	if r.s.refuse != nil {
		if err := r.s.refuse(folder); err != nil {
			return nil, err
		}
	}
	data, err := r.Session.Append(folder, literal{bytes.NewReader(b), int64(len(b))}, o)
	if err != nil {
		return nil, err
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.appended = append(r.s.appended, appended{folder, o.Flags, o.Time, b})
	return data, nil
}

type literal struct {
	io.Reader
	n int64
}

func (l literal) Size() int64 { return l.n }

func (s *server) arrived() []appended {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]appended(nil), s.appended...)
}

func (s *server) waits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers
}

func (s *server) dials() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialled
}

// client delivers to it; change what has to be different.
func client(t testing.TB, s *server, change func(*Options)) *Client {
	o := Options{Options: imapconn.Options{
		Dial: wire.Options{Address: s.Addr().String(), TLS: wire.TLS{Mode: wire.Plain}},
		User: "jaco", Password: func(context.Context) (string, error) { return "secret-canary", nil },
	}, Grace: time.Second}
	if change != nil {
		change(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func letter(text string) *mail.Message {
	return &mail.Message{ID: mail.NewID(time.Unix(1_700_000_000, 0), nil), Queued: time.Unix(1_700_000_000, 0),
		Content: mail.Text(text), Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: "jaco@kroon.co.za"}}}}
}

package fetchtest

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A POP3 is a scripted server of RFC 1939, with CAPA (RFC 2449), STLS (RFC 2595) and AUTH (RFC 5034, see
// [SASL]). It keeps the semantics of a maildrop: a session sees the messages that were there at its login,
// and deletions count at QUIT. It answers one command after the other and reads the next only when its answer
// is written, as a server with little memory does. Set the fields before the first connection; make it with
// [NewPOP3].
type POP3 struct {
	User, Password string   // "jaco" and "secret" unless changed
	Caps           []string // lines of CAPA; nil: -ERR. STLS goes once TLS is there
	Token          string   // access token of OAUTHBEARER and XOAUTH2
	Broken         bool     // see SASL
	Owner          func(token string) string
	Greeting       string // text behind +OK; a timestamp makes APOP known
	NoUIDL, NoTOP  bool
	TLS            *tls.Config // for STLS, or from the first octet with Implicit
	Implicit       bool
	Buffer         int           // octets that the connection holds in each direction; 0: 64 KiB
	Latency        time.Duration // of each direction; for testing/synctest
	Hides          Hiding

	// On replaces what a verb does (capitals; "CONNECT" is the greeting). It returns false to have the
	// usual done after all. The functions run on the connection's goroutine.
	On map[string]func(c *POP3Conn, arg string) bool

	mu    sync.Mutex
	mails []*Mail
	next  int
	log   []string
	conns map[net.Conn]bool
	wg    sync.WaitGroup
	ended bool
}

// Hiding says when a message is not listed any more though nobody deletes it, as Gmail has it; who logs in
// with "recent:" before the name sees it all the same.
type Hiding uint8

const (
	HidesNothing Hiding = iota
	HidesAtRETR         // when it is asked for
	HidesAtQUIT         // when the session in which it was asked for has ended well
)

// A Mail waits in a POP3. Its fields may be set before Add.
type Mail struct {
	Octets []byte
	UID    string // "uid-N" where it is empty; see NoUID
	NoUID  bool   // the unique-id is empty
	Size   int64  // as announced; 0: the true one, with NoSize 0
	NoSize bool
	Refuse string // RETR and TOP answer with -ERR and this
	hidden bool

	Sent string // what RETR sends behind +OK, as it stands; "": the octets, stuffed, and the end
}

// NewPOP3 returns a server that can what most can, PIPELINING included. It ends with the test.
func NewPOP3(t testing.TB) *POP3 {
	s := &POP3{
		User: "jaco", Password: "secret",
		Caps: []string{"TOP", "UIDL", "USER", "RESP-CODES", "PIPELINING", "SASL PLAIN"},
	}
	t.Cleanup(s.Close)
	return s
}

// Put adds messages.
func (s *POP3) Put(octets ...[]byte) {
	for _, b := range octets {
		s.Add(&Mail{Octets: b})
	}
}

// Add adds a message as it is described.
func (s *POP3) Add(m *Mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	if m.UID == "" && !m.NoUID {
		m.UID = "uid-" + itoa(s.next)
	}
	s.mails = append(s.mails, m)
}

// Clear removes what waits.
func (s *POP3) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = nil
}

// Behave sets On for sessions that begin later, when the server listens already; nil ends what it made it do.
func (s *POP3) Behave(on map[string]func(*POP3Conn, string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.On = on
}

// Lie announces this size for everything that waits.
func (s *POP3) Lie(size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.mails {
		m.Size, m.NoSize = size, size == 0
	}
}

// Left returns what waits.
func (s *POP3) Left() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all [][]byte
	for _, m := range s.mails {
		all = append(all, m.Octets)
	}
	return all
}

// Log returns the commands that came, of all connections, passwords included.
func (s *POP3) Log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Count returns how many commands with this verb came.
func (s *POP3) Count(verb string) (n int) {
	for _, l := range s.Log() {
		if v, _, _ := strings.Cut(l, " "); v == verb {
			n++
		}
	}
	return n
}

// Forget empties the log.
func (s *POP3) Forget() { s.mu.Lock(); defer s.mu.Unlock(); s.log = nil }

// Dial connects inside the process; it is a [DialFunc].
func (s *POP3) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	size := s.Buffer
	if size == 0 {
		size = 64 << 10
	}
	client, server := Pipe(size, s.Latency)
	if !s.start(server) {
		return nil, net.ErrClosed
	}
	return client, nil
}

// Listen serves TCP on the loopback interface until the test ends, and returns the address.
func (s *POP3) Listen(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.start(c)
		}
	}()
	return l.Addr().String()
}

// Close ends all connections and waits for them.
func (s *POP3) Close() {
	s.mu.Lock()
	s.ended = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *POP3) start(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		c.Close()
		return false
	}
	if s.conns == nil {
		s.conns = map[net.Conn]bool{}
	}
	s.conns[c] = true
	s.wg.Add(1)
	p := &POP3Conn{Server: s, raw: c, on: s.On, deleted: map[int]bool{}}
	go func() {
		defer s.wg.Done()
		p.serve()
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	return true
}

// A POP3Conn is one connection of a client.
type POP3Conn struct {
	Server *POP3

	raw     net.Conn
	r       *bufio.Reader
	w       *bufio.Writer
	secure  bool
	user    string
	mails   []*Mail // the snapshot, once logged in
	in      bool
	deleted map[int]bool
	over    bool
	on      map[string]func(*POP3Conn, string) bool // the server's, when the session began

	retrieved []*Mail // to be hidden at QUIT
}

// Say writes a line.
func (c *POP3Conn) Say(line string) { c.Raw(line + "\r\n") }

// Raw writes octets; they leave at once. It returns false when the client is gone.
func (c *POP3Conn) Raw(s string) bool {
	c.w.WriteString(s)
	if c.w.Flush() != nil {
		c.over = true
	}
	return !c.over
}

// Cut closes the connection.
func (c *POP3Conn) Cut() { c.over = true; c.raw.Close() }

// Hang says nothing any more until the client goes away.
func (c *POP3Conn) Hang() {
	c.over = true
	for {
		if _, err := c.r.ReadByte(); err != nil {
			return
		}
	}
}

// Mails returns the snapshot of the session.
func (c *POP3Conn) Mails() []*Mail { return c.mails }

// Read returns the next line of the client, e.g. behind a continuation.
func (c *POP3Conn) Read() (string, bool) {
	l, err := c.r.ReadString('\n')
	return strings.TrimRight(l, "\r\n"), err == nil
}

// Waiting returns what has arrived from the client and was not read, 4 KiB at most. Exact only in plain
// text under testing/synctest, once everything else waits.
func (c *POP3Conn) Waiting() string {
	for {
		b, _ := c.r.Peek(c.r.Buffered())
		c.raw.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := c.r.Peek(len(b) + 1)
		c.raw.SetReadDeadline(time.Time{})
		if err != nil {
			return string(b)
		}
	}
}

func (c *POP3Conn) use(n net.Conn) {
	c.raw, c.r, c.w = n, bufio.NewReader(n), bufio.NewWriter(n)
}

func (c *POP3Conn) serve() {
	c.use(c.raw)
	if c.Server.Implicit && !c.shake() {
		return
	}
	c.do("CONNECT", "")
	for !c.over {
		l, ok := c.Read()
		if !ok {
			return
		}
		c.Server.mu.Lock()
		c.Server.log = append(c.Server.log, l)
		c.Server.mu.Unlock()
		verb, arg, _ := strings.Cut(l, " ")
		c.do(strings.ToUpper(verb), arg)
	}
}

func (c *POP3Conn) do(verb, arg string) {
	if f := c.on[verb]; f != nil && f(c, arg) {
		return
	}
	c.usual(verb, arg)
}

func (c *POP3Conn) shake() bool {
	t := tls.Server(c.raw, c.Server.TLS)
	if t.Handshake() != nil {
		c.over = true
		return false
	}
	c.use(t)
	c.secure = true
	return true
}

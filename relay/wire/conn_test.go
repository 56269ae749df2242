package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipe returns a connection over net.Pipe and the server's end of it.
func pipe(t *testing.T, o Options) (*Conn, net.Conn) {
	t.Helper()
	ours, theirs := net.Pipe()
	c, err := New(t.Context(), ours, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); theirs.Close() })
	return c, theirs
}

// tcp returns a connection over loopback and the server's end of it.
func tcp(t *testing.T, o Options) (*Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o.Address, o.TLS.Mode = l.Addr().String(), Plain
	c, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); theirs.Close() })
	return c, theirs
}

func say(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Error(err)
	}
}

func TestLinesGate_OneLineEachSoThatTheRestStaysOurs(t *testing.T) {
	c, server := tcp(t, Options{})
	say(t, server, "+OK one\r\n+OK two\r\nbody\r\n.\r\n")
	c.Gate(Lines)
	p := make([]byte, 4096)
	for _, want := range []string{"+OK one\r\n", "+OK two\r\n"} {
		if n, err := c.Read(p); err != nil || string(p[:n]) != want {
			t.Fatalf("Read = %q, %v; want %q", p[:n], err, want)
		}
	}
	if s, err := c.Reader().ReadString('.'); err != nil || s != "body\r\n." {
		t.Fatalf("Reader has %q, %v", s, err)
	}
	if b, err := c.ReadLine(10); err != nil || string(b) != "" {
		t.Fatalf("ReadLine = %q, %v", b, err)
	}
}

func TestReplayComesBeforeTheNetwork(t *testing.T) {
	c, server := tcp(t, Options{})
	say(t, server, "second\r\n")
	c.Gate(Lines)
	c.Replay([]byte("220-a\r\n220 b\r\n"))
	p := make([]byte, 4096)
	for _, want := range []string{"220-a\r\n", "220 b\r\n", "second\r\n"} {
		if n, err := c.Read(p); err != nil || string(p[:n]) != want {
			t.Fatalf("Read = %q, %v; want %q", p[:n], err, want)
		}
	}
	if _, down := c.Octets(); down != 8 {
		t.Fatalf("counted %d octets, replayed ones among them", down)
	}
}

func TestWritesAreGatheredAndCounted(t *testing.T) {
	var m Meter
	c, server := tcp(t, Options{Meter: &m})
	say(t, c, "USER a\r\n")
	say(t, c, "PASS b\r\n")
	if up, _ := c.Octets(); up != 0 {
		t.Fatalf("%d octets left before anything waited for them", up)
	}
	go func() {
		p := make([]byte, 100)
		n, _ := server.Read(p)
		say(t, server, "got "+strings.ReplaceAll(string(p[:n]), "\r\n", "|")+"\r\n")
	}()
	b, err := c.ReadLine(MaxLine)
	if err != nil || string(b) != "got USER a|PASS b|" {
		t.Fatalf("ReadLine = %q, %v", b, err)
	}
	if up, down := c.Octets(); up != 16 || down != 20 || m.Up.Load() != 16 || m.Down.Load() != 20 {
		t.Fatalf("counted %d up, %d down; meter %d, %d", up, down, m.Up.Load(), m.Down.Load())
	}
}

// A reader of its own, as go-imap has one, must not keep a command from leaving.
func TestWritesLeaveAtOnceWhileAnotherGoroutineReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, server := pipe(t, Options{})
		go func() {
			p := make([]byte, 10)
			c.Read(p)
		}()
		synctest.Wait()
		go say(t, c, "T1 NOOP\r\n")
		p := make([]byte, 100)
		if n, err := server.Read(p); err != nil || string(p[:n]) != "T1 NOOP\r\n" {
			t.Fatalf("server read %q, %v", p[:n], err)
		}
		say(t, server, "T1 OK\r\n")
	})
}

// What is written while it is held leaves in one piece, also where somebody reads.
func TestHeldWritesLeaveTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, server := pipe(t, Options{})
		go func() {
			p := make([]byte, 10)
			c.Read(p)
		}()
		synctest.Wait()
		c.Hold(true)
		say(t, c, "T1 STORE\r\n")
		say(t, c, "T2 EXPUNGE\r\n")
		if up, _ := c.Octets(); up != 0 {
			t.Fatalf("%d octets left while they were held", up)
		}
		c.Hold(false)
		go c.Flush()
		p := make([]byte, 100)
		if n, err := server.Read(p); err != nil || string(p[:n]) != "T1 STORE\r\nT2 EXPUNGE\r\n" {
			t.Fatalf("server read %q, %v", p[:n], err)
		}
		say(t, server, "T1 OK\r\n")
	})
}

func TestBigWriteToAPeerThatWritesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, server := pipe(t, Options{})
		done := make(chan error, 1)
		go func() { _, err := c.Write(make([]byte, 100<<10)); done <- err }()
		synctest.Wait() // it is stuck: nobody takes the octets
		go func() {
			say(t, server, "first\r\n") // and is not read until the line below
			io.CopyN(io.Discard, server, 100<<10)
		}()
		if b, err := c.ReadLine(100); err != nil || string(b) != "first" {
			t.Fatalf("ReadLine = %q, %v", b, err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestWatchAndAbortEndAReadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := pipe(t, Options{})
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := c.Watch(ctx)
		defer stop()
		why := errors.New("somebody asked")
		time.AfterFunc(time.Second, func() { cancel(why) })
		began := time.Now()
		_, err := c.ReadLine(100)
		if !errors.Is(err, why) || time.Since(began) != time.Second {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
		if err := c.Alive(); !errors.Is(err, why) {
			t.Fatalf("Alive = %v", err)
		}
	})
}

func TestAlive(t *testing.T) {
	c, server := tcp(t, Options{})
	if err := c.Alive(); err != nil {
		t.Fatalf("quiet connection: %v", err)
	}
	say(t, server, "421 go away\r\n")
	waitReadable(t, c)
	var e *Error
	if err := c.Alive(); !errors.As(err, &e) || !e.Protocol() {
		t.Fatalf("after an unasked 421: %v", err)
	}
	if b, err := c.ReadLine(100); err != nil || string(b) != "421 go away" {
		t.Fatalf("the peek took something: %q, %v", b, err)
	}
	server.Close()
	waitReadable(t, c)
	if err := c.Alive(); err == nil || strings.Contains(err.Error(), "turn") {
		t.Fatalf("after the end: %v", err)
	}
}

func waitReadable(t *testing.T, c *Conn) {
	t.Helper()
	for range 10_000_000 {
		if ok, err := readable(c.line.Conn); err != nil {
			t.Fatal(err)
		} else if ok {
			return
		}
	}
	t.Fatal("nothing came")
}

func TestEndIsEOF(t *testing.T) {
	c, server := tcp(t, Options{})
	say(t, server, "half")
	server.Close()
	if _, err := c.ReadLine(100); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("in mid line: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("Read: %v", err)
	}
	if _, err := c.ReadLine(100); !errors.Is(err, io.EOF) {
		t.Fatalf("ReadLine: %v", err)
	}
}

func TestDialErrorsSayWhatWasTried(t *testing.T) {
	_, err := Dial(t.Context(), Options{Address: "127.0.0.1:1", TLS: TLS{Mode: Plain}})
	if err == nil || err.Error() != "connecting to 127.0.0.1:1: connection refused" {
		t.Errorf("%v", err)
	}
	_, err = Dial(t.Context(), Options{Address: "mail.invalid:25", DialContext: func(context.Context, string, string) (
		net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Name: "mail.invalid", Err: "no such host"}}
	}})
	if err == nil || err.Error() != "looking up mail.invalid: no such host" {
		t.Errorf("%v", err)
	}
}

func TestIPv6Literal(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here")
	}
	defer l.Close()
	c, err := Dial(t.Context(), Options{Address: l.Addr().String(), TLS: TLS{Mode: Plain}})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	for address, want := range map[string]string{"[fe80::1%eth0]:993": "fe80::1", "mail.example:25": "mail.example"} {
		if name, err := (TLS{}).name(address); err != nil || name != want {
			t.Errorf("name of %s = %q, %v", address, name, err)
		}
	}
	if _, err := (TLS{}).name("/run/lmtp.sock"); err == nil {
		t.Error("a path has no name for a certificate")
	}
}

// Who counts octets may end what brings too many.
func TestBoundEndsTheConnection(t *testing.T) {
	var m Meter
	c, server := tcp(t, Options{Meter: &m})
	spent, asked := errors.New("spent"), 0
	m.Bound(func() (int64, error) {
		if asked++; asked > 2 {
			return 0, spent
		}
		return 10, nil
	})
	for _, line := range []string{"one\r\n", "two\r\n", "three\r\n"} { // asked at 5 and at 17
		say(t, server, line)
		if _, err := c.ReadLine(MaxLine); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times for 17 octets", asked)
	}
	say(t, server, "a long line\r\n")
	if _, err := c.ReadLine(MaxLine); !errors.Is(err, spent) {
		t.Errorf("%v", err)
	}
	m.Bound(nil)
	if _, err := c.ReadLine(MaxLine); !errors.Is(err, spent) {
		t.Errorf("it goes on: %v", err)
	}
}

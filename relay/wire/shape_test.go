package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// shaped returns a connection through shapers, whose server sends down octets and takes all.
func shaped(t *testing.T, down int64, o Options, shapers ...*Shaper) *Conn {
	t.Helper()
	o.Shapers = shapers
	c, server := pipe(t, o)
	go io.Copy(server, repeat("0123456789abcdef", down))
	go io.Copy(io.Discard, server)
	return c
}

// about says whether d is within a tenth of a second of want: pieces are what is waited for.
func about(t *testing.T, what string, d, want time.Duration) {
	t.Helper()
	if (d - want).Abs() > want/10 {
		t.Errorf("%s took %v, want about %v", what, d, want)
	}
}

func TestShaperPacesBothDirections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The limits are far shorter than the waits for a turn: those are ours, and nobody counts them.
		o := Options{Idle: 20 * time.Millisecond, Reply: 50 * time.Millisecond}
		c := shaped(t, 80<<10, o, NewShaper(8<<10, 16<<10))
		c.Data(true)
		began := time.Now()
		if n, err := io.CopyN(io.Discard, c, 80<<10); err != nil {
			t.Fatalf("%d octets, %v", n, err)
		}
		about(t, "reading 80 KB at 8 KB/s behind a burst of 16 KB", time.Since(began), 8*time.Second)
		began = time.Now() // the other direction has its own
		for range 10 {
			if _, err := c.Write(make([]byte, 8<<10)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		about(t, "writing as much", time.Since(began), 8*time.Second)
	})
}

func TestShaperBelowTheLeastRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// 50 octets per second are fewer than Rate: it is we who are slow, not the peer.
		c := shaped(t, 60<<10, Options{}, NewShaper(50, 0))
		c.Data(true)
		began := time.Now()
		if n, err := io.CopyN(io.Discard, c, 60<<10); err != nil {
			t.Fatalf("%d octets, %v", n, err)
		}
		about(t, "60 KB at 50 octets/s", time.Since(began), 60<<10/50*time.Second)
	})
}

func TestShaperOfTheLineAndOfTheMaildrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := NewShaper(20<<10, 1)
		slow := shaped(t, 40<<10, Options{}, line, NewShaper(5<<10, 1))
		fast := shaped(t, 150<<10, Options{}, line, NewShaper(100<<10, 1))
		var both sync.WaitGroup
		began := time.Now()
		both.Go(func() { io.CopyN(io.Discard, slow, 40<<10); about(t, "the slow one", time.Since(began), 8*time.Second) })
		both.Go(func() {
			io.CopyN(io.Discard, fast, 150<<10)
			about(t, "the rest of the line", time.Since(began), 10*time.Second)
		})
		both.Wait()
	})
}

func TestShaperLeavesRoomBesideALargeBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := NewShaper(64<<10, 0)
		large := shaped(t, 10<<20, Options{}, line)
		gone := make(chan struct{})
		go func() { defer close(gone); io.Copy(io.Discard, large) }()
		time.Sleep(10 * time.Second) // the clock of the test: the burst is used up
		small := shaped(t, 4<<10, Options{}, line)
		began := time.Now()
		if _, err := io.CopyN(io.Discard, small, 4<<10); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("4 KB beside a large body took %v on a line of 64 KB/s", d)
		}
		large.Abort(errors.New("enough"))
		<-gone
	})
}

func TestShaperWaitEndsWithTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := shaped(t, 1<<20, Options{}, NewShaper(1, 512))
		ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, errors.New("stopped"))
		defer cancel()
		defer c.Watch(ctx)()
		began := time.Now()
		_, err := io.Copy(io.Discard, c)
		if d := time.Since(began); d != 5*time.Second || err == nil || !strings.Contains(err.Error(), "stopped") {
			t.Errorf("%v after %v", err, d)
		}
	})
}

func TestShaperIsNoBusyLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		ours, theirs := net.Pipe()
		defer theirs.Close()
		go io.Copy(theirs, repeat("0123456789abcdef", 64<<10))
		c, err := New(t.Context(), counting{ours, &reads}, Options{Shapers: []*Shaper{NewShaper(8<<10, 0)}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.CopyN(io.Discard, c, 64<<10); err != nil {
			t.Fatal(err)
		}
		if reads > 64<<10/(8<<10/turns)+1 {
			t.Errorf("%d reads for 64 pieces", reads)
		}
	})
}

type counting struct {
	net.Conn
	reads *int
}

func (c counting) Read(p []byte) (int, error) { *c.reads++; return c.Conn.Read(p) }

func TestShaperCanBeChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewShaper(0, 0)
		c := shaped(t, 1<<30, Options{}, s)
		began := time.Now()
		io.CopyN(io.Discard, c, 1<<20)
		if d := time.Since(began); d != 0 {
			t.Errorf("no rate: %v", d)
		}
		s.Set(10<<10, 0)
		began = time.Now()
		io.CopyN(io.Discard, c, 110<<10)
		about(t, "100 KB at 10 KB/s", time.Since(began), 10*time.Second)
		s.Set(0, 0)
		io.CopyN(io.Discard, c, 4<<10) // the turn that was given stays
		began = time.Now()
		io.CopyN(io.Discard, c, 1<<20)
		if d := time.Since(began); d > 0 {
			t.Errorf("no rate any more: %v", d)
		}
	})
}

// Neither a handshake nor a proxy is given up because we have made it wait.
func TestShaperDoesNotEndAHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t)
		ours, theirs := net.Pipe()
		server := tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}})
		go func() { server.Handshake(); io.Copy(io.Discard, server) }()
		began := time.Now()
		c, err := New(t.Context(), ours, Options{Address: "mail.test:995", Handshake: time.Second,
			TLS: TLS{Mode: Implicit, Roots: ca.pool}, Shapers: []*Shaper{NewShaper(100, 0)}})
		if err != nil {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
		if d := time.Since(began); d < 2*time.Second {
			t.Errorf("%v", d)
		}
		c.Close()
		theirs.Close()
	})
}

func TestShaperNarrowsTheWindow(t *testing.T) {
	c, _ := tcp(t, Options{Shapers: []*Shaper{NewShaper(1<<20, 0), NewShaper(16<<10, 0)}})
	raw, err := c.line.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		n, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
		if err != nil || n > 32<<10 { // Linux doubles it
			t.Errorf("the receive buffer has %d octets, %v", n, err)
		}
	})
}

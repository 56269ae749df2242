package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"
)

// overTCP connects to a server of one connection that serve is the whole of.
func overTCP(t *testing.T, m *Meter, serve func(net.Conn)) (c *Conn, served chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served = make(chan struct{})
	go func() {
		defer close(served)
		defer l.Close()
		if raw, err := l.Accept(); err == nil {
			serve(raw)
			raw.Close()
		}
	}()
	c, err = Dial(t.Context(), Options{Address: l.Addr().String(), TLS: TLS{Mode: Plain}, Meter: m})
	if err != nil {
		t.Fatal(err)
	}
	return c, served
}

// What has crossed the line is counted whoever reads it: a connection that is cut has octets at the kernel, which are wasted.
// At the end of a good one they are counted only.
func TestUnreadIsCounted(t *testing.T) {
	const sent = 60_000
	cut := errors.New("cut")
	for name, x := range map[string]struct {
		end    func(*Conn)
		closed bool // the server has closed before
		unread bool
	}{
		"cut":                      {end: func(c *Conn) { c.Abort(cut) }, unread: true},
		"cut, and then closed":     {end: func(c *Conn) { c.Abort(cut); c.Close() }, unread: true},
		"closed":                   {end: func(c *Conn) { c.Close() }},
		"the server closed before": {end: func(c *Conn) { c.Abort(cut) }, closed: true, unread: true},
		"ended by its context": {unread: true, end: func(c *Conn) {
			ctx, cancel := context.WithCancelCause(context.Background())
			cancel(cut)
			c.Watch(ctx)
			for c.line.cause.Load() == nil {
				runtime.Gosched()
			}
			c.Close()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m, done := &Meter{}, make(chan struct{})
			c, served := overTCP(t, m, func(raw net.Conn) {
				raw.Write(make([]byte, sent))
				if !x.closed {
					<-done
				}
			})
			if x.closed {
				<-served
			}
			if _, err := io.ReadFull(c, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			for began := time.Now(); ; runtime.Gosched() {
				if all, ok := received(c.line.Conn); !ok || all >= sent {
					break
				}
				if time.Since(began) > 10*time.Second {
					t.Fatal("it does not come")
				}
			}
			want := int64(0)
			if x.unread {
				want = sent - m.Down.Load()
			}
			x.end(c)
			close(done)
			if _, down := c.Octets(); down != sent || m.Down.Load() != sent || m.Unread.Load() != want {
				t.Errorf("%d, metered %d, unread %d of %d", down, m.Down.Load(), m.Unread.Load(), sent)
			}
			<-served
		})
	}
}

// A reader that is under way while the connection is cut counts nothing twice.
func TestUnreadBesideAReader(t *testing.T) {
	const sent = 1 << 20
	for range 20 {
		m := &Meter{}
		c, served := overTCP(t, m, func(raw net.Conn) { raw.Write(make([]byte, sent)) })
		read := make(chan struct{})
		go func() { defer close(read); io.Copy(io.Discard, c) }()
		for m.Down.Load() < sent/4 {
			runtime.Gosched()
		}
		c.Abort(errors.New("cut"))
		<-read
		<-served
		all := m.Down.Load()
		if _, down := c.Octets(); all > sent || all != down {
			t.Errorf("counted %d and %d of %d", all, down, sent)
		}
	}
}

package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"mailretr/store/mail"
)

// A Server serves the clients of one listener. Safe for concurrent use.
type Server struct {
	mu      sync.Mutex
	gen     *generation
	clients map[*client]bool
	per     map[party]int
	crowd   crowd
	total   int64

	taken, refused, denied atomic.Int64
}

// Stats say what a listener has done since it began.
type Stats struct {
	Now      int   `json:"connections"` // open connections
	Total    int64 `json:"connections_total"`
	Messages int64 `json:"messages"` // that were taken
	Refused  int64 `json:"refused"`  // connections that were turned away or cut off, messages and recipients
	Denied   int64 `json:"logins_denied"`
}

// New returns a server for these options.
func New(o Options) (*Server, error) {
	s := &Server{clients: make(map[*client]bool), per: make(map[party]int)}
	return s, s.Set(o)
}

// Set replaces the options, for connections that come from now on.
func (s *Server) Set(o Options) error {
	if o.Security != Plain && o.Certificate == nil {
		return errors.New("smtpd: TLS without a certificate")
	}
	if o.Queue == nil || o.Hostname == "" {
		return errors.New("smtpd: a queue and a host name are needed")
	}
	g := newGeneration(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.gen; old != nil {
		if old.retired = true; old.clients == 0 {
			old.close()
		}
	}
	s.gen = g
	return nil
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Now: len(s.clients), Total: s.total, Messages: s.taken.Load(), Refused: s.refused.Load(),
		Denied: s.denied.Load()}
}

// Serve takes connections until ctx ends, then ends in good order: clients between two messages are told to
// come again, those that send one have Limits.Grace to end it. It closes l, and returns nil after a stop that
// was asked for, when no connection is left.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	cut, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	var work sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	err := s.accept(ctx, cut, l, &work)
	l.Close()
	s.drain(abort, &work)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// accept takes connections until l is closed.
func (s *Server) accept(ctx, cut context.Context, l net.Listener, work *sync.WaitGroup) error {
	for {
		conn, err := l.Accept()
		if err == nil {
			if c := s.admit(cut, conn); c != nil {
				work.Add(1)
				c.done = work.Done
				go c.begin()
			}
			continue
		}
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			return err
		}
		// No file descriptors, or a client that has gone already: listening has not ended by that.
		s.current().observe(mail.Event{Text: "a connection could not be accepted", Err: err})
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// drain ends the connections.
func (s *Server) drain(abort func(), work *sync.WaitGroup) {
	s.mu.Lock()
	var all []*client
	for c := range s.clients {
		all = append(all, c)
	}
	grace := s.gen.limits.Grace
	s.mu.Unlock()
	for _, c := range all {
		c.stop()
	}
	late := time.AfterFunc(grace, func() {
		abort()
		for _, c := range all {
			c.close()
		}
	})
	work.Wait()
	late.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gen.close()
}

func (s *Server) current() *generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gen
}

// admit makes a client of a connection, or turns it away and returns nil.
func (s *Server) admit(cut context.Context, conn net.Conn) *client {
	s.mu.Lock()
	g := s.gen
	c := &client{srv: s, gen: g, raw: conn, ctx: cut, addr: peer(conn)}
	if !c.addr.IsValid() {
		c.uid = userOf(conn)
	}
	c.local = !c.addr.IsValid() || c.addr.IsLoopback()
	c.friend = !c.addr.IsValid() || g.ours(c.addr)
	why := ""
	switch {
	case len(s.clients) >= g.limits.Connections, !c.friend && len(s.clients) >= g.limits.strangers():
		why = "too many connections"
	case !c.friend && s.per[c.party()] >= g.limits.PerClient:
		why = "too many connections from your address"
	default:
		s.clients[c] = true
		s.per[c.party()]++
		s.total++
		g.clients++
	}
	s.mu.Unlock()
	if why == "" {
		return c
	}
	s.refused.Add(1)
	if g.Security != Implicit {
		// A client that does not take these few octets at once learns it from the end of the connection.
		_ = conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = fmt.Fprintf(conn, "421 4.7.0 %s has %s, come again later\r\n", g.Hostname, why)
	}
	conn.Close()
	return nil
}

// left forgets a client that has gone.
func (s *Server) left(c *client) {
	s.mu.Lock()
	delete(s.clients, c)
	if n := c.party(); s.per[n] > 1 {
		s.per[n]--
	} else {
		delete(s.per, n)
	}
	if c.gen.clients--; c.gen.retired && c.gen.clients == 0 {
		c.gen.close()
	}
	s.mu.Unlock()
	c.done()
}

// begin gives the connection to the library once the client may be greeted.
func (c *client) begin() {
	g := c.gen
	if g.Security != Implicit {
		d := newDoor(c, c.raw)
		if !c.patient(d) || !g.outer.give(d) {
			d.Close()
		}
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, g.limits.handshake())
	defer cancel()
	t := tls.Server(c.raw, g.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		c.remark("the handshake failed", err)
		c.close()
		return
	}
	c.secure(t)
	if d := newDoor(c, t); !g.inner.give(d) {
		d.Close()
	}
}

// patient says whether a stranger has waited for the greeting, as RFC 5321, 3.1 has it; who does not seldom
// has mail that is wanted.
func (c *client) patient(d *door) bool {
	if c.friend || c.gen.limits.Greeting == 0 {
		return true
	}
	var b [1]byte
	if c.raw.SetReadDeadline(time.Now().Add(c.gen.limits.Greeting)) != nil {
		return false
	}
	n, err := c.raw.Read(b[:])
	if n > 0 {
		d.cut("554 5.5.0 you have spoken before you were greeted")
		return false
	}
	var late net.Error
	return errors.As(err, &late) && late.Timeout()
}

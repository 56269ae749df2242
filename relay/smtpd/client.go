package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"mailretr/store/mail"
)

// errStopping ends a wait for the next command of a client when the listener stops.
var errStopping = errors.New("smtpd: going down")

// A client is one connection, through all its layers of security.
type client struct {
	srv    *Server
	gen    *generation
	raw    net.Conn
	ctx    context.Context // ends when the connection is cut off, at the end of a stop
	addr   netip.Addr      // not valid for a unix socket
	uid    int64           // of a unix socket: whose process it is, -1 where nobody knows
	friend bool            // may send to anybody without a login
	local  bool            // nobody reads along: a unix socket, or this machine
	tls    *tls.ConnectionState
	errors int
	idling int // commands since the last message that bring none nearer

	mu       sync.Mutex
	until    time.Time // what the client does now has to be done
	idle     bool      // it waits for a command outside of a message
	stopping bool
	closed   bool
	done     func()
}

// peer is the client's address, not valid for a unix socket.
func peer(c net.Conn) netip.Addr {
	if t, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// name is the client as events call it.
func (c *client) name() string {
	if c.addr.IsValid() {
		return c.addr.String()
	}
	return "unix socket"
}

// private says whether a password may be sent.
func (c *client) private() bool { return c.tls != nil || c.local }

// secure remembers that there is TLS now.
func (c *client) secure(t *tls.Conn) {
	s := t.ConnectionState()
	c.tls = &s
}

// patience sets when what the client does now has to be done.
func (c *client) patience(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = until
}

// wait prepares for a read: how long may it last, and may it be interrupted by a stop?
func (c *client) wait(busy bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping && !busy {
		return errStopping
	}
	c.idle = !busy
	until := time.Now().Add(c.gen.limits.Command)
	if !c.until.IsZero() && c.until.Before(until) {
		until = c.until
	}
	return c.raw.SetReadDeadline(until)
}

// stop ends the session when no message is under way any more. Safe from any goroutine.
func (c *client) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping = true; c.idle {
		// A connection that cannot have a deadline has none to be interrupted by; it is closed after the grace.
		_ = c.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

func (c *client) stopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopping
}

// close ends the connection; twice is allowed.
func (c *client) close() error {
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.mu.Unlock()
	if again {
		return nil
	}
	err := c.raw.Close()
	c.srv.left(c)
	return err
}

// remark tells of something that went wrong with the client.
func (c *client) remark(text string, err error) {
	c.gen.observe(mail.Event{Relay: c.name(), Text: text, Err: err})
}

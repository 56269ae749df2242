package web

import (
	"net"
	"net/netip"
	"sync"
)

// A crowd is a listener of which one client cannot take all: who has maxOfOne connections gets no more, and others still
// come in. Who speaks for many, or is on this machine, is not counted.
type crowd struct {
	net.Listener
	speaks func(netip.Addr) bool // for many

	mu  sync.Mutex
	all map[netip.Prefix]int
}

// maxOfOne is a quarter of maxPeers: an office may be behind one address, and browsers hold several for one person.
const maxOfOne = maxPeers / 4

// Accept is net.Listener. It closes those that are too many.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, counts := c.clientOf(conn)
		if !counts {
			return conn, nil
		}
		if c.enter(from) {
			return &guest{Conn: conn, leave: sync.OnceFunc(func() { c.leave(from) })}, nil
		}
		conn.Close() // nothing was said yet that could be lost
	}
}

func (c *crowd) clientOf(conn net.Conn) (from netip.Prefix, counts bool) {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return from, false
	}
	a := tcp.AddrPort().Addr().Unmap().WithZone("")
	return networkOf(a), !a.IsLoopback() && !c.speaks(a)
}

func (c *crowd) enter(from netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[netip.Prefix]int{}
	}
	if c.all[from] >= maxOfOne {
		return false
	}
	c.all[from]++
	return true
}

func (c *crowd) leave(from netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[from]--; c.all[from] == 0 {
		delete(c.all, from)
	}
}

// A guest is a connection that is counted until it is closed.
type guest struct {
	net.Conn
	leave func()
}

// Close is net.Conn.
func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}

// networkOf is the network of one client: one of IPv6 has a /64 of its own.
func networkOf(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits) // fits
	return p
}

package web

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/store/mail"
)

// A comer is a connection from an address.
type comer struct {
	net.Conn
	from   net.Addr
	closed bool
}

func (c *comer) RemoteAddr() net.Addr { return c.from }

func (c *comer) Close() error {
	c.closed = true
	return nil
}

// queueing are connections that wait to be accepted.
type queueing struct{ waiting []net.Conn }

func (q *queueing) Accept() (net.Conn, error) {
	if len(q.waiting) == 0 {
		return nil, net.ErrClosed
	}
	c := q.waiting[0]
	q.waiting = q.waiting[1:]
	return c, nil
}

func (q *queueing) Close() error   { return nil }
func (q *queueing) Addr() net.Addr { return nil }

// One client does not take all connections: not with the many addresses of one network of IPv6 either. Who speaks for many
// is not bounded so, nor who is on this machine, and a connection that ends makes room for another.
func TestH6_OneClientLeavesRoom(t *testing.T) {
	q := &queueing{}
	c := &crowd{Listener: q, speaks: func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.7") }}
	come := func(n int, address func(i int) string) (in []net.Conn) {
		t.Helper()
		var all []*comer
		for i := range n {
			from := &net.UnixAddr{Name: "@", Net: "unix"}
			x := &comer{from: from}
			if a := address(i); a != "" {
				x.from = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(a), uint16(1024+i)))
			}
			all, q.waiting = append(all, x), append(q.waiting, x)
		}
		for {
			conn, err := c.Accept()
			if err != nil {
				break
			}
			in = append(in, conn)
		}
		for i, x := range all {
			if x.closed == (i < len(in)) {
				t.Errorf("%d of %d came in; closed, the %dth: %v", len(in), n, i, x.closed)
			}
		}
		return in
	}
	const many = maxOfOne + 9
	first := come(many, func(int) string { return "203.0.113.1" })
	if len(first) != maxOfOne {
		t.Errorf("%d of one client", len(first))
	}
	for what, x := range map[string]struct {
		address string
		want    int
	}{
		"mapped":          {"::ffff:203.0.113.1", 0},
		"another":         {"203.0.113.2", maxOfOne},
		"the proxy":       {"192.0.2.7", many},
		"this machine":    {"127.0.0.1", many},
		"a unix socket":   {"", many},
		"a link's client": {"fe80::1%eth0", maxOfOne},
	} {
		if n := len(come(many, func(int) string { return x.address })); n != x.want {
			t.Errorf("%s: %d, want %d", what, n, x.want)
		}
	}
	if n := len(come(many, func(i int) string { return fmt.Sprintf("2001:db8::%x", i) })); n != maxOfOne {
		t.Errorf("%d of one network", n)
	}
	for range 2 { // as servers close: twice
		if err := first[0].Close(); err != nil {
			t.Error(err)
		}
	}
	if n := len(come(2, func(int) string { return "203.0.113.1" })); n != 1 {
		t.Errorf("one has left, and %d came in", n)
	}
}

// An owner has a few of his maildrops checked at once, and is told so; others are not kept waiting by him.
func TestCollectFewAtOnce(t *testing.T) {
	w := newWorld(t)
	w.change(func(c *conf.Config) {
		for i := range perOwner + 2 {
			m := conf.DefaultMaildrop()
			m.Name, m.Protocol, m.Host, m.User, m.Owner = fmt.Sprint("more", i), "pop3", "mail.isp.example", "x", "jaco@kroon.co.za"
			c.Maildrops = append(c.Maildrops, &m)
		}
	})
	var drops []fetch.Drop
	for _, m := range w.config().Maildrops {
		drops = append(drops, fetch.Drop{Name: m.Name, From: refusing{"-ERR no"}})
	}
	w.house.Poller.Set(t.Context(), drops)
	w.observe("more0", mail.Event{Op: mail.OpPoll})
	b := w.as("jaco")
	w.server.runs.all = map[string]*run{}
	for i := range perOwner { // that are under way
		w.server.runs.all[fmt.Sprint("more", i)] = &run{began: w.now(), by: "jaco"}
	}
	name := fmt.Sprint("more", perOwner)
	if code, text := b.post("/maildrop/collect", "name", name); code != 429 || !strings.Contains(text, "of your maildrops are being checked") {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := b.post("/maildrop/collect", "name", "more0"); code != 200 {
		t.Errorf("one that is being checked: %d", code)
	}
	for who, name := range map[string]string{"anna": "anna", "gert": "jaco"} {
		if code, text := w.as(who).post("/maildrop/collect", "name", name); code != 200 {
			t.Errorf("%s: %d %s", who, code, text)
		}
	}
	w.server.runs.mu.Lock()
	w.server.runs.all["more0"].done, w.server.runs.all["more0"].ended = true, w.now()
	w.server.runs.mu.Unlock()
	w.pass(time.Second)
	if code, text := b.post("/maildrop/collect", "name", name); code != 200 {
		t.Errorf("one has ended: %d %s", code, text)
	}
}

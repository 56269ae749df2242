package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func strict() *Policy { return &Policy{Deny: Inside(), Ports: []uint16{110, 143, 993, 995}} }

// Where a server was named by somebody who does not own this machine, what is dialled is outside of it.
func TestH7_InsideIsNotDialled(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1:143", "[::1]:143", "0.0.0.0:143", "[::]:143", "169.254.169.254:143", "[::ffff:127.0.0.1]:143",
		"[::127.0.0.1]:143", "[::ffff:0:127.0.0.1]:143", "10.1.2.3:993", "[fd00::1]:993", "[fe80::1%25lo]:993", "[64:ff9b::7f00:1]:993",
		"[2002:7f00:1::]:993", "[64:ff9b:1::1]:993", "100.64.0.1:143", "224.0.0.1:143",
		// names to us, addresses to some resolvers
		"2130706433:143", "0x7f.1:143", "0x7f000001:143", "0177.0.0.1:143", "017700000001:143", "localhost:143", "127.1:143",
		"192.0.2.1:25", "9.9.9.9:22", "9.9.9.9:6379", "9.9.9.9:0", "9.9.9.9",
	} {
		if err := strict().Allows(address); !errors.Is(err, ErrDenied) {
			t.Errorf("%s: %v", address, err)
		}
		c, err := Dial(t.Context(), Options{Address: address, TLS: TLS{Mode: Plain}, Policy: strict(),
			Resolver: answering(t, func() netip.Addr { return addr("127.0.0.1") })})
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, ErrDenied) && !isDNS(err) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, o := range []Options{
		{Network: "unix", Address: "/run/redis.sock"},
		{Address: "mail.example:143", Command: []string{"true"}},
		{Address: "mail.example:143", Before: []string{"true"}},
		{Address: "mail.example:143", Proxy: &Proxy{Address: "127.0.0.1:1"}},
		{Address: "127.0.0.1:143", Proxy: &Proxy{Address: "127.0.0.1:1"}},
	} {
		o.Policy, o.Resolver = strict(), answering(t, func() netip.Addr { return addr("10.0.0.1") })
		if _, err := Dial(t.Context(), o); !errors.Is(err, ErrDenied) {
			t.Errorf("%+v: %v", o.Address, err)
		}
	}
}

func isDNS(err error) bool { var d *net.DNSError; return errors.As(err, &d) }

// A name may lead outside when it is checked and inside when it is dialled; so what is dialled is what is checked.
func TestH7_NameThatChangesItsMind(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	var asked atomic.Int64
	o := Options{Address: net.JoinHostPort("rebind.example", port), TLS: TLS{Mode: Plain}, Policy: &Policy{Deny: Inside()},
		Resolver: answering(t, func() netip.Addr {
			if asked.Add(1) == 1 {
				return addr("203.0.113.9")
			}
			return addr("127.0.0.1")
		})}
	if ips, err := o.Resolver.LookupNetIP(t.Context(), "ip4", "rebind.example"); err != nil || ips[0] != addr("203.0.113.9") {
		t.Fatalf("%v, %v", ips, err)
	}
	_, err = Dial(t.Context(), o)
	if !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "127.0.0.1 is not allowed") {
		t.Errorf("%v", err)
	}
	o.Policy.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} // and without the policy it would get there
	c, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// A proxy is asked for an address that is allowed, and not for a name, which might mean something else to it; the
// certificate is the name's all the same.
func TestH7_ProxyIsAskedForAnAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b := bufio.NewReader(c)
		line, _ := b.ReadString('\n')
		for s := line; len(s) > 2; { // to the empty line
			s, _ = b.ReadString('\n')
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		hello := make([]byte, 512)
		n, _ := io.ReadAtLeast(b, hello, 200)
		asked <- line + string(hello[:n])
	}()
	o := Options{Address: "mail.example:993", TLS: TLS{Mode: Implicit}, Policy: strict(),
		Proxy:    &Proxy{Kind: HTTP, Address: l.Addr().String()},
		Resolver: answering(t, func() netip.Addr { return addr("9.9.9.9") })}
	if c, err := Dial(t.Context(), o); err == nil {
		c.Close()
	}
	if got := <-asked; !strings.HasPrefix(got, "CONNECT 9.9.9.9:993 HTTP/1.1\r\n") || !strings.Contains(got, "mail.example") {
		t.Errorf("%q", got)
	}
}

// What is allowed and denied besides: the addresses of this machine, whatever network they are in, exceptions, and what no
// exception helps.
func TestH7_OwnAddressesAndExceptions(t *testing.T) {
	p := strict()
	p.Own = func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.IPv4(9, 9, 9, 9), Mask: net.CIDRMask(24, 32)}}, nil
	}
	p.Allow = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	p.Never = []netip.Prefix{netip.MustParsePrefix("10.1.2.0/24"), netip.MustParsePrefix("198.41.0.0/24")}
	for address, allowed := range map[string]bool{
		"9.9.9.9:993": false, "[::ffff:9.9.9.9]:993": false, "[64:ff9b::909:909]:993": false, "9.9.9.10:993": true,
		"10.1.1.1:993": true, "10.1.2.3:993": false, "10.2.0.1:993": false, "198.41.0.4:993": false, "[2002:a01:203::]:993": false,
	} {
		if err := p.Allows(address); (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		}
	}
	p.Own = func() ([]net.Addr, error) { return nil, errors.New("no netlink") }
	err := p.Allows("9.9.9.10:993")
	if !errors.Is(err, ErrDenied) {
		t.Errorf("nobody knows who we are: %v", err)
	}
	if e := (&Error{Doing: "x", Err: err}); !e.Local() || (&Error{Doing: "x", Err: errors.New("refused")}).Local() {
		t.Error("who refuses is not told apart")
	}
}

// answering is a resolver whose server gives one address for every name.
func answering(t *testing.T, address func() netip.Addr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			b := make([]byte, 4096) // over a stream, two octets of length come first
			n, err := theirs.Read(b)
			if err != nil || n < 3 {
				return
			}
			var m dnsmessage.Message
			if err := m.Unpack(b[2:n]); err != nil {
				return
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type},
					Body:   &dnsmessage.AResource{A: address().As4()},
				}}
			}
			answer, err := m.Pack()
			if err != nil {
				return
			}
			theirs.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...))
		}()
		return ours, nil
	}}
}

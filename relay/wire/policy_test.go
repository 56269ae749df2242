package wire

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func strict() *Policy { return &Policy{Deny: Inside(), Ports: Mail()} }

// Where a server was named by somebody who does not own this machine, what is dialled is outside of it.
func TestH7_InsideIsNotDialled(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1:143", "[::1]:143", "0.0.0.0:143", "[::]:143", "169.254.169.254:143", "[::ffff:127.0.0.1]:143",
		"[::127.0.0.1]:143", "10.1.2.3:993", "[fd00::1]:993", "[fe80::1%25lo]:993", "[64:ff9b::7f00:1]:993",
		"[2002:7f00:1::]:993", "[64:ff9b:1::1]:993", "100.64.0.1:143", "224.0.0.1:143",
		"2130706433:143", "0x7f.1:143", "localhost:143", "127.1:143", // names to us, addresses to some resolvers
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
		{Address: "mail.example:143", Proxy: &Proxy{Address: "127.0.0.1:1"}}, // looked up by the proxy
		{Address: "127.0.0.1:143", Proxy: &Proxy{Address: "127.0.0.1:1"}},
	} {
		o.Policy = strict()
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

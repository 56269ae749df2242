package smtp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	gosmtp "github.com/emersion/go-smtp"

	"mailretr/store/mail"
)

// An MTA that trusts us is told who handed a message to the provider, so that it judges that one and not us: by XCLIENT,
// which Postfix has, or by the header of the PROXY protocol, which Exim and Postfix take from hosts they are told of.

// An Introduction is a way to tell the MTA of the client. The zero value tells nothing.
type Introduction uint8

const (
	NoIntroduction Introduction = iota
	XClient                     // the command XCLIENT of Postfix
	ProxyV1                     // a line before anything else; a connection speaks for one client
	ProxyV2                     // the same in binary
)

// client returns whom a message is from, as the MTA is to be told.
func (c *Client) client(ctx context.Context, m *mail.Message) mail.Client {
	if c.o.Introduce == NoIntroduction || c.o.Client == nil {
		return mail.Client{}
	}
	return c.o.Client(ctx, m)
}

// proxied says whether a connection begins with a PROXY header.
func (o *Options) proxied() bool { return o.Introduce == ProxyV1 || o.Introduce == ProxyV2 }

// introduces says whether a kept connection may carry a message of this client.
func (s *session) introduces(who mail.Client, o *Options) bool {
	if s.client == who || o.Introduce == NoIntroduction {
		return true
	}
	// Nothing takes a client back. Another one may take its place where the server still offers that; Postfix does not.
	if o.Introduce != XClient || !who.Known() {
		return false
	}
	offered, _ := s.smtp.Extension("XCLIENT")
	return offered || !s.client.Known()
}

// introduce tells the server of the client. Whatever it answers is about that client, and not about us.
func (c *Client) introduce(ctx context.Context, s *session, who mail.Client) *failure {
	if c.o.Introduce != XClient || s.client == who {
		return nil
	}
	offered, attributes := s.smtp.Extension("XCLIENT")
	if !offered {
		c.untold(s)
		return nil
	}
	defer s.Watch(ctx)()
	s.SetIdle(s.times.Command)
	r, err := s.ask("XCLIENT" + xclient(who, strings.Fields(strings.ToUpper(attributes))))
	if err == nil && r.code == 220 {
		s.client = who
		err = c.hello(s)
		r = s.last()
	}
	switch {
	case err != nil || s.client != who:
	case c.o.User != "": // all that was said before is forgotten
		return c.login(ctx, s)
	default:
		return nil
	}
	f := s.failed(mail.OpMail, r, err)
	switch f.ofClient = true; {
	case f.reply.code == 0:
		f.op, f.ofClient = mail.OpEHLO, false
	case f.reply.code >= 500:
		f.reply.code = 450 // our right to say it is refused, or our syntax: no message fails because of it
	}
	return f
}

// untold tells the admin, once for each server, that it is not told of clients.
func (c *Client) untold(s *session) {
	c.shared.mu.Lock()
	k := c.shared.of(s.key)
	first := !k.untold
	k.untold = true
	c.shared.mu.Unlock()
	if first {
		c.observe(mail.Event{Op: mail.OpEHLO, Relay: s.host, Alarm: true, Err: errUntold})
	}
}

var errUntold = errors.New("the server does not offer XCLIENT, so it judges us and not the sender's host: name us in its " +
	"smtpd_authorized_xclient_hosts")

// xclient returns the attributes that the server takes (Postfix, XCLIENT_README). HELO is none of them: the EHLO that
// follows says it.
func xclient(who mail.Client, offered []string) string {
	name, addr := "[UNAVAILABLE]", who.Addr.String()
	if who.Name != "" && checkHello(who.Name) == nil && !strings.ContainsAny(who.Name, "=+") { // which xtext would encode
		name = who.Name
	}
	if who.Addr.Is6() {
		addr = "IPV6:" + addr
	}
	all := ""
	for _, a := range []struct{ key, value string }{{"NAME", name}, {"ADDR", addr}} {
		if slices.Contains(offered, a.key) {
			all += " " + a.key + "=" + a.value
		}
	}
	return all
}

// hello says EHLO by the name of the client whose message comes next, or by ours.
func (c *Client) hello(s *session) error {
	name := c.o.Hello
	if s.client.Hello != "" && checkHello(s.client.Hello) == nil {
		name = s.client.Hello
	}
	// go-smtp wants a greeting of its own.
	s.Replay([]byte("220 mailretr has seen it\r\n"))
	s.smtp = gosmtp.NewClient(s.talk)
	if c.o.LMTP {
		s.smtp = gosmtp.NewClientLMTP(s.talk)
	}
	return s.smtp.Hello(name)
}

// proxyHeader is what a connection for this client begins with (the PROXY protocol, version 1 or 2, of HAProxy). The port
// of the client is not known; 0 is refused by some. Version 1 says of a connection of our own what is true of it: UNKNOWN
// is refused by Postfix 3.7.
func proxyHeader(how Introduction, who mail.Client, us, server net.Addr) []byte {
	port := uint16(1)
	if a, ok := us.(*net.TCPAddr); ok && how == ProxyV1 && !who.Known() {
		from := a.AddrPort()
		who.Addr, port = from.Addr().Unmap().WithZone(""), from.Port()
	}
	to := netip.AddrPortFrom(netip.IPv4Unspecified(), 25)
	if a, ok := server.(*net.TCPAddr); ok && a.AddrPort().IsValid() {
		to = a.AddrPort()
	}
	dst := to.Addr().Unmap().WithZone("")
	switch from := who.Addr; { // both are of one family
	case from.Is6() && dst.Is4():
		dst = netip.AddrFrom16(dst.As16())
	case from.Is4() && dst.Is6():
		dst = netip.IPv4Unspecified()
	}
	if how == ProxyV1 {
		if !who.Known() {
			return []byte("PROXY UNKNOWN\r\n")
		}
		family := "TCP4"
		if who.Addr.Is6() {
			family = "TCP6"
		}
		return fmt.Appendf(nil, "PROXY %s %s %s %d %d\r\n", family, who.Addr, dst, port, to.Port())
	}
	b := []byte("\r\n\r\n\x00\r\nQUIT\n")
	if !who.Known() {
		return append(b, 0x20, 0, 0, 0) // LOCAL: ourselves
	}
	ends := append(who.Addr.AsSlice(), dst.AsSlice()...)
	family := byte(0x11)
	if who.Addr.Is6() {
		family = 0x21
	}
	b = append(b, 0x21, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(ends)+4))
	b = binary.BigEndian.AppendUint16(append(b, ends...), port)
	return binary.BigEndian.AppendUint16(b, to.Port())
}

// aboutClient says whether a refusal at the greeting or EHLO is about the client that a connection was made for: then the
// server takes a connection of our own.
func (c *Client) aboutClient(ctx context.Context, x *server, who mail.Client, f *failure) bool {
	if !c.o.proxied() || !who.Known() || f.reply.code == 0 || f.op != mail.OpGreeting && f.op != mail.OpEHLO {
		return false
	}
	s, other := c.open(ctx, x.Options, mail.Client{})
	if other != nil {
		return false
	}
	c.retire(s)
	return true
}

package main

import (
	"net"
	"net/netip"
	"strconv"

	"mailretr/conf"
	"mailretr/fetch/imap"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// dial says how the server of a maildrop is reached.
func (s surroundings) dial(m *conf.Maildrop, meter *wire.Meter) wire.Options {
	o := wire.Options{
		Network: "tcp", Address: net.JoinHostPort(m.Host, strconv.Itoa(m.Port)), TLS: tlsOf(&m.TLS), Meter: meter,
		Proxy: proxyOf(&m.Proxy), Before: m.Preconnect, Command: m.Dial,
	}
	if a, err := netip.ParseAddr(m.Source); err == nil {
		o.Source = a
	}
	if m.Reach != nil {
		o.Policy = policyOf(m.Reach, m.Host)
	}
	if s.line != nil {
		o.Shapers = append(o.Shapers, s.line)
	}
	if m.Rate > 0 {
		o.Shapers = append(o.Shapers, wire.NewShaper(m.Rate, 0))
	}
	// Resuming a session saves the certificates, a few thousand octets each time.
	o.TLS.Sessions = s.tickets.Of(mail.AccountOf(m.Protocol, m.Host, m.User))
	o.TLS.Classic = classic(&m.TLS, true)
	if m.Trace || m.Bodies {
		o.Trace, o.Bodies = s.log, m.Bodies
	}
	return o
}

// classic says whether the post-quantum key share is left out. It costs 1.2 KB up the line at each
// handshake, more than all else of an empty poll; a connection that stays pays it once.
func classic(t *conf.TLS, polled bool) bool {
	return t.PostQuantum == conf.Off || t.PostQuantum == conf.Auto && polled
}

func proxyOf(p *conf.Proxy) *wire.Proxy {
	if !p.Used() {
		return nil
	}
	o := &wire.Proxy{Address: p.Address(), User: p.User}
	if p.Kind == conf.ProxyHTTP {
		o.Kind = wire.HTTP
	}
	if p.Password.Given() {
		o.Password = p.Password.Resolve
	}
	return o
}

// aheadOf bounds the memory that mail takes which has come and is not read yet, however many sessions there are.
func aheadOf() *imap.Pool { return &imap.Pool{} }

// lineOf is what all maildrops share.
func lineOf(c *conf.Config) *wire.Shaper { return wire.NewShaper(c.Line.Rate, c.Line.Burst) }

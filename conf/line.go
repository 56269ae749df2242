package conf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// A Line says over what maildrops are collected.
type Line struct {
	At Where `json:"-"`

	Rate   int64  // octets per second, each direction for itself; 0: as fast as it goes
	Burst  int64  // octets that may pass at once after a silence; 0: those of one second
	Proxy  Proxy  // of maildrops that name none
	Source string // local address of maildrops that name none; "": the system's choice

	Cap // what it may cost
}

// A ProxyKind is a protocol to talk to a proxy; ProxyNone is said out loud, to go without that of the line.
type ProxyKind string

const (
	ProxyUnset  ProxyKind = ""
	ProxyNone   ProxyKind = "none"
	ProxySOCKS5 ProxyKind = "socks5"
	ProxyHTTP   ProxyKind = "http" // CONNECT
)

// A Proxy reaches servers for us and looks up their names. The zero value is none.
type Proxy struct {
	At Where `json:"-"`

	Kind     ProxyKind
	Host     string
	Port     int
	User     string // "": no login
	Password Secret
}

// Used says whether there is one.
func (p *Proxy) Used() bool { return p.Kind == ProxySOCKS5 || p.Kind == ProxyHTTP }

// Address is host:port.
func (p *Proxy) Address() string { return net.JoinHostPort(p.Host, strconv.Itoa(p.Port)) }

// SetURL reads none, socks5://user@host:1080 or http://user@host:port; the port of socks5 is 1080 where none
// is written (RFC 1928, 3). No error shows s, which may hold a password.
func (p *Proxy) SetURL(s string) error {
	if s == string(ProxyNone) {
		p.Kind = ProxyNone
		return nil
	}
	scheme, rest, ok := strings.Cut(s, "://")
	kind := ProxyKind(strings.ToLower(scheme))
	if !ok || kind != ProxySOCKS5 && kind != ProxyHTTP {
		return errors.New("it does not begin with socks5:// or http://")
	}
	rest = strings.TrimSuffix(rest, "/")
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		user, err := url.PathUnescape(rest[:i])
		switch {
		case err != nil:
			return errors.New("the user has a % that is no escape; write %25")
		case strings.Contains(rest[:i], ":"):
			return errors.New("a password does not belong into the url; use proxy: {url: …, password: …}")
		}
		p.User, rest = user, rest[i+1:]
	}
	if strings.ContainsAny(rest, "/?#") {
		return errors.New("nothing may follow the host and port")
	}
	port := 0
	if kind == ProxySOCKS5 {
		port = 1080
	}
	host, n, err := splitHost(rest, port)
	switch {
	case err != nil:
		return err
	case n == 0:
		return fmt.Errorf("%q has no port", rest)
	}
	p.Kind, p.Host, p.Port = kind, host, n
	return nil
}

// URL writes it as SetURL reads it; "" where it is not known.
func (p *Proxy) URL() string {
	switch {
	case p.Kind == ProxyNone:
		return string(ProxyNone)
	case !p.Used():
		return ""
	}
	user := ""
	if p.User != "" {
		user = strings.ReplaceAll(url.PathEscape(p.User), ":", "%3A") + "@"
	}
	return string(p.Kind) + "://" + user + p.Address()
}

// inherit gives a maildrop what the line has, where it says nothing itself. A command is its own way.
func (m *Maildrop) inherit(l *Line) {
	if len(m.Dial) > 0 {
		return
	}
	if m.Proxy.Kind == ProxyUnset && !m.Proxy.Password.Given() {
		m.Proxy = l.Proxy
	}
	if m.Source == "" {
		m.Source = l.Source
	}
}

func (v *validator) line() {
	l := &v.c.Line
	v.rate(l.At, "rate", l.Rate)
	v.rate(l.At, "burst", l.Burst)
	if l.Burst > 0 && l.Rate == 0 {
		v.fail(l.At.Of("burst"), "add rate: or remove burst:",
			"burst: there is no rate of which it is an exception")
	}
	v.proxy(&l.Proxy)
	v.source(l.At, l.Source)
	v.cap()
}

// leastRate is what a TLS handshake needs to be done in a minute or so.
const leastRate = 512

func (v *validator) rate(at Where, key string, n int64) {
	if n != 0 && (n < leastRate || n > 1<<40) {
		v.fail(at.Of(key), "write octets, e.g. 64K, at least 512; 0: no limit",
			"%s: %s is out of range", key, Size(n))
	}
}

// way checks how the server of a maildrop is reached.
func (v *validator) way(m *Maildrop) {
	v.rate(m.At, "rate", m.Rate)
	v.argv(m.At, "preconnect", m.Preconnect)
	v.argv(m.At, "dial", m.Dial)
	if len(m.Dial) > 0 && (m.Proxy.Kind != ProxyUnset || m.Source != "") {
		v.fail(m.At.Of("dial"), "write one of them",
			"dial excludes proxy and source: the command makes the connection")
	}
	l := &v.c.Line
	own := m.Proxy.URL() != l.Proxy.URL() || !m.Proxy.Password.Equal(l.Proxy.Password)
	v.reached(m, own)
	if own { // what comes from the line was looked at there
		v.proxy(&m.Proxy)
	}
	if m.Source != v.c.Line.Source {
		v.source(m.At, m.Source)
	}
}

func (v *validator) proxy(p *Proxy) {
	if p.Kind == ProxyUnset && p.Password.Given() {
		v.fail(p.At.Self, "write proxy: {url: socks5://user@proxy.example:1080, password: …}",
			"proxy: the url is missing")
	}
	if !p.Used() {
		return
	}
	v.host(p.At, "url", p.Host)
	v.number(p.At, "url", int64(p.Port), 1, 65535)
	switch {
	case p.User == "" && p.Password.Given():
		v.fail(p.At.Of("password"), "write the user into the url: socks5://user@host:1080",
			"proxy: password without a user")
	case !v.clean(p.At, "url", p.User):
	case len(p.User) > 255: // RFC 1929, 2
		v.fail(p.At.Of("url"), "", "proxy: the user is longer than 255 octets")
	case p.Kind == ProxyHTTP && strings.Contains(p.User, ":"): // RFC 7617, 2
		v.fail(p.At.Of("url"), "", "proxy: a user of an HTTP proxy cannot have a colon")
	}
	v.secret(p.At, "password", p.Password)
}

func (v *validator) source(at Where, s string) {
	if s == "" {
		return
	}
	if a, err := netip.ParseAddr(s); err != nil || a.IsUnspecified() || a.IsMulticast() {
		v.fail(at.Of("source"), "write an IP address of this machine, e.g. 192.0.2.1",
			"source: %q is no address to come from", s)
	}
}

// argv checks a program with its arguments.
func (v *validator) argv(at Where, key string, argv []string) {
	if len(argv) == 0 {
		if at.Has(key) {
			v.fail(at.Of(key), "write "+key+": [program, argument]", "%s: the list is empty", key)
		}
		return
	}
	for _, a := range argv {
		v.clean(at, key, a)
	}
}

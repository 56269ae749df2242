package conf

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A Listener is a place where clients bring mail by SMTP or LMTP.
type Listener struct {
	At Where `json:"-"`

	Kind    string // smtp or lmtp
	Network string // "tcp" or "unix"
	Address string // host:port, or a path
	Mode    uint32 // permissions of a unix socket
	Group   string // of a unix socket; "": that of the process

	TLS      ServerTLS
	Users    string   // a file; "": nobody can log in
	Networks []string // whose clients need no login; nil: this machine
	Domains  []string // that everybody may send to
	Complete bool     // add Date and Message-ID where they are missing
	Limits   FrontLimits
}

// ServerTLS says how clients are secured.
type ServerTLS struct {
	At Where `json:"-"`

	Mode      Mode
	Cert, Key string // PEM files
}

// FrontLimits bound what clients of a listener can do. Of numbers and sizes 0 means: no limit.
type FrontLimits struct {
	At Where `json:"-"`

	Connections int
	PerClient   int
	Rate        int // messages per client and minute
	Recipients  int
	Size        int64
	Line        int64
	Header      int64
	Hops        int
	Errors      int
	Command     time.Duration
	Data        time.Duration
	Greeting    time.Duration
	Stop        time.Duration
}

// DefaultListener returns a listener in which nothing was written yet.
func DefaultListener() Listener {
	return Listener{Mode: 0o660, Limits: FrontLimits{
		Connections: 200, PerClient: 20, Recipients: 1000, Size: 64 << 20, Line: 1 << 20, Header: 256 << 10, Hops: 100,
		Errors: 20, Command: 5 * time.Minute, Data: time.Hour, Stop: 20 * time.Second,
	}}
}

// Name is the listener in logs and status: as its address was written.
func (l *Listener) Name() string {
	if l.Network == "unix" {
		return "unix:" + l.Address
	}
	return l.Address
}

// SetAddress reads where a listener is: host:port, unix:/path or /path.
func (l *Listener) SetAddress(s string) error {
	if path, ok := strings.CutPrefix(s, "unix:"); ok || strings.HasPrefix(s, "/") {
		l.Network, l.Address = "unix", path
		return nil
	}
	host, port, err := splitHost(s, 0)
	switch {
	case err != nil && strings.HasPrefix(s, ":"):
		return fmt.Errorf("%q does not say on which address; write localhost:25, or 0.0.0.0:25 for all", s)
	case err != nil:
		return err
	case port == 0:
		return fmt.Errorf("%q has no port", s)
	}
	l.Network, l.Address = "tcp", net.JoinHostPort(host, strconv.Itoa(port))
	return nil
}

// Prefixes are the networks; this machine where none were written.
func (l *Listener) Prefixes() (all []netip.Prefix) {
	networks := l.Networks
	if networks == nil {
		networks = []string{"127.0.0.0/8", "::1"}
	}
	for _, n := range networks {
		if p, err := parsePrefix(n); err == nil {
			all = append(all, p)
		}
	}
	return all
}

// parsePrefix reads a network, or an address alone.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		return a.Prefix(a.BitLen())
	}
	p, err := netip.ParsePrefix(s)
	if err == nil && p.Masked() != p {
		err = fmt.Errorf("%q has bits behind its length; write %s", s, p.Masked())
	}
	return p, err
}

// loopback says whether only this machine can reach it.
func (l *Listener) loopback() bool {
	host, _, err := net.SplitHostPort(l.Address)
	return l.Network == "unix" || err == nil && Loopback(host)
}

// ParsePermissions reads the mode of a socket: 0660.
func ParsePermissions(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 || n&0o111 != 0 || n&0o600 != 0o600 {
		return 0, fmt.Errorf("%q is no mode of a socket; write 0600, 0660 or 0666", s)
	}
	return uint32(n), nil
}

// FormatPermissions writes it as ParsePermissions reads it.
func FormatPermissions(n uint32) string { return fmt.Sprintf("%04o", n) }

func (l *Listener) complete() {
	l.TLS.At.inherit(l.At, "tls")
	l.Limits.At.inherit(l.At, "limits")
	if l.TLS.Mode == ModeDefault {
		l.TLS.Mode = ModeNone
		if l.TLS.Cert != "" {
			l.TLS.Mode = ModeStartTLS
		}
	}
}

func (v *validator) listeners() {
	seen := make(map[string]Pos)
	for i := range v.c.Listen {
		l := &v.c.Listen[i]
		v.listener(l)
		if first, twice := seen[l.Name()]; twice && l.Address != "" {
			v.fail(l.At.Self, "take one out", "listen: %s is already at %s", l.Name(), first)
		}
		seen[l.Name()] = l.At.Self
	}
}

func (v *validator) listener(l *Listener) {
	switch {
	case l.Kind == "":
		v.fail(l.At.Self, `write e.g. - smtp: "localhost:2525"`, "listen: the entry does not say where")
		return
	case l.Network == "unix":
		v.absolute(l.At, l.Kind, l.Address)
		if len(l.Address) > maxSocket {
			v.fail(l.At.Of(l.Kind), "choose a shorter one", "%s: the path is longer than %d octets", l.Kind, maxSocket)
		}
		if l.Address == v.c.Socket {
			v.fail(l.At.Of(l.Kind), "choose another path", "%s: that is the control socket", l.Kind)
		}
	default:
		host, _, _ := net.SplitHostPort(l.Address)
		v.host(l.At, l.Kind, host)
	}
	if l.Network != "unix" && (l.At.Has("mode") || l.Group != "") {
		v.fail(l.At.Of("mode"), "take out mode: and group:", "listen: an address excludes mode and group: only a "+
			"unix socket has them")
	}
	v.clean(l.At, "group", l.Group)
	v.serverTLS(l)
	v.admission(l)
	v.frontLimits(&l.Limits)
}

func (v *validator) serverTLS(l *Listener) {
	t := &l.TLS
	v.one(t.At, "mode", string(t.Mode), string(ModeNone), string(ModeStartTLS), string(ModeImplicit))
	switch {
	case (t.Cert == "") != (t.Key == ""):
		v.fail(t.At.Of("cert"), "write both", "cert and key belong together")
	case t.Mode != ModeNone && t.Cert == "":
		v.fail(t.At.Of("mode"), "write tls: {cert: /etc/ssl/mail.pem, key: /etc/ssl/mail.key}",
			"tls: a listener needs a certificate")
	case t.Mode == ModeNone && t.Cert != "":
		v.fail(t.At.Of("mode"), "write mode: starttls, or take out cert: and key:",
			"tls: none has no use for a certificate")
	}
	for _, x := range []struct{ key, value string }{{"cert", t.Cert}, {"key", t.Key}} {
		if x.value != "" {
			v.absolute(t.At, x.key, x.value)
		}
	}
	if l.Users != "" && t.Mode == ModeNone && !l.loopback() {
		v.fail(l.At.Of("users"), "add tls: {cert: …, key: …}",
			"users: passwords would cross the network in clear text, so that nobody could log in")
	}
}

// admission checks who may bring mail.
func (v *validator) admission(l *Listener) {
	if l.Users != "" {
		v.absolute(l.At, "users", l.Users)
	}
	for _, n := range l.Networks {
		p, err := parsePrefix(n)
		switch {
		case err != nil:
			v.fail(l.At.Of("networks"), "write e.g. 192.0.2.0/24 or 2001:db8::/32", "networks: %v", err)
		case p.Bits() == 0:
			v.fail(l.At.Of("networks"), "name your own networks, or let clients log in with users:",
				"networks: %s is everybody: an open relay is found and abused within hours", n)
		}
	}
	for _, d := range l.Domains {
		if !hostSyntax(strings.TrimPrefix(d, ".")) {
			v.fail(l.At.Of("domains"), "write e.g. example.org, or .example.org for all below it",
				"domains: %q is no domain", d)
		}
	}
	if l.Network == "tcp" && l.Networks == nil && l.Users == "" && len(l.Domains) == 0 && !l.loopback() {
		v.warn(l.At.Of(l.Kind), "add networks:, users: or domains:, or listen on localhost",
			"%s: only clients on this machine may send mail", l.Kind)
	}
}

func (v *validator) frontLimits(l *FrontLimits) {
	for _, x := range []struct {
		key        string
		n          int64
		least, max int64
	}{
		{"connections", int64(l.Connections), 1, 100_000}, {"per_client", int64(l.PerClient), 0, 100_000},
		{"rate", int64(l.Rate), 0, 1 << 20}, {"recipients", int64(l.Recipients), 1, 100_000},
		{"size", l.Size, 0, 1 << 40}, {"line", l.Line, 998, 1 << 30}, {"header", l.Header, 1024, 1 << 20},
		{"hops", int64(l.Hops), 1, 1000}, {"errors", int64(l.Errors), 1, 1 << 20},
	} {
		if x.n != 0 || x.least > 0 {
			v.number(l.At, x.key, x.n, x.least, x.max)
		}
	}
	v.span(l.At, "command", l.Command, time.Second, time.Hour)
	v.span(l.At, "data", l.Data, time.Second, 24*time.Hour)
	v.span(l.At, "greeting", l.Greeting, 0, time.Minute)
	v.span(l.At, "stop", l.Stop, 0, 10*time.Minute)
}

package conf

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// SMTP is what only destinations of the kinds smtp and lmtp have, beside where the first server is.
type SMTP struct {
	Others     []Endpoint // further servers, in order
	Balance    bool       // the servers are equal: each connection goes to any of them
	Client     Introduction
	Recipients int // in one transaction; 0: as many as the server takes
}

// An Endpoint is where a server is.
type Endpoint struct {
	Network string // "tcp", "unix", or "mx": the servers of a domain, looked up in the DNS
	Address string // host:port, domain:port of mx, or a path
	Mode    Mode   // that of the destination, or what is right for this server where none was written
}

// ParseEndpoint reads where a server of smtp or lmtp is: host:port, a host alone (port 25, SMTP only), unix:/path, /path,
// or, of SMTP, mx:domain.
func ParseEndpoint(kind, s string) (Endpoint, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok || strings.HasPrefix(s, "/") {
		return Endpoint{Network: "unix", Address: path}, nil
	}
	e, port := Endpoint{Network: "tcp"}, 25
	domain, mx := strings.CutPrefix(s, "mx:")
	mx = mx && !numeric(domain) // mx:25 is a port of the host mx
	switch {
	case mx && kind == "lmtp":
		return Endpoint{}, fmt.Errorf("%q: MX records are for smtp", s)
	case mx:
		e.Network, s = "mx", domain
	case kind == "lmtp":
		port = 0 // RFC 2033, 4.1: LMTP has no port of its own, and must not be on 25
	}
	host, n, err := splitHost(s, port)
	switch {
	case err != nil:
		return Endpoint{}, err
	case n == 0:
		return Endpoint{}, fmt.Errorf("%q has no port", s)
	}
	e.Address = net.JoinHostPort(host, strconv.Itoa(n))
	return e, nil
}

// String is what ParseEndpoint reads.
func (e Endpoint) String() string {
	if e.Network == "unix" || e.Network == "mx" {
		return e.Network + ":" + e.Address
	}
	return e.Address
}

// SetAddress reads where the first server is.
func (d *Destination) SetAddress(s string) error {
	e, err := ParseEndpoint(d.Kind, s)
	if err == nil {
		d.Network, d.Address = e.Network, e.Address
	}
	return err
}

// Endpoints returns all servers, in order.
func (d *Destination) Endpoints() []Endpoint {
	first := Endpoint{Network: d.Network, Address: d.Address, Mode: d.TLS.Mode}
	return append([]Endpoint{first}, d.SMTP.Others...)
}

// defaultMode is safe without being a nuisance: what does not leave the machine needs no TLS.
func (e Endpoint) defaultMode() Mode {
	_, port, _ := net.SplitHostPort(e.Address)
	switch {
	case !e.leaves():
		return ModeNone
	case port == "465": // RFC 8314, 3.3
		return ModeImplicit
	}
	return ModeStartTLS
}

// leaves says whether a connection leaves this machine.
func (e Endpoint) leaves() bool {
	host, _, err := net.SplitHostPort(e.Address)
	return e.Network != "unix" && (e.Network == "mx" || err != nil || !Loopback(host))
}

// secure fills in the TLS modes that were not written.
func (d *Destination) secure() {
	for i := range d.SMTP.Others {
		if e := &d.SMTP.Others[i]; e.Mode == ModeDefault {
			if e.Mode = d.TLS.Mode; e.Mode == ModeDefault {
				e.Mode = e.defaultMode()
			}
		}
	}
	if d.TLS.Mode == ModeDefault {
		d.TLS.Mode = d.Endpoints()[0].defaultMode()
	}
}

// endpoints checks where an SMTP or LMTP destination is.
func (v *validator) endpoints(d *Destination) {
	if !v.need(d.At, d.Kind, d.Address, `write e.g. "localhost:25"`) {
		return
	}
	for _, e := range d.Endpoints() {
		v.endpoint(d, e)
	}
	v.number(d.At, "recipients", int64(d.SMTP.Recipients), 0, 1<<20)
	if d.SMTP.Balance && len(d.SMTP.Others) == 0 {
		v.warn(d.At.Of("balance"), "remove it, or name more servers in "+d.Kind+":", "balance: there is only one server")
	}
}

func (v *validator) endpoint(d *Destination, e Endpoint) {
	if e.Network == "unix" {
		if e.Address == "" || e.Address[0] != '/' || len(e.Address) > maxSocket {
			v.fail(d.At.Of(d.Kind), "write an absolute path", "%s: %q is no path of a socket", d.Kind, e.Address)
		}
		return
	}
	host, port, err := net.SplitHostPort(e.Address)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 1 || n > 65535 {
		v.fail(d.At.Of(d.Kind), `write "host:port", e.g. "localhost:25"`,
			"%s: %q is no address", d.Kind, e.Address)
		return
	}
	v.host(d.At, d.Kind, host)
	if net.ParseIP(host) != nil && e.Network == "mx" {
		v.fail(d.At.Of(d.Kind), "write the address without mx:", "%s: %q is no domain", d.Kind, host)
	}
}

// onlySMTP refuses what a destination of another kind does not have.
func (v *validator) onlySMTP(d *Destination) {
	for _, key := range []string{"balance", "recipients", "client"} {
		if d.At.Has(key) {
			v.fail(d.At.Of(key), "remove it", "%s: is for smtp and lmtp, and destination %q is %s", key, d.Name, d.Kind)
		}
	}
}

package conf

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A Reach says which servers may be reached for a maildrop that was written by somebody who does not run this machine. The
// zero value allows those that are outside of it and of private networks, on the ports of mail. Names are looked at as they
// are written, networks when a server is dialled: the address that is really dialled counts, whatever the name meant before.
type Reach struct {
	At Where `json:"-"`

	Any   bool    // wherever they are, on any port; the rest means nothing then
	Hosts []Place // names alone: no others may be written; nil: any may
	Allow []Place // in spite of being inside
	Deny  []Place // in spite of Allow
	Ports []int   // nil: MailPorts
}

// MailPorts are those on which maildrops are (RFC 8314, RFC 1939, RFC 9051).
func MailPorts() []int { return []int{110, 143, 993, 995} }

// A Place is the name of a server, *.example.org (all names below it), or a network; an address is a network of one. Its
// form is that of ParsePlace.
type Place struct {
	Name    string       // in lower case, without a dot at its end; "": Network
	Network netip.Prefix // masked, no IPv4 address in IPv6
}

// ParsePlace reads 198.51.100.0/24, 2001:db8::/32, an address, mail.example.org, or *.example.org.
func ParsePlace(s string) (Place, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if p.Addr().Is4In6() {
			return Place{}, fmt.Errorf("%q is an IPv4 network in the form of IPv6; write it as 192.0.2.0/24", s)
		}
		return Place{Network: p.Masked()}, nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return Place{Network: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if !hostSyntax(strings.TrimPrefix(name, "*.")) || numeric(name) {
		return Place{}, fmt.Errorf("%q is no server; write mail.example.org, *.example.org, 198.51.100.7 or 198.51.100.0/24",
			short(s))
	}
	return Place{Name: name}, nil
}

// String writes it as ParsePlace reads it.
func (p Place) String() string {
	switch {
	case p.Name != "":
		return p.Name
	case p.Network.IsSingleIP():
		return p.Network.Addr().String()
	}
	return p.Network.String()
}

// names says whether a host is written as the place says. Addresses are none of its business.
func (p Place) names(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if below, all := strings.CutPrefix(p.Name, "*"); all {
		return strings.HasSuffix(host, below)
	}
	return p.Name != "" && host == p.Name
}

func named(places []Place, host string) bool {
	return slices.ContainsFunc(places, func(p Place) bool { return p.names(host) })
}

func networks(places []Place) (list []netip.Prefix) {
	for _, p := range places {
		if p.Name == "" {
			list = append(list, p.Network)
		}
	}
	return list
}

// Trusts says whether a server is allowed by its name, wherever that leads.
func (r *Reach) Trusts(host string) bool { return named(r.Allow, host) }

// Networks are those that are allowed in spite of being inside, and those that are denied in any case.
func (r *Reach) Networks() (allow, deny []netip.Prefix) { return networks(r.Allow), networks(r.Deny) }

// OpenPorts are the ports that are allowed.
func (r *Reach) OpenPorts() []int {
	if r.Ports == nil {
		return MailPorts()
	}
	return r.Ports
}

// numeric says whether a host ends in a number and is no address all the same: 2130706433, 0x7f.1 and 0177.0.0.1 are names
// to us, and 127.0.0.1 to some resolvers. No name of the Internet ends in a number.
func numeric(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if digits, hex := strings.CutPrefix(last, "0x"); hex {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// refuses says why a server as it is written is not reached; "": it may be, if its address may.
func (r *Reach) refuses(host string) (why, hint string) {
	switch {
	case numeric(host):
		return fmt.Sprintf("%q is neither a name nor an address", short(host)), "write a name as mail.example.org"
	case r.Hosts != nil && !named(r.Hosts, host):
		return fmt.Sprintf("%q is not among the servers that may be used here", short(host)),
			"use one of: " + places(r.Hosts)
	case named(r.Deny, host):
		return fmt.Sprintf("%q may not be used here", short(host)), "use another server"
	}
	return "", ""
}

// places names the first ones.
func places(list []Place) string {
	const some = 10
	var words []string
	for _, p := range list[:min(len(list), some)] {
		words = append(words, p.String())
	}
	if len(list) > some {
		words = append(words, "…")
	}
	return strings.Join(words, ", ")
}

// reach checks what is written of it.
func (v *validator) reach(r *Reach) {
	for _, p := range r.Hosts {
		if p.Name == "" {
			v.fail(r.At.Of("hosts"), "write names; networks belong into allow: and deny:", "hosts: %s is no name", p)
		}
	}
	for _, p := range r.Ports {
		v.number(r.At, "ports", int64(p), 1, 65535)
	}
	for _, p := range r.Deny {
		if slices.Contains(r.Allow, p) {
			v.fail(r.At.Of("deny"), "remove it from one of them", "deny: %s is in allow: too", p)
		}
	}
}

// reached checks whether the server of a maildrop may be reached, as far as that is known without asking the network. own
// says that its proxy is not that of the line.
func (v *validator) reached(m *Maildrop, own bool) {
	r := m.Reach
	if r == nil {
		return
	}
	if m.Row == nil { // else it is the source's, which was looked at
		v.reach(r)
	}
	if own && m.Proxy.Used() || len(m.Dial)+len(m.Preconnect) > 0 {
		v.fail(m.At.Of("reach"), "remove them, or write reach: any",
			"reach: excludes proxy, dial and preconnect: nobody could say where they lead")
	}
	if why, hint := r.refuses(m.Host); m.Host != "" && why != "" {
		v.fail(m.At.Of("url"), hint, "reach: %s", why)
	}
	if ports := r.OpenPorts(); m.Port != 0 && !slices.Contains(ports, m.Port) {
		v.fail(m.At.Of("url"), "use the port of the protocol", "reach: port %d is not allowed, only %s", m.Port, numbers(ports))
	}
}

func numbers(list []int) string {
	var words []string
	for _, n := range list {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, ", ")
}

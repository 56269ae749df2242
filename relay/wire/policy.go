package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// A Policy says which addresses may be dialled. It is asked about the address that is really dialled, after
// the name was looked up and for each one that is tried, so that a name which means something else the
// second time gets nobody in. It is for servers that were named by people who do not own this machine: they
// shall not reach what only we can.
type Policy struct {
	Deny  []netip.Prefix // never, see Inside
	Allow []netip.Prefix // these in spite of Deny
	Ports []uint16       // these alone; nil: any
}

// Inside are the networks that no server of the Internet is in: this machine, private and link-local
// networks, multicast, documentation, and the ways around through embedded IPv4 addresses that cannot be
// looked into (IANA's registries of special-purpose addresses, RFC 6890).
func Inside() (list []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.0.0.0/24",
		"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"224.0.0.0/4", "240.0.0.0/4",
		"::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7",
		"fe80::/10", "fec0::/10", "ff00::/8",
	} {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}

// Mail are the ports on which maildrops are (RFC 8314, RFC 1939, RFC 9051).
func Mail() []uint16 { return []uint16{110, 143, 993, 995} }

// ErrDenied is in the chain of an error of a Policy.
var ErrDenied = errors.New("not allowed")

// Allows says nil if ip:port may be dialled. A name is denied: it says nothing of where it leads.
func (p *Policy) Allows(address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s is no address of the network: %w", address, ErrDenied)
	}
	if len(p.Ports) > 0 && !slices.Contains(p.Ports, to.Port()) {
		return fmt.Errorf("port %d is %w", to.Port(), ErrDenied)
	}
	for _, ip := range meant(to.Addr()) {
		if among(ip, p.Deny) && !among(ip, p.Allow) {
			return fmt.Errorf("the address %s is %w", to.Addr(), ErrDenied)
		}
	}
	return nil
}

func among(ip netip.Addr, list []netip.Prefix) bool {
	return slices.ContainsFunc(list, func(n netip.Prefix) bool { return n.Contains(ip) })
}

var (
	nat64   = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: the last four octets are an IPv4 address
	sixToIV = netip.MustParsePrefix("2002::/16")    // RFC 3056: octets 2 to 5 are
)

// meant are the addresses that are reached by dialling one: itself, and an IPv4 address inside of it.
func meant(ip netip.Addr) []netip.Addr {
	ip = ip.WithZone("").Unmap()
	if b := ip.As16(); nat64.Contains(ip) {
		return []netip.Addr{ip, netip.AddrFrom4([4]byte(b[12:]))}
	} else if sixToIV.Contains(ip) {
		return []netip.Addr{ip, netip.AddrFrom4([4]byte(b[2:6]))}
	}
	return []netip.Addr{ip}
}

// permitted refuses what a policy could not judge: another dialler, a command, a path, and a name that a
// proxy would look up. What a proxy or nobody looks up is judged here, the rest in dialler.
func (o *Options) permitted() error {
	if o.Policy == nil {
		return nil
	}
	switch {
	case o.DialContext != nil, len(o.Command) > 0, len(o.Before) > 0, o.Network != "" && o.Network != "tcp":
		return fmt.Errorf("only the network may be dialled here: %w", ErrDenied)
	case o.Proxy != nil:
		return o.Policy.Allows(o.Address)
	}
	_, port, err := net.SplitHostPort(o.Address)
	if err != nil {
		return fmt.Errorf("%q is no host and port: %w", o.Address, ErrDenied)
	}
	n, err := net.LookupPort("tcp", port)
	if err != nil {
		return fmt.Errorf("%q is no port: %w", port, ErrDenied)
	}
	if len(o.Policy.Ports) > 0 && !slices.Contains(o.Policy.Ports, uint16(n)) {
		return fmt.Errorf("port %d is %w", n, ErrDenied) // before anybody looks up a name
	}
	return nil
}

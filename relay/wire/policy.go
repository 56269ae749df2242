package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// A Policy says which addresses may be dialled. It is asked about the address that is really dialled, after
// the name was looked up and for each one that is tried, so that a name which means something else the
// second time gets nobody in. It is for servers that were named by people who do not own this machine: they
// shall not reach what only we can.
type Policy struct {
	Deny  []netip.Prefix // see Inside
	Allow []netip.Prefix // these in spite of Deny and Own
	Never []netip.Prefix // these in spite of Allow
	Ports []uint16       // these alone; nil: any

	// Own returns the addresses of this machine, as net.InterfaceAddrs does: one that the Internet knows is inside
	// too. nil: they are like others.
	Own func() ([]net.Addr, error)
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
		"::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7",
		"fe80::/10", "fec0::/10", "ff00::/8",
	} {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}

// ErrDenied is in the chain of an error of a Policy.
var ErrDenied = errors.New("not allowed")

// A denial says what is not allowed.
type denial struct{ text string }

func denied(format string, a ...any) error { return &denial{fmt.Sprintf(format, a...)} }

func (d *denial) Error() string { return d.text }
func (d *denial) Unwrap() error { return ErrDenied }

// Wrong says it to people.
func (d *denial) Wrong() string { return "This server may not be used here, so nothing is collected." }

// Advice says what can be done.
func (d *denial) Advice() string {
	return "Check the name of the server and its port. Where it is right, whoever runs this machine can allow it: reach: in " +
		"the configuration."
}

// Allows says nil if ip:port may be dialled. A name is denied: it says nothing of where it leads.
func (p *Policy) Allows(address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return denied("%s is no address of the network: not allowed", address)
	}
	if len(p.Ports) > 0 && !slices.Contains(p.Ports, to.Port()) {
		return denied("port %d is not allowed", to.Port())
	}
	for _, ip := range meant(to.Addr()) {
		inside := among(ip, p.Deny)
		if !inside && p.Own != nil {
			if inside, err = p.ours(ip); err != nil {
				return denied("whether %s is an address of this machine is not known, so that it is not allowed: %v", ip, err)
			}
		}
		if inside && !among(ip, p.Allow) || among(ip, p.Never) {
			return denied("the address %s is not allowed", to.Addr())
		}
	}
	return nil
}

// ours says whether an address is one of this machine.
func (p *Policy) ours(ip netip.Addr) (bool, error) {
	all, err := p.Own()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if mine, ok := netip.AddrFromSlice(n.IP); ok && mine.Unmap() == ip {
				return true, nil
			}
		}
	}
	return false, err
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

// permitted refuses what a policy could not judge: another dialler, a command, a path, and what is no host and port. Where a
// proxy would look up a name, it is looked up here instead: the options that are returned name an address that is allowed.
// What nobody looks up for us is judged in dialler.
func (o Options) permitted(ctx context.Context) (Options, error) {
	if o.Policy == nil {
		return o, nil
	}
	if o.DialContext != nil || len(o.Command) > 0 || len(o.Before) > 0 || o.Network != "" && o.Network != "tcp" {
		return o, denied("only the network may be dialled here: anything else is not allowed")
	}
	host, port, err := net.SplitHostPort(o.Address)
	if err != nil {
		return o, denied("%q is no host and port: not allowed", o.Address)
	}
	n, err := net.LookupPort("tcp", port)
	if err != nil {
		return o, denied("%q is no port: not allowed", port)
	}
	if len(o.Policy.Ports) > 0 && !slices.Contains(o.Policy.Ports, uint16(n)) {
		return o, denied("port %d is not allowed", n) // before anybody looks up a name
	}
	if o.Proxy == nil {
		return o, nil
	}
	o.Address, err = o.resolved(ctx, host, uint16(n))
	if o.TLS.Name == "" {
		o.TLS.Name = host
	}
	return o, err
}

// resolved is the first address of a host that is allowed, for a proxy.
func (o *Options) resolved(ctx context.Context, host string, port uint16) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, or(o.Connect, 30*time.Second))
	defer cancel()
	resolver := o.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	all, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return "", dialling(o.Address, err)
	}
	for _, ip := range all {
		address := netip.AddrPortFrom(ip.Unmap(), port).String()
		if err = o.Policy.Allows(address); err == nil {
			return address, nil
		}
	}
	return "", err // of the last one; a look-up without an error has at least one
}

package main

import (
	"net"
	"sync"

	"mailretr/conf"
	"mailretr/relay/wire"
)

// inside is shared by all maildrops: there may be ten thousand.
var inside = sync.OnceValue(wire.Inside)

// policyOf says which addresses may be dialled for a server. One that is allowed by its name may be anywhere but in the networks
// that are denied in any case.
func policyOf(r *conf.Reach, host string) *wire.Policy {
	allow, deny := r.Networks()
	p := &wire.Policy{Deny: inside(), Own: net.InterfaceAddrs, Allow: allow, Never: deny}
	if r.Trusts(host) {
		p.Deny, p.Own = nil, nil
	}
	for _, n := range r.OpenPorts() {
		p.Ports = append(p.Ports, uint16(n))
	}
	return p
}

package mail

import "net/netip"

// A Client is who handed a message to the provider that we collect it from, as the provider's own trace has it. The zero
// value is one that nobody knows.
type Client struct {
	Addr  netip.Addr
	Name  string // from the DNS, as the provider has verified it; "" where it has not
	Hello string // what it called itself; "" where nobody knows
}

// Known says whether anything is known.
func (c Client) Known() bool { return c.Addr.IsValid() }

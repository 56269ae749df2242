package wire

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// A Mode says how a connection is secured. The zero value is the safe one.
type Mode uint8

const (
	StartTLS Mode = iota // plain until the protocol's STARTTLS, which is required
	Implicit             // TLS from the first octet
	Plain                // none, said out loud in the configuration
)

// TLS says whom to trust. TLS 1.2 is the least.
type TLS struct {
	Mode     Mode
	Name     string         // name expected in the certificate; "" means the host that is dialled
	Roots    *x509.CertPool // nil: CAFile, or the system's
	CAFile   string         // PEM file of accepted roots, read at each dial; "" means Roots or the system's
	Pins     []string       // SHA-256 of the server's certificate (DER) in hexadecimal; see below
	CertFile string         // PEM client certificate, with KeyFile
	KeyFile  string
	Insecure bool // accept any certificate; said out loud in the configuration

	// Where there are Pins, colons allowed in them, one must match, and neither names nor roots nor
	// Insecure are asked.

	// Classic leaves out the post-quantum key share: 1.2 KB less up the line at each handshake, and a
	// recorded session can be read by whoever has a quantum computer one day.
	Classic bool

	// Sessions remembers the last TLS session, so that the next connection does without the certificates on the
	// line; nil: none is kept. One for each maildrop or next hop.
	Sessions *Sessions
}

// Options describe one connection. The zero values of the durations mean the defaults given here.
type Options struct {
	Network string // "tcp" (also "") or "unix"
	Address string // host:port, IPv6 literals in brackets; or a path
	TLS     TLS

	Connect   time.Duration // for looking up and connecting, 30 s
	Handshake time.Duration // for the TLS handshake, 30 s
	Idle      time.Duration // for a single read or write to make progress, 60 s; SMTP sets it per step
	Reply     time.Duration // for a line or reply to be whole once it has begun, 5 min: a trickle ends here

	// How the server is reached; the zero values mean: directly.
	Proxy      *Proxy        // asked to connect to Address; the address that is dialled is the proxy's
	Source     netip.Addr    // local address of what is dialled
	Command    []string      // a program whose standard input and output are the connection; nothing is dialled
	Before     []string      // a program that has to end well before the server is reached
	BeforeWait time.Duration // for it, 1 min
	Policy     *Policy       // which addresses may be dialled; nil: all
	Resolver   *net.Resolver // nil: the system's

	// Opening returns what is sent before anything else, TLS included, over a connection between these addresses; nil:
	// nothing is.
	Opening func(us, server net.Addr) []byte

	ReadBuffer int // octets of it, MaxLine; a connection that waits among a thousand others needs less

	Shapers []*Shaper // rates to keep to: the line's, the maildrop's

	// DialContext replaces the dialler, in tests. nil: a net.Dialer with keep-alive.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	Trace  *slog.Logger // gets each line at debug level, secrets masked; nil: no trace
	Bodies bool         // message octets are traced too; without it their number is
	Meter  *Meter       // counts octets for whoever wants the sum over many connections; may be nil
}

// A Meter counts octets on the line, TLS and commands included. Safe for concurrent use.
type Meter struct {
	Up, Down atomic.Int64
	Spared   atomic.Int64 // that did not cross it, because the peer compressed them
	Unread   atomic.Int64 // of Down, that nobody has read, because the connection was cut; on Linux

	bound atomic.Pointer[bound]
}

// A bound is who is asked when more has crossed the line than he said last.
type bound struct {
	ask func() (octets int64, err error)
	at  atomic.Int64 // Up and Down together
}

// Bound has reads ask, when as many octets have come as was said last, how many more may cross before ask is called again, both directions
// together; an error ends the connection, as the error of that read. ask is called by whoever reads, perhaps by several
// at once. nil: nobody is asked any more.
func (m *Meter) Bound(ask func() (octets int64, err error)) {
	if ask == nil {
		m.bound.Store(nil)
		return
	}
	m.bound.Store(&bound{ask: ask})
}

// cut returns as much of p as may be filled before somebody has to be asked.
func (m *Meter) cut(p []byte) []byte {
	if m == nil {
		return p
	}
	if b := m.bound.Load(); b != nil {
		if room := b.at.Load() - m.Up.Load() - m.Down.Load(); room > 0 && room < int64(len(p)) {
			return p[:room]
		}
	}
	return p
}

// came counts octets that were read.
func (m *Meter) came(n int) error {
	if m == nil || n <= 0 {
		return nil
	}
	sum := m.Down.Add(int64(n)) + m.Up.Load()
	b := m.bound.Load()
	if b == nil || sum < b.at.Load() {
		return nil
	}
	more, err := b.ask()
	if err == nil {
		b.at.Store(sum + more)
	}
	return err
}

// or returns d, or the default where d is not set.
func or(d, def time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return def
}

package smtpd

import (
	"cmp"
	"context"
	"crypto/tls"
	"net/netip"
	"strings"
	"time"

	"mailretr/store/mail"
)

// A Security says how clients are secured.
type Security uint8

const (
	Plain    Security = iota // no TLS
	StartTLS                 // offered; a login from another machine needs it
	Implicit                 // from the first octet (RFC 8314, 3.3)
)

// Options say what a listener takes, and from whom. The zero values of optional fields mean what stands
// beside them.
//
// Mail for any recipient is taken from clients at the other end of a unix socket, from Networks, and from
// whoever has logged in. Everybody else may send to Domains only, and not by way of them (user%there@here); where
// there are none, nothing.
type Options struct {
	Name     string // of the listener, for events: "localhost:25"
	Hostname string // ours: greeting and Received
	LMTP     bool

	Security    Security
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error) // needed unless Plain

	Users    *Users         // who may log in; nil: nobody, AUTH is not offered
	Networks []netip.Prefix // whose clients need no login
	Domains  []string       // that others may send to, in lower case; ".example.org" means those below it

	// Routed says whether anybody knows where mail for this recipient goes. nil: yes.
	Routed func(mail.Envelope, mail.Recipient) bool
	// Complete adds Date and Message-ID where they are missing (RFC 6409, 8).
	Complete bool
	Limits   Limits

	// Queue makes a message durable; safe for concurrent use. It honours the Chosen id of a message.
	Queue mail.Deliverer
	// Full says whether this error of the queue means that there is no room: the answer is 452 then. nil: never.
	Full func(error) bool

	Observe mail.Observer
	Now     func() time.Time // nil: time.Now
}

// Limits bound what clients can do. The zero value of a field means what stands beside it; a negative one, of
// those that are numbers, no limit.
type Limits struct {
	Connections int // at once, 200; the last tenth of them is for clients of ours
	PerClient   int // at once from one address (IPv6: one /64), 20; not for clients of ours
	Rate        int // messages per client and minute, no limit; not for clients of ours
	Recipients  int // of a message, 1000; more get 452, and what is beyond 256 KiB of them
	Size        int64
	Line        int // octets of a line of a message without its end, 1 MiB
	Header      int // octets of the header section, 256 KiB
	Hops        int // Received fields, 100 (RFC 5321, 6.3)
	Errors      int // refusals in a session before it is ended, 20

	Command  time.Duration // for a client's next command, or the next octets of a message, 5 min
	Data     time.Duration // for a whole message, 1 h
	Greeting time.Duration // that others have to stay silent before they are greeted, 0
	Grace    time.Duration // for a message that is under way at a stop, 20 s
}

// DefaultSize is the size of a message that is taken where no other is said, in octets.
const DefaultSize = 64 << 20

// filled returns the limits with their defaults; no limit is the largest number.
func (l Limits) filled() Limits {
	const none = int(^uint(0) >> 2)
	for _, x := range []struct {
		at  *int
		def int
	}{
		{&l.Connections, 200}, {&l.PerClient, 20}, {&l.Rate, none}, {&l.Recipients, 1000},
		{&l.Line, 1 << 20}, {&l.Header, 256 << 10}, {&l.Hops, 100}, {&l.Errors, 20},
	} {
		if *x.at = cmp.Or(*x.at, x.def); *x.at < 0 {
			*x.at = none
		}
	}
	if l.Size = cmp.Or(l.Size, DefaultSize); l.Size < 0 {
		l.Size = 1 << 60
	}
	l.Command = cmp.Or(l.Command, 5*time.Minute) // RFC 5321, 4.5.3.2.7
	l.Data = cmp.Or(l.Data, time.Hour)
	l.Grace = cmp.Or(l.Grace, 20*time.Second)
	return l
}

// strangers is how many clients there may be when one comes who is not ours: they must not keep out those who are.
func (l *Limits) strangers() int { return l.Connections - l.Connections/10 }

func (o *Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

func (o *Options) observe(e mail.Event) {
	if o.Observe != nil {
		e.At, e.Op, e.Lane = o.now(), mail.OpFront, ""
		o.Observe.Observe(e)
	}
}

// ours says whether a client at this address needs no login.
func (o *Options) ours(a netip.Addr) bool {
	for _, p := range o.Networks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// takes says whether others may send to this recipient.
func (o *Options) takes(p mail.Path) bool {
	domain := p.Domain()
	for _, d := range o.Domains {
		if domain == d || d != "" && d[0] == '.' && strings.HasSuffix(domain, d) {
			return true
		}
	}
	return domain == "" && len(o.Domains) > 0 // postmaster, RFC 5321, 4.5.1
}

// deliver asks the queue.
func (o *Options) deliver(ctx context.Context, m *mail.Message) mail.Report {
	return o.Queue.Deliver(ctx, m)
}

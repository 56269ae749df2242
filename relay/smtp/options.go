package smtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// Options describe a next hop.
type Options struct {
	// Dial lists the servers in order: the next one is tried where one refuses us or is away, and one that was is
	// asked last for a while. An entry of the network [MX] stands for the servers of a domain.
	Dial     []wire.Options
	Balance  bool     // the entries of Dial are equal: each connection is made to any of them
	Resolver Resolver // of MX records; nil: the system's
	Shared   *Shared  // with the other connections of this destination; nil: nothing is

	Hello string // our name, for EHLO
	LMTP  bool   // LHLO and one reply for each recipient

	// User and Password: AUTH by the strongest mechanism that is offered (relay/sasl); the password itself leaves
	// with TLS only, unless the mode is Plain, which is said out loud. Password is asked at each login. User "" means
	// no login.
	User     string
	Password func(context.Context) (string, error)

	// PerConnection is how many messages one connection carries. 0: 10 where the greeting says Exim, which by
	// default only queues what comes after ten and refuses what comes after a thousand; else 100.
	PerConnection int

	// Recipients is how many one transaction has at most; the others are not asked, and have a transaction of their
	// own when the message comes again. 0: as many as the server takes (LIMITS of RFC 9422, or the number at which it
	// has said that they were too many).
	Recipients int

	// Introduce is how the MTA is told who handed a message to the provider, and Client who that is; nil: nobody knows.
	// It is asked once for each message, and probe.
	Introduce Introduction
	Client    func(context.Context, *mail.Message) mail.Client

	Name    mail.Lane        // for events
	Observe mail.Observer    // told of failed connections, and of cuts after the final dot; may be nil
	Now     func() time.Time // nil: time.Now
	Times   Times
}

// Times are how long the server may take to begin its answer. The zero values are those of RFC 5321, 4.5.3.2.
type Times struct {
	Greeting time.Duration // 5 min
	Command  time.Duration // EHLO, STARTTLS, AUTH, MAIL, RCPT, RSET: 5 min
	Data     time.Duration // until 354: 2 min
	Block    time.Duration // for the server to take some octets of the message: 3 min
	Dot      time.Duration // 10 min: giving up early is how the same mail is delivered twice
	Quit     time.Duration // QUIT, in the background: 10 s
	Grace    time.Duration // after the dot, when the context has ended: 10 s
}

func (t Times) orDefaults() Times {
	for _, x := range []struct {
		d   *time.Duration
		def time.Duration
	}{
		{&t.Greeting, 5 * time.Minute}, {&t.Command, 5 * time.Minute}, {&t.Data, 2 * time.Minute},
		{&t.Block, 3 * time.Minute}, {&t.Dot, 10 * time.Minute}, {&t.Quit, 10 * time.Second},
		{&t.Grace, 10 * time.Second},
	} {
		if *x.d <= 0 {
			*x.d = x.def
		}
	}
	return t
}

// check says what is wrong with o.
func (o *Options) check() error {
	if len(o.Dial) == 0 {
		return errors.New("no host to deliver to")
	}
	if o.Hello == "" {
		return errors.New("no name for EHLO")
	}
	if err := checkHello(o.Hello); err != nil {
		return err
	}
	if strings.ContainsRune(o.User, 0) {
		return errors.New("the user for AUTH holds a NUL")
	}
	return nil
}

// checkHello says why a name cannot be said in EHLO.
func checkHello(name string) error {
	for _, r := range name {
		// A domain or an address literal (RFC 5321, 4.1.1.1): nothing that could end the command.
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"\<>(),;@`, r) {
			return fmt.Errorf("the name for EHLO holds %q", r)
		}
	}
	return nil
}

// New makes a client. It dials when it is first used. An error says what is wrong with the options.
func New(o Options) (*Client, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Times = o.Times.orDefaults()
	o.Dial = slices.Clone(o.Dial)
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	c := &Client{o: o, shared: o.Shared}
	if c.shared == nil {
		c.shared = &Shared{}
	}
	return c, nil
}

package imap

import (
	"cmp"
	"context"
	"time"

	"mailretr/relay/imapconn"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// A Client appends over one connection, which it makes when it needs it and keeps between messages. It is a
// mail.Deliverer and a mail.Prober. Not for concurrent use.
type Client struct {
	o    Options
	conn *imapconn.Conn // nil: none

	names *place // of this connection; nil: not yet asked for
}

// New makes a client. It dials when it is first used. An error says what is wrong with the options.
func New(o Options) (*Client, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o.Folder = cmp.Or(o.Folder, "INBOX")
	o.Reply, o.Grace = cmp.Or(o.Reply, 10*time.Minute), cmp.Or(o.Grace, 10*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Client{o: o}, nil
}

// Deliver appends the message once, for all recipients. A cut or time-out after its last octet is Deferred with After
// = OpDot: it may be in the folder. When it is asked to give way ([mail.WithYield]) it does so before the last octet, and
// not after it.
func (c *Client) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	early, cancel := mail.Yielding(ctx)
	defer cancel()
	a := &attempt{Client: c, m: m, ctx: early, late: ctx}
	return c.spread(m, a.run())
}

// Probe says whether the account can be entered and a message of this size is taken (APPENDLIMIT, RFC 7889). The
// content is not opened.
func (c *Client) Probe(ctx context.Context, m *mail.Message) mail.Report {
	a := &attempt{Client: c, m: m, ctx: ctx, late: ctx}
	x, ok := a.enter()
	if ok {
		if x, ok = a.fits(m.Content.Size()); ok {
			x = mail.Result{Outcome: mail.Delivered, After: mail.OpProbe}
		}
	}
	return c.spread(m, x)
}

// spread gives each recipient the result; one whose address is none has failed.
func (c *Client) spread(m *mail.Message, x mail.Result) mail.Report {
	x.At, x.RemoteMTA = c.o.Now(), cmp.Or(x.RemoteMTA, c.o.Dial.Address)
	report := mail.Same(len(m.Envelope.Recipients), x)
	for i, r := range m.Envelope.Recipients {
		if err := r.Forward.CheckForward(); err != nil {
			report[i] = mail.Result{Outcome: mail.Failed, Enhanced: "5.1.3", Err: err, At: x.At}
		}
	}
	return report
}

// Close logs out. The client may be used again afterwards, it dials then.
func (c *Client) Close() error {
	conn := c.conn
	c.conn = nil
	if conn == nil {
		return nil
	}
	conn.SetIdle(5 * time.Second)
	if conn.Send(mail.OpQuit, "LOGOUT") == nil {
		_, _ = conn.Until(mail.OpQuit, false, chatter, nil) // a BYE comes first; nothing depends on it
	}
	return conn.Close()
}

// drop ends a connection that is of no use any more.
func (c *Client) drop(err error) {
	if c.conn != nil {
		c.conn.Abort(err)
		c.conn = nil
	}
}

// session makes sure of a connection on which somebody is logged in. reused: it was there before.
func (c *Client) session(ctx context.Context) (reused bool, err error) {
	if c.conn != nil {
		err := c.conn.Alive()
		if err == nil {
			return true, nil
		}
		c.drop(err)
	}
	raw, err := wire.Dial(ctx, c.o.Dial)
	if err != nil {
		return false, mail.TroubleOf(mail.OpDial, c.o.Dial.Address, err)
	}
	defer raw.Watch(ctx)()
	conn := imapconn.New(raw, c.o.Options)
	in, err := conn.Greet(ctx)
	if err == nil && !in {
		in, err = conn.Authenticate(ctx)
	}
	if err == nil && !in {
		err = conn.Login()
	}
	if err == nil && conn.Caps == nil {
		err = conn.Ask()
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		raw.Abort(err)
		return false, mail.TroubleOf(mail.OpLogin, c.o.Dial.Address, err)
	}
	conn.Password = ""
	c.conn, c.names = conn, nil
	return false, nil
}

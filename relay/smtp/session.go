package smtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	gosmtp "github.com/emersion/go-smtp"

	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// A session is one connection, greeted and logged in, between two transactions.
type session struct {
	*talk
	smtp *gosmtp.Client
	host string // for RemoteMTA
	key  string // of its server
	rank int    // of its server: 0 is the best

	secure wire.TLS
	client mail.Client // whom it speaks for; zero: ourselves
	times  Times

	messages, resets int // so far
	most, mostResets int
	learned          int    // recipients that the server took in one transaction, 0: nobody knows
	buf, out         []byte // used by one message after the other
}

// A failure is what ended a step: a reply of the server, or its absence.
type failure struct {
	op    mail.Op
	reply reply // code 0: none
	host  string
	err   error

	ofClient bool // it is about the client that the message is from, and says nothing of us
}

// Error says it for an error chain.
func (f *failure) Error() string { return fmt.Sprintf("%s: %v", f.op.Doing(), f.err) }

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.err }

// session returns the kept connection if it is alive and may speak for the client, or a new one to a server that has not
// failed in this attempt. reused says which.
func (c *Client) session(ctx context.Context, a *attempt) (s *session, reused bool, f *failure) {
	if s = c.kept; s != nil {
		switch alive := s.Alive() == nil; {
		case alive && s.introduces(a.client, &c.o):
			s, reused = c.preferred(ctx, s, a.client)
			if f = c.introduce(ctx, s, a.client); f == nil {
				return s, reused, nil
			}
			if c.drop(s); !reused || f.reply.code != 0 && f.reply.code != 421 {
				return nil, false, f
			}
		case alive:
			c.retire(s)
		default:
			c.drop(s)
		}
	}
	return c.fresh(ctx, a)
}

// fresh makes a connection.
func (c *Client) fresh(ctx context.Context, a *attempt) (s *session, reused bool, f *failure) {
	all, err := c.servers(ctx)
	if len(all) == 0 {
		f = &failure{op: mail.OpDial, host: c.o.Dial[0].Address, err: err}
		c.tell(ctx, f)
		return nil, false, f
	}
	for i := range all {
		if a.failed[all[i].key()] {
			continue
		}
		if s, f = c.dial(ctx, &all[i], a.client); f == nil {
			if f = c.introduce(ctx, s, a.client); f != nil {
				s.Close()
				return nil, false, f
			}
			c.kept = s
			return s, false, nil
		}
		if a.failed[all[i].key()] = true; ctx.Err() != nil || f.ofClient {
			break
		}
	}
	return nil, false, f
}

// preferred returns s, or a connection to a server that is preferred to it and takes mail again.
func (c *Client) preferred(ctx context.Context, s *session, who mail.Client) (_ *session, reused bool) {
	for _, x := range c.better(ctx, s) {
		if again, f := c.dial(ctx, &x, who); f == nil {
			c.retire(s)
			c.kept = again
			return again, false
		}
	}
	return s, true
}

// dial opens a connection to a server, and notes whether it could be had.
func (c *Client) dial(ctx context.Context, x *server, who mail.Client) (*session, *failure) {
	s, f := c.open(ctx, x.Options, who)
	switch {
	case f == nil:
		c.shared.here(x.key())
		s.key, s.rank = x.key(), x.rank
		s.learned = c.shared.learned(x.key(), c.o.Now())
	case ctx.Err() != nil: // it was us
	case c.aboutClient(ctx, x, who, f):
		f.op, f.ofClient = mail.OpMail, true // the first thing that is about this message
	default:
		c.shared.away(x.key(), c.o.Now())
		c.tell(ctx, f)
	}
	return s, f
}

// others says whether there is a server that has not failed in this attempt.
func (c *Client) others(ctx context.Context, failed map[string]bool) bool {
	all, _ := c.expand(ctx)
	return slices.ContainsFunc(all, func(s server) bool { return !failed[s.key()] })
}

// tell emits an event of a connection that could not be made. That somebody refuses us is for the admin;
// that nobody is there is for the lane to notice.
func (c *Client) tell(ctx context.Context, f *failure) {
	if ctx.Err() != nil {
		return // it was us
	}
	var tls interface{ TLS() bool }
	c.observe(mail.Event{Op: f.op, Relay: f.host, Reply: f.reply.text, Enhanced: f.reply.enhanced, Err: f.err,
		Alarm: f.reply.code >= 500 || f.op == mail.OpLogin || errors.As(f.err, &tls) && tls.TLS()})
}

func (c *Client) observe(e mail.Event) {
	if c.o.Observe != nil {
		e.At, e.Lane = c.o.Now(), c.o.Name
		c.o.Observe.Observe(e)
	}
}

// open dials one host and brings the connection to where MAIL may be sent.
func (c *Client) open(ctx context.Context, o wire.Options, who mail.Client) (*session, *failure) {
	if c.o.proxied() {
		o.Opening = func(us, server net.Addr) []byte { return proxyHeader(c.o.Introduce, who, us, server) }
	} else {
		who = mail.Client{}
	}
	conn, err := wire.Dial(ctx, o)
	if err != nil {
		op := mail.OpDial
		var e *wire.Error
		if errors.As(err, &e) && e.Secure {
			op = mail.OpTLS
		}
		return nil, &failure{op: op, host: o.Address, err: err}
	}
	s := &session{talk: &talk{Conn: conn}, host: o.Address, times: c.o.Times, secure: o.TLS,
		client: who}
	stop := s.Watch(ctx)
	defer stop()
	if f := c.begin(ctx, s); f != nil {
		conn.Close()
		f.host = o.Address
		return nil, f
	}
	return s, nil
}

// begin takes the greeting, secures the connection where STARTTLS is the mode, says EHLO and logs in.
func (c *Client) begin(ctx context.Context, s *session) *failure {
	s.Gate(wire.Replies)
	s.SetIdle(c.o.Times.Greeting)
	hello, err := s.hear()
	if err != nil || hello.code != 220 {
		return s.failed(mail.OpGreeting, hello, err)
	}
	s.limits(c.o, slices.Contains(strings.Fields(hello.text), "Exim"))
	s.SetIdle(c.o.Times.Command)
	if s.secure.Mode == wire.StartTLS {
		if f := c.startTLS(ctx, s); f != nil {
			return f
		}
	}
	if err := c.hello(s); err != nil {
		return s.failed(mail.OpEHLO, s.last(), err)
	}
	s.most = least(s.most, s.offered("MAILMAX"))
	if c.o.User == "" {
		return nil
	}
	return c.login(ctx, s)
}

// limits sets how much the connection may carry: messages, and RSETs, one for each probe and for each message that nobody was
// accepted for. Exim drops a client after ten commands that are not mail.
func (s *session) limits(o Options, exim bool) {
	s.most, s.mostResets = 100, 50
	if exim {
		s.most, s.mostResets = 10, 5
	}
	if o.PerConnection > 0 {
		s.most = o.PerConnection
	}
}

// startTLS asks for TLS; go-smtp's own way would put it above our connection, where nothing is counted or
// bounded.
func (c *Client) startTLS(ctx context.Context, s *session) *failure {
	verb := "EHLO "
	if c.o.LMTP {
		verb = "LHLO "
	}
	r, err := s.ask(verb + c.o.Hello)
	if err != nil || r.code != 250 {
		return s.failed(mail.OpEHLO, r, err)
	}
	if !r.keyword("STARTTLS") {
		return &failure{op: mail.OpTLS, err: &wire.Error{Doing: "securing the connection to " + s.host,
			Secure: true, Err: errors.New("the server does not offer STARTTLS")}}
	}
	if r, err = s.ask("STARTTLS"); err != nil || r.code != 220 {
		return s.failed(mail.OpTLS, r, err)
	}
	if err := s.StartTLS(ctx); err != nil {
		return &failure{op: mail.OpTLS, err: err}
	}
	return nil
}

// failed makes a failure of a step. A reply counts only where that is what err is about, or where there is
// no err.
func (s *session) failed(op mail.Op, r reply, err error) *failure {
	var refused *gosmtp.SMTPError
	if err != nil && !errors.As(err, &refused) {
		return &failure{op: op, host: s.host, err: err}
	}
	if refused != nil && r.code != refused.Code {
		r = refusal(refused)
	}
	if err == nil {
		err = errors.New(r.text)
	}
	if r.code < 400 || r.code > 599 { // an answer to another question
		err = fmt.Errorf("%q is no answer to that", r.text)
		return &failure{op: op, host: s.host, err: &wire.Error{Doing: "reading", Foreign: true, Err: err}}
	}
	return &failure{op: op, reply: r, host: s.host, err: err}
}

// refusal makes a reply again of what go-smtp made of one: after a failed AUTH it has asked something else
// since.
func refusal(e *gosmtp.SMTPError) reply {
	r := reply{code: e.Code, text: strconv.Itoa(e.Code)}
	if x := e.EnhancedCode; x[0] > 0 {
		r.enhanced = fmt.Sprintf("%d.%d.%d", x[0], x[1], x[2])
		r.text += " " + r.enhanced
	}
	r.text += " " + strings.ReplaceAll(e.Message, "\n", " ")
	return r
}

// drop closes a connection at once.
func (c *Client) drop(s *session) {
	s.Close()
	if c.kept == s {
		c.kept = nil
	}
}

// retire says QUIT in the background: Exim holds back its answer for 200 ms.
func (c *Client) retire(s *session) {
	if c.kept == s {
		c.kept = nil
	}
	c.quits.Go(func() {
		defer s.Close()
		ctx, cancel := context.WithTimeout(context.Background(), c.o.Times.Quit)
		defer cancel()
		defer s.Watch(ctx)()
		s.ask("QUIT") // whatever it says, this was the last word
	})
}

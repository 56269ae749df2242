package imap

import (
	"cmp"
	"context"
	"errors"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailretr/relay/imapconn"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// A Retriever opens sessions of one account, one at a time where Options.Memory is set, and watches it beside them. It is
// not copied once it was used.
type Retriever struct {
	Options
	came recency
}

// Open dials, secures the connection, logs in, and learns the state of each folder: that is the snapshot, by
// which [session.Glance] tells whether anything is new. With Memory all questions leave together with the
// login. A folder that cannot be opened is told to Observe and left out; that none can is an error. Errors
// are *mail.Trouble.
func (r *Retriever) Open(ctx context.Context) (mail.Maildrop, error) {
	o := r.Options
	if err := o.check(); err != nil {
		return nil, &mail.Trouble{Op: mail.OpConfig, Kind: mail.Local, Server: o.Dial.Address, Err: err}
	}
	o.Account = cmp.Or(o.Account, mail.AccountOf("imap", o.host(), o.User))
	if len(o.Folders) == 0 {
		o.Folders = []string{"INBOX"}
	}
	r.came.learn(o.Memory)
	s := newSession(&o)
	s.came = &r.came
	if err := s.ready(ctx, mail.OpDial); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	conn, err := wire.Dial(ctx, o.Dial)
	if err != nil {
		return nil, mail.TroubleOf(mail.OpDial, o.Dial.Address, err)
	}
	defer conn.Watch(ctx)()
	if err := s.start(ctx, conn); err != nil {
		conn.Abort(err)
		s.end()
		return nil, err
	}
	return s, nil
}

// start goes from a connection to a snapshot.
func (s *session) start(ctx context.Context, conn *wire.Conn) error {
	c := imapconn.New(conn, s.o.entry())
	preauth, err := c.Greet(ctx)
	if err == nil && !preauth {
		preauth, err = c.Authenticate(ctx)
	}
	if err != nil {
		return err
	}
	s.line = newLine(conn, s.o.Dial.Idle)
	s.line.Replay([]byte(c.Greeting(preauth)))
	s.coding()
	done := s.line.begin(chatter)
	hears := &imapclient.UnilateralDataHandler{Fetch: func(m *imapclient.FetchMessageData) { s.route(m) }}
	s.c = imapclient.New(s.line, &imapclient.Options{UnilateralDataHandler: hears})
	err = s.c.WaitGreeting()
	done()
	if err != nil {
		return s.trouble(mail.OpGreeting, err)
	}
	if !preauth {
		if err := s.login(c.Password); err != nil {
			return err
		}
	}
	if s.caps, err = s.capabilities(mail.OpLogin); err != nil {
		return err
	}
	s.coding()
	if err := s.names(ctx); err != nil {
		return err
	}
	return s.snapshot(ctx)
}

// prepare asks for the password before anybody is dialled.
func (s *session) prepare(ctx context.Context) error {
	e := s.o.entry()
	err := e.Prepare(ctx)
	s.o.Password = e.Password
	return err
}

// capabilities returns what the server can do, asking it if it did not say so by itself.
func (s *session) capabilities(op mail.Op) (goimap.CapSet, error) {
	defer s.line.begin(chatter)()
	if caps := s.c.Caps(); caps != nil {
		return caps, nil
	}
	return nil, s.trouble(op, errors.New("the server does not say what it can do"))
}

// login sends the LOGIN command, once: a second try with the same password only helps to lock the account.
func (s *session) login(password string) error {
	defer s.line.begin(chatter)()
	var cmd *imapclient.Command
	s.together(func() {
		s.line.Mask(true)
		cmd = s.c.Login(s.o.User, password)
		s.line.Mask(false)
		if m := s.o.Memory; m != nil && len(m.Caps) > 0 && len(s.folders) > 0 && !m.Introduce {
			s.early = s.outset(m)
		}
	})
	if err := cmd.Wait(); err != nil {
		if s.early != nil {
			s.early.wait() // refused as well
		}
		return imapconn.Redact(s.trouble(mail.OpLogin, err), password)
	}
	return nil
}

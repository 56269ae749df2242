package imap

import (
	"cmp"
	"context"
	"errors"
	"strings"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// A Retriever opens sessions of one account. Not for concurrent use where Options.Memory is set.
type Retriever struct{ Options }

// Open dials, secures the connection, logs in, and learns the state of each folder: that is the snapshot, by
// which [session.Glance] tells whether anything is new. With Memory all questions leave together with the
// login. A folder that cannot be opened is told to Observe and left out; that none can is an error. Errors are
// *mail.Trouble.
func (r *Retriever) Open(ctx context.Context) (mail.Maildrop, error) {
	o := r.Options
	if err := o.check(); err != nil {
		return nil, &mail.Trouble{Op: mail.OpConfig, Kind: mail.Local, Server: o.Dial.Address, Err: err}
	}
	o.Account = cmp.Or(o.Account, mail.AccountOf("imap", o.host(), o.User))
	if len(o.Folders) == 0 {
		o.Folders = []string{"INBOX"}
	}
	s := newSession(&o)
	if err := s.ready(ctx, mail.OpDial); err != nil {
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
	greeting, preauth, err := s.greet(ctx, conn)
	if err != nil {
		return err
	}
	s.line = newLine(conn, s.o.Dial.Idle)
	s.line.Replay([]byte(greeting))
	done := s.line.begin(chatter)
	s.c = imapclient.New(s.line, &imapclient.Options{
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Fetch: func(m *imapclient.FetchMessageData) { s.route(m) },
		},
	})
	err = s.c.WaitGreeting()
	done()
	if err != nil {
		return s.trouble(mail.OpGreeting, err)
	}
	if !preauth {
		if err := s.login(ctx); err != nil {
			return err
		}
	}
	if s.caps, err = s.capabilities(mail.OpLogin); err != nil {
		return err
	}
	return s.snapshot(ctx)
}

// capabilities returns what the server can do, asking it if it did not say so by itself.
func (s *session) capabilities(op mail.Op) (goimap.CapSet, error) {
	defer s.line.begin(chatter)()
	if caps := s.c.Caps(); caps != nil {
		return caps, nil
	}
	return nil, s.trouble(op, errors.New("the server does not say what it can do"))
}

// login tries one way, once: a second try with the same password only helps to lock the account.
func (s *session) login(ctx context.Context) error {
	caps, err := s.capabilities(mail.OpGreeting)
	if err != nil {
		return err
	}
	password, err := s.o.Password(ctx)
	if err == nil {
		err = clean("password", password)
	}
	if err == nil && password == "" {
		err = errors.New("the password is empty")
	}
	if err != nil {
		return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Local, Server: s.server(), Err: err,
			Hint: "The password could not be read here; the server was not asked."}
	}
	way, err := s.mechanism(caps, password)
	if err != nil {
		return err
	}
	defer s.line.begin(chatter)()
	if way == Plain {
		s.line.Mask(true)
		err = s.c.Authenticate(sasl.NewPlainClient("", s.o.User, password))
		s.line.Mask(false)
		return redact(s.trouble(mail.OpLogin, err), password)
	}
	s.line.Mask(true)
	cmd := s.c.Login(s.o.User, password)
	s.line.Mask(false)
	if s.o.Memory != nil && len(s.o.Memory.Caps) > 0 {
		s.early = s.outset(s.o.Memory)
	}
	if err := cmd.Wait(); err != nil {
		if s.early != nil {
			s.early.wait() // refused as well
		}
		return redact(s.trouble(mail.OpLogin, err), password)
	}
	return nil
}

// mechanism chooses the way to log in. Without TLS neither hides the password, so there is nothing to be
// talked down to: a connection that has to be secure is, at this point.
func (s *session) mechanism(caps goimap.CapSet, password string) (Auth, error) {
	plain := caps.Has(goimap.AuthCap(sasl.Plain))
	login := !caps.Has(goimap.CapLoginDisabled)
	switch s.o.Auth {
	case Login:
		plain = false
	case Plain:
		login = false
	}
	ascii := strings.IndexFunc(s.o.User+password, func(r rune) bool { return r > 0x7e }) < 0
	switch {
	case login && (ascii || !plain):
		return Login, nil
	case plain:
		return Plain, nil
	case !s.line.Secure():
		return 0, &mail.Trouble{Op: mail.OpLogin, Kind: mail.Insecure, Server: s.server(),
			Err:  errors.New("the server allows no login on a plain connection"),
			Hint: "Configure TLS. No password was sent."}
	}
	return 0, &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Server: s.server(),
		Err:  errors.New("the server offers no way to log in that we have"),
		Hint: "It may want OAuth; ask the provider for a password for programs."}
}

// redact takes the password out of what the server said: some quote the command they refuse.
func redact(t *mail.Trouble, password string) error {
	if t == nil {
		return nil
	}
	if len(password) >= 4 {
		t.Reply = strings.ReplaceAll(t.Reply, password, "***")
	}
	return t
}

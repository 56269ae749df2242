package signin

import (
	"context"
	"errors"
	"time"

	"mailretr/relay/imapconn"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// IMAP lets in who can log in at an IMAP server, the local one: whoever has a mailbox there has a password already.
type IMAP struct {
	Dial    wire.Options
	Auth    imapconn.Auth // Auto: the strongest that the server offers
	Domains []string      // of names: others are refused, and a name without one belongs to the first; nil: whatever was typed
}

// Check is Checker. The name goes to the server as it was typed.
func (i *IMAP) Check(ctx context.Context, user, password string) (Who, error) {
	owner, ok := addressed(user, i.Domains)
	if !ok {
		return Who{}, ErrRefused
	}
	err := i.login(ctx, user, password)
	var t *mail.Trouble
	switch {
	case err == nil:
		return Who{Name: owner, Owners: []string{owner}}, nil
	case errors.As(err, &t) && t.Op == mail.OpLogin && t.Kind == mail.Auth && t.Reply != "":
		return Who{}, ErrRefused
	}
	return Who{}, away(err)
}

// login logs in and out.
func (i *IMAP) login(ctx context.Context, user, password string) error {
	o := imapconn.Options{Dial: i.Dial, User: user, Auth: i.Auth,
		Password: func(context.Context) (string, error) { return password, nil }}
	o.Dial.Connect, o.Dial.Handshake, o.Dial.Idle, o.Dial.Reply = patience, patience, patience, patience
	if err := o.Check(); err != nil {
		return err
	}
	raw, err := wire.Dial(ctx, o.Dial)
	if err != nil {
		return err
	}
	defer raw.Watch(ctx)()
	err = enter(ctx, imapconn.New(raw, o))
	if err != nil {
		raw.Abort(err)
		return err
	}
	// The password was right, whatever the server says when we go.
	_ = raw.Close()
	return nil
}

// enter proves the password on a connection. A server that knows already who comes proves nothing.
func enter(ctx context.Context, c *imapconn.Conn) error {
	known, err := c.Greet(ctx)
	if err != nil {
		return err
	}
	if known {
		return errors.New("the server asks nobody for a password (PREAUTH)")
	}
	in, err := c.Authenticate(ctx)
	if err != nil {
		return err
	}
	if !in {
		if err := c.Login(); err != nil {
			return err
		}
	}
	c.SetIdle(time.Second)
	if c.Send(mail.OpQuit, "LOGOUT") == nil {
		_, _ = c.Until(mail.OpQuit, false, 4096, nil) // a BYE comes first; nothing depends on it
	}
	return nil
}

package smtp

import (
	"context"
	"errors"
	"strings"

	"mailretr/relay/sasl"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// login authenticates by the strongest mechanism that is offered (RFC 4954). The trace shows nothing of it.
func (c *Client) login(ctx context.Context, s *session) *failure {
	refuse := func(err error) *failure {
		var t *mail.Trouble
		if errors.As(err, &t) && t.Err != nil {
			err = t.Err // the rest of it is for the owner of a maildrop
		}
		return &failure{op: mail.OpLogin, err: err}
	}
	if c.o.Password == nil {
		return refuse(errors.New("no password is configured"))
	}
	password, err := c.o.Password(ctx)
	if err != nil {
		return refuse(err)
	}
	s.Hide(c.o.User, password)
	_, offered := s.smtp.Extension("AUTH")
	r := &sasl.Request{
		Offered: strings.Fields(strings.ToUpper(offered)), User: c.o.User, Secret: password,
		Channel: sasl.ChannelOf(s.Conn, s.secure.Blind(), s.secure.Mode == wire.Plain),
	}
	m, err := r.Choose()
	if err != nil {
		return refuse(err)
	}
	a, err := r.Begin(m)
	if err != nil {
		return refuse(err)
	}
	s.Mask(true)
	err = s.smtp.Auth(a)
	s.Mask(false)
	var t *mail.Trouble
	switch {
	case err == nil:
		err = a.Accepted()
	case !errors.As(err, &t):
		f := s.failed(mail.OpLogin, s.last(), err)
		f.reply.text = a.Redact(f.reply.text)
		return f
	}
	if err != nil {
		return refuse(err)
	}
	return nil
}

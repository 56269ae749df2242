package smtp

import (
	"context"
	"errors"
	"strings"

	"github.com/emersion/go-sasl"

	"mailretr/store/mail"
)

// login authenticates by PLAIN, or LOGIN where that is all there is (RFC 4954). The trace shows nothing of
// it.
func (c *Client) login(ctx context.Context, s *session) *failure {
	refuse := func(why string) *failure { return &failure{op: mail.OpLogin, err: errors.New(why)} }
	if c.o.Password == nil {
		return refuse("no password is configured")
	}
	password, err := c.o.Password(ctx)
	if err != nil {
		return &failure{op: mail.OpLogin, err: err}
	}
	if strings.ContainsRune(password, 0) {
		return refuse("the password holds a NUL")
	}
	var a sasl.Client
	switch {
	case s.smtp.SupportsAuth(sasl.Plain):
		a = sasl.NewPlainClient("", c.o.User, password)
	case s.smtp.SupportsAuth(sasl.Login):
		a = &login{answers: []string{c.o.User, password}}
	default:
		return refuse("the server offers neither AUTH PLAIN nor AUTH LOGIN")
	}
	s.Mask(true)
	err = s.smtp.Auth(a)
	s.Mask(false)
	if err != nil {
		return s.failed(mail.OpLogin, s.last(), err)
	}
	return nil
}

// A login answers the prompts of LOGIN in their order, whatever they say: go-sasl's insists on
// "Password:", and servers word it differently.
type login struct{ answers []string }

// Start names the mechanism; there is no initial response, which not every server takes.
func (l *login) Start() (mech string, ir []byte, err error) { return sasl.Login, nil, nil }

// Next answers a prompt.
func (l *login) Next([]byte) ([]byte, error) {
	if len(l.answers) == 0 {
		return nil, errors.New("the server asks for more than a user and a password")
	}
	b := []byte(l.answers[0])
	l.answers = l.answers[1:]
	return b, nil
}

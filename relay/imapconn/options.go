package imapconn

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mailretr/relay/sasl"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// An Auth says how to log in: one of these, or any of the mechanisms of relay/sasl.
type Auth string

const (
	Auto  Auth = ""      // the strongest that the server offers; the LOGIN command is as good as PLAIN
	Login Auth = "LOGIN" // the LOGIN command
	Plain Auth = Auth(sasl.Plain)
)

// Options say where the server is and who logs in.
type Options struct {
	Dial     wire.Options
	User     string
	Password func(context.Context) (string, error) // asked once per session, when the connection is secure
	Auth     Auth
	// Choosable: the configuration has an auth: for it, so that a hint may name it.
	Choosable bool
	Token     bool // Password is an access token of OAuth
}

// Check finds what must not reach a server.
func (o *Options) Check() error {
	if o.User == "" {
		return errors.New("no user is configured")
	}
	if o.Password == nil && o.Auth != Auth(sasl.External) {
		return errors.New("no password is configured")
	}
	return Clean("user", o.User)
}

// Clean refuses what would end a command and begin another (RFC 9051, 4.3: none of these octets fits into a quoted
// string). It does not show s, which may be a secret.
func Clean(what, s string) error {
	if strings.ContainsAny(s, "\r\n\x00") {
		return fmt.Errorf("%s has a CR, LF or NUL in it", what)
	}
	if len(s) > 4000 {
		return fmt.Errorf("%s is longer than 4000 octets", what)
	}
	return nil
}

// Prepare asks for the password before anybody is dialled: where it cannot be had, a visit costs nothing. Behind a
// command none may be needed, since there the server may know already who comes (PREAUTH).
func (o *Options) Prepare(ctx context.Context) error {
	if len(o.Dial.Command) > 0 {
		return nil
	}
	password, err := o.secret(ctx)
	if err != nil {
		return o.unread(err)
	}
	o.Password = func(context.Context) (string, error) { return password, nil }
	return nil
}

func (o *Options) unread(err error) *mail.Trouble {
	return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Local, Server: o.Dial.Address, Err: err,
		Hint: "The password could not be read here; the server was not asked."}
}

// secret asks for password or token.
func (o *Options) secret(ctx context.Context) (string, error) {
	if o.Auth == Auth(sasl.External) {
		return "", nil
	}
	password, err := o.Password(ctx)
	switch {
	case err != nil:
		return "", err
	case password == "":
		return "", errors.New("the password is empty")
	case o.Token:
		return password, nil
	}
	return password, Clean("password", password)
}

package imap

import (
	"context"
	"errors"
	"io"
	"strings"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/store/mail"
)

// verdicts says what a response code means for when to try again (RFC 5530, RFC 9051, 7.1).
var verdicts = map[string]struct {
	kind mail.Kind
	hint string
}{
	"AUTHENTICATIONFAILED": {mail.Auth, "User or password is wrong."},
	"AUTHORIZATIONFAILED":  {mail.Auth, "The account may not be used in this way."},
	"EXPIRED":              {mail.Auth, "The password has expired."},
	"CONTACTADMIN":         {mail.Auth, "Ask the provider: its administrator has to look at the account."},
	"PRIVACYREQUIRED":      {mail.Insecure, "The server wants TLS."},
	"INUSE":                {mail.Busy, ""},
	"UNAVAILABLE":          {mail.Busy, ""},
	"LIMIT":                {mail.Busy, ""},
	"SERVERBUG":            {mail.Busy, ""},
	"THROTTLED":            {mail.Busy, ""},
	"OVERQUOTA":            {mail.Busy, "The account is over its quota."},
	"NONEXISTENT":          {mail.Local, "The folder does not exist there; folder names are case sensitive."},
	"TRYCREATE":            {mail.Local, "The folder does not exist there; folder names are case sensitive."},
	"NOPERM":               {mail.Local, "The account has no right to do this."},
	"CANNOT":               {mail.Local, ""},
}

// judge makes the trouble of a status response that is not OK.
func judge(op mail.Op, server string, r reply) *mail.Trouble {
	t := &mail.Trouble{Op: op, Server: server, Reply: r.String()}
	v, known := verdicts[r.code]
	switch {
	case known:
		t.Kind, t.Hint = v.kind, v.hint
		if r.code == "CONTACTADMIN" && op != mail.OpLogin {
			t.Kind = mail.Busy
		}
	case r.word == "BYE":
		t.Kind = mail.Busy
	case r.word == "NO" && op == mail.OpLogin:
		t.Kind, t.Hint = mail.Auth, "User or password is wrong, or the provider wants a password for programs."
	case r.word == "NO" && op == mail.OpList:
		t.Kind, t.Hint = mail.Local, "The folder cannot be opened; folder names are case sensitive."
	default:
		t.Kind = mail.Protocol
	}
	return t
}

// refused is the trouble of a reply that we read ourselves.
func (s *session) refused(op mail.Op, r reply) *mail.Trouble { return judge(op, s.server(), r) }

// trouble makes a *mail.Trouble of an error of the library or the line. A status response keeps its words;
// where the connection broke, the line knows better than the library why; what is left is grammar.
func (s *session) trouble(op mail.Op, err error) *mail.Trouble {
	var t *mail.Trouble
	var said *goimap.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &t):
		return t
	case errors.As(err, &said):
		return judge(op, s.server(), reply{word: string(said.Type), code: strings.ToUpper(string(said.Code)),
			text: said.Text})
	}
	if s.line == nil { // before the library
		return mail.TroubleOf(op, s.server(), err)
	}
	bye, first := s.line.end()
	switch {
	case bye != "" && (first == nil || errors.Is(first, io.EOF)):
		r, _ := parseReply(bye)
		return judge(op, s.server(), r)
	case errors.Is(first, io.EOF):
		return &mail.Trouble{Op: op, Server: s.server(), Err: errors.New("the server closed the connection")}
	case first != nil:
		return mail.TroubleOf(op, s.server(), first)
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe):
		return &mail.Trouble{Op: op, Server: s.server(), Err: errors.New("the connection is closed")}
	}
	return &mail.Trouble{Op: op, Kind: mail.Protocol, Server: s.server(), Err: err}
}

// status says whether err is an answer of the server, after which the connection is still good.
func status(err error) bool {
	var said *goimap.Error
	return errors.As(err, &said)
}

func (s *session) server() string { return s.o.Dial.Address }

// alone is a trouble with one message.
func (s *session) alone(kind mail.Kind, said string, why string) *mail.Trouble {
	return &mail.Trouble{Op: mail.OpFetch, Kind: kind, Server: s.server(), Reply: said, Alone: true,
		Err: errors.New(why)}
}

// ready says whether something can be asked in this session.
func (s *session) ready(ctx context.Context, op mail.Op) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return s.err
	case s.closed:
		return &mail.Trouble{Op: op, Kind: mail.Local, Server: s.server(), Err: errors.New("the session is closed")}
	case ctx.Err() != nil:
		return &mail.Trouble{Op: op, Server: s.server(), Err: context.Cause(ctx)}
	}
	return nil
}

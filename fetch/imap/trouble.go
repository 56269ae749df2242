package imap

import (
	"context"
	"errors"
	"io"
	"strings"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/relay/imapconn"
	"mailretr/store/mail"
)

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
		return imapconn.Judge(op, s.server(), imapconn.Reply{
			Word: string(said.Type), Code: strings.ToUpper(string(said.Code)), Text: said.Text})
	}
	if s.line == nil { // before the library
		return mail.TroubleOf(op, s.server(), err)
	}
	bye, first := s.line.end()
	switch {
	case bye != "" && (first == nil || errors.Is(first, io.EOF)):
		r, _ := imapconn.ParseReply(bye)
		return imapconn.Judge(op, s.server(), r)
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

package pop3

import (
	"bytes"
	"context"
	"errors"

	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// A Retriever opens sessions of one maildrop. Safe for concurrent use as far as Password and Memory are;
// servers mostly allow one session at a time.
type Retriever struct{ Options }

// Open dials, secures the connection, logs in and reads the listing: as few turns as the server is known to
// allow. The error is a *mail.Trouble.
func (r *Retriever) Open(ctx context.Context) (mail.Maildrop, error) {
	o := r.Options
	server := o.Dial.Address
	password, err := o.credentials(ctx)
	if err != nil {
		return nil, &mail.Trouble{Op: mail.OpLogin, Kind: mail.Local, Server: server, Err: err,
			Hint: "Look at user and password of this maildrop in the configuration."}
	}
	conn, err := wire.Dial(ctx, o.Dial)
	if err != nil {
		return nil, dialling(server, err)
	}
	stop := conn.Watch(ctx)
	defer stop()
	s := &session{opts: &o, server: server, conn: conn}
	if err := s.begin(ctx, password); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func dialling(server string, err error) *mail.Trouble {
	t := mail.TroubleOf(mail.OpDial, server, err)
	if t.Kind == mail.Insecure {
		t.Op = mail.OpTLS
	}
	return t
}

// begin brings a new connection to the listing.
func (s *session) begin(ctx context.Context, password string) error {
	greeting, err := s.greet()
	if err != nil {
		return err
	}
	if s.opts.Dial.TLS.Mode == wire.StartTLS {
		if err := s.stls(ctx); err != nil {
			return err
		}
	}
	if !s.conn.Secure() && s.opts.Dial.TLS.Mode != wire.Plain {
		// Cannot happen; if it does, no word of a password.
		return insecure(s.server, errors.New("the connection is not encrypted"))
	}
	if s.link, err = newLink(s.conn, greeting); err != nil {
		return mail.TroubleOf(mail.OpGreeting, s.server, unexpected(err))
	}
	return s.login(greeting, password)
}

// greet reads the greeting (RFC 1939, 4).
func (s *session) greet() ([]byte, error) {
	line, err := s.conn.ReadLine(wire.MaxLine)
	if err != nil {
		t := mail.TroubleOf(mail.OpGreeting, s.server, unexpected(err))
		t.Hint = s.conn.Silent(err)
		return nil, t
	}
	line = bytes.Clone(line)
	if hint := wire.WrongPort("POP3", line); hint != "" {
		return nil, &mail.Trouble{Op: mail.OpGreeting, Kind: mail.Protocol, Server: s.server, Hint: hint,
			Err: &nonsense{stranger(line)}}
	}
	st, err := parseStatus(line)
	if err == nil && st.more {
		err = &nonsense{"the greeting is a continuation"}
	}
	if err != nil {
		return nil, mail.TroubleOf(mail.OpGreeting, s.server, err)
	}
	if !st.ok {
		return nil, refused(mail.OpGreeting, s.server, st, nil)
	}
	return line, nil
}

// stranger says what greets here that is no POP3 server. It shows a few octets only: whoever may name servers
// shall not read the banners of others.
func stranger(line []byte) string {
	if is := wire.Greeter(line); is != "" {
		return "no POP3 server but one of " + is + " answers"
	}
	return "the server greets with neither +OK nor -ERR: " + mail.Printable(string(line), 24)
}

// stls secures a plain connection (RFC 2595, 4). CAPA is not asked first: the answer could not be trusted,
// and costs a turn.
func (s *session) stls(ctx context.Context) error {
	if s.conn.Reader().Buffered() > 0 {
		return insecure(s.server, errors.New("the server spoke out of turn before STLS"))
	}
	if _, err := s.conn.Write([]byte("STLS\r\n")); err != nil {
		return mail.TroubleOf(mail.OpTLS, s.server, err)
	}
	line, err := s.conn.ReadLine(wire.MaxLine)
	if err != nil {
		return mail.TroubleOf(mail.OpTLS, s.server, unexpected(err))
	}
	st, err := parseStatus(line)
	switch {
	case err != nil:
		return insecure(s.server, err)
	case !st.ok:
		t := insecure(s.server, nil)
		t.Reply = string(bytes.Clone(line))
		return t
	}
	if err := s.conn.StartTLS(ctx); err != nil {
		t := mail.TroubleOf(mail.OpTLS, s.server, unexpected(err))
		return t
	}
	return nil
}

func insecure(server string, err error) *mail.Trouble {
	return &mail.Trouble{Op: mail.OpTLS, Kind: mail.Insecure, Server: server, Err: err,
		Hint: "The server does not encrypt here, so no password was sent. Try pop3s."}
}

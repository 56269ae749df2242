package smtpd

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"mailretr/store/mail"
)

// A session is the envelope under way, as the library builds it. With BDAT the library calls Data in a
// goroutine of its own, beside the commands that follow.
type session struct {
	*door
	user string // who has logged in; "": nobody

	mu   sync.Mutex
	env  mail.Envelope
	held int   // octets of the recipients
	size int64 // announced; -1: it was not
	utf8 bool
	tag  string // of the Received field: from whom, by which protocol
}

// answer is what a client is told.
func answer(code int, a, b, c int, format string, args ...any) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{a, b, c},
		Message: fmt.Sprintf(format, args...)}
}

// session is called by the library at the first HELO, EHLO or LHLO.
func (g *generation) session(c *smtp.Conn) (smtp.Session, error) {
	return &session{door: c.Conn().(*door)}, nil
}

// Reset forgets the envelope.
func (s *session) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.env, s.held, s.size, s.utf8 = mail.Envelope{}, 0, -1, false
}

// Logout is called at the end, and is nothing to us.
func (s *session) Logout() error { return nil }

// anybody says whether this client may send to anybody.
func (s *session) anybody() bool { return s.friend || s.user != "" }

// Mail begins a message.
func (s *session) Mail(from string, o *smtp.MailOptions) error {
	g := s.gen
	path := quoted(from)
	switch {
	case !s.anybody() && len(g.Domains) == 0 && g.Users != nil:
		return s.refuses(answer(530, 5, 7, 0, "log in first"), path, "")
	case !s.anybody() && len(g.Domains) == 0:
		return s.refuses(answer(550, 5, 7, 1, "you may not send mail here"), path, "")
	case path.Check() != nil:
		return s.refuses(answer(553, 5, 1, 7, "that is no address to send from"), path, "")
	case !path.ASCII() && !o.UTF8:
		return s.refuses(answer(553, 5, 6, 7, "such an address needs SMTPUTF8"), path, "")
	case o.Size > g.limits.Size:
		return s.refuses(answer(552, 5, 3, 4, "the message is larger than %d octets", g.limits.Size), path, "")
	case !s.anybody() && !s.srv.maySend(s.party(), g.limits.Rate, g.now()):
		return s.refuses(answer(450, 4, 7, 1, "more than %d messages in a minute", g.limits.Rate), path, "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.env = mail.Envelope{Reverse: path, EnvID: xtext(o.EnvelopeID), Ret: string(o.Return)}
	s.held, s.size, s.utf8 = 0, -1, o.UTF8
	if o.Size > 0 {
		s.size = o.Size
	}
	s.tag = s.provenance(o.UTF8)
	return nil
}

// Rcpt adds a recipient.
func (s *session) Rcpt(to string, o *smtp.RcptOptions) error {
	r := mail.Recipient{Forward: quoted(to), Notify: notify(o.Notify)}
	if r.Forward.Domain() == nowhere {
		r.Forward = "postmaster"
	}
	if o.OriginalRecipient != "" {
		r.Original = original(o.OriginalRecipientType, o.OriginalRecipient)
	}
	s.mu.Lock()
	env, utf8 := s.env, s.utf8
	s.mu.Unlock()
	switch g := s.gen; {
	case r.Forward.CheckForward() != nil:
		return s.refuses(answer(553, 5, 1, 3, "that is no address to send to"), env.Reverse, r.Forward)
	case !r.Forward.ASCII() && !utf8:
		return s.refuses(answer(553, 5, 6, 7, "such an address needs SMTPUTF8"), env.Reverse, r.Forward)
	case !s.anybody() && !g.takes(r.Forward):
		return s.refuses(answer(550, 5, 7, 1, "you may not send mail to that domain here"), env.Reverse, r.Forward)
	case !s.anybody() && strings.ContainsAny(r.Forward.Local(), "@%!"):
		// The next hop, which trusts us, may take what is before the last @ for an address to send on to.
		return s.refuses(answer(550, 5, 7, 1, "you may not send mail by way of that domain here"), env.Reverse, r.Forward)
	case g.Routed != nil && !g.Routed(env, r):
		return s.refuses(answer(550, 5, 1, 2, "no route leads to that address"), env.Reverse, r.Forward)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held += len(to) + len(o.OriginalRecipient); s.held > maxRecipients {
		return answer(452, 4, 5, 3, "the recipients are more than %d octets, send to the others next", maxRecipients)
	}
	s.env.Recipients = append(s.env.Recipients, r)
	return nil
}

// maxRecipients bounds the recipients of a message in octets: a thousand ordinary ones have a quarter of that, the
// longest that there are would take megabytes of each connection.
const maxRecipients = 256 << 10

// refuses tells of a refusal and returns it.
func (s *session) refuses(a *smtp.SMTPError, from, to mail.Path) error {
	s.srv.refused.Add(1)
	e := a.EnhancedCode
	s.gen.observe(mail.Event{Relay: s.name(), From: from, To: to, Text: "a client was refused",
		Enhanced: fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2]), Reply: fmt.Sprintf("%d %s", a.Code, a.Message)})
	return a
}

// Data gives a message to the queue. The nil error of the library has words of its own, so that acceptance
// is an error too: one with code 250.
func (s *session) Data(r io.Reader) error {
	s.mu.Lock()
	env, size, tag := s.env, s.size, s.tag
	s.mu.Unlock()
	g := s.gen
	if len(env.Recipients) == 0 { // the transaction was given up before we began
		return answer(503, 5, 5, 1, "there is no message to be sent")
	}
	m := &mail.Message{Envelope: env, Chosen: mail.NewID(g.now(), nil)}
	in, err := s.incoming(r, m, size, tag)
	if err != nil {
		return s.refuses(err, env.Reverse, "")
	}
	m.Content = in
	report := g.deliver(s.ctx, m)
	if !report.Done(len(env.Recipients)) {
		return s.failed(in, report, env.Reverse)
	}
	s.srv.taken.Add(1)
	g.observe(mail.Event{Relay: s.name(), ID: m.ID, From: env.Reverse, Messages: 1, Octets: in.octets(),
		Text: "a message was taken from a client"})
	return answer(250, 2, 0, 0, "queued as %s", m.ID)
}

// failed is the answer to a message that the queue does not have. What the client did wrong was found while
// it was read; anything else is ours, and is no business of the client.
func (s *session) failed(in *incoming, report mail.Report, from mail.Path) error {
	if in.checked.fault != nil {
		return s.refuses(in.checked.fault, from, "")
	}
	err := report.Of(0).Err
	a := answer(451, 4, 3, 0, "the message could not be stored, try again later")
	if err != nil && s.gen.Full != nil && s.gen.Full(err) {
		a = answer(452, 4, 3, 1, "there is no room for the message, try again later")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, smtp.ErrDataReset) {
		return a // the client has gone, or has changed its mind: nothing of ours went wrong
	}
	s.srv.refused.Add(1)
	s.gen.observe(mail.Event{Relay: s.name(), From: from, Text: "a message could not be taken", Err: err,
		Reply: fmt.Sprintf("%d %s", a.Code, a.Message)})
	return a
}

// AuthMechanisms are offered where nobody reads along.
func (s *session) AuthMechanisms() []string {
	if s.gen.Users == nil || !s.private() {
		return nil
	}
	return s.gen.Users.mechanisms()
}

// Auth begins a login.
func (s *session) Auth(mechanism string) (sasl.Server, error) {
	s.mu.Lock()
	under := len(s.env.Recipients) > 0 || !s.env.Reverse.Null()
	s.mu.Unlock()
	switch {
	case s.gen.Users == nil:
		return nil, answer(502, 5, 5, 1, "nobody can log in here")
	case !s.private():
		return nil, answer(538, 5, 7, 11, "that needs TLS")
	case under: // RFC 4954, 4
		return nil, answer(503, 5, 5, 1, "not within a message")
	case !s.srv.mayLogIn(s.party(), s.gen.now()):
		return nil, s.refuses(answer(454, 4, 7, 0, "too many logins have failed, come again later"), "", "")
	}
	e := s.exchange(strings.ToUpper(mechanism))
	if e == nil {
		return nil, answer(504, 5, 5, 4, "there is no such mechanism here")
	}
	return e, nil
}

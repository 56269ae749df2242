package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"mailretr/conf"
)

// A Line is a connection to the server, on which TLS may begin later. It has no deadlines of its own for a read that
// waits: it stays between two looks.
type Line interface {
	net.Conn
	// StartTLS shakes hands; it refuses octets that came before.
	StartTLS(context.Context) error
}

// A Dial reaches a server, by one of conf.LDAP's URLs. Where TLS begins at once, it has begun.
type Dial func(ctx context.Context, server string) (Line, error)

// A conn is a connection on which we are logged in.
type conn struct {
	*ldap.Conn
	line *framed
	from string // its URL
	used bool   // a question was answered on it
	sync bool   // the server says that it has RFC 4533
}

// oidSync is the request of RFC 4533.
const oidSync = "1.3.6.1.4.1.4203.1.9.1.1"

// connect reaches a server and logs in. secret is the password.
func connect(ctx context.Context, l *conf.LDAP, dial Dial, server, secret string, b bounds) (*conn, error) {
	line, err := dial(ctx, server)
	if err != nil {
		return nil, err
	}
	f := &framed{Line: line, left: maxAnswer, bounds: b}
	stop := context.AfterFunc(ctx, func() { line.Close() })
	defer stop()
	if l.TLS.Mode == conf.ModeStartTLS {
		if err := secure(ctx, f); err != nil {
			line.Close()
			return nil, err
		}
	}
	c := &conn{Conn: ldap.NewConn(f, l.TLS.Mode != conf.ModeNone), line: f, from: server}
	// The library's own time-out would drop entries that are not taken fast enough, and say nothing.
	c.Start()
	switch l.Bind {
	case "":
	case conf.External:
		err = c.ExternalBind()
	default:
		err = c.Bind(l.Bind, secret)
	}
	if err == nil {
		c.sync, err = announces(c, oidSync)
	}
	if err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// secure begins TLS (RFC 4511, 4.14). The library would do so too, but on a connection that it then reads by itself.
func secure(ctx context.Context, f *framed) error {
	p := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 1, ""))
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationExtendedRequest, nil, "")
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, "1.3.6.1.4.1.1466.20037", ""))
	p.AppendChild(op)
	if _, err := f.Write(p.Bytes()); err != nil {
		return err
	}
	m, err := f.message()
	if err != nil {
		return err
	}
	answer, err := ber.DecodePacketErr(m)
	if err != nil {
		return err
	}
	if len(answer.Children) < 2 || answer.Children[1].Tag != ldap.ApplicationExtendedResponse {
		return errors.New("the server says nothing sensible to STARTTLS")
	}
	if err := ldap.GetLDAPError(answer); err != nil {
		return fmt.Errorf("the server refuses STARTTLS, and without it nothing is asked: %w", err)
	}
	return f.StartTLS(ctx)
}

// announces says whether the server has a control. One that tells nobody may still be asked for maildrops.
func announces(c *conn, oid string) (bool, error) {
	r, err := c.Search(&ldap.SearchRequest{Scope: ldap.ScopeBaseObject, SizeLimit: 1, TimeLimit: timeLimit,
		Filter: "(objectClass=*)", Attributes: []string{"supportedControl"}})
	if err != nil && c.IsClosing() {
		return false, err
	}
	for _, e := range r.Entries {
		for _, v := range e.GetEqualFoldAttributeValues("supportedControl") {
			if v == oid {
				return true, nil
			}
		}
	}
	return false, nil
}

// end closes the connection. The line comes first: the library would wait for what cannot be written.
func (c *conn) end() {
	// What is said at its end helps nobody.
	_ = c.line.Close()
	_ = c.Conn.Close()
}

// told is an error whose text is without the password, on one line, and short: a server may say anything. What was told already
// keeps its text, which lacks another password then.
func told(err error, secret string) error {
	if err == nil {
		return nil
	}
	var e *ldap.Error
	text, hint := err.Error(), ""
	if f := (*failure)(nil); errors.As(err, &f) {
		return &failure{concealed(text, secret), err}
	}
	if errors.As(err, &e) && e.ResultCode < ldap.ErrorNetwork {
		text = fmt.Sprintf("the server says %d (%s)", e.ResultCode, ldap.LDAPResultCodeMap[e.ResultCode])
		if e.Err != nil && e.Err.Error() != "" {
			text += ": " + e.Err.Error()
		}
		hint = advice[e.ResultCode]
	}
	return &failure{printable(concealed(text, secret)) + hint, err}
}

// concealed is a text without a password. One of two characters would take all words apart.
func concealed(text, secret string) string {
	if len(secret) > 2 {
		return strings.ReplaceAll(text, secret, "***")
	}
	return text
}

// printable is a text on one line, and short.
func printable(text string) string {
	const most = 400
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return ' '
	}, text)
}

// A failure is an error that may be shown.
type failure struct {
	text string
	err  error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

// advice says what to do about some results.
var advice = map[uint16]string{
	ldap.LDAPResultSizeLimitExceeded: "; allow the DN of bind: to read all entries (OpenLDAP: olcLimits)",
	ldap.LDAPResultTimeLimitExceeded: "; allow the DN of bind: more time, or give the attributes of the filter an index",
	ldap.LDAPResultNoSuchObject:      "; look at base:, and at what the DN of bind: may see",
	ldap.LDAPResultReferral:          "; ask the server that has the entries: referrals are not followed",
}

// session is a connection that is made when it is needed.
type session struct {
	l    *conf.LDAP
	dial Dial
	bounds

	servers servers

	mu     sync.Mutex
	c      *conn
	secret string
}

// ask runs f on the connection, which may be closed when ctx ends. What fails on one that has waited since the last
// question is tried once more on another: servers close what is idle.
func (s *session) ask(ctx context.Context, f func(*conn) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		c, err := s.open(ctx)
		if err != nil {
			return told(err, s.secret)
		}
		c.line.left = maxAnswer
		stop := context.AfterFunc(ctx, func() { c.line.Close() })
		err = f(c)
		stop()
		waited := c.used
		c.used = true
		if err == nil {
			return nil
		}
		var e *ldap.Error // what the server says is no reason for another connection; all else is
		broken := c.IsClosing() || !errors.As(err, &e) || e.ResultCode >= ldap.ErrorNetwork
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if broken || ctx.Err() != nil {
			s.close()
		}
		if !broken || !waited || ctx.Err() != nil {
			return told(err, s.secret)
		}
	}
}

func (s *session) open(ctx context.Context) (*conn, error) {
	if s.c != nil && !s.c.IsClosing() {
		return s.c, nil
	}
	s.close()
	s.secret = ""
	if s.l.Password.Given() {
		secret, err := s.l.Password.Resolve(ctx)
		if err != nil {
			return nil, err
		}
		s.secret = secret
	}
	c, err := s.servers.reach(ctx, s.l, s.dial, s.secret, s.bounds)
	s.c = c
	return c, err
}

func (s *session) close() {
	if s.c != nil {
		s.c.end()
		s.c = nil
	}
}

// Server says which of several servers is asked, and what is wrong with those that should be; "" where there is one.
func (s *session) Server() (server, why string) {
	if list := s.l.URLs(); len(list) > 1 {
		return s.servers.state(list)
	}
	return "", ""
}

// home ends a connection with another server than the first one, so that it is asked again whether that is back.
func (s *session) home() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c != nil && s.c.from != s.l.URL {
		s.close()
	}
}

// Close ends the connection; the next question makes another.
func (s *session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close()
	return nil
}

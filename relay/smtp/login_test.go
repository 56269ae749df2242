package smtp

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// A backend is a server of the library that wants a login by one of these mechanisms.
type backend struct {
	sasl       fetchtest.SASL
	mechanisms []string
	used       *[]string
}

func (b backend) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return &loggedIn{backend: b}, nil }

type loggedIn struct {
	backend
	in bool
}

func (s *loggedIn) AuthMechanisms() []string { return s.mechanisms }

func (s *loggedIn) Auth(mechanism string) (sasl.Server, error) {
	*s.used = append(*s.used, mechanism)
	s.in = true // the library forgets it where the exchange fails
	return s.sasl.Server(mechanism), nil
}

func (s *loggedIn) Mail(string, *gosmtp.MailOptions) error {
	if !s.in {
		return gosmtp.ErrAuthRequired
	}
	return nil
}
func (s *loggedIn) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (s *loggedIn) Data(r io.Reader) error                 { _, err := io.Copy(io.Discard, r); return err }
func (s *loggedIn) Reset()                                 {}
func (s *loggedIn) Logout() error                          { return nil }

// TestR18_Mechanisms: the strongest that the MTA offers, and an MTA that proves nothing gets no mail.
func TestR18_Mechanisms(t *testing.T) {
	for _, c := range []struct {
		offered, want, password string
		broken, good            bool
	}{
		{offered: "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256", want: "SCRAM-SHA-256", password: "canary", good: true},
		{offered: "PLAIN CRAM-MD5", want: "CRAM-MD5", password: "canary", good: true}, // in clear text
		{offered: "LOGIN", want: "LOGIN", password: "canary", good: true},
		{offered: "PLAIN SCRAM-SHA-256", want: "SCRAM-SHA-256", password: "wrong"},
		{offered: "PLAIN SCRAM-SHA-256", want: "SCRAM-SHA-256", password: "canary", broken: true},
		{offered: "GSSAPI", password: "canary"},
	} {
		var used []string
		s := gosmtp.NewServer(backend{fetchtest.SASL{User: "jaco", Password: "canary", Broken: c.broken},
			strings.Fields(c.offered), &used})
		s.Domain, s.AllowInsecureAuth = "mta.test", true
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go s.Serve(l) // ends with Close; its error says only that
		client, err := New(Options{
			Dial:  []wire.Options{{Address: l.Addr().String(), TLS: wire.TLS{Mode: wire.Plain}}},
			Hello: "us.test", User: "jaco", Password: func(context.Context) (string, error) { return c.password, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		r := one(t, client.Deliver(t.Context(), message("x@y.example")))
		if (r.Outcome == mail.Delivered) != c.good || strings.Join(used, " ") != c.want {
			t.Errorf("%s: %+v by %q", c.offered, r, used)
		}
		if !c.good && (r.Outcome != mail.Deferred || r.Scope != mail.OfLane || r.After != mail.OpLogin) {
			t.Errorf("%s: a login that failed is not of the lane: %+v", c.offered, r)
		}
		client.Close()
		s.Close()
	}
}

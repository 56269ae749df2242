package imap

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/sasl"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

const token = "ya29.token-canary"

// offering is a server with TLS and these mechanisms, and who reaches it.
func offering(t *testing.T, mechanisms string) (*server, *Retriever) {
	ca := fetchtest.NewCA(t)
	s := newServer(t)
	s.auth, s.tls, s.sasl.Token = mechanisms, ca.Server("mail.example", nil), token
	s.put("INBOX", []byte("Subject: x\r\n\r\nbody\r\n"))
	r := s.over(wire.StartTLS, ca)
	r.After = Keep
	return s, r
}

// logins returns the commands that had to do with the login.
func (s *server) logins() (list []string) {
	for _, c := range s.said() {
		v, arg, _ := strings.Cut(c, " ")
		if m, _, _ := strings.Cut(arg, " "); v == "AUTHENTICATE" {
			list = append(list, v+" "+m)
		} else if v == "LOGIN" {
			list = append(list, v)
		}
	}
	return list
}

func TestR18_TheStrongest(t *testing.T) {
	for _, c := range []struct{ offered, want string }{
		{"PLAIN LOGIN", "LOGIN"}, // as good as PLAIN, and in one turn with the listing
		{"PLAIN CRAM-MD5", "LOGIN"},
		{"PLAIN SCRAM-SHA-1", "AUTHENTICATE SCRAM-SHA-1"},
		{"PLAIN SCRAM-SHA-1 SCRAM-SHA-256", "AUTHENTICATE SCRAM-SHA-256"},
		{"NTLM", "LOGIN"},
	} {
		s, r := offering(t, c.offered)
		x, err := collect(t.Context(), r)
		if got := s.logins(); err != nil || len(x.octets) != 1 || !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s: %q, %v", c.offered, got, err)
		}
	}
}

func TestEachMechanism(t *testing.T) {
	for _, m := range []sasl.Mechanism{sasl.Plain, sasl.Login, sasl.CRAMMD5, sasl.SCRAMSHA1, sasl.SCRAMSHA256,
		sasl.External, sasl.OAuthBearer, sasl.XOAuth2} {
		for _, caps := range []string{"IMAP4rev1", goodCaps} { // without SASL-IR, and with it
			s, r := offering(t, "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 EXTERNAL OAUTHBEARER XOAUTH2")
			s.caps = caps
			r.Auth, r.Token = Auth(m), m.Token()
			if r.Auth == Login {
				s.greeting, r.Auth = "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n", Auto
				s.on = func(c *client, tag, verb, _ string) bool {
					if verb == "CAPABILITY" {
						c.say("* CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=LOGIN\r\n%s OK done\r\n", tag)
					}
					return verb == "CAPABILITY"
				}
			}
			password := "secret-canary"
			if r.Token {
				password = token
			}
			r.Password = func(context.Context) (string, error) { return password, nil }
			x, err := collect(t.Context(), r)
			if got := s.logins(); err != nil || len(x.octets) != 1 || !slices.Equal(got, []string{"AUTHENTICATE " + string(m)}) {
				t.Errorf("%s: %q, %v", m, got, err)
			}
			if password = "wrong-canary"; m == sasl.External {
				continue
			}
			_, err = collect(t.Context(), r)
			kind(t, string(m), err, mail.Auth)
			var tr *mail.Trouble
			if errors.As(err, &tr) && (tr.Server == "" || strings.Contains(tr.Error()+tr.Reply, "canary")) {
				t.Errorf("%s: %+v", m, tr)
			}
		}
	}
}

func TestR18_ServerSignature(t *testing.T) {
	s, r := offering(t, "PLAIN SCRAM-SHA-256")
	s.sasl.Broken = true
	_, err := collect(t.Context(), r)
	kind(t, "signature", err, mail.Insecure)
	if s.saw("SELECT") || s.saw("EXAMINE") {
		t.Errorf("it went on: %q", s.said())
	}
}

func TestR18_Exchanges(t *testing.T) {
	for name, said := range map[string]string{
		"10 MB":     "+ " + strings.Repeat("QUFB", 10<<18) + "\r\n",
		"no base64": "+ !!!\r\n",
		"rounds":    "+ cj1hLHM9UVNYQ1IrUTZzZWs4YmY5MixpPTEwMDAwMDAwMDA=\r\n",
		"chatter":   strings.Repeat("* OK wait\r\n", 100000),
		"others":    "X OK in\r\n",
		"at once":   "TAG OK in\r\n",
	} {
		s, r := offering(t, "PLAIN SCRAM-SHA-256")
		s.on = func(c *client, tag, verb, _ string) bool {
			if verb == "AUTHENTICATE" {
				c.say("%s", strings.ReplaceAll(said, "TAG", tag))
			}
			return verb == "AUTHENTICATE"
		}
		_, err := collect(t.Context(), r)
		var tr *mail.Trouble
		if !errors.As(err, &tr) || tr.Kind != mail.Protocol && tr.Kind != mail.Insecure || len(s.logins()) != 1 {
			t.Errorf("%s: %v after %q", name, err, s.logins())
		}
		if s.saw("SELECT") || s.saw("EXAMINE") {
			t.Errorf("%s: it went on", name)
		}
	}
}

// TestTokenNeedsItsMechanism: a token is never sent as a password.
func TestTokenNeedsItsMechanism(t *testing.T) {
	s, r := offering(t, "PLAIN LOGIN")
	r.Token = true
	_, err := collect(t.Context(), r)
	kind(t, "no mechanism", err, mail.Auth)
	if len(s.logins()) > 0 {
		t.Errorf("sent %q", s.logins())
	}
}

// TestUnknownCapabilities: who does not say what it can do may not want a login in clear words, and gets none.
func TestUnknownCapabilities(t *testing.T) {
	s := newServer(t)
	s.greeting = "* OK ready\r\n"
	s.on = func(c *client, tag, verb, _ string) bool {
		if verb == "CAPABILITY" {
			c.say("%s OK done\r\n", tag)
		}
		return verb == "CAPABILITY"
	}
	_, err := collect(t.Context(), s.retriever(nil))
	kind(t, "no capabilities", err, mail.Protocol)
	equal(t, "logins", len(s.logins()), 0)
}

// TestUnreadPassword: where there is no password nobody is dialled, since each visit would pay for it.
func TestUnreadPassword(t *testing.T) {
	s := newServer(t)
	r := s.retriever(nil)
	r.Password = func(context.Context) (string, error) { return "", errors.New("the vault is shut") }
	dialled := 0
	r.Dial.DialContext = func(context.Context, string, string) (net.Conn, error) {
		dialled++
		return nil, errors.New("nobody is there")
	}
	_, err := r.Open(t.Context())
	for _, err := range []error{err, r.Watch(t.Context(), func() {})} {
		if x := kind(t, "no password", err, mail.Local); x.Op != mail.OpLogin || !strings.Contains(x.Error(), "vault") {
			t.Errorf("%+v", x)
		}
	}
	equal(t, "dialled", dialled, 0)
}

// TestH3_TraceOfLogins: the trace of no login has the secret, or what it can be made of.
func TestH3_TraceOfLogins(t *testing.T) {
	for _, m := range []sasl.Mechanism{"", sasl.Plain, sasl.CRAMMD5, sasl.SCRAMSHA256, sasl.OAuthBearer, sasl.XOAuth2} {
		s, r := offering(t, "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 OAUTHBEARER XOAUTH2")
		var log strings.Builder
		r.Dial.Trace = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		secret := "secret-canary"
		if r.Auth, r.Token = Auth(m), m.Token(); m == "" {
			r.Auth = Login
		}
		if r.Token {
			secret = token
		}
		r.Password = func(context.Context) (string, error) { return secret, nil }
		if _, err := collect(t.Context(), r); err != nil || len(s.logins()) != 1 {
			t.Fatal(m, err)
		}
		for _, hidden := range []string{"canary", "\x00jaco\x00" + secret, "user=jaco\x01auth=Bearer " + token} {
			form := strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(hidden)), "=")
			if strings.Contains(log.String(), hidden) || strings.Contains(log.String(), form) {
				t.Errorf("%s: %q is in the trace:\n%s", m, hidden, log.String())
			}
		}
		if !strings.Contains(log.String(), "***") {
			t.Errorf("%s: no trace: %s", m, log.String())
		}
	}
}

// TestCapabilitiesAfterLogin: what the server could before is not believed afterwards.
func TestCapabilitiesAfterLogin(t *testing.T) {
	s, r := offering(t, "PLAIN")
	r.Auth = Plain
	s.on = func(c *client, tag, verb, _ string) bool {
		if verb == "AUTHENTICATE" {
			c.say("%s OK in\r\n", tag)
		}
		return verb == "AUTHENTICATE"
	}
	if x, err := collect(t.Context(), r); err != nil || len(x.octets) != 1 {
		t.Fatal(err)
	}
	said := s.said()
	i := slices.IndexFunc(said, func(c string) bool { return strings.HasPrefix(c, "AUTHENTICATE") })
	if !slices.Contains(said[i:], "CAPABILITY") {
		t.Errorf("it was not asked again: %q", said)
	}
}

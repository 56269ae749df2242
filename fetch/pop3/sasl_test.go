package pop3

import (
	"encoding/base64"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/sasl"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

const token = "ya29.token-canary-that-is-long-enough-not-to-fit-into-the-255-octets-of-a-command-" +
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

// mechanisms is a server with TLS from the first octet and these mechanisms, and who reaches it.
func mechanisms(t *testing.T, names string) (*fetchtest.POP3, Options) {
	ca := fetchtest.NewCA(t)
	s := fetchtest.NewPOP3(t)
	s.TLS, s.Implicit, s.Token = ca.Server("pop.test", nil), true, token
	s.Caps = []string{"TOP", "UIDL", "USER", "PIPELINING", "SASL " + names}
	s.Put([]byte("Subject: x\r\n\r\nbody\r\n"))
	o := options(s, nil)
	o.Dial.TLS = wire.TLS{Mode: wire.Implicit, Roots: ca.Pool}
	return s, o
}

// login opens a session, reads its listing and returns the commands that had to do with the login.
func login(t *testing.T, s *fetchtest.POP3, o Options) (commands []string, err error) {
	t.Helper()
	s.Forget()
	d, err := (&Retriever{o}).Open(t.Context())
	if err == nil {
		if uids, _, err := d.List(t.Context()); err != nil || len(uids) != 1 {
			t.Errorf("listing: %v, %v", uids, err)
		}
		d.Close()
	}
	for _, l := range s.Log() {
		v, arg, _ := strings.Cut(l, " ")
		if m, _, _ := strings.Cut(arg, " "); v == "AUTH" {
			commands = append(commands, "AUTH "+m)
		} else if v == "USER" || v == "APOP" {
			commands = append(commands, v)
		}
	}
	return commands, err
}

func TestR18_TheStrongest(t *testing.T) {
	for _, c := range []struct{ offered, want string }{
		{"PLAIN LOGIN", "USER"}, // as good as PLAIN, and in one turn with the listing
		{"PLAIN LOGIN CRAM-MD5", "USER"},
		{"PLAIN CRAM-MD5 SCRAM-SHA-1", "AUTH SCRAM-SHA-1"},
		{"PLAIN SCRAM-SHA-1 SCRAM-SHA-256", "AUTH SCRAM-SHA-256"},
		{"NTLM", "USER"},
	} {
		s, o := mechanisms(t, c.offered)
		got, err := login(t, s, o)
		if err != nil || !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s: %q, %v", c.offered, got, err)
		}
	}
	s, o := mechanisms(t, "PLAIN LOGIN CRAM-MD5")
	s.TLS, s.Implicit, o.Dial.TLS = nil, false, wire.TLS{Mode: wire.Plain}
	if got, err := login(t, s, o); err != nil || !slices.Equal(got, []string{"AUTH CRAM-MD5"}) {
		t.Errorf("in clear text: %q, %v", got, err)
	}
}

func TestEachMechanism(t *testing.T) {
	for _, m := range []sasl.Mechanism{sasl.Plain, sasl.Login, sasl.CRAMMD5, sasl.SCRAMSHA1, sasl.SCRAMSHA256,
		sasl.External, sasl.OAuthBearer, sasl.XOAuth2} {
		s, o := mechanisms(t, "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 EXTERNAL OAUTHBEARER XOAUTH2")
		o.Auth, o.Token = Auth(m), m.Token()
		o.Memory = &memory{}
		if o.Token {
			o.Password = password(token)
		}
		for range 2 {
			if got, err := login(t, s, o); err != nil || !slices.Equal(got, []string{"AUTH " + string(m)}) {
				t.Errorf("%s: %q, %v", m, got, err)
			}
		}
		if n := s.Count("CAPA"); n != 0 {
			t.Errorf("%s: CAPA was asked again: %d", m, n)
		}
		s.Password, s.Token = "another", "another"
		if m == sasl.External {
			continue
		}
		got, err := login(t, s, o)
		tr, _ := err.(*mail.Trouble)
		if tr == nil || tr.Kind != mail.Auth || tr.Server != "pop.test:110" || len(got) != 1 {
			t.Errorf("%s refused: %q, %v", m, got, err)
		}
		if tr != nil && strings.Contains(tr.Reply+tr.Error(), "canary") {
			t.Errorf("%s: the token is shown: %v", m, tr)
		}
	}
}

// Microsoft takes the token only on a line of its own.
func TestTokenInTwoSteps(t *testing.T) {
	s, o := mechanisms(t, "PLAIN XOAUTH2")
	s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"AUTH": func(c *fetchtest.POP3Conn, arg string) bool {
		if arg != "XOAUTH2" {
			c.Say("-ERR Protocol error. Connection is closed. 10")
			return true
		}
		return false
	}}
	s.Token = "short"
	o.Token, o.Password = true, password(s.Token)
	if got, err := login(t, s, o); err != nil || !slices.Equal(got, []string{"AUTH XOAUTH2"}) {
		t.Errorf("%q, %v", got, err)
	}
	s, o = mechanisms(t, "PLAIN")
	o.Token, o.Password = true, password(token)
	got, err := login(t, s, o)
	if tr, _ := err.(*mail.Trouble); tr == nil || tr.Kind != mail.Auth || len(got) > 0 {
		t.Errorf("a token was used as a password: %q, %v", got, err)
	}
}

func TestR18_ServerSignature(t *testing.T) {
	s, o := mechanisms(t, "PLAIN SCRAM-SHA-256")
	s.Broken = true
	_, err := login(t, s, o)
	if tr, _ := err.(*mail.Trouble); tr == nil || tr.Kind != mail.Insecure || s.Count("STAT") > 0 {
		t.Errorf("%v, then %q", err, s.Log())
	}
}

func TestR18_Challenges(t *testing.T) {
	for name, said := range map[string]string{
		"10 MB":      "+ " + strings.Repeat("QUFB", 10<<18),
		"base64":     "+ !!!",
		"rounds":     "+ cj1hLHM9UVNYQ1IrUTZzZWs4YmY5MixpPTEwMDAwMDAwMDA=",
		"yes at one": "+OK come in",
	} {
		s, o := mechanisms(t, "PLAIN SCRAM-SHA-256")
		s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"AUTH": func(c *fetchtest.POP3Conn, _ string) bool {
			c.Say(said)
			return true
		}}
		got, err := login(t, s, o)
		tr, _ := err.(*mail.Trouble)
		if tr == nil || tr.Kind != mail.Protocol && tr.Kind != mail.Insecure || len(got) != 1 || s.Count("STAT") > 0 {
			t.Errorf("%s: %v after %q", name, err, got)
		}
	}
}

// TestH3_TraceOfLogins: the trace of no login has the secret, or what it can be made of.
func TestH3_TraceOfLogins(t *testing.T) {
	for _, m := range []sasl.Mechanism{"", sasl.Plain, sasl.Login, sasl.CRAMMD5, sasl.SCRAMSHA256, sasl.OAuthBearer,
		sasl.XOAuth2} {
		s, o := mechanisms(t, "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 OAUTHBEARER XOAUTH2")
		var log strings.Builder
		o.Dial.Trace = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		o.Auth, o.Token = Auth(m), m.Token()
		if s.Password = "password-canary"; m == "" {
			o.Auth = UserPass
		}
		o.Password = password(s.Password)
		if o.Token {
			o.Password = password(token)
		}
		if _, err := login(t, s, o); err != nil {
			t.Fatal(m, err)
		}
		secret := s.Password
		if o.Token {
			secret = token
		}
		for _, form := range []string{"canary", b64(secret), b64("\x00jaco\x00" + secret), b64("user=jaco\x01auth=Bearer " + token)} {
			if strings.Contains(log.String(), strings.TrimRight(form, "=")) {
				t.Errorf("%s: %q is in the trace:\n%s", m, form, log.String())
			}
		}
		if !strings.Contains(log.String(), "***") {
			t.Errorf("%s: no trace: %s", m, log.String())
		}
	}
}

// TestH3_TraceOfARefusedLogin: nor where the server quotes the command.
func TestH3_TraceOfARefusedLogin(t *testing.T) {
	var log strings.Builder
	s := fetchtest.NewPOP3(t)
	s.Caps = []string{"TOP", "UIDL", "USER"}
	s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"PASS": func(c *fetchtest.POP3Conn, arg string) bool {
		c.Say("-ERR what is PASS " + arg)
		return true
	}}
	o := options(s, nil)
	o.Auth = UserPass
	o.Password = password("password-canary")
	o.Dial.Trace = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if _, err := (&Retriever{o}).Open(t.Context()); err == nil {
		t.Fatal("it is in")
	}
	if text := log.String(); strings.Contains(text, "canary") || !strings.Contains(text, "what is PASS ***") {
		t.Error(text)
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

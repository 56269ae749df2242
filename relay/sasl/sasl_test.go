package sasl

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// A script is a carrier with a server that says what stands in it: S lines in turn. "OK" is its yes, "NO …"
// its no.
type script struct {
	says []string
	sent []string
}

func (s *script) Begin(m Mechanism, initial string) error {
	s.sent = append(s.sent, strings.TrimSpace(string(m)+" "+initial))
	return nil
}

func (s *script) Hear() (string, bool, error) {
	if len(s.says) == 0 {
		return "", false, errors.New("the script is over")
	}
	said := s.says[0]
	s.says = s.says[1:]
	switch {
	case said == "OK":
		return "", true, nil
	case strings.HasPrefix(said, "NO"):
		return "", false, &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Reply: said}
	}
	return said, false, nil
}

func (s *script) Answer(line string) error {
	s.sent = append(s.sent, line)
	return nil
}

func (s *script) Break() { s.sent = append(s.sent, "*") }

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// clear is a connection without TLS, as configured.
var clear = Channel{Clear: true}

func run(t *testing.T, r Request, m Mechanism, room int, says ...string) (*script, error) {
	t.Helper()
	r.Want = m
	chosen, err := r.Choose()
	if err != nil {
		t.Fatal(err)
	}
	e, err := r.Begin(chosen)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{says: says}
	return s, e.Run(s, room)
}

// TestVectors are the examples of the RFCs.
func TestVectors(t *testing.T) {
	nonce := func(s string) func() string { return func() string { return s } }
	for name, c := range map[string]struct {
		m    Mechanism
		r    Request
		room int
		says []string
		sent []string
	}{
		"RFC 5802, 5": {
			SCRAMSHA1, Request{User: "user", Secret: "pencil", Nonce: nonce("fyko+d2lbbFgONRv9qkxdawL")}, 1000,
			[]string{b64("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"),
				b64("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), "OK"},
			[]string{"SCRAM-SHA-1 " + b64("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"),
				b64("c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="), ""},
		},
		"RFC 7677, 3": {
			SCRAMSHA256, Request{User: "user", Secret: "pencil", Nonce: nonce("rOprNGfwEbeRWgbNEkqO")}, 0,
			[]string{"", b64("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
				b64("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), "OK"},
			[]string{"SCRAM-SHA-256", b64("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
				b64("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," +
					"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), ""},
		},
		"RFC 2195, 2": {
			CRAMMD5, Request{User: "tim", Secret: "tanstaaftanstaaf"}, 1000,
			[]string{"PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+", "OK"},
			[]string{"CRAM-MD5", "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"},
		},
		"RFC 4616, 4": {
			Plain, Request{User: "tim", Secret: "tanstaaftanstaaf"}, 1000,
			[]string{"OK"}, []string{"PLAIN " + b64("\x00tim\x00tanstaaftanstaaf")},
		},
		"RFC 7628, 4.1": {
			OAuthBearer, Request{User: "user@example.com", Secret: "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
				Host: "server.example.com", Port: 143}, 1000,
			[]string{"OK"},
			[]string{"OAUTHBEARER bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVy" +
				"IHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"},
		},
		"RFC 4422, A.4": {
			External, Request{User: "fred@example.com"}, 1000, []string{"OK"},
			[]string{"EXTERNAL " + b64("fred@example.com")},
		},
		"XOAUTH2": {
			XOAuth2, Request{User: "someuser@example.com", Secret: "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"}, 0,
			[]string{"", "OK"},
			[]string{"XOAUTH2", "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJo" +
				"ZG1semRHRXVZMjl0Q2cBAQ=="},
		},
		"LOGIN": {
			Login, Request{User: "tim", Secret: "tanstaaf"}, 1000, []string{b64("Wer?"), b64(""), "OK"},
			[]string{"LOGIN", b64("tim"), b64("tanstaaf")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.r.Channel = clear
			s, err := run(t, c.r, c.m, c.room, c.says...)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := strings.Join(s.sent, "\n"), strings.Join(c.sent, "\n"); got != want {
				t.Errorf("sent\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestR18_ServerMustProveItself(t *testing.T) {
	r := Request{User: "user", Secret: "pencil", Channel: clear, Nonce: func() string { return "rOprNGfwEbeRWgbNEkqO" }}
	first := b64("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
	for name, says := range map[string][]string{
		"wrong signature":    {first, b64("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), "OK"},
		"empty signature":    {first, b64("v="), "OK"},
		"no signature":       {first, "OK"},
		"yes at once":        {"OK"},
		"error, then yes":    {first, b64("e=other-error"), "OK"},
		"empty last message": {first, "", "OK"},
	} {
		s, err := run(t, r, SCRAMSHA256, 1000, says...)
		var trouble *mail.Trouble
		if !errors.As(err, &trouble) || trouble.Kind != mail.Insecure {
			t.Errorf("%s: %v after %q", name, err, s.sent)
		}
	}
	s, err := run(t, r, SCRAMSHA256, 1000, first, b64("e=invalid-proof"), "NO wrong")
	var trouble *mail.Trouble
	if !errors.As(err, &trouble) || trouble.Kind != mail.Auth || !strings.Contains(trouble.Reply, "invalid-proof") {
		t.Errorf("a refusal: %v after %q", err, s.sent)
	}
}

func TestR18_Nonsense(t *testing.T) {
	r := Request{User: "user", Secret: "secret-canary", Channel: clear, Nonce: func() string { return "abc" }}
	long := strings.Repeat("x", maxChallenge+1)
	for name, c := range map[string]struct {
		m    Mechanism
		says []string
	}{
		"a thousand million rounds": {SCRAMSHA256, []string{b64("r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000000000")}},
		"more than an integer":      {SCRAMSHA256, []string{b64("r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999999")}},
		"negative":                  {SCRAMSHA256, []string{b64("r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-5")}},
		"one round":                 {SCRAMSHA1, []string{b64("r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1")}},
		"another nonce":             {SCRAMSHA1, []string{b64("r=xyz,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")}},
		"an extension":              {SCRAMSHA1, []string{b64("m=x,r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")}},
		"no base64":                 {CRAMMD5, []string{"!!!"}},
		"no base64 in SCRAM":        {SCRAMSHA256, []string{"r=abc"}},
		"an empty challenge":        {CRAMMD5, []string{""}},
		"a large one":               {CRAMMD5, []string{b64(long)}},
		"three prompts":             {Login, []string{b64("a"), b64("b"), b64("c")}},
		"asks of PLAIN":             {Plain, []string{b64("what?")}},
		"refuses twice":             {XOAuth2, []string{b64(`{"status":"400"}`), b64(`{"status":"400"}`)}},
		"asks of EXTERNAL":          {External, []string{b64("who?"), b64("who?")}},
	} {
		began := time.Now()
		s, err := run(t, r, c.m, 1000, append(c.says, "NO")...)
		var trouble *mail.Trouble
		if !errors.As(err, &trouble) || trouble.Kind != mail.Protocol || s.sent[len(s.sent)-1] != "*" {
			t.Errorf("%s: %v after %q", name, err, s.sent)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: shows the password: %v", name, err)
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("%s: took %v", name, d)
		}
	}
}

// TestBindingRefused: the way out is told.
func TestBindingRefused(t *testing.T) {
	r := Request{User: "user", Secret: "pencil", Channel: clear, Nonce: func() string { return "rOprNGfwEbeRWgbNEkqO" }}
	first := b64("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
	_, err := run(t, r, SCRAMSHA256, 1000, first, b64("e=unsupported-channel-binding-type"), "NO")
	var trouble *mail.Trouble
	if !errors.As(err, &trouble) || !strings.Contains(trouble.Hint, "auth: scram-sha-256") {
		t.Errorf("%v", err)
	}
}

// TestH4_TokenRefused: the reason is told, the exchange ended as the mechanism wants, and the token is shown
// nowhere.
func TestH4_TokenRefused(t *testing.T) {
	const canary = "ya29.token-canary"
	for m, answer := range map[Mechanism]string{XOAuth2: "", OAuthBearer: b64("\x01")} {
		r := Request{User: "u", Secret: canary, Channel: clear}
		why := b64(`{"status":"invalid_token","scope":"https://mail.example/ ` + canary + `"}`)
		s, err := run(t, r, m, 1000, why, "NO [AUTHENTICATIONFAILED] "+canary+" "+b64(canary))
		var trouble *mail.Trouble
		if !errors.As(err, &trouble) || trouble.Kind != mail.Auth || trouble.Hint == "" {
			t.Fatal(m, err)
		}
		if !strings.Contains(trouble.Reply, "invalid_token") || strings.Contains(trouble.Reply, canary) ||
			strings.Contains(trouble.Reply, b64(canary)) {
			t.Errorf("%s: %q", m, trouble.Reply)
		}
		if got := s.sent[len(s.sent)-1]; got != answer {
			t.Errorf("%s: answered %q, want %q", m, got, answer)
		}
	}
}

func TestR18_NoDowngrade(t *testing.T) {
	private := Channel{State: &tls.ConnectionState{}}
	blind := Channel{State: &tls.ConnectionState{}, Blind: true}
	for _, c := range []struct {
		offered string
		token   bool
		ch      Channel
		want    Mechanism
		kind    mail.Kind // Unreachable: no error
	}{
		{"PLAIN LOGIN", false, Channel{}, "", mail.Insecure},
		{"XOAUTH2", true, Channel{}, "", mail.Insecure},
		{"PLAIN CRAM-MD5", false, Channel{}, CRAMMD5, 0},
		{"PLAIN scram-sha-1", false, Channel{}, SCRAMSHA1, 0},
		{"PLAIN LOGIN", false, clear, Plain, 0},
		{"PLAIN CRAM-MD5 LOGIN", false, clear, CRAMMD5, 0},
		{"PLAIN CRAM-MD5 LOGIN", false, blind, CRAMMD5, 0},
		{"PLAIN CRAM-MD5 LOGIN", false, private, Plain, 0},
		{"LOGIN CRAM-MD5", false, private, Login, 0},
		{"PLAIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS", false, private, SCRAMSHA256, 0}, // nothing to bind to
		{"PLAIN XOAUTH2 OAUTHBEARER", true, private, OAuthBearer, 0},
		{"PLAIN XOAUTH2", true, private, XOAuth2, 0},
		{"PLAIN", true, private, "", mail.Auth},
		{"NTLM GSSAPI", false, private, "", mail.Auth},
		{"NTLM GSSAPI", false, clear, "", mail.Insecure},
		{"", false, private, "", mail.Auth},
	} {
		r := Request{Offered: strings.Fields(c.offered), Token: c.token, Channel: c.ch}
		m, err := r.Choose()
		var trouble *mail.Trouble
		if errors.As(err, &trouble); m != c.want || (err != nil) != (c.kind != 0) ||
			trouble != nil && trouble.Kind != c.kind {
			t.Errorf("%q, %+v: %q, %v", c.offered, c.ch, m, err)
		}
	}
	for offered, want := range map[string]Mechanism{
		"PLAIN LOGIN CRAM-MD5": "", "CRAM-MD5": "", "SCRAM-SHA-1": SCRAMSHA1, "": "",
	} {
		r := Request{Offered: strings.Fields(offered), Native: true, Channel: private}
		if m, err := r.Choose(); m != want || err != nil {
			t.Errorf("native, %q: %q, %v", offered, m, err)
		}
		r.Channel = Channel{}
		if m, err := r.Choose(); m == "" && err == nil {
			t.Errorf("native, %q: the password in clear text", offered)
		}
	}
	for want, kind := range map[Mechanism]mail.Kind{Plain: mail.Insecure, CRAMMD5: mail.Auth, SCRAMSHA1Plus: mail.Local} {
		_, err := (&Request{Offered: []string{"SCRAM-SHA-1"}, Want: want}).Choose()
		var trouble *mail.Trouble
		if !errors.As(err, &trouble) || trouble.Kind != kind {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestCredentialsThatCannotBeSent(t *testing.T) {
	for _, r := range []Request{
		{User: "", Secret: "x"}, {User: "x", Secret: ""}, {User: "a\x00b", Secret: "x"}, {User: "x", Secret: "a\r\nb"},
		{User: "x", Secret: "a\x01b"}, {User: "x", Secret: strings.Repeat("x", maxSecret+1)},
	} {
		for _, m := range []Mechanism{Plain, SCRAMSHA256, XOAuth2, "KERBEROS_V4"} {
			_, err := r.Begin(m)
			var trouble *mail.Trouble
			if !errors.As(err, &trouble) || trouble.Kind != mail.Local {
				t.Errorf("%s %.20q %.20q: %v", m, r.User, r.Secret, err)
			}
		}
	}
}

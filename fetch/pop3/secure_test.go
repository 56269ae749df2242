package pop3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// trouble opens a session that has to fail, with the listing at the latest, and returns why.
func trouble(t *testing.T, o Options) *mail.Trouble {
	t.Helper()
	d, err := (&Retriever{o}).Open(t.Context())
	if err == nil {
		_, _, err = d.List(t.Context())
		d.Close()
	}
	if err == nil {
		t.Fatal("Open and List went well")
	}
	var tr *mail.Trouble
	if !errors.As(err, &tr) {
		t.Fatalf("%T is no Trouble: %v", err, err)
	}
	if strings.ContainsAny(tr.Error(), "\r\n\x00\x1b") || len(tr.Error()) > 1024 {
		t.Errorf("not fit for a log: %q", tr.Error())
	}
	return tr
}

// silent fails when a credential, or a mechanism, was said to the server.
func silent(t *testing.T, s *fetchtest.POP3) {
	t.Helper()
	for _, l := range s.Log() {
		for _, w := range []string{"USER", "PASS", "AUTH", "APOP", "jaco", "secret"} {
			if strings.Contains(l, w) {
				t.Errorf("the server saw %q", l)
			}
		}
	}
}

type behaviour = func(c *fetchtest.POP3Conn, arg string) bool

func says(lines string) behaviour {
	return func(c *fetchtest.POP3Conn, _ string) bool { c.Raw(lines); return true }
}

func cuts(c *fetchtest.POP3Conn, _ string) bool { c.Cut(); return true }

// secured returns a server with STLS and options that require it.
func secured(t *testing.T) (*fetchtest.POP3, Options) {
	ca := fetchtest.NewCA(t)
	s := fetchtest.NewPOP3(t)
	s.TLS = ca.Server("pop.test", nil)
	o := options(s, nil)
	o.Dial.TLS = wire.TLS{Mode: wire.StartTLS, Roots: ca.Pool}
	return s, o
}

func TestR1_NoSTLS(t *testing.T) {
	for name, f := range map[string]behaviour{
		"refused":      says("-ERR unknown command\r\n"),
		"BAD":          says("T1 BAD what\r\n"),
		"empty line":   says("\r\n"),
		"end":          cuts,
		"garbage":      says("+OK go on\r\nthis is no handshake at all, nor will it be one\r\n"),
		"continuation": says("+ go on\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			s, o := secured(t)
			s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"STLS": f}
			tr := trouble(t, o)
			if name != "end" && (tr.Kind != mail.Insecure || tr.Op != mail.OpTLS) {
				t.Errorf("%v while %v, want tls: %v", tr.Kind, tr.Op, tr)
			}
			silent(t, s)
		})
	}
}

func TestR1_RememberedServerLosesSTLS(t *testing.T) {
	s, o := secured(t)
	m := &memory{}
	o.Memory = m
	d, err := (&Retriever{o}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	s.Forget()
	s.TLS = nil
	if tr := trouble(t, o); tr.Kind != mail.Insecure {
		t.Errorf("%v: %v", tr.Kind, tr)
	}
	silent(t, s)
}

func TestR2_ResponseInjection(t *testing.T) {
	for name, more := range map[string]string{
		"status": "+OK evil\r\n", "capa": "+OK\r\nPIPELINING\r\n.\r\n", "half": "+",
	} {
		t.Run(name, func(t *testing.T) {
			s, o := secured(t)
			s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"STLS": says("+OK begin\r\n" + more)}
			if tr := trouble(t, o); tr.Kind != mail.Insecure {
				t.Errorf("%v: %v", tr.Kind, tr)
			}
			silent(t, s)
		})
	}
}

func TestR3_RepliesBeforeCommands(t *testing.T) {
	s, o := secured(t)
	s.On = map[string]func(*fetchtest.POP3Conn, string) bool{
		"CONNECT": says("+OK hello\r\n" + strings.Repeat("+OK\r\n", 9))}
	if tr := trouble(t, o); tr.Kind != mail.Insecure {
		t.Errorf("%v: %v", tr.Kind, tr)
	}
	silent(t, s)
}

func TestR18_TimestampOfAPOP(t *testing.T) {
	for stamp, good := range map[string]bool{
		"ready <1896.697170952@dbc.mtview.ca.us>": true,
		"ready":                                  false,
		"<>":                                     false,
		"<@>":                                    false,
		"<no-at-sign>":                           false,
		"<a@b@c>":                                false,
		"<a b@c>":                                false,
		"<a@b":                                   false,
		"<a\x00@b>":                              false,
		"<a\xff\x80@b>":                          false,
		"<\x01\x02@\x03>":                        false,
		"<a\"@b>":                                false,
		"x> <" + strings.Repeat("a", 70) + "@b>": true,
	} {
		got, err := timestamp([]byte("+OK " + stamp))
		if (err == nil) != good {
			t.Errorf("%q: %q, %v", stamp, got, err)
		}
	}
}

func TestR18_APOP(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	s.Greeting = "<1896.697170952@dbc.mtview.ca.us>"
	o := options(s, nil)
	o.Auth = APOP
	d, err := (&Retriever{o}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	if s.Count("USER") > 0 || s.Count("APOP") != 1 {
		t.Errorf("commands: %q", s.Log())
	}
	s.Greeting = "no timestamp"
	s.Forget()
	if tr := trouble(t, o); tr.Kind != mail.Protocol {
		t.Errorf("%v: %v", tr.Kind, tr)
	}
	silent(t, s)
	s.Greeting = "<1896.697170952@dbc.mtview.ca.us>"
	s.Caps = append(s.Caps, "SASL CRAM-MD5")
	o.Auth = Auto
	if d, err = (&Retriever{o}).Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if s.Count("APOP") > 0 {
		t.Error("APOP was used though nobody asked for it")
	}
}

// A refused way to log in is never followed by a weaker one.
func TestR18_NoDowngrade(t *testing.T) {
	for _, a := range []Auth{Auto, UserPass, APOP, Plain} {
		s := fetchtest.NewPOP3(t)
		s.Greeting = "<1@b>"
		s.Password = "another"
		o := options(s, nil)
		o.Auth = a
		tr := trouble(t, o)
		if tr.Kind != mail.Auth {
			t.Errorf("%v: %v", tr.Kind, tr)
		}
		if n := s.Count("PASS") + s.Count("APOP") + s.Count("AUTH"); n != 1 {
			t.Errorf("auth %q: %d attempts: %q", a, n, s.Log())
		}
	}
}

func TestR18_OnlySASL(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	s.Caps = []string{"TOP", "UIDL", "SASL PLAIN"}
	o := options(s, nil)
	o.Password = password(strings.Repeat("long", 60)) // too long for an initial response
	s.Password = strings.Repeat("long", 60)
	d, err := (&Retriever{o}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	if s.Count("AUTH") != 1 || s.Count("USER") > 0 {
		t.Errorf("commands: %q", s.Log())
	}
}

func TestR19_Certificates(t *testing.T) {
	ca, other := fetchtest.NewCA(t), fetchtest.NewCA(t)
	past := time.Now().Add(-time.Hour)
	for name, c := range map[string]*tls.Config{
		"wrong name":  ca.Server("evil.test", nil),
		"expired":     ca.Server("pop.test", func(c *x509.Certificate) { c.NotAfter = past }),
		"other CA":    other.Server("pop.test", nil),
		"client auth": ca.Server("pop.test", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }),
		"only CN":     ca.Server("pop.test", func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "pop.test" }),
	} {
		for _, mode := range []wire.Mode{wire.StartTLS, wire.Implicit} {
			s := fetchtest.NewPOP3(t)
			s.TLS, s.Implicit = c, mode == wire.Implicit
			o := options(s, nil)
			o.Dial.TLS = wire.TLS{Mode: mode, Roots: ca.Pool}
			if tr := trouble(t, o); tr.Kind != mail.Insecure {
				t.Errorf("%s: %v: %v", name, tr.Kind, tr)
			}
			silent(t, s)
		}
	}
}

func TestR20_Credentials(t *testing.T) {
	for _, x := range [][2]string{
		{"jaco\r\nDELE 1", "secret"}, {"jaco", "secret\r\nDELE 1"}, {"ja\nco", "x"}, {"jaco", "a\rb"},
		{"jaco", "a\x00b"}, {"", "x"}, {"jaco", ""}, {"jaco", strings.Repeat("x", 2000)},
	} {
		s := fetchtest.NewPOP3(t)
		o := options(s, nil)
		o.User, o.Password = x[0], password(x[1])
		if tr := trouble(t, o); tr.Kind != mail.Local || strings.Contains(tr.Error(), "secret") {
			t.Errorf("%q: %v: %v", x, tr.Kind, tr)
		}
		if len(s.Log()) > 0 {
			t.Errorf("%q: the server saw %q", x, s.Log())
		}
	}
	s := fetchtest.NewPOP3(t)
	s.User, s.Password = `ja"co\ {5+}`, " \"ü{5+}\\ "
	for _, a := range []Auth{UserPass, Plain} {
		o := options(s, nil)
		o.User, o.Password, o.Auth = s.User, password(s.Password), a
		d, err := (&Retriever{o}).Open(t.Context())
		if err != nil {
			t.Fatalf("auth %q: %v", a, err)
		}
		d.Close()
	}
}

// The password is asked for at each login, and an error of it reaches the owner.
func TestPasswordAtLogin(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	o := options(s, nil)
	n := 0
	gone := errors.New("the file is gone")
	o.Password = func(context.Context) (string, error) { n++; return "secret", nil }
	for range 2 {
		d, err := (&Retriever{o}).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d.Close()
	}
	if n != 2 {
		t.Errorf("asked %d times for two logins", n)
	}
	o.Password = func(context.Context) (string, error) { return "", gone }
	if tr := trouble(t, o); tr.Kind != mail.Local || !errors.Is(tr, gone) {
		t.Errorf("%v: %v", tr.Kind, tr)
	}
}

// Servers without codes say it in prose. Most of these are what servers that are, or were, common say.
func TestR23_Prose(t *testing.T) {
	for text, want := range map[string]mail.Kind{
		"Authentication failed.": mail.Auth, // Dovecot
		"Login failed.":          mail.Auth, // Courier
		"Logon failure: unknown user name or bad password.":                                 mail.Auth, // Exchange
		"Password supplied for \"jaco\" is incorrect.":                                      mail.Auth, // qpopper
		"authorization failed":                                                              mail.Auth,
		"invalid user name or password":                                                     mail.Auth,
		"Mailbox unknown, or bad password":                                                  mail.Auth,
		"account is locked, too many failed logins":                                         mail.Auth,
		"[AUTH] (#MBR1240) Please verify your account":                                      mail.Auth,
		"[SYS/PERM] Your account is not enabled for POP access.":                            mail.Auth,
		"POP3 access is disabled for your domain":                                           mail.Auth,
		"invalid password, please try again":                                                mail.Auth,
		"Temporary authentication failure, password not checked":                            mail.Busy,
		"maildrop already locked":                                                           mail.Busy, // RFC 1939
		"/var/mail/.jaco.pop lock busy! Is another session active? (11)":                    mail.Busy, // qpopper
		"Unable to lock maildrop: Mailbox is locked by POP server":                          mail.Busy, // Cyrus
		"Can't lock INBOX":                                                                  mail.Busy,
		"Lock error":                                                                        mail.Busy,
		"Mailbox is in use by another process":                                              mail.Busy,
		"Server Unavailable. 21":                                                            mail.Busy, // Exchange
		"The specified server is not currently available.":                                  mail.Busy,
		"login allowed only every 15 minutes":                                               mail.Busy, // Hotmail
		"Exceeded the login limit for a 15 minute period. Reduce the frequency of requests": mail.Busy,
		"Minimum interval between logins is 5 minutes":                                      mail.Busy,
		"Server error - Please try again later.":                                            mail.Busy, // Yahoo
		"too many concurrent sessions":                                                      mail.Busy,
		"Maximum number of connections exceeded, please wait":                               mail.Busy,
		"internal error: cannot open mailbox":                                               mail.Busy,
		"Temporary problem, please try later":                                               mail.Busy,
	} {
		tr := refused(mail.OpLogin, "s", status{text: text}, nil)
		if tr.Kind != want || tr.Kind == mail.Auth && tr.Hint == "" {
			t.Errorf("%q: %v, want %v; %q", text, tr.Kind, want, tr.Hint)
		}
		if strings.Contains(text, "POP") && want == mail.Auth && !strings.Contains(tr.Hint, "Switch on POP3") {
			t.Errorf("%q: %q", text, tr.Hint)
		}
	}
}

func TestR23_Refusals(t *testing.T) {
	for reply, want := range map[string]mail.Kind{
		"-ERR [AUTH] no":                         mail.Auth,
		"-ERR wrong password":                    mail.Auth,
		"-ERR":                                   mail.Auth,
		"-ERR account locked":                    mail.Auth,
		"-ERR [AUTH] mailbox locked":             mail.Auth,
		"-ERR [IN-USE] do you have another one?": mail.Busy,
		"-ERR [in-use] lower case":               mail.Busy,
		"-ERR maildrop already locked":           mail.Busy,
		"-ERR [LOGIN-DELAY 90] slow down":        mail.Busy,
		"-ERR [SYS/TEMP] later":                  mail.Busy,
		"-ERR [SYS/PERM] broken":                 mail.Busy,
		"-ERR [UNHEARD-OF] no":                   mail.Auth,
		"+ what":                                 mail.Protocol,
		"":                                       mail.Protocol,
		"OK":                                     mail.Protocol,
		"+OKAY":                                  mail.Protocol,
	} {
		for _, caps := range [][]string{{"PIPELINING", "USER"}, {"USER"}, nil} {
			s := fetchtest.NewPOP3(t)
			s.Caps = caps
			s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"PASS": says(reply + "\r\n")}
			tr := trouble(t, options(s, nil))
			if tr.Kind != want || tr.Op != mail.OpLogin {
				t.Errorf("%q: %v while %v, want %v: %v", reply, tr.Kind, tr.Op, want, tr)
			}
			if s.Count("PASS") != 1 {
				t.Errorf("%q: %d attempts", reply, s.Count("PASS"))
			}
			if strings.Contains(reply, "DELAY") && tr.After != 90*time.Second {
				t.Errorf("asked to wait %v", tr.After)
			}
		}
	}
}

func TestR23_DelayOfCAPA(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	s.Caps = append(s.Caps, "LOGIN-DELAY 900 USER")
	s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"PASS": says("-ERR [LOGIN-DELAY] no\r\n")}
	if tr := trouble(t, options(s, nil)); tr.After != 15*time.Minute {
		t.Errorf("asked to wait %v", tr.After)
	}
}

// CAPA is asked again behind the login where it may say more there.
func TestCAPABehindTheLogin(t *testing.T) {
	for _, x := range []struct {
		caps string
		want int
	}{
		{"TOP UIDL PIPELINING", 1},
		{"TOP UIDL", 2},
		{"UIDL PIPELINING", 2},
		{"TOP PIPELINING", 2},
		{"TOP UIDL PIPELINING/EXPIRE 30 USER", 2},
		{"TOP UIDL PIPELINING/LOGIN-DELAY 60 USER", 2},
		{"TOP UIDL PIPELINING/LOGIN-DELAY 60/EXPIRE NEVER", 1},
	} {
		s := fetchtest.NewPOP3(t)
		words, rest, _ := strings.Cut(x.caps, "/")
		if s.Caps = strings.Fields(words); rest != "" {
			s.Caps = append(s.Caps, strings.Split(rest, "/")...)
		}
		if err := open(t, options(s, nil)).Close(); err != nil {
			t.Fatal(err)
		}
		if n := s.Count("CAPA"); n != x.want {
			t.Errorf("%s: CAPA was asked %d times, want %d", x.caps, n, x.want)
		}
	}
}

// What a server could is not asked again; a failure that is no refusal forgets it.
func TestMemory(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	s.Put(fetchtest.Corpus()[0])
	o := options(s, nil)
	o.Memory, o.After = &memory{}, Keep
	for i, want := range []int{1, 0} {
		s.Forget()
		d, err := (&Retriever{o}).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d.Close()
		if n := s.Count("CAPA"); n != want {
			t.Errorf("session %d: CAPA was asked %d times, want %d", i, n, want)
		}
	}
	s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"UIDL": says("+OK\r\nnonsense\r\n.\r\n")}
	trouble(t, o)
	s.On = nil
	s.Forget()
	if d, err := (&Retriever{o}).Open(t.Context()); err != nil {
		t.Fatal(err)
	} else {
		d.Close()
	}
	if s.Count("CAPA") == 0 {
		t.Error("CAPA was not asked again after a session that failed")
	}
	o.Now = func() time.Time { return time.Now().Add(8 * 24 * time.Hour) }
	s.Forget()
	if d, err := (&Retriever{o}).Open(t.Context()); err != nil {
		t.Fatal(err)
	} else {
		d.Close()
	}
	if s.Count("CAPA") == 0 {
		t.Error("CAPA was not asked again after a week")
	}
}

// What was learned in plain text is not believed under TLS.
func TestMemoryOfPlainText(t *testing.T) {
	s, o := secured(t)
	o.Memory = &memory{}
	o.Dial.TLS.Mode = wire.Plain
	for i, mode := range []wire.Mode{wire.Plain, wire.StartTLS, wire.StartTLS, wire.Plain} {
		s.Forget()
		o.Dial.TLS.Mode = mode
		open(t, o).Close()
		if asked := s.Count("CAPA") > 0; asked != (i != 2) {
			t.Errorf("session %d: CAPA was asked: %v", i, asked)
		}
	}
}

func TestUnreachable(t *testing.T) {
	o := options(fetchtest.NewPOP3(t), nil)
	refusedErr := errors.New("connection refused")
	o.Dial.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, refusedErr }
	if tr := trouble(t, o); tr.Kind != mail.Unreachable || tr.Op != mail.OpDial || !errors.Is(tr, refusedErr) {
		t.Errorf("%v while %v: %v", tr.Kind, tr.Op, tr)
	}
	s := fetchtest.NewPOP3(t)
	s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"CONNECT": says("-ERR too many connections\r\n")}
	if tr := trouble(t, options(s, nil)); tr.Kind != mail.Busy || tr.Op != mail.OpGreeting {
		t.Errorf("%v while %v: %v", tr.Kind, tr.Op, tr)
	}
}

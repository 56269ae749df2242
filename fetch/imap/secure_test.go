package imap

import (
	"context"
	"errors"
	"strings"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// over makes a retriever that has to use TLS.
func (s *server) over(mode wire.Mode, ca *fetchtest.CA) *Retriever {
	r := s.retriever(nil)
	r.Dial.TLS = wire.TLS{Mode: mode, Roots: ca.Pool}
	return r
}

func TestStartTLSCollects(t *testing.T) {
	ca := fetchtest.NewCA(t)
	s := newServer(t)
	s.tls = ca.Server("mail.example", nil)
	s.put("INBOX", letterOf(1, "one"), letterOf(2, "two"))
	x, err := collect(t.Context(), s.over(wire.StartTLS, ca))
	if err != nil || len(x.octets) != 2 || len(x.gone) != 2 {
		t.Fatalf("%d messages, %d gone, %v", len(x.octets), len(x.gone), err)
	}
	said := strings.Join(s.said(), "\n")
	tls, caps := strings.Index(said, "STARTTLS"), strings.LastIndex(said, "CAPABILITY")
	if tls < 0 || caps < tls {
		t.Errorf("capabilities were not asked for after TLS:\n%s", said)
	}
}

// TestR1_TLSRequired: whatever the server does instead of TLS, it gets no credential.
func TestR1_TLSRequired(t *testing.T) {
	ca := fetchtest.NewCA(t)
	answer := func(text string) func(*client, string, string, string) bool {
		return func(c *client, tag, verb, args string) bool {
			if verb != "STARTTLS" {
				return false
			}
			c.say("%s", strings.ReplaceAll(text, "TAG", tag))
			c.w.Flush()
			if strings.HasSuffix(text, "EOF") {
				c.conn.Close()
			}
			return true
		}
	}
	for name, x := range map[string]struct {
		greeting string
		on       func(*client, string, string, string) bool
		kind     mail.Kind
	}{
		"not offered":     {kind: mail.Insecure},
		"NO":              {on: answer("TAG NO not today\r\n"), kind: mail.Insecure},
		"BAD":             {on: answer("TAG BAD what\r\n"), kind: mail.Insecure},
		"another tag":     {on: answer("A1 OK go\r\n"), kind: mail.Insecure},
		"nonsense":        {on: answer("hello\r\n"), kind: mail.Insecure},
		"chatter":         {on: answer(strings.Repeat("* OK still here\r\n", 20)), kind: mail.Insecure},
		"BYE":             {on: answer("* BYE [UNAVAILABLE] later\r\n"), kind: mail.Busy},
		"end":             {on: answer("EOF"), kind: mail.Unreachable},
		"PREAUTH":         {greeting: "* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n", kind: mail.Insecure},
		"greeting BYE":    {greeting: "* BYE too many connections\r\n", kind: mail.Busy},
		"greeting of POP": {greeting: "+OK POP3 ready\r\n", kind: mail.Protocol},
		"greeting NO":     {greeting: "* NO go away\r\n", kind: mail.Protocol},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.greeting, s.on = x.greeting, x.on
			s.put("INBOX", letterOf(1, "one"))
			_, err := collect(t.Context(), s.over(wire.StartTLS, ca))
			kind(t, name, err, x.kind)
			if s.heard() || x.greeting != "" && s.saw("STARTTLS") {
				t.Errorf("a credential was sent, or one was about to be: %q", s.said())
			}
		})
	}
}

// TestR2_ResponseInjection: octets behind the go-ahead end the session before the handshake.
func TestR2_ResponseInjection(t *testing.T) {
	ca := fetchtest.NewCA(t)
	for _, evil := range []string{"* CAPABILITY IMAP4rev1 EVIL\r\n", "T1 OK evil\r\n", "x"} {
		s := newServer(t)
		s.tls = ca.Server("mail.example", nil)
		s.on = func(c *client, tag, verb, args string) bool {
			if verb != "STARTTLS" {
				return false
			}
			c.say("%s OK go\r\n%s", tag, evil)
			c.w.Flush()
			c.handshake()
			return true
		}
		_, err := collect(t.Context(), s.over(wire.StartTLS, ca))
		kind(t, evil, err, mail.Insecure)
		if s.heard() {
			t.Errorf("%q: a credential was sent", evil)
		}
	}
}

// TestR3_AnswerBeforeTheQuestion: tagged answers that were sent ahead fit no tag of ours.
func TestR3_AnswerBeforeTheQuestion(t *testing.T) {
	ca := fetchtest.NewCA(t)
	for _, early := range []string{"T1 OK\r\nT2 OK\r\n", "a OK\r\n", "* OK\r\n"} {
		s := newServer(t)
		s.tls = ca.Server("mail.example", nil) // it would work, but for this
		s.greeting = "* OK ready\r\n" + early
		_, err := collect(t.Context(), s.over(wire.StartTLS, ca))
		kind(t, early, err, mail.Insecure)
		if s.heard() {
			t.Errorf("%q: a credential was sent", early)
		}
	}
}

// TestR18_NoLoginInPlainText: LOGINDISABLED is honoured, and a mechanism is never forced.
func TestR18_NoLoginInPlainText(t *testing.T) {
	s := newServer(t)
	s.greeting = "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready\r\n"
	_, err := collect(t.Context(), s.retriever(nil))
	kind(t, "LOGINDISABLED", err, mail.Insecure)
	r := s.retriever(nil)
	r.Auth = Login
	s.greeting = "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=PLAIN] ready\r\n"
	_, err = collect(t.Context(), r)
	kind(t, "LOGIN only", err, mail.Insecure)
	if s.heard() {
		t.Errorf("a credential was sent: %q", s.said())
	}
	r.Auth = Auto
	if _, err = collect(t.Context(), r); err != nil || !s.saw("AUTHENTICATE PLAIN") {
		t.Errorf("Auto did not take AUTHENTICATE PLAIN: %v, %q", err, s.said())
	}
}

// TestR18_Challenges: a server that plays with the SASL exchange gets an end, and no second try.
func TestR18_Challenges(t *testing.T) {
	for name, challenge := range map[string]string{
		"huge":    "+ " + strings.Repeat("QUFB", 1<<20) + "\r\n",
		"base64":  "+ !!!\r\n",
		"again":   "+ \r\n+ \r\n+ \r\n",
		"refused": "TAG NO [AUTHENTICATIONFAILED] no\r\n",
	} {
		s := newServer(t)
		s.greeting = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n"
		s.on = func(c *client, tag, verb, args string) bool {
			if verb != "AUTHENTICATE" {
				return false
			}
			c.say("%s", strings.ReplaceAll(challenge, "TAG", tag))
			c.w.Flush()
			return true
		}
		r := s.retriever(nil)
		r.Auth = Plain
		_, err := collect(t.Context(), r)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		n := 0
		for _, c := range s.said() {
			if strings.HasPrefix(c, "AUTHENTICATE") || strings.HasPrefix(c, "LOGIN") {
				n++
			}
		}
		equal(t, name+": tries", n, 1)
	}
}

// TestR19_Certificate: whom relay/wire does not trust gets no credential here either.
func TestR19_Certificate(t *testing.T) {
	ca, other := fetchtest.NewCA(t), fetchtest.NewCA(t)
	for name, r := range map[string]func(*server) *Retriever{
		"wrong name": func(s *server) *Retriever {
			s.tls = ca.Server("elsewhere.example", nil)
			return s.over(wire.StartTLS, ca)
		},
		"wrong root": func(s *server) *Retriever {
			s.tls = other.Server("mail.example", nil)
			return s.over(wire.StartTLS, ca)
		},
	} {
		s := newServer(t)
		_, err := collect(t.Context(), r(s))
		kind(t, name, err, mail.Insecure)
		if s.heard() {
			t.Errorf("%s: a credential was sent", name)
		}
	}
}

// TestR20_Injection: what does not fit into a command is refused before anything is dialled; what needs
// quoting is quoted.
func TestR20_Injection(t *testing.T) {
	s := newServer(t)
	for name, change := range map[string]func(*Retriever){
		"user":        func(r *Retriever) { r.User = "a\r\nT9 DELETE INBOX" },
		"user NUL":    func(r *Retriever) { r.User = "a\x00b" },
		"folder":      func(r *Retriever) { r.Folders = []string{"INBOX\r\nT9 DELETE INBOX"} },
		"folder NUL":  func(r *Retriever) { r.Folders = []string{"IN\x00BOX"} },
		"folder long": func(r *Retriever) { r.Folders = []string{strings.Repeat("x", 10_000)} },
		"folder none": func(r *Retriever) { r.Folders = []string{""} },
		"twice":       func(r *Retriever) { r.Folders = []string{"a", "a"} },
		"password": func(r *Retriever) {
			r.Password = func(context.Context) (string, error) { return "x\r\nT9 DELETE INBOX", nil }
		},
		"no password": func(r *Retriever) {
			r.Password = func(context.Context) (string, error) { return "", errors.New("no such file") }
		},
		"empty": func(r *Retriever) { r.Password = func(context.Context) (string, error) { return "", nil } },
	} {
		r := s.retriever(nil)
		change(r)
		_, err := collect(t.Context(), r)
		kind(t, name, err, mail.Local)
		if strings.Contains(err.Error(), "T9") && strings.HasPrefix(name, "password") {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
	if s.heard() {
		t.Errorf("the server was told: %q", s.said())
	}
	r := s.retriever(nil)
	r.User, r.Folders = `ja"c\o {5+}`, []string{`a"b\c{3}`, "Entwürfe", "../../etc"}
	collect(t.Context(), r)
	if !s.saw(`LOGIN "ja\"c\\o {5+}" "secret-canary"`) {
		t.Errorf("the user is not quoted as it should be: %q", s.said())
	}
}

// TestR21_FolderNames: names go out in modified UTF-7, quoted; whatever they are, a UID finds back to its
// folder.
func TestR21_FolderNames(t *testing.T) {
	s := newServer(t)
	names := map[string]string{"Entwürfe": "Entw&APw-rfe", "../../x": "../../x", "a/1/2": "a/1/2",
		"& co": "&- co"}
	r := s.retriever(nil)
	for name, wired := range names {
		s.put(wired, letterOf(1, name))
		r.Folders = append(r.Folders, name)
	}
	x, err := collect(t.Context(), r)
	if err != nil || len(x.octets) != len(names) || len(x.gone) != len(names) {
		t.Fatalf("%d of %d, %v; %q", len(x.octets), len(names), err, s.said())
	}
	for name := range names {
		if b := x.octets[mail.UID(name+"/7/1")]; !strings.Contains(b, name) {
			t.Errorf("folder %q: %q", name, b)
		}
	}
}

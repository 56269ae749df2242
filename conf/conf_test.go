package conf

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// good returns a configuration without mistakes, each entry at its own place.
func good(t *testing.T) Config {
	t.Helper()
	c := Default()
	c.At.Self = Pos{"f", 1, 1}
	c.Hostname = "mail.example.org"
	d := DefaultDestination()
	d.Kind = "smtp"
	if err := d.SetAddress("localhost:25"); err != nil {
		t.Fatal(err)
	}
	c.Deliver = []Destination{d}
	c.Bounce = Bounce{From: "mailer-daemon@example.org", Postmaster: "postmaster@example.org"}
	for i, u := range []string{"imaps://a@h.example", "pop3://b@h.example"} {
		m := DefaultMaildrop()
		m.At.Self = Pos{"f", 10 * (i + 1), 3}
		m.Name = fmt.Sprintf("drop%d", i)
		if err := m.SetURL(u); err != nil {
			t.Fatal(err)
		}
		m.Password = SecretEnv("X")
		m.To = []string{"a@example.org"}
		c.Maildrops = append(c.Maildrops, &m)
	}
	c.Complete(Paths{State: "/var/lib/mailretr", Socket: "/run/mailretr/control.sock"})
	if problems := c.Validate(); len(problems) != 0 {
		t.Fatal(problems)
	}
	return c
}

// TestR20_Controls puts CR, LF and NUL into every text of a maildrop, a destination and the rest, found by
// reflection, so that a new field is not forgotten.
func TestR20_Controls(t *testing.T) {
	for _, bad := range []string{"a\rb", "a\nQUIT", "a\x00b", "\x7f"} {
		for _, section := range []func(*Config) reflect.Value{
			func(c *Config) reflect.Value { return reflect.ValueOf(c).Elem() },
			func(c *Config) reflect.Value { return reflect.ValueOf(c.Maildrops[0]).Elem() },
			func(c *Config) reflect.Value { return reflect.ValueOf(&c.Maildrops[0].TLS).Elem() },
			func(c *Config) reflect.Value { return reflect.ValueOf(&c.Maildrops[0].After).Elem() },
			func(c *Config) reflect.Value { return reflect.ValueOf(&c.Maildrops[0].Folders[0]).Elem() },
			func(c *Config) reflect.Value {
				c.Maildrops[0].To = nil
				c.Maildrops[0].Multidrop = &Multidrop{Envelope: []Envelope{{Field: "X-To"}}, Domains: []string{"example.org"}}
				return reflect.ValueOf(c.Maildrops[0].Multidrop).Elem()
			},
			func(c *Config) reflect.Value { return reflect.ValueOf(&c.Deliver[0]).Elem() },
			func(c *Config) reflect.Value {
				c.Maildrops[0].Client = &Border{By: []string{"mx.isp.example"}}
				return reflect.ValueOf(c.Maildrops[0].Client).Elem()
			},
			func(c *Config) reflect.Value {
				c.Deliver[0] = Destination{Name: "local", Kind: "maildir", Address: "/mail/{local}", Connections: 1, Local: &Local{}}
				*c.Deliver[0].Local = DefaultLocal()
				return reflect.ValueOf(c.Deliver[0].Local).Elem()
			},
			func(c *Config) reflect.Value {
				c.Deliver[0].Filter = &Filter{Command: []string{"/bin/true"}, Timeout: time.Minute}
				return reflect.ValueOf(c.Deliver[0].Filter).Elem()
			},
			func(c *Config) reflect.Value { return reflect.ValueOf(&c.Bounce).Elem() },
			func(c *Config) reflect.Value { return reflect.ValueOf(&c.Log).Elem() },
			func(c *Config) reflect.Value {
				c.OAuth = []OAuth{{Name: "gmail", Provider: "gmail", ClientID: "x"}}
				c.OAuth[0].complete()
				return reflect.ValueOf(&c.OAuth[0]).Elem()
			},
		} {
			everyText(t, section, bad)
		}
	}
}

func everyText(t *testing.T, section func(*Config) reflect.Value, bad string) {
	t.Helper()
	c := good(t)
	typ := section(&c).Type()
	for i := range typ.NumField() {
		if typ.Field(i).Name == "Unmet" || !typ.Field(i).IsExported() {
			continue // phrases of ours, which nobody writes, and what is made of the others
		}
		c := good(t)
		f := section(&c).Field(i)
		switch f.Interface().(type) {
		case string, Mode:
			f.SetString(bad)
		case []string:
			f.Set(reflect.ValueOf([]string{bad}))
		case Secret:
			f.Set(reflect.ValueOf(SecretCommand("x", bad)))
		default:
			continue
		}
		if name := typ.Field(i).Name; name == "Network" || name == "Command" {
			continue // not written by people; of another kind of destination
		}
		if problems := c.Validate(); len(problems) == 0 || !anyError(problems) {
			t.Errorf("%s.%s = %q: no error", typ.Name(), typ.Field(i).Name, bad)
		} else {
			for _, p := range problems {
				if strings.ContainsAny(p.String(), "\r\n\x00") {
					t.Errorf("message of %s leaves its line: %q", typ.Field(i).Name, p)
				}
			}
		}
	}
}

func anyError(problems []Problem) bool {
	n, _ := Count(problems)
	return n > 0
}

func TestSecretsWithControls(t *testing.T) {
	for _, s := range []Secret{
		SecretFile("a\nb"), SecretEnv("a\x00"), SecretCredential("a\r"), SecretCredential("../x"),
		SecretPlain("a\r\nb"),
		SecretPlain(""), SecretCommand(), SecretFile(""),
	} {
		c := good(t)
		c.Maildrops[0].Password = s
		if !anyError(c.Validate()) {
			kind, where := s.Form()
			t.Errorf("%s %q: no error", kind, where)
		}
	}
}

func TestOneBadMaildropIsLeftOut(t *testing.T) {
	c := good(t)
	c.Maildrops[0].To = []string{"nobody"}
	problems := c.Validate()
	if Failed(problems) || len(problems) != 1 || problems[0].Maildrop != "drop0" {
		t.Fatal(problems)
	}
	c.LeaveOut(problems)
	if len(c.Maildrops) != 1 || c.Maildrops[0].Name != "drop1" {
		t.Errorf("left: %v", c.Maildrops)
	}
	if len(c.Bad) != 1 || c.Bad[0].Name != "drop0" || c.Bad[0].Pos.Line != 10 || len(c.Bad[0].Problems) != 1 {
		t.Errorf("bad: %+v", c.Bad)
	}
}

func TestConflicts(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"equal names": {func(c *Config) { c.Maildrops[1].Name = "drop0" }, `name: "drop0" is already at f:10:3`},
		"same account": {func(c *Config) {
			mustURL(c.Maildrops[1], "IMAP://a@H.EXAMPLE")
			c.Maildrops[1].TLS.Mode = ModeStartTLS
		},
			`the same account, folder INBOX, is already collected by "drop0" at f:10:3`},
		"inbox in another case": {func(c *Config) {
			mustURL(c.Maildrops[1], "imaps://a@h.example")
			c.Maildrops[1].TLS.Mode = ModeImplicit
			c.Maildrops[1].Folders = Named("Lists", "inbox")
		}, `folder INBOX`},
		"another folder": {func(c *Config) {
			mustURL(c.Maildrops[1], "imaps://a@h.example")
			c.Maildrops[1].TLS.Mode = ModeImplicit
			c.Maildrops[1].Folders = Named("Lists")
		}, ""},
		"disabled": {func(c *Config) {
			mustURL(c.Maildrops[1], "imaps://a@h.example")
			c.Maildrops[1].TLS.Mode = ModeImplicit
			c.Maildrops[1].Enabled = false
		}, ""},
		"other protocol": {func(c *Config) { mustURL(c.Maildrops[1], "pop3://a@h.example") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := good(t)
			x.change(&c)
			c.Complete(Paths{})
			problems := c.Validate()
			switch {
			case x.want == "" && len(problems) != 0:
				t.Error(problems)
			case x.want != "" && (len(problems) != 1 || !strings.Contains(problems[0].Text, x.want)):
				t.Error(problems)
			case x.want != "" && problems[0].Entry.Line != 20:
				t.Errorf("the first entry is left out: %+v", problems[0])
			}
		})
	}
}

func mustURL(m *Maildrop, u string) {
	m.User, m.Folders = "", nil
	if err := m.SetURL(u); err != nil {
		panic(err)
	}
}

func TestSetURL(t *testing.T) {
	for in, want := range map[string]string{
		"imaps://jaco@mail.isp.example": "imaps://jaco@mail.isp.example imap jaco mail.isp.example 993 true",
		"POP3://a@b@c.example:1100/":    "pop3://a@b@c.example:1100 pop3 a@b c.example 1100 false",
		"pop3s://a%40b%3Ac%25@[::1]":    "pop3s://a@b%3Ac%25@[::1] pop3 a@b:c% ::1 995 true",
		"imap://[2001:db8::1]:1143":     "imap://[2001:db8::1]:1143 imap  2001:db8::1 1143 false",
		"http://x":                      "does not begin with",
		"mail.isp.example":              "does not begin with",
		"imap://a:secret@h":             "a password does not belong",
		"imap://a@h/INBOX":              "nothing may follow",
		"imap://a@h:0":                  "is no port",
		"imap://a@h:99999":              "is no port",
		"imap://a@":                     "is no host",
		"imap://a@::1":                  "is no host",
		"imap://a%zz@h":                 "no escape",
		"imap://a@:993":                 "host is missing",
	} {
		var m Maildrop
		got := ""
		if err := m.SetURL(in); err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprint(m.URL(), " ", m.Protocol, " ", m.User, " ", m.Host, " ", m.Port, " ", m.Secure)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
		if strings.Contains(got, "secret") {
			t.Errorf("shows the password: %s", got)
		}
	}
}

func TestDurationsAndSizes(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0": 0, "30s": 30 * time.Second, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "5d": 120 * time.Hour,
		"2w": 336 * time.Hour, "1.5h": 90 * time.Minute, "500ms": 500 * time.Millisecond,
		"": -1, "5": -1, "m": -1, "5x": -1, "5 m": -1, "-5m": -1, "1e9d": -1, "99999999999999w": -1, "5m5": -1,
		".":  -1,
		"no": -1,
	} {
		got, err := ParseDuration(in)
		if want < 0 && err == nil || want >= 0 && (err != nil || got != want) {
			t.Errorf("%q: %s, %v", in, got, err)
		}
		if err == nil {
			if again, err := ParseDuration(Duration(got)); err != nil || again != got {
				t.Errorf("%q is written as %q", in, Duration(got))
			}
		}
	}
	for in, want := range map[string]int64{
		"0": 0, "10": 10, "32K": 32 << 10, "10M": 10 << 20, "1G": 1 << 30, "2T": 2 << 40, "10MB": 10 << 20,
		"10MiB": 10 << 20,
		"10m":   10 << 20, "1000": 1000, "": -1, "K": -1, "-1": -1, "012": -1, "1_000": -1, "1.5M": -1,
		"9000000T":    -1,
		"9999999999T": -1, "1e3": -1, "10 M": -1,
	} {
		got, err := ParseSize(in)
		if want < 0 && err == nil || want >= 0 && (err != nil || got != want) {
			t.Errorf("%q: %d, %v", in, got, err)
		}
		if again, err2 := ParseSize(Size(got)); err == nil && (err2 != nil || again != got) {
			t.Errorf("%q is written as %q", in, Size(got))
		}
	}
}

func TestFirstAndAfter(t *testing.T) {
	for _, s := range []string{"all", "new", "30d"} {
		if f, err := ParseFirst(s); err != nil || f.String() != s {
			t.Errorf("%s: %v, %v", s, f, err)
		}
	}
	for _, s := range []string{"keep", "seen", "delete", "delete after 14d", "delete above 10M",
		"delete above 10M after 14d", "move Archive/2026", `flag \Flagged`, "flag $Collected"} {
		if a, err := ParseAfter(s); err != nil || a.String() != s {
			t.Errorf("%s: %v, %v", s, a, err)
		}
	}
	for _, s := range []string{"", "0", "old", "-3d"} {
		if _, err := ParseFirst(s); err == nil {
			t.Errorf("first: %q", s)
		}
	}
	for _, s := range []string{"", "move", "move:", "delete after", "delete after x", "remove", "delete later", "flag",
		"seen after 2d", "delete ", "delete above", "delete after 0", "delete after 1d after 2d", "delete above 10M x",
		"move Old after 14d", "keep above 1M"} {
		if _, err := ParseAfter(s); err == nil {
			t.Errorf("after: %q", s)
		}
	}
}

func TestFind(t *testing.T) {
	home := t.TempDir()
	own := filepath.Join(home, ".config/mailretr/mailretr.yaml")
	env := func(uid int, pairs ...string) Env {
		return Env{UID: uid, Home: home, Getenv: func(k string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == k {
					return pairs[i+1]
				}
			}
			return ""
		}}
	}
	system := Paths{SystemFile, "/var/lib/mailretr", "/run/mailretr/control.sock"}
	user := Paths{own, home + "/.local/state/mailretr", home + "/.local/state/mailretr/run/control.sock"}
	check := func(what, flag string, e Env, want Paths) {
		t.Helper()
		if got, err := Find(flag, e); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", what, got, err, want)
		}
	}
	check("root", "", env(0), system)
	check("system user", "", env(110), system)
	if err := os.MkdirAll(filepath.Dir(own), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check("user", "", env(1000), user)
	withRun := user
	withRun.Socket = "/run/user/1000/mailretr/control.sock"
	check("user with a session", "", env(1000, "XDG_RUNTIME_DIR", "/run/user/1000"), withRun)
	check("relative XDG is ignored", "", env(1000, "XDG_CONFIG_HOME", "x", "XDG_RUNTIME_DIR", "x"), user)
	named := user
	named.Config = "/x/y.yaml"
	check("flag first", "/x/y.yaml", env(1000, "MAILRETR_CONFIG", "/z"), named)
	check("then environment", "", env(1000, "MAILRETR_CONFIG", "/x/y.yaml"), named)
	check("the machine's, named by a user", SystemFile, env(1000), system)
	xdg := filepath.Join(home, "xdg")
	other := user
	other.Config = filepath.Join(xdg, "mailretr/mailretr.yaml")
	if err := os.MkdirAll(filepath.Dir(other.Config), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other.Config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check("XDG_CONFIG_HOME", "", env(1000, "XDG_CONFIG_HOME", xdg), other)
}

func TestFingerprint(t *testing.T) {
	a, b := good(t).Maildrops[0], good(t).Maildrops[0]
	b.At = Where{Self: Pos{"elsewhere", 7, 7}}
	b.TLS.At = b.At
	if a.Fingerprint() != b.Fingerprint() {
		t.Error("the place counts")
	}
	for _, change := range []func(*Maildrop){
		func(m *Maildrop) { m.To = []string{"b@example.org"} },
		func(m *Maildrop) { m.Password = SecretEnv("Y") },
		func(m *Maildrop) { m.TLS.Pins = []string{"ab"} },
		func(m *Maildrop) { m.Multidrop = &Multidrop{Envelope: []Envelope{{Field: "X", Nth: 2}}} },
	} {
		b := good(t).Maildrops[0]
		if change(b); a.Fingerprint() == b.Fingerprint() {
			t.Errorf("not seen: %+v", b)
		}
	}
}

func TestDestinationTLS(t *testing.T) {
	for address, want := range map[string]Mode{
		"localhost:25": ModeNone, "127.0.0.1:25": ModeNone, "[::1]:25": ModeNone, "/run/x": ModeNone,
		"unix:/run/x":           ModeNone,
		"[::ffff:127.0.0.1]:25": ModeNone, "mx.example.org": ModeStartTLS, "mx.example.org:587": ModeStartTLS,
		"mx.example.org:465": ModeImplicit, "192.0.2.1:25": ModeStartTLS, "localhost.example.org:25": ModeStartTLS,
	} {
		d := Destination{Kind: "smtp"}
		if err := d.SetAddress(address); err != nil {
			t.Fatal(err)
		}
		if d.complete("h"); d.TLS.Mode != want {
			t.Errorf("%s: %s, want %s", address, d.TLS.Mode, want)
		}
	}
	c := good(t)
	c.Deliver[0].Address, c.Deliver[0].User, c.Deliver[0].Password = "mx.example.org:25", "u", SecretEnv("X")
	if problems := c.Validate(); !Failed(problems) || !strings.Contains(problems[0].Text, "in clear text") {
		t.Error(problems)
	}
}

func TestAuth(t *testing.T) {
	for auth, want := range map[string]string{
		"auto": "", "scram-sha-256": "", "scram-sha-1-plus": "", "xoauth2": "", "login": "",
		"apop": "of POP3 only", "external": "shows a certificate", "ntlm": "is not known",
	} {
		c := good(t)
		c.Maildrops[0].Auth = auth
		problems := c.Validate()
		if want == "" && len(problems) > 0 || want != "" && (len(problems) != 1 || !strings.Contains(problems[0].Text, want)) {
			t.Errorf("%s: %v", auth, problems)
		}
	}
	c := good(t)
	m := c.Maildrops[0]
	m.Auth, m.Password, m.TLS.Cert, m.TLS.Key = "external", Secret{}, "/c.pem", "/k.pem"
	if problems := c.Validate(); len(problems) > 0 {
		t.Errorf("external with a certificate needs no password: %v", problems)
	}
	m.Auth = "plain"
	if problems := c.Validate(); len(problems) != 1 || problems[0].Text != "password is missing" {
		t.Error(problems)
	}
	c = good(t)
	mustURL(c.Maildrops[1], "pop3://b@h.example")
	c.Maildrops[1].Auth, c.Maildrops[1].TLS.Mode = "scram-sha-256-plus", ModeNone
	if problems := c.Validate(); !strings.Contains(fmt.Sprint(problems), "binds the login to TLS") {
		t.Error(problems)
	}
}

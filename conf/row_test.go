package conf

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// row is one with the columns that are needed, and these.
func row(id string, more ...string) *Row {
	r := &Row{}
	r.Call(id)
	list := append([]string{"name", id, "host", "h.example", "user", "u" + id, "password", "p", "recipient", "a@b.example"}, more...)
	for i := 0; i < len(list); i += 2 {
		r.Set(list[i], list[i+1])
	}
	return r
}

func panelSource() *Source {
	s := DefaultSource()
	s.Kind, s.Name = "mysql", "panel"
	return &s
}

func base() *Config {
	c := Default()
	c.Deliver = []Destination{DefaultDestination()}
	c.Complete(Paths{})
	return &c
}

// The words of all those databases.
func TestRowBecomesAMaildrop(t *testing.T) {
	for _, x := range []struct {
		columns []string
		want    string
	}{
		{nil, "imaps://u1@h.example poll 5m0s keep on"},
		{[]string{"protocol", "POP3", "tls", "ssl"}, "pop3s://u1@h.example poll 5m0s keep on"},
		{[]string{"protocol", "pop3", "tls", "starttls-if-offered", "interval", "600", "keep", "0"},
			"pop3://u1@h.example poll 10m0s delete on"},
		{[]string{"port", "143", "keep", "t"}, "imap://u1@h.example poll 5m0s keep on"},
		{[]string{"port", "0", "tls", "none", "keep", "n"}, "imap://u1@h.example poll 5m0s delete on"},
		{[]string{"tls", "0", "interval", "15m", "active", "no"}, "imap://u1@h.example poll 15m0s keep off"},
		{[]string{"protocol", "pop3", "folders", "INBOX", "keep", "y"}, "pop3s://u1@h.example poll 5m0s keep on"},
	} {
		all, problems := base().With(t.Context(), []Set{{Source: panelSource(), Rows: []*Row{row("1", x.columns...)}}})
		if n, _ := Count(problems); n > 0 || len(all.Maildrops) != 1 {
			t.Errorf("%q: %v", x.columns, problems)
			continue
		}
		m := all.Maildrops[0]
		on := map[bool]string{true: "on", false: "off"}[m.Enabled]
		if got := fmt.Sprintf("%s poll %s %s %s", m.URL(), m.Poll, m.After, on); got != x.want {
			t.Errorf("%q: %s, want %s", x.columns, got, x.want)
		}
		if m.Reach == nil {
			t.Error("a row leads inside")
		}
	}
}

// What is wrong names row and column, and nothing of the password.
func TestRowProblems(t *testing.T) {
	const secret = "s3cret%"
	for _, x := range []struct{ column, value, want string }{
		{"protocol", "ETRN", `panel row 1, column protocol  error    protocol: "etrn" is not known`},
		{"tls", "perhaps", `panel row 1, column tls  error    tls: "perhaps" is not known`},
		{"port", "65536", `panel row 1, column port  error    port: "65536" is no port`},
		{"keep", "maybe", `panel row 1, column keep  error    keep: "maybe" is neither true nor false`},
		{"interval", "soon", `panel row 1, column interval  error    interval: "soon" is no time`},
		{"interval", "99999999", `panel row 1, column interval  error    poll: 1157d9h46m39s is out of range`},
		{"password_encoding", "rot13", `panel row 1, column password_encoding  error    password_encoding: "rot13" is not known`},
		{"password_encoding", "base64", `panel row 1, column password  error    password: is not base64`},
		{"password_encoding", "enc", `panel row 1, column password  error    password: is encrypted, and the source has no key`},
		{"options", "ssl", `panel row 1, column options  warning  options: is not looked at`},
		{"recipient", "a@b.example\r\nRCPT TO:<x@y>", `panel row 1, column recipient  error    recipient: has a control character`},
		{"deliver", "there", `panel row 1, column deliver  error    deliver: "there" may not be named by rows of panel; leave it empty, or`},
		{"host", "\xff", `panel row 1, column host  error    host: is not UTF-8`},
	} {
		r := row("1", "password", secret, x.column, x.value)
		all, problems := base().With(t.Context(), []Set{{Source: panelSource(), Rows: []*Row{r}}})
		text := ""
		for _, p := range problems {
			text += p.String() + "\n"
		}
		if !strings.Contains(text, x.want) {
			t.Errorf("%s %q: %s", x.column, x.value, text)
		}
		if text += fmt.Sprintf("%+v %#v %v", all, all.Maildrops, r); strings.Contains(text, secret) {
			t.Errorf("%s %q: the password is told", x.column, x.value)
		}
	}
}

func TestPasswordsOfRows(t *testing.T) {
	key := newSecretKey(t)
	sealed := key.Seal("pa ss", "H.example", "u1")
	for _, x := range []struct{ encoding, password, want string }{
		{"", "pa ss", "pa ss"},
		{"", "{curly}", "{curly}"},
		{"", "{base64}cGEgc3M=", "pa ss"},
		{"", "{plain}{base64}x", "{base64}x"},
		{"base64", "cGEgc3M=", "pa ss"},
		{"plain", "{base64}cGEgc3M=", "{base64}cGEgc3M="},
		{"", sealed, "pa ss"},
		{"", "{enc}" + sealed, "pa ss"},
		{"plain", "enc:x", "enc:x"},
		{"base64", base64.StdEncoding.EncodeToString([]byte("a\r\nb")), ""},
		{"", key.Seal("pa ss", "h.example", "u2"), ""}, // copied from another row
		{"", key.Seal("pa ss", "evil.example", "u1"), ""},
		{"", sealed[:len(sealed)-4], ""},
		{"", "enc:", ""},
	} {
		m, problems := panelSource().Maildrop(row("1", "password", x.password, "password_encoding", x.encoding), key)
		if x.want == "" {
			if n, _ := Count(problems); n != 1 || m.Password.Given() {
				t.Errorf("%q: %v", x.password, problems)
			}
			continue
		}
		if got, err := m.Password.Resolve(t.Context()); got != x.want {
			t.Errorf("%q: %q, %v, %v", x.password, got, err, problems)
		}
	}
}

func newSecretKey(t *testing.T) *SecretKey {
	t.Helper()
	k, err := ReadSecretKey(t.Context(), SecretPlain(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSecretKey(context.Background(), SecretPlain("c2hvcnQ=")); err == nil {
		t.Error("a short key is taken")
	}
	return k
}

// Ten thousand rows are joined in well under a second: it is done whenever one of them has changed.
func BenchmarkWith(b *testing.B) {
	var rows []*Row
	for i := range 10_000 {
		rows = append(rows, row(fmt.Sprint(i)))
	}
	c := base()
	for b.Loop() {
		if all, problems := c.With(b.Context(), []Set{{Source: panelSource(), Rows: rows}}); len(all.Maildrops) != len(rows) {
			b.Fatal(problems[0])
		}
	}
}

// What a row has for another program goes to who knows its words; what that does not do is a warning, and known to the maildrop.
func TestRowWithOptions(t *testing.T) {
	s := Set{Source: panelSource(), Rows: []*Row{row("1", "options", "no keep"), row("2", "options", " ", "user", "v"), row("3", "user", "w")}}
	s.Options = func(text string, m *Maildrop) []string {
		m.After.Act = Delete
		return []string{"not " + text, "nor more"}
	}
	all, problems := base().With(t.Context(), []Set{s})
	if len(problems) != 1 || !strings.HasSuffix(problems[0].String(), "row 1, column options  warning  options: not all of it is followed: not no keep; nor more") {
		t.Errorf("%v", problems)
	}
	if len(all.Maildrops) != 3 || len(all.Maildrops[0].Unmet) != 2 || all.Maildrops[0].After.Act != Delete ||
		len(all.Maildrops[1].Unmet)+len(all.Maildrops[2].Unmet) > 0 {
		t.Errorf("%+v", all.Maildrops)
	}
}

// A maildrop is its first recipient's, where nobody else is named.
func TestWhoseARowIs(t *testing.T) {
	rows := []*Row{row("1"), row("2", "owner", "anna"), row("3", "recipient", "x@b.example, y@b.example"), row("4", "owner", "a\nb")}
	all, problems := base().With(t.Context(), []Set{{Source: panelSource(), Rows: rows}})
	var got []string
	for i := range all.Maildrops {
		got = append(got, all.Maildrops[i].Owner)
	}
	if want := "a@b.example anna x@b.example"; strings.Join(got, " ") != want || len(problems) != 1 {
		t.Errorf("%q, %v", got, problems)
	}
}

// Whatever is in a row, it is a maildrop or says what is wrong with itself; its password is in no text, it leads nowhere that
// rows may not lead, and the row beside it is well.
func FuzzRow(f *testing.F) {
	f.Add("a", "imap", "h.example", "143", "starttls", "u", "p", "", "INBOX", "0", "300", "a@b.example", "anna", "")
	f.Add("'; DROP", "pop3", "2130706433", "x", "ssl", "*)(uid=*", "{base64}cGEgc3M=", "base64", "a,,b", "n", "1h", "a@b, c@d", "", "x")
	f.Add("", "ETRN", "::ffff:127.0.0.1", "65536", "none", "\x00", "enc:", "enc", "../..", "maybe", "-1", "<x@y>", "\u202e", "default")
	f.Fuzz(func(t *testing.T, name, protocol, host, port, tls, user, password, encoding, folders, keep, interval, to, owner, deliver string) {
		r := &Row{}
		r.Call("1")
		for column, value := range map[string]string{"name": name, "protocol": protocol, "host": host, "port": port, "tls": tls,
			"user": user, "password": "canary" + password, "password_encoding": encoding, "folders": folders, "keep": keep,
			"interval": interval, "recipient": to, "owner": owner, "deliver": deliver} {
			r.Set(column, value)
		}
		s := panelSource()
		s.Owners = &Owners{Maildrops: 1, Poll: time.Minute}
		well := row("2", "name", "well", "host", "other.example", "owner", "somebody else")
		all, problems := base().With(context.Background(), []Set{{Source: s, Rows: []*Row{r, well}}})
		if len(all.Maildrops)+len(all.Bad) != 2 {
			t.Fatalf("%d are well, %d are not", len(all.Maildrops), len(all.Bad))
		}
		for _, p := range problems {
			text := p.String()
			if strings.Contains(text, "canary") || strings.ContainsAny(text, "\n\r\x00\x1b") {
				t.Errorf("%q", text)
			}
			if len(text) > 1<<15 {
				t.Errorf("a problem of %d octets", len(text))
			}
		}
		for i := range all.Maildrops {
			if m := all.Maildrops[i]; m.Reach == nil || !slices.Contains(MailPorts(), m.Port) || len(m.Dial)+len(m.Preconnect) > 0 ||
				numeric(m.Host) || m.Proxy.Used() || m.Poll < time.Minute {
				t.Errorf("%+v", m)
			}
		}
		same := name == "well" || strings.EqualFold(host, "other.example") || strings.EqualFold(owner, "somebody else")
		if all.Maildrop("well") == nil && !same {
			t.Errorf("the other row is left out: %v", problems)
		}
	})
}

// One account is collected once, however its server is written.
func TestOneAccountHoweverItsServerIsWritten(t *testing.T) {
	for host, other := range map[string]string{
		"pop.isp.example": "POP.isp.example.", "b\u00fccher.example": "xn--bcher-kva.example", "198.51.100.7": "::ffff:198.51.100.7",
		"2001:db8::1": "2001:DB8:0::1",
	} {
		first, second := row("1", "host", host, "user", "u"), row("2", "host", other, "user", "u")
		all, problems := base().With(t.Context(), []Set{{Source: panelSource(), Rows: []*Row{first, second}}})
		if len(all.Maildrops) != 1 || all.Maildrops[0].Name != "1" {
			t.Errorf("%s and %s: %d are collected, %v", host, other, len(all.Maildrops), problems)
		}
		if a, b := row("1", "host", host), row("1", "host", other); a.Place() != b.Place() {
			t.Errorf("%s and %s are two places", host, other)
		}
		if a, b := (&Maildrop{Host: host, Port: 993}).Server(), (&Maildrop{Host: other, Port: 993}).Server(); a != b {
			t.Errorf("%s and %s are two servers, with limits of their own", a, b)
		}
	}
}

// Who writes rows chooses among what he may choose, and has no say in anything else, whatever he writes into whichever column:
// by default he names no destination, program, file, proxy or option of ours, and no server inside.
func TestWhatARowMayNot(t *testing.T) {
	c := base()
	for _, name := range []string{"archive", "pager"} {
		d := DefaultDestination()
		d.Name, d.Kind, d.Command = name, "command", []string{"/bin/true"}
		c.Deliver = append(c.Deliver, d)
	}
	usual := c.Deliver[0].Name
	for _, x := range []struct {
		deliver string // of the source
		allowed []string
		row     string
		want    string // the destination; "": it is left out
	}{
		{"", nil, "", usual}, {"", nil, "pager", ""}, {"", nil, "archive", ""}, {"", nil, usual, ""}, {"", nil, "PAGER", ""},
		{"archive", nil, "", "archive"}, {"archive", nil, "archive", "archive"}, {"archive", nil, usual, ""}, {"archive", nil, "pager", ""},
		{"", []string{"archive"}, "archive", "archive"}, {"", []string{"archive"}, "pager", ""}, {"", []string{"archive"}, "/bin/sh -c id", ""},
	} {
		s := panelSource()
		s.Deliver, s.Destinations = x.deliver, x.allowed
		all, problems := c.With(t.Context(), []Set{{Source: s, Rows: []*Row{row("1", "deliver", x.row)}}})
		switch {
		case x.want == "" && (len(all.Maildrops) != 0 || len(all.Bad) != 1):
			t.Errorf("%+v: it goes to %q", x, all.Maildrops[0].Deliver)
		case x.want != "" && (len(all.Maildrops) != 1 || all.Maildrops[0].Deliver != x.want):
			t.Errorf("%+v: %v", x, problems)
		}
	}
	for _, column := range Columns {
		for _, value := range []string{"pager", "/bin/sh -c id", "{command: [/bin/sh]}", "dial: [/bin/sh]", "socks5://127.0.0.1:1", "127.0.0.1", "file:/etc/shadow"} {
			all, _ := c.With(t.Context(), []Set{{Source: panelSource(), Rows: []*Row{row("1", column, value)}}})
			for i := range all.Maildrops {
				m := all.Maildrops[i]
				if m.Deliver != usual || len(m.Dial)+len(m.Preconnect) > 0 || m.Proxy.Used() || m.Reach == nil || m.TLS.Insecure ||
					m.TLS.CA+m.TLS.Cert+m.TLS.Key != "" || m.OAuth != "" || m.Multidrop != nil || m.Trace || m.Bodies || m.Source != "" || !m.Check {
					t.Errorf("%s %q: %+v", column, value, m)
				}
			}
		}
	}
}

// H8: a row has as many mistakes as it has octets, and neither they nor the thousands of rows like it cost more than a few words each.
func TestH8_RowFullOfMistakes(t *testing.T) {
	for column, value := range map[string]string{
		"recipient": strings.Repeat("a,", MaxColumn/2), "folders": strings.Repeat("a,", MaxColumn/2), "name": strings.Repeat("*", MaxColumn),
		"user": strings.Repeat("\u202e", MaxColumn/3), "owner": strings.Repeat("x", MaxColumn), "host": strings.Repeat("a.", MaxColumn/2),
		"deliver": strings.Repeat("d", MaxColumn), "options": strings.Repeat("mda x ", MaxColumn/6),
	} {
		var rows []*Row
		for i := range 100 {
			rows = append(rows, row(fmt.Sprint(i), "name", fmt.Sprint("n", i), "user", fmt.Sprint("u", i), column, value))
		}
		_, problems := base().With(t.Context(), []Set{{Source: panelSource(), Rows: rows}})
		octets := 0
		for _, p := range problems {
			octets += len(p.String())
		}
		if len(problems) > 30*len(rows) || octets > 4000*len(rows) {
			t.Errorf("%s: %d problems of %d rows, %d octets", column, len(problems), len(rows), octets)
		}
	}
	m := row("1", "recipient", strings.Repeat("a@b.example,", mostMembers+1))
	_, problems := base().With(t.Context(), []Set{{Source: panelSource(), Rows: []*Row{m}}})
	if len(problems) == 0 || !strings.Contains(problems[0].String(), "recipient: has 201 members, more than 200; write less, or several rows") {
		t.Errorf("%v", problems)
	}
}

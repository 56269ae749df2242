package conf

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
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
		all, problems := base().With(t.Context(), []Set{{panelSource(), []*Row{row("1", x.columns...)}}})
		if n, _ := Count(problems); n > 0 || len(all.Maildrops) != 1 {
			t.Errorf("%q: %v", x.columns, problems)
			continue
		}
		m := &all.Maildrops[0]
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
		{"deliver", "there", `panel row 1, column deliver  error    deliver: there is no destination "there"`},
		{"host", "\xff", `panel row 1, column host  error    host: is not UTF-8`},
	} {
		r := row("1", "password", secret, x.column, x.value)
		all, problems := base().With(t.Context(), []Set{{panelSource(), []*Row{r}}})
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
		if all, problems := c.With(b.Context(), []Set{{panelSource(), rows}}); len(all.Maildrops) != len(rows) {
			b.Fatal(problems[0])
		}
	}
}

// A maildrop is its first recipient's, where nobody else is named.
func TestWhoseARowIs(t *testing.T) {
	rows := []*Row{row("1"), row("2", "owner", "anna"), row("3", "recipient", "x@b.example, y@b.example"), row("4", "owner", "a\nb")}
	all, problems := base().With(t.Context(), []Set{{panelSource(), rows}})
	var got []string
	for i := range all.Maildrops {
		got = append(got, all.Maildrops[i].Owner)
	}
	if want := "a@b.example anna x@b.example"; strings.Join(got, " ") != want || len(problems) != 1 {
		t.Errorf("%q, %v", got, problems)
	}
}

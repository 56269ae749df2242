package bounce

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// nasty is what hostile servers and senders write.
var nasty = []string{
	"a\r\nBcc: evil@example.org", "a\nFrom: evil@example.org", "a\r\n\r\nbody", "\r\n--=_x\r\n",
	"\x00\x01\x1b[2J",
	"\xff\xfe\x80", "\u202e\u2028", "--boundary", "%s%n%d", `\r\n"`, strings.Repeat("x", 1<<20),
	strings.Repeat("x y", 1<<18),
	strings.Repeat("ü", 1<<18), strings.Repeat("\x00", 2000), strings.Repeat("\U0001f600", 300),
	strings.Repeat(`\`, 3000), "=?utf-8?q?a=0D=0ABcc:_b@c?=", "ü", "(", `"`, "<>", ";", "\t\t \t", "", ".",
	"\r", "..\r\n.\r\n",
}

// TestS10_Injection puts it into each place a stranger can write, and reads the report with the standard
// library.
func TestS10_Injection(t *testing.T) {
	for _, bad := range nasty {
		for _, x := range []struct {
			where string
			put   func(*mail.Message, *mail.Result)
		}{
			{"reply", func(_ *mail.Message, r *mail.Result) { r.Reply = bad }},
			{"enhanced", func(_ *mail.Message, r *mail.Result) { r.Enhanced = bad }},
			{"remote", func(_ *mail.Message, r *mail.Result) { r.RemoteMTA = bad }},
			{"recipient", func(m *mail.Message, _ *mail.Result) { m.Envelope.Recipients[0].Forward = mail.Path(bad) }},
			{"quoted recipient", func(m *mail.Message, _ *mail.Result) {
				m.Envelope.Recipients[0].Forward = mail.Path(`"` + bad + `"@x.example`)
			}},
			{"original", func(m *mail.Message, _ *mail.Result) { m.Envelope.Recipients[0].Original = bad }},
			{"original text", func(m *mail.Message, _ *mail.Result) {
				m.Envelope.Recipients[0].Original = "rfc822;" +
					bad
			}},
			{"envelope id", func(m *mail.Message, _ *mail.Result) { m.Envelope.EnvID = bad }},
			{"reverse", func(m *mail.Message, _ *mail.Result) {
				m.Envelope.Reverse = mail.Path(bad +
					"@example.org")
			}},
			{"maildrop", func(m *mail.Message, _ *mail.Result) { m.Origin.Maildrop, m.Envelope.Reverse = bad, "" }},
			{"subject", func(m *mail.Message, _ *mail.Result) {
				m.Content = &content{octets: "Subject: " + bad +
					"\r\n\r\n"}
			}},
			{"message-id", func(m *mail.Message, _ *mail.Result) {
				m.Content = &content{octets: "Message-ID: <" + bad + ">\r\n\r\n"}
			}},
			{"header", func(m *mail.Message, _ *mail.Result) { m.Content = &content{octets: bad + "\r\n\r\n"} }},
		} {
			m, r := message(letter, "jaco@kroon.co.za"), refused("550 no", "5.1.1")
			x.put(m, &r)
			got, s := one(t, reporter(), m, mail.Report{r})
			if got.Content.Size() > 5<<20 {
				t.Errorf("%s: the report has %d octets", x.where, got.Content.Size())
			}
			if got.Envelope.Recipients[0].Forward != "postmaster@kroon.co.za" { // else the message is inside as it is
				h, parts := wellFormed(t, s)
				if h.Get("From") != "Mail Delivery System <mailer-daemon@kroon.co.za>" || h.Get("Bcc") != "" {
					t.Errorf("%s %.40q: header %v", x.where, bad, h)
				}
				if n := strings.Count("\r\n"+parts[1], "\r\nFinal-Recipient:"); n != 1 || strings.Contains(parts[1],
					"\r\nBcc:") {
					t.Errorf("%s %.40q: status %q", x.where, bad, parts[1])
				}
			}
			if t.Failed() {
				t.Fatalf("%s %.40q", x.where, bad)
			}
		}
	}
}

// TestS10_OneFoldedField: the reply is one field, folded, and reads as it was when it is unfolded.
func TestS10_OneFoldedField(t *testing.T) {
	reply := "550 5.7.1 " + strings.Repeat("too many words ", 20) + "end"
	_, s := one(t, reporter(), message(letter, "jaco@kroon.co.za"), mail.Report{refused(reply, "5.7.1")})
	_, parts := wellFormed(t, s)
	for _, l := range strings.Split(parts[1], "\r\n") {
		if len(l) > 78 {
			t.Errorf("a line has %d octets: %s", len(l), l)
		}
	}
	if !strings.Contains(strings.ReplaceAll(parts[1], "\r\n ", " "), "Diagnostic-Code: smtp; "+reply) {
		t.Error(parts[1])
	}
}

// TestLongAddresses: addresses of the greatest length fit into their fields.
func TestLongAddresses(t *testing.T) {
	for _, local := range []string{strings.Repeat("x", 988), strings.Repeat("ü", 494),
		strings.Repeat("\U0001f600", 247)} {
		for _, to := range []mail.Path{"j@kroon.co.za", mail.Path(local + "@kroon.co.za")} {
			m := message(letter, to)
			m.Envelope.Reverse = mail.Path(local + "@example.org")
			if err := m.Envelope.Reverse.Check(); err != nil {
				t.Fatal(err)
			}
			_, s := one(t, reporter(), m, mail.Report{refused("550 no", "")})
			wellFormed(t, s)
		}
	}
}

// TestFold: a value is folded at its blanks, keeps its octets, and never begins a new field.
func TestFold(t *testing.T) {
	for value, want := range map[string]string{
		"a":                      "X: a\r\n",
		" a":                     "X: a\r\n",
		"a\r\nB: c":              "X: a  B: c\r\n",
		strings.Repeat("y", 100): "X:\r\n " + strings.Repeat("y", 100) + "\r\n",
		strings.Repeat("y", 70) + " z  " + strings.Repeat("w", 70): "X: " + strings.Repeat("y", 70) + " z \r\n " +
			strings.Repeat("w", 70) + "\r\n",
	} {
		if got := string(fold("X", value)); got != want {
			t.Errorf("%q: %q", value, got)
		}
	}
}

// TestS12_HeaderOnly: whatever its size, the body does not go to a stranger, and the report stays small.
func TestS12_HeaderOnly(t *testing.T) {
	m := message("A: "+strings.Repeat("x\r\n ", 200<<10)+"\r\n\r\nbody", "jaco@kroon.co.za")
	got, s := one(t, reporter(), m, mail.Report{refused("550 no", "")})
	if strings.Contains(s, "body\r\n") || got.Content.Size() > 100<<10 || m.Content.(*content).opened > 0 {
		t.Errorf("%d octets, opened %d times", got.Content.Size(), m.Content.(*content).opened)
	}
	_, parts := wellFormed(t, s)
	if !strings.Contains(strings.ReplaceAll(parts[0], "\r\n", " "), "The header is cut") {
		t.Error("nobody is told that the header is cut")
	}
}

// TestHeaderOctets: the header comes back octet for octet, in normal form.
func TestHeaderOctets(t *testing.T) {
	for _, h := range []string{
		"A: b\r\n", "A: \xe4\xf6\r\n", "A: \x00=20 \r\n", "A: " + strings.Repeat("y", 5000) + "\r\n", "--=_\r\n",
		"no field\r\n",
		"From x\r\n", ".\r\n", "A: trailing blank \r\nB: tab\t\r\n", "A: =\r\n", "",
	} {
		_, s := one(t, reporter(), message(h+"\r\nbody\r\n", "jaco@kroon.co.za"), mail.Report{refused("550 no",
			"")})
		if _, parts := wellFormed(t, s); parts[2] != h {
			t.Errorf("%.60q came back as %.60q", h, parts[2])
		}
	}
	for in, want := range map[string]string{
		"A: b\nC: d\n\n": "A: b\r\nC: d\r\n", "A: b\rC: d\r\r\n\r\n": "A: b C: d \r\n", "A: b": "A: b\r\n",
		"\n\n": "", "\r\n\r\n": "",
	} {
		if got := string(normal([]byte(in))); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestStatus(t *testing.T) {
	for _, x := range []struct {
		r    mail.Result
		want string
	}{
		{mail.Result{Outcome: mail.Failed, Enhanced: "5.1.1"}, "5.1.1"},
		{mail.Result{Outcome: mail.Failed, Enhanced: "4.1.1"}, "5.1.1"},
		{mail.Result{Outcome: mail.Failed, Enhanced: "2.1.5"}, "5.1.5"},
		{mail.Result{Outcome: mail.Failed}, "5.0.0"},
		{mail.Result{Outcome: mail.Failed, Enhanced: "5.1"}, "5.0.0"},
		{mail.Result{Outcome: mail.Failed, Enhanced: "5.1.1\r\nX: y"}, "5.0.0"},
		{mail.Result{Outcome: mail.Failed, Enhanced: "5.4.7"}, "5.4.7"},
		{mail.Result{Outcome: mail.Failed, Enhanced: "4.3.0", After: mail.OpExpire}, "4.4.7"},
		{mail.Result{Outcome: mail.Failed, Enhanced: "4.3.0", Err: fmt.Errorf("x: %w", expiry(true))}, "4.4.7"},
		{mail.Result{Outcome: mail.Failed, Enhanced: "4.3.0", Err: expiry(false)}, "5.3.0"},
		{mail.Result{Enhanced: "4.3.0"}, "4.4.7"},
		{mail.Result{}, "4.4.7"},
	} {
		if got := (&told{Result: x.r}).status(); got != x.want {
			t.Errorf("%+v: %s, want %s", x.r, got, x.want)
		}
	}
}

// expiry is the error by which the queue says that time was up.
type expiry bool

func (expiry) Error() string   { return "not in time" }
func (e expiry) Expired() bool { return bool(e) }

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "less than a minute", 61 * time.Second: "one minute", 59 * time.Minute: "59 minutes",
		90 * time.Minute: "one hour",
		123 * time.Hour:  "5 days",
	} {
		if got := inWords(t, ageOf(d)); got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
}

// FuzzReport: whatever the header and the reply, the report keeps its structure.
func FuzzReport(f *testing.F) {
	f.Add([]byte(letter), "550 5.1.1 no", "jaco@kroon.co.za", "rfc822;x")
	for _, bad := range nasty {
		if len(bad) < 1000 {
			f.Add([]byte("Subject: "+bad+"\r\nMessage-ID: <"+bad+">\r\n"+bad+"\r\n\r\n"), bad, bad, bad)
		}
	}
	f.Fuzz(func(t *testing.T, header []byte, reply, to, original string) {
		m := message(string(header), mail.Path(to))
		m.Envelope.Recipients[0].Original, m.Envelope.EnvID = original, original
		rep := mail.Report{refused(reply, "")}
		if h := mail.HeaderOf(header); len(h) > mail.MaxHeader {
			t.Skip()
		}
		list, err := reporter().Report(t.Context(), m, rep)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range list {
			s := octets(t, x)
			if x.Envelope.Recipients[0].Forward != "ann@example.org" {
				continue
			}
			h, parts := wellFormed(t, s)
			if h.Get("From") != "Mail Delivery System <mailer-daemon@kroon.co.za>" {
				t.Errorf("From is %q", h.Get("From"))
			}
			if want := string(normal(mail.HeaderOf(header))); parts[2] != want {
				t.Errorf("header %q came back as %q", want, parts[2])
			}
		}
	})
}

func inWords(t *testing.T, a *Age) string {
	t.Helper()
	var b strings.Builder
	if err := english.t.ExecuteTemplate(&b, "age", a); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

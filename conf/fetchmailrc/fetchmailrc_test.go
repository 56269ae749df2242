package fetchmailrc

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/conf"
	"mailretr/conf/draft"
	"mailretr/conf/fetchmailrc/samples"
)

func parsed(t *testing.T, text string) File {
	t.Helper()
	f, bad := Parse("rc", []byte(text))
	if len(bad) > 0 {
		t.Fatalf("%v\n%s", bad, text)
	}
	return f
}

func TestEachOptionIsReadInEachForm(t *testing.T) {
	server, user, set := samples.Options()
	seen := map[string]bool{}
	for _, s := range server {
		f := parsed(t, "poll a "+s+" user b")
		for _, o := range f.Entries[0].Options {
			seen[o.Name] = true
		}
	}
	for _, s := range user {
		f := parsed(t, "poll a user b "+s)
		for _, o := range f.Entries[0].Options {
			seen[o.Name] = true
		}
	}
	for _, s := range set {
		seen[parsed(t, s).Set[0].Name] = true
	}
	for name := range options {
		if !seen[name] {
			t.Errorf("no sample has %s", name)
		}
	}
}

func TestEscapes(t *testing.T) {
	for in, want := range map[string]string{
		`a\x41b`: "aAb", `\x4a\X4A1`: "JJ1", `\0101`: "\b1", `\101`: "e", `\n\t\b\r`: "\n\t\b\r", `\\`: `\`, `\q`: "q", "a\\\nb": "ab",
		`x\`: "x", "a\x00b": "a", `a\x00b`: "a", `\xg`: "", `\65`: "A", `\0`: "",
	} {
		if got := unescape(in); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
}

func TestNamesMayLookLikeKeywords(t *testing.T) {
	f := parsed(t, `poll isp user is pass keep is poll here user "x" there password "ssl" to here here`)
	if len(f.Entries) != 2 {
		t.Fatalf("%+v", f)
	}
	e := f.Entries[0]
	if e.Remote != "is" || e.Text("password") != "keep" || e.Local[0].Here != "poll" {
		t.Errorf("%+v", e)
	}
	e = f.Entries[1]
	if e.Remote != "x" || e.Text("password") != "ssl" || e.Local[0].Here != "here" {
		t.Errorf("%+v", e)
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	f := parsed(t, `defaults proto pop3 timeout 5 user common is a b here smtphost last
poll one proto imap user x is c here smtphost first keep
poll two`)
	one, two := f.Entries[0], f.Entries[1]
	if one.Text("protocol") != "imap" || one.Text("timeout") != "5" || one.Remote != "x" {
		t.Errorf("%+v", one)
	}
	if got := fmt.Sprint(one.Local, one.List("smtphost")); got != "[{ c}] [first]" {
		t.Error(got)
	}
	if two.Text("protocol") != "pop3" || two.Remote != "common" || !two.Several() {
		t.Errorf("%+v", two)
	}
}

// A mistake costs its entry, and is named where it is.
func TestMistakesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"poll a bogus":                             `rc:1:8  error    a text stands where poll, skip, defaults or set is expected`,
		"poll a user b limit x":                    `rc:1:21  error    a text stands where a number behind limit is expected`,
		"poll a user b password":                   `rc:1:23  error    the end of the file stands where a word behind password is expected`,
		"poll a user b timeout 3":                  `rc:1:15  error    "timeout" stands where an option of a user (those of a server come before the first user) is expected`,
		"POLL a":                                   `rc:1:1  error    a text stands where poll, skip, defaults or set is expected`,
		"poll":                                     `rc:1:5  error    the end of the file stands where the name of a server is expected`,
		"poll a user b 'c":                         `rc:1:15  error    a quotation mark ' has no second one; close it`,
		"poll a user b is there":                   "",
		"poll a no timeout":                        `rc:1:11  error    "timeout" stands where an option is expected`,
		"poll a user b c there":                    `rc:1:22  error    the end of the file stands where here (one user is there; several names, * and = are local) is expected`,
		"set bogus\npoll good user a is b here":    `rc:1:5  error    a text stands where an option is expected`,
		"poll a user b is here":                    "",
		"poll a user b is = c\n\npoll good user b": `rc:1:18  error    "=" stands where a name is expected`,
	} {
		f, bad := Parse("rc", []byte(text))
		got := ""
		if len(bad) > 0 {
			got = strings.TrimSpace(bad[0].String())
		}
		if got != want {
			t.Errorf("%q:\n%s\n%s", text, got, want)
		}
		if strings.Contains(text, "good") && len(f.Entries) != 1 {
			t.Errorf("%q: %+v", text, f.Entries)
		}
	}
}

func imported(t *testing.T, text string) (conf.Config, []conf.Problem) {
	t.Helper()
	return Import("rc", []byte(text), draft.Options{Hostname: "mail.example.org"})
}

func one(t *testing.T, text string) *conf.Maildrop {
	t.Helper()
	c, notes := imported(t, text)
	if len(c.Maildrops) != 1 || conf.Failed(notes) {
		t.Fatalf("%+v %v", c.Maildrops, notes)
	}
	return c.Maildrops[0]
}

func TestWhatIsCollectedAndWhatBecomesOfIt(t *testing.T) {
	for text, want := range map[string]string{
		"proto pop3 user a":               "delete/",
		"proto pop3 user a keep":          "keep/",
		"proto pop3 user a fetchall":      "delete/",
		"proto imap user a":               "delete/UNSEEN",
		"proto imap user a keep":          "seen/UNSEEN",
		"proto imap user a keep fetchall": "seen/",
		"proto imap user a nokeep":        "delete/UNSEEN",
	} {
		m := one(t, "poll isp.example "+text)
		if got := m.After.String() + "/" + m.Search.String(); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func TestSecurityIsNeverLess(t *testing.T) {
	for text, want := range map[string]string{
		"proto pop3 user a":                                     "pop3://a@isp.example  false",
		"proto pop3 user a ssl":                                 "pop3s://a@isp.example  false",
		"proto imap user a sslproto ''":                         "imap://a@isp.example none false",
		"proto imap user a sslproto TLS1.2+":                    "imap://a@isp.example  false",
		"proto imap service 993 user a":                         "imaps://a@isp.example  false",
		"proto imap user a ssl no sslcertck":                    "imaps://a@isp.example  true",
		"proto imap user a ssl no sslcertck sslfingerprint 'x'": "imaps://a@isp.example  false",
		"via localhost port 1143 proto imap user a":             "imap://a@localhost:1143 none false",
	} {
		m := one(t, "poll isp.example "+text)
		if got := fmt.Sprint(m.URL(), " ", m.TLS.Mode, " ", m.TLS.Insecure); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func TestMultidropKeepsToTheEnvelope(t *testing.T) {
	m := one(t, `set postmaster pm
poll isp.example aka mx.isp.example localdomains example.com: envelope 1 "Delivered-To:" qvirtual x- proto pop3
user u is jaco office=anna here smtpaddress here.example`)
	d := m.Multidrop
	got := fmt.Sprint(d.Envelope, d.StripPrefix, d.Domains, d.Otherwise)
	if got != "[Delivered-To 2] [x-] [example.com *.example.com isp.example mx.isp.example]pm@here.example" {
		t.Error(got)
	}
	want := "jaco@isp.example=jaco@here.example office@isp.example=anna@here.example *@isp.example=pm@here.example"
	got = ""
	for _, a := range d.Map[:3] {
		got += " " + a.From + "=" + a.To[0]
	}
	if got[1:] != want || len(d.Map) != 6 {
		t.Error(got)
	}
	_, notes := imported(t, "poll isp.example no envelope proto pop3 user u is * here")
	if !conf.Failed(notes) {
		t.Error("guessed from To")
	}
}

// H6: no address of a message becomes a part of a line for a shell.
func TestS5_AddressesAreArguments(t *testing.T) {
	for mda, want := range map[string]string{
		`/usr/bin/procmail -d %T`:          "[/usr/bin/procmail|-d|{local}]",
		`/usr/sbin/sendmail -f %F -- %T`:   "[/usr/sbin/sendmail|-f|{sender|<>}|--|{local}]",
		`/usr/bin/x %T > /tmp/log`:         `[/bin/sh|-c|/usr/bin/x "$1" > /tmp/log|mda|{local}|{sender|<>}]`,
		`FOO=%F /usr/bin/x -d "$LOGNAME" `: `[/bin/sh|-c|FOO="$2" /usr/bin/x -d "$LOGNAME" |mda|{local}|{sender|<>}]`,
	} {
		c, _ := imported(t, "poll isp.example proto pop3 user u is j here mda '"+mda+"'")
		if got := "[" + strings.Join(c.Deliver[0].Command, "|") + "]"; got != want {
			t.Errorf("%s: %s", mda, got)
		}
	}
}

func TestDestinationsAreShared(t *testing.T) {
	c, _ := imported(t, `poll a.example proto pop3 esmtpname n esmtppassword p user x is x here smtphost mx.example user y is y here
user z is z here smtphost mx.example
poll b.example proto pop3 esmtpname n esmtppassword other user q is q here smtphost mx.example/587,back`)
	if len(c.Deliver) != 3 || c.Maildrops[0].Deliver != "" || c.Maildrops[1].Deliver != "smtp-2" ||
		c.Maildrops[2].Deliver != "" || c.Maildrops[3].Deliver != "smtp-3" {
		t.Errorf("%+v", c)
	}
	if d := c.Deliver[2]; d.Address != "mx.example:587" || d.TLS.Mode != conf.ModeDefault || len(d.SMTP.Others) != 1 {
		t.Errorf("%+v", d)
	}
	if c.Maildrops[0].To[0] != "x@mx.example" || c.Maildrops[1].To[0] != "y@localhost" {
		t.Errorf("%v %v", c.Maildrops[0].To, c.Maildrops[1].To)
	}
}

// Each sample becomes a configuration without mistakes, or a line names what is missing; and every option that was
// written and has no equal is named where it stands.
func TestSamplesAreImportedWithoutLoss(t *testing.T) {
	all, good := samples.All(), 0
	if len(all) < 200 {
		t.Fatalf("only %d samples", len(all))
	}
	for i, text := range all {
		f := parsed(t, text)
		c, notes := imported(t, text)
		for _, e := range f.Entries {
			for _, o := range append(e.Options, f.Set...) {
				named := slices.ContainsFunc(notes, func(p conf.Problem) bool { return p.Pos == o.Pos })
				if options[o.Name].none != "" && !o.Off && !named {
					t.Errorf("%d: %s is not named\n%s", i, o.Name, text)
				}
			}
		}
		left := 0
		for _, p := range notes {
			if p.Severity == conf.Error && strings.Contains(p.Text, "is left out") {
				left++
			}
		}
		if left == 0 && len(c.Maildrops) != len(f.Entries) {
			t.Errorf("%d: %d maildrops of %d entries", i, len(c.Maildrops), len(f.Entries))
		}
		for j := range c.Maildrops { // a password may stand elsewhere
			if m := c.Maildrops[j]; !m.Password.Given() {
				m.Password = conf.SecretFile("/x")
			}
		}
		c.Complete(conf.Paths{State: "/s", Socket: "/s/s"})
		bad := conf.Failed(notes)
		for _, p := range c.Validate() {
			if p.Severity == conf.Error {
				bad = true
			}
		}
		if !bad && len(c.Maildrops) > 0 {
			good++
		}
	}
	t.Logf("%d of %d samples are accepted as they are", good, len(all))
	if good < 150 {
		t.Errorf("only %d of %d are accepted", good, len(all))
	}
}

// A hostile file costs no more than its length.
func TestHostileFilesAreBounded(t *testing.T) {
	for name, text := range map[string]string{
		"large":    strings.Repeat("x", MaxFile+1),
		"users":    "poll a " + strings.Repeat("user b ", MaxFile/8),
		"defaults": "defaults user x is " + strings.Repeat("a ", 100_000) + "\n" + strings.Repeat("poll b\n", 50_000),
		"maps": "poll a aka " + strings.Repeat("h.example ", 20) + hosts(5000) + " user x is " + strings.Repeat("n ", 5000) +
			"* here",
		"bad":    strings.Repeat("poll\n", 100_000),
		"quote":  "poll a user b '" + strings.Repeat("x", 500_000),
		"quotes": strings.Repeat("\"a' ", 200_000),
		"no":     "poll a " + strings.Repeat("no ", 200_000),
	} {
		start := time.Now()
		c, notes := Import("rc", []byte(text), draft.Options{Hostname: "m.example"})
		if !conf.Failed(notes) || len(notes) > 20_000 || len(c.Maildrops) > maxUsers {
			t.Errorf("%s: %d maildrops, %d notes", name, len(c.Maildrops), len(notes))
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("%s took %v", name, d)
		}
	}
}

func hosts(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "h%d.example ", i)
	}
	return b.String()
}

func FuzzImport(f *testing.F) {
	for _, s := range samples.All() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, bad := Parse("rc", []byte(text))
		for _, p := range bad {
			if p.Pos.Line < 1 || p.Pos.Column < 1 {
				t.Errorf("%+v", p)
			}
		}
		for _, e := range file.Entries {
			if e.Pos.Line < 1 || strings.ContainsRune(e.Remote, 0) {
				t.Errorf("%+v", e)
			}
		}
		c, _ := Import("rc", []byte(text), draft.Options{Hostname: "m.example"})
		c.Complete(conf.Paths{State: "/s", Socket: "/s/s"})
		c.Validate()
	})
}

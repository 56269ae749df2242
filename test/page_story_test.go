//go:build interop

package test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	mirrors "mailretr/conf/sql"
	"mailretr/test/real"
)

// got is what an HTTP server of the program says.
func got(t *testing.T, url string) string {
	t.Helper()
	r, err := (&http.Client{Timeout: 10 * time.Second}).Get(url)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	b, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// signIn goes to the pages and signs in.
func signIn(b *real.Browser, pages, user, password string) {
	b.Open(pages + "/sign-in")
	b.Fill("#user", user)
	b.Fill("#password", password)
	b.Follow("#submit")
}

// wellKept fails where a page does what it may not, or keeps people from using it.
func wellKept(t *testing.T, b *real.Browser, pages, name string) {
	t.Helper()
	for _, x := range b.Axe() {
		t.Errorf("%s: axe: %s", name, x)
	}
	for _, x := range b.Harm(pages) {
		t.Errorf("%s: %s", name, x)
	}
	b.Shot(name)
}

// TestSeenByWhomItConcerns: jaco's provider refuses the password that stands in a database. Within one poll its table of
// status, `mailretr status`, /metrics and jaco's page say "Authentication failed", with the server's words and when it is
// tried again; the password is corrected in the database, and within one interval all four say that it works.
func TestSeenByWhomItConcerns(t *testing.T) {
	d, db := real.StartDovecot(t), real.MariaDB(t)
	d.Put("jaco", []byte("From: a@example.org\r\nSubject: hello\r\n\r\nhi\r\n"))
	sink := real.StartSink(t, true, nil)
	schema, err := mirrors.Schema("mysql", 0)
	if err != nil {
		t.Fatal(err)
	}
	db.Do(schema, fmt.Sprintf("INSERT INTO mailretr_maildrops (name, host, port, tls, `user`, password, `interval`, recipient) "+
		"VALUES ('jaco', '127.0.0.1', %d, 'none', 'jaco', 'of-last-year', 3600, 'jaco@kroon.co.za')", d.IMAP))
	const every = 5 * time.Second
	web, metrics := real.Port(t), real.Port(t)
	p := newProgram(t, fmt.Sprintf(`
deliver: {smtp: "127.0.0.1:%d"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
sources:
  - mysql: {dsn: "%s", preset: mailretr, every: 5s, reach: any, status: own}
metrics: {listen: "127.0.0.1:%d", per_maildrop: true}
web:
  listen: 127.0.0.1:%d
  sign_in:
    - imap: {url: "imap://127.0.0.1:%d", domains: [kroon.co.za]}
`, sink.Port, db.DSN, metrics, web, d.IMAP))
	began := time.Now()
	p.serve()
	pages := fmt.Sprintf("http://127.0.0.1:%d", web)
	b := real.Chromium(t, true)
	eventually(t, time.Minute, "pages", func() bool { return got(t, pages+"/sign-in") != "" })
	signIn(b, pages, "jaco", "secret")

	const row = "SELECT state, failures > 0, next_attempt IS NOT NULL, last_success IS NOT NULL, said FROM mailretr_status WHERE maildrop = 'jaco'"
	says := func(what string, ok func() bool) {
		t.Helper()
		eventually(t, 25*time.Second, what, ok)
		t.Logf("%-60s %.1f s", what, time.Since(began).Seconds())
	}
	status := func(want ...string) func() bool {
		return func() bool {
			out, _, code := p.run("status", "-v", "jaco")
			for _, w := range want {
				if !strings.Contains(out, w) {
					return false
				}
			}
			return code == 0 || code == 75
		}
	}
	metric := func(line string) func() bool {
		return func() bool {
			return strings.Contains(got(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", metrics)), line)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("jaco's page:\n%s", b.Text())
		}
	})
	page := func(want ...string) func() bool {
		return func() bool {
			text := b.Text()
			for _, w := range want {
				if !strings.Contains(text, w) {
					return false
				}
			}
			return true
		}
	}
	said := "[AUTHENTICATIONFAILED] Authentication failed."
	says("mailretr status says so", status("✗\tjaco\tlogin\tnever\t", " ago\tin ", "NO "+said, "while logging in at "))
	says("/metrics says so", metric(`mailretr_maildrop_state{maildrop="jaco",state="login"} 1`))
	says("the row says so", func() bool {
		lines := read(t, "mysql", db, row)
		return len(lines) == 1 && lines[0] == "login | 1 | 1 | 0 | NO "+said
	})
	says("jaco's page says so", page("Authentication failed.", "The server said: NO "+said, "Tried again", "in "))
	wellKept(t, b, pages, "story-1-refused")

	db.Do("UPDATE mailretr_maildrops SET password = 'secret' WHERE name = 'jaco'")
	began = time.Now()
	says("corrected: /metrics says that it works", metric(`mailretr_maildrop_state{maildrop="jaco",state="ok"} 1`))
	if took := time.Since(began); took > 2*every {
		t.Errorf("it took %v, though the database is asked every %v", took, every)
	}
	says("corrected: mailretr status says that it works", func() bool {
		out, _, _ := p.run("status", "-v", "jaco")
		return !strings.Contains(out, said) && status("jaco")()
	})
	says("corrected: the row says that it works", func() bool {
		lines := read(t, "mysql", db, row)
		return len(lines) == 1 && strings.HasPrefix(lines[0], "ok | 0 | 1 | 1 | ")
	})
	says("corrected: jaco's page says that it works", page("All well.", "Mail is arriving."))
	if text := b.Text(); strings.Contains(text, "Authentication failed") {
		t.Errorf("the page still says that it does not:\n%s", text)
	}
	says("the message is delivered", func() bool { return sink.Sum.Messages.Load() == 1 })
	wellKept(t, b, pages, "story-2-works")
}

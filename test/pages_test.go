//go:build interop

package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mailretr/relay/passwd"
	"mailretr/test/real"
)

// What servers and mail say on the pages, and what has to stay text there. Each asks for a picture that is nowhere, opens a
// dialog, or leaves its place in the page.
const (
	evilReply   = `<script>alert("reply")</script>"><img src=/evil onerror=alert(1)>`
	evilSubject = `<script>alert("subject")</script><img src=x onerror=alert(2)> {{.}} &lt;b&gt;`
	evilMTA     = `451 4.7.1 <svg onload=alert(3)><a href="javascript:alert(4)">'"`
	evilUser    = `"><script>alert("user")</script>`
)

// refusing is a POP3 server that refuses each password, in words of its own.
func refusing(t *testing.T, words string) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.WriteString(c, "+OK hi\r\n")
				for lines := bufio.NewScanner(c); lines.Scan(); {
					switch verb, _, _ := strings.Cut(strings.ToUpper(lines.Text()), " "); verb {
					case "USER", "QUIT":
						io.WriteString(c, "+OK\r\n")
					default:
						io.WriteString(c, "-ERR "+words+"\r\n")
					}
				}
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// seen is a daemon with pages: gert is an admin, jaco and anna own a maildrop each. Jaco's has mail that the MTA puts off;
// anna's refuses the password.
func seen(t *testing.T) (p *program, pages string, sink *real.Sink) {
	t.Helper()
	d := real.StartDovecot(t)
	for i, subject := range []string{evilSubject, "second"} {
		d.Put("jaco", fmt.Appendf(nil, "Return-Path: <mallory%d@evil.example>\r\nFrom: \"<b>x</b>\" <mallory@evil.example>\r\nSubject: %s\r\n\r\nhi\r\n",
			i, subject))
	}
	sink = real.StartSink(t, true, func(m real.Taken) string { return evilMTA })
	port := real.Port(t)
	hash := passwd.Make("open sesame")
	p = newProgram(t, fmt.Sprintf(`
deliver: {smtp: "127.0.0.1:%d"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
poll: 1h
maildrops:
  - {name: jaco, url: "imap://jaco@127.0.0.1:%d", tls: none, password: {file: @DIR@/pass}, to: jaco@kroon.co.za, after: keep}
  - {name: anna, url: "pop3://anna@127.0.0.1:%d", tls: none, password: {file: @DIR@/pass}, to: anna@kroon.co.za}
web:
  listen: 127.0.0.1:%d
  subjects: true
  collect: 1s
  admins: [gert]
  users:
    - {name: gert, password: "%[5]s"}
    - {name: jaco, password: "%[5]s", owns: [jaco@kroon.co.za]}
    - {name: anna, password: "%[5]s", owns: [anna@kroon.co.za]}
`, sink.Port, d.IMAP, refusing(t, evilReply), port, hash))
	p.serve()
	pages = fmt.Sprintf("http://127.0.0.1:%d", port)
	eventually(t, time.Minute, "pages", func() bool { return got(t, pages+"/sign-in") != "" })
	eventually(t, time.Minute, "mail that is put off, and a refused password", func() bool {
		waits := p.lines("queue", "list")
		out, _, _ := p.run("status", "anna")
		return len(waits) == 2 && waits[0]["state"] == "deferred" && waits[1]["state"] == "deferred" && strings.Contains(out, "login")
	})
	return p, pages, sink
}

// shows fails where the page does not have these texts.
func shows(t *testing.T, b *real.Browser, what string, want ...string) {
	t.Helper()
	text := b.Text()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s: %q is not on the page:\n%s", what, w, text)
		}
	}
}

// onlyText fails where what somebody else said has become part of the page.
func onlyText(t *testing.T, b *real.Browser, what string) {
	t.Helper()
	const foreign = `document.querySelectorAll("img, svg[onload], b, script:not([src]), a[href^='javascript:'], [onerror]").length`
	if n := real.Eval[int](b, foreign); n != 0 {
		t.Errorf("%s: %d foreign elements:\n%s", what, n, b.Source())
	}
}

// TestH5_OwnerPages: an owner's way through the pages, with scripts and without, in the light and in the dark, on a screen and
// on a phone. What servers, senders and clients say stays text, and another's maildrop is not there.
func TestH5_OwnerPages(t *testing.T) {
	p, pages, _ := seen(t)
	for _, x := range []struct {
		name    string
		scripts bool
		width   int64
		dark    bool
	}{{"with-scripts", true, 1100, false}, {"without-scripts-phone-dark", false, 380, true}} {
		t.Run(x.name, func(t *testing.T) {
			b := real.Chromium(t, x.scripts)
			b.Look(x.width, x.dark)
			kept := func(name string) { t.Helper(); onlyText(t, b, name); wellKept(t, b, pages, "owner-"+name+"-"+x.name) }
			b.Open(pages + "/maildrop?name=jaco")
			shows(t, b, "a stranger", "Sign in")
			b.Fill("#user", evilUser)
			b.Fill("#password", "wrong")
			b.Follow("#submit")
			shows(t, b, "a wrong password", "User or password are wrong.")
			kept("signin")
			b.Fill("#user", "jaco")
			b.Fill("#password", "open sesame")
			b.Follow("#submit")
			if !strings.HasSuffix(b.URL(), "/maildrop?name=jaco") {
				t.Errorf("he wanted to see his maildrop, and is at %s", b.URL())
			}
			shows(t, b, "the maildrop", "All well.", evilSubject, evilMTA[4:], "Waiting here to be delivered", "What was collected stays")
			kept("maildrop")
			b.Follow(`//button[starts-with(normalize-space(), "Check now")]`)
			b.Await("the check to be done", func(text string) bool { return strings.Contains(text, "Checked just now") })
			b.Follow(`a.brand`)
			shows(t, b, "the list", "My maildrops", "jaco")
			kept("list")
			if text := b.Text(); strings.Contains(text, "anna") || strings.Contains(text, "Queue") {
				t.Errorf("he sees what is not his:\n%s", text)
			}
			for _, path := range []string{"/maildrop?name=anna", "/maildrop?name=nobody", "/admin", "/admin/queue", "/admin/maildrops",
				"/maildrop?name=" + url.QueryEscape(evilUser), "/static/../../etc/passwd"} {
				if status := b.Open(pages + path); status != http.StatusNotFound {
					t.Errorf("%s: status %d", path, status)
				}
				onlyText(t, b, path)
			}
			b.Open(pages)
			b.Click("#account")
			b.Follow("#sign-out")
			shows(t, b, "signed out", "Sign in")
			if b.Open(pages + "/maildrop?name=jaco"); !strings.Contains(b.URL(), "/sign-in") {
				t.Errorf("he has signed out, and sees %s", b.URL())
			}
			signIn(b, pages, "anna", "open sesame")
			shows(t, b, "anna's list", "Authentication failed.", "The server said: -ERR "+evilReply, "Tried again")
			kept("refused")
		})
	}
	if log := p.logged(); strings.Contains(log, "open sesame") || !strings.Contains(log, "sign-in refused") {
		t.Error("the log has a password, or says nothing of a wrong one")
	}
}

// TestH5_AdminPages: an admin finds and changes messages, with scripts and without; a destruction is asked about, and the
// command line sees the same.
func TestH5_AdminPages(t *testing.T) {
	p, pages, _ := seen(t)
	for i, scripts := range []bool{true, false} {
		name := map[bool]string{true: "with-scripts", false: "without-scripts"}[scripts]
		t.Run(name, func(t *testing.T) {
			b := real.Chromium(t, scripts)
			kept := func(page string) { t.Helper(); onlyText(t, b, page); wellKept(t, b, pages, "admin-"+page+"-"+name) }
			signIn(b, pages, "gert", "open sesame")
			b.Open(pages + "/admin")
			shows(t, b, "the overview", "Overview", "To be looked at: 1 of 2 maildrops", "Destinations", "message", evilReply)
			kept("overview")
			b.Open(pages + "/admin/maildrops")
			b.Fill("#q", "ann")
			b.Follow("#search")
			shows(t, b, "the search", "1 maildrop", "anna", "Authentication failed")
			kept("maildrops")
			b.Open(pages + "/admin/traffic")
			kept("traffic")
			b.Open(pages + "/admin/verify")
			b.Follow("#begin")
			eventually(t, 20*time.Second, "the end of comparing", func() bool {
				b.Open(pages + "/admin/verify")
				return strings.Contains(b.Text(), "All is well")
			})
			kept("verify")
			b.Open(pages + "/admin/import")
			kept("import")
			b.Open(pages + "/admin/queue")
			shows(t, b, "the queue", "mallory", evilMTA[4:], "Export to a file")
			kept("queue")
			waits := p.lines("queue", "list")
			if len(waits) != 2-i {
				t.Fatalf("%d messages wait", len(waits))
			}
			id, _ := waits[0]["queue_id"].(string)
			b.Click(`input[name="id"][value="` + id + `"]`)
			b.Follow("#verb-hold")
			if strings.Contains(b.URL(), "/admin/queue") && real.Eval[bool](b, `document.querySelector("#sure") !== null`) {
				kept("sure-hold")
				b.Follow("#sure")
			}
			eventually(t, 20*time.Second, "a message that is held", func() bool { return p.lines("queue", "list", "--state", "held") != nil })
			b.Open(pages + "/admin/message?id=" + id)
			shows(t, b, "the message", id, "jaco@kroon.co.za")
			kept("message")
			b.Follow(`//button[@value="remove"]`)
			shows(t, b, "the question", "cannot be undone")
			kept("sure-remove")
			b.Follow("#back")
			if len(p.lines("queue", "list")) != 2-i {
				t.Error("it was removed without an answer")
			}
			b.Open(pages + "/admin/message?id=" + id)
			b.Follow(`//button[@value="remove"]`)
			b.Follow("#sure")
			eventually(t, 20*time.Second, "a message that is removed", func() bool { return len(p.lines("queue", "list")) == 1-i })
		})
	}
}

// faceless is a browser without a face.
func faceless(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 20 * time.Second}
}

// post sends a form and returns the status.
func post(t *testing.T, c *http.Client, to string, form url.Values) int {
	t.Helper()
	r, err := c.PostForm(to, form)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

// TestH6_OtherSites: another site has the browser of somebody who has signed in send forms; nothing happens. A session cannot
// be planted before somebody signs in; and who guesses passwords is soon told to wait, which keeps nobody else out.
func TestH6_OtherSites(t *testing.T) {
	p, pages, _ := seen(t)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<form method="post" action="%s%s"><input name="name" value="jaco"><input name="all" value="1"><button id="go">go</button></form>`, pages, r.URL.Path)
	}))
	defer other.Close()
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1) // the cookie is not sent from there; from another port it is
	b := real.Chromium(t, true)
	b.Open(pages + "/sign-in")
	const planted = "a-secret-that-mallory-knows"
	names := map[string]bool{"session": true, "mailretr": true}
	for _, c := range b.Cookies() {
		names[c.Name] = true
	}
	signIn(b, pages, "jaco", "open sesame")
	first := ""
	for _, c := range b.Cookies() {
		names[c.Name], first = true, c.Value
		if !c.HTTPOnly || c.SameSite != "Lax" && c.SameSite != "Strict" || c.Value == planted {
			t.Errorf("the cookie %+v", c)
		}
	}
	for name := range names {
		b.SetCookie(pages, name, planted)
	}
	if b.Open(pages + "/"); !strings.Contains(b.URL(), "/sign-in") {
		t.Errorf("a session that nobody began leads to %s", b.URL())
	}
	signIn(b, pages, "jaco", "open sesame")
	shows(t, b, "signed in", "My maildrops")
	for _, c := range b.Cookies() {
		if c.Value == first || strings.HasSuffix(c.Name, "mailretr") && c.Value == planted {
			t.Errorf("the session is known from before: %+v", c)
		}
	}

	for _, from := range []string{elsewhere + "/maildrop/pause", other.URL + "/maildrop/pause", other.URL + "/maildrop/collect", other.URL + "/sign-out"} {
		b.Open(from)
		b.Follow("#go")
		if text := b.Text(); strings.Contains(text, "paused") || strings.Contains(text, "checked now") || !strings.HasPrefix(b.URL(), pages) {
			t.Errorf("%s: at %s:\n%s", from, b.URL(), text)
		}
		b.Open(pages + "/maildrop?name=jaco")
		shows(t, b, from, "Pause this maildrop")
	}
	for _, path := range []string{"/maildrop/pause?name=jaco", "/maildrop/collect?name=jaco", "/sign-out"} {
		if status := b.Open(pages + path); status < 400 {
			t.Errorf("a link to %s: status %d", path, status)
		}
	}
	b.Open(pages + "/maildrop?name=jaco")
	shows(t, b, "after all that", "Pause this maildrop")
	b.Shot("other-sites")

	began, told := time.Now(), 0
	for i := range 8 {
		status := post(t, faceless(t), pages+"/sign-in", url.Values{"user": {"anna"}, "password": {fmt.Sprint("guess", i)}})
		if status == http.StatusTooManyRequests {
			told++
		}
	}
	if told < 2 || told > 4 {
		t.Errorf("%d of 8 guesses were told to wait", told)
	}
	t.Logf("8 guesses took %.1f s, %d were told to wait", time.Since(began).Seconds(), told)
	if status := post(t, faceless(t), pages+"/sign-in", url.Values{"user": {"anna"}, "password": {"open sesame"}}); status != http.StatusTooManyRequests {
		t.Errorf("the right password, after too many wrong ones: status %d", status)
	}
	c := faceless(t)
	post(t, c, pages+"/sign-in", url.Values{"user": {"gert"}, "password": {"open sesame"}})
	if status := post(t, c, pages+"/maildrop/pause", url.Values{"name": {"anna"}}); status != http.StatusOK {
		t.Errorf("another user is kept out as well: status %d", status)
	}
	if out, _, _ := p.run("status", "anna"); !strings.Contains(out, "paused") {
		t.Errorf("it is not paused: %s", out)
	}
}

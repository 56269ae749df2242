//go:build interop

package test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"mailretr/relay/passwd"
	"mailretr/test/real"
)

// TestPageFollows: an open page shows what has changed by itself, without being loaded again. While the daemon is away it says
// so, and asks less and less often; where the session has ended it leads to where one signs in.
func TestPageFollows(t *testing.T) {
	port := real.Port(t)
	p := newProgram(t, fmt.Sprintf(`
deliver: {smtp: "127.0.0.1:1"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
poll: 1h
maildrops:
  - {name: anna, url: "pop3://anna@127.0.0.1:%d", tls: none, password: {file: @DIR@/pass}, to: anna@kroon.co.za}
web:
  listen: 127.0.0.1:%d
  users:
    - {name: anna, password: "%s", owns: [anna@kroon.co.za]}
`, refusing(t, "Authentication failed"), port, passwd.Make("open sesame")))
	p.serve()
	pages := fmt.Sprintf("http://127.0.0.1:%d", port)
	eventually(t, time.Minute, "pages", func() bool { return got(t, pages+"/sign-in") != "" })
	b := real.Chromium(t, true)
	opened := func() {
		t.Helper()
		signIn(b, pages, "anna", "open sesame")
		b.Open(pages + "/maildrop?name=anna")
		b.Await("the maildrop", func(text string) bool { return strings.Contains(text, "Authentication failed") })
		real.Eval[bool](b, "window.marked = true")
	}
	shown := func(what, want string) {
		t.Helper()
		began := time.Now()
		b.Await(what, func(text string) bool { return strings.Contains(text, want) })
		t.Logf("%-50s %.1f s", what, time.Since(began).Seconds())
	}
	marked := func() bool { return real.Eval[bool](b, "window.marked === true") }
	const state = `document.getElementById("maildrop").dataset.state`

	opened()
	began := time.Now()
	p.run("maildrop", "pause", "anna")
	shown("paused: the page says so", "paused by the administrator")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if got := real.Eval[string](b, state); !marked() || got != "paused" {
		t.Errorf("the page was loaded again, or shows the state %q", got)
	}
	p.run("maildrop", "resume", "anna")
	shown("resumed: the page says what is wrong", "The server refuses the user name or the password")
	if !marked() {
		t.Error("the page was loaded again")
	}

	elsewhere := faceless(t)
	post(t, elsewhere, pages+"/sign-in", url.Values{"user": {"anna"}, "password": {"open sesame"}})
	post(t, elsewhere, pages+"/sign-out", url.Values{"all": {"1"}})
	shown("signed out elsewhere: the page asks for the password", "Password")
	if marked() || !strings.Contains(b.URL(), "/sign-in") {
		t.Errorf("it is at %s", b.URL())
	}

	opened()
	const asked = `performance.getEntriesByType("resource").filter(function (x) { return x.initiatorType === "fetch" }).length`
	p.kill()
	shown("away: the page says that it is not up to date", "not up to date")
	before, since := real.Eval[int](b, asked), time.Now()
	eventually(t, 20*time.Second, "another try", func() bool { return real.Eval[int](b, asked) > before })
	if took := time.Since(since); took < 3*time.Second || !marked() { // the first came after 1 s, then after 2
		t.Errorf("another try after %v", took)
	}
	p.serve()
	eventually(t, time.Minute, "pages", func() bool { return got(t, pages+"/sign-in") != "" })
	b.Open(pages + "/maildrop?name=anna") // as who comes back to it does: the next try may be a minute away
	shown("back: the session has ended with the daemon", "Password")
}

package web

import (
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"mailretr/conf"
	"mailretr/store/mail"
)

// An owner sees what is his, whatever case its name is written in, and of the rest not even that it is there.
func TestOwners(t *testing.T) {
	w := newWorld(t)
	if code, text := w.browser().get("/"); code != 200 || !strings.Contains(text, `id="password"`) {
		t.Errorf("nobody gets %d %s", code, text)
	}
	b := w.as("jaco")
	if _, text := b.get("/"); !strings.Contains(text, `data-maildrop="jaco"`) || strings.Contains(text, "anna") {
		t.Errorf("jaco sees %s", text)
	}
	if code, _ := b.get("/maildrop?name=jaco"); code != 200 {
		t.Errorf("jaco gets %d for his own", code)
	}
	missing, other := "", ""
	for path, into := range map[string]*string{"/maildrop?name=nobody": &missing, "/maildrop?name=anna": &other} {
		code, text := b.get(path)
		if code != 404 {
			t.Errorf("%s: %d", path, code)
		}
		*into = text
	}
	if missing != other {
		t.Error("one can tell another's maildrop from none")
	}
	if code, _ := b.post("/maildrop/collect", "name", "anna"); code != 404 {
		t.Errorf("jaco collects anna's: %d", code)
	}
	if code, text := w.as("gert").get("/maildrop?name=anna"); code != 200 || !strings.Contains(text, "anna@kroon.co.za") {
		t.Errorf("an admin gets %d %s", code, text)
	}
}

// What is wrong is said in a sentence, with the server's own words and what to do; these words stay text.
func TestH5_ServerReplies(t *testing.T) {
	w := newWorld(t)
	w.observe("jaco", mail.Event{Op: mail.OpPoll, Attempt: 1, Next: w.now().Add(30 * time.Minute),
		Err: &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Reply: "-ERR " + evil + "\x1b[2J\u202e"}})
	w.observe("jaco", mail.Event{Op: mail.OpAside, Text: evil, Origin: mail.Origin{UID: evil}, Messages: 1, Next: w.now()})
	w.observe("jaco", mail.Event{Op: mail.OpRefuse, Origin: mail.Origin{UID: evil}, From: evil, Reply: evil})
	w.observe("jaco", mail.Event{Op: mail.OpRemark, Topic: evil, Text: evil})
	for _, who := range []string{"jaco", "gert"} {
		b := w.as(who)
		for _, path := range []string{"/", "/maildrop?name=jaco", "/maildrop?name=" + evil, "/?did=" + evil} {
			_, text := b.get(strings.NewReplacer("<", "%3C", ">", "%3E", `"`, "%22", " ", "%20").Replace(path))
			if strings.Contains(text, "<script>alert") || strings.Contains(text, "<img") || strings.Contains(text, "\u202e") {
				t.Errorf("%s: %s", path, text)
			}
		}
	}
	_, text := w.as("jaco").get("/maildrop?name=jaco")
	for _, want := range []string{"Authentication failed", "&lt;script&gt;", "in 30 minutes", "12:30", "app password"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
}

// Another site cannot have a browser do anything, even sign somebody in or out.
func TestH6_CSRF(t *testing.T) {
	w := newWorld(t)
	b := w.as("jaco")
	b.from = "cross-site"
	for _, path := range []string{"/maildrop/collect", "/sign-out", "/sign-in"} {
		if code, _ := b.post(path, "name", "jaco", "user", "jaco", "password", "right"); code != http.StatusForbidden {
			t.Errorf("%s: %d", path, code)
		}
	}
	b.from = "same-site"
	if code, _ := b.post("/maildrop/collect", "name", "jaco"); code != http.StatusForbidden {
		t.Errorf("a neighbour: %d", code)
	}
	b.from = "same-origin"
	if _, text := b.get("/"); !strings.Contains(text, "sign-out") {
		t.Error("signed out by another site")
	}
	r := b.form("/maildrop/collect", "name", "jaco") // an old browser
	r.Header.Set("Origin", "https://evil.example")
	b.from = ""
	if code, _, _ := b.do(r); code != http.StatusForbidden {
		t.Errorf("an old browser: %d", code)
	}
	if c := w.as("jaco").cookies(); len(c) != 1 {
		t.Errorf("%v", c)
	}
}

// The secret of a session is ours, another one at each sign-in, and worth nothing when one has signed out.
func TestH6_SessionFixation(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	set := func(secret string) {
		r := b.form("/")
		r.Method = http.MethodGet
		b.http.Jar.SetCookies(r.URL, []*http.Cookie{{Name: "mailretr", Value: secret, Path: "/"}})
	}
	set("chosen")
	if code, _ := b.post("/sign-in", "user", "jaco", "password", "right"); code != 200 {
		t.Fatal(code)
	}
	first := b.cookies()[0].Value
	if first == "chosen" || len(first) < 43 {
		t.Errorf("the secret is %q", first)
	}
	b.post("/sign-in", "user", "jaco", "password", "right")
	second := b.cookies()[0].Value
	if second == first {
		t.Error("it is the same at the next sign-in")
	}
	for _, old := range []string{"chosen", first} {
		set(old)
		if _, text := b.get("/"); strings.Contains(text, "sign-out") {
			t.Errorf("%q is worth something", old)
		}
	}
	set(second)
	b.post("/sign-out")
	set(second)
	if _, text := b.get("/"); strings.Contains(text, "sign-out") {
		t.Error("a session goes on when one has signed out")
	}
}

// A session ends after its time, and when nobody has asked for anything for long: what a script does by itself is nothing.
func TestSessionsEnd(t *testing.T) {
	w := newWorld(t)
	in := func(b *browser) bool { _, text := b.get("/"); return strings.Contains(text, "sign-out") }
	b := w.as("jaco")
	for range 6 {
		w.pass(110 * time.Minute)
		if !in(b) {
			t.Fatalf("ended at %s", w.now())
		}
	}
	w.pass(70 * time.Minute)
	if in(b) {
		t.Error("it lasts for longer than 12 hours")
	}
	b = w.as("jaco")
	w.pass(time.Hour)
	r := b.form("/")
	r.Method = http.MethodGet
	r.Header.Set("X-Live", "1")
	b.do(r)
	w.pass(61 * time.Minute)
	if in(b) {
		t.Error("a script kept it alive")
	}
	a, c := w.as("jaco"), w.as("jaco")
	a.post("/sign-out", "all", "1")
	if in(c) || !in(w.as("anna")) {
		t.Error("sign out on all devices")
	}
	d := w.as("jaco")
	w.change(func(c *conf.Config) { c.Poll = time.Hour })
	if !in(d) {
		t.Error("it ended for another setting")
	}
	w.change(func(c *conf.Config) { c.Web.Users = []conf.WebUser{{Name: "new"}} })
	if in(d) {
		t.Error("it goes on although who may sign in has changed")
	}
}

// All that a browser may hold of sessions is bounded.
func TestSessionsAreBounded(t *testing.T) {
	var s sessions
	w := newWorld(t)
	var first string
	for i := range perUser + 1 {
		secret := s.begin(w.people["jaco"], w.now().Add(time.Duration(i)*time.Second))
		if i == 0 {
			first = secret
		}
	}
	if len(s.all) != perUser {
		t.Errorf("%d sessions of one user", len(s.all))
	}
	if _, ok := s.of(first, w.now(), time.Hour, true); ok {
		t.Error("the oldest goes on")
	}
}

// Guessing is slow: for one client and one user after five, and the right password does not help then; another user of the
// same office gets in. It is fast again after a while.
func TestBruteForce(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for i := range 5 {
		if code, text := b.post("/sign-in", "user", "jaco", "password", "wrong"); code != 403 || !strings.Contains(text, "are wrong") {
			t.Fatalf("%d: %d %s", i, code, text)
		}
	}
	code, text, header := b.do(b.form("/sign-in", "user", "jaco", "password", "right"))
	if code != http.StatusTooManyRequests || header.Get("Retry-After") != "121" || !strings.Contains(text, "in 2 minutes") {
		t.Errorf("%d %s %s", code, header, text)
	}
	if code, _ := b.post("/sign-in", "user", "JACO", "password", "right"); code != http.StatusTooManyRequests {
		t.Errorf("in capitals: %d", code)
	}
	w.as("anna")
	w.pass(2 * time.Minute)
	w.as("jaco")
	for range 3 {
		if code, _ := b.post("/sign-in", "user", "jaco", "password", "away"); code != http.StatusServiceUnavailable {
			t.Errorf("nobody knows: %d", code)
		}
	}
	w.as("jaco")
}

// Many clients that guess the password of one user, and one client that guesses those of many, are slow, too; what is
// counted is bounded.
func TestAttempts(t *testing.T) {
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	client := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
	}
	var a attempts
	n := 0
	for i := range 1000 {
		if a.take(attempt{client: client(i), user: "jaco"}, now) == 0 {
			n++
		}
	}
	if n != int(ofUser.burst) {
		t.Errorf("%d guesses for one user", n)
	}
	n = 0
	kept := len(a.all)
	for i := range 1000 {
		if a.take(attempt{client: client(5000), user: strings.Repeat("x", i+1)}, now) == 0 {
			n++
		}
	}
	if n != int(ofClient.burst) {
		t.Errorf("%d guesses of one client", n)
	}
	if kept = len(a.all) - kept; kept > 2*int(ofClient.burst)+1 {
		t.Errorf("%d are counted of one client", kept)
	}
	for i := range 3 * maxCounted / 2 {
		a.take(attempt{client: client(i), user: "y"}, now)
	}
	if len(a.all) > maxCounted+3 {
		t.Errorf("%d are counted", len(a.all))
	}
}

// A page leads on to this site only.
func TestOpenRedirect(t *testing.T) {
	for next, want := range map[string]string{
		"/maildrop?name=a": "/maildrop?name=a", "//evil.example/": "/", "///evil.example": "/", `/\evil.example`: "/", "https://evil.example/": "/",
		"evil": "/", "": "/", "javascript:alert(1)": "/", "/\t/evil.example": "/", "/a\r\nSet-Cookie: x=y": "/",
		"/" + strings.Repeat("a", 3000): "/",
	} {
		if got := local(next); got != want {
			t.Errorf("%q leads to %q", next, got)
		}
	}
}

// A server in front says who somebody is, and nobody else can.
func TestTrustedProxy(t *testing.T) {
	w := newWorld(t)
	as := func(field, value string) string {
		b := w.browser()
		r := b.form("/")
		r.Method = http.MethodGet
		r.Header.Add(field, value)
		_, text, _ := b.do(r)
		return text
	}
	is := func(text string) bool { return strings.Contains(text, `data-maildrop="jaco"`) }
	if is(as("X-Remote-User", "jaco@kroon.co.za")) {
		t.Error("believed although nobody said so")
	}
	w.change(func(c *conf.Config) {
		c.Web.Proxy = conf.WebProxy{Networks: []string{"192.0.2.7"}, User: "X-Remote-User"}
	})
	if is(as("X-Remote-User", "jaco@kroon.co.za")) {
		t.Error("a stranger is believed")
	}
	w.change(func(c *conf.Config) { c.Web.Proxy.Networks = []string{"127.0.0.1"} })
	if text := as("X-Remote-User", "jaco@kroon.co.za"); !is(text) || strings.Contains(text, `id="sign-out"`) {
		t.Errorf("the server in front is not believed: %s", text)
	}
	if text := as("X-Remote-User", evil); strings.Contains(text, "<script>alert") {
		t.Error(text)
	}
	if text := as("X-Other", "x"); is(text) || !strings.Contains(text, "Nobody signs in here") {
		t.Error(text)
	}
	if code, _ := w.browser().post("/sign-in", "user", "jaco", "password", "right"); code != 403 {
		t.Errorf("one signs in beside it: %d", code)
	}
	w.change(func(c *conf.Config) { c.Web.Proxy.Owns = "X-Remote-Email" })
	if is(as("X-Remote-User", "jaco@kroon.co.za")) {
		t.Error("the name owns something although another field says what")
	}
	b := w.browser()
	r := b.form("/")
	r.Method = http.MethodGet
	r.Header["X-Remote-User"] = []string{"x"}
	r.Header["X-Remote-Email"] = []string{"anna@kroon.co.za, jaco@kroon.co.za"}
	if _, text, _ := b.do(r); !is(text) || !strings.Contains(text, `data-maildrop="anna"`) {
		t.Error(text)
	}
	r = b.form("/")
	r.Method = http.MethodGet
	r.Header["X-Remote-User"] = []string{"anna@kroon.co.za", "gert"}
	if _, text, _ := b.do(r); strings.Contains(text, "anna") {
		t.Error("one of two names is believed")
	}
}

// Each answer says what a browser may not do with it.
func TestHeaders(t *testing.T) {
	w := newWorld(t)
	b := w.as("jaco")
	for _, path := range []string{"/", "/sign-in", "/nothing", "/maildrop?name=jaco", staticName("style.css")} {
		r := b.form(path)
		r.Method = http.MethodGet
		_, _, h := b.do(r)
		csp := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") == "" {
			t.Errorf("%s: %v", path, h)
		}
	}
	c := b.cookies()
	if len(c) != 1 {
		t.Fatal(c)
	}
	w.server.Secure = true
	r := w.browser().form("/sign-in", "user", "jaco", "password", "right")
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	set := resp.Header.Get("Set-Cookie")
	for _, want := range []string{"__Host-mailretr=", "HttpOnly", "Secure", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(set, want) {
			t.Errorf("%s is missing in %s", want, set)
		}
	}
}

// What is sent is bounded.
func TestLargeForm(t *testing.T) {
	w := newWorld(t)
	if code, _ := w.as("jaco").post("/maildrop/collect", "x", strings.Repeat("x", maxForm), "name", "jaco"); code == 200 {
		t.Error("a form of any size is taken")
	}
}

// Collecting by hand tells how it went, in the page, and cannot be done again at once.
func TestCollect(t *testing.T) {
	w := newWorld(t)
	b := w.as("jaco")
	code, text := b.post("/maildrop/collect", "name", "jaco")
	if code != 200 || !strings.Contains(text, "Authentication failed") && !strings.Contains(text, "It is being checked now") {
		t.Fatalf("%d %s", code, text)
	}
	w.server.runs.stop()
	_, text = b.get("/maildrop?name=jaco")
	for _, want := range []string{"it did not work", "-ERR [AUTH] Authentication failed &lt;script&gt;", "again in 1 minute"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	if code, _ := b.post("/maildrop/collect", "name", "jaco"); code != http.StatusTooManyRequests {
		t.Errorf("at once again: %d", code)
	}
	w.pass(time.Minute)
	if code, _ := b.post("/maildrop/collect", "name", "jaco"); code != 200 {
		t.Errorf("a minute later: %d", code)
	}
	for page, back := range map[string]string{"/": "/", "/maildrop?name=jaco&did=collect": "/maildrop?name=jaco"} {
		if _, text := b.get(page); !strings.Contains(text, `name="back" value="`+back+`"`) {
			t.Errorf("%s does not lead back: %s", page, text)
		}
	}
	w.change(func(c *conf.Config) { c.Web.Collect = 0 })
	b = w.as("jaco")
	if _, text := b.get("/"); strings.Contains(text, "/maildrop/collect") {
		t.Error("there is a button")
	}
	w.pass(time.Hour)
	if code, _ := b.post("/maildrop/collect", "name", "jaco"); code != http.StatusConflict {
		t.Errorf("although it is switched off: %d", code)
	}
}

// Every word that a page or the code asks for is there, and none is there for nothing.
func TestTexts(t *testing.T) {
	used := map[string]bool{}
	ask := regexp.MustCompile(`\bt "([^"]+)"|(?:get|first)\("([^"]+)"|fault\{[^}"]*"([^"]+)"`)
	for _, files := range []fs.FS{pageFiles, sources} {
		if err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := fs.ReadFile(files, path)
			for _, m := range ask.FindAllSubmatch(b, -1) {
				for _, key := range m[1:] {
					used[string(key)] = true
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	for key := range used {
		if _, ok := english()[key]; key != "" && !ok && !strings.HasSuffix(key, ".") {
			t.Errorf("%s has no text", key)
		}
	}
	made := regexp.MustCompile(`^(state|todo|outcome|did|unit|left|hold|verb|confirm|lane|qstate|queue|rcpt|many|now|verbs|problem|lefttodo)\.`)
	for key := range english() {
		if !used[key] && !made.MatchString(key) {
			t.Errorf("%s is never asked for", key)
		}
	}
}

// sources are the files of this package.
var sources = os.DirFS(".")

// A mistake of ours costs one page, and is logged.
func TestPanic(t *testing.T) {
	w := newWorld(t)
	var log strings.Builder
	w.server.Log = slog.New(slog.NewTextHandler(&log, nil))
	got := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	w.server.open(func(*visit) error { panic("oh") })(got, r)
	if got.Code != 500 || strings.Contains(got.Body.String(), "oh") || !strings.Contains(log.String(), "oh") {
		t.Errorf("%d %s %s", got.Code, got.Body, log.String())
	}
}

package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// knownIn is the cookie by which a browser is known; "": it is not.
func (b *browser) knownIn() string {
	u, err := url.Parse(b.site.URL + "/sign-in")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.http.Jar.Cookies(u) {
		if c.Name == "mailretr-known" {
			return c.Value
		}
	}
	return ""
}

func (b *browser) setKnown(value string) {
	u, err := url.Parse(b.site.URL + "/sign-in")
	if err != nil {
		b.t.Fatal(err)
	}
	b.http.Jar.SetCookies(u, []*http.Cookie{{Name: "mailretr-known", Value: value, Path: "/sign-in"}})
}

// Who guesses at one user from many addresses keeps him out where he has never been, and nowhere else: a session goes on, and
// he signs in where he has signed in before. There he has tries of his own, and others have none.
func TestH6_NobodyIsLockedOut(t *testing.T) {
	w := newWorld(t)
	attacked := func() {
		for i := range 300 {
			from := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 32)
			w.server.attempts.take(attempt{client: from, user: "jaco"}, w.now())
		}
	}
	enter := func(b *browser, user, password string) int {
		t.Helper()
		code, text := b.post("/sign-in", "user", user, "password", password)
		if in := strings.Contains(text, "sign-out"); in != (code == 200) {
			t.Errorf("%d %s", code, text)
		}
		return code
	}
	session, home, stranger := w.as("jaco"), w.as("jaco"), w.browser()
	home.post("/sign-out")
	for minute := range 3 { // each takes what has filled again meanwhile
		attacked()
		if code := enter(stranger, "jaco", "right"); code != http.StatusTooManyRequests {
			t.Errorf("%d: a stranger: %d", minute, code)
		}
		if _, text := session.get("/"); !strings.Contains(text, "sign-out") {
			t.Errorf("%d: the session has ended", minute)
		}
		if code := enter(home, "Jaco", "wrong"); code != http.StatusForbidden {
			t.Errorf("%d: a slip of his: %d", minute, code)
		}
		if code := enter(home, "jaco", "right"); code != http.StatusOK {
			t.Errorf("%d: he himself: %d", minute, code)
		}
		home.post("/sign-out")
		w.pass(time.Minute)
	}
	attacked()
	hers := w.as("anna")
	hers.post("/sign-out")
	if enter(hers, "jaco", "right") != http.StatusTooManyRequests {
		t.Error("where somebody else has signed in he is known")
	}

	// In his browser one can guess five times, not more.
	for i := range 7 {
		want := http.StatusForbidden
		if i >= int(ofPair.burst) {
			want = http.StatusTooManyRequests
		}
		if code := enter(home, "jaco", "guess"); code != want {
			t.Errorf("guess %d: %d", i, code)
		}
	}
	w.pass(time.Hour)

	attacked()
	good := home.knownIn()
	for what, value := range map[string]string{"made up": strings.Repeat("A", len(good)), "cut": good[:len(good)-4], "longer for ever": "f" + good[1:], "none": "", "nonsense": "%"} {
		stranger.setKnown(value)
		if code := enter(stranger, "jaco", "right"); code != http.StatusTooManyRequests {
			t.Errorf("%s: %d", what, code)
		}
	}

	// A restart forgets sessions, and not who is known; time does.
	again := &Server{House: w.house, SignIn: w.server.SignIn}
	h := again.Handler(t.Context())
	known := func(value string) bool {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/sign-in", http.NoBody)
		r.AddCookie(&http.Cookie{Name: "mailretr-known", Value: value})
		return again.visit(httptest.NewRecorder(), r).knownAs("JACO") != ""
	}
	if h == nil || !known(good) {
		t.Error("he is a stranger after a restart")
	}
	w.pass(knownFor + time.Second)
	if known(good) {
		t.Error("he is known for ever")
	}
}

// One who tries many users from one address is held off, whoever they are, and those at other addresses are not; he goes on
// when he has waited.
func TestH6_ManyUsersFromOneAddress(t *testing.T) {
	w := newWorld(t)
	var a attempts
	from, other := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/64")
	users := func(n int) (let int) {
		for i := range n {
			if a.take(attempt{client: from, user: "user" + strings.Repeat("x", i)}, w.now()) == 0 {
				let++
			}
		}
		return let
	}
	if n := users(200); n != int(ofClient.burst) {
		t.Errorf("%d users are tried at once", n)
	}
	w.pass(10 * time.Minute)
	if n := users(200); n != 10 {
		t.Errorf("%d more in 10 minutes", n)
	}
	if wait := a.take(attempt{client: other, user: "user"}, w.now()); wait != 0 {
		t.Errorf("somebody else waits for %v", wait)
	}
}

package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mailretr/fetch/oauthtest"
	"mailretr/store/mail"
)

// memory is a store.
type memory struct {
	mu    sync.Mutex
	kept  map[string][]byte
	saves int
	fail  error
}

func (m *memory) Load(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept[name], nil
}

func (m *memory) Save(_ context.Context, name string, sealed []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if sealed == nil {
		delete(m.kept, name)
		return nil
	}
	if m.kept == nil {
		m.kept = map[string][]byte{}
	}
	m.kept[name] = sealed
	m.saves++
	return nil
}

// A world is a provider, a keeper and a clock.
type world struct {
	*oauthtest.Server
	t      *testing.T
	store  *memory
	keeper *Keeper
	mu     sync.Mutex
	now    time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{Server: oauthtest.New(t), t: t, store: &memory{}, now: time.Now()}
	w.keeper = w.another()
	return w
}

// another is a keeper after a restart.
func (w *world) another() *Keeper {
	return &Keeper{Store: w.store, Key: func() (Key, error) { return derive([]byte("a key")) }, Now: w.clock}
}

func (w *world) clock() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }

func (w *world) after(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }

func (w *world) provider() Provider {
	return Provider{
		Name: "test", ClientID: oauthtest.ClientID, Scopes: oauthtest.Scopes,
		Secret:  func(context.Context) (string, error) { return oauthtest.ClientSecret, nil },
		AuthURL: w.AuthURL(), TokenURL: w.TokenURL(), DeviceURL: w.DeviceURL(),
	}
}

func (w *world) account() *Account { return w.keeper.Account(w.provider(), oauthtest.User) }

const redirect = "http://127.0.0.1:34567/"

// consent signs in by a browser.
func (w *world) consent(a *Account) {
	w.t.Helper()
	p, err := a.Begin(w.t.Context(), redirect)
	if err != nil {
		w.t.Fatal(err)
	}
	state, code := w.browse(p.URL)
	if state != p.State {
		w.t.Fatalf("state %q came back as %q", p.State, state)
	}
	if err := a.Finish(w.t.Context(), state, code); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) browse(address string) (state, code string) {
	w.t.Helper()
	back, err := w.Browse(address)
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil || !strings.HasPrefix(back, redirect) {
		w.t.Fatal(back, err)
	}
	return u.Query().Get("state"), u.Query().Get("code")
}

func (w *world) token(a *Account) string {
	w.t.Helper()
	token, err := a.Token(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// kind expects a trouble of this kind, with no secret in it.
func kind(t *testing.T, what string, err error, want mail.Kind) *mail.Trouble {
	t.Helper()
	var x *mail.Trouble
	if !errors.As(err, &x) || x.Kind != want {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
	for _, text := range []string{x.Error(), x.Reply, x.Hint} {
		if strings.Contains(text, "canary") {
			t.Errorf("%s: shows a secret: %s", what, text)
		}
	}
	return x
}

func TestBrowser(t *testing.T) {
	w := newWorld(t)
	a := w.account()
	x := kind(t, "nobody consented", second(a.Token(t.Context())), mail.Auth)
	var c *Consent
	if !errors.As(x, &c) || !strings.Contains(x.Hint, "mailretr login") {
		t.Errorf("%v, hint %q", x, x.Hint)
	}
	before := a.Mark(t.Context())
	w.consent(a)
	token := w.token(a)
	if w.Owner(token) != oauthtest.User {
		t.Error("the token is nobody's")
	}
	if m := a.Mark(t.Context()); m == "" || m == before {
		t.Errorf("marks %q, %q", before, m)
	}
	w.keeper = w.another()
	if again := w.token(w.account()); again != token || w.Count(oauthtest.TokenPath) != 1 {
		t.Error("after a restart another token was asked for")
	}
}

func second(_ string, err error) error { return err }

func TestDevice(t *testing.T) {
	w := newWorld(t)
	a := w.account()
	var shown Prompt
	err := a.Device(t.Context(), func(p Prompt) error { shown = p; return w.Enter(p.Code, true) })
	if err != nil || shown.URL != w.URL+"/device" {
		t.Fatalf("%v, %+v", err, shown)
	}
	if w.Owner(w.token(a)) != oauthtest.User {
		t.Error("the token is nobody's")
	}
	err = a.Device(t.Context(), func(p Prompt) error { return w.Enter(p.Code, false) })
	kind(t, "denied", err, mail.Auth)
	cuts := 0
	err = a.Device(t.Context(), func(p Prompt) error {
		w.Answer(func(rw http.ResponseWriter, _ *http.Request) bool { // the line breaks while the owner is typing
			if cuts++; cuts > 1 {
				return false
			}
			c, _, _ := http.NewResponseController(rw).Hijack()
			c.Close()
			return true
		})
		return w.Enter(p.Code, true)
	})
	if w.Answer(nil); err != nil || cuts != 2 {
		t.Errorf("a line that was cut: %v after %d requests", err, cuts)
	}
	w.token(a) // what was consented before goes on
}

// TestH4_State: an answer that belongs to no sign-in, to an old one, or to one that is over is refused, and
// so is one that goes elsewhere than to this machine.
func TestH4_State(t *testing.T) {
	w := newWorld(t)
	a := w.account()
	p, err := a.Begin(t.Context(), redirect)
	if err != nil {
		t.Fatal(err)
	}
	state, code := w.browse(p.URL)
	kind(t, "another state", a.Finish(t.Context(), "x"+state, code), mail.Local)
	kind(t, "no state", a.Finish(t.Context(), "", code), mail.Local)
	if err := a.Finish(t.Context(), state, code); err != nil {
		t.Fatal(err)
	}
	kind(t, "twice", a.Finish(t.Context(), state, code), mail.Local)
	p, _ = a.Begin(t.Context(), redirect)
	state, code = w.browse(p.URL)
	w.after(pendingTime + time.Second)
	kind(t, "late", a.Finish(t.Context(), state, code), mail.Local)
	if q, _ := url.Parse(p.URL); q.Query().Get("code_challenge_method") != "S256" || q.Query().Get("code_challenge") == "" {
		t.Errorf("without PKCE: %s", p.URL)
	}
	for _, bad := range []string{"http://evil.example/", "http://127.0.0.1/", "https://127.0.0.1:1/", "http://127.0.0.1:1/?x", ""} {
		_, err := a.Begin(t.Context(), bad)
		kind(t, bad, err, mail.Local)
	}
	for range 3 * maxPending {
		p, _ = a.Begin(t.Context(), redirect)
	}
	if len(a.pending) > maxPending {
		t.Errorf("%d sign-ins are remembered", len(a.pending))
	}
	state, code = w.browse(p.URL)
	if err := a.Finish(t.Context(), state, code); err != nil {
		t.Errorf("the last of many: %v", err)
	}
}

// TestRefresh: in time before the end, once for all who ask, and the replacement is kept.
func TestRefresh(t *testing.T) {
	w := newWorld(t)
	a := w.account()
	w.consent(a)
	first, mark := w.token(a), a.Mark(t.Context())
	w.after(3 * time.Minute) // of five
	if w.token(a) != first {
		t.Error("refreshed too early")
	}
	w.after(time.Minute)
	var all sync.WaitGroup
	tokens := make([]string, 20)
	for i := range tokens {
		all.Go(func() { tokens[i] = w.token(w.account()) })
	}
	all.Wait()
	for _, token := range tokens {
		if token == first || token != tokens[0] {
			t.Fatalf("tokens differ, or are old: %q, %q", token, tokens[0])
		}
	}
	if n := w.Count(oauthtest.TokenPath); n != 2 {
		t.Errorf("%d requests", n)
	}
	if w.Owner(first) != "" || w.Owner(tokens[0]) != oauthtest.User {
		t.Error("the provider did not replace the token")
	}
	w.keeper = w.another()
	w.after(time.Hour)
	if w.Owner(w.token(w.account())) != oauthtest.User {
		t.Error("the replaced refresh token was not kept")
	}
	if m := w.account().Mark(t.Context()); m != mark {
		t.Errorf("a refresh looks like a consent: %q, %q", mark, m)
	}
}

// TestProviderAway: while the token is good it is used; then the trouble passes by itself, and is no refused
// login.
func TestProviderAway(t *testing.T) {
	w := newWorld(t)
	a := w.account()
	w.consent(a)
	first := w.token(a)
	down := func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "120")
		http.Error(w, "later", http.StatusServiceUnavailable)
		return true
	}
	w.Answer(down)
	w.after(4 * time.Minute)
	if w.token(a) != first {
		t.Error("a good token was thrown away")
	}
	w.after(time.Minute)
	if x := kind(t, "over", second(a.Token(t.Context())), mail.Busy); x.After != 2*time.Minute {
		t.Errorf("after %v", x.After)
	}
	w.Answer(func(rw http.ResponseWriter, _ *http.Request) bool {
		c, _, _ := http.NewResponseController(rw).Hijack()
		c.Close()
		return true
	})
	kind(t, "cut", second(a.Token(t.Context())), mail.Unreachable)
	w.Answer(nil)
	if w.Owner(w.token(a)) != oauthtest.User {
		t.Error("it does not go on")
	}
}

// TestRefused: a token that a mail server refuses is replaced once; a fresh one is as good as they come.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	a := w.account()
	w.consent(a)
	first := w.token(a)
	if a.Refused(t.Context(), first) {
		t.Error("a fresh token would be replaced for ever")
	}
	w.after(2 * time.Minute)
	if !a.Refused(t.Context(), first) {
		t.Error("an old token is not doubted")
	}
	next := w.token(a)
	if next == first || !a.Refused(t.Context(), first) || a.Refused(t.Context(), next) {
		t.Error("it was not replaced, or the new one is doubted")
	}
	for range 3 { // refused for good: each time another one, and never a doubt
		w.after(2 * time.Minute)
		w.keeper = w.another()
		a = w.account()
		if token := w.token(a); token == next || a.Refused(t.Context(), token) {
			t.Error("what was refused for good is doubted again")
		}
	}
	a.Accepted(t.Context())
	next = w.token(a)
	w.after(2 * time.Minute)
	if w.token(a) != next {
		t.Error("a token that was taken is replaced all the same")
	}
	if err := a.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	kind(t, "forgotten", second(a.Token(t.Context())), mail.Auth)
	w.keeper = w.another()
	kind(t, "forgotten for good", second(w.account().Token(t.Context())), mail.Auth)
}

func TestH4_ConsentWithdrawn(t *testing.T) {
	w := newWorld(t)
	a := w.account()
	w.consent(a)
	w.after(time.Hour)
	w.Answer(func(rw http.ResponseWriter, r *http.Request) bool {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusBadRequest)
		rw.Write([]byte(`{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`))
		return true
	})
	x := kind(t, "withdrawn", second(a.Token(t.Context())), mail.Auth)
	var c *Consent
	if !errors.As(x, &c) || c.Wrong() == "" || !strings.Contains(x.Reply, "revoked") || x.Hint == "" {
		t.Errorf("%+v", x)
	}
	w.Answer(nil)
	mark := a.Mark(t.Context())
	w.after(time.Second)
	w.consent(a)
	if w.Owner(w.token(a)) != oauthtest.User || a.Mark(t.Context()) == mark {
		t.Error("a new consent is not used, or not noticed")
	}
}

func TestKeys(t *testing.T) {
	dir := t.TempDir()
	k, err := LoadKey(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	sealed := k.Seal("a", []byte("secret-canary"))
	if strings.Contains(string(sealed), "canary") {
		t.Error("it is not encrypted")
	}
	if k, err = LoadKey(dir, filepath.Join(dir, "none")); err != nil {
		t.Fatal(err)
	}
	if plain, err := k.Open("a", sealed); err != nil || string(plain) != "secret-canary" {
		t.Errorf("%q, %v", plain, err)
	}
	if _, err := k.Open("b", sealed); err == nil {
		t.Error("it opens under another name")
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := k.Open("a", sealed); err == nil {
		t.Error("it opens though it was changed")
	}
	file(t, filepath.Join(dir, Credential), strings.Repeat("k", 40))
	c, err := LoadKey(t.TempDir(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open("a", k.Seal("a", nil)); err == nil {
		t.Error("the credential is not used")
	}
	if c, err = LoadKey(dir, dir); err != nil {
		t.Fatal(err)
	}
	if plain, err := c.Open("a", k.Seal("a", []byte("x"))); err != nil || string(plain) != "x" {
		t.Errorf("what the file's key has sealed is lost: %v", err)
	}
	if _, err := k.Open("a", c.Seal("a", nil)); err == nil {
		t.Error("the file's key is used although there is a credential")
	}
	file(t, filepath.Join(dir, Credential), "short")
	if _, err := LoadKey(dir, dir); err == nil {
		t.Error("a short credential is taken")
	}
	file(t, filepath.Join(dir, KeyFile), "damaged")
	if _, err := LoadKey(dir, ""); err == nil || !strings.Contains(err.Error(), "sign in again") {
		t.Error(err)
	}
	w := newWorld(t)
	w.consent(w.account())
	w.keeper = w.another()
	w.keeper.Key = func() (Key, error) { return derive([]byte("another key")) }
	kind(t, "another key", second(w.account().Token(t.Context())), mail.Auth)
	w.consent(w.account())
	w.token(w.account())
}

func TestRedirects(t *testing.T) {
	for registered, want := range map[string]string{
		"": "http://127.0.0.1:34567/", "http://localhost": "http://localhost:34567", "oob": "oob",
		"http://127.0.0.1/callback": "http://127.0.0.1:34567/callback", "https://example.org/done": "https://example.org/done",
		"http://localhost:8080/": "http://localhost:8080/",
	} {
		w := newWorld(t)
		p := w.provider()
		p.Redirect = registered
		a := w.keeper.Account(p, "jaco")
		prompt, err := a.Begin(t.Context(), redirect)
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(prompt.URL)
		if got := u.Query().Get("redirect_uri"); got != want || a.Pasted() != (!strings.Contains(want, ":34567")) {
			t.Errorf("%q: %q, pasted %v", registered, got, a.Pasted())
		}
	}
}

// TestOneKey: many who need a key at once make one, and leave nothing beside it.
func TestOneKey(t *testing.T) {
	dir := t.TempDir()
	keys := make([]Key, 20)
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() {
			var err error
			if keys[i], err = LoadKey(dir, ""); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range keys {
		if _, err := keys[0].Open("a", keys[i].Seal("a", nil)); err != nil {
			t.Fatalf("key %d is another one", i)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/signin"
	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/store"
	"mailretr/store/badger"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// A world is a house with pages. Its clock is moved by hand.
type world struct {
	t      testing.TB
	server *Server
	site   *httptest.Server
	house  control.House
	people people

	mu   sync.Mutex
	at   time.Time
	conf *conf.Config
}

// people have the password "right", and sign in by their names.
type people map[string]signin.Who

func (p people) Check(_ context.Context, user, password string) (signin.Who, error) {
	who, ok := p[user]
	switch {
	case password == "away":
		return who, signin.ErrAway
	case password == "half": // wrong in one place, and another is away
		return who, errors.Join(signin.ErrAway, signin.ErrRefused)
	case !ok || password != "right":
		return who, signin.ErrRefused
	}
	return who, nil
}

// refusing is a maildrop's server that refuses the login in its own words.
type refusing struct{ reply string }

func (r refusing) Open(context.Context) (mail.Maildrop, error) {
	return nil, &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Server: "mail.isp.example:995", Reply: r.reply}
}

type ledger struct{ fetch.Ledger }

const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`

// newWorld has the maildrops jaco and anna, of their owners.
func newWorld(t testing.TB, changes ...func(*control.House)) *world {
	t.Helper()
	w := &world{t: t, at: time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)}
	e, err := badger.Open(t.Context(), badger.Options{Dir: filepath.Join(t.TempDir(), "state"), Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	c := conf.Default()
	c.Hostname = "example.com" // as requests of httptest say
	c.Deliver = []conf.Destination{{Name: "default", Kind: "smtp"}}
	for _, name := range []string{"anna", "jaco"} {
		m := conf.DefaultMaildrop()
		m.Name, m.Protocol, m.Host, m.User = name, "pop3", "mail.isp.example", name
		m.To, m.Owner = []string{name + "@kroon.co.za"}, name+"@kroon.co.za"
		c.Maildrops = append(c.Maildrops, &m)
	}
	c.Web.Admins = []string{"gert"}
	w.conf = &c
	w.people = people{
		"jaco": {Name: "jaco", Owners: []string{"Jaco@kroon.co.za"}}, "anna": {Name: "anna", Owners: []string{"anna@kroon.co.za"}},
		"gert": {Name: "gert", Owners: []string{"gert@kroon.co.za"}},
	}
	w.assemble(e)
	for _, f := range changes {
		f(&w.house)
	}
	w.server = &Server{House: w.house, SignIn: func() signin.Checker { return w.people }}
	ctx, stop := context.WithCancel(t.Context())
	w.site = httptest.NewServer(w.server.Handler(ctx))
	t.Cleanup(func() {
		w.site.Close()
		stop()
		w.server.runs.stop()
		w.server.consents.end()
		w.server.inspection.wait()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) assemble(e *badger.Engine) {
	hub, folder := &control.Hub{}, &status.Folder{Now: w.now}
	all := mail.Observers{hub, folder}
	p := &fetch.Poller{Ledger: ledger{}, Observe: all, Now: w.now, Jitter: func(time.Duration) time.Duration { return 0 }}
	reply := "-ERR [AUTH] Authentication failed " + evil
	p.Set(w.t.Context(), []fetch.Drop{{Name: "jaco", From: refusing{reply}}, {Name: "anna", From: refusing{"-ERR no"}}})
	folder.Keep([]string{"anna", "jaco"}, []string{"default"})
	w.house = control.House{
		Queue:  &store.Queue{Engine: e, Observe: all, Now: w.now, Guard: store.Guard{Wait: -1}},
		Engine: e, Poller: p, Events: hub, Status: folder, Config: w.config, Now: w.now, Version: "test",
	}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) config() *conf.Config {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conf
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// change makes another configuration the one in use.
func (w *world) change(f func(*conf.Config)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := *w.conf
	f(&c)
	w.conf = &c
}

// observe tells the status of an event of a maildrop.
func (w *world) observe(name string, e mail.Event) {
	e.At, e.Origin.Maildrop = w.now(), name
	w.house.Status.Observe(e)
}

// A browser follows redirects and keeps cookies. As a real one it says that its requests come from the site itself.
type browser struct {
	*world
	http *http.Client
	from string // Sec-Fetch-Site
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w, &http.Client{Jar: jar, Timeout: 20 * time.Second}, "same-origin"}
}

// as is a browser in which somebody has signed in.
func (w *world) as(name string) *browser {
	w.t.Helper()
	b := w.browser()
	if code, text := b.post("/sign-in", "user", name, "password", "right"); code != 200 || !strings.Contains(text, "sign-out") {
		w.t.Fatalf("%s cannot sign in: %d %s", name, code, text)
	}
	return b
}

func (b *browser) get(path string) (int, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.site.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	code, text, _ := b.do(r)
	return code, text
}

// post sends a form with these fields and values.
func (b *browser) post(path string, fields ...string) (int, string) {
	b.t.Helper()
	code, text, _ := b.do(b.form(path, fields...))
	return code, text
}

func (b *browser) form(path string, fields ...string) *http.Request {
	b.t.Helper()
	q := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		q.Add(fields[i], fields[i+1])
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.site.URL+path, strings.NewReader(q.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func (b *browser) do(r *http.Request) (int, string, http.Header) {
	b.t.Helper()
	r.Header.Set("Sec-Fetch-Site", b.from)
	resp, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		b.t.Fatal(err)
	}
	if kind := resp.Header.Get("Content-Type"); strings.HasPrefix(kind, "text/html") {
		sound(b.t, r.URL.Path, string(text))
	}
	return resp.StatusCode, string(text), resp.Header
}

// cookies are those of the site.
func (b *browser) cookies() []*http.Cookie {
	u, err := url.Parse(b.site.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.http.Jar.Cookies(u)
}

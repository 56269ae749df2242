package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/signin"
	"mailretr/conf"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// A pane is of a house that has the maildrops of some owners and nothing else; time in it is that of the bubble.
type pane struct {
	t      testing.TB
	server *Server
	h      http.Handler
	conf   atomic.Pointer[conf.Config]
	cookie string
	folder *status.Folder
}

func newPane(t testing.TB, ctx context.Context, drops int) *pane {
	c := conf.Default()
	c.Hostname = "example.com" // as requests of httptest say
	var names []string
	for i := range drops {
		m := conf.DefaultMaildrop()
		m.Name, m.Protocol, m.Host, m.User, m.Owner = fmt.Sprint("d", i), "imap", "mail.isp.example", fmt.Sprint(i), fmt.Sprintf("o%d", i)
		names, c.Maildrops = append(names, m.Name), append(c.Maildrops, &m)
	}
	p := &pane{t: t, folder: &status.Folder{}}
	p.conf.Store(&c)
	p.folder.Keep(names, []string{"default"})
	p.server = &Server{House: control.House{Status: p.folder, Config: p.conf.Load}}
	p.h = p.server.Handler(ctx)
	p.cookie = p.server.sessions.begin(signin.Who{Name: "o0", Owners: []string{"o0"}}, time.Now())
	return p
}

var stampOf = regexp.MustCompile(`data-every="(\d+)" data-stamp="(\w+)"`)

// look asks for a page as its script does; took is how long that was.
func (p *pane) look(path, stamp string) (text, next, every string, took time.Duration) {
	p.t.Helper()
	r := httptest.NewRequestWithContext(p.t.Context(), http.MethodGet, path, nil)
	r.AddCookie(&http.Cookie{Name: "mailretr", Value: p.cookie})
	if stamp != "" {
		r.Header.Set("X-Live", stamp)
	}
	w, began := httptest.NewRecorder(), time.Now()
	p.h.ServeHTTP(w, r)
	took = time.Since(began)
	if w.Code != http.StatusOK {
		return fmt.Sprint(w.Code, w.Header().Get("Location")), "", "", took
	}
	m := stampOf.FindStringSubmatch(w.Body.String())
	if m == nil {
		p.t.Fatalf("no stamp: %s", w.Body)
	}
	return w.Body.String(), m[2], m[1], took
}

func (p *pane) observe(name, said string) {
	p.folder.Observe(mail.Event{Op: mail.OpPoll, At: time.Now(), Origin: mail.Origin{Maildrop: name}, Attempt: 1,
		Err: &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Reply: said}})
}

// An open page hears of a change of what is on it within a second, and of nothing else; where nothing changes it is asked for
// seldom. Who is signed out, or loses what he sees, meanwhile, sees nothing of it.
func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPane(t, t.Context(), 3)
		for _, path := range []string{"/", "/?page=1"} {
			_, stamp, every, took := p.look(path, "")
			if every != "1" || took != 0 {
				t.Errorf("%s: every %s, after %v", path, every, took)
			}
			after := func(d time.Duration, f func()) { time.AfterFunc(d, f) }
			after(3500*time.Millisecond, func() { p.observe("d1", "others are no news") })
			text, same, _, took := p.look(path, stamp)
			if took != held || same != stamp || strings.Contains(text, "no news") {
				t.Errorf("%s: nothing changed; answered after %v", path, took)
			}
			after(3500*time.Millisecond, func() { p.observe("d0", "it is mine") })
			text, next, _, took := p.look(path, stamp)
			if took != 4*time.Second || next == stamp || !strings.Contains(text, "it is mine") {
				t.Errorf("%s: answered after %v: %s", path, took, text)
			}
			if _, _, _, took = p.look(path, stamp); took != 0 {
				t.Errorf("%s: what has changed already is answered after %v", path, took)
			}
			after(2500*time.Millisecond, func() {
				c := *p.conf.Load()
				c.Maildrops = c.Maildrops[1:]
				p.conf.Store(&c)
			})
			old := p.conf.Load()
			text, _, _, took = p.look(path, next)
			if took != 3*time.Second || strings.Contains(text, "it is mine") {
				t.Errorf("%s: it is no longer his, after %v: %s", path, took, text)
			}
			p.conf.Store(old)
		}
		_, stamp, _, _ := p.look("/", "")
		time.AfterFunc(1500*time.Millisecond, func() { p.server.sessions.end(p.cookie) })
		if text, _, _, took := p.look("/", stamp); took != 2*time.Second || text != "303/sign-in" {
			t.Errorf("signed out: %s after %v", text, took)
		}
	})
}

// The stamp of a maildrop's page changes with what is on it: what became of the maildrop, that it is being checked, and what
// takes its mail; not with what is of others. An admin's changes with everything.
func TestStamps(t *testing.T) {
	w := newWorld(t)
	b, admin := w.as("jaco"), w.as("gert")
	stamps := func() (all [2]string) {
		t.Helper()
		for i, b := range []*browser{b, admin} {
			_, text := b.get([]string{"/maildrop?name=jaco", "/admin"}[i])
			m := stampOf.FindStringSubmatch(text)
			if m == nil {
				t.Fatal(text)
			}
			if every := []string{"1", "5"}[i]; m[1] != every && w.server.jobs.last == nil {
				t.Errorf("every %s, want %s", m[1], every)
			}
			all[i] = m[2]
		}
		return all
	}
	last := stamps()
	for i, x := range []struct {
		do          func()
		page, admin bool
	}{
		{func() {}, false, false},
		{func() { w.observe("anna", mail.Event{Op: mail.OpPoll}) }, false, true},
		{func() { w.observe("jaco", mail.Event{Op: mail.OpPoll}) }, true, true},
		{func() {
			w.observe("", mail.Event{Op: mail.OpLane, Lane: "default", Outcome: mail.Deferred, Reply: "421 no"})
		}, true, true},
		{func() { w.server.runs.all = map[string]*run{"jaco": {began: w.now()}} }, true, false},
		{func() { w.server.runs.all["jaco"].last.Of = 3 }, true, false},
		{func() { w.server.jobs.last = &job{verb: control.Hold, total: 9} }, false, true},
		{func() { w.server.jobs.last.done = 4 }, false, true},
		{func() { w.server.inspection.note(control.Verified{Messages: 1}, nil) }, false, true},
		{func() { w.change(func(c *conf.Config) { c.Poll = time.Hour }) }, true, true},
	} {
		x.do()
		now := stamps()
		if (now[0] != last[0]) != x.page || (now[1] != last[1]) != x.admin {
			t.Errorf("%d: from %v to %v", i, last, now)
		}
		last = now
	}
}

// Many that are open do not take all connections: beyond some, and some of one client, a page is looked at now and then. What
// is given up makes room, and a daemon that ends does not wait for them.
func TestLiveIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		p := newPane(t, ctx, 1)
		_, stamp, _, _ := p.look("/", "")
		one := netip.MustParsePrefix("192.0.2.1/32") // as httptest has it
		for range heldByOne {
			if !p.server.holding.enter(one) {
				t.Fatal("no room")
			}
		}
		if _, _, every, took := p.look("/", stamp); took != 0 || every != "15" {
			t.Errorf("one too many of one client: every %s after %v", every, took)
		}
		p.server.holding.leave(one)
		time.AfterFunc(500*time.Millisecond, stop)
		if _, _, _, took := p.look("/", stamp); took != 500*time.Millisecond {
			t.Errorf("the daemon ends, and one waits for %v", took)
		}
		if n := p.server.holding.sum; n != heldByOne-1 {
			t.Errorf("%d wait", n)
		}
		for i := p.server.holding.sum; i < maxHeld; i++ {
			p.server.holding.enter(netip.MustParsePrefix(fmt.Sprintf("198.51.100.%d/32", i)))
		}
		if p.server.holding.enter(netip.MustParsePrefix("203.0.113.1/32")) || maxHeld >= maxPeers {
			t.Error("they take all connections")
		}
	})
}

// BenchmarkLive measures what it costs in a second that all pages which may wait do so, where there are 1,000 maildrops.
func BenchmarkLive(b *testing.B) {
	p := newPane(b, b.Context(), 1000)
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "mailretr", Value: p.cookie})
	for b.Loop() {
		for range maxHeld {
			p.server.visit(httptest.NewRecorder(), r).stamp()
		}
	}
}

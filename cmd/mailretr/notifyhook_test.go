package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mailretr/cmd/mailretr/metrics"
	"mailretr/cmd/mailretr/webhook"
	"mailretr/store/mail"
)

// A receiver is a program that is told by a webhook.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int // of its answers
	got    []posting
	bad    []string // what was not signed
	asked  int
	came   chan struct{} // one for each that was taken
}

const hookSecret = "canary-canary-canary-canary"

func receive(t *testing.T) *receiver {
	r := &receiver{status: http.StatusOK, came: make(chan struct{}, 100)}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	body, _ := io.ReadAll(q.Body)
	var at mail.ID
	if id, err := mail.ParseID(q.Header.Get("webhook-id")); err == nil {
		at = id
	}
	var x posting
	if err := json.Unmarshal(body, &x); err != nil || at.Zero() || !strings.HasPrefix(q.Header.Get("webhook-signature"), "v1,") {
		r.bad = append(r.bad, string(body))
	}
	if w.WriteHeader(r.status); r.status < 300 {
		r.got = append(r.got, x)
		r.came <- struct{}{}
	}
}

// wait waits until it is told.
func (r *receiver) wait(t *testing.T) {
	t.Helper()
	select {
	case <-r.came:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
	}
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// hooking is a house with a webhook, and a clock.
type hooking struct {
	*home
	d    *serving
	n    *notifier
	p    *poster
	at   time.Time
	told []string // alarms of the outbox
}

func newHooking(t *testing.T, url string) *hooking {
	h := &hooking{home: newHome(t), at: time.Now().Add(-1000 * time.Hour)}
	write(t, filepath.Join(filepath.Dir(h.path), "secret"), hookSecret+"\n")
	h.telling(url)
	h.restart()
	t.Cleanup(func() { h.d.close() })
	return h
}

// telling names who is told; "": nobody.
func (h *hooking) telling(url string) {
	deliver := `{smtp: "127.0.0.1:1"}`
	if url != "" {
		deliver += "\nnotify: {after: 1h, recovered: 10m, webhook: {url: \"" + url + `", secret: {file: secret}, reach: any}}`
	}
	h.to(deliver)
}

func (h *hooking) restart() {
	h.Helper()
	if h.d != nil {
		if err := h.d.close(); err != nil {
			h.Fatal(err)
		}
	}
	h.d = h.open()
	n, err := newNotifier(h.Context(), h.d.house)
	if err != nil {
		h.Fatal(err)
	}
	h.n, h.p = n, &poster{h: h.d.house}
}

func (h *hooking) poll(err error) {
	h.d.around.observe.Observe(mail.Event{At: h.at, Op: mail.OpPoll, Origin: mail.Origin{Maildrop: "jaco"}, Err: err, Attempt: 1})
}

// look lets time go by, and does what a daemon does then.
func (h *hooking) look(wait time.Duration) {
	h.Helper()
	h.at = h.at.Add(wait)
	if err := h.n.look(h.Context(), h.at); err != nil {
		h.Fatal(err)
	}
	if err := h.p.look(h.Context(), h.at); err != nil {
		h.told = append(h.told, err.Error())
	}
}

func (h *hooking) waiting() (n int) {
	h.Helper()
	for _, err := range h.d.store.Notes(h.Context(), spaceHook, "") {
		if err != nil {
			h.Fatal(err)
		}
		n++
	}
	return n
}

// counted wants what a monitoring system sees to be so.
func (h *hooking) counted(want metrics.Webhook) {
	h.Helper()
	if got := h.d.measuredHook(); got == nil || *got != want {
		h.Errorf("%+v, want %+v", got, want)
	}
}

var loginRefused = &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Reply: "-ERR Authentication failed \x1b[2J"}

// A webhook is told once of trouble that lasts and once of its end, and of no blip; also where nobody gets a mail.
func TestWebhookIsTold(t *testing.T) {
	r := receive(t)
	h := newHooking(t, r.URL)
	h.poll(loginRefused)
	h.look(30 * time.Minute)
	h.poll(nil)
	h.look(time.Minute)
	h.look(11 * time.Minute)
	h.poll(loginRefused)
	began := h.at
	h.look(time.Hour)
	h.look(time.Hour)
	h.restart()
	h.look(time.Hour)
	h.poll(nil)
	h.look(time.Minute)
	well := h.at // when it was seen so
	h.look(11 * time.Minute)
	h.look(time.Hour)
	if len(r.got) != 2 || r.asked != 2 || len(r.bad) > 0 || h.waiting() != 0 || len(h.told) > 0 {
		t.Fatalf("%+v, asked %d times, bad %q, told %q", r.got, r.asked, r.bad, h.told)
	}
	x, y := r.got[0], r.got[1]
	if x.Type != "maildrop.trouble" || x.Data.Maildrop != "jaco" || x.Data.State != "login" || !x.Data.Since.Equal(began) ||
		x.Data.Said != `-ERR Authentication failed \x1b[2J` || x.Data.Wrong == "" || x.Data.Host != "mail.kroon.co.za" ||
		x.Data.Failures != 1 {
		t.Errorf("%+v", x)
	}
	if y.Type != "maildrop.well" || y.Data.State != "ok" || !y.Data.Since.Equal(well) || !y.Data.Trouble.Equal(began) {
		t.Errorf("%+v", y)
	}
}

// A receiver that is away, or refuses, is asked again more and more seldom; a restart keeps what it is to be told, and what it
// hears in the end is how things are then.
func TestWebhookIsTriedAgain(t *testing.T) {
	r := receive(t)
	h := newHooking(t, r.URL)
	h.poll(loginRefused)
	r.answers(http.StatusServiceUnavailable)
	h.look(time.Minute)
	for range 300 { // five hours, of which four are of trouble that was to be told
		h.look(time.Minute)
	}
	if r.asked < 6 || r.asked > 12 || h.waiting() != 1 || len(h.told) != 1 ||
		!strings.Contains(h.told[0], "it answers 503 Service Unavailable; it is tried again for three days") {
		t.Fatalf("asked %d times, %d wait, told %q", r.asked, h.waiting(), h.told)
	}
	h.counted(metrics.Webhook{Pending: 1, Refused: r.asked})
	h.restart()
	h.poll(nil)
	h.look(time.Minute)
	h.look(11 * time.Minute)
	if h.waiting() != 1 {
		t.Errorf("%d wait", h.waiting())
	}
	h.counted(metrics.Webhook{Pending: 1, Refused: 2})
	r.answers(http.StatusOK)
	h.look(time.Hour)
	if len(r.got) != 1 || r.got[0].Type != "maildrop.well" || h.waiting() != 0 {
		t.Errorf("%+v, %d wait", r.got, h.waiting())
	}
	h.counted(metrics.Webhook{Up: true, Refused: 2, Taken: 1})
}

// One that is away is asked for one thing only, and what nobody took for three days is given up, with an alarm.
func TestWebhookIsGivenUp(t *testing.T) {
	r := receive(t)
	r.Server.Close()
	h := newHooking(t, r.URL)
	h.poll(loginRefused)
	h.look(time.Minute)
	h.look(time.Hour)
	h.look(2 * time.Hour)
	if len(h.told) != 1 || h.p.away.tries != 2 || h.waiting() != 1 {
		t.Fatalf("told %q, %+v, %d wait", h.told, h.p.away, h.waiting())
	}
	h.counted(metrics.Webhook{Pending: 1, Failed: 2})
	h.look(hookExpire)
	h.counted(metrics.Webhook{Failed: 3, Dropped: 1})
	if len(h.told) != 2 || !strings.Contains(h.told[1], "it is given up") || h.waiting() != 0 {
		t.Errorf("told %q, %d wait", h.told, h.waiting())
	}
	for _, text := range h.told {
		if strings.Contains(text, hookSecret) {
			t.Error("the secret is told")
		}
	}
}

// Where the webhook leaves the configuration, what waits for it goes too, at the reload; also what is in a pause. One that
// comes later hears nothing twice, and nothing of what is over.
func TestWebhookIsGone(t *testing.T) {
	for _, status := range []int{http.StatusBadGateway, 0} {
		r := receive(t)
		h := newHooking(t, r.URL)
		h.poll(loginRefused)
		if r.answers(status); status == 0 {
			r.CloseClientConnections()
			r.Server.Close()
		}
		h.look(time.Minute)
		h.look(time.Hour)
		h.telling("")
		if err := h.d.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(h.n.forget(t.Context()), h.p.look(t.Context(), h.at)); err != nil {
			t.Fatal(err)
		}
		if h.waiting() != 0 || len(h.n.all) != 1 || h.d.measuredHook() != nil {
			t.Errorf("%d: %d wait, %d known", status, h.waiting(), len(h.n.all))
		}
	}
}

// A daemon does so by itself.
func TestReloadForgetsTheWebhook(t *testing.T) {
	r := receive(t)
	h := newHooking(t, r.URL)
	h.poll(loginRefused)
	r.answers(http.StatusBadGateway)
	h.look(time.Minute)
	h.look(time.Hour)
	h.d.retell = make(chan struct{}, 1)
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { h.d.notify(ctx, nil); close(done) }()
	h.telling("")
	if err := h.d.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for limit := time.After(20 * time.Second); h.waiting() > 0; {
		select {
		case <-limit:
			t.Fatal("it waits still")
		default:
		}
	}
	end()
	<-done
}

// Who was told of trouble is not told of it again when there was nobody to be told for a while, and not of its end in between.
func TestNobodyIsToldForAWhile(t *testing.T) {
	r := receive(t)
	h := newHooking(t, r.URL)
	reload := func(url string) {
		t.Helper()
		h.telling(url)
		if err := h.d.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	h.poll(loginRefused)
	h.look(time.Hour)
	for range 2 {
		h.look(time.Hour)
	}
	reload("")
	if err := h.n.forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	reload(r.URL)
	h.look(time.Hour)
	if len(r.got) != 1 {
		t.Fatalf("%+v", r.got)
	}
	reload("")
	h.poll(nil)
	if err := h.n.forget(t.Context()); err != nil || len(h.n.all) != 0 {
		t.Fatal(err, len(h.n.all))
	}
	reload(r.URL)
	h.look(time.Hour)
	h.restart()
	h.look(time.Hour)
	if len(r.got) != 1 {
		t.Errorf("%+v", r.got)
	}
}

// A webhook in the place of another is told at once what that one did not take.
func TestAnotherWebhookIsTold(t *testing.T) {
	r, other := receive(t), receive(t)
	h := newHooking(t, r.URL)
	r.Server.Close()
	h.poll(loginRefused)
	h.look(time.Minute)
	for range 6 {
		h.look(time.Hour)
	}
	h.telling(other.URL)
	if err := h.d.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.look(time.Second)
	if len(other.got) != 1 || h.waiting() != 0 {
		t.Errorf("%+v, %d wait", other.got, h.waiting())
	}
}

// A maildrop that was in trouble and is there no more is told of once, in the place of what was not told yet; one that was
// well, or whose trouble nobody heard of, is not.
func TestWebhookIsToldOfRemoval(t *testing.T) {
	r := receive(t)
	h := newHooking(t, r.URL)
	remove := func() { h.d.status.Keep(nil, nil) }
	add := func() { h.d.status.Keep([]string{"jaco"}, nil) }
	h.poll(loginRefused)
	h.look(30 * time.Minute)
	remove()
	h.look(time.Hour)
	add()
	h.poll(loginRefused)
	began := h.at
	h.look(time.Minute)
	h.look(time.Hour)
	remove()
	h.restart() // what is removed while nobody looks is missed afterwards
	remove()
	h.look(time.Hour)
	removed := h.at
	h.look(time.Hour)
	h.restart()
	h.look(time.Hour)
	if len(r.got) != 2 || r.got[0].Type != hookTrouble || len(r.bad) > 0 || h.waiting() != 0 {
		t.Fatalf("%+v, bad %q", r.got, r.bad)
	}
	if x := r.got[1]; x.Type != "maildrop.removed" || x.Data.Maildrop != "jaco" || x.Data.State != "removed" || !x.Data.Since.Equal(removed) ||
		!x.Data.Trouble.Equal(began) {
		t.Errorf("%+v", x)
	}
	add()
	h.poll(loginRefused)
	r.answers(http.StatusBadGateway)
	h.look(time.Minute)
	h.look(time.Hour)
	remove()
	h.look(time.Second)
	r.answers(http.StatusOK)
	h.look(time.Hour)
	if len(r.got) != 3 || r.got[2].Type != hookRemoved {
		t.Errorf("%+v", r.got)
	}
}

// The signature of what is sent is that of the secret in its file.
func TestWebhookIsSigned(t *testing.T) {
	var signed, want string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		seconds, _ := strconv.ParseInt(q.Header.Get("webhook-timestamp"), 10, 64)
		at := time.Unix(seconds, 0)
		signed, want = q.Header.Get("webhook-signature"), webhook.Sign([]byte(hookSecret), q.Header.Get("webhook-id"), at, body)
	}))
	defer s.Close()
	h := newHooking(t, s.URL)
	h.poll(loginRefused)
	h.look(time.Minute)
	h.look(time.Hour)
	if signed == "" || signed != want {
		t.Errorf("%q, want %q", signed, want)
	}
}

// A daemon tells by itself: at a look what has become due, and when it begins what an earlier one has left.
func TestDaemonTellsWebhook(t *testing.T) {
	r := receive(t)
	h := newHooking(t, r.URL)
	h.poll(loginRefused)
	r.answers(http.StatusBadGateway)
	h.look(time.Minute)
	h.look(time.Hour)
	r.answers(http.StatusOK)
	h.restart()
	var later atomic.Int64
	h.d.house.now = func() time.Time { return h.at.Add(time.Duration(later.Load())) }
	ctx, end := context.WithCancel(t.Context())
	look, done := make(chan time.Time), make(chan struct{})
	go func() { h.d.notify(ctx, look); close(done) }()
	r.wait(t)
	h.poll(nil)
	for range 3 { // a look that is taken in, is over when the next one is
		look <- h.at
		later.Add(int64(11 * time.Minute))
	}
	r.wait(t)
	end()
	<-done
	if r.got[0].Type != hookTrouble || r.got[1].Type != hookWell {
		t.Errorf("%+v", r.got)
	}
}

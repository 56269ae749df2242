package status

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/store/mail"
)

// memory is a Store.
type memory struct {
	mu    sync.Mutex
	all   map[string][]byte
	saves int
	err   error
}

func (m *memory) Load(context.Context) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.all), m.err
}

func (m *memory) Save(_ context.Context, some map[string][]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.saves++
	for k, b := range some {
		if m.all == nil {
			m.all = map[string][]byte{}
		}
		if m.all[k] = b; b == nil {
			delete(m.all, k)
		}
	}
	return nil
}

func of(name string, e mail.Event) mail.Event {
	e.Origin.Maildrop, e.At = name, start
	return e
}

func TestListed(t *testing.T) {
	f := &Folder{Now: func() time.Time { return start }}
	f.Keep([]string{"new", "b", "a", "sad"}, []string{"default"})
	f.Observe(of("b", well))
	f.Observe(of("a", well))
	f.Observe(of("sad", poll(mail.Auth, 1)))
	f.Observe(of("gone", poll(mail.Auth, 1)))
	f.Observe(mail.Event{Op: mail.OpDeliver, Lane: "default", Outcome: mail.Delivered, At: start})
	f.Observe(mail.Event{Op: mail.OpDeliver, Lane: "gone", At: start})
	var got []string
	for _, s := range f.List() {
		got = append(got, s.Maildrop+" "+string(s.State))
	}
	if want := []string{"sad login", "new never", "a ok", "b ok"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if l := f.Lanes(); len(l) != 1 || l[0].Lane != "default" || l[0].State != OK {
		t.Errorf("%+v", l)
	}
	if _, ok := f.Of("gone"); ok {
		t.Error("what is not configured has a status")
	}
	f.Keep([]string{"a"}, nil)
	if l := f.List(); len(l) != 1 || len(f.Lanes()) != 0 {
		t.Errorf("%+v", l)
	}
}

// Records are saved in batches, survive a restart, and go when their maildrop goes.
func TestSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		f := &Folder{Store: m, Now: time.Now}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan bool)
		var mu sync.Mutex
		var failed []error
		go func() {
			f.Run(ctx, func(err error) { mu.Lock(); failed = append(failed, err); mu.Unlock() })
			close(done)
		}()
		for range 1000 {
			f.Observe(of("jaco", well))
		}
		f.Observe(of("sad", poll(mail.Auth, 1)))
		f.Observe(mail.Event{Op: mail.OpLane, Lane: "default", Reply: "421 no", At: start})
		<-time.After(time.Hour)
		m.mu.Lock()
		if m.saves != 1 {
			t.Errorf("%d saves", m.saves)
		}
		m.err = errors.New("disk full")
		m.mu.Unlock()
		f.Observe(of("jaco", well))
		<-time.After(time.Minute)
		m.mu.Lock()
		m.err = nil
		m.mu.Unlock()
		mu.Lock()
		if len(failed) == 0 {
			t.Error("nobody is told that nothing is saved")
		}
		mu.Unlock()
		cancel() // what could not be saved is saved at the end
		<-done

		g := &Folder{Store: m, Now: func() time.Time { return start }}
		if err := g.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s, ok := g.Of("jaco"); !ok || s.Total.Messages != 2002 || s.State != OK {
			t.Errorf("%+v", s)
		}
		g.Observe(of("sad", mail.Event{Op: mail.OpList, Messages: 1}))
		if s, _ := g.Of("sad"); s.State != Login || s.Wrong == "" {
			t.Errorf("after a restart: %+v", s)
		}
		if l := g.Lanes(); len(l) != 1 || l[0].State != Sick {
			t.Errorf("%+v", l)
		}
		g.Keep([]string{"sad"}, nil)
		if err := g.Save(t.Context()); err != nil || len(m.all) != 1 {
			t.Errorf("%v, %d records", err, len(m.all))
		}
	})
}

// A damaged record costs itself.
func TestLoadDamaged(t *testing.T) {
	m := &memory{all: map[string][]byte{"maildrop/a": []byte("{"), "maildrop/b": []byte("{}"), "x": nil}}
	f := &Folder{Store: m}
	if err := f.Load(t.Context()); err == nil {
		t.Error("nobody is told")
	}
	if _, ok := f.Of("b"); !ok {
		t.Error("the other one is lost")
	}
}

// The names in JSON are read by programs of others.
func TestJSON(t *testing.T) {
	s := folded(well, aside("7", mail.NoEnvelope), poll(mail.Auth, 1)).At(start.Add(10 * time.Minute))
	s.Maildrop, s.Advice = "jaco", "Enter it anew."
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
 "maildrop": "jaco",
 "state": "login",
 "words": "The server refuses the user name or the password.",
 "since": "2026-01-02T10:10:00Z",
 "class": "auth",
 "wrong": "The server refuses the user name or the password.",
 "advice": "Enter it anew.",
 "said": "-ERR no\\x0d\\x0a\\x1b[2J",
 "cause": "logging in at isp:995: server said: -ERR no\\x0d\\x0a\\x1b[2J",
 "failures": 1,
 "times": 1,
 "first": "2026-01-02T10:10:00Z",
 "last_attempt": "2026-01-02T10:10:00Z",
 "last_success": "2026-01-02T10:00:00Z",
 "last_mail": "2026-01-02T10:00:00Z",
 "next": "2026-01-02T10:15:00Z",
 "today": {
  "messages": 2,
  "octets": 3000,
  "line_up": 10,
  "line_down": 3500,
  "saved": 0,
  "wasted": 0
 },
 "total": {
  "messages": 2,
  "octets": 3000,
  "line_up": 10,
  "line_down": 3500,
  "saved": 0,
  "wasted": 0
 },
 "day": "2026-01-02",
 "waiting": 0,
 "waiting_octets": 0,
 "asides": [
  {
   "uid": "7",
   "why": "why",
   "state": "envelope",
   "since": "2026-01-02T10:05:00Z",
   "next": "2026-01-02T10:10:00Z",
   "tries": 1
  }
 ]
}`
	if string(b) != want {
		t.Errorf("got %s", b)
	}
}

func TestConcurrent(t *testing.T) {
	f := &Folder{Store: &memory{}}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				f.Observe(of("jaco", well))
				f.List()
				if err := f.Save(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if s, _ := f.Of("jaco"); s.Total.Messages != 1600 {
		t.Errorf("%d", s.Total.Messages)
	}
}

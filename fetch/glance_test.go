package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mailretr/relay"
	"mailretr/store/mail"
)

// looked returns what was asked of the listing since the last call.
func (b *box) looked() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := strings.Join(b.looks, ", ")
	b.looks = nil
	return s
}

// glancingBox is a maildrop that says what was added, visited each five minutes.
func glancingBox(w *world) *box {
	b := w.drop("jaco", "isp")
	b.glances = true
	return b
}

func wantLooks(t *testing.T, b *box, when, want string) {
	t.Helper()
	if got := b.looked(); got != want {
		t.Errorf("%s: %s\nwant: %s", when, got, want)
	}
}

func TestGlance(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := glancingBox(w)
		b.put("1", 500)
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		after(time.Minute)
		wantLooks(t, b, "first contact", "glance, list")
		saved := w.notes.m["jaco"]
		after(10 * time.Minute)
		wantLooks(t, b, "two empty visits", "glance, glance")
		if w.notes.m["jaco"] != saved {
			t.Error("an empty visit cost a commit")
		}
		b.put("2", 500)
		after(5 * time.Minute)
		wantLooks(t, b, "one was added", "glance, since 1")
		if !w.queue.has("2") || len(b.uids()) != 0 {
			t.Errorf("not collected, or left: %v", b.uids())
		}
		after(45 * time.Minute)
		wantLooks(t, b, "within the hour", strings.Repeat("glance, ", 8)+"glance, list")
		w.p.Poll(t.Context(), "jaco")
		wantLooks(t, b, "somebody asks for it", "glance, list")
		w.p.Poll(t.Context())
		wantLooks(t, b, "a timer asks for all", "glance")
		if err := w.p.Relook(t.Context(), "jaco"); err != nil {
			t.Fatal(err)
		}
		after(5 * time.Minute)
		wantLooks(t, b, "marks were changed by somebody", "glance, list")
		b.change = func(d *Drop) { d.Lists = "after: delete" }
		w.p.Set(t.Context(), w.drops("jaco"))
		after(5 * time.Minute)
		wantLooks(t, b, "the settings are others", "glance, list")
	})
}

// After a restart the first visit is as cheap; where somebody changed marks meanwhile, it is not.
func TestGlanceAfterRestart(t *testing.T) {
	for relook, want := range map[bool]string{false: "glance", true: "glance, list"} {
		inBubble(t, func(t *testing.T, w *world) {
			b := glancingBox(w)
			b.put("1", 500)
			w.visit("jaco")
			b.looked()
			if w.p = w.poller(); relook {
				if err := w.p.Relook(t.Context(), "jaco"); err != nil {
					t.Fatal(err)
				}
			}
			w.p.Set(t.Context(), w.drops("jaco"))
			w.p.Poll(t.Context())
			wantLooks(t, b, fmt.Sprint("after a restart, relook: ", relook), want)
		})
	}
}

// Ten thousand are listed once a day.
func TestGlanceLargeMaildrop(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := glancingBox(w)
		for i := range 2000 {
			b.put(mail.UID(fmt.Sprint(i)), 10)
		}
		b.change = func(d *Drop) { d.First.New = true }
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		after(23 * time.Hour)
		if n := strings.Count(b.looked(), "list"); n != 1 {
			t.Errorf("%d listings in 23 hours, want 1", n)
		}
		after(2 * time.Hour)
		if n := strings.Count(b.looked(), "list"); n != 1 {
			t.Errorf("%d listings on the next day, want 1", n)
		}
	})
}

// What is left open is never forgotten: the next visit lists it, whatever the server says of additions.
func TestGlanceLeavesNothingOpen(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*world, *box) (mend func())
		size  int
		// within is how long after the cure it is collected at the latest.
		within time.Duration
	}{
		{"not taken", func(w *world, _ *box) func() {
			w.queue.commit = errors.New("disk")
			return func() { w.queue.commit = nil }
		}, 500, 5 * time.Minute},
		{"one of two not taken", func(w *world, b *box) func() {
			b.put("2", 500)
			w.queue.spurns = "1"
			return func() { w.queue.spurns = "" }
		}, 500, 5 * time.Minute},
		{"a large one, its session refused", func(w *world, b *box) func() {
			b.put("small", 100)
			b.refuses(func(n int) error {
				if n%2 == 0 {
					return &mail.Trouble{Op: mail.OpDial, Err: errors.New("no route to host")}
				}
				return nil
			})
			return func() { b.refuse = nil }
		}, 2 << 20, 10 * time.Minute},
		{"its folder is left out", func(_ *world, b *box) func() {
			b.fickle = true
			return func() { b.fickle = false }
		}, 500, 5 * time.Minute},
		{"its folder is left out later", func(_ *world, b *box) func() {
			b.refuses(func(n int) error { b.fickle = n > 1; return nil })
			b.msgs = nil
			time.AfterFunc(time.Minute, func() { b.put("1", 500) })
			return func() { b.refuse, b.fickle = nil, false }
		}, 500, 5 * time.Minute},
		{"cut", func(w *world, b *box) func() {
			b.msgs[0].breaks = &mail.Trouble{Op: mail.OpFetch, Err: errors.New("cut")}
			return func() { b.msgs[0].breaks = nil }
		}, 500, time.Hour},
		{"broken alone", func(w *world, b *box) func() {
			b.msgs[0].breaks = &mail.Trouble{Op: mail.OpFetch, Kind: mail.Protocol, Alone: true, Err: errors.New("odd")}
			return func() { b.msgs[0].breaks = nil }
		}, 500, 25 * time.Hour},
		{"set aside", func(w *world, b *box) func() {
			resolve := b.config().Resolve
			no := &mail.Trouble{Kind: mail.NoEnvelope, Err: errors.New("nobody")}
			var mended atomic.Bool
			b.change = func(d *Drop) {
				d.Resolve = func(ctx context.Context, m *mail.Message) error {
					if mended.Load() {
						return resolve(ctx, m)
					}
					return no
				}
			}
			return func() { mended.Store(true) }
		}, 500, 31 * 24 * time.Hour},
		{"deferred", func(w *world, b *box) func() {
			var mended atomic.Bool
			a := &asker{say: func(mail.Path, mail.Path) mail.Result {
				if mended.Load() {
					return yes
				}
				return mail.Result{Reply: "450 later"}
			}}
			b.change = func(d *Drop) { d.Ask, d.Above = a, 1<<10 }
			return func() { mended.Store(true) }
		}, 10 << 10, 5 * time.Minute},
		{"a large one, alone", func(w *world, b *box) func() {
			b.put("small", 100)
			b.msgs[0].breaks = &mail.Trouble{Op: mail.OpFetch, Err: errors.New("cut")}
			return func() { b.msgs[0].breaks = nil }
		}, 2 << 20, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				b := glancingBox(w)
				b.put("1", c.size)
				mend := c.spoil(w, b)
				w.p.Set(t.Context(), w.drops("jaco"))
				defer w.run()()
				after(7 * time.Minute)
				if w.queue.has("1") || !slices.Contains(b.uids(), "1") {
					t.Fatal("it was collected: nothing is tested")
				}
				w.queue.mu.Lock()
				b.mu.Lock()
				mend()
				b.mu.Unlock()
				w.queue.mu.Unlock()
				after(c.within)
				if !w.queue.has("1") {
					t.Errorf("not collected within %s; looked: %s", c.within, b.looked())
				}
			})
		})
	}
}

var yes = mail.Result{Outcome: mail.Delivered, Reply: "250 ok"}

var _ relay.Sifter = (*gauged)(nil)

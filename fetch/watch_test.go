package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// watchable is a box whose server says when mail has come.
type watchable struct {
	*box
	begun []time.Time
	ended int
	ends  func(n int) (time.Duration, error) // when and why the nth watch ends by itself; nil: never
	say   func()                             // of the watch under way; nil: there is none
}

func (x *watchable) Watch(ctx context.Context, news func()) error {
	x.mu.Lock()
	x.begun, x.say = append(x.begun, time.Now()), news
	n := len(x.begun)
	x.mu.Unlock()
	news() // a wait has begun
	defer func() {
		x.mu.Lock()
		x.say, x.ended = nil, x.ended+1
		x.mu.Unlock()
	}()
	var over <-chan time.Time
	var why error
	if x.ends != nil {
		d, err := x.ends(n)
		over, why = time.After(d), err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-over:
		return why
	}
}

func (x *watchable) news() { x.mu.Lock(); defer x.mu.Unlock(); x.say() }

func (x *watchable) watches() int { x.mu.Lock(); defer x.mu.Unlock(); return len(x.begun) }

func watchableBox(w *world) *watchable {
	x := &watchable{box: glancingBox(w)}
	x.change = func(d *Drop) { d.From, d.Watch = x, true }
	return x
}

func TestWatch(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		x := watchableBox(w)
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(time.Minute)
		wantLooks(t, x.box, "a visit before, and one since mail may have come between", "glance, list, glance")
		after(28 * time.Minute)
		wantLooks(t, x.box, "nobody asks while the server will say", "")
		x.put("1", 500)
		x.news()
		after(time.Second)
		if !w.queue.has("1") {
			t.Fatal("not in the queue within a second")
		}
		x.looked()
		after(40 * time.Minute)
		if n := strings.Count(x.looked(), "glance"); n < 1 || n > 2 {
			t.Errorf("%d visits in 40 minutes: a line can be dead without anybody noticing", n)
		}
		w.p.Set(t.Context(), w.drops("jaco"))
		after(time.Minute)
		if x.watches() != 1 {
			t.Errorf("%d watches: a reload that changes nothing disturbs nobody", x.watches())
		}
		if err := w.p.Pause(t.Context(), "jaco"); err != nil {
			t.Fatal(err)
		}
		after(time.Second)
		if x.ended != 1 {
			t.Error("a paused maildrop is watched")
		}
		if err := w.p.Resume(t.Context(), "jaco"); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		if x.watches() != 2 {
			t.Errorf("%d watches after it was resumed", x.watches())
		}
		stop()
		if x.ended != 2 {
			t.Error("a watch is left behind")
		}
	})
}

// News that come while a session runs are not lost; news that are none cost less and less.
func TestWatchNews(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		x := watchableBox(w)
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		after(time.Minute)
		x.mu.Lock()
		x.last = 10 * time.Second // what a login takes
		x.mu.Unlock()
		x.news()
		after(5 * time.Second)
		x.put("1", 500)
		x.news()
		after(25 * time.Second)
		if !w.queue.has("1") {
			t.Error("what came while a session ran waits for the next visit")
		}
		x.mu.Lock()
		x.last = 0
		x.mu.Unlock()
		before := x.logins()
		for range 3600 {
			x.news()
			after(time.Second)
		}
		if n := x.logins() - before; n > 30 {
			t.Errorf("a server that cries wolf each second is visited %d times an hour", n)
		}
	})
}

// A wait that begins anew each half hour is no false alarm: what comes after a quiet night is here within a second.
func TestWatchAfterAQuietNight(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		x := watchableBox(w)
		x.ends = func(int) (time.Duration, error) { return 29 * time.Minute, errors.New("BYE") }
		x.change = func(d *Drop) { d.From, d.Watch, d.Every = x, true, time.Hour }
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		after(12*time.Hour + 10*time.Minute)
		x.put("1", 500)
		x.news()
		after(time.Second)
		if !w.queue.has("1") {
			t.Error("not in the queue within a second")
		}
	})
}

// A watch that ends is begun again after a visit that went well, later and later where it ends at once; a refused login
// is no reason to try one more often.
func TestWatchEnds(t *testing.T) {
	for _, c := range []struct {
		name        string
		ends        func(int) (time.Duration, error)
		least, most int // watches in a day
	}{
		{"at once", func(int) (time.Duration, error) { return 0, errors.New("cut") }, 10, 60},
		{"twice an hour", func(int) (time.Duration, error) { return 29 * time.Minute, errors.New("BYE") }, 45, 50},
		{"login refused", func(int) (time.Duration, error) {
			return 0, &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Reply: "NO"}
		}, 2, 4},
		{"no IDLE", func(int) (time.Duration, error) {
			return 0, &mail.Trouble{Op: mail.OpWatch, Kind: mail.Local, Err: errors.New("no IDLE")}
		}, 1, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				x := watchableBox(w)
				x.ends = c.ends
				w.p.Set(t.Context(), w.drops("jaco"))
				defer w.run()()
				after(24 * time.Hour)
				if n := x.watches(); n < c.least || n > c.most {
					t.Errorf("%d watches in a day", n)
				}
				if n := x.logins(); n < 150 && c.name != "twice an hour" {
					t.Errorf("%d visits in a day: they are to go on beside", n)
				}
				if w.state("jaco").Failures != 0 {
					t.Error("the end of a watch is taken for a failure of the maildrop")
				}
			})
		})
	}
}

// A server that allows a user no more connections than those that wait lets nobody in to collect: these give way.
func TestWatchGivesWay(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		x := watchableBox(w)
		x.refuses(func(int) error {
			x.mu.Lock()
			defer x.mu.Unlock()
			if x.say == nil {
				return nil
			}
			return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Busy, Reply: "NO [LIMIT] too many connections"}
		})
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		for i := range 10 {
			after(time.Hour)
			uid := mail.UID(fmt.Sprint(i))
			x.put(uid, 500)
			after(15 * time.Minute)
			if !w.queue.has(uid) {
				t.Fatalf("message %d is not here after a quarter of an hour", i)
			}
		}
		if n := x.watches(); n < 10 || n > 40 {
			t.Errorf("%d watches in half a day", n)
		}
	})
}

// While the login is refused nobody watches, so one wrong password costs no more than it did.
func TestR23_WatchTriesNoLogin(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		x := watchableBox(w)
		x.refuses(func(int) error { return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Reply: "-ERR"} })
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		after(24 * time.Hour)
		if x.watches() > 0 || x.logins() > 4 {
			t.Errorf("%d logins and %d watches in a day", x.logins(), x.watches())
		}
	})
}

// folders is a box of several folders, of which the server lets so many be watched at once.
type folders struct {
	*watchable
	names  []string
	allows int   // connections, beside which a visit has room
	asked  []int // how many were wanted, by watch
}

func foldersBox(w *world, allows int, names ...string) *folders {
	f := &folders{watchable: watchableBox(w), names: names, allows: allows}
	f.change = func(d *Drop) { d.From, d.Watch = f, true }
	return f
}

func (f *folders) WatchFolders(ctx context.Context, most int, news func(), holds func(in, out []string)) error {
	f.mu.Lock()
	n := len(f.names)
	if most > 0 {
		n = min(n, most)
	}
	n = min(n, f.allows)
	f.asked = append(f.asked, most)
	f.mu.Unlock()
	holds(f.names[:n], f.names[n:])
	return f.Watch(ctx, news)
}

func (f *folders) wanted() []int { f.mu.Lock(); defer f.mu.Unlock(); return slices.Clone(f.asked) }

func (f *folders) allow(n int) { f.mu.Lock(); defer f.mu.Unlock(); f.allows = n }

// remarks is what was said of the watch.
func remarks(w *world) (all []string) {
	for _, e := range w.events.of(mail.OpRemark) {
		if e.Topic == topicWatch {
			all = append(all, e.Text)
		}
	}
	return all
}

// Where not every folder can be waited in, visits go on at their interval, and it is said once; after a day it is tried
// again with all of them.
func TestWatchOfSomeFolders(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		x := foldersBox(w, 2, "INBOX", "Work", "Lists", "Old")
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(time.Minute)
		x.looked()
		after(time.Hour)
		if n := strings.Count(x.looked(), "glance"); n < 11 || n > 13 {
			t.Errorf("%d visits in an hour: those in which nobody waits are to be looked at each five minutes", n)
		}
		want := "the server says when mail comes in 2 of 4 folders, since more connections it does not allow; " +
			"these are looked at every 5m: Lists, Old"
		if got := remarks(w); len(got) != 1 || got[0] != want {
			t.Errorf("said %q", got)
		}
		stop()
		w.p = w.poller() // after a restart
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		after(20 * time.Hour)
		if got := fmt.Sprint(x.wanted()); got != "[0 2]" {
			t.Errorf("wanted %s", got)
		}
		x.allow(4)
		after(20 * time.Hour)
		if got := fmt.Sprint(x.wanted()); got != "[0 2 0]" {
			t.Errorf("wanted %s", got)
		}
		if got := remarks(w); len(got) != 2 || got[1] != "" {
			t.Errorf("said %q", got)
		}
		x.looked()
		after(2 * time.Hour)
		if n := strings.Count(x.looked(), "glance"); n < 3 || n > 5 {
			t.Errorf("%d visits in two hours", n)
		}
		if w.state("jaco").Narrow != nil {
			t.Errorf("still remembered: %+v", w.state("jaco").Narrow)
		}
	})
}

// A visit for which connections that wait leave no room has it within seconds, and the next watch has fewer of them.
func TestWatchLeavesRoomForVisits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		x := foldersBox(w, 4, "INBOX", "Work", "Lists", "Old")
		x.refuses(func(int) error {
			x.mu.Lock()
			defer x.mu.Unlock()
			if most := len(x.asked); x.say == nil || x.asked[most-1] == 3 {
				return nil
			}
			return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Busy, Reply: "NO [LIMIT] too many connections"}
		})
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		x.put("1", 500)
		after(15 * time.Second)
		if !w.queue.has("1") {
			t.Error("the visit waits although it has room now")
		}
		after(time.Hour)
		if got := fmt.Sprint(x.wanted()); got != "[0 3]" {
			t.Errorf("wanted %s", got)
		}
		if w.state("jaco").Failures != 0 {
			t.Error("it still counts as a failure")
		}
	})
}

// How many connections may wait is a setting too; no server is asked to find out.
func TestWatchIsLimited(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		x := foldersBox(w, 9, "INBOX", "a", "b", "c", "d", "e", "f\x1b[2J")
		x.change = func(d *Drop) { d.From, d.Watch, d.Watches = x, true, 1 }
		w.p.Set(t.Context(), w.drops("jaco"))
		defer w.run()()
		after(time.Hour)
		want := "the server says when mail comes in 1 of 7 folders, since limits: idle: allows no more connections; " +
			"these are looked at every 5m: a, b, c, d, e and 1 more"
		if got := remarks(w); len(got) != 1 || got[0] != want {
			t.Errorf("said %q", got)
		}
		x.change = func(d *Drop) { d.From, d.Watch, d.Watches = x, true, 0 }
		w.p.Set(t.Context(), w.drops("jaco"))
		after(time.Hour)
		if got := fmt.Sprint(x.wanted()); got != "[1 0]" {
			t.Errorf("wanted %s", got)
		}
		x.change = func(d *Drop) { d.From, d.Watch, d.Watches = x, true, 2 }
		w.p.Set(t.Context(), w.drops("jaco"))
		after(time.Hour)
		x.change = func(d *Drop) { d.From = x }
		w.p.Set(t.Context(), w.drops("jaco"))
		after(time.Hour)
		if got := remarks(w); len(got) != 4 || got[1] != "" || got[3] != "" {
			t.Errorf("said %q", got)
		}
	})
}

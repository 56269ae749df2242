package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/store/mail"
)

// A hundred maildrops at a few servers: the limits hold, everybody is visited, and each at its interval.
func TestLimits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var all []string
		for i, name := range names(100) {
			b := w.drop(name, fmt.Sprintf("server%d", i%12))
			b.last = 2 * time.Second
			b.put(mail.UID(name), 2000)
			all = append(all, name)
		}
		w.p.Set(t.Context(), w.drops(all...))
		stop := w.run()
		after(4 * time.Minute)
		if n := w.queue.count(); n != 100 {
			t.Errorf("%d of 100 messages were collected", n)
		}
		w.mu.Lock()
		if w.peak != 20 {
			t.Errorf("%d sessions at once, want 20", w.peak)
		}
		for server, n := range w.most {
			if n > 3 {
				t.Errorf("%s: %d sessions at once", server, n)
			}
		}
		w.mu.Unlock()
		for _, b := range w.boxes {
			if b.logins() != 1 {
				t.Errorf("%s: %d logins within the interval", b.name, b.logins())
			}
		}
		after(5 * time.Minute)
		for _, b := range w.boxes {
			if b.logins() != 2 {
				t.Errorf("%s: %d logins within two intervals", b.name, b.logins())
			}
		}
		stop()
	})
}

// One server with many maildrops that never answer delays nobody elsewhere, and its own wait in order.
func TestR5_FairToOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		slow := names(50)
		for _, name := range slow {
			w.drop(name, "slow").last = 10 * time.Minute
		}
		w.drop("quick", "quick").put("q1", 1000)
		w.p.Set(t.Context(), w.drops(append(slow, "quick")...))
		stop := w.run()
		after(time.Second)
		if !w.queue.has("q1") {
			t.Error("a maildrop elsewhere has to wait")
		}
		after(50*10*time.Minute/3 + 10*time.Minute)
		for _, name := range slow {
			if w.boxes[name].logins() == 0 {
				t.Errorf("%s was never visited", name)
			}
		}
		if n := w.boxes["quick"].logins(); n < 30 {
			t.Errorf("the quick one was visited %d times", n)
		}
		stop()
	})
}

// A wrong password is tried once per step, and at once after a change of the settings, or for somebody who
// names it.
func TestR23_Breaker(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.refuse = refusedLogin
		var hash atomic.Value
		hash.Store("one")
		var looks atomic.Int32
		b.change = func(d *Drop) {
			d.Settings = func(context.Context) string { looks.Add(1); return hash.Load().(string) }
		}
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		tries := func(when time.Duration, want int) {
			t.Helper()
			after(when)
			if n := b.logins(); n != want {
				t.Fatalf("%d logins, want %d", n, want)
			}
		}
		tries(59*time.Minute, 1)
		tries(2*time.Minute, 2) // 1 h
		tries(5*time.Hour+58*time.Minute, 2)
		tries(2*time.Minute, 3) // 6 h
		tries(11*time.Hour+58*time.Minute, 3)
		tries(2*time.Minute, 4) // 12 h
		tries(23*time.Hour, 5)  // every 12 h
		if n := looks.Load(); n < 100 {
			t.Errorf("the settings were looked at %d times", n)
		}
		hash.Store("two")
		tries(6*time.Minute, 6)   // the new secret, within the interval
		tries(110*time.Minute, 7) // its own steps
		if v := w.p.Poll(t.Context()); len(v) != 1 || v[0].Sessions != 0 || kindOf(v[0].Err) != mail.Auth {
			t.Errorf("Poll of all: %+v", v)
		} else if x := mail.TroubleOf(0, "", v[0].Err); !strings.Contains(x.Hint, "mailretr poll jaco") {
			t.Errorf("nothing was tried, and people are told: %s", x.Hint)
		}
		tries(0, 7)
		b.refuses(nil)
		if v := w.p.Poll(t.Context(), "jaco"); v[0].Err != nil || v[0].Sessions != 1 {
			t.Errorf("Poll by name: %+v", v)
		}
		tries(6*time.Minute, 9)
		stop()
	})
}

func kindOf(err error) mail.Kind {
	var t *mail.Trouble
	if errors.As(err, &t) {
		return t.Kind
	}
	return 99
}

// A restart does not forget a breaker, nor a pause.
func TestR23_BreakerOutlivesRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b, idle := w.drop("jaco", "isp"), w.drop("idle", "isp")
		b.refuse = refusedLogin
		for range 5 {
			w.p = w.poller()
			w.p.Set(t.Context(), w.drops("jaco", "idle"))
			stop := w.run()
			after(time.Minute)
			if err := w.p.Pause(t.Context(), "idle"); err != nil {
				t.Error(err)
			}
			stop()
		}
		if n := b.logins(); n != 1 {
			t.Errorf("%d logins in five lives of five minutes", n)
		}
		if n := idle.logins(); n != 1 {
			t.Errorf("paused, %d logins", n)
		}
		b.refuse = nil
		b.change = func(d *Drop) { d.Settings = func(context.Context) string { return "new" } }
		w.p = w.poller()
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(time.Second)
		if n := b.logins(); n != 2 {
			t.Errorf("a new secret after a restart: %d logins", n)
		}
		stop()
	})
}

func TestBackOff(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.refuse = func(n int) error {
			if n > 4 {
				return nil
			}
			return away(n)
		}
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(10 * time.Hour)
		stop()
		var waits []string
		for i := range b.opens[1:7] {
			waits = append(waits, b.opens[i+1].Sub(b.opens[i]).String())
		}
		if want := []string{"10m0s", "20m0s", "40m0s", "1h0m0s", "5m0s", "5m0s"}; !slices.Equal(waits, want) {
			t.Errorf("waits %v, want %v", waits, want)
		}
	})
}

// Jitter is only ever added: a server that asks for a pause gets it.
func TestJitter(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		w.p.Jitter = func(d time.Duration) time.Duration { return d - 1 }
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(20 * time.Minute)
		stop()
		for i := range b.opens[1:] {
			if d := b.opens[i+1].Sub(b.opens[i]); d != 5*time.Minute+30*time.Second-1 {
				t.Errorf("wait %s", d)
			}
		}
	})
}

func TestPollWithoutRun(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for _, name := range names(30) {
			w.drop(name, "isp").last = time.Second
			w.boxes[name].put(mail.UID(name+"/1"), 100)
			w.boxes[name].put(mail.UID(name+"/2"), 50_000)
			w.boxes[name].change = func(d *Drop) { d.LargeFrom = 50_000 }
		}
		w.boxes["drop007"].refuse = refusedLogin
		w.p.Set(t.Context(), w.drops(names(30)...))
		after(time.Hour)
		if w.queue.count() != 0 {
			t.Fatal("something runs without Run and Poll")
		}
		all := w.p.Poll(t.Context())
		if len(all) != 30 {
			t.Fatalf("%d answers", len(all))
		}
		for i, v := range all {
			want := 2
			if i == 7 {
				want = 0
			}
			if v.Name != names(30)[i] || v.Tally.Messages != want || (v.Err == nil) != (want > 0) {
				t.Errorf("visit %d: %+v", i, v)
			}
		}
		if got := w.p.Poll(t.Context(), "drop003", "nobody", "drop003"); got[0].Err != nil || got[2].Err != nil ||
			!errors.Is(got[1].Err, ErrUnknown) {
			t.Errorf("Poll by name: %+v", got)
		}
		if n := w.boxes["drop003"].logins(); n != 3 && n != 4 {
			t.Errorf("%d logins", n) // small, large, and then one for both askers
		}
	})
}

func TestPollEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for _, name := range names(10) {
			w.drop(name, "isp").last = time.Hour
		}
		w.p.Set(t.Context(), w.drops(names(10)...))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, v := range w.p.Poll(ctx) {
			if !errors.Is(v.Err, ErrStopped) {
				t.Errorf("%+v", v)
			}
		}
		if w.live() != 0 {
			t.Errorf("%d sessions are left", w.live())
		}
		if stop := w.run(); true { // a Run goes on as if nothing had been
			after(time.Hour + time.Minute)
			stop()
		}
	})
}

// A Poll under a Run that gives up leaves the session to the Run; one that comes while a session runs gets
// the next.
func TestPollUnderRun(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.last = 10 * time.Second
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(5 * time.Second)
		b.put("late", 100)
		v := w.p.Poll(t.Context(), "jaco")
		if v[0].Err != nil || !w.queue.has("late") || b.logins() != 2 {
			t.Errorf("%+v, %d logins", v, b.logins())
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		b.put("later", 100)
		if v := w.p.Poll(ctx, "jaco"); !errors.Is(v[0].Err, ErrStopped) {
			t.Errorf("%+v", v)
		}
		after(10 * time.Second)
		if !w.queue.has("later") {
			t.Error("the Run's session ended with the Poll")
		}
		stop()
	})
}

// Run's end answers who waits, and everything ends.
func TestRunEndsUnderPoll(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for _, name := range names(10) {
			w.drop(name, "isp").last = time.Hour
		}
		w.p.Set(t.Context(), w.drops(names(10)...))
		stop := w.run()
		answer := make(chan []Visit)
		go func() { answer <- w.p.Poll(t.Context()) }()
		after(time.Minute)
		stop()
		for _, v := range <-answer {
			if !errors.Is(v.Err, ErrStopped) {
				t.Errorf("%+v", v)
			}
		}
		logins := 0
		for _, b := range w.boxes {
			logins += b.logins()
		}
		if logins != 3 {
			t.Errorf("%d logins: new sessions began while the Run ended", logins)
		}
	})
}

func TestSetDuringRun(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for _, name := range []string{"stays", "goes", "comes", "slow"} {
			w.drop(name, name).put(mail.UID(name+"/1"), 1000)
		}
		first := w.boxes["goes"].msgs[0]
		first.slow = 10 * time.Second
		w.boxes["goes"].put("goes/2", 1000)
		w.boxes["slow"].msgs[0].slow = time.Hour // its body comes after the grace
		w.p.Set(t.Context(), w.drops("stays", "goes", "slow"))
		stop := w.run()
		after(time.Second)
		w.p.Set(t.Context(), w.drops("stays", "comes"))
		after(15 * time.Second)
		if !w.queue.has("goes/1") || w.queue.has("goes/2") {
			t.Error("a maildrop that was taken out ends after the message that is being read")
		}
		if got := w.boxes["goes"].uids(); !slices.Equal(got, []mail.UID{"goes/2"}) {
			t.Errorf("what was read is let go of: %v", got)
		}
		after(10 * time.Second)
		if w.live() != 0 {
			t.Error("a body that does not come outlives the grace")
		}
		if !w.queue.has("comes/1") || w.boxes["stays"].logins() != 1 {
			t.Error("a new maildrop comes at once, the others are not disturbed")
		}
		after(time.Hour)
		if n := w.boxes["goes"].logins(); n != 1 {
			t.Errorf("taken out, and visited %d times", n)
		}
		if v := w.p.Poll(t.Context(), "goes"); !errors.Is(v[0].Err, ErrUnknown) {
			t.Errorf("%+v", v)
		}
		w.p.Set(t.Context(), w.drops("stays", "goes"))
		after(time.Minute)
		if !w.queue.has("goes/2") || !slices.Equal(w.p.Names(), []string{"goes", "stays"}) {
			t.Error("it comes back")
		}
		stop()
	})
}

// A change of the configuration tries what failed at once, but only if it is a change of what decides.
func TestSetAfterFailure(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.refuse = away
		hash := "one"
		b.change = func(d *Drop) { h := hash; d.Settings = func(context.Context) string { return h } }
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(35 * time.Minute) // 0, 10, 30, next at 70
		w.p.Set(t.Context(), w.drops("jaco"))
		after(time.Minute)
		if n := b.logins(); n != 3 {
			t.Errorf("%d logins after nothing was changed", n)
		}
		hash = "two"
		b.refuses(nil)
		w.p.Set(t.Context(), w.drops("jaco"))
		after(time.Minute)
		if n := b.logins(); n != 4 {
			t.Errorf("%d logins after a change", n)
		}
		stop()
	})
}

// A change that comes while a session runs is tried at once, if that session fails.
func TestSetUnderSession(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.last, b.refuse = 10*time.Second, refusedLogin
		b.change = func(d *Drop) { d.Settings = func(context.Context) string { return "old" } }
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(5 * time.Second)
		b.change = func(d *Drop) { d.Settings = func(context.Context) string { return "new" } }
		w.p.Set(t.Context(), w.drops("jaco"))
		after(10 * time.Second)
		if n := b.logins(); n != 2 {
			t.Errorf("%d logins", n)
		}
		after(30 * time.Minute)
		if n := b.logins(); n != 2 {
			t.Errorf("%d logins after the change was refused too", n)
		}
		stop()
	})
}

func TestPause(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.put("1", 100).slow = 5 * time.Second
		b.put("2", 100)
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(time.Second)
		if err := w.p.Pause(t.Context(), "jaco"); err != nil {
			t.Fatal(err)
		}
		after(time.Hour)
		if !w.queue.has("1") || w.queue.has("2") || b.logins() != 1 {
			t.Errorf("paused in a session: %d logins", b.logins())
		}
		if v := w.p.Poll(t.Context(), "jaco"); !errors.Is(v[0].Err, ErrPaused) {
			t.Errorf("%+v", v)
		}
		if v := w.p.Poll(t.Context()); len(v) != 0 {
			t.Errorf("%+v", v)
		}
		if err := w.p.Resume(t.Context(), "jaco"); err != nil {
			t.Fatal(err)
		}
		after(time.Second)
		if !w.queue.has("2") {
			t.Error("resumed, and not visited at once")
		}
		if err := w.p.Pause(t.Context(), "nobody"); !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
		var texts []string
		for _, e := range w.events.of(mail.OpVerb) {
			texts = append(texts, e.Text)
		}
		if !slices.Equal(texts, []string{Paused, Resumed}) {
			t.Errorf("told: %v", texts)
		}
		stop()
	})
}

// A stop ends sessions that have no message under way at once.
func TestStopAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.drop("jaco", "isp").last = time.Hour
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(time.Second)
		begin := time.Now()
		stop()
		if d := time.Since(begin); d != 0 {
			t.Errorf("stopped after %s", d)
		}
		if s := w.state("jaco"); s.Failures != 0 {
			t.Errorf("a stop is no failure: %+v", s)
		}
	})
}

// Idle maildrops cost a few hundred octets and no goroutine.
func TestIdle(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for _, name := range names(500) {
			w.drop(name, name)
		}
		w.p.Set(t.Context(), w.drops(names(500)...))
		stop := w.run()
		after(time.Minute)
		w.p.mu.Lock()
		if w.p.running != 0 || len(w.p.due) != 500 {
			t.Errorf("%d run, %d wait", w.p.running, len(w.p.due))
		}
		w.p.mu.Unlock()
		stop()
		synctest.Wait()
	})
}

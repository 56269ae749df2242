package fetch

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// The rule, as a table: after each cut, how long the body waits, and what has been wasted.
func TestCutRule(t *testing.T) {
	const m, h, week, mb = time.Minute, time.Hour, 7 * 24 * time.Hour, int64(1 << 20)
	for _, c := range []struct {
		name       string
		size, lost int64
		waits      []time.Duration
	}{
		// 5 cuts in a day are 15 MB; the sixth would be within the 20 that are allowed, but it waits anyway.
		{"a third", 10 * mb, 3 * mb, []time.Duration{15 * m, h, 4 * h, 16 * h, 64 * h, week, week}},
		// Two cuts of 9 MB are all that 24 hours have.
		{"nearly all", 10 * mb, 9 * mb, []time.Duration{15 * m, 24*h - 15*m, 4 * h, 20 * h, 64 * h}},
		{"half", 10 * mb, 5 * mb, []time.Duration{15 * m, h, 4 * h, 24*h - 5*h - 15*m, 64 * h, week}},
		{"a little", 100 * mb, 20 << 10, []time.Duration{0, h, 4 * h, 16 * h, 64 * h, week}},
		{"more than announced", mb, 3 * mb, []time.Duration{15 * m, 24*h - 15*m}},
		{"nobody knows how large", -1, mb, []time.Duration{15 * m, 24*h - 15*m}},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			var x Suspect
			var cuts []Loss
			for i, want := range c.waits {
				x.cut(now, c.lost, c.size)
				cuts = append(cuts, Loss{now, c.lost})
				if got := x.Next.Sub(now); got != want {
					t.Errorf("cut %d: waits %v, want %v", i+1, got, want)
				}
				if x.held(now) != (want > 0) || x.held(x.Next) || x.Wasted != int64(i+1)*c.lost {
					t.Errorf("cut %d: %+v", i+1, x)
				}
				now = x.Next
			}
			for _, from := range cuts { // judged by itself: no 24 hours have more than twice the size
				sum := int64(0)
				for _, l := range cuts {
					if d := l.At.Sub(from.At); d >= 0 && d < 24*time.Hour {
						sum += l.Octets
					}
				}
				if sum > 2*max(c.size, c.lost) {
					t.Errorf("%d octets wasted in a day, of a body of %d", sum, c.size)
				}
			}
		})
	}
}

// A line that is cut again and again in one body: waste is bounded by the rule, told, and shown with the next try; small
// mail flows meanwhile as if nothing were.
func TestCutBody(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		big := b.put("big", 6<<20)
		big.breaks = &mail.Trouble{Op: mail.OpFetch, Server: "isp", Err: io.ErrUnexpectedEOF} // at its half
		w.p.Set(t.Context(), w.drops("jaco"))
		began := time.Now()
		stop := w.run()
		late := 0
		for range 30 * 24 {
			after(30 * time.Minute)
			uid := mail.UID("small" + time.Since(began).String())
			b.put(uid, 500)
			after(30 * time.Minute)
			if !w.queue.has(uid) {
				late++
			}
		}
		if late > 0 {
			t.Errorf("%d small messages had to wait", late)
		}
		tries := 0
		for _, uid := range b.bodies() {
			if uid == "big" {
				tries++
			}
		}
		var wasted int64
		for _, e := range w.events.of(mail.OpPoll) {
			wasted += e.Wasted
		}
		if tries != 9 || wasted != 9*3<<20 {
			t.Errorf("in a month: %d tries, %d octets wasted", tries, wasted)
		}
		a := w.aside("big")
		if a == nil || a.Kind != AsideCut || a.Trouble == nil || a.Size != 6<<20 ||
			a.Why != "its body was cut 9 times, the last time after 3.0M of 6.0M, and cannot be gone on with; 27M wasted" {
			t.Errorf("aside: %+v", a)
		}
		if s := w.state("jaco"); s.Failures != 0 || !s.Suspects["big"].Next.Equal(a.Next) || s.Suspects["big"].Wasted != wasted {
			t.Errorf("%+v", s)
		}
		b.mu.Lock()
		big.breaks = nil
		b.mu.Unlock()
		after(8 * 24 * time.Hour)
		if !w.queue.has("big") || len(w.state("jaco").Suspects) > 0 {
			t.Error("the line is mended, and it was not collected")
		}
		stop()
	})
}

// Many bodies on a line that breaks in each waste no more in a day than one does; small mail, and what is no longer than
// what the line carries, flows. When the line is mended all come.
func TestCutBodies(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		var down int64
		b.change = func(d *Drop) { d.Meter = func() (int64, int64) { b.mu.Lock(); defer b.mu.Unlock(); return 0, down } }
		for i := range 150 {
			l := b.put(mail.UID(fmt.Sprint("big", i)), 6<<20)
			l.breaks = &mail.Trouble{Op: mail.OpFetch, Server: "isp", Err: io.ErrUnexpectedEOF} // at its half
		}
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		for i := range 5 {
			after(24 * time.Hour)
			b.put(mail.UID(fmt.Sprint("small", i)), 500)
			b.put(mail.UID(fmt.Sprint("middle", i)), 2<<20)
			after(10 * time.Minute)
			if !w.queue.has(mail.UID(fmt.Sprint("small", i))) || !w.queue.has(mail.UID(fmt.Sprint("middle", i))) {
				t.Error("other mail has to wait")
			}
		}
		all := w.events.of(mail.OpPoll)
		for _, from := range all {
			var sum int64
			for _, e := range all {
				if d := e.At.Sub(from.At); d >= 0 && d < 24*time.Hour {
					sum += e.Wasted
				}
			}
			if sum > 2*6<<20 {
				t.Fatalf("%d octets wasted in a day from %v on", sum, from.At)
			}
		}
		if a := w.aside("big149"); a == nil || a.Kind != AsideCut || !strings.Contains(a.Why, "bodies of this size") {
			t.Errorf("aside: %+v", a)
		}
		b.mu.Lock()
		for _, l := range b.msgs {
			l.breaks = nil
		}
		b.mu.Unlock()
		for range 48 {
			after(time.Hour)
			b.mu.Lock()
			down += 10 << 20 // what a body that came whole has cost
			b.mu.Unlock()
		}
		if n := len(b.uids()); n > 0 {
			t.Errorf("the line is mended, and %d were not collected", n)
		}
		stop()
	})
}

// A session that has carried as much without a break says that the line may carry the body too.
func TestCutBodySooner(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		var down int64
		b.change = func(d *Drop) { d.Meter = func() (int64, int64) { b.mu.Lock(); defer b.mu.Unlock(); return 0, down } }
		big := b.put("big", 6<<20)
		big.breaks = &mail.Trouble{Op: mail.OpFetch, Server: "isp", Err: io.ErrUnexpectedEOF}
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(4 * time.Hour)
		tries := len(b.bodies())
		b.mu.Lock()
		big.breaks = nil
		b.mu.Unlock()
		after(15 * time.Minute)
		if n := len(b.bodies()); n != tries || w.queue.has("big") {
			t.Fatalf("asked for %d times, %d before", n, tries)
		}
		other := b.put("other", 900<<10)
		b.mu.Lock()
		other.slow = time.Second
		b.mu.Unlock()
		go func() {
			<-time.After(5*time.Minute + time.Second/2)
			b.mu.Lock()
			down += 7 << 20
			b.mu.Unlock()
		}()
		after(16 * time.Minute)
		if !w.queue.has("other") || !w.queue.has("big") {
			t.Errorf("other %v, big %v", w.queue.has("other"), w.queue.has("big"))
		}
		stop()
	})
}

// A small body that was cut is asked for at the next visit, and again.
func TestCutLittle(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		l := b.put("little", 20_000)
		l.grows, l.breaks = true, &mail.Trouble{Op: mail.OpFetch, Server: "isp", Err: io.ErrUnexpectedEOF}
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(time.Hour)
		if a := w.aside("little"); a != nil || len(b.bodies()) < 3 {
			t.Errorf("asked for %d times, aside %+v", len(b.bodies()), a)
		}
		stop()
	})
}

// What waits for its next try makes no visit list everything, and survives a restart.
func TestCutBodyIsNoReasonToList(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := glancingBox(w)
		b.put("big", 6<<20).breaks = &mail.Trouble{Op: mail.OpFetch, Server: "isp", Err: io.ErrUnexpectedEOF}
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(90 * time.Minute) // cut at 0, 15 and 75 minutes; next at 5 h 15
		b.looked()
		after(25 * time.Minute)
		if got := b.looked(); strings.Count(got, "list") > 1 {
			t.Errorf("looked: %s", got)
		}
		next := w.state("jaco").Suspects["big"].Next
		stop()
		w.p = w.poller()
		w.p.Set(t.Context(), w.drops("jaco"))
		if got := w.state("jaco").Suspects["big"].Next; !got.Equal(next) || next.IsZero() {
			t.Errorf("after a restart it is tried at %v, not %v", got, next)
		}
		tries := len(b.bodies())
		stop = w.run()
		after(time.Hour)
		if n := len(b.bodies()); n != tries || !slices.Contains(b.uids(), "big") {
			t.Errorf("asked for %d times after the restart", n-tries)
		}
		stop()
	})
}

// What was left by an earlier session does not stand for what this one has left without a note: nothing would be open.
func TestCarriedIsNotLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		x := Suspect{Cuts: 1, Size: 1000, Next: time.Now().Add(time.Hour), Losses: []Loss{{time.Now(), 500}}}
		s := &session{p: w.p, drop: b.config(), down: 2000, state: State{Suspects: map[mail.UID]Suspect{"1": x}}}
		s.carried(t.Context())
		if w.aside("1") == nil || s.asides != 0 || s.state.Suspects["1"].Next.After(time.Now()) {
			t.Errorf("%d, %+v", s.asides, s.state.Suspects)
		}
	})
}

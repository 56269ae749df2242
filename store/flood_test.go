package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"mailretr/store/mail"
)

// S11: one sender gets so many reports in an hour; what is above waits, across a restart, and nothing is lost.
func TestS11_Flood(t *testing.T) {
	w, r := informed(t)
	w.Flood = func() int { return 3 }
	w.clock.t = w.clock.t.Truncate(time.Hour)
	for i := range 10 {
		w.put(message(fmt.Sprint(i), "Forged@b.example", "x@a.example"))
	}
	w.put(message("other", "honest@b.example", "x@a.example"))
	w.pass("main", always(no))
	if len(r.told) != 4 || len(w.records()) != 7+4 {
		t.Fatalf("%d told, %d records", len(r.told), len(w.records()))
	}
	w.use(w.mem.reopen())
	w.Reporter, w.Flood = r, func() int { return 3 }
	w.clock.add(59 * time.Minute)
	if w.pass("main", always(yes)); len(r.told) != 4 {
		t.Fatalf("%d told within the hour after a restart", len(r.told))
	}
	for hour := 1; hour <= 3; hour++ {
		w.clock.add(time.Hour)
		w.pass("main", always(yes))
		if want := min(4+3*hour, 11); len(r.told) != want {
			t.Errorf("%d told after hour %d, want %d", len(r.told), hour, want)
		}
	}
	for n := range w.Engine.Notes(t.Context(), spaceFlood, "") {
		if n.Key == "honest@b.example" {
			t.Error("counts of hours that are over stay")
		}
	}
}

// S12: a thousand messages with forged senders to somebody who is not there make no thousand reports: of many senders only
// so many hear of it as fail alike before the next hop is suspect, and of one as many as one may get in an hour. What
// nobody is told of is kept.
func TestS12_Backscatter(t *testing.T) {
	const n = 1000
	for name, x := range map[string]struct {
		sender func(int) string
		most   int
	}{
		"many": {func(i int) string { return fmt.Sprintf("forged%d@b.example", i) }, 10},
		"one":  {func(int) string { return "forged@b.example" }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := &informer{reporter: w.report}
			w.Reporter, w.Flood = r, func() int { return 5 }
			w.clock.t = w.clock.t.Truncate(time.Hour)
			for i := range n {
				w.put(message(fmt.Sprint(i), mail.Path(x.sender(i)), "nobody@a.example"))
			}
			for range 6 { // more than a failure waits for a success
				w.pass("main", always(no))
				w.clock.add(9 * time.Minute)
			}
			if len(r.told) > x.most || len(w.records()) < n {
				t.Errorf("%d were told, %d records are kept", len(r.told), len(w.records()))
			}
		})
	}
}

// S11: senders of mail that waits are looked for again and again; who is not told for want of room takes no room from
// reports of failure by that.
func TestS11_FloodIsNotMadeOfLooking(t *testing.T) {
	w, r := informed(t)
	w.Flood, w.Late = func() int { return 10 }, func() time.Duration { return time.Hour }
	w.clock.t = w.clock.t.Truncate(time.Hour)
	for i := range 20 {
		w.put(message(fmt.Sprint(i), "a@b.example", "x@a.example"))
	}
	w.pass("main", always(later))
	w.clock.add(2 * time.Hour)
	for range 50 {
		if _, err := w.Warn(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.clock.add(time.Minute)
	}
	w.pass("main", always(no))
	for range 3 {
		w.clock.add(time.Hour)
		w.pass("main", always(no))
	}
	if len(r.told) != 20 {
		t.Errorf("%d told", len(r.told))
	}
}

// S11: where there is no room for a day, the rest is held.
func TestS11_FloodIsHeld(t *testing.T) {
	w, r := informed(t)
	w.Flood = func() int { return 1 }
	for i := range 30 {
		w.put(message(fmt.Sprint(i), "forged@b.example", "x@a.example"))
	}
	for range 40 {
		w.pass("main", always(no))
		w.clock.add(time.Hour)
	}
	held := 0
	for _, x := range w.records() {
		if x.Hold == HoldFlood {
			held++
		}
	}
	if held == 0 || held+len(r.told) != 30 {
		t.Errorf("%d held, %d told", held, len(r.told))
	}
	// What is let go waits for room again, for a day.
	if n, err := w.ReleaseAll(t.Context(), Filter{}, HoldFlood); n != held || err != nil {
		t.Fatal(n, err)
	}
	for hour := range 40 {
		w.pass("main", always(no))
		left := w.records()
		if now := heldIn(left); hour < 20 && now != 0 {
			t.Fatalf("%d hours later %d of %d are held again", hour, now, len(left))
		}
		w.clock.add(time.Hour)
	}
	if n := heldIn(w.records()); n != 0 || len(r.told) != 30 {
		t.Errorf("in the end %d held, %d told", n, len(r.told))
	}
}

func heldIn(all []Record) (n int) {
	for i := range all {
		if all[i].Held() {
			n++
		}
	}
	return n
}

// S11: after as many reports as one may get, refused mail stays upstream.
func TestS11_RefuseFlood(t *testing.T) {
	w, _ := informed(t)
	w.Flood = func() int { return 1 }
	for i := range 3 {
		err := w.Refuse(t.Context(), message(fmt.Sprint(i), "a@b.example", "x@a.example"), mail.Report{no})
		var u *Untold
		if (i == 0) != (err == nil) || err != nil && (!errors.As(err, &u) || !u.Aside()) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

package store

import (
	"fmt"
	"testing"
	"time"

	"mailretr/store/mail"
)

// A step of the table: what happens, after how long, and what is to follow.
type step struct {
	after  time.Duration
	event  string // "ok", or how a message failed
	sender string
	again  bool
	want   verdict
}

func TestGuard(t *testing.T) {
	const m = time.Minute
	many := func(n int, how string, want, last verdict) (s []step) {
		for i := range n {
			v := want
			if i == n-1 {
				v = last
			}
			s = append(s, step{event: how, sender: fmt.Sprintf("s%d", i), want: v})
		}
		return s
	}
	for _, x := range []struct {
		name  string
		g     Guard
		steps []step
	}{
		{"no success known", Guard{}, []step{{event: "550", sender: "a", want: wait}}},
		{"a success shortly before", Guard{}, []step{{event: "ok"}, {after: 15 * m, event: "550", sender: "a",
			want: tell}}},
		{"long before", Guard{}, []step{{event: "ok"}, {after: 16 * m, event: "550", sender: "a", want: wait}}},
		{"ten senders", Guard{}, many(10, "550", wait, suspect)},
		{"ten senders after a success", Guard{}, append([]step{{event: "ok"}}, many(10, "550", tell, suspect)...)},
		{"one sender, many times", Guard{}, []step{
			{event: "550", sender: "a", want: wait}, {event: "550", sender: "a", want: wait}, {event: "550",
				sender: "a", want: wait}}},
		{"five and five of another kind", Guard{}, append(many(5, "550", wait, wait), many(5, "554", wait,
			wait)...)},
		{"a success in between", Guard{}, append(append(many(9, "550", wait, wait), step{event: "ok"}), many(9,
			"550", tell, tell)...)},
		{"suspect stays", Guard{Alike: 2}, []step{{event: "550", sender: "a", want: wait}, {event: "550",
			sender: "b", want: suspect},
			{after: time.Hour, event: "550", sender: "a", want: suspect}, {event: "554", sender: "a", want: wait},
			{event: "ok"}, {event: "550", sender: "a", want: tell}}},
		{"again is believed and does not count", Guard{Alike: 2}, []step{{event: "550", sender: "a", again: true,
			want: tell},
			{event: "550", sender: "b", again: true, want: tell}, {event: "550", sender: "c", want: wait}}},
		{"our own failures", Guard{Alike: 2}, []step{{event: "", sender: "a", want: tell}, {event: "",
			sender: "b", want: tell}}},
		{"off", Guard{Wait: -1, Alike: -1}, many(50, "550", tell, tell)},
	} {
		t.Run(x.name, func(t *testing.T) {
			var tr trust
			now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			for i, s := range x.steps {
				now = now.Add(s.after)
				if s.event == "ok" {
					tr.succeeded(now)
					continue
				}
				if v := x.g.failed(&tr, s.event, &Record{Reverse: mail.Path(s.sender)}, now, s.again); v != s.want {
					t.Errorf("step %d (%s from %s): %v, want %v", i, s.event, s.sender, v, s.want)
				}
			}
		})
	}
}

func TestHow(t *testing.T) {
	a := Said{Reply: "550 5.1.1 <a@x> unknown", Enhanced: "5.1.1"}.how()
	if b := (Said{Reply: "550-5.1.1 <b@y> who", Enhanced: "5.1.1"}).how(); a != b || a == "" {
		t.Errorf("%q and %q", a, b)
	}
	for _, s := range []Said{{}, {Err: "cut"}, {Reply: "451 x", Expired: true}} {
		if s.how() != "" {
			t.Errorf("%+v fails as %q", s, s.how())
		}
	}
}

// A single refusal, with no success in the lane: the sender is told after a quarter of an hour at most.
func TestReportWaits(t *testing.T) {
	w := newWorld(t)
	w.put(message("1", "a@example.org", "x@a.example"))
	w.pass("main", always(no))
	if len(w.report.told) != 0 {
		t.Fatal("told at once")
	}
	w.clock.add(15*time.Minute - 1)
	if n := w.pass("main", always(yes)); n != 0 || len(w.report.told) != 0 {
		t.Fatal("told too early, or attempted again")
	}
	w.use(w.mem.reopen()) // and what is owed survives
	w.clock.add(1)
	w.pass("main", always(yes)) // the report goes out too
	if len(w.report.told) != 1 || len(w.records()) != 0 {
		t.Errorf("told %v, left %v", w.report.told, w.records())
	}
}

// A success in the lane lets waiting reports go at once; that of a report of ours does not count.
func TestReportAfterSuccess(t *testing.T) {
	w := newWorld(t)
	w.put(message("1", "a@example.org", "x@a.example"))
	w.pass("main", always(no))
	w.put(message("2", "b@example.org", "y@a.example"))
	w.pass("main", always(yes))
	w.pass("main", always(yes))
	if len(w.report.told) != 1 || len(w.records()) != 0 {
		t.Errorf("told %v, left %v", w.report.told, w.records())
	}
	w.clock.add(time.Hour)
	r := w.put(message("3", "c@example.org", "x@a.example"))
	w.pass("main", always(no))
	w.clock.add(15 * time.Minute)
	w.pass("main", always(no)) // the report is made, and refused in its turn
	w.pass("main", always(yes))
	w.put(message("4", "d@example.org", "x@a.example"))
	w.pass("main", always(no))
	if l, err := w.Show(t.Context(), w.last()); err != nil || letters(&l.Record) == "" ||
		len(w.report.told) != 2 {
		t.Errorf("the success of a report was taken for one of the lane: told %v, after %v", w.report.told, r)
	}
}

// Somebody else of the same message was taken: the refusal is believed at once.
func TestReportBesideSuccess(t *testing.T) {
	w := newWorld(t)
	w.put(message("1", "a@example.org", "x@a.example", "y@a.example"))
	w.pass("main", func(m *mail.Message) mail.Report {
		if len(m.Envelope.Recipients) == 1 {
			return mail.Report{yes} // the report
		}
		return mail.Report{no, yes}
	})
	if len(w.report.told) != 1 || len(w.records()) != 0 {
		t.Errorf("told %v, left %v", w.report.told, w.records())
	}
}

// last returns the id of the youngest record.
func (w *world) last() mail.ID {
	all := w.records()
	if len(all) == 0 {
		return mail.ID{}
	}
	return all[len(all)-1].ID
}

// A wrong MTA that refuses everybody bounces nobody: all are held, with an alarm, and go out when it is
// mended.
func TestWrongMTA(t *testing.T) {
	w := newWorld(t)
	for i := range 12 {
		w.put(message(fmt.Sprint(i), mail.Path(fmt.Sprintf("s%d@example.org", i)), "x@a.example"))
	}
	w.pass("main", always(no))
	w.clock.add(time.Hour)
	if n := w.pass("main", always(no)); n != 0 || len(w.report.told) != 0 {
		t.Fatalf("%d attempted, told %v", n, w.report.told)
	}
	for _, r := range w.records() {
		if r.Hold != HoldAlike || letters(&r) != "x@a.example" {
			t.Errorf("hold %v, %s", r.Hold, letters(&r))
		}
	}
	if n := len(w.events.of(mail.OpHold)); n != 12 {
		t.Errorf("%d events", n)
	}
	w.use(w.mem.reopen()) // a later process has to find them
	w.put(message("13", "a@example.org", "y@a.example"))
	w.pass("main", always(yes))
	w.pass("main", always(yes))
	if n := len(w.records()); n != 0 {
		t.Errorf("%d are left after the MTA was mended", n)
	}
	if len(w.report.told) != 0 {
		t.Errorf("told %v", w.report.told)
	}
}

// Unknown users of a right MTA are not held for ever: let go by a success, what fails again is told of.
func TestSuspectThenRight(t *testing.T) {
	w := newWorld(t)
	for i := range 10 {
		w.put(message(fmt.Sprint(i), mail.Path(fmt.Sprintf("s%d@example.org", i)), "x@a.example"))
	}
	w.pass("main", always(no))
	w.put(message("13", "a@example.org", "y@a.example"))
	answer := func(m *mail.Message) mail.Report {
		if m.Envelope.Recipients[0].Forward == "x@a.example" {
			return mail.Report{no}
		}
		return mail.Report{yes}
	}
	w.pass("main", answer)
	w.pass("main", answer)
	if n := len(w.records()); n != 0 || len(w.report.told) != 10 {
		t.Errorf("%d left, told %v", n, w.report.told)
	}
}

// A verb releases what is suspect.
func TestReleaseAll(t *testing.T) {
	w := newWorld(t)
	w.Guard.Alike = 2
	w.put(message("1", "a@example.org", "x@a.example"))
	w.put(message("2", "b@example.org", "x@a.example"))
	w.pass("main", always(no))
	if n, err := w.ReleaseAll(t.Context(), Filter{Lane: "main"}, HoldAlike); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n := w.pass("main", always(yes)); n != 2 {
		t.Errorf("%d messages", n)
	}
}

package store

import (
	"maps"
	"slices"
	"testing"
	"time"

	"mailretr/store/mail"
)

// falling is a world whose lane "one" falls back to "two" after 4 hours, and "two" to "three" after 2.
func falling(t *testing.T) *world {
	w := newWorld(t)
	w.Route = toSenders("one")
	w.Fallback = func(l mail.Lane) Fallback {
		return map[mail.Lane]Fallback{"one": {"two", 4 * time.Hour}, "two": {"three", 2 * time.Hour}}[l]
	}
	return w
}

func (w *world) fallBack() (n int) {
	w.Helper()
	for _, l := range []mail.Lane{"one", "two", "three"} {
		k, err := w.FallBack(w.Context(), l)
		if err != nil {
			w.Fatal(err)
		}
		n += k
	}
	return n
}

// What was deferred long enough goes on to the next lane, with its attempts made anew, in one commit, and is given up
// by its age from the beginning.
func TestFallBack(t *testing.T) {
	w := falling(t)
	id := w.put(message("1", "s@b.example", "x@a.example"))
	queued := w.clock.now()
	w.pass("one", always(later))
	w.clock.add(4*time.Hour - time.Second)
	if n := w.fallBack(); n != 0 {
		t.Fatalf("%d moved too early", n)
	}
	w.clock.add(time.Second)
	before := w.mem.commits
	if n := w.fallBack(); n != 1 || w.mem.commits != before+1 || w.fallBack() != 0 {
		t.Fatalf("%d moved, by %d commits", n, w.mem.commits-before)
	}
	r := w.records()[0]
	if r.ID != id || r.Lane != "two" || r.Home != "one" || r.Attempts != 0 || !r.Queued.Equal(queued) || r.Due.After(w.clock.now()) {
		t.Errorf("%+v", r)
	}
	if e := w.events.of(mail.OpMove); len(e) != 1 || e[0].Lane != "two" || e[0].Text != "it has waited 4h0m0s for one, and goes to two" {
		t.Errorf("told: %+v", e)
	}
	if n := w.pass("one", always(yes)); n != 0 {
		t.Error("it is in both lanes")
	}
	w.pass("two", always(later))
	w.clock.add(2 * time.Hour)
	if n := w.fallBack(); n != 1 || w.records()[0].Lane != "three" || w.records()[0].Home != "one" {
		t.Fatalf("%d moved: %+v", n, w.records())
	}
	w.clock.add(5 * 24 * time.Hour)
	w.pass("three", always(later))
	if len(w.report.told) != 1 {
		t.Errorf("told %v of %+v", w.report.told, w.records())
	}
}

// What waits for a lane that is away goes too, though nobody has attempted it; what a healthy lane has not come to does
// not, nor what is held, or is being attempted.
func TestFallBackOfASickLane(t *testing.T) {
	w := falling(t)
	for _, uid := range []string{"1", "2", "3", "4"} {
		w.put(message(uid, "s@b.example", "x@a.example"))
	}
	w.clock.add(5 * time.Hour)
	if n := w.fallBack(); n != 0 {
		t.Fatalf("%d moved that nobody has come to", n)
	}
	if err := w.Postpone(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if err := w.Hold(t.Context(), w.records()[0].ID, "x", nil); err != nil {
		t.Fatal(err)
	}
	d := w.session("one")
	for range d.Messages(t.Context(), []mail.UID{mail.UID(w.records()[1].ID.String())}) {
		break
	}
	if n := w.fallBack(); n != 2 {
		t.Errorf("%d moved", n)
	}
	if got := w.where(); !slices.Equal(got, []mail.Lane{"one", "one", "two", "two"}) {
		t.Errorf("in %v", got)
	}
}

// What has fallen back stays there when it is retried, or the configuration is read again, as long as its route still
// leads there.
func TestFallenBackStays(t *testing.T) {
	w := falling(t)
	id := w.put(message("1", "s@b.example", "x@a.example"))
	w.pass("one", always(later))
	w.clock.add(4 * time.Hour)
	w.fallBack()
	for range 2 {
		if err := w.Retry(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
		if got := w.where(); !slices.Equal(got, []mail.Lane{"two"}) {
			t.Fatalf("retried, it is in %v", got)
		}
	}
	w.Route = toSenders("other")
	if err := w.Retry(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	if r := w.records()[0]; r.Lane != "other" || r.Home != "" || !r.Moved.IsZero() {
		t.Errorf("%+v", r)
	}
}

// A recipient that the other lane has a copy of is not sent there a second time.
func TestFallBackIsNoDuplicate(t *testing.T) {
	w := falling(t)
	w.Route = toSenders("one", "two")
	w.put(message("1", "s@b.example", "x@a.example"))
	w.pass("one", always(later))
	w.pass("two", always(yes))
	w.clock.add(10 * time.Hour)
	if n := w.fallBack(); n != 0 || !slices.Equal(w.where(), []mail.Lane{"one"}) {
		t.Errorf("%d moved, in %v", n, w.where())
	}
}

// Of several recipients only those go who are not there yet; nobody gets it twice there, and nobody waits for another.
func TestFallBackOfSome(t *testing.T) {
	w := falling(t)
	w.Route = func(_ mail.Origin, _ mail.Envelope, r mail.Recipient) []mail.Lane {
		if r.Forward == "x@a.example" {
			return []mail.Lane{"one", "two"}
		}
		return []mail.Lane{"one"}
	}
	w.put(message("", "s@b.example", "x@a.example", "y@a.example", "z@a.example"))
	got := map[string]int{}
	took := func(m *mail.Message) mail.Report {
		for _, r := range m.Envelope.Recipients {
			got[string(r.Forward)]++
		}
		return always(yes)(m)
	}
	w.pass("two", took)
	w.pass("one", always(later))
	w.clock.add(5 * time.Hour)
	if n := w.fallBack(); n != 1 || w.fallBack() != 0 || !slices.Equal(w.where(), []mail.Lane{"one", "two"}) {
		t.Fatalf("%d moved, in %v", n, w.where())
	}
	w.pass("two", took)
	if want := map[string]int{"x@a.example": 1, "y@a.example": 1, "z@a.example": 1}; !maps.Equal(got, want) {
		t.Errorf("in two: %v", got)
	}
	w.pass("one", took)
	if got["x@a.example"] != 2 || len(w.records()) != 0 {
		t.Errorf("%v, left %+v", got, w.records())
	}
	for n := range w.Engine.Notes(t.Context(), SpaceSplit, "") {
		t.Error("a note is left:", n)
	}
}

// Two destinations of one recipient fall back to the same: he gets it there once, and the other one is tried until it is
// given up. What has only passed through is remembered, for a while.
func TestFallBackOfBoth(t *testing.T) {
	w := falling(t)
	w.Route = toSenders("one", "other")
	w.Fallback = func(l mail.Lane) Fallback {
		return map[mail.Lane]Fallback{"one": {"two", 4 * time.Hour}, "other": {"two", 5 * time.Hour}}[l]
	}
	w.put(message("1", "s@b.example", "x@a.example"))
	w.pass("one", always(later))
	w.pass("other", always(later))
	w.clock.add(4 * time.Hour)
	if n := w.fallBack(); n != 1 {
		t.Fatal(n, "moved")
	}
	if n := w.pass("two", always(yes)); n != 1 {
		t.Fatal(n, "in two")
	}
	w.clock.add(2 * time.Hour)
	if n, err := w.FallBack(t.Context(), "other"); n != 0 || err != nil {
		t.Fatalf("it goes where it was before: %d %v", n, err)
	}
	w.clock.add(importedFor)
	if err := w.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n := range w.Engine.Notes(t.Context(), spaceFallen, "") {
		t.Error("a note is left:", n)
	}
}

// Mail for a mailbox that takes no other mail for hours, since one is on its way into it, falls back as what was deferred does.
func TestFallBackOfWhatWaitsForItsTurn(t *testing.T) {
	w := trusting(t)
	w.Fallback = func(l mail.Lane) Fallback { return map[mail.Lane]Fallback{"main": {"b.example", 4 * time.Hour}}[l] }
	w.put(message("1", "a@x.example", "x@a.example"))
	for range 5 {
		w.pass("main", always(mail.Result{Scope: mail.OfTurn, Again: w.clock.now().Add(time.Hour)}))
		w.clock.add(time.Hour)
	}
	if n, err := w.FallBack(t.Context(), "main"); n != 1 || err != nil {
		t.Errorf("%d fell back: %v", n, err)
	}
	if r := w.records(); len(r) != 1 || r[0].Lane != "b.example" || r[0].Attempts+r[0].Tries != 0 {
		t.Errorf("%+v", r)
	}
}

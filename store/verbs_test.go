package store

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

func TestFind(t *testing.T) {
	w := newWorld(t)
	id := w.put(message("1", "", "x@a.example"))
	w.clock.add(time.Minute)
	w.put(message("2", "", "x@a.example"))
	s := id.String()
	for _, text := range []string{s, strings.ToLower(s), s[len(s)-8:], strings.ToLower(s[len(s)-8:])} {
		if got, err := w.Find(t.Context(), text); got != id || err != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	var a *Ambiguous
	if _, err := w.Find(t.Context(), s[:2]); !errors.As(err, &a) || len(a.IDs) != 2 {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"ZZZZZZZZ", strings.Repeat("Z", 26)} {
		if _, err := w.Find(t.Context(), text); err == nil {
			t.Errorf("%q was found", text)
		}
	}
	if _, err := w.Find(t.Context(), ""); err == nil {
		t.Error("nothing was found")
	}
}

func TestHoldReleaseRetry(t *testing.T) {
	w := newWorld(t)
	id := w.put(message("1", "a@example.org", "x@a.example"))
	for range 2 { // twice is harmless
		if err := w.Hold(t.Context(), id, "wait for Monday", nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.pass("main", always(yes)); n != 0 {
		t.Fatal("a held message was attempted")
	}
	if l, _ := w.Show(t.Context(), id); l.Record.Hold != HoldAdmin || l.Record.HoldWhy != "wait for Monday" ||
		l.Leased {
		t.Errorf("%+v", l)
	}
	for range 2 {
		if err := w.Release(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.pass("main", always(later))
	if n := w.pass("main", always(yes)); n != 0 {
		t.Fatal("attempted before its time")
	}
	if err := w.Retry(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	if n := w.pass("main", always(yes)); n != 1 {
		t.Error("not due after retry")
	}
	for name, err := range map[string]error{
		"hold": w.Hold(t.Context(), id, "", nil), "release": w.Release(t.Context(), id, nil),
		"retry": w.Retry(t.Context(), id, nil), "remove": w.Remove(t.Context(), id, nil),
		"bounce": w.Bounce(t.Context(), id, "", nil),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s of a message that is gone: %v", name, err)
		}
	}
	if n := len(w.events.of(mail.OpVerb)); n != 3 {
		t.Errorf("%d events", n)
	}
}

// Somebody's word makes a failed recipient worth another attempt, as long as nobody was told.
func TestRetryOwed(t *testing.T) {
	w := newWorld(t)
	id := w.put(message("1", "a@example.org", "x@a.example"))
	w.pass("main", always(no))
	if err := w.Retry(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	if n := w.pass("main", always(yes)); n != 1 || len(w.records()) != 0 || len(w.report.told) != 0 {
		t.Errorf("%d attempted, left %v, told %v", n, w.records(), w.report.told)
	}
}

func TestBounceRemove(t *testing.T) {
	w := newWorld(t) // not trusting: somebody's word needs no second opinion
	id := w.put(message("1", "a@b.example", "x@a.example", "y@a.example"))
	w.pass("main", always(later)) // of two recipients
	if err := w.Bounce(t.Context(), id, "we do not want it", nil); err != nil {
		t.Fatal(err)
	}
	if len(w.report.told) != 2 {
		t.Errorf("told %v", w.report.told)
	}
	w.pass("b.example", func(m *mail.Message) mail.Report {
		if b := string(read(t, m)); !strings.Contains(b, "we do not want it") || !strings.Contains(b, later.Reply) {
			t.Errorf("report %q", b)
		}
		return mail.Report{yes}
	})
	id = w.put(message("2", "a@b.example", "x@a.example"))
	if err := w.Remove(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	if len(w.records()) != 0 || len(w.report.told) != 2 || len(w.mem.disk.bodies) != 0 {
		t.Errorf("left %v, told %v", w.records(), w.report.told)
	}
}

// A verb waits for an attempt that is under way, says so once, and gives up with its context.
func TestVerbWaits(t *testing.T) {
	w := newWorld(t)
	id := w.put(message("1", "a@b.example", "x@a.example"))
	d := w.session("main")
	for m := range d.Messages(t.Context(), nil) {
		said, waits := 0, 0
		w.Wait = func(context.Context, time.Duration) error {
			if waits++; waits == 3 {
				return d.Settle(t.Context(), m, mail.Report{later})
			}
			return nil
		}
		if err := w.Hold(t.Context(), id, "now", func(got mail.ID) { said++ }); err != nil || said != 1 ||
			waits != 3 {
			t.Errorf("%v, said %d times, waited %d", err, said, waits)
		}
		break
	}
	if r := w.records(); r[0].Attempts != 1 || !r[0].Held() {
		t.Errorf("record %+v", r[0])
	}
	w.Wait = nil
	if err := w.Release(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	w.clock.add(time.Hour)
	for range w.session("main").Messages(t.Context(), nil) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.Remove(ctx, id, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		break
	}
}

func TestCatExport(t *testing.T) {
	w := newWorld(t)
	m := message("1", "a@b.example", "x@a.example")
	id := w.put(m)
	w.put(message("2", "a@b.example", "x@a.example"))
	r, err := w.Cat(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != string(m.Content.(*text).b) {
		t.Errorf("%q, %v", b, err)
	}
	r.Close()
	n := 0
	for x, err := range w.Export(t.Context(), Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := x.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(r); int64(len(b)) != x.Record.Size {
			t.Errorf("%d octets", len(b))
		}
		r.Close()
		n++
	}
	if n != 2 {
		t.Errorf("%d exported", n)
	}
}

// Mail for a lane that is gone finds a new one; where recipients part, so does the record.
func TestReroute(t *testing.T) {
	w := newWorld(t)
	m := message("1", "a@b.example", "x@a.example", "y@c.example", "z@a.example")
	route := w.Route
	w.Route = func(mail.Origin, mail.Envelope, mail.Recipient) []mail.Lane { return []mail.Lane{"gone"} }
	w.put(m)
	w.put(message("2", "a@b.example", "x@a.example"))
	w.Route = route
	n, err := w.Reroute(t.Context(), func(l mail.Lane) bool { return l != "gone" })
	if n != 2 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	got := 0
	for _, l := range []mail.Lane{"main", "c.example"} {
		w.pass(l, func(q *mail.Message) mail.Report {
			got += len(q.Envelope.Recipients)
			if b := read(t, q); len(q.Envelope.Recipients) != 1 != (l == "main" && q.Origin.UID == "1") ||
				q.Content.Size() != int64(len(b)) {
				t.Errorf("lane %s has %+v", l, q.Envelope)
			}
			return mail.Same(len(q.Envelope.Recipients), yes)
		})
	}
	if got != 4 || len(w.records()) != 0 {
		t.Errorf("%d recipients were served, left %v", got, w.records())
	}
	if n, err := w.Reroute(t.Context(), func(mail.Lane) bool { return true }); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// A message whose octets are lost can be given up: its sender hears of it, once, and it ends.
func TestBounceWhatIsLost(t *testing.T) {
	w := newWorld(t)
	id := w.put(message("1", "a@b.example", "x@a.example"))
	clear(w.mem.disk.bodies)
	w.pass("main", always(yes))
	if err := w.Bounce(t.Context(), id, "its file is gone", nil); err != nil {
		t.Fatal(err)
	}
	all := w.records()
	if len(all) != 1 || all[0].Parent != id || len(w.report.told) != 1 {
		t.Errorf("%+v, told of %v", all, w.report.told)
	}
}

package store

import (
	"errors"
	"testing"

	"mailretr/store/mail"
)

// waits is a message that is too large, and the notice about it.
func waits(uid string) (m, notice *mail.Message) {
	return message(uid, "a@b.example", "x@a.example"), message("", "", "x@a.example")
}

var tooLarge = Aside{Maildrop: "jaco", Kind: "notice", Why: "it is too large", Size: 9e6}

// A notice is one commit: itself, the mark that keeps its message upstream, and the note. The body is
// never asked for, and nobody is told twice.
func TestNotice(t *testing.T) {
	w := newWorld(t)
	m, notice := waits("1")
	if err := w.Notice(t.Context(), m, notice, tooLarge); err != nil {
		t.Fatal(err)
	}
	r := w.records()
	if w.mem.commits != 1 || m.Content.(*text).read != 0 || len(r) != 1 || !r[0].Parent.Zero() || r[0].Origin.UID == "1" {
		t.Errorf("%d commits, records %+v", w.mem.commits, r)
	}
	if s := w.mem.disk.marks["acc"]["1"]; s.Mark != Known || s.Key == [16]byte{} {
		t.Errorf("mark %+v", s)
	}
	a, ok, err := w.AsideOf(t.Context(), "acc", "1")
	if !ok || err != nil || a.Kind != "notice" || a.Why != tooLarge.Why {
		t.Errorf("%+v %v", a, err)
	}
	c := w.choose("1")
	if len(c.Fetch)+len(c.Release) != 0 || c.Known != 1 {
		t.Errorf("%+v", c)
	}
	m, notice = waits("1")
	if err := w.Notice(t.Context(), m, notice, tooLarge); err != nil || len(w.records()) != 1 {
		t.Errorf("%v, %d notices", err, len(w.records()))
	}
}

// Nothing that fails tells half of it.
func TestNoticeFails(t *testing.T) {
	w := newWorld(t)
	m, notice := waits("1")
	w.mem.fault = func(int, *Batch) (error, bool) { return errors.New("disk"), false }
	if err := w.Notice(t.Context(), m, notice, tooLarge); err == nil {
		t.Error("no error")
	}
	w.mem.fault = nil
	w.mem.full = true
	if err := w.Notice(t.Context(), m, notice, tooLarge); err == nil {
		t.Error("no error on a full disk")
	}
	w.mem.full = false
	if len(w.records()) != 0 || len(w.mem.disk.marks["acc"]) != 0 || w.mem.staged != 0 {
		t.Errorf("something has happened: %v, %d bodies", w.records(), w.mem.staged)
	}
	n := 0
	w.mem.fault = func(int, *Batch) (error, bool) {
		if n++; n < 3 {
			return ErrUnknown, n == 1
		}
		return nil, false
	}
	if err := w.Notice(t.Context(), m, notice, tooLarge); err != nil || len(w.records()) != 1 {
		t.Errorf("unknown: %v, %d notices", err, len(w.records()))
	}
}

// A crash after the notice was staged leaves a file that is adopted, with a mark of its own: no second
// notice.
func TestNoticeAfterCrash(t *testing.T) {
	w := newWorld(t)
	m, notice := waits("1")
	o := noticed(m.Origin)
	if o.Account == m.Origin.Account || o.Maildrop != "jaco" {
		t.Fatalf("%+v", o)
	}
	mark := Seen{Account: o.Account, UID: o.UID, Mark: Taken}
	if err := w.Engine.Commit(t.Context(), &Batch{Seen: []Seen{mark}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Notice(t.Context(), m, notice, tooLarge); err != nil || len(w.records()) != 0 {
		t.Errorf("%v, %d notices", err, len(w.records()))
	}
	if s := w.mem.disk.marks["acc"]["1"]; s.Mark != Known {
		t.Errorf("mark %+v", s)
	}
}

// Who wants a message gets it whatever its size, until it is taken.
func TestWant(t *testing.T) {
	w := newWorld(t)
	if c := w.choose("1 2"); len(c.Wanted) != 0 || len(c.Fetch) != 2 {
		t.Errorf("%+v", c)
	}
	if err := w.Want(t.Context(), "acc", "1"); err != nil {
		t.Fatal(err)
	}
	if c := w.choose("1 2"); len(c.Wanted) != 1 || c.Wanted[0] != "1" || len(c.Fetch) != 2 {
		t.Errorf("%+v", c)
	}
	w.put(message("1", "a@b.example", "x@a.example"))
	if _, ok, err := w.AsideOf(t.Context(), "acc", "1"); ok || err != nil {
		t.Errorf("it was taken, and is still wanted: %v", err)
	}
}

// What waits for a reason that is waived is listed now, and nothing else.
func TestHasten(t *testing.T) {
	w := newWorld(t)
	next := w.clock.now().AddDate(0, 0, 3)
	for uid, kind := range map[mail.UID]string{"1": "budget", "2": "refused"} {
		if _, err := w.Aside(t.Context(), Aside{Account: "acc", UID: uid, Maildrop: "jaco", Kind: kind, Next: next}); err != nil {
			t.Fatal(err)
		}
	}
	if c := w.choose("1 2"); len(c.Fetch) != 0 || !c.Next.Equal(next) {
		t.Errorf("%+v", c)
	}
	if c := w.choose("1 2", func(l *Listing) { l.Hasten = "budget" }); len(c.Fetch) != 1 || c.Fetch[0] != "1" {
		t.Errorf("%+v", c)
	}
}

// A note that was made under a clock far ahead does not hold until then.
func TestAsideOfAWrongClock(t *testing.T) {
	w := newWorld(t)
	for uid, days := range map[mail.UID]int{"1": 30, "2": 3650} {
		a := Aside{Account: "acc", UID: uid, Maildrop: "jaco", Kind: "broken", Next: w.clock.now().AddDate(0, 0, days)}
		if _, err := w.Aside(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if c := w.choose("1 2"); len(c.Fetch) != 1 || c.Fetch[0] != "2" {
		t.Errorf("%+v", c)
	}
}

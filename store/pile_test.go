package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"mailretr/store/mail"
)

// kept is what the notes of an account hold, counted anew.
func (w *world) kept() (p pile) {
	for a, err := range w.Asides(w.Context(), "acc") {
		if err != nil {
			w.Fatal(err)
		}
		p.add(&a)
	}
	return p
}

// leave notes a message with a header of so many octets.
func (w *world) leave(uid string, octets int) error {
	w.Helper()
	a := Aside{Account: "acc", UID: mail.UID(uid), Maildrop: "jaco", Kind: "mute", Header: make([]byte, octets), Settings: "s",
		Next: w.clock.now().Add(24 * time.Hour)}
	got, err := w.Aside(w.Context(), a)
	if err != nil && len(got.Header) > octets {
		w.Errorf("%s: %v", uid, err)
	}
	return err
}

// R25: headers of what is left upstream are bounded by octets; the largest go first, and all notes stay.
func TestR25_HeadersOfWhatIsLeft(t *testing.T) {
	w := newWorld(t)
	const n = 300
	for i := range n {
		octets := 60 << 10
		if i%3 == 0 {
			octets = 2 << 10
		}
		if err := w.leave(fmt.Sprint(i), octets); err != nil {
			t.Fatal(err)
		}
		if p := w.kept(); p.octets > mostHeadOctets || p.notes != i+1 {
			t.Fatalf("%+v after %d", p, i+1)
		}
		if i == n/2 {
			w.use(w.mem) // what was counted is forgotten
		}
		w.clock.add(time.Second)
	}
	for i := 0; i < n; i += 3 {
		if a, ok, err := w.AsideOf(t.Context(), "acc", mail.UID(fmt.Sprint(i))); !ok || err != nil || len(a.Header) != 2<<10 {
			t.Fatalf("%d: a small header went before the large ones: %d octets, %v", i, len(a.Header), err)
		}
	}
	// The next visit asks again for those without, and has the others.
	w.clock.add(25 * time.Hour)
	all := make([]mail.UID, n)
	for i := range all {
		all[i] = mail.UID(fmt.Sprint(i))
	}
	c, err := w.Choose(t.Context(), Listing{Maildrop: "jaco", Account: "acc", UIDs: all, Complete: true, Settings: "s"})
	if p := w.kept(); err != nil || len(c.Fetch) != n || len(c.Headers) != p.heads || p.heads < n/3 {
		t.Errorf("%d fetched, %d headers of %+v, %v", len(c.Fetch), len(c.Headers), p, err)
	}
	if a, _, _ := w.AsideOf(t.Context(), "acc", "1"); a.Tries != 1 || a.Kind != "mute" || len(a.Header) > 0 {
		t.Errorf("a note that lost its header: %+v", a)
	}
	if err := w.leave("1", 3<<10); err != nil {
		t.Error(err)
	}
	if a, _, _ := w.AsideOf(t.Context(), "acc", "1"); a.Tries != 2 || len(a.Header) != 3<<10 {
		t.Errorf("noted again: %d tries, a header of %d octets", a.Tries, len(a.Header))
	}
}

// R25: large headers are not written only to be dropped.
func TestR25_LargeHeadersAreNotWritten(t *testing.T) {
	w := newWorld(t)
	kept := 0
	for i := range 1000 {
		a, err := w.Aside(t.Context(), Aside{Account: "acc", UID: mail.UID(fmt.Sprint(i)), Header: make([]byte, 60<<10)})
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Header) > 0 {
			kept++
		}
	}
	if most := mostHeadOctets / (60 << 10); kept != most || w.kept().heads != most || w.kept().notes != 1000 {
		t.Errorf("%d were written, %+v", kept, w.kept())
	}
}

// R25: a server that offers 100,000 messages that have to be left costs notes and headers up to their bounds. What is noted
// goes on as before, and what becomes free is used.
func TestR25_CrowdOfWhatIsLeft(t *testing.T) {
	w := newWorld(t)
	refused := 0
	for i := range 100_000 {
		octets := 40
		if i > 2*mostHeads {
			octets = 0
		}
		err := w.leave(fmt.Sprint(i), octets)
		var many interface{ Crowded() bool }
		switch {
		case errors.As(err, &many):
			refused++
		case err != nil:
			t.Fatal(err)
		}
	}
	if p := w.kept(); p.notes != mostAsides || p.heads > mostHeads || refused != 100_000-mostAsides {
		t.Fatalf("%+v, %d refused", p, refused)
	}
	if err := w.leave("5", 40); err != nil {
		t.Error("one that is noted:", err)
	}
	if err := w.Unaside(t.Context(), "acc", "7", "8"); err != nil {
		t.Fatal(err)
	}
	left := make([]mail.UID, 0, mostAsides)
	for i := range mostAsides {
		left = append(left, mail.UID(fmt.Sprint(i)))
	}
	if _, err := w.Choose(t.Context(), Listing{Maildrop: "jaco", Account: "acc", UIDs: left, Complete: true, Settings: "s"}); err != nil {
		t.Fatal(err)
	}
	if err := w.leave("7", 40); err != nil {
		t.Error("there is room:", err)
	}
	// Of somebody who is told as well there is a mark, which is enough.
	w.leave("8", 40)
	m := message("x", "", "x@a.example")
	if err := w.Notice(t.Context(), m, message("", "", "x@a.example"), tooLarge); err != nil {
		t.Error(err)
	}
	if p := w.kept(); p.notes != mostAsides {
		t.Errorf("%+v", p)
	}
	if c := w.choose("x"); c.Known != 1 {
		t.Errorf("%+v", c)
	}
	if err := w.leave("new", 40); err != nil || w.kept().notes != 1 {
		t.Errorf("after a listing without them: %+v, %v", w.kept(), err)
	}
}

// A header that goes while its message is taken does not bring the note back.
func TestHeaderDroppedWhileTaken(t *testing.T) {
	w := newWorld(t)
	w.choose("1 2")
	n, err := func() (Note, error) { w.leave("1", 100); return w.headless(t.Context(), "acc", "1") }()
	if err != nil {
		t.Fatal(err)
	}
	w.put(message("1", "", "x@a.example"))
	if err := w.mem.Commit(t.Context(), &Batch{Notes: []Note{n}}); err != nil {
		t.Fatal(err)
	}
	if err := w.unmark(t.Context(), "acc", []Note{n}); err != nil || w.kept().notes != 0 {
		t.Errorf("%+v, %v", w.kept(), err)
	}
}

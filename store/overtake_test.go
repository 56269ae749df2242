package store

import (
	"fmt"
	"testing"
	"time"

	"mailretr/store/mail"
)

// order returns the senders of what is attempted, in order, at most max of them.
func (w *world) order(max int) (from []mail.Path) {
	w.Helper()
	d := w.session("main")
	defer d.Close()
	for m, err := range d.Messages(w.Context(), nil) {
		if err != nil {
			w.Fatal(err)
		}
		from = append(from, m.Envelope.Reverse)
		if err := d.Settle(w.Context(), m, always(yes)(m)); err != nil {
			w.Fatal(err)
		}
		if len(from) == max {
			break
		}
	}
	return from
}

// fill queues n messages of one sender, a millisecond apart.
func (w *world) fill(n int, drop, sender string) {
	w.Helper()
	for i := range n {
		m := message(fmt.Sprintf("%s%s%d", drop, sender, i), mail.Path(sender), "x@a.example")
		m.Origin.Maildrop = drop
		w.put(m)
		w.clock.add(time.Millisecond)
	}
}

// One message does not wait behind a thousand of somebody else.
func TestOvertake(t *testing.T) {
	for name, x := range map[string]struct{ drop, sender string }{
		"another sender":          {"", "one@b.example"},
		"another maildrop":        {"anna", "one@b.example"},
		"a report to another one": {"", ""},
	} {
		w := newWorld(t)
		w.fill(1000, "jaco", "crowd@b.example")
		w.clock.add(12 * time.Hour) // the next hop was away
		w.fill(30, "jaco", "crowd@b.example")
		w.fill(3, x.drop, x.sender)
		got := w.order(12)
		seen := 0
		for _, from := range got {
			if string(from) == x.sender {
				seen++
			}
		}
		if seen != 3 {
			t.Errorf("%s: the first ones are %v", name, got)
		}
	}
}

// Who is part of the crowd stays in the order of arrival, and so does what is large.
func TestOvertakeNot(t *testing.T) {
	w := newWorld(t)
	w.fill(1000, "jaco", "crowd@b.example")
	w.fill(1, "jaco", "other@b.example") // of the same maildrop
	w.fill(1, "", "crowd@b.example")     // the same sender another way
	big := message("big", "big@b.example", "x@a.example")
	big.Origin.Maildrop = "anna"
	big.Content = &text{b: append([]byte("Subject: x\r\n\r\n"), make([]byte, overtakeSize)...)}
	w.put(big)
	for i, from := range w.order(1000) {
		if from != "crowd@b.example" {
			t.Fatalf("%v is attempted as number %d", from, i)
		}
	}
}

// The crowd is not starved by those who overtake, however many they are.
func TestOvertakeStarvesNobody(t *testing.T) {
	w := newWorld(t)
	w.fill(200, "jaco", "crowd@b.example")
	for i := range 2000 {
		w.fill(1, fmt.Sprintf("d%d", i), fmt.Sprintf("s%d@b.example", i))
	}
	crowd := 0
	for _, from := range w.order(500) {
		if from == "crowd@b.example" {
			crowd++
		}
	}
	if crowd != 200 {
		t.Errorf("%d of the crowd's 200 are among the first 500", crowd)
	}
}

// What was queued long ago, or before a restart, does not block who comes now: the crowd of then is not counted any more.
func TestOvertakeWhoWaitsFromBefore(t *testing.T) {
	for name, after := range map[string]func(*world){
		"half a day": func(w *world) { w.clock.add(12 * time.Hour) },
		"a restart":  func(w *world) { w.use(w.mem.reopen()); w.clock.add(2 * time.Minute) },
	} {
		w := newWorld(t)
		w.fill(500, "jaco", "crowd@b.example")
		after(w)
		w.fill(3, "anna", "one@b.example")
		w.first(name, "one@b.example", 3)
	}
}

// A flush does not bring them all to one instant, between which nobody could come.
func TestOvertakeAfterAFlush(t *testing.T) {
	w := newWorld(t)
	w.fill(500, "jaco", "crowd@b.example")
	w.pass("main", always(later))
	w.clock.add(time.Second)
	if n, err := w.Flush(t.Context(), ""); n != 500 || err != nil {
		t.Fatal(n, err)
	}
	w.clock.add(time.Second)
	w.fill(3, "anna", "one@b.example")
	w.first("flush", "one@b.example", 3)
}

// first asks for n messages of a sender among the first ones.
func (w *world) first(what string, sender mail.Path, n int) {
	w.Helper()
	got, seen := w.order(3*n), 0
	for _, from := range got {
		if from == sender {
			seen++
		}
	}
	if seen != n {
		w.Errorf("%s: the first ones are %v", what, got)
	}
}

// Where nobody waits nothing changes.
func TestOvertakeIdle(t *testing.T) {
	w := newWorld(t)
	w.fill(3, "jaco", "a@b.example")
	w.fill(1, "anna", "c@b.example")
	for _, r := range w.records() {
		if !r.Due.Equal(r.Queued) {
			t.Errorf("queued %v, due %v", r.Queued, r.Due)
		}
	}
}

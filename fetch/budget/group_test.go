package budget

import (
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// Maildrops of one group share a limit, beside their own and the line's, over a restart too; others are not concerned.
func TestGroups(t *testing.T) {
	ours := Group{"panel anna", Limit{Day: 5 * mega, Month: 100 * mega}}
	r := Rules{Groups: map[string]Group{"jaco": ours, "anna": ours, "free": {"panel x", Limit{}}}}
	w := newWorld(t, r)
	tomorrow := time.Date(2026, 1, 11, 0, 0, 0, 0, time.UTC)
	a, b := w.open("jaco"), w.open("anna")
	if tr := a.Take(3*mega, false); tr != nil {
		t.Fatal(tr)
	}
	wants(t, b.Take(2*mega, false), w.now, w.now) // until a has ended
	w.line["jaco"] += 3 * mega
	a.Close()
	w.line["anna"] += 2 * mega
	b.Close()
	w.open("other").Close()
	_, err := w.Open(t.Context(), "jaco", false)
	tr := mail.TroubleOf(mail.OpPoll, "", err)
	wants(t, tr, tomorrow, w.now)
	if !strings.Contains(tr.Error(), "the budget of its owner for the day has no room: 5.0M of 5.0M are used") {
		t.Error(tr)
	}
	if s := w.sheet("jaco"); !s.Spent || !s.LeftUntil.Equal(tomorrow) || s.DayLimit != 0 || s.Today.Down != 3*mega {
		t.Errorf("%+v", s)
	}
	if p, err := w.Open(t.Context(), "jaco", true); err != nil {
		t.Error("somebody wants it all the same:", err)
	} else {
		p.Close()
	}
	if err := w.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.restart(r)
	wants(t, w.Spent("anna"), tomorrow, w.now)
	if len(w.Sheets()) != 3 || w.Spent("other") != nil || w.Spent("free") != nil {
		t.Errorf("%+v", w.Sheets())
	}
	if w.now = tomorrow; w.Spent("anna") != nil {
		t.Error("it goes on on the next day")
	}
}

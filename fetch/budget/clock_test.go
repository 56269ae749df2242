package budget

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// A clock that is set back begins no day a second time, and nothing is lost.
func TestClockSetBack(t *testing.T) {
	w := newWorld(t, Rules{Line: Limit{Day: mega}})
	w.line["jaco"] += mega / 2
	w.Sheets()
	w.now = w.now.AddDate(0, 0, -1)
	w.line["jaco"] += mega / 2
	if w.Spent("jaco") == nil {
		t.Error("a clock that goes back is no new day")
	}
}

// A clock that was wrong, before the program began or while it ran, makes no more of a cap, and no less of the days
// that follow: what the month has cost is in the notes.
func TestClockWrong(t *testing.T) {
	right := time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC)
	for _, wrong := range []time.Time{time.Unix(0, 0), right.AddDate(0, 0, 45), right.AddDate(10, 0, 0)} {
		for _, restarts := range []string{"", "before", "after", "before and after"} {
			t.Run(fmt.Sprint(wrong.Year(), restarts), func(t *testing.T) {
				rules := Rules{Line: Limit{Day: mega, Month: 5 * mega}}
				w := newWorld(t, rules)
				for range 3 { // 10, 11 and 12 January
					p := w.open("jaco")
					w.line["jaco"] += mega
					p.Close()
					w.now = w.now.AddDate(0, 0, 1)
				}
				spend := func(n int64) {
					p, err := w.Open(w.Context(), "jaco", true)
					if err != nil {
						t.Fatal(err)
					}
					w.line["jaco"] += n
					p.Close()
					if err := w.Save(w.Context()); err != nil {
						t.Fatal(err)
					}
				}
				clock := func(at time.Time, restart bool) {
					if w.now = at; restart {
						if err := w.Close(w.Context()); err != nil {
							t.Fatal(err)
						}
						w.restart(rules)
					}
				}
				w.now = right
				spend(mega / 4)
				clock(wrong, strings.Contains(restarts, "before"))
				spend(mega / 4)
				clock(right.Add(time.Hour), strings.Contains(restarts, "after"))
				spend(mega / 4)
				if s := w.sheet(""); s.Today.Line() != 3*mega/4 || s.Month.Line() != 3*mega+3*mega/4 {
					t.Errorf("the clock is right: today %s, in the month %s", mail.Octets(s.Today.Line()), mail.Octets(s.Month.Line()))
				}
				spend(mega / 4)
				_, err := w.Open(w.Context(), "jaco", false)
				wants(t, mail.TroubleOf(mail.OpPoll, "", err), time.Date(2026, 1, 21, 0, 0, 0, 0, time.UTC), w.now)
				clock(right.AddDate(0, 0, 1), false)
				spend(mega)
				_, err = w.Open(w.Context(), "jaco", false)
				wants(t, mail.TroubleOf(mail.OpPoll, "", err), time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), w.now)
			})
		}
	}
}

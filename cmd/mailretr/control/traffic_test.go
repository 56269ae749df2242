package control

import (
	"context"
	"iter"
	"testing"
	"time"

	"mailretr/fetch/budget"
	"mailretr/store/mail"
)

// kept are the notes of a book, in memory.
type kept map[[2]string][]byte

func (k kept) Notes(_ context.Context, owner string) iter.Seq2[budget.Note, error] {
	return func(yield func(budget.Note, error) bool) {
		for key, v := range k {
			if (owner == "" || owner == key[0]) && !yield(budget.Note{Owner: key[0], Key: key[1], Value: v}, nil) {
				return
			}
		}
	}
}

func (k kept) Save(_ context.Context, all []budget.Note) error {
	for _, n := range all {
		k[[2]string{n.Owner, n.Key}] = n.Value
	}
	return nil
}

// What the line has cost is the same by the socket as without it: the line first, then those that are configured or
// have cost something this month, then the days that were asked for.
func TestTraffic(t *testing.T) {
	both(t, func(t *testing.T, h House, c *Client) {
		if _, err := last(c.Traffic(t.Context(), false, "")); codeOf(err) != Unavailable {
			t.Errorf("nobody counts: %v", err)
		}
	})
	now := time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC)
	for name, of := range map[string]func(*testing.T, House) *Client{
		"local": func(_ *testing.T, h House) *Client { return Local(h) }, "socket": serve,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			at := now.AddDate(0, -1, 0)
			h.Budget = &budget.Book{Store: kept{}, Now: func() time.Time { return at }}
			rules := budget.Rules{Calendar: budget.Calendar{Zone: time.UTC}, Line: budget.Limit{Month: 1 << 20},
				OffPeak: budget.Hours{{From: 0, To: 60}}}
			if err := h.Budget.Set(t.Context(), rules); err != nil {
				t.Fatal(err)
			}
			line := map[string]int64{"jaco": 700, "gone": 500}
			for drop := range line {
				h.Budget.Meter(drop, func() (up, down int64) { return 0, line[drop] })
			}
			if err := h.Budget.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
			at, line["jaco"] = now, 1000
			h.Budget.Observe(mail.Event{Op: mail.OpPoll, Origin: mail.Origin{Maildrop: "jaco"}, Messages: 1, Octets: 90})

			c := of(t, h)
			got := all(t, c.Traffic(t.Context(), true, "jaco"))
			if len(got) != 4 || got[0].Line == nil || got[1].Maildrop == nil || got[2].Day == nil || got[3].Day == nil {
				t.Fatalf("%+v", got)
			}
			l, m := got[0].Line, got[1].Maildrop
			if l.Left != 1<<20-300 || l.OffPeak || !l.NextOffPeak.Equal(now.Add(12*time.Hour)) || l.Month.Messages != 1 {
				t.Errorf("%+v", l)
			}
			if m.Maildrop != "jaco" || m.Month.Down != 300 || m.Left != -1 {
				t.Errorf("%+v", m)
			}
			if d := got[2].Day; d.Maildrop != "jaco" || d.Day != "2025-12-20" || d.Down != 700 || got[3].Day.Down != 300 {
				t.Errorf("%+v, %+v", d, got[3].Day)
			}
			o := all(t, c.Status(t.Context()))[0].Overview
			if o == nil || o.Line == nil || o.Line.Left != l.Left {
				t.Errorf("%+v", o)
			}
		})
	}
}

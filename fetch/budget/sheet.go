package budget

import (
	"context"
	"strings"
	"time"
)

// A Sheet is how a budget stands: of the line, or of a maildrop.
type Sheet struct {
	Maildrop string    `json:"maildrop,omitempty"` // "": the line
	Today    Counts    `json:"today"`
	Month    Counts    `json:"month"` // since Since
	Since    time.Time `json:"month_since"`
	Until    time.Time `json:"month_until"` // when the next month begins

	DayLimit   int64 `json:"day_limit,omitempty"` // octets on the line; 0: none
	MonthLimit int64 `json:"month_limit,omitempty"`
	Asked      int64 `json:"asked,omitempty"` // octets that sessions under way may still cost
	// Left is what is left of the limit that has least left, LeftUntil when there is more. Without a limit -1.
	Left      int64     `json:"left"`
	LeftUntil time.Time `json:"left_until,omitzero"`
	// Reserve is what large mail leaves of Left.
	Reserve int64 `json:"reserve,omitempty"`
	// Spent says that no session is begun before LeftUntil.
	Spent bool `json:"spent,omitempty"`
}

// Sheets returns how all stands: the line first, then the maildrops by name.
func (b *Book) Sheets() []Sheet {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.init()
	for _, name := range sorted(b.meters) {
		b.sample(name)
		b.page(ownerDrop + name)
	}
	b.page(ownerLine)
	var all []Sheet
	for _, owner := range sorted(b.pages) { // "line" is before "maildrop/"
		if !strings.HasPrefix(owner, ownerMany) { // what a group has left is in the sheets of its maildrops
			all = append(all, b.sheet(b.page(owner)))
		}
	}
	return all
}

func (b *Book) sheet(p *page) Sheet {
	l := b.limits(p.owner)
	s := Sheet{
		Today: p.now, Month: p.before.Plus(p.now), DayLimit: l.Day, MonthLimit: l.Month,
		Asked: b.asked(p.owner), Left: -1,
	}
	if p.owner != ownerLine {
		s.Maildrop = strings.TrimPrefix(p.owner, ownerDrop)
	}
	s.Since, s.Until = b.rules.Calendar.Month(b.time())
	spans := b.spans(p)
	if g, in := b.rules.Groups[s.Maildrop]; in && s.Maildrop != "" && g.Limit.any() {
		spans = append(spans, b.spans(b.page(ownerMany+g.Name))...)
	}
	for _, x := range spans {
		if left := max(x.limit-x.spent, 0); x.limit > 0 && (s.Left < 0 || left < s.Left) {
			s.Left, s.LeftUntil, s.Reserve = left, x.until, b.rules.Reserve.of(x.limit)
		}
	}
	s.Spent = s.Left >= 0 && s.Left < leastOpening
	return s
}

// A Dated is one day of the past.
type Dated struct {
	Day string `json:"day"` // 2026-01-31
	Counts
}

// Days returns the days of the last months, today last: of the line for "", else of a maildrop, which
// need not be configured any more.
func (b *Book) Days(ctx context.Context, maildrop string) ([]Dated, error) {
	owner := ownerLine
	if maildrop != "" {
		owner = ownerDrop + maildrop
	}
	all := map[string]Counts{}
	for n, err := range b.Store.Notes(ctx, owner) {
		if err != nil {
			return nil, err
		}
		if n.Owner != owner || !strings.HasPrefix(n.Key, keyMonth) {
			continue
		}
		m, err := daysOf(n.Value)
		if err != nil {
			return nil, err
		}
		for day, r := range m {
			all[day] = r.counts()
		}
	}
	b.mu.Lock()
	if p := b.pages[owner]; p != nil {
		if maildrop != "" {
			b.sample(maildrop)
		}
		b.turn(p)
		for day, c := range p.over {
			all[day] = all[day].most(c)
		}
		all[p.day] = p.now
	}
	b.mu.Unlock()
	var days []Dated
	for _, day := range sorted(all) {
		days = append(days, Dated{Day: day, Counts: all[day]})
	}
	return days, nil
}

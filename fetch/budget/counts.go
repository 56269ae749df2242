package budget

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Counts are what came in some time, and what it cost. Octets are of messages, or of the line where it
// says so.
type Counts struct {
	Messages int64 `json:"messages"`
	Octets   int64 `json:"octets"`
	Up       int64 `json:"line_up"`   // octets sent
	Down     int64 `json:"line_down"` // octets received
	Saved    int64 `json:"saved"`     // octets that did not have to cross the line again, or at all
	Wasted   int64 `json:"wasted"`    // octets that crossed it for nothing
	// Assumed are octets that were reserved when the program was ended hard. They may have crossed the line.
	Assumed int64 `json:"assumed,omitempty"`
}

// Line is what it cost.
func (c Counts) Line() int64 { return c.Up + c.Down + c.Assumed }

// Plus adds.
func (c Counts) Plus(d Counts) Counts {
	return Counts{
		c.Messages + d.Messages, c.Octets + d.Octets, c.Up + d.Up, c.Down + d.Down, c.Saved + d.Saved,
		c.Wasted + d.Wasted, c.Assumed + d.Assumed,
	}
}

// most is the larger of each.
func (c Counts) most(d Counts) Counts {
	return Counts{
		max(c.Messages, d.Messages), max(c.Octets, d.Octets), max(c.Up, d.Up), max(c.Down, d.Down),
		max(c.Saved, d.Saved), max(c.Wasted, d.Wasted), max(c.Assumed, d.Assumed),
	}
}

// row is how Counts are kept: a year has 365 of them for each maildrop.
type row [7]int64

func (c Counts) row() row {
	return row{c.Messages, c.Octets, c.Up, c.Down, c.Saved, c.Wasted, c.Assumed}
}

func (r row) counts() Counts { return Counts{r[0], r[1], r[2], r[3], r[4], r[5], r[6]} }

// today is the value of the note of the day under way.
type today struct {
	Day      string `json:"day"`
	Counts   row    `json:"counts"`
	Reserved int64  `json:"reserved,omitempty"` // octets that may have been asked for since
	Twice    bool   `json:"twice,omitempty"`    // what is kept of the day among those that are over is to be added
}

// month is the value of the note of a month by the calendar: its days that are over.
type month map[string]row

// Keys of notes. A month's key is keyMonth and 2026-01.
const (
	keyToday = "today"
	keyMonth = "month/"
)

// kept is how many months there are notes of, the one under way included.
const kept = 14

// monthOf is the key of the month of a day.
func monthOf(day string) string { return keyMonth + day[:len("2026-01")] }

// old says whether a note is of a month that is kept no longer.
func old(key, day string) bool {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil || !strings.HasPrefix(key, keyMonth) {
		return false
	}
	first := time.Date(t.Year(), t.Month()-kept+1, 1, 0, 0, 0, 0, time.UTC)
	return key < monthOf(first.Format(time.DateOnly))
}

// daysOf reads the days of a month's note.
func daysOf(value []byte) (month, error) {
	m := month{}
	if err := json.Unmarshal(value, &m); err != nil {
		return nil, fmt.Errorf("budget: the note of a month cannot be read: %w", err)
	}
	for day := range m {
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			return nil, fmt.Errorf("budget: the note of a month has a day %q", day)
		}
	}
	return m, nil
}

// encode writes a note. Maps are written in order, so that equal ones are equal.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("budget: " + err.Error()) // numbers and words of ours only
	}
	return b
}

// sorted returns the keys of a map in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

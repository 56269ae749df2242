package budget

import "time"

// A Calendar says where days and months of a budget begin. The zero value: local time, the first of the
// month.
type Calendar struct {
	Zone  *time.Location // nil: time.Local
	Reset int            // day on which a month begins, 1 to 31: the last day where the month is shorter. 0: 1
}

func (c Calendar) zone() *time.Location {
	if c.Zone != nil {
		return c.Zone
	}
	return time.Local
}

// Day names the day of t: 2026-01-31.
func (c Calendar) Day(t time.Time) string { return t.In(c.zone()).Format(time.DateOnly) }

// Tomorrow returns when the day after that of t begins.
func (c Calendar) Tomorrow(t time.Time) time.Time {
	y, m, d := t.In(c.zone()).Date()
	return c.midnight(y, m, d+1)
}

// Month returns when the month of t began, and when the next one does. A month begins on the reset day.
func (c Calendar) Month(t time.Time) (begin, end time.Time) {
	y, m, _ := t.In(c.zone()).Date()
	if begin = c.reset(y, m); t.Before(begin) {
		return c.reset(y, m-1), begin
	}
	return begin, c.reset(y, m+1)
}

// reset is the reset day in the month m of the year y.
func (c Calendar) reset(y int, m time.Month) time.Time {
	last := time.Date(y, m+1, 0, 12, 0, 0, 0, time.UTC).Day()
	return c.midnight(y, m, min(max(c.Reset, 1), last))
}

// midnight is the first instant of a day, or of the next one where the day is not there. There are zones
// in which summer time begins or ends at midnight, so that 00:00 is not there, or is there twice, and
// time.Date does not say which side of it one gets; and one that has left out a day.
func (c Calendar) midnight(y int, m time.Month, d int) time.Time {
	const step = 15 * time.Minute // zones change in multiples of it
	day := time.Date(y, m, d, 12, 0, 0, 0, time.UTC).Format(time.DateOnly)
	t := time.Date(y, m, d, 0, 0, 0, 0, c.zone())
	for c.Day(t) < day {
		t = t.Add(step)
	}
	for c.Day(t.Add(-step)) >= day {
		t = t.Add(-step)
	}
	return t
}

// A Window is a part of each day by the clock on the wall, in minutes since midnight: from From until
// before To. One in which To is not after From goes over midnight.
type Window struct{ From, To int }

// Hours are windows. None: there are no such hours.
type Hours []Window

// in says whether it is one of these hours.
func (h Hours) in(t time.Time) bool {
	minute := t.Hour()*60 + t.Minute()
	for _, w := range h {
		switch {
		case w.From < w.To && w.From <= minute && minute < w.To:
			return true
		case w.From >= w.To && (w.From <= minute || minute < w.To):
			return true
		}
	}
	return false
}

// next returns when the hours are reached, t itself where they are. Each minute is looked at: whatever
// the clock on the wall does on a day when summer time begins, this does the same. The zero time: never.
func (h Hours) next(t time.Time) time.Time {
	switch {
	case len(h) == 0:
		return time.Time{}
	case h.in(t):
		return t
	}
	t = t.Truncate(time.Minute)
	for range 3 * 24 * 60 { // a window may fall into the hour that a day lacks
		if t = t.Add(time.Minute); h.in(t) {
			return t
		}
	}
	return time.Time{}
}

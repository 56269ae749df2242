package budget

import (
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// Months begin on the reset day, or on the last day where they have none such.
func TestMonth(t *testing.T) {
	for _, c := range []struct {
		name, at, begin, end string
		reset                int
	}{
		{"the first", "2026-02-14 12:00", "2026-02-01 00:00", "2026-03-01 00:00", 0},
		{"on the day", "2026-03-15 00:00", "2026-03-15 00:00", "2026-04-15 00:00", 15},
		{"before it", "2026-03-14 23:59", "2026-02-15 00:00", "2026-03-15 00:00", 15},
		{"over the year", "2026-01-03 00:00", "2025-12-15 00:00", "2026-01-15 00:00", 15},
		{"into the next year", "2025-12-31 00:00", "2025-12-15 00:00", "2026-01-15 00:00", 15},
		{"31 in January", "2026-01-31 10:00", "2026-01-31 00:00", "2026-02-28 00:00", 31},
		{"31 in February", "2026-02-27 23:00", "2026-01-31 00:00", "2026-02-28 00:00", 31},
		{"31 on the 28th", "2026-02-28 00:00", "2026-02-28 00:00", "2026-03-31 00:00", 31},
		{"31 in a leap year", "2028-02-28 23:00", "2028-01-31 00:00", "2028-02-29 00:00", 31},
		{"31 in March", "2026-03-30 23:00", "2026-02-28 00:00", "2026-03-31 00:00", 31},
		{"31 in April", "2026-04-30 00:00", "2026-04-30 00:00", "2026-05-31 00:00", 31},
		{"29 in February", "2026-03-01 00:00", "2026-02-28 00:00", "2026-03-29 00:00", 29},
		{"30 in April", "2026-04-30 00:00", "2026-04-30 00:00", "2026-05-30 00:00", 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			cal := Calendar{Zone: zone(t, "Africa/Johannesburg"), Reset: c.reset}
			at, err := time.ParseInLocation("2006-01-02 15:04", c.at, cal.Zone)
			if err != nil {
				t.Fatal(err)
			}
			begin, end := cal.Month(at.UTC())
			if g := begin.Format("2006-01-02 15:04"); g != c.begin {
				t.Errorf("begins %s, want %s", g, c.begin)
			}
			if g := end.Format("2006-01-02 15:04"); g != c.end {
				t.Errorf("ends %s, want %s", g, c.end)
			}
		})
	}
}

// Each instant belongs to exactly one month, and months follow each other, in every zone and for every
// reset day.
func TestMonthsAreWithoutGaps(t *testing.T) {
	for _, name := range []string{"Africa/Johannesburg", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia", "UTC"} {
		for _, reset := range []int{1, 15, 28, 29, 30, 31} {
			cal := Calendar{Zone: zone(t, name), Reset: reset}
			at := time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)
			_, at = cal.Month(at)
			for range 12 * 12 {
				begin, end := cal.Month(at)
				last, next := cal.Month(end.Add(-time.Second))
				if !begin.Equal(at) || !end.After(begin) || !last.Equal(begin) || !next.Equal(end) {
					t.Fatalf("%s, %d: at %s: %s to %s, its last second: %s to %s", name, reset, at, begin, end, last, next)
				}
				if d := end.Sub(begin); d < 27*24*time.Hour || d > 32*24*time.Hour {
					t.Fatalf("%s, %d: a month of %s at %s", name, reset, d, at)
				}
				at = end
			}
		}
	}
}

// Summer time begins at midnight in some places: the day has no 00:00, and it begins at 01:00. It ends at
// midnight in the same places, and the last hour comes twice: the day before has 25.
func TestMidnight(t *testing.T) {
	for _, c := range []struct{ zone, at, want string }{
		{"America/Sao_Paulo", "2017-10-14T12:00:00-03:00", "2017-10-15T01:00:00-02:00"},
		{"America/Sao_Paulo", "2018-02-17T12:00:00-02:00", "2018-02-18T00:00:00-03:00"},
		{"America/Havana", "2026-10-31T12:00:00-04:00", "2026-11-01T00:00:00-04:00"}, // 00:00 comes twice
		{"Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T00:00:00+01:00"},
		{"Africa/Johannesburg", "2026-02-28T22:30:00Z", "2026-03-02T00:00:00+02:00"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if g := (Calendar{Zone: zone(t, c.zone)}).Tomorrow(at).Format(time.RFC3339); g != c.want {
			t.Errorf("%s: the day after %s begins %s, want %s", c.zone, c.at, g, c.want)
		}
	}
}

func TestHours(t *testing.T) {
	night := Hours{{0, 6 * 60}}
	late := Hours{{22 * 60, 6 * 60}}
	two := Hours{{12 * 60, 13 * 60}, {22 * 60, 24 * 60}}
	for _, c := range []struct {
		name      string
		hours     Hours
		zone      string
		at, opens string // opens "": never
		inside    bool
	}{
		{"night", night, "UTC", "2026-01-01T05:59:59Z", "2026-01-01T05:59:59Z", true},
		{"night is over", night, "UTC", "2026-01-01T06:00:00Z", "2026-01-02T00:00:00Z", false},
		{"in local time", night, "Africa/Johannesburg", "2026-01-01T05:00:00Z", "2026-01-02T00:00:00+02:00", false},
		{"over midnight", late, "UTC", "2026-01-01T23:00:00Z", "2026-01-01T23:00:00Z", true},
		{"over midnight, behind it", late, "UTC", "2026-01-01T05:00:00Z", "2026-01-01T05:00:00Z", true},
		{"before the evening", late, "UTC", "2026-01-01T21:59:30Z", "2026-01-01T22:00:00Z", false},
		{"the first of two", two, "UTC", "2026-01-01T00:00:00Z", "2026-01-01T12:00:00Z", false},
		{"the second", two, "UTC", "2026-01-01T13:00:00Z", "2026-01-01T22:00:00Z", false},
		{"until 24:00", two, "UTC", "2026-01-01T23:59:00Z", "2026-01-01T23:59:00Z", true},
		{"none", nil, "UTC", "2026-01-01T00:00:00Z", "", false},
		{"summer time begins: 02:30 is 03:00", Hours{{150, 240}}, "Europe/Berlin", "2026-03-29T00:00:00+01:00",
			"2026-03-29T03:00:00+02:00", false},
		{"the hour is not there", Hours{{120, 180}}, "Europe/Berlin", "2026-03-29T00:00:00+01:00",
			"2026-03-30T02:00:00+02:00", false},
		{"summer time ends: 02:30 comes twice", Hours{{150, 180}}, "Europe/Berlin", "2026-10-25T02:45:00+02:00",
			"2026-10-25T02:45:00+02:00", true},
		{"and opens again", Hours{{150, 180}}, "Europe/Berlin", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00",
			false},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.at)
			if err != nil {
				t.Fatal(err)
			}
			at = at.In(zone(t, c.zone))
			if got := c.hours.in(at); got != c.inside {
				t.Errorf("inside: %v", got)
			}
			got := ""
			if next := c.hours.next(at); !next.IsZero() {
				got = next.Format(time.RFC3339)
			}
			if want, _ := time.Parse(time.RFC3339, c.opens); c.opens != got && !c.hours.next(at).Equal(want) {
				t.Errorf("opens %s, want %s", got, c.opens)
			}
		})
	}
}

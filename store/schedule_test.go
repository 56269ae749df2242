package store

import (
	"testing"
	"time"
)

func TestSchedule(t *testing.T) {
	const m, h, d = time.Minute, time.Hour, 24 * time.Hour
	short := Schedule{Retry: []time.Duration{m, 5 * m}, Expire: h}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, x := range []struct {
		name     string
		s        Schedule
		age      time.Duration // at the beginning of the attempt
		attempts int
		sick     time.Duration
		due      time.Duration // after queueing
		expired  bool
	}{
		{"first", Schedule{}, 0, 1, 0, m, false},
		{"second", Schedule{}, m, 2, 0, 6 * m, false},
		{"seventh", Schedule{}, 10 * h, 7, 0, 14 * h, false},
		{"the last one repeats", Schedule{}, 20 * h, 100, 0, 24 * h, false},
		{"none counted yet", Schedule{}, 0, 0, 0, m, false},
		{"one attempt at the age itself", Schedule{}, 5*d - h, 50, 0, 5 * d, false},
		{"expired", Schedule{}, 5 * d, 51, 0, 0, true},
		{"just before", Schedule{}, 5*d - 1, 51, 0, 5 * d, false},
		{"own list", short, 10 * m, 3, 0, 15 * m, false},
		{"own expiry", short, h, 9, 0, 0, true},
		{"sick time does not count", short, h, 9, 30 * m, h + 5*m, false},
		{"and then it does", short, 90 * m, 9, 30 * m, 0, true},
		{"sick once more at most", short, 2 * h, 9, 10 * h, 0, true},
		{"sick, nearly", short, 2*h - m, 9, 10 * h, 2 * h, false},
		{"the clock went back", short, -d, 1, 0, -d + m, false},
		{"jitter", Schedule{Jitter: func(d time.Duration) time.Duration { return d + d/2 }}, 0, 1, 0,
			90 * time.Second, false},
		{"jitter below nothing", Schedule{Jitter: func(time.Duration) time.Duration { return -h }}, 0, 1, 0, 0,
			false},
	} {
		due, expired := x.s.Next(start.Add(x.age), start, x.attempts, x.sick)
		if expired != x.expired || !expired && !due.Equal(start.Add(x.due)) {
			t.Errorf("%s: due %v, expired %v; want %v, %v", x.name, due.Sub(start), expired, x.due, x.expired)
		}
	}
	if l := (Schedule{}).Longest(); l != 4*h {
		t.Errorf("the longest is %v", l)
	}
	if l := short.Longest(); l != 5*m {
		t.Errorf("the longest is %v", l)
	}
}

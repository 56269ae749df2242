package term

import (
	"fmt"
	"time"

	"mailretr/store/mail"
)

// Size writes a number of octets as [mail.Octets] does; one that nobody knows, which is below 0, is "?".
func Size(n int64) string {
	if n < 0 {
		return "?"
	}
	return mail.Octets(n)
}

// Span writes a duration in its largest unit: 8s, 12m, 2h, 5d. The rest is cut off, as in an age.
func Span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// Ago writes when something was: "12m ago". A zero time is "never".
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return Span(now.Sub(t)) + " ago"
}

// Age writes how old something is: "12m". A zero time is "-".
func Age(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return Span(now.Sub(t))
}

// In writes when something will be: "in 12m", or "now" when it should have been. A zero time is "-".
func In(t, now time.Time) string {
	switch d := t.Sub(now); {
	case t.IsZero():
		return "-"
	case d < time.Second:
		return "now"
	default:
		return "in " + Span(d+time.Second-1) // what is 59.9 s away is a minute away
	}
}

// Clock writes an instant as a person at a desk reads it: the time alone today, else with its day.
func Clock(t, now time.Time) string {
	t = t.In(now.Location())
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	if age := now.Sub(t).Abs(); age < 6*24*time.Hour {
		return t.Format("Mon 15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// Count writes a number with its word: "1 message", "2 messages".
func Count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

package conf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Cap says what the line may cost. Octets are those on the line.
type Cap struct {
	Month    int64 // octets between two reset days; 0: no limit
	Reset    int   // day on which a month begins; the last one where the month is shorter
	Day      int64 // octets a day; 0: no limit
	Reserve  Share // of each limit: large mail stops so much earlier
	Large    int64 // octets; from this size on mail is large
	OffPeak  []Window
	Timezone string // name in the time zone database; "": local time
}

// A Share is a number of octets, or a part of another number.
type Share struct {
	Octets  int64
	Percent int // where Octets is 0
}

// A Window is a part of each day by the clock, in minutes since midnight; where To is not after From,
// over midnight.
type Window struct{ From, To int }

// Budget says what one maildrop may cost, beside the line as a whole.
type Budget struct {
	At Where `json:"-"`

	Month, Day int64 // octets on the line; 0: no limit
}

// Oversize says what happens to a message that is too large for a maildrop's owner.
type Oversize struct {
	At Where `json:"-"`

	Above int64 // octets
	Then  Then
}

// A Then is what happens to a message that is too large.
type Then string

const (
	ThenDefault Then = ""         // before Complete
	ThenLeave   Then = "leave"    // it stays in the maildrop, and the status says so
	ThenNotice  Then = "notice"   // it stays there, and the recipient is told by a small message
	ThenBounce  Then = "bounce"   // it goes back to the sender, without having been fetched
	ThenOffPeak Then = "off-peak" // it is collected in the off-peak hours
)

// ParseShare reads a size, or a number of percent: 500M, 10%.
func ParseShare(s string) (Share, error) {
	if p, ok := strings.CutSuffix(s, "%"); ok {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 || n > 100 || strconv.Itoa(n) != p {
			return Share{}, fmt.Errorf("%q is no share; write 0%% to 100%%, or a size such as 500M", s)
		}
		return Share{Percent: n}, nil
	}
	n, err := ParseSize(s)
	if err != nil {
		return Share{}, fmt.Errorf("%q is neither a share nor a size; write e.g. 10%% or 500M", s)
	}
	return Share{Octets: n}, nil
}

// String writes it as ParseShare reads it.
func (s Share) String() string {
	if s.Octets > 0 {
		return Size(s.Octets)
	}
	return strconv.Itoa(s.Percent) + "%"
}

// ParseWindow reads a part of the day: 00:00-06:00; 22:00-06:00 goes over midnight.
func ParseWindow(s string) (Window, error) {
	from, to, ok := strings.Cut(s, "-")
	a, e1 := minutes(from)
	b, e2 := minutes(to)
	switch {
	case !ok || e1 || e2 || a == 24*60:
		return Window{}, fmt.Errorf("%q is no part of a day; write e.g. 00:00-06:00, or 22:00-06:00 over midnight", s)
	case a == b:
		return Window{}, fmt.Errorf("%q has no end; write e.g. 00:00-24:00 for the whole day", s)
	}
	return Window{From: a, To: b}, nil
}

// minutes reads a time of the day; 24:00 is its end.
func minutes(s string) (n int, bad bool) {
	s = strings.TrimSpace(s)
	if s == "24:00" {
		return 24 * 60, false
	}
	t, err := time.Parse("15:04", s)
	return t.Hour()*60 + t.Minute(), err != nil || len(s) != len("15:04")
}

// String writes it as ParseWindow reads it.
func (w Window) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", w.From/60, w.From%60, w.To/60, w.To%60)
}

// Zone returns the time zone in which days and months of the cap are counted.
func (l *Cap) Zone() (*time.Location, error) {
	if l.Timezone == "" {
		return time.Local, nil
	}
	return time.LoadLocation(l.Timezone)
}

// leastBudget is a budget with which a maildrop can be polled at all.
const leastBudget = 64 << 10

// cap checks what the line may cost.
func (v *validator) cap() {
	l := &v.c.Line
	v.limit(l.At, "month", l.Month)
	v.limit(l.At, "day", l.Day)
	v.number(l.At, "reset", int64(l.Reset), 1, 31)
	v.number(l.At, "reserve", l.Reserve.Octets, 0, 1<<50)
	if limit := least(l.Month, l.Day); limit > 0 && l.Reserve.Octets >= limit {
		v.fail(l.At.Of("reserve"), "write less, or e.g. 10%",
			"reserve: it leaves nothing for large mail: the limit is %s", Size(limit))
	}
	v.number(l.At, "large", l.Large, 1<<10, 1<<40)
	if len(l.OffPeak) > 24 {
		v.fail(l.At.Of("off_peak"), "write fewer", "off_peak: more than 24 parts of the day")
	}
	if v.clean(l.At, "timezone", l.Timezone) {
		if _, err := l.Zone(); err != nil {
			v.fail(l.At.Of("timezone"), "write e.g. Africa/Johannesburg, or remove it for local time",
				"timezone: %q is not known on this machine", l.Timezone)
		}
	}
}

// limit checks a budget: one that is too small for a poll stops everything, and is a typing mistake most
// often.
func (v *validator) limit(at Where, key string, n int64) {
	if n != 0 && n < leastBudget {
		v.fail(at.Of(key), "write e.g. 500M or 20G; 0 for no limit",
			"%s: %s is too little to collect anything", key, Size(n))
		return
	}
	v.number(at, key, n, 0, 1<<50)
}

// least is the smallest of those that are set.
func least(limits ...int64) int64 {
	limits = slices.DeleteFunc(limits, func(n int64) bool { return n == 0 })
	if len(limits) == 0 {
		return 0
	}
	return slices.Min(limits)
}

func (v *validator) budget(m *Maildrop) {
	b := m.Budget
	if b == nil {
		return
	}
	v.limit(b.At, "month", b.Month)
	v.limit(b.At, "day", b.Day)
	for _, x := range []struct {
		key        string
		mine, line int64
	}{{"month", b.Month, v.c.Line.Month}, {"day", b.Day, v.c.Line.Day}} {
		if x.line > 0 && x.mine > x.line {
			v.warn(b.At.Of(x.key), "write less than that", "%s: the whole line has %s only", x.key, Size(x.line))
		}
	}
}

func (v *validator) oversize(m *Maildrop) {
	o := m.Oversize
	switch {
	case o == nil:
		return
	case o.Above == 0:
		v.fail(o.At.Of("above"), "write e.g. oversize: {above: 20M, then: "+string(o.Then)+"}",
			"oversize: above is missing")
		return
	}
	v.number(o.At, "above", o.Above, 1<<10, 1<<40)
	v.one(o.At, "then", string(o.Then), string(ThenLeave), string(ThenNotice), string(ThenBounce),
		string(ThenOffPeak))
	if o.Then == ThenOffPeak && len(v.c.Line.OffPeak) == 0 {
		v.fail(o.At.Of("then"), `write line: {off_peak: "00:00-06:00"}`, "then: there are no off-peak hours")
	}
	if most := v.c.Limits.MaxMessage; most > 0 && o.Above > most && o.Then != ThenLeave {
		v.warn(o.At.Of("above"), "write less than that, or raise limits: {max_message: …}",
			"above: what has more than %s (max_message) stays in the maildrop in any case", Size(most))
	}
}

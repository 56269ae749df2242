package web

import (
	"net/url"
	"strconv"
	"time"

	"mailretr/fetch/budget"
)

// A chart is a row of bars, one for each day, drawn by the server.
type chart struct {
	Days          []bar
	Width, Height int
	Most          int64 // octets of the highest bar
	Sum           int64
	Messages      int64
	Saved, Wasted int64
	Limit         int   // from above, where the limit of a day is
	LimitOctets   int64 // 0: there is none
}

// A bar is one day.
type bar struct {
	Day           string
	Label         string
	X, Y, W, H    int
	Line          int64
	Messages      int64
	Saved, Wasted int64
}

const (
	chartDays   = 30
	chartHeight = 80
	barWidth    = 16
	barGap      = 4
)

// chart draws the last days; those of which nothing is known have no bar, and stand in their place.
func (v *visit) chart(days []budget.Dated) chart {
	c := chart{Width: chartDays * (barWidth + barGap), Height: chartHeight}
	if len(days) == 0 {
		return c
	}
	known := map[string]budget.Dated{}
	for _, d := range days {
		known[d.Day] = d
	}
	last, err := time.Parse(time.DateOnly, days[len(days)-1].Day)
	if err != nil {
		return c
	}
	for i := range chartDays {
		at := last.AddDate(0, 0, i-chartDays+1)
		d := known[at.Format(time.DateOnly)]
		b := bar{
			Day: at.Format(time.DateOnly), Label: at.Format("2 Jan"), X: i * (barWidth + barGap), W: barWidth,
			Line: d.Line(), Messages: d.Messages, Saved: d.Saved, Wasted: d.Wasted,
		}
		c.Most = max(c.Most, b.Line)
		c.Sum, c.Messages = c.Sum+b.Line, c.Messages+b.Messages
		c.Saved, c.Wasted = c.Saved+b.Saved, c.Wasted+b.Wasted
		c.Days = append(c.Days, b)
	}
	for i := range c.Days {
		b := &c.Days[i]
		b.H = tall(b.Line, c.Most)
		b.Y = chartHeight - b.H
	}
	return c
}

// cap draws the limit of a day. Bars stay below it where they did not pass it.
func (c *chart) cap(limit int64) {
	if limit <= 0 || len(c.Days) == 0 {
		return
	}
	highest := max(c.Most, limit)
	for i := range c.Days {
		b := &c.Days[i]
		b.H = tall(b.Line, highest)
		b.Y = chartHeight - b.H
	}
	c.LimitOctets, c.Limit = limit, chartHeight-tall(limit, highest)
}

// tall is the height of a bar; what is not nothing can be seen.
func tall(n, most int64) int {
	if n <= 0 || most <= 0 {
		return 0
	}
	return max(2, int(float64(n)/float64(most)*(chartHeight-4)))
}

// number reads what a page is asked for; 0: nothing that makes sense.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 1_000_000 {
		return 0
	}
	return n
}

func itoa(n int) string { return strconv.Itoa(n) }

// noting adds to the address of a page what was done.
func noting(to, did string) string {
	u, err := url.Parse(to)
	if err != nil {
		return "/"
	}
	q := u.Query()
	q.Set("did", did)
	u.RawQuery = q.Encode()
	return u.String()
}

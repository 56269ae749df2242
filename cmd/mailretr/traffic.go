package main

import (
	"context"
	"fmt"
	"slices"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/fetch/budget"
	"mailretr/store/mail"
)

// trafficView shows what the line and the maildrops have cost.
type trafficView struct {
	*app
	only []string
	days bool

	table *term.Table
	line  *control.LineTraffic
	found map[string]bool
}

func (v *trafficView) show(ctx context.Context, d *control.Client) error {
	v.found = map[string]bool{}
	v.table = v.out.Table("NAME", "MAIL", "COLLECTED", "TODAY", "MONTH", "SAVED", "WASTED", "LEFT", "UNTIL")
	of := []string{""}
	if v.days && len(v.only) > 0 {
		of = v.only // days are asked for by name; the sheets come with each answer, and count once
	}
	for i, name := range of {
		for t, err := range d.Traffic(ctx, v.days, name) {
			if err == nil && (i == 0 || t.Day != nil) {
				err = v.item(t)
			}
			if err != nil {
				v.table.Flush()
				return err
			}
		}
	}
	if err := v.table.Flush(); err != nil {
		return err
	}
	for _, name := range v.only {
		if !v.found[name] {
			return &control.Error{Code: control.NotFound,
				Text: fmt.Sprintf("nothing was counted for a maildrop %q", name),
				Hint: "see which there are with: mailretr status --traffic"}
		}
	}
	if !v.json && v.out.TTY && v.line != nil && len(v.only) == 0 {
		v.end()
	}
	return nil
}

func (v *trafficView) item(t control.Traffic) error {
	if t.Maildrop != nil && len(v.only) > 0 {
		if !slices.Contains(v.only, t.Maildrop.Maildrop) {
			return nil
		}
		v.found[t.Maildrop.Maildrop] = true
	}
	switch {
	case v.json:
		return v.app.line(t)
	case t.Line != nil:
		v.line = t.Line
		v.row("(the line)", &t.Line.Sheet)
	case t.Maildrop != nil:
		v.row(t.Maildrop.Maildrop, t.Maildrop)
	case t.Day != nil:
		v.day(t.Day)
	}
	return nil
}

func (v *trafficView) row(name string, s *budget.Sheet) {
	left, until, colour := "-", "-", term.Colour("")
	if s.Left >= 0 {
		left, until = term.Size(s.Left), term.Clock(s.LeftUntil, v.now().In(s.LeftUntil.Location()))
	}
	if s.Spent {
		colour = term.Yellow
	}
	v.table.Row(colour, name, fmt.Sprint(s.Month.Messages), term.Size(s.Month.Octets), term.Size(s.Today.Line()),
		term.Size(s.Month.Line()), term.Size(s.Month.Saved), term.Size(s.Month.Wasted), left, until)
}

// day is a row below its table: the day in the place of the name.
func (v *trafficView) day(d *control.DayTraffic) {
	name := d.Day
	if d.Maildrop != "" {
		name = d.Maildrop + " " + d.Day
	}
	v.table.Row("", name, fmt.Sprint(d.Messages), term.Size(d.Octets), term.Size(d.Line()), "-", term.Size(d.Saved),
		term.Size(d.Wasted), "-", "-")
}

// end says it in sentences.
func (v *trafficView) end() {
	s, at := v.line, func(t budget.Sheet) string { return budget.When(t.Until) }
	v.out.Printf("\nSince %s: %s, %s, for %s on the line (commands and TLS included, TCP and IP not).\n",
		budget.When(s.Since), term.Count(int(s.Month.Messages), "message"), term.Size(s.Month.Octets), term.Size(s.Month.Line()))
	v.out.Printf("Saved: %s that did not have to cross it again, or at all. Wasted: %s that crossed it for nothing.\n",
		term.Size(s.Month.Saved), term.Size(s.Month.Wasted))
	if s.Month.Assumed > 0 {
		v.out.Printf("%s of it were reserved when the program was ended hard, and may not have crossed it.\n",
			term.Size(s.Month.Assumed))
	}
	if s.MonthLimit == 0 && s.DayLimit == 0 {
		v.out.Printf("There is no cap: a new month begins on %s. Set one with: line: {month: 20G, reset: 1}\n", at(s.Sheet))
	} else {
		v.out.Printf("%s\n", capOf(v.out, &s.Sheet))
	}
	switch {
	case s.OffPeak:
		v.out.Printf("These are off-peak hours: large mail is collected.\n")
	case !s.NextOffPeak.IsZero():
		v.out.Printf("Large mail waits for the off-peak hours: %s.\n", budget.When(s.NextOffPeak))
	}
}

// capOf says how a cap stands.
func capOf(out *term.Out, s *budget.Sheet) string {
	what := ""
	if s.MonthLimit > 0 {
		what = fmt.Sprintf("%s of %s used since %s", term.Size(s.Month.Line()), term.Size(s.MonthLimit),
			budget.When(s.Since))
	}
	if s.DayLimit > 0 {
		today := fmt.Sprintf("%s of %s used today", term.Size(s.Today.Line()), term.Size(s.DayLimit))
		if what != "" {
			what += ", "
		}
		what += today
	}
	if s.Spent {
		return out.Paint(term.Red, fmt.Sprintf("✗ the cap is spent (%s): nothing is collected until %s", what,
			budget.When(s.LeftUntil)))
	}
	text := fmt.Sprintf("The cap: %s; %s left until %s", what, term.Size(s.Left), budget.When(s.LeftUntil))
	if s.Reserve > 0 {
		text += fmt.Sprintf(", the last %s for small mail only", term.Size(s.Reserve))
	}
	return mail.Printable(text, 400)
}

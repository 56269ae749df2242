package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/conf/source"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// fewWell is how many maildrops that are well a terminal shows; those that are not are all shown.
const fewWell = 10

func newStatus(a *app) *cobra.Command {
	var verbose, all, traffic, days, probe bool
	c := &cobra.Command{
		Use:               "status [MAILDROP…]",
		Short:             "Say how each maildrop and destination is, worst first",
		ValidArgsFunction: a.completeMaildrops,
		RunE: func(c *cobra.Command, args []string) error {
			if probe {
				return a.probe(c.Context())
			}
			return a.house(c.Context(), func(d *control.Client) error {
				if traffic || days {
					return (&trafficView{app: a, only: args, days: days}).show(c.Context(), d)
				}
				v := &statusView{app: a, only: args, verbose: verbose, all: all || len(args) > 0 || !a.out.TTY}
				return v.show(c.Context(), d)
			})
		},
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "with what is wrong, what to do, and what is left in the maildrop")
	c.Flags().BoolVar(&all, "all", false, "all that are well, too")
	c.Flags().BoolVar(&traffic, "traffic", false, "what the line has cost, what was saved, and what is left of the cap")
	c.Flags().BoolVar(&probe, "probe", false, "say nothing, and exit with 0 if a daemon answers and its store does")
	c.Flags().BoolVar(&days, "days", false, "the same with each day of the last 13 months, of the line or of MAILDROP")
	return c
}

// statusView shows the lines of a status as they come.
type statusView struct {
	*app
	only         []string
	verbose, all bool

	table    *term.Table
	overview control.Overview
	well     int // that were shown
	hidden   int // that were not
	found    map[string]bool
	first    string // the first one that needs somebody
}

func (v *statusView) show(ctx context.Context, d *control.Client) error {
	v.table = v.out.Table("", "NAME", "STATE", "LAST MAIL", "CHECKED", "NEXT", "TODAY", "SAVED", "NOTE")
	v.found = map[string]bool{}
	for s, err := range d.Status(ctx) {
		if err != nil {
			v.table.Flush()
			return err
		}
		if err := v.line(s); err != nil {
			return err
		}
	}
	if err := v.table.Flush(); err != nil {
		return err
	}
	for _, name := range v.only {
		if !v.found[name] {
			return &control.Error{Code: control.NotFound, Text: fmt.Sprintf("there is no maildrop %q", name),
				Hint: "see which there are with: mailretr status"}
		}
	}
	if !v.json && v.out.TTY {
		v.end()
	}
	return nil
}

func (v *statusView) line(s control.Status) error {
	switch {
	case s.Maildrop != nil && !v.wanted(s.Maildrop.Maildrop), s.Maildrop == nil && len(v.only) > 0:
		return nil
	case v.json:
		return v.app.line(s)
	case s.Overview != nil:
		v.overview = *s.Overview
		v.head()
	case s.Front != nil:
		v.front(s.Front)
	case s.Source != nil:
		v.source(s.Source)
	case s.Mirror != nil:
		v.mirror(s.Mirror)
	case s.Lane != nil:
		v.lane(s.Lane)
	case s.Maildrop != nil:
		v.maildrop(s.Maildrop)
	}
	return nil
}

func (v *statusView) wanted(name string) bool {
	if len(v.only) == 0 {
		return true
	}
	for _, n := range v.only {
		if n == name {
			v.found[n] = true
			return true
		}
	}
	return false
}

// head is what a person reads first.
func (v *statusView) head() {
	if !v.out.TTY {
		return
	}
	o := &v.overview
	run := "no daemon runs"
	if !o.Started.IsZero() {
		run = "up " + term.Age(o.Started, v.now())
	}
	v.out.Printf("mailretr %s  %s  config %s\n", mail.Printable(o.Version, 60), run, mail.Printable(o.Config, 200))
	queue := "queue empty"
	if o.Messages > 0 {
		queue = fmt.Sprintf("queue %s, %s, oldest %s, %d held", term.Count(o.Messages, "message"),
			term.Size(o.Octets), term.Age(o.Oldest, v.now()), o.Held)
	}
	v.out.Printf("%s  disk %s free\n", queue, term.Size(o.Free))
	if o.Free < o.Reserve {
		v.out.Printf("%s\n", v.out.Paint(term.Red, "✗ the disk is full: nothing is collected until there is room"))
	}
	if r := o.Refused; r != nil {
		v.out.Printf("%s %s; see: mailretr check\n", v.out.Paint(term.Red, "✗ the configuration was refused at "+
			term.Clock(r.At, v.now())+", and the old one goes on:"), mail.Printable(r.Why, 500))
	}
	if len(o.LeftOut) > 0 {
		v.out.Printf("%s %s; see: mailretr check\n", v.out.Paint(term.Red, "✗ left out for mistakes:"),
			mail.Printable(strings.Join(o.LeftOut, ", "), 500))
	}
	if o.Line != nil {
		v.out.Printf("%s\n", capOf(v.out, o.Line))
	}
	v.out.Printf("\n")
}

// sign goes with a state, for who sees no colours.
func sign(s status.State) (string, term.Colour) {
	switch s {
	case status.OK:
		return "✓", term.Green
	case status.Pause, status.Never:
		return "-", ""
	case status.Late, status.Busy, status.Connect, status.Budget:
		return "!", term.Yellow
	}
	return "✗", term.Red
}

// front is a listener: it is well, or there would be no daemon.
func (v *statusView) front(f *control.Front) {
	v.table.Row("", "✓", "← "+f.Protocol+" "+f.Listener, string(status.OK), "-", "-", "-", fmt.Sprint(f.Messages), "-",
		fmt.Sprintf("%s, %d refused", term.Count(f.Now, "connection"), f.Refused))
}

// source is a database that holds maildrops.
func (v *statusView) source(s *source.State) {
	mark, colour, state, note := "✓", term.Colour(""), string(status.OK), term.Count(s.Rows, "row")
	if s.Wrong != "" {
		mark, colour, state = "✗", term.Red, "away"
		note = fmt.Sprintf("the last good set goes on, %s, since %s: %s", note, term.Clock(s.Since, v.now()), s.Wrong)
	} else if s.Server != "" {
		note += " of " + s.Server
		if s.Away != "" {
			note += ", instead of " + s.Away
		}
	}
	v.table.Row(colour, mark, "⇐ "+s.Name, state, "-", term.Ago(s.Read, v.now()), "-", "-", "-", note)
}

// mirror is a database into which is written how maildrops are.
func (v *statusView) mirror(m *control.Mirror) {
	mark, colour, state, note := "✓", term.Colour(""), string(status.OK), "into "+m.Into
	switch {
	case m.Wrong != "":
		mark, colour, state = "✗", term.Red, "away"
		note = fmt.Sprintf("%s: %s to be written, since %s: %s", note, term.Count(m.Waiting, "maildrop"),
			term.Clock(m.Since, v.now()), m.Wrong)
	case m.Written.IsZero():
		mark, state = "-", string(status.Never)
	}
	v.table.Row(colour, mark, "⇒ "+m.Name, state, "-", term.Ago(m.Written, v.now()), "-", "-", "-", note)
}

func (v *statusView) lane(l *status.Lane) {
	mark, colour := sign(l.State)
	if l.State == status.OK {
		colour = ""
	}
	note := fmt.Sprintf("%d delivered, %d deferred, %d failed", l.Delivered, l.Deferred, l.Failed)
	if l.Relay != "" {
		note += "; mail goes to " + mail.Printable(l.Relay, 200) // which of several servers
	}
	if l.Wrong != "" {
		note = l.Wrong + said(l.Said)
	}
	v.table.Row(colour, mark, "→ "+l.Lane, string(l.State), term.Ago(l.LastDelivery, v.now()),
		term.Ago(l.LastAttempt, v.now()), term.In(l.Next, v.now()), "-", "-", note)
}

func said(s string) string {
	switch {
	case s == "":
		return ""
	case spoken(s):
		return " It said: " + s
	}
	return " Cause: " + s
}

func (v *statusView) maildrop(s *status.Status) {
	if s.State.Well() && !v.all {
		if v.well++; v.well > fewWell {
			v.hidden++
			return
		}
	}
	if !s.State.Well() && v.first == "" {
		v.first = s.Maildrop
	}
	mark, colour := sign(s.State)
	if s.State == status.OK {
		colour = ""
	}
	v.table.Row(colour, mark, s.Maildrop, string(s.State), term.Ago(s.LastMail, v.now()),
		term.Ago(s.LastAttempt, v.now()), v.nextOf(s), fmt.Sprint(s.Today.Messages), term.Size(s.Total.Saved), v.note(s))
	if v.verbose {
		v.details(s)
	}
}

func (v *statusView) nextOf(s *status.Status) string {
	if s.State == status.Pause {
		return "paused"
	}
	return term.In(s.Next, v.now())
}

// plain is what is wrong in the last column: the server's own words where there are any.
func (v *statusView) plain(s *status.Status) string {
	switch {
	case s.Said != "":
		return s.Said
	case (s.State == status.Local || s.State == status.Budget) && s.Cause != "":
		return s.Cause // of all that can be wrong here, this is it
	}
	return s.Wrong
}

// note is the last column.
func (v *statusView) note(s *status.Status) string {
	note := v.plain(s)
	switch {
	case note == "" && len(s.Remarks) > 0:
		return s.Remarks[0].Text
	case note == "" && s.Waiting > 0:
		return fmt.Sprintf("%s to be collected, %s", term.Count(s.Waiting, "message"), term.Size(s.WaitingOctets))
	case note == "" && len(s.Asides) > 0 && v.verbose:
		return term.Count(len(s.Asides), "message") + " left in the maildrop"
	case note == "" && len(s.Asides) > 0:
		return term.Count(len(s.Asides), "message") + " left in the maildrop; why: -v"
	case note == "":
		return ""
	case s.Times > 1:
		return fmt.Sprintf("%s (%d times since %s)", note, s.Times, term.Clock(s.First, v.now()))
	}
	return fmt.Sprintf("%s (since %s)", note, term.Clock(s.Since, v.now()))
}

func (v *statusView) details(s *status.Status) {
	below := func(name, text string) {
		if text != "" {
			v.table.Below("%s%s", name, text)
		}
	}
	v.wrong(s, below)
	below("", v.counted(s))
	for _, r := range s.Recent {
		below("", recentLine(&r, v.now()))
	}
	for _, r := range s.Remarks {
		below("", r.Text)
	}
	for _, text := range leftLines(s, v.now()) {
		below("", text)
	}
}

// leftLines name what is left in the maildrop and why, and say how to have one of it all the same.
func leftLines(s *status.Status, now time.Time) (lines []string) {
	for _, x := range s.Asides {
		text := fmt.Sprintf("left in the maildrop: UID %s: %s", x.UID, x.Why)
		if !x.Next.IsZero() {
			text += " (tried again " + term.In(x.Next, now) + ")"
		}
		lines = append(lines, text)
	}
	if s.MoreAsides {
		lines = append(lines, "and others; see: mailretr seen list "+s.Maildrop)
	}
	if len(s.Asides) > 0 {
		lines = append(lines, fmt.Sprintf("to have one all the same: mailretr seen forget %s UID, then mailretr poll %s",
			s.Maildrop, s.Maildrop))
	}
	return lines
}

// wrong says what is wrong and what to do; of that, what the line above has said already is not said again.
func (v *statusView) wrong(s *status.Status, below func(name, text string)) {
	told := v.plain(s)
	if s.Wrong != told {
		below("", s.Wrong)
	}
	below("", s.Advice)
	step, words := strings.CutSuffix(s.Cause, ": server said: "+s.Said)
	switch {
	case s.Said != "" && words:
		if s.Said != told {
			below("the server said: ", s.Said)
		}
		below("while ", step)
		return
	case s.Said != told:
		below("the server said: ", s.Said)
	}
	if s.Cause != told {
		below("cause: ", s.Cause)
	}
}

// recentLine is one of the last messages, and what became of it.
func recentLine(r *status.Recent, now time.Time) string {
	text := fmt.Sprintf("%s %s: message from <%s>, %s", r.Outcome, term.Ago(r.At, now), r.From, term.Size(r.Octets))
	if r.Said != "" {
		text += ": " + r.Said
	}
	return text
}

// counted says what came and what it cost.
func (v *statusView) counted(s *status.Status) string {
	c := &s.Total
	return fmt.Sprintf("collected %s, %s; on the line %s up, %s down; saved %s, wasted %s; last success %s",
		term.Count(c.Messages, "message"), term.Size(c.Octets), term.Size(c.Up), term.Size(c.Down), term.Size(c.Saved),
		term.Size(c.Wasted), term.Ago(s.LastSuccess, v.now()))
}

// end is what a person reads last.
func (v *statusView) end() {
	if v.hidden > 0 {
		v.out.Printf("%s %d more are well (--all)\n", v.out.Paint(term.Green, "✓"), v.hidden)
	}
	o := &v.overview
	switch {
	case o.Unwell > 0 && !v.verbose:
		v.out.Printf("%d of %s to be looked at: mailretr status -v %s\n", o.Unwell, term.Count(o.Maildrops, "maildrop"),
			mail.Printable(v.first, 100))
	case o.Unwell == 0 && len(v.only) == 0 && o.Maildrops > 0:
		v.out.Printf("%s, all well\n", term.Count(o.Maildrops, "maildrop"))
	}
}

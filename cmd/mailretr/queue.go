package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/store/mail"
	"mailretr/store/status"
)

func newQueue(a *app) *cobra.Command {
	c := listCommand(a, "queue", "List the queue, or do something to what is in it")
	c.AddCommand(listCommand(a, "list", "List the queue"), newShow(a), newCat(a), newTop(a), newFlush(a), newEdit(a),
		newExport(a), newImport(a), newVerify(a))
	for _, v := range changes {
		c.AddCommand(newChange(a, v))
	}
	return c
}

func listCommand(a *app, name, short string) *cobra.Command {
	var s selection
	var verbose bool
	c := &cobra.Command{
		Use:               name + " [ID…]",
		Short:             short,
		ValidArgsFunction: a.completeIDs,
		RunE: func(c *cobra.Command, args []string) error {
			sel, err := s.of(args)
			if err != nil {
				return err
			}
			return a.house(c.Context(), func(d *control.Client) error { return a.list(c, d, sel, verbose) })
		},
	}
	s.flags(a, c)
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "with what was said of each recipient")
	return c
}

func (a *app) list(c *cobra.Command, d *control.Client, s control.Select, verbose bool) error {
	if a.json {
		for m, err := range d.ListJSON(c.Context(), control.ListRequest{Select: s}) {
			if err == nil {
				_, err = a.out.Write(append(visible(m), '\n'))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	lanes, err := lanes(c.Context(), d)
	if err != nil {
		return err
	}
	var sum summary
	t := a.out.Table("ID", "SIZE", "AGE", "TRIES", "NEXT", "FROM → TO").Right("SIZE", "AGE", "TRIES")
	for m, err := range d.List(c.Context(), control.ListRequest{Select: s, Shorten: true, Brief: !verbose}) {
		if err != nil {
			t.Flush()
			return err
		}
		sum.add(&m)
		t.Row(colourOf(m.State), m.Short, term.Size(m.Size), term.Age(m.Queued, a.now()), fmt.Sprint(m.Attempts),
			a.next(&m, lanes), route(&m))
		if verbose {
			a.details(t, &m)
		}
	}
	if err := t.Flush(); err != nil || !a.out.TTY {
		return err
	}
	a.out.Printf("%s%s\n", sum.text(a.now()), a.answering(lanes))
	return nil
}

// lanes asks how the next hops are.
func lanes(ctx context.Context, d *control.Client) (list []*status.Lane, err error) {
	for s, err := range d.Status(ctx) {
		if err != nil {
			return nil, err
		}
		if s.Lane != nil {
			list = append(list, s.Lane)
		}
	}
	return list, nil
}

// isAway says whether mail for a next hop waits until that is tried again.
func isAway(l *status.Lane) bool { return l.State != status.Never && l.State != status.OK }

// answering says whether the next hops answer, as far as that is known.
func (a *app) answering(lanes []*status.Lane) (text string) {
	for _, l := range lanes {
		switch {
		case isAway(l):
			text += fmt.Sprintf("; %s has been away since %s", hop(l), term.Clock(l.Since, a.now()))
			if !l.Next.IsZero() {
				text += ", tried again " + term.In(l.Next, a.now())
			}
		case l.State == status.OK:
			text += "; " + hop(l) + " answers"
		}
	}
	return text
}

// hop is what a lane is called by who looks for its server.
func hop(l *status.Lane) string {
	if l.Relay != "" {
		return mail.Printable(l.Relay, 200)
	}
	return mail.Printable(l.Lane, 100)
}

// colourOf goes with the word in the column NEXT.
func colourOf(s control.State) term.Colour {
	switch s {
	case control.Held:
		return term.Yellow
	case control.Active:
		return term.Green
	}
	return ""
}

// next says what happens next, and when: what is due waits all the same while its next hop is away.
func (a *app) next(m *control.Message, lanes []*status.Lane) string {
	due := m.Due
	for _, l := range lanes {
		if l.Lane == m.Lane && isAway(l) && l.Next.After(due) {
			due = l.Next
		}
	}
	switch m.State {
	case control.Held, control.Active:
		return string(m.State)
	case control.Reporting:
		return "report " + term.In(m.Due, a.now())
	}
	return term.In(due, a.now())
}

// route says from whom to whom.
func route(m *control.Message) string {
	to := "nobody"
	if n := len(m.Recipients); n > 0 {
		to = m.Recipients[0].Address
		if n += m.More; n > 1 {
			to += fmt.Sprintf(" and %d more", n-1)
		}
	}
	return sender(m) + " → " + to
}

func sender(m *control.Message) string {
	if m.Sender == "" {
		return "<>"
	}
	return m.Sender
}

// details are the lines under a message.
func (a *app) details(t *term.Table, m *control.Message) {
	if from := origin(m); from != "" {
		t.Below("%s", from)
	}
	if m.Lane != "default" && m.Home == "" { // one of several, as a rule: messages may be alike but for this
		t.Below("to be delivered to %s", mail.Printable(m.Lane, 100))
	}
	if m.Home != "" {
		t.Below("fallen back from %s to %s at %s", mail.Printable(m.Home, 100), mail.Printable(m.Lane, 100),
			term.Clock(m.Moved, a.now()))
	}
	if m.State == control.Held {
		t.Below("held (%s): %s", m.Hold, m.Why)
	}
	for i := range m.Recipients {
		t.Below("%s", a.said(&m.Recipients[i]))
	}
}

// origin says where a message came from and what it cost.
func origin(m *control.Message) string {
	switch {
	case m.Parent != "":
		return "report on " + m.Parent
	case m.UID == "":
		return ""
	}
	s := fmt.Sprintf("from maildrop %s, UID %s, collected once", m.Maildrop, m.UID)
	if m.Line > 0 {
		s += ": " + term.Size(m.Line) + " on the line"
	}
	if m.Saved > 0 {
		s += ", " + term.Size(m.Saved) + " saved"
	}
	return s
}

// said is what was said of a recipient last.
func (a *app) said(r *control.Recipient) string {
	s := r.Address + "  " + r.State
	switch {
	case r.Relay != "" && spoken(r.Reason):
		s += "  " + r.Relay + " said: " + r.Reason
	case r.Reason != "":
		s += "  " + r.Reason
	}
	if r.Copy {
		s += "  (a copy: the sender hears of another message)"
	}
	if r.Times > 1 {
		s += fmt.Sprintf(" (%d times since %s)", r.Times, term.Clock(r.Since, a.now()))
	}
	return s
}

// spoken says whether somebody has said this: it begins with the code of a reply. A connection that was refused, or
// broke, has said nothing.
func spoken(reason string) bool {
	if len(reason) < 3 {
		return false
	}
	for _, c := range reason[:3] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// summary is the line below a list.
type summary struct {
	messages, held int
	octets         int64
	oldest         time.Time
}

func (s *summary) add(m *control.Message) {
	s.messages++
	s.octets += m.Size
	if m.State == control.Held {
		s.held++
	}
	if s.oldest.IsZero() || m.Queued.Before(s.oldest) {
		s.oldest = m.Queued
	}
}

func (s *summary) text(now time.Time) string {
	if s.messages == 0 {
		return "nothing is queued"
	}
	text := fmt.Sprintf("%s, %s, oldest %s", term.Count(s.messages, "message"), term.Size(s.octets),
		term.Age(s.oldest, now))
	if s.held > 0 {
		text += fmt.Sprintf(", %d held", s.held)
	}
	return text
}

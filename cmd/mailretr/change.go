package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
)

// A changing is a verb that changes messages.
type changing struct {
	verb  control.Verb
	short string
	long  string
	done  string // "held"
	why   string // what --why is for; "": it takes none
}

var changes = []changing{
	{verb: control.Hold, short: "Keep messages from being attempted until they are released", done: "held",
		why: "the `reason`, shown with the message"},
	{verb: control.Release, short: "Let held messages be attempted, at once", done: "released"},
	{verb: control.Retry, short: "Attempt messages at once, held or not", done: "to be retried",
		long: "Makes messages due at once, held or not, and finds their destinations anew. A message that is\n" +
			"being attempted is waited for. A destination that is away is tried when its time has come; with\n" +
			"--now at once, and an attempt under way is given up, if the message is not sent whole yet."},
	{verb: control.Bounce, short: "Give messages up, and report that to their senders", done: "bounced",
		why: "the `reason`, put into the report"},
	{verb: control.Remove, short: "Remove messages without telling anybody", done: "removed"},
}

func newChange(a *app, v changing) *cobra.Command {
	var s selection
	var q control.ChangeRequest
	var yes bool
	c := &cobra.Command{
		Use:               string(v.verb) + " [ID…]",
		Short:             v.short,
		Long:              v.long,
		ValidArgsFunction: a.completeIDs,
		RunE: func(c *cobra.Command, args []string) error {
			sel, err := s.of(args)
			if err != nil {
				return err
			}
			sel.All = q.All
			q.Select = sel
			if q.Select.Empty() {
				return errWhich
			}
			return a.house(c.Context(), func(d *control.Client) error {
				if err := a.sure(c.Context(), d, v, &q, yes); err != nil {
					return err
				}
				return a.change(c.Context(), d, v, q)
			})
		},
	}
	s.flags(a, c)
	c.Flags().BoolVar(&q.All, "all", false, "all messages")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask before several messages are changed that are not named")
	c.Flags().BoolVarP(&q.DryRun, "dry-run", "n", false, "only say what would be done")
	if v.why != "" {
		c.Flags().StringVar(&q.Why, "why", "", v.why)
	}
	now := "give up an attempt under way, if the message is not sent whole yet, rather than wait for its end"
	if v.verb == control.Retry {
		now = "do so, and try a destination that is away at once, too"
	}
	if v.verb != control.Release { // what is held is not attempted
		c.Flags().BoolVar(&q.Now, "now", false, now)
	}
	return c
}

func (a *app) change(ctx context.Context, d *control.Client, v changing, q control.ChangeRequest) error {
	p := a.talk.Progress(a.json)
	n, err := a.changed(ctx, d, v, q, p)
	p.Close()
	if err != nil {
		return err
	}
	done := "would be " + v.done
	if !q.DryRun {
		done = v.done
	}
	if !a.json {
		a.talk.Printf("%s %s\n", term.Count(n.done, "message"), done)
	}
	if n.failed > 0 {
		return told(exTempFail)
	}
	return nil
}

// counts of what became of messages.
type counts struct{ total, done, failed int }

// changed shows each change as it is made.
func (a *app) changed(
	ctx context.Context, d *control.Client, v changing, q control.ChangeRequest, p *term.Progress,
) (n counts, err error) {
	for x, err := range d.Change(ctx, v.verb, q) {
		if err != nil {
			return n, err
		}
		if x.Total > 0 || x.ID == "" {
			n.total = x.Total
			continue
		}
		if a.json {
			if err := a.line(x); err != nil {
				return n, err
			}
		}
		switch x.State {
		case control.Waiting:
			a.tell(p, "%s is being attempted; waiting for the end of the attempt", x.ID)
		case control.Done, control.Would:
			n.done++
		case control.Failed:
			n.failed++
			a.tell(p, "%s: %s", x.ID, x.Error.Error())
		}
		p.Set(string(v.verb), term.Step{Messages: int64(n.done + n.failed), Of: int64(n.total)})
		if q.DryRun && !a.json {
			a.out.Printf("%s\n", x.ID)
		}
	}
	return n, nil
}

// tell writes a line of talk beside a progress.
func (a *app) tell(p *term.Progress, format string, args ...any) {
	if !a.json {
		p.Print(fmt.Sprintf(format, args...))
	}
}

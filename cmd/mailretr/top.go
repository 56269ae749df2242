package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
)

func newTop(a *app) *cobra.Command {
	var s selection
	c := &cobra.Command{
		Use:   "top",
		Short: "Show what is stuck where, and why: one line for all that waits for the same reason",
		Long: "Messages that wait for the same reason at the same destination are one line, the most numerous\n" +
			"first. Numbers, ids and addresses in a reply do not make it another reason. The id is that of the\n" +
			"oldest message of the line; a message whose recipients got different answers is in several lines.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			sel, err := s.of(nil)
			if err != nil {
				return err
			}
			return a.house(c.Context(), func(d *control.Client) error { return a.top(c, d, sel) })
		},
	}
	s.flags(a, c)
	return c
}

func (a *app) top(c *cobra.Command, d *control.Client, s control.Select) error {
	t := a.out.Table("COUNT", "SIZE", "OLDEST", "NEXT", "ID", "DESTINATION", "REASON").Right("COUNT", "SIZE", "OLDEST")
	for g, err := range d.Top(c.Context(), control.TopRequest{Select: s}) {
		if err != nil {
			t.Flush()
			return err
		}
		if a.json {
			if err := a.line(g); err != nil {
				return err
			}
			continue
		}
		next := term.In(g.Next, a.now())
		if g.State == control.Held {
			next = string(control.Held)
		}
		t.Row(colourOf(g.State), fmt.Sprint(g.Messages), term.Size(g.Octets), term.Age(g.Oldest, a.now()), next,
			g.Short, g.Lane, why(&g))
	}
	return t.Flush()
}

// why is the reason of a group in words.
func why(g *control.Group) string {
	switch {
	case g.Other:
		return "other reasons"
	case g.Reason != "":
		return g.Reason
	}
	return "not tried yet"
}

func newFlush(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "flush [DESTINATION…]",
		Short: "Try everything now that waits for a later time, held messages excepted",
		Long: "Makes all messages due, or those for some destinations, and tries a destination that is away at\n" +
			"once. What is held stays held. An attempt that fails counts as one.",
		ValidArgsFunction: a.completeDestinations,
		RunE: func(c *cobra.Command, args []string) error {
			return a.house(c.Context(), func(d *control.Client) error {
				n, err := d.Flush(c.Context(), control.FlushRequest{Lanes: args})
				switch {
				case err != nil:
					return err
				case a.json:
					return a.line(control.Count{Count: n})
				}
				a.talk.Printf("%s made due\n", term.Count(n, "message"))
				return nil
			})
		},
	}
}

package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
)

func newSeen(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "seen",
		Short: "What is remembered of the messages of a maildrop",
		Args:  cobra.NoArgs,
		RunE:  group,
	}
	c.AddCommand(newSeenList(a), newForget(a), newAccept(a), newAdopt(a))
	return c
}

func newSeenList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "list MAILDROP [UID…]",
		Short:             "List the marks of a maildrop",
		Args:              wants(1, "a maildrop", 0),
		ValidArgsFunction: a.completeFirst,
		RunE: func(c *cobra.Command, args []string) error {
			return a.house(c.Context(), func(d *control.Client) error { return a.marks(c.Context(), d, args) })
		},
	}
}

func (a *app) marks(ctx context.Context, d *control.Client, args []string) error {
	t := a.out.Table("MARK", "DAY", "SIZE", "UID", "WHY")
	for m, err := range d.Marks(ctx, control.SeenRequest{Maildrop: args[0], UIDs: args[1:]}) {
		if err != nil {
			t.Flush()
			return err
		}
		if a.json {
			if err := a.line(m); err != nil {
				return err
			}
			continue
		}
		colour, why := term.Colour(""), m.Why
		if m.Mark == "aside" {
			colour = term.Yellow
			if !m.Next.IsZero() {
				why += " (tried again " + term.In(m.Next, a.now()) + ")"
			}
		}
		t.Row(colour, m.Mark, orDash(m.Day), term.Size(m.Size), m.UID, why)
	}
	return t.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func newForget(a *app) *cobra.Command {
	var q control.SeenRequest
	c := &cobra.Command{
		Use:   "forget MAILDROP [UID…]",
		Short: "Forget messages: what is still in the maildrop is collected again",
		Long: "Forgets marks, and notes about messages that were left in the maildrop. What is still there is\n" +
			"collected again, and delivered again. UIDs are named as seen list shows them: the server's own, or\n" +
			"#… where only a hash is kept.",
		Args:              wants(1, "a maildrop", 0),
		ValidArgsFunction: a.completeFirst,
		RunE: func(c *cobra.Command, args []string) error {
			q.UIDs = args[1:]
			return a.seen(c, control.Forget, args[0], q, "forgotten")
		},
	}
	c.Flags().BoolVar(&q.All, "all", false, "everything of this maildrop")
	dryRun(c, &q)
	return c
}

func newAccept(a *app) *cobra.Command {
	var q control.SeenRequest
	c := &cobra.Command{
		Use:   "accept MAILDROP",
		Short: "Collect again after the database was rebuilt",
		Long: "Says that what has no mark may be collected, after the database had to be rebuilt.\n" +
			"With --kept: what was collected while the configuration kept it may be let go of, now that it says delete\n" +
			"or move. That holds until the configuration keeps mail again.",
		Args:              wants(1, "a maildrop", 1),
		ValidArgsFunction: a.completeFirst,
		RunE: func(c *cobra.Command, args []string) error {
			return a.seen(c, control.Accept, args[0], q, "accepted")
		},
	}
	c.Flags().BoolVar(&q.Kept, "kept", false, "what was collected and kept may be let go of there")
	dryRun(c, &q)
	return c
}

func newAdopt(a *app) *cobra.Command {
	var q control.SeenRequest
	c := &cobra.Command{
		Use:   "adopt MAILDROP",
		Short: "Say that a maildrop's new server or user holds the same mail as before",
		Args:  wants(1, "a maildrop", 1), ValidArgsFunction: a.completeFirst,
		RunE: func(c *cobra.Command, args []string) error {
			return a.seen(c, control.Adopt, args[0], q, "adopted")
		},
	}
	dryRun(c, &q)
	return c
}

func dryRun(c *cobra.Command, q *control.SeenRequest) {
	c.Flags().BoolVarP(&q.DryRun, "dry-run", "n", false, "only say what would be done")
}

// seen does something to marks, and says to how many.
func (a *app) seen(c *cobra.Command, v control.SeenVerb, maildrop string, q control.SeenRequest, done string) error {
	q.Maildrop = maildrop
	return a.house(c.Context(), func(d *control.Client) error {
		n, err := d.Seen(c.Context(), v, q)
		if err != nil {
			return err
		}
		if a.json {
			return a.line(map[string]any{"maildrop": maildrop, "verb": v, "count": n, "dry_run": q.DryRun})
		}
		what := []string{"maildrop " + maildrop}
		if v == control.Forget {
			what = []string{term.Count(n, "message"), "of", maildrop}
		}
		if q.DryRun {
			what = append(what, "would be")
		}
		a.talk.Printf("%s %s\n", strings.Join(what, " "), done)
		return nil
	})
}

// completeFirst completes the name of a maildrop, and nothing behind it.
func (a *app) completeFirst(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeMaildrops(c, args, word)
}

package main

import (
	"context"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
)

func newMaildrop(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "maildrop",
		Short: "Pause collecting from a maildrop, resume it, or say who would get a message of it",
		Args:  cobra.NoArgs,
		RunE:  group,
	}
	c.AddCommand(
		maildropVerb(a, "pause", "Stop collecting until it is resumed", "paused", (*control.Client).Pause),
		maildropVerb(a, "resume", "Collect again, at once", "resumed", (*control.Client).Resume),
		newWhose(a))
	return c
}

func maildropVerb(
	a *app, name, short, done string, do func(*control.Client, context.Context, string) error,
) *cobra.Command {
	return &cobra.Command{
		Use:               name + " MAILDROP…",
		Short:             short,
		Args:              wants(1, "a maildrop", 0),
		ValidArgsFunction: a.completeMaildrops,
		RunE: func(c *cobra.Command, args []string) error {
			return a.house(c.Context(), func(d *control.Client) error {
				for _, m := range args {
					if err := do(d, c.Context(), m); err != nil {
						return err
					}
					if a.json {
						if err := a.line(map[string]string{"maildrop": m, "state": done}); err != nil {
							return err
						}
						continue
					}
					a.talk.Printf("maildrop %s is %s\n", m, done)
				}
				return nil
			})
		},
	}
}

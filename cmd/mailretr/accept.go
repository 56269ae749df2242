package main

import (
	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/store/mail"
)

func newSource(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "source",
		Short: "Databases that hold maildrops",
		Args:  cobra.NoArgs,
		RunE:  group,
	}
	c.AddCommand(&cobra.Command{
		Use:   "accept SOURCE",
		Short: "Take what a source says now, although it has lost more than half of its rows",
		Long: "A source that suddenly has less than half of its rows is more likely damaged than meant: its last good set\n" +
			"goes on, and mailretr status says so. This takes what it says now.",
		Args:              wants(1, "a source", 1),
		ValidArgsFunction: a.completeSources,
		RunE: func(c *cobra.Command, args []string) error {
			return a.house(c.Context(), func(d *control.Client) error {
				s, err := d.AcceptSource(c.Context(), args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.line(s)
				}
				a.talk.Printf("source %s has %s now\n", mail.Printable(s.Name, 100), term.Count(s.Rows, "row"))
				return nil
			})
		},
	})
	return c
}

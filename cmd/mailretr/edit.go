package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
)

func newEdit(a *app) *cobra.Command {
	var q control.EditRequest
	var replace []string
	var sender string
	c := &cobra.Command{
		Use:   "edit ID",
		Short: "Change the recipients of a message, or its sender",
		Long: "Changes the envelope of one message; its octets stay as they are. All that is asked for is made, or\n" +
			"nothing. Destinations are found anew, and who was added is tried at once. A message that is being\n" +
			"attempted is waited for. What was held stays held.",
		Example:           "  mailretr queue edit 7HK2M9Q4 --replace joca@kroon.co.za,jaco@kroon.co.za",
		Args:              wants(1, "a message", 1),
		ValidArgsFunction: a.completeIDs,
		RunE: func(c *cobra.Command, args []string) error {
			q.ID = args[0]
			for _, x := range replace {
				before, after, ok := strings.Cut(x, ",")
				if !ok {
					return usage("--replace: "+x+" is not one address, a comma, and another", "write: --replace OLD,NEW")
				}
				q.Replace = append(q.Replace, control.Replacement{Old: before, New: after})
			}
			if c.Flags().Changed("sender") {
				bare := strings.TrimSuffix(strings.TrimPrefix(sender, "<"), ">")
				q.Sender = &bare
			}
			return a.house(c.Context(), func(d *control.Client) error { return a.edit(c.Context(), d, q) })
		},
	}
	f := c.Flags()
	f.StringArrayVar(&q.Add, "add", nil, "one more recipient, by its `address`")
	f.StringArrayVar(&q.Remove, "remove", nil, "a recipient who shall not get it; nobody is told")
	f.StringArrayVar(&replace, "replace", nil, "`OLD,NEW`: another address for a recipient")
	f.StringVar(&sender, "sender", "", "the `address` that reports go to; <> for none")
	f.BoolVar(&q.Now, "now", false, "give up an attempt under way, if the message is not sent whole yet, rather than wait for its end")
	f.BoolVarP(&q.DryRun, "dry-run", "n", false, "only say whether it could be done")
	return c
}

func (a *app) edit(ctx context.Context, d *control.Client, q control.EditRequest) error {
	done := "would be changed"
	for x, err := range d.Edit(ctx, q) {
		if err != nil {
			return err
		}
		if x.ID != "" && a.json {
			if err := a.line(x); err != nil {
				return err
			}
		}
		switch x.State {
		case control.Waiting:
			if !a.json {
				a.talk.Printf("%s is being attempted; waiting for the end of the attempt\n", x.ID)
			}
		case control.Failed:
			return x.Error
		case control.Gone:
			return &control.Error{Code: control.NotFound, Text: "the message has left the queue meanwhile"}
		case control.Done:
			done = "changed"
		}
	}
	if !a.json {
		a.talk.Printf("1 message %s\n", done)
	}
	return nil
}

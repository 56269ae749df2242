package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
)

// A completion function of cobra.
type completer = func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective)

// complete names what completes a flag. The flag has just been defined, so that cannot fail.
func complete(c *cobra.Command, flag string, f completer) {
	if err := c.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err)
	}
}

const (
	completeFor  = 2 * time.Second // a shell that waits longer feels broken
	completeMost = 200
)

// completeMaildrops names the maildrops of the configuration.
func (a *app) completeMaildrops(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := completing(c)
	defer cancel()
	l := a.load(ctx)
	var names []string
	for _, m := range l.config.Maildrops {
		names = append(names, m.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeDestinations names the destinations of the configuration.
func (a *app) completeDestinations(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := completing(c)
	defer cancel()
	l := a.load(ctx)
	var names []string
	for _, d := range l.config.Deliver {
		names = append(names, d.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeIDs names messages by their short ids, with a description. It asks a daemon only: a press of a
// key must not open the state.
func (a *app) completeIDs(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := completing(c)
	defer cancel()
	l := a.load(ctx)
	d := control.Dial(l.socket())
	defer d.Close()
	var ids []string
	for m, err := range d.List(ctx, control.ListRequest{Shorten: true, Brief: true}) {
		if err != nil || len(ids) == completeMost {
			break
		}
		ids = append(ids, m.Short+"\t"+route(&m))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

func completing(c *cobra.Command) (context.Context, context.CancelFunc) {
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	return context.WithTimeout(ctx, completeFor)
}

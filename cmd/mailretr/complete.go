package main

import (
	"context"
	"iter"
	"slices"
	"strings"
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

// completeMaildrops names maildrops: those of a daemon, which knows what stands in databases, and those of the configuration.
func (a *app) completeMaildrops(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := completing(c)
	defer cancel()
	l := a.load(ctx)
	var names []string
	for i := range l.config.Maildrops {
		names = append(names, l.config.Maildrops[i].Name)
	}
	for s := range saidBy(ctx, l.socket()) {
		if s.Maildrop != nil && strings.HasPrefix(s.Maildrop.Maildrop, word) && len(names) < completeMost {
			names = append(names, s.Maildrop.Maildrop)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}

// completeSources names the sources of the configuration.
func (a *app) completeSources(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := completing(c)
	defer cancel()
	l := a.load(ctx)
	var names []string
	for _, s := range l.config.Asked() {
		names = append(names, s.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// saidBy yields what a daemon says of its status, as far as it does.
func saidBy(ctx context.Context, socket string) iter.Seq[control.Status] {
	return func(yield func(control.Status) bool) {
		d := control.Dial(socket)
		defer d.Close()
		for s, err := range d.Status(ctx) {
			if err != nil || !yield(s) {
				return
			}
		}
	}
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

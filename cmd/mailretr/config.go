package main

import (
	"context"

	"github.com/spf13/cobra"

	"mailretr/conf/yaml"
)

func newConfig(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Show the configuration in use, or everything that can be configured",
		Args:  cobra.NoArgs,
		RunE:  group,
	}
	var origin bool
	show := &cobra.Command{
		Use:   "show",
		Short: "Show every setting with its value; secrets as ***",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.configShow(c.Context(), origin) },
	}
	show.Flags().BoolVar(&origin, "origin", false, "with the file and line that each setting comes from")
	describe := &cobra.Command{
		Use:   "describe",
		Short: "Print a complete, commented example",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return yaml.Describe(a.out) },
	}
	c.AddCommand(show, describe)
	return c
}

func (a *app) configShow(ctx context.Context, origin bool) error {
	l := a.load(ctx)
	a.problems(l.problems)
	if l.err != nil {
		return l.err
	}
	if a.json {
		tree, err := yaml.Tree(&l.config)
		if err != nil {
			return err
		}
		return a.line(tree)
	}
	return yaml.Show(a.out, &l.config, origin)
}

// group is a command that does nothing by itself.
func group(c *cobra.Command, args []string) error {
	return usage("what of it? "+c.CommandPath()+" needs one of its commands", "see: "+c.CommandPath()+" --help")
}

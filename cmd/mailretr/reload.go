package main

import (
	"errors"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf/yaml"
)

func newReload(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Make the daemon read its configuration again",
		Long: "Makes the daemon read its configuration again. A configuration with errors is refused as a whole;\n" +
			"the daemon then goes on with the one it has.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			l := a.load(c.Context())
			if l.err != nil && !errors.Is(l.err, yaml.ErrConfig) {
				return l.err
			}
			a.problems(l.problems)
			found, err := a.daemon(c.Context(), &l, func(d *control.Client) error {
				err := d.Reload(c.Context())
				if err == nil && !a.json {
					a.talk.Printf("the daemon has read its configuration\n")
				}
				return err
			})
			switch {
			case err != nil || found:
			case l.err != nil: // then it is not even known where a daemon would answer
				err = l.err
			default:
				err = &control.Error{Code: control.Unavailable, Text: "no daemon answers on " + l.socket(),
					Hint: "start one with: mailretr serve"}
			}
			return err
		},
	}
}

package main

import (
	"context"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/conf"
	"mailretr/store/badger"
	"mailretr/store/mail"
)

func newVerify(a *app) *cobra.Command {
	rate := "20M"
	c := &cobra.Command{
		Use:   "verify",
		Short: "Compare the files of the queue with its records, octet for octet",
		Long: "Reads every queued message and compares it with its SHA-256, and looks for records without a file and\n" +
			"files without a record. Nothing is changed; what to do about a finding is said with it. What is found\n" +
			"has exit code 65.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			octets, err := conf.ParseSize(rate)
			if err != nil {
				return usage("--rate: "+err.Error(), "")
			}
			return a.house(c.Context(), func(d *control.Client) error {
				return a.verify(c.Context(), d, control.VerifyRequest{Rate: octets})
			})
		},
	}
	c.Flags().StringVar(&rate, "rate", rate, "read at most this `size` per second, so that others get at the disk; 0: as fast as it goes")
	return c
}

// remedies are what to do about a problem.
var remedies = map[string]string{
	string(badger.Missing):  "put the file back from a backup and say: mailretr queue release ID; or give it up with: queue remove ID",
	string(badger.Damaged):  "put the file back from a backup and say: mailretr queue release ID; or give it up with: queue remove ID",
	string(badger.Differs):  "somebody has put another file there: put the right one back, or give the message up with: queue remove ID",
	string(badger.Orphan):   "the daemon looks at such files each hour and at its start, and takes in what is whole",
	string(badger.SetAside): "it was found damaged and has no record: look at it, and delete it",
	string(badger.Strange):  "no file of mailretr: look whose it is",
}

func (a *app) verify(ctx context.Context, d *control.Client, q control.VerifyRequest) error {
	p := a.talk.Progress(a.json)
	end, err := a.findings(ctx, d, q, p)
	p.Close()
	if err != nil {
		return err
	}
	if !a.json {
		found := "all is well"
		if end.Problems > 0 {
			found = term.Count(end.Problems, "problem")
		}
		a.talk.Printf("%s, %s read: %s\n", term.Count(end.Messages, "message"), term.Size(end.Octets), found)
	}
	if end.Problems > 0 {
		return told(exDataErr)
	}
	return nil
}

// findings shows what is wrong as it is found.
func (a *app) findings(
	ctx context.Context, d *control.Client, q control.VerifyRequest, p *term.Progress,
) (end control.Verified, err error) {
	for x, err := range d.Verify(ctx, q) {
		if err != nil {
			return end, err
		}
		if end = x; x.Problem == "" {
			p.Set("verify", term.Step{Messages: int64(x.Messages), Of: int64(x.Of), Octets: x.Octets})
		}
		switch {
		case a.json && (x.Problem != "" || x.Done):
			if err := a.line(x); err != nil {
				return end, err
			}
		case x.Problem != "" && !a.json:
			t := a.out.Table("PROBLEM", "FILE", "ID", "SEEN")
			t.Row(term.Red, x.Problem, x.File, orDash(x.ID), orDash(x.Text))
			t.Below("%s", mail.Printable(remedies[x.Problem], 300))
			if err := t.Flush(); err != nil {
				return end, err
			}
		}
	}
	return end, nil
}

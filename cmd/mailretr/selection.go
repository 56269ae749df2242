package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	xterm "golang.org/x/term"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/conf"
)

// errWhich asks for more: nothing is done to more messages than were meant.
var errWhich = usage("which messages are meant?",
	"name them, set a condition (--from, --maildrop …), or say --all")

// A selection is the flags that say which messages are meant.
type selection struct {
	sel             control.Select
	state           string
	older, younger  string
	larger, smaller string
}

func (s *selection) flags(a *app, c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.sel.Maildrop, "maildrop", "", "collected from this `maildrop`")
	f.StringVar(&s.sel.Lane, "lane", "", "for this `destination`")
	f.StringVar(&s.sel.From, "from", "", "from this `address`; @example.org for a domain, 'news*' for a pattern, <> for nobody")
	f.StringVar(&s.sel.To, "to", "", "to this `address`, @domain, or pattern")
	f.StringVar(&s.sel.Reason, "reason", "", "of which this `text` was said last, or why it is held; * is anything in it")
	f.StringVar(&s.state, "state", "", "in this `state`: "+states())
	f.StringVar(&s.older, "older", "", "queued longer ago than this `duration`, e.g. 2d")
	f.StringVar(&s.younger, "younger", "", "queued within this `duration`")
	f.StringVar(&s.larger, "larger", "", "with more octets than this `size`, e.g. 10M")
	f.StringVar(&s.smaller, "smaller", "", "with fewer octets than this `size`")
	complete(c, "maildrop", a.completeMaildrops)
	complete(c, "lane", a.completeDestinations)
	complete(c, "state", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return strings.Split(states(), ", "), cobra.ShellCompDirectiveNoFileComp
	})
}

func states() string {
	var list []string
	for _, s := range control.States() {
		list = append(list, string(s))
	}
	return strings.Join(list, ", ")
}

// of completes the selection with the arguments.
func (s *selection) of(args []string) (sel control.Select, err error) {
	sel = s.sel
	sel.IDs, sel.State = args, control.State(s.state)
	if sel.Older, err = given("older", s.older, conf.ParseDuration); err != nil {
		return sel, err
	}
	if sel.Younger, err = given("younger", s.younger, conf.ParseDuration); err != nil {
		return sel, err
	}
	if sel.Larger, err = given("larger", s.larger, conf.ParseSize); err != nil {
		return sel, err
	}
	sel.Smaller, err = given("smaller", s.smaller, conf.ParseSize)
	return sel, err
}

// given reads the value of a flag. One that would mean nothing at all selects nothing by mistake, so it is refused.
func given[T int64 | time.Duration](flag, text string, parse func(string) (T, error)) (T, error) {
	if text == "" {
		return 0, nil
	}
	v, err := parse(text)
	switch {
	case err != nil:
		return 0, usage("--"+flag+": "+err.Error(), "")
	case v <= 0:
		return 0, usage(fmt.Sprintf("--%s: %q is no condition", flag, text), "leave it out")
	}
	return v, nil
}

// sure asks before a verb touches more than one message that nobody has named. It narrows the request to what was
// counted: what comes meanwhile was not meant.
func (a *app) sure(ctx context.Context, d *control.Client, v changing, q *control.ChangeRequest, yes bool) error {
	if yes || q.DryRun || len(q.IDs) > 0 {
		return nil
	}
	dry := *q
	dry.DryRun = true
	var first control.Change
	for x, err := range d.Change(ctx, v.verb, dry) {
		if err != nil {
			return err
		}
		first = x
		break
	}
	q.Before, q.Most = first.At, max(first.Total, 1)
	if first.Total < 2 {
		return nil
	}
	what := fmt.Sprintf("%s would be %s", term.Count(first.Total, "message"), v.done)
	f, ok := a.in.(*os.File)
	if !ok || a.json || !xterm.IsTerminal(int(f.Fd())) {
		return usage(what, "say --yes to do that, or --dry-run to see which ones")
	}
	fmt.Fprintf(a.stderr, "%s. Do that? [y/N] ", what)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); err != nil || answer != "y" && answer != "yes" {
		return &exit{exUsage, errors.New("nothing was changed")}
	}
	return nil
}

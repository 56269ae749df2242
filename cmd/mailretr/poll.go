package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/conf"
	"mailretr/store/mail"
)

func newPoll(a *app) *cobra.Command {
	var over bool
	c := &cobra.Command{
		Use:   "poll [MAILDROP…]",
		Short: "Collect now; without a daemon, also deliver what is due",
		Long: "Collects now from the maildrops that are named, or from all that are not paused. One that is named is tried\n" +
			"although its login was refused before. Without a daemon it then makes one delivery pass over the queue.\n" +
			"With --over-budget it also collects although a budget of the line is spent, and large mail outside of the\n" +
			"off-peak hours; what it costs is counted.\n" +
			"The exit code is 0, also when there was no mail; 75 when something failed for now; 77 when every login was refused;\n" +
			"65 when there is no such maildrop.",
		ValidArgsFunction: a.completeMaildrops,
		RunE: func(c *cobra.Command, args []string) error {
			return a.poll(c.Context(), control.PollRequest{Maildrops: args, OverBudget: over})
		},
	}
	c.Flags().BoolVar(&over, "over-budget", false, "although a budget is spent")
	return c
}

func (a *app) poll(ctx context.Context, q control.PollRequest) error {
	var own *house
	b := *a
	b.open = func(ctx context.Context, c *conf.Config) (control.House, func() error, error) {
		h, err := a.assembled(ctx, c)
		if err != nil {
			return control.House{}, nil, err
		}
		own = h
		h.refresh(ctx)
		return h.controlled(), h.close, nil
	}
	return b.house(ctx, func(d *control.Client) error {
		v := &pollView{app: a, began: a.now(), progress: a.talk.Progress(a.json)}
		err := v.collect(ctx, d, q)
		if err == nil && own != nil {
			err = v.deliver(ctx, own)
			own.mirrorOnce(ctx)
		}
		v.progress.Close()
		if err != nil {
			return err
		}
		return v.verdict()
	})
}

// pollView shows sessions while they run, and a line for each that has ended.
type pollView struct {
	*app
	began    time.Time
	progress *term.Progress

	done, failed, refused, unknown int
	waits                          int // messages that stay in the queue for now
}

func (v *pollView) collect(ctx context.Context, d *control.Client, q control.PollRequest) error {
	for p, err := range d.Poll(ctx, q) {
		switch {
		case err != nil:
			return err
		case !p.Done:
			v.progress.Set(p.Maildrop, term.Step{Doing: p.Doing, Messages: p.Messages, Of: p.Of, Octets: p.Octets, Total: p.Total})
			continue
		}
		v.progress.Done(p.Maildrop)
		v.done++
		if p.Error != "" {
			v.failed++
			switch p.Kind {
			case mail.Auth.String():
				v.refused++
			case "unknown":
				v.unknown++
			}
		}
		if err := v.line(p); err != nil {
			return err
		}
	}
	return nil
}

func (v *pollView) line(p control.Polled) error {
	if v.json {
		return v.app.line(p)
	}
	name := mail.Printable(p.Maildrop, 100)
	if p.Error != "" {
		v.out.Printf("%s: %s\n", name, v.out.Paint(term.Red, mail.Printable(p.Error, 600)))
		if p.Hint != "" {
			v.out.Printf("  %s\n", mail.Printable(p.Hint, 400))
		}
		return nil
	}
	text := name + ": nothing new"
	if p.Messages > 0 {
		text = fmt.Sprintf("%s: %s, %s", name, term.Count(int(p.Messages), "new message"), term.Size(p.Octets))
	}
	if p.Left > 0 {
		text += fmt.Sprintf(", %d left in the maildrop", p.Left)
	}
	v.out.Printf("%s, %s on the line\n", text, term.Size(p.Line))
	return nil
}

// deliver makes one pass over the queue.
func (v *pollView) deliver(ctx context.Context, h *house) error {
	h.around.turns = nil // what is put off for some seconds would wait for the next poll
	h.fallBack(ctx)
	if err := h.runner.Pass(ctx); err != nil {
		return err
	}
	if n, err := h.queue.Warn(ctx); err != nil {
		return err
	} else if n > 0 { // what tells of delays goes out now, not with the next pass
		if err := h.runner.Pass(ctx); err != nil {
			return err
		}
	}
	t, err := h.engine.Totals(ctx)
	if err != nil {
		return err
	}
	if v.waits = t.Messages - t.Held; v.waits > 0 && !v.json {
		v.out.Printf("%s in the queue for now: mailretr queue\n", term.Count(v.waits, "message"))
	}
	return nil
}

// verdict is the exit code.
func (v *pollView) verdict() error {
	switch {
	case v.unknown > 0 && v.unknown == v.failed:
		return told(exDataErr)
	case v.refused > 0 && v.refused == v.done:
		return told(exNoPerm)
	case v.failed > 0 || v.waits > 0:
		return told(exTempFail)
	}
	return nil
}

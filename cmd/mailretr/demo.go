package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/demo"
	"mailretr/cmd/mailretr/term"
	"mailretr/conf"
	"mailretr/store/mail"
)

func newDemo(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show in seconds what mailretr does, with servers of its own",
		Long: "Starts a POP3 server, an IMAP server and an MTA inside the process, with mail that the MTA defers\n" +
			"and refuses, and lets the real code collect and deliver it. Needs no configuration and no network\n" +
			"but loopback, and leaves nothing behind.\n" +
			"The exit code is 0 when everything has arrived as promised, else 70.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.demo(c.Context(), demoPace, demoPatience) },
	}
}

const (
	// demoPace is the pause between two sessions, and between two attempts: long enough to be read.
	demoPace = 600 * time.Millisecond
	// demoPatience is how long the demo waits for everything to arrive; a slow machine needs a few seconds
	// more.
	demoPatience = 45 * time.Second
)

// demo sets the stage, lets the house work on it, and shows what has come of it.
func (a *app) demo(ctx context.Context, pace, patience time.Duration) (err error) {
	// Without this, `mailretr demo | head` would end at a write and leave the directory behind.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGPIPE)
	defer stop()
	dir, err := os.MkdirTemp("", "mailretr-demo-")
	if err != nil {
		return &exit{exCantCreat, fmt.Errorf("making a directory for the demo's queue: %w (TMPDIR says where)", err)}
	}
	defer func() { err = errors.Join(err, a.swept(dir)) }()
	stage, err := demo.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	show := a.out
	if a.json {
		show = nil
	} else {
		stage.Intro(a.out)
	}
	v, err := perform(ctx, stage, demoConfig(stage, dir, pace), show, patience)
	switch {
	case ctx.Err() != nil:
		a.talk.Printf("mailretr: the demo was stopped before its end\n")
		return told(exTempFail)
	case err != nil:
		return err
	}
	if a.json {
		err = a.line(v)
	} else {
		v.Print(a.out)
	}
	if err == nil && !v.OK {
		err = told(exSoftware)
	}
	return err
}

// swept removes the demo's directory, and says so.
func (a *app) swept(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing what the demo has written: %w", err)
	}
	if !a.json {
		a.out.Printf("Removed %s, the demo's queue.\n", dir)
	}
	return nil
}

// demoConfig is what a file could say, but for the pauses: those of a file are a second at least.
func demoConfig(s *demo.Stage, dir string, pace time.Duration) *conf.Config {
	c := conf.Default()
	c.Hostname, c.State, c.Watch = demo.Host, dir, false
	c.Bounce.FromName, c.Bounce.From = "Mail Delivery System", demo.From
	c.Bounce.Postmaster = "postmaster@" + demo.Domain
	c.Queue.Retry, c.Queue.Reserve, c.Poll = []time.Duration{pace}, 16<<20, pace
	to := conf.DefaultDestination()
	to.Kind, to.Network, to.Address = "smtp", "tcp", s.MTA()
	c.Deliver = []conf.Destination{to}
	for _, d := range s.Drops {
		m := conf.DefaultMaildrop()
		m.Name, m.Protocol, m.Host, m.Port, m.User = d.Name, d.Protocol, "127.0.0.1", d.Port, d.User
		m.Password, m.TLS.Mode, m.After.Act = conf.SecretPlain(d.Password), conf.ModeNone, conf.Delete
		if m.To = []string{d.To}; d.To == "" {
			m.To, m.Multidrop = nil, &conf.Multidrop{
				Envelope: []conf.Envelope{{Field: d.Envelope}}, Domains: []string{demo.Domain},
			}
		}
		c.Maildrops = append(c.Maildrops, &m)
	}
	c.Complete(conf.Paths{})
	return &c
}

// perform lets a house collect and deliver until everything has arrived, as `serve` does, and judges what
// came of it. A nil Out shows nothing meanwhile.
func perform(
	ctx context.Context, s *demo.Stage, c *conf.Config, show *term.Out, patience time.Duration,
) (v *demo.Summary, err error) {
	story := demo.NewStory(s)
	work, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	h, err := assemble(work, c, needs{
		log: slog.New(slog.DiscardHandler), observe: mail.Observers{story},
		fatal: func(err error) { stop(fmt.Errorf("the store failed: %w", err)) },
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	h.poller.Set(work, h.drops())
	var all, view sync.WaitGroup
	done := make(chan struct{})
	all.Go(func() { h.poller.Run(work) })
	all.Go(func() { h.runner.Run(work) })
	view.Go(func() { story.Show(show, done) })
	late := awaitAll(work, h, s, patience)
	failed := context.Cause(work)
	stop(nil)
	all.Wait()
	close(done)
	view.Wait()
	if failed != nil {
		return nil, failed
	}
	v = s.Judge()
	v.Seconds = time.Since(story.Began()).Seconds()
	for _, text := range append(late, story.Trouble()...) {
		v.Fail(text)
	}
	return v, nil
}

// awaitAll waits until everything has arrived and the queue is empty, and says what has not after a while.
func awaitAll(ctx context.Context, h *house, s *demo.Stage, patience time.Duration) (late []string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		t, err := h.engine.Totals(ctx)
		if err == nil && t.Messages == 0 && s.Complete() {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	return []string{fmt.Sprintf("not everything had arrived after %s", patience)}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/footprint"
	"mailretr/cmd/mailretr/journal"
	"mailretr/cmd/mailretr/metrics"
	"mailretr/cmd/mailretr/term"
	"mailretr/conf"
	"mailretr/conf/yaml"
	"mailretr/store/mail"
)

func newServe(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Collect and deliver, until stopped",
		Long: "Collects from all maildrops and delivers, until it gets SIGTERM or SIGINT; then it ends what is under way\n" +
			"within seconds. SIGHUP, and a change of the configuration's files, read the configuration again; one with\n" +
			"mistakes is refused, and the old one goes on.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.serve(c.Context()) },
	}
}

func (a *app) serve(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // from the first moment on: unheard, it would end the process
	defer signal.Stop(hup)
	l := a.load(ctx)
	a.problems(l.problems)
	if l.err != nil {
		return l.err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	d := &serving{app: a, hup: hup, paths: l.paths, log: logger(&l.config, a.stderr), retell: make(chan struct{}, 1)}
	if c := control.Dial(l.config.Socket); alreadyServed(ctx, c) {
		return &control.Error{Code: control.Busy, Text: "a daemon is running already: it answers on " + l.config.Socket,
			Hint: "to make it read its configuration again: mailretr reload"}
	}
	d.counted = metrics.New(d.measured())
	d.watched = &stopwatch{meter: d.counted, now: time.Now}
	d.counted.Set(knownOf(&l.config), time.Now())
	h, err := a.patiently(ctx, func() (*house, error) {
		return assemble(ctx, &l.config, needs{
			log: d.log, observe: mail.Observers{journal.Journal{Log: d.log}, d.counted},
			fatal:  func(err error) { stop(fmt.Errorf("the store failed: %w", err)) },
			engine: d.watched.engine, watch: d.watched,
		})
	})
	if err != nil {
		return err
	}
	d.house = h
	err = d.run(ctx)
	if failed := h.close(); failed != nil && err == nil {
		err = fmt.Errorf("closing the state: %w", failed)
	}
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = &exit{exIOErr, cause}
	}
	return err
}

func alreadyServed(ctx context.Context, c *control.Client) bool {
	defer c.Close()
	_, found, err := c.Answers(ctx)
	return found && err == nil
}

// patiently opens the state, and waits a while for a verb that works on it at the moment: two daemons are a mistake, a
// verb just before the daemon is not.
func (a *app) patiently(ctx context.Context, open func() (*house, error)) (*house, error) {
	wait, cancel := context.WithTimeout(ctx, stateWait)
	defer cancel()
	for told := false; ; told = true {
		h, err := open()
		if !busy(err) {
			return h, err
		}
		if !told {
			a.talk.Printf("mailretr: %s; waiting for it, at most %s\n", err, stateWait)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-wait.Done():
			return nil, err
		}
	}
}

// serving is a house with a daemon around it.
type serving struct {
	*app
	*house
	hup       <-chan os.Signal
	paths     conf.Paths
	log       *slog.Logger
	reloading sync.Mutex
	refused   atomic.Pointer[control.Refusal] // what was read last, if it was; nil: it is in use
	fronts    fronts
	counted   *metrics.Meter
	watched   *stopwatch
	life      context.Context // of the daemon; set by run
	retell    chan struct{}   // see tellAnew; nil: nobody listens
}

// run works until ctx ends. The order of ending: no new sessions and attempts, those under way end, the socket, the store.
func (d *serving) run(ctx context.Context) error {
	c := d.house.config.Load()
	socket, err := control.Listen(c.Socket)
	if err != nil {
		return unmade(err)
	}
	server := &control.Server{House: d.controlled()}
	read, err := d.measuring(ctx, c)
	if err != nil {
		return errors.Join(err, socket.Close())
	}
	pages, err := d.opening(ctx, c)
	if err != nil {
		return errors.Join(err, socket.Close(), closed(read))
	}
	d.life = ctx
	if err := d.front(ctx, c); err != nil {
		return errors.Join(err, socket.Close(), closed(read), pages.close())
	}
	d.leftOut(c.Bad)
	d.poller.Set(ctx, d.drops())
	told := time.NewTicker(notifyEvery)
	defer told.Stop()
	api, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	var work, front sync.WaitGroup
	var failed error
	front.Go(func() { failed = server.Serve(api, socket) })
	front.Go(func() { d.measure(api, read, ctx.Done()) })
	front.Go(func() { d.pages(api, pages) })
	work.Go(func() { d.poller.Run(ctx) })
	work.Go(func() { d.runner.Run(ctx) })
	work.Go(func() { d.tend(ctx) })
	work.Go(func() { d.warn(ctx) })
	work.Go(func() { d.notify(ctx, told.C) })
	work.Go(func() { d.listen(ctx) })
	work.Go(func() { d.watch(ctx) })
	work.Go(func() { d.watchSources(ctx) })
	work.Go(func() { d.mirror(ctx) })
	work.Go(func() { d.status.Run(ctx, d.unsaved) })
	work.Go(func() { d.book.Run(ctx, d.uncounted) })
	look := time.NewTicker(footprint.Every)
	defer look.Stop()
	footprint.Expect(len(c.Maildrops))
	work.Go(func() { footprint.GiveBack(ctx, look.C) })
	d.observe(mail.Event{Op: mail.OpStarted,
		Text: fmt.Sprintf("serving %s from %s", term.Count(len(c.Maildrops), "maildrop"), d.paths.Config)})
	tell(daemon.SdNotifyReady)
	<-ctx.Done()
	tell(daemon.SdNotifyStopping)
	d.fronts.work.Wait()
	work.Wait()
	hangUp()
	front.Wait()
	d.observe(mail.Event{Op: mail.OpStarted, Text: "stopped"})
	return failed
}

// unmade is a file or directory that cannot be made: a mistake in the surroundings, not ours.
func unmade(err error) error {
	if e := control.ErrorOf(err); e != nil && e.Code == control.Internal {
		return &exit{exCantCreat, e}
	}
	return err
}

func (d *serving) observe(e mail.Event) {
	e.At = d.house.now()
	d.around.observe.Observe(e)
}

func (d *serving) unsaved(err error) {
	d.observe(mail.Event{Op: mail.OpStore, Err: err, Text: "the status was not saved; it is tried again"})
}

// tell tells systemd, if it is what started us.
func tell(state string) {
	// Without NOTIFY_SOCKET there is nobody to tell, and nothing depends on it.
	_, _ = daemon.SdNotify(false, state)
}

// controlled is what the control API answers for.
func (d *serving) controlled() control.House {
	h := d.house.controlled()
	h.Runner, h.Reload, h.Started, h.Fronts = d.runner, d.reload, d.started, d.counts
	h.Refused = d.refused.Load
	return h
}

// leftOut names the maildrops that were left out for their mistakes, for log and status.
func (h *house) leftOut(bad []conf.BadMaildrop) {
	for _, b := range bad {
		h.around.observe.Observe(mail.Event{At: h.now(), Op: mail.OpConfig, Origin: mail.Origin{Maildrop: b.Name}, Alarm: true,
			Text: "the maildrop is left out for a mistake in its entry",
			Err: &mail.Trouble{Op: mail.OpConfig, Kind: mail.Local, Err: errors.New(reason(b)),
				Hint: "Mend the entry: mailretr check names every mistake, and check --connect those of rows."}})
	}
}

// reason is the first mistake of an entry.
func reason(b conf.BadMaildrop) string {
	if len(b.Problems) > 0 {
		return b.Problems[0].String()
	}
	return "its entry cannot be used"
}

// tend does what is to be done now and then: the store is looked after each hour, and systemd is told that we live, as long
// as the store answers.
func (d *serving) tend(ctx context.Context) {
	every := 30 * time.Second
	if w, err := daemon.SdWatchdogEnabled(false); err == nil && w > 0 {
		every = min(every, w/3)
	}
	alive := time.NewTicker(every)
	defer alive.Stop()
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hourly.C:
			err := errors.Join(d.engine.Tend(ctx), d.queue.DropOld(ctx))
			if err != nil && ctx.Err() == nil {
				d.observe(mail.Event{Op: mail.OpStore, Err: err, Alarm: true, Text: "the hourly upkeep of the store failed"})
			}
		case <-alive.C:
			now := time.Now()
			if jumped(now.Round(0).Sub(last.Round(0)), now.Sub(last)) {
				d.recover(ctx)
			}
			last = now
			d.fallBack(ctx)
			if t, err := d.engine.Totals(ctx); err == nil {
				tell(fmt.Sprintf("%s\nSTATUS=%d messages in the queue, %d held", daemon.SdNotifyWatchdog, t.Messages, t.Held))
			}
		}
	}
}

// warnEvery is how often is looked for mail whose senders are to be told that it waits: what matters to them is an hour,
// not a minute.
const warnEvery = time.Minute

// warn tells senders of mail that waits.
func (d *serving) warn(ctx context.Context) {
	look := time.NewTicker(warnEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		if _, err := d.queue.Warn(ctx); err != nil && ctx.Err() == nil {
			d.observe(mail.Event{Op: mail.OpDSN, Err: err, Alarm: true, Text: "a delay could not be told; it is tried again"})
		}
	}
}

// jumped says whether the wall clock was set, by how far it went in a time that has really passed.
func jumped(wall, passed time.Duration) bool { return (wall - passed).Abs() > time.Minute }

// recover makes due what a clock that was wrong has put off too far.
func (d *serving) recover(ctx context.Context) {
	n, err := d.queue.Recover(ctx)
	d.observe(mail.Event{Op: mail.OpStore, Err: err, Alarm: err != nil,
		Text: fmt.Sprintf("the clock was set; %d messages that would have waited too long are due now", n)})
}

// listen reloads on SIGHUP.
func (d *serving) listen(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.hup:
			// Whether it worked was told by an event.
			_ = d.reload(ctx)
		}
	}
}

// foremost is the mistake that is named where only one can be: one that stands on a line, if there is any, for what is
// said to be missing is often what is misspelt there.
func foremost(problems []conf.Problem) (first *conf.Problem) {
	for i := range problems {
		p := &problems[i]
		if p.Severity != conf.Warning && (first == nil || first.Pos.Line == 0 && p.Pos.Line > 0) {
			first = p
		}
	}
	return first
}

// reload reads the configuration and swaps it in, whole or not at all.
func (d *serving) reload(ctx context.Context) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	tell(daemon.SdNotifyReloading)
	defer tell(daemon.SdNotifyReady)
	c, problems, err := yaml.Load(ctx, d.paths)
	if ctx.Err() != nil {
		return ctx.Err() // it ends, or who asked has gone: nothing is wrong with the configuration
	}
	if err == nil {
		err = d.fits(&c)
	}
	if err == nil {
		err = d.front(d.life, &c)
	}
	if err != nil {
		if p := foremost(problems); p != nil {
			err = fmt.Errorf("%w: %s", err, p)
		}
		d.refused.Store(&control.Refusal{At: d.house.now(), Why: mail.Printable(err.Error(), 1000)})
		d.observe(mail.Event{Op: mail.OpConfig, Err: err, Alarm: true, Text: "the configuration was refused; the old one goes on"})
		return &control.Error{Code: control.Config, Text: err.Error(), Hint: "see every mistake: mailretr check"}
	}
	ctx = context.WithoutCancel(ctx) // half of what follows is worse than late
	if err := errors.Join(d.sourced(ctx, &c), d.mirrored(&c)); err != nil {
		return err
	}
	d.refused.Store(nil)
	d.startSources(d.life)
	d.startMirrors(d.life)
	c, _ = d.sources.merged(ctx)
	d.use(&c)
	d.around.line.Set(c.Line.Rate, c.Line.Burst)
	d.ask.Renew()
	d.runner.Renew()
	d.configured()
	d.leftOut(c.Bad)
	if err := d.budgets(ctx, &c); err != nil {
		d.uncounted(err)
	}
	if d.counted != nil {
		d.counted.Set(knownOf(&c), d.house.now())
	}
	d.poller.Limit(c.Limits.PerServer, c.Limits.Sessions, c.Limits.Large)
	d.poller.Set(ctx, d.drops())
	if _, err := d.reroute(ctx); err != nil {
		return fmt.Errorf("routing what is queued anew: %w", err)
	}
	d.runner.Retry("")
	d.tellAnew()
	d.observe(mail.Event{Op: mail.OpConfig, Text: "the configuration was read: " + term.Count(len(c.Maildrops), "maildrop")})
	return nil
}

// fits refuses what a running daemon cannot change.
func (d *serving) fits(c *conf.Config) error {
	old, circles := d.house.config.Load(), circular(context.Background(), c)
	switch {
	case len(unknownKinds(c)) > 0:
		return errors.New(unknownKinds(c)[0])
	case len(mute(c)) > 0:
		return errors.New(mute(c)[0].String())
	case len(circles) > 0:
		return errors.New(circles[0].String())
	case c.State != old.State:
		return errors.New("state: another directory needs a restart")
	case c.Socket != old.Socket:
		return errors.New("socket: another path needs a restart")
	case c.Metrics.Name() != old.Metrics.Name():
		return errors.New("metrics: another place to listen needs a restart")
	case c.Web.Place() != old.Web.Place():
		return errors.New("web: another place to listen, or another certificate, needs a restart")
	}
	return nil
}

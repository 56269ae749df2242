package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf"
	"mailretr/conf/yaml"
	"mailretr/store/mail"
)

// An opener assembles the state of a configuration in this process. A state that another process has is a
// *control.Error with Code Busy.
type opener func(context.Context, *conf.Config) (h control.House, closer func() error, err error)

// A loaded configuration, with what was found out about it. Config is usable only when err is nil.
type loaded struct {
	paths    conf.Paths // none: it is not known where a daemon would answer
	config   conf.Config
	problems []conf.Problem
	err      error
	named    bool           // by whoever calls: --config, or MAILRETR_CONFIG
	missing  bool           // there is no file
	another  []conf.Problem // see ofAnother; they are among the problems
}

// load reads the configuration.
func (a *app) load(ctx context.Context) loaded {
	env := conf.ThisEnv()
	env.Getenv = a.getenv
	p, err := conf.Find(a.config, env)
	if err != nil {
		return loaded{err: err}
	}
	l := loaded{paths: p, named: a.config != "" || a.getenv("MAILRETR_CONFIG") != ""}
	l.config, l.problems, l.err = yaml.Load(ctx, p)
	switch {
	case l.err == nil:
		l.another = l.ofAnother(env.Home)
		l.problems = append(l.problems, l.another...)
		l.problems = append(l.problems, undeliverable(&l.config)...)
		l.problems = append(l.problems, mute(&l.config)...)
		l.problems = append(l.problems, circular(ctx, &l.config)...)
		if conf.Failed(l.problems) {
			l.err = yaml.ErrConfig
		}
	case errors.Is(l.err, yaml.ErrConfig), ctx.Err() != nil:
	case errors.Is(l.err, fs.ErrNotExist):
		l.err = &control.Error{Code: control.Config, Text: l.err.Error(), Hint: "make one with: mailretr init"}
		l.missing = true
		if l.named {
			l.paths = conf.Paths{} // the one that was meant is not here, and the machine's daemon is another one
		}
	case errors.Is(l.err, fs.ErrPermission):
		l.err = &control.Error{Code: control.Denied, Text: l.err.Error(),
			Hint: "be the user that mailretr serve runs as, or let this one read the file and enter its directory"}
	default:
		l.err = &control.Error{Code: control.Config, Text: l.err.Error(), Hint: "name another file with --config"}
	}
	return l
}

// close ends what has connections, and the store last.
func (h *house) close() error {
	err := h.status.Save(context.Background())
	h.around.tickets.Flush()
	h.lookups.close()
	return errors.Join(err, h.sources.close(), h.mirrors.close(), h.book.Close(context.Background()), h.ask.Close(), h.store.Close())
}

// socket is where a daemon would answer. Verbs reach it even when the file has been broken since it
// started.
func (l *loaded) socket() string {
	if l.config.Socket != "" {
		return l.config.Socket
	}
	return l.paths.Socket
}

// stateWait is how long a verb waits for the state that another process has; its own work takes moments.
const stateWait = 30 * time.Second

// house runs f with a client of the daemon, or, where none runs, of the state opened in this process. While
// another process has the state it waits, and goes to the daemon if one has come.
func (a *app) house(ctx context.Context, f func(*control.Client) error) error {
	l := a.load(ctx)
	if l.paths == (conf.Paths{}) {
		return l.err
	}
	a.problems(l.another)
	wait, cancel := context.WithTimeout(ctx, stateWait)
	defer cancel()
	for told := false; ; told = true {
		found, err := a.daemon(ctx, &l, f)
		if found || err != nil {
			return err
		}
		opened, err := a.local(ctx, &l, f)
		if opened || !busy(err) || wait.Err() != nil {
			return err
		}
		if !told {
			a.talk.Printf("mailretr: waiting for another mailretr that has %s\n", l.config.State)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-wait.Done():
		}
	}
}

// meant refuses a daemon that has another state than the configuration that was named: two of them whose sockets have the
// same place, and what is done to one would be done to the other. A file that has been broken since says nothing for sure,
// not even where its socket is: a daemon is that of the file only if it was started with it.
func (l *loaded) meant(v control.Version) error {
	if errors.Is(l.err, yaml.ErrConfig) && v.Config != "" && v.Config != l.paths.Config && !sameFile(v.Config, l.paths.Config) {
		return l.unknown(v)
	}
	if !l.named || l.err != nil || v.State == "" || v.State == l.config.State || sameFile(v.State, l.config.State) {
		return nil
	}
	return &control.Error{Code: control.Config,
		Text: fmt.Sprintf("the daemon that answers on %s has its state in %s, and %s",
			l.socket(), mail.Printable(v.State, 200), l.states()),
		Hint: "give each configuration a socket of its own (socket: PATH), or restart the daemon if it is the one that is meant"}
}

// unknown is the error of a configuration that cannot be read, where the daemon of another one answers.
func (l *loaded) unknown(v control.Version) error {
	why := l.err.Error()
	if p := foremost(l.problems); p != nil {
		why = p.String()
	}
	return &control.Error{Code: control.Config,
		Text: fmt.Sprintf("the configuration %s cannot be read, so that its daemon is not known: %s", l.paths.Config, why),
		Hint: fmt.Sprintf("mend it; mailretr check names every mistake. The daemon on %s is that of %s, and was asked nothing",
			l.socket(), mail.Printable(v.Config, 200))}
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}

// daemon runs f with a daemon, if one answers and is meant.
func (a *app) daemon(ctx context.Context, l *loaded, f func(*control.Client) error) (found bool, err error) {
	c := control.Dial(l.socket())
	defer c.Close()
	v, found, err := c.Answers(ctx)
	if !found || err != nil {
		return false, err
	}
	if err := l.meant(v); err != nil {
		return true, err
	}
	return true, f(c)
}

func busy(err error) bool {
	var e *control.Error
	return errors.As(err, &e) && e.Code == control.Busy
}

// local runs f with the state opened here.
func (a *app) local(ctx context.Context, l *loaded, f func(*control.Client) error) (opened bool, err error) {
	if l.err != nil {
		a.problems(l.problems)
		return false, l.err
	}
	if a.open == nil {
		return false, &control.Error{Code: control.Unavailable, Text: "no daemon answers on " + l.socket(),
			Hint: "start one with: mailretr serve"}
	}
	h, closer, err := a.open(ctx, &l.config)
	if err != nil {
		return false, err
	}
	err = f(control.Local(h))
	if failed := closer(); failed != nil && err == nil {
		err = fmt.Errorf("closing the state: %w", failed)
	}
	return true, err
}

// inProcess is the opener of the program. Nothing collects or delivers by itself.
func (a *app) inProcess(ctx context.Context, c *conf.Config) (control.House, func() error, error) {
	h, err := a.assembled(ctx, c)
	if err != nil {
		return control.House{}, nil, err
	}
	return h.controlled(), h.close, nil
}

// assembled is a house in this process. Its alarms are told.
func (a *app) assembled(ctx context.Context, c *conf.Config) (*house, error) {
	alarm := func(e mail.Event) {
		if e.Alarm && e.Op != mail.OpPoll { // of a session the verb that polls says it, with the maildrop's name
			a.talk.Printf("mailretr: %s\n", mail.Printable(alarmed(e), 1000))
		}
	}
	h, err := assemble(ctx, c, needs{
		log: slog.New(slog.DiscardHandler), observe: mail.Observers{mail.ObserverFunc(alarm)}, fatal: func(error) {},
	})
	if err != nil {
		return nil, err
	}
	h.poller.Set(ctx, h.drops())
	return h, nil
}

// alarmed says what an alarm is about.
func alarmed(e mail.Event) string {
	switch {
	case e.Err == nil:
		return e.Text
	case e.Text == "":
		return e.Err.Error()
	}
	return e.Text + ": " + e.Err.Error()
}

// problems shows mistakes, one per line.
func (a *app) problems(list []conf.Problem) {
	for _, p := range list {
		a.talk.Printf("%s\n", a.problem(p))
	}
}

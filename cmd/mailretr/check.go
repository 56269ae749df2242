package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/conf"
	"mailretr/conf/yaml"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// A connection is what `check --connect` found out about a maildrop or a destination.
type connection struct {
	Kind   string // maildrop or destination
	Name   string
	Server string        // "pop.gmx.net:995"
	Text   string        // what was found, for people: "TLS 1.3, UIDL yes, 12 messages, 3 new"
	Took   time.Duration // until it was known
	Err    error         // a *mail.Trouble where the server or the line is the cause; nil: all is well
}

// A connector logs in everywhere and delivers nothing; what it finds comes as it is found.
type connector func(context.Context, *conf.Config) iter.Seq[connection]

func newCheck(a *app) *cobra.Command {
	var connect bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Find every mistake of the configuration, without network",
		Long: "Names every mistake of the configuration with file:line:column and what to do.\n" +
			"With --connect it also logs in to every maildrop and says EHLO to every destination; it\n" +
			"collects, delivers and changes nothing.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.check(c.Context(), connect) },
	}
	c.Flags().BoolVar(&connect, "connect", false, "log in everywhere; deliver nothing")
	return c
}

func (a *app) check(ctx context.Context, connect bool) error {
	l := a.load(ctx)
	if l.err != nil && !errors.Is(l.err, yaml.ErrConfig) {
		return l.err
	}
	if l.err == nil {
		l.problems = append(l.problems, frontProblems(&l.config)...)
		l.problems = append(l.problems, pageProblems(ctx, &l.config)...)
	}
	config := &l.config
	var found []connection
	if l.err == nil && connect {
		all, wrong, asked := askedOnce(ctx, config)
		config, l.problems = &all, append(l.problems, wrong...)
		found = slices.Concat(asked, askedMirrors(ctx, config), askedLookups(ctx, config), askedWebhook(ctx, config))
	}
	for _, p := range l.problems {
		if err := a.showProblem(p); err != nil {
			return err
		}
	}
	wrong, warnings := conf.Count(l.problems)
	var asked answered
	if l.err == nil && connect {
		var err error
		if asked, err = a.connections(ctx, config, found...); err != nil {
			return err
		}
	}
	return a.verdict(&l, wrong, warnings, asked)
}

// answered counts the places that were asked, and those that did not answer as they should.
type answered struct{ all, failed, code int }

// verdict is the last line.
func (a *app) verdict(l *loaded, wrong, warnings int, asked answered) error {
	text := fmt.Sprintf("%s, %s", term.Count(wrong, "error"), term.Count(warnings, "warning"))
	if wrong == 0 {
		text = fmt.Sprintf("%s is good: %s, %s", l.paths.Config, term.Count(len(l.config.Maildrops), "maildrop"),
			term.Count(len(l.config.Deliver), "destination"))
		if warnings > 0 {
			text += "; " + term.Count(warnings, "warning")
		}
	}
	switch {
	case asked.failed > 0:
		text += fmt.Sprintf("; %d of %d connections failed", asked.failed, asked.all)
	case asked.all > 0:
		text += "; all answer"
	}
	switch {
	case a.json:
		err := a.line(struct {
			Type     string `json:"message_type"`
			Errors   int    `json:"errors"`
			Warnings int    `json:"warnings"`
			Failed   int    `json:"failed_connections,omitempty"`
		}{"summary", wrong, warnings, asked.failed})
		if err != nil {
			return err
		}
	default:
		a.out.Printf("%s\n", mail.Printable(text, 500))
	}
	if wrong > 0 {
		return told(exConfig)
	}
	if asked.failed > 0 {
		return told(asked.code)
	}
	return nil
}

func (a *app) showProblem(p conf.Problem) error {
	if !a.json {
		a.out.Printf("%s\n", a.problem(p))
		return nil
	}
	return a.line(struct {
		Type     string `json:"message_type"`
		File     string `json:"file"`
		Line     int    `json:"line,omitempty"`
		Column   int    `json:"column,omitempty"`
		Severity string `json:"severity"`
		Text     string `json:"text"`
		Hint     string `json:"hint,omitempty"`
		Maildrop string `json:"maildrop,omitempty"`
	}{"problem", p.Pos.File, p.Pos.Line, p.Pos.Column, p.Severity.String(), p.Text, p.Hint, p.Maildrop})
}

// problem is a mistake in one line.
func (a *app) problem(p conf.Problem) string {
	colour := term.Red
	if p.Severity == conf.Warning {
		colour = term.Yellow
	}
	text := p.Text
	if p.Hint != "" {
		text += "; " + p.Hint
	}
	return fmt.Sprintf("%s  %s  %s", mail.Printable(p.Pos.String(), 500),
		a.out.Paint(colour, fmt.Sprintf("%-7s", p.Severity)), mail.Printable(text, 1000))
}

// connections shows what a connector finds, and returns how many failed, with the exit code that they ask for.
func (a *app) connections(ctx context.Context, cfg *conf.Config, asked ...connection) (result answered, err error) {
	if a.connect == nil {
		return result, &control.Error{Code: control.Internal, Text: "this program was built without its protocols"}
	}
	progress := a.talk.Progress(a.json)
	defer progress.Close()
	all := int64(len(asked) + len(cfg.Maildrops) + len(cfg.Deliver))
	step := term.Step{Doing: "logging in", Of: all, What: "connection"}
	progress.Set("check", step)
	for x := range a.also(ctx, cfg, asked) {
		step.Messages++
		progress.Set("check", step)
		if x.Err != nil {
			result.failed++
			result.code = max(result.code, code(x.Err))
		}
		if err := a.connection(x); err != nil {
			return result, err
		}
	}
	result.all = int(step.Messages)
	return result, ctx.Err()
}

// also are the connections, after those that were made already.
func (a *app) also(ctx context.Context, cfg *conf.Config, made []connection) iter.Seq[connection] {
	return func(yield func(connection) bool) {
		for _, x := range made {
			if !yield(x) {
				return
			}
		}
		for x := range a.connect(ctx, cfg) {
			if !yield(x) {
				return
			}
		}
	}
}

func (a *app) connection(x connection) error {
	if a.json {
		return a.line(struct {
			Type   string  `json:"message_type"`
			Kind   string  `json:"kind"`
			Name   string  `json:"name"`
			Server string  `json:"server"`
			OK     bool    `json:"ok"`
			Text   string  `json:"text,omitempty"`
			Error  string  `json:"error,omitempty"`
			Hint   string  `json:"hint,omitempty"`
			Took   float64 `json:"seconds"`
		}{
			"connection", x.Kind, x.Name, x.Server, x.Err == nil, x.Text, message(x.Err), connectHint(x.Err),
			x.Took.Seconds(),
		})
	}
	sign, colour, text := "✓", term.Green, x.Text
	if x.Err != nil {
		sign, colour, text = "✗", term.Red, message(x.Err)
	}
	a.out.Printf("%s %s %s: %s, %s\n", a.out.Paint(colour, sign), mail.Printable(x.Name, 100),
		mail.Printable(x.Server, 300), strings.TrimSuffix(mail.Printable(text, 1000), "."), x.Took.Round(time.Millisecond))
	if h := connectHint(x.Err); h != "" {
		a.out.Printf("  %s\n", mail.Printable(h, 500))
	}
	return nil
}

// connectHint is what can be done about a connection that failed, while somebody tries it out.
func connectHint(err error) string {
	var t *mail.Trouble
	h := hint(err)
	switch found := errors.As(err, &t); {
	case found && t.Kind == mail.Local:
		return status.Advice(t)
	case h != "" || !found:
		return h
	case t.Kind == mail.Unreachable:
		return "Check the host and port in the url, and the line."
	case t.Kind == mail.Protocol:
		return "Check that the url has the right protocol and port."
	}
	return status.Advice(t)
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// hint is what an error says that can be done.
func hint(err error) string {
	var t *mail.Trouble
	var e *control.Error
	switch {
	case errors.As(err, &t):
		return t.Hint
	case errors.As(err, &e):
		return e.Hint
	}
	return ""
}

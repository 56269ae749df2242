package main

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/store/mail"
)

// An app is one run of the program: its streams and what every verb understands.
type app struct {
	in             io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	now            func() time.Time

	// open assembles the state in this process, for a verb that finds no daemon. nil: it cannot.
	open opener
	// connect is what `check --connect` does. nil: it cannot.
	connect connector

	// Flags of every verb.
	config string // path; "": as conf.Find says
	color  string
	json   bool

	out, talk *term.Out // made of stdout and stderr once the flags are known
	began     bool      // the arguments made sense
}

func newApp(in io.Reader, out, talk io.Writer) *app {
	return &app{in: in, stdout: out, stderr: talk, getenv: os.Getenv, now: time.Now}
}

// run runs a verb and returns the exit code. What went wrong is on stderr then.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	c, err := root.ExecuteContextC(ctx)
	if err != nil && !a.began {
		err = misused(c, err)
	}
	a.complain(err)
	return code(err)
}

// misused says what is wrong with a command line, and where its help is.
func misused(c *cobra.Command, err error) error {
	var said *control.Error
	if errors.As(err, &said) {
		return err
	}
	text, meant, found := strings.Cut(err.Error(), "\n\nDid you mean this?")
	if found {
		return usage(text, "did you mean: "+strings.Join(strings.Fields(meant), ", "))
	}
	return usage(text, "see: "+c.CommandPath()+" --help")
}

// wants is the number of arguments of a verb, and what the first ones are; most 0: as many as one likes.
func wants(least int, what string, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		verb := strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
		switch {
		case len(args) < least:
			return usage(verb+": "+what+" has to be named", "write: "+strings.TrimSuffix(c.UseLine(), " [flags]"))
		case most > 0 && len(args) > most:
			return usage(verb+": only one can be named", "say it again for each")
		}
		return nil
	}
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Version:       version() + " (" + runtime.Version() + ")",
		Use:           "mailretr",
		Short:         "Collect mail from POP3 and IMAP maildrops and see that it arrives",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			when, err := term.ParseWhen(a.color)
			if err != nil {
				return err
			}
			a.out, a.talk = term.New(a.stdout, when, a.getenv), term.New(a.stderr, when, a.getenv)
			a.began = true
			return nil
		},
	}
	root.SetVersionTemplate("mailretr {{.Version}}\n")
	f := root.PersistentFlags()
	f.StringVarP(&a.config, "config", "c", "", "configuration `file` (default: $MAILRETR_CONFIG, your own, or "+
		"/etc/mailretr/mailretr.yaml)")
	f.StringVar(&a.color, "color", "auto", "colour: auto, always or never")
	f.BoolVar(&a.json, "json", false, "one JSON object per line")
	root.AddCommand(verbs(a)...)
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil && c != root {
		c.RunE = group // cobra's own prints its help on standard output, as if that were a script
	}
	return root
}

// complain says what went wrong and what to do.
func (a *app) complain(err error) {
	if err == nil || errors.Is(err, errTold) {
		return
	}
	talk := a.talk
	if talk == nil {
		talk = term.New(a.stderr, "auto", a.getenv)
	}
	text := mail.Printable(err.Error(), 2000)
	if err == context.Canceled { // by a signal: nothing else ends a verb
		text = "interrupted"
	}
	talk.Printf("%s %s\n", talk.Paint(term.Red, "mailretr:"), text)
	if h := hint(err); h != "" {
		talk.Printf("  %s\n", mail.Printable(h, 500))
	}
}

// errTold is an error about which everything has been said already.
var errTold = errors.New("told")

// told ends a verb with this exit code; what is wrong was said.
func told(code int) error { return &exit{code, errTold} }

// usage is a request that makes no sense.
func usage(text, hint string) error {
	return &control.Error{Code: control.Usage, Text: text, Hint: hint}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/store/mail"
)

func newWhose(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "whose MAILDROP [FILE]",
		Short: "Say who would get a message of a maildrop, by the configuration; nothing is collected",
		Long: "Reads a message as it is in the maildrop, from a file or from standard input, and says who would get\n" +
			"it, and who would get a bounce. Whoever sets up a multi-drop maildrop saves a message with the\n" +
			"provider's webmail (\"source\", \"original\") and sees what the configuration makes of it. The exit code\n" +
			"is 65 when the message would stay in the maildrop.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 2 {
				return usage("maildrop whose: one maildrop and one file are enough", "write: "+c.UseLine())
			}
			return wants(1, "a maildrop", 0)(c, args)
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return a.completeMaildrops(c, args, word)
		},
		RunE: func(c *cobra.Command, args []string) error {
			file := "-"
			if len(args) > 1 {
				file = args[1]
			}
			return a.whose(c.Context(), args[0], file)
		},
	}
}

// whosemail is what is said of a message.
type whosemail struct {
	Maildrop string   `json:"maildrop"`
	From     string   `json:"from"` // "": nobody gets a bounce
	To       []string `json:"to"`
	Why      string   `json:"why,omitempty"`    // it would stay, or go to otherwise:
	Copies   bool     `json:"copies,omitempty"` // copies of it are known
}

func (a *app) whose(ctx context.Context, name, file string) error {
	c, m, err := a.configuredDrop(ctx, name)
	if err != nil {
		return err
	}
	octets, err := a.message(file)
	if err != nil {
		return err
	}
	var d fetch.Drop
	strict := *m
	otherwise := ""
	if x := m.Multidrop; x != nil {
		y := *x
		otherwise, y.Otherwise = x.Otherwise, "" // which would hide the reason
		strict.Multidrop = &y
	}
	resolve(&d, &strict)
	w := whosemail{Maildrop: name, To: []string{}}
	msg := &mail.Message{Origin: mail.Origin{Maildrop: name}, Content: mail.Text(octets)}
	var t *mail.Trouble
	switch err := d.Resolve(ctx, msg); {
	case errors.As(err, &t) && t.Err != nil:
		w.Why = t.Err.Error()
	case err != nil:
		return err
	}
	if w.Why != "" && otherwise != "" {
		resolve(&d, m)
		if err := d.Resolve(ctx, msg); err != nil {
			return err
		}
	}
	w.From = string(msg.Envelope.Reverse)
	if w.To, err = heirs(ctx, c, msg); err != nil {
		return err
	}
	if d.Identity != nil {
		_, w.Copies = d.Identity(mail.HeaderOf(octets), int64(len(octets)))
	}
	return a.tellWhose(w, t)
}

// heirs are who gets a message once its recipients are rewritten, each once.
func heirs(ctx context.Context, c *conf.Config, m *mail.Message) ([]string, error) {
	var tables lookups
	defer tables.close()
	to, rewriter := []string{}, rewriterOf(c, tables.set(c.Rewrite.Lookups))
	for _, r := range m.Envelope.Recipients {
		some, err := rewriter.Rewrite(ctx, folderOf(c, m.Origin), r)
		if err != nil {
			return nil, err
		}
		for _, x := range some {
			if !slices.Contains(to, string(x.Forward)) {
				to = append(to, string(x.Forward))
			}
		}
	}
	return to, nil
}

func (a *app) tellWhose(w whosemail, t *mail.Trouble) error {
	if a.json {
		if err := a.line(w); err != nil {
			return err
		}
	}
	switch stays := len(w.To) == 0; {
	case stays && a.json:
		return told(exDataErr)
	case stays:
		return &exit{exDataErr, &control.Error{Text: "it would stay in the maildrop: " + w.Why, Hint: t.Hint}}
	case a.json:
		return nil
	case w.Why != "":
		a.talk.Printf("as otherwise: says, since %s\n", mail.Printable(w.Why, 1000))
	}
	for _, to := range w.To {
		a.out.Printf("%s\n", mail.Printable(to, mail.MaxPath))
	}
	bounce := "nobody would get a bounce: it names no sender of the envelope"
	if w.From != "" {
		bounce = "a bounce would go to " + mail.Printable(w.From, mail.MaxPath)
	}
	a.talk.Printf("%s\n", bounce)
	if w.Copies {
		a.talk.Printf("copies of it, for other recipients, would be known as such\n")
	}
	return nil
}

// configuredDrop returns the configuration, and the entry of a maildrop.
func (a *app) configuredDrop(ctx context.Context, name string) (*conf.Config, *conf.Maildrop, error) {
	l := a.load(ctx)
	a.problems(l.problems)
	if l.err != nil {
		return nil, nil, l.err
	}
	if m := l.config.Maildrop(name); m != nil {
		return &l.config, m, nil
	}
	return nil, nil, noMaildrop(name)
}

// message reads a message. Files have the line ends of this machine, maildrops have CRLF.
func (a *app) message(file string) ([]byte, error) {
	const most = 256 << 20
	in := a.in
	if file != "-" {
		f, err := opened(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > most:
		return nil, &exit{exDataErr, &control.Error{Text: "the message is too large to be looked at"}}
	case len(b) == 0:
		return nil, &exit{exDataErr, &control.Error{Text: "the message is empty", Hint: "name a file, or give it on standard input"}}
	}
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")), nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"mailretr/bounce"
	"mailretr/conf"
	"mailretr/store"
	"mailretr/store/mail"
)

// What the configuration says of reports, in the words of the queue and of package bounce.

// reporter writes reports by the configuration in use.
type reporter struct{ h *house }

func (h *house) reporter() mail.Reporter { return reporter{h} }

func (r reporter) Report(ctx context.Context, m *mail.Message, report mail.Report) ([]*mail.Message, error) {
	return r.now().Report(ctx, m, report)
}

// ReportCopy makes what tells the postmaster of a failure that the sender does not hear of.
func (r reporter) ReportCopy(ctx context.Context, m *mail.Message, report mail.Report) ([]*mail.Message, error) {
	return r.now().ReportCopy(ctx, m, report)
}

func (r reporter) Delayed(ctx context.Context, m *mail.Message, report mail.Report, until time.Time) (
	[]*mail.Message, error) {
	return r.now().Delayed(ctx, m, report, until)
}

func (r reporter) Succeeded(ctx context.Context, m *mail.Message, report mail.Report) ([]*mail.Message, error) {
	return r.now().Succeeded(ctx, m, report)
}

func (r reporter) Redirect(ctx context.Context, m *mail.Message, report mail.Report, to mail.Path) (
	[]*mail.Message, error) {
	return r.now().Redirect(ctx, m, report, to)
}

// Lost makes the message that tells the postmaster of mail whose octets are gone.
func (r reporter) Lost(ctx context.Context, m *mail.Message, cause error) ([]*mail.Message, error) {
	return r.now().Lost(ctx, m, cause)
}

func (r reporter) now() *bounce.Reporter { return reporterOf(r.h.config.Load(), r.h.words.Load()) }

// reporterOf is the reporter of a configuration.
func reporterOf(c *conf.Config, w *words) *bounce.Reporter {
	return &bounce.Reporter{
		Name: c.Bounce.FromName, From: mail.Path(c.Bounce.From), Postmaster: mail.Path(c.Bounce.Postmaster), Host: c.Hostname,
		Full: c.Bounce.Full,
		AuthServ: func(maildrop string) string {
			if m := c.Maildrop(maildrop); m != nil {
				return m.AuthServ
			}
			return ""
		},
		Text: w.of,
	}
}

// words are the texts of reports.
type words struct {
	all  *bounce.Text
	drop map[string]*bounce.Text // by name of a maildrop, where it has its own
}

func (w *words) of(maildrop string) *bounce.Text {
	if t := w.drop[maildrop]; t != nil {
		return t
	}
	return w.all
}

// wordsOf reads the templates of a configuration. What is wrong with one is a problem; English stands in for it.
func wordsOf(c *conf.Config) (*words, []conf.Problem) {
	var problems []conf.Problem
	read := func(at conf.Where, language, file string) *bounce.Text {
		t, key, err := textOf(language, file)
		if err != nil {
			problems = append(problems, conf.Problem{Pos: at.Of(key), Severity: conf.Error,
				Text: fmt.Sprintf("%s: %s", key, mail.Printable(err.Error(), 300)),
				Hint: "one of " + strings.Join(bounce.Languages(), ", ") +
					"; what a template can say: mailretr bounce-preview --show-template"})
		}
		return t
	}
	w := &words{all: read(c.Bounce.At, c.Bounce.Language, c.Bounce.Template), drop: map[string]*bounce.Text{}}
	for i := range c.Maildrops {
		if b := c.Maildrops[i].Bounce; b != nil {
			w.drop[c.Maildrops[i].Name] = read(b.At, b.Language, b.Template)
		}
	}
	return w, problems
}

// mute are the mistakes in what reports say.
func mute(c *conf.Config) []conf.Problem {
	_, problems := wordsOf(c)
	return problems
}

// maxTemplateFile bounds what is read of a template, in octets; package bounce takes less.
const maxTemplateFile = 1 << 20

// textOf makes one text. After an error key names the setting that it is about.
func textOf(language, file string) (t *bounce.Text, key string, err error) {
	if t, err = bounce.NewText(language, ""); err != nil || file == "" {
		return t, "language", err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, "template", without(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxTemplateFile))
	if err != nil {
		return nil, "template", without(err)
	}
	t, err = bounce.NewText(language, string(b))
	return t, "template", err
}

// without is an error of a file with its name, in words.
func without(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s cannot be read: %w", path.Path, path.Err)
	}
	return err
}

// fate says what becomes of a recipient that has failed: by the policy of its destination, then by that of all.
func (h *house) fate(r *store.Record, x mail.Result) store.Fate {
	return fateOf(h.config.Load(), r.Lane, x)
}

func fateOf(c *conf.Config, lane mail.Lane, x mail.Result) store.Fate {
	enhanced := x.Enhanced
	var e interface{ Expired() bool }
	late := errors.As(x.Err, &e) && e.Expired()
	if late {
		enhanced, x.Reply = "4.4.7", "" // RFC 3463, 3.5: what the policy calls it, whatever was said last
	}
	var word string
	if d, ok := c.Destination(string(lane)); ok {
		word = d.Policy.Fate(enhanced, x.Reply)
	}
	if word == "" {
		word = c.Bounce.Policy.Fate(enhanced, x.Reply)
	}
	switch {
	case word == "" && late && c.Bounce.ExpireTo != "":
		return store.Fate{Act: store.Redirect, To: mail.Path(c.Bounce.ExpireTo)}
	case word == conf.FateKeep:
		return store.Fate{Act: store.Keep}
	case word == conf.FatePostmaster:
		return store.Fate{Act: store.Redirect}
	case word == conf.FateDiscard:
		return store.Fate{Act: store.Discard}
	}
	return store.Fate{}
}

// rule says by which rule a message is held when it is queued.
func (h *house) rule(r *store.Record) string {
	for _, x := range h.config.Load().Queue.Hold {
		if x.Matches(string(r.Reverse), r.Origin.Maildrop, r.Size) {
			return "held by a rule of the configuration: " + x.String()
		}
	}
	return ""
}

package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/store/mail"
)

func newImport(a *app) *cobra.Command {
	var again bool
	c := &cobra.Command{
		Use:   "import DIR|ID.json…",
		Short: "Take messages back that were exported",
		Long: "Takes what queue export has written: a directory, or the .json files of some messages, each with its\n" +
			".eml beside it. Messages keep their ids, their place in the schedule, and that they are held;\n" +
			"destinations are found anew. What is in the queue is left as it is, and what was imported before and\n" +
			"has left the queue is not taken a second time, so it can be repeated. The files stay where they are.",
		Args: wants(1, "a directory or file", 0),
		RunE: func(c *cobra.Command, args []string) error {
			files, err := sidecars(args)
			if err != nil {
				return err
			}
			return a.house(c.Context(), func(d *control.Client) error {
				return a.imports(c.Context(), d, files, again)
			})
		},
	}
	c.Flags().BoolVar(&again, "again", false, "also what was imported before: it is delivered a second time")
	return c
}

// sidecars are the files that are meant.
func sidecars(args []string) (files []string, err error) {
	for _, arg := range args {
		fi, err := os.Stat(arg)
		switch {
		case err != nil:
			return nil, unnamed(err)
		case !fi.IsDir():
			files = append(files, arg)
			continue
		}
		list, err := os.ReadDir(arg) // sorted: in order of queueing
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			if filepath.Ext(f.Name()) == ".json" {
				files = append(files, filepath.Join(arg, f.Name()))
			}
		}
	}
	if len(files) == 0 {
		return nil, &exit{exDataErr, errors.New("there is no message in " + strings.Join(args, ", "))}
	}
	return files, nil
}

// imports goes on when one message cannot be taken, and says so.
func (a *app) imports(ctx context.Context, d *control.Client, files []string, again bool) error {
	p := a.talk.Progress(a.json)
	n, failed := map[string]int{}, error(nil)
	for i, f := range files {
		x, err := a.importOne(ctx, d, f, again)
		switch {
		case ctx.Err() != nil:
			p.Close()
			return ctx.Err()
		case err != nil:
			p.Print(mail.Printable(f, 300) + ": " + mail.Printable(err.Error(), 500))
			failed = err
		case a.json:
			if err := a.line(x); err != nil {
				return err
			}
		}
		n[x.State]++
		p.Set("import", term.Step{Messages: int64(i + 1), Of: int64(len(files))})
	}
	p.Close()
	if !a.json {
		a.talk.Printf("%s imported", term.Count(n[control.Done], "message"))
		for _, x := range []struct{ state, what string }{
			{control.There, "in the queue already"}, {control.Known, "imported before (--again takes it once more)"},
			{"", "not taken"},
		} {
			if n[x.state] > 0 {
				a.talk.Printf(", %d %s", n[x.state], x.what)
			}
		}
		a.talk.Printf("\n")
	}
	if failed != nil {
		return told(code(failed))
	}
	return nil
}

// importOne takes one message. Its files are read as they are; links are the business of who owns the directory.
func (a *app) importOne(ctx context.Context, d *control.Client, file string, again bool) (x control.ImportResult, err error) {
	known, err := limitedFile(file)
	if err != nil {
		return x, err
	}
	octets, err := os.Open(strings.TrimSuffix(file, ".json") + ".eml")
	if errors.Is(err, fs.ErrNotExist) {
		return x, &exit{exDataErr, errors.New("its octets are missing: there is no .eml beside it")}
	}
	if err != nil {
		return x, err
	}
	defer octets.Close()
	return d.Import(ctx, known, octets, again)
}

// maxKnown bounds a file of what is known of a message, in octets.
const maxKnown = 8 << 20

func limitedFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKnown+1))
	if err == nil && len(b) > maxKnown {
		err = &exit{exDataErr, errors.New("it is longer than what is known of a message can be")}
	}
	return b, err
}

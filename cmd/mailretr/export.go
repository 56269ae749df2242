package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
)

func newExport(a *app) *cobra.Command {
	var s selection
	var all bool
	c := &cobra.Command{
		Use:   "export DIR [ID…]",
		Short: "Copy messages into a directory, with what is known of them",
		Long: "Writes two files for each message: ID.eml, its octets, and ID.json, its envelope, its state and where\n" +
			"it came from. The queue is not changed; queue import takes them back. What is there already is not\n" +
			"written again, so it can be repeated.",
		Args: wants(1, "the directory", 0),
		RunE: func(c *cobra.Command, args []string) error {
			sel, err := s.of(args[1:])
			if err != nil {
				return err
			}
			if sel.All = all; sel.Empty() {
				return errWhich
			}
			return a.house(c.Context(), func(d *control.Client) error {
				return a.export(c.Context(), d, args[0], sel)
			})
		},
	}
	s.flags(a, c)
	c.Flags().BoolVar(&all, "all", false, "all messages")
	return c
}

func (a *app) export(ctx context.Context, d *control.Client, dir string, s control.Select) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return &exit{exCantCreat, usage(err.Error(), "name a directory that is there, or a new one inside of it")}
	}
	p := a.talk.Progress(a.json)
	n, err := a.exported(ctx, d, dir, s, p)
	p.Close()
	if err == nil && !a.json {
		a.talk.Printf("%s exported to %s\n", term.Count(n, "message"), dir)
	}
	return err
}

func (a *app) exported(
	ctx context.Context, d *control.Client, dir string, s control.Select, p *term.Progress,
) (n int, err error) {
	step := term.Step{}
	for m, err := range d.Export(ctx, control.ExportRequest{Select: s}) {
		if err != nil {
			return n, err
		}
		err := a.exportOne(ctx, d, dir, &m)
		var e *control.Error
		switch {
		case errors.As(err, &e) && e.Code == control.NotFound:
			continue // it was delivered meanwhile
		case err != nil:
			return n, err
		}
		if a.json {
			if err := a.line(m); err != nil {
				return n, err
			}
		}
		n++
		step.Messages, step.Octets = step.Messages+1, step.Octets+m.Size
		p.Set("export", step)
	}
	return n, nil
}

// exportOne writes the octets first, so that a file of what is known stands beside whole ones only.
func (a *app) exportOne(ctx context.Context, d *control.Client, dir string, m *control.Sidecar) error {
	known := filepath.Join(dir, m.ID+".json")
	if _, err := os.Lstat(known); err == nil {
		return nil
	}
	r, err := d.Cat(ctx, m.ID, false)
	if err != nil {
		return err
	}
	defer r.Close()
	err = put(filepath.Join(dir, m.ID+".eml"), func(w io.Writer) error { _, err := io.Copy(w, r); return err })
	if err != nil {
		return err
	}
	return put(known, func(w io.Writer) error {
		b, err := json.MarshalIndent(m, "", "  ")
		if err == nil {
			_, err = w.Write(append(visible(b), '\n'))
		}
		return err
	})
}

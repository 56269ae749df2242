package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/term"
	"mailretr/store/mail"
)

func newShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "show ID",
		Short:             "Show all that is known of a message",
		Args:              wants(1, "a message", 1),
		ValidArgsFunction: a.completeIDs,
		RunE: func(c *cobra.Command, args []string) error {
			return a.house(c.Context(), func(d *control.Client) error { return a.show(c.Context(), d, args[0]) })
		},
	}
}

func (a *app) show(ctx context.Context, d *control.Client, id string) error {
	m, err := d.Show(ctx, id)
	if err != nil || a.json {
		if err == nil {
			err = a.line(m)
		}
		return err
	}
	t := a.out.Table("MESSAGE", m.ID)
	row := func(name, value string) {
		if value != "" {
			t.Row("", name, value)
		}
	}
	when := func(at interface{ IsZero() bool }, text string) string {
		if at.IsZero() {
			return ""
		}
		return text
	}
	row("state", a.state(&m))
	row("queued", term.Clock(m.Queued, a.now())+", "+term.Ago(m.Queued, a.now()))
	row("last attempt", when(m.Last, term.Ago(m.Last, a.now())))
	row("gives up", when(m.Expires, term.Clock(m.Expires, a.now())))
	row("size", term.Size(m.Size))
	row("from", sender(&m))
	row("to be delivered to", m.Lane)
	row("origin", origin(&m))
	for i := range m.Recipients {
		row("to", a.said(&m.Recipients[i]))
	}
	row("sha256", m.SHA256)
	for _, field := range a.fields(ctx, d, m.ID) {
		row(field.name, field.value)
	}
	return t.Flush()
}

// state says what is happening to a message.
func (a *app) state(m *control.Message) string {
	switch m.State {
	case control.Held:
		return "held (" + m.Hold + "): " + m.Why
	case control.Active:
		return "being attempted"
	case control.Deferred:
		return "deferred, tried " + term.Count(m.Attempts, "time") + ", again " + term.In(m.Due, a.now())
	case control.Reporting:
		return "failed, its report is made " + term.In(m.Due, a.now())
	}
	return "queued, tried " + term.In(m.Due, a.now())
}

type field struct{ name, value string }

// fields are what people know a message by. A damaged message has none, and is shown all the same.
func (a *app) fields(ctx context.Context, d *control.Client, id string) (list []field) {
	r, err := d.Cat(ctx, id, true)
	if err != nil {
		return nil
	}
	defer r.Close()
	octets, err := io.ReadAll(io.LimitReader(r, mail.MaxHeader))
	if err != nil {
		return nil
	}
	unfolded := strings.NewReplacer("\r\n ", " ", "\r\n\t", " ").Replace(string(octets))
	for line := range strings.SplitSeq(unfolded, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		switch name = strings.ToLower(strings.TrimSpace(name)); {
		case !ok || len(list) == 20:
		case name == "subject", name == "from", name == "to", name == "date", name == "message-id":
			list = append(list, field{"header " + name, strings.TrimSpace(value)})
		}
	}
	return list
}

func newCat(a *app) *cobra.Command {
	var header bool
	c := &cobra.Command{
		Use:               "cat ID",
		Short:             "Write a message to stdout, octet for octet",
		Args:              wants(1, "a message", 1),
		ValidArgsFunction: a.completeIDs,
		RunE: func(c *cobra.Command, args []string) error {
			return a.house(c.Context(), func(d *control.Client) error {
				r, err := d.Cat(c.Context(), args[0], header)
				if err != nil {
					return err
				}
				defer r.Close()
				_, err = io.Copy(a.out.Writer, r)
				return err
			})
		},
	}
	c.Flags().BoolVar(&header, "header", false, "its header section only")
	return c
}

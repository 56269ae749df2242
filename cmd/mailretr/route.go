package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf"
	"mailretr/relay"
	"mailretr/store/mail"
)

// letterOf is what the routes are asked about a recipient.
func letterOf(c *conf.Config, o mail.Origin, sender, to mail.Path) conf.Letter {
	return conf.Letter{Recipient: string(to), Sender: string(sender), Maildrop: o.Maildrop, Folder: folderOf(c, o)}
}

// folderOf is the folder that a message was collected from. A UID of POP3 is what the server likes, and names none.
func folderOf(c *conf.Config, o mail.Origin) string {
	if m := c.Maildrop(o.Maildrop); o.Maildrop == "" || m != nil && m.Protocol != "imap" {
		return ""
	}
	return o.UID.Folder()
}

// route says where a recipient's mail goes.
func (h *house) route(o mail.Origin, e mail.Envelope, r mail.Recipient) []mail.Lane {
	c := h.config.Load()
	hops := c.Hops(letterOf(c, o, e.Reverse, r.Forward))
	lanes := make([]mail.Lane, len(hops))
	for i, hop := range hops {
		lanes[i] = mail.Lane(hop.Destination)
	}
	return lanes
}

// A query is what `mailretr route` is asked.
type query struct{ maildrop, folder, sender string }

func newRoute(a *app) *cobra.Command {
	var q query
	c := &cobra.Command{
		Use:   "route ADDRESS…",
		Short: "Say where mail for an address would go, and why, by the configuration",
		Long: "Says where mail for an address would go, and which line of the configuration says so. What would be\n" +
			"collected from a maildrop, or from one of its folders, may go another way: name them with --maildrop\n" +
			"and --folder. Where several destinations are named, the sender hears of the first one only.",
		Args: wants(1, "an address", 0),
		RunE: func(c *cobra.Command, args []string) error { return a.routes(c.Context(), q, args) },
	}
	c.Flags().StringVar(&q.maildrop, "maildrop", "", "collected from the maildrop of this `name`")
	c.Flags().StringVar(&q.folder, "folder", "", "collected from the folder of this `name`")
	c.Flags().StringVar(&q.sender, "from", "", "with this `sender` of the envelope; without it: the null one")
	return c
}

func (a *app) routes(ctx context.Context, q query, args []string) error {
	l := a.load(ctx)
	a.problems(l.problems)
	if l.err != nil {
		return l.err
	}
	o, err := q.origin(&l.config)
	if err != nil {
		return err
	}
	for _, to := range args {
		p := mail.Path(to)
		if p.CheckForward() != nil {
			return usage(fmt.Sprintf("%s is no address of a recipient", p), "write user@example.org")
		}
		if err := a.heirs(ctx, &l.config, o, mail.Path(q.sender), p); err != nil {
			return err
		}
	}
	return nil
}

// origin is that of a message as it would be collected.
func (q *query) origin(c *conf.Config) (o mail.Origin, err error) {
	m := c.Maildrop(q.maildrop)
	switch {
	case q.maildrop == "" && q.folder != "":
		return o, usage("a folder is one of a maildrop", "name it with --maildrop")
	case q.maildrop == "":
		return o, nil
	case m == nil:
		return o, noMaildrop(q.maildrop)
	case q.folder != "" && m.Protocol != "imap":
		return o, usage("a POP3 maildrop has no folders", "leave out --folder")
	}
	o.Maildrop = m.Name
	if q.folder != "" {
		o.UID = mail.UID(q.folder + "/1/1")
	}
	return o, nil
}

func noMaildrop(name string) error {
	return &control.Error{Code: control.NotFound, Text: fmt.Sprintf("there is no maildrop %q", name),
		Hint: "see the names with: mailretr config show"}
}

// A leg is one destination, as it is told.
type leg struct {
	Destination string  `json:"destination"`
	Server      string  `json:"server,omitempty"`
	Why         string  `json:"why"`
	Copy        bool    `json:"copy,omitempty"` // the sender does not hear from here
	Then        []spare `json:"fallbacks,omitempty"`
}

// A spare is where mail goes that has waited for a destination, or for the spare before, too long.
type spare struct {
	Destination string `json:"destination"`
	Server      string `json:"server,omitempty"`
	After       string `json:"after"`
}

// sparesOf follows the fall-backs of a destination. A circle is a mistake that was told of.
func sparesOf(c *conf.Config, d *conf.Destination) (all []spare) {
	for n := 0; d.Fallback != nil && n < len(c.Deliver); n++ {
		next, ok := c.Destination(d.Fallback.To)
		if !ok {
			break
		}
		all = append(all, spare{Destination: next.Name, Server: serverOf(&next), After: conf.Duration(d.Fallback.After)})
		d = &next
	}
	return all
}

func serverOf(d *conf.Destination) string { return strings.TrimSpace(d.Kind + " " + d.Address) }

// heirs tells of those who get the mail of an address, and where it goes for each.
func (a *app) heirs(ctx context.Context, c *conf.Config, o mail.Origin, sender, to mail.Path) error {
	var tables lookups
	defer tables.close()
	some, err := rewriterOf(c, tables.set(c.Rewrite.Lookups)).Rewrite(ctx, folderOf(c, o), mail.Recipient{Forward: to})
	if err != nil {
		code := control.Tempfail // whoever is asked is away
		if errors.Is(err, relay.ErrCircle) || errors.Is(err, relay.ErrLong) || errors.Is(err, relay.ErrWide) {
			code = control.Config
		}
		return &control.Error{Code: code, Text: err.Error(), Hint: "see rewrite: in the configuration"}
	}
	for _, r := range some {
		instead := ""
		if r.Forward != to {
			instead = string(to)
		}
		if err := a.hops(c, o, sender, r.Forward, instead); err != nil {
			return err
		}
	}
	return nil
}

// hops tells where the mail of a recipient goes, who gets it instead of another, or of nobody: "".
func (a *app) hops(c *conf.Config, o mail.Origin, sender, to mail.Path, instead string) error {
	hops := c.Hops(letterOf(c, o, sender, to))
	told := make([]leg, len(hops))
	for i, x := range hops {
		d, _ := c.Destination(x.Destination)
		told[i] = leg{Destination: x.Destination, Server: serverOf(&d), Why: becauseOf(c, o, x), Copy: i > 0, Then: sparesOf(c, &d)}
	}
	if a.json {
		return a.line(struct {
			Recipient string `json:"recipient"`
			Instead   string `json:"instead_of,omitempty"`
			Hops      []leg  `json:"destinations"`
		}{string(to), instead, told})
	}
	who := mail.Printable(string(to), mail.MaxPath)
	if instead != "" {
		who = mail.Printable(instead, mail.MaxPath) + " is " + who
	}
	for _, x := range told {
		copied := ""
		if x.Copy {
			copied = "a copy "
		}
		a.out.Printf("%s: %sto %s (%s), as %s\n", who, copied, mail.Printable(x.Destination, 100),
			mail.Printable(x.Server, 300), mail.Printable(x.Why, 1000))
		for _, y := range x.Then {
			a.out.Printf("  what has waited %s there goes to %s (%s)\n", y.After, mail.Printable(y.Destination, 100),
				mail.Printable(y.Server, 300))
		}
	}
	return nil
}

// becauseOf says what leads to a destination.
func becauseOf(c *conf.Config, o mail.Origin, x conf.Hop) string {
	if r := x.Route; r != nil {
		return "routes: says at " + r.At.Self.String()
	}
	if m := c.Maildrop(o.Maildrop); m != nil && m.At.Has("deliver") {
		return "deliver: of the maildrop says at " + m.At.Of("deliver").String()
	}
	return "the first destination of deliver:"
}

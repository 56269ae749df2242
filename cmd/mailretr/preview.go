package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	netmail "net/mail"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mailretr/bounce"
	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/store"
	"mailretr/store/mail"
)

// A preview is what is asked about a report that would be sent.
type preview struct {
	maildrop, lane, from    string
	to                      []string
	reply, notify, ret      string
	delay, success, expired bool
	probed                  bool
	show                    bool
}

func newPreview(a *app) *cobra.Command {
	var p preview
	c := &cobra.Command{
		Use:   "bounce-preview [FILE]",
		Short: "Show the report that would be sent about a message, and to whom; nothing is sent",
		Long: "Reads a message from a file or from standard input and writes the report that its sender, or the\n" +
			"postmaster, would get if it failed, by the configuration and by the code that makes real ones. Who would\n" +
			"get it is said on standard error. Sender and recipients are those that the maildrop named by --maildrop\n" +
			"gives it, if --from and --to do not say them.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			n := 0
			for _, x := range []bool{p.expired, p.delay, p.success, p.probed} {
				if x {
					n++
				}
			}
			switch {
			case n > 1:
				return usage("bounce-preview: one of --expired, --delay, --success and --probed is enough", "say it again for each")
			case p.show:
				return a.showTemplate(c.Context(), p.maildrop)
			}
			return a.preview(c.Context(), &p, append(args, "-")[0])
		},
	}
	f := c.Flags()
	f.StringVar(&p.maildrop, "maildrop", "", "as collected from this maildrop")
	f.StringVar(&p.lane, "destination", "", "as refused by this destination; without it: where the maildrop's mail goes")
	f.StringVar(&p.from, "from", "", "the sender of the envelope; without it: Return-Path")
	f.StringArrayVar(&p.to, "to", nil, "a recipient that failed; may be given several times")
	f.StringVar(&p.reply, "reply", "550 5.1.1 User unknown", "what the server said")
	f.BoolVar(&p.expired, "expired", false, "it was given up for age")
	f.BoolVar(&p.delay, "delay", false, "it waits")
	f.BoolVar(&p.success, "success", false, "it was delivered, and the sender asked for a report")
	f.BoolVar(&p.probed, "probed", false, "it was refused before it was fetched")
	f.StringVar(&p.notify, "notify", "", "NOTIFY of the recipients, e.g. NEVER")
	f.StringVar(&p.ret, "ret", "", "RET of the sender, e.g. FULL")
	f.BoolVar(&p.show, "show-template", false, "write the template in use, to be changed into your own")
	return c
}

// showTemplate writes what is built in for the configured language.
func (a *app) showTemplate(ctx context.Context, maildrop string) error {
	l := a.load(ctx)
	a.problems(l.problems)
	if l.err != nil {
		return l.err
	}
	language := l.config.Bounce.Language
	if maildrop != "" {
		m := l.config.Maildrop(maildrop)
		if m == nil {
			return noMaildrop(maildrop)
		}
		if m.Bounce != nil {
			language = m.Bounce.Language
		}
	}
	s, err := bounce.Template(language)
	if err == nil {
		a.out.Printf("%s", s)
	}
	return err
}

func (a *app) preview(ctx context.Context, p *preview, file string) error {
	l := a.load(ctx)
	a.problems(l.problems)
	if l.err != nil {
		return l.err
	}
	octets, err := a.message(file)
	if err != nil {
		return err
	}
	m, err := p.message(ctx, &l.config, octets)
	if err != nil {
		return err
	}
	list, why, err := p.reports(ctx, &l.config, m)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		a.talk.Printf("nobody is told: %s\n", why)
		return nil
	}
	for _, r := range list {
		a.talk.Printf("%s, to %s\n", why, mail.Printable(string(r.Envelope.Recipients[0].Forward), mail.MaxPath))
		if err := a.copyOut(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) copyOut(ctx context.Context, r *mail.Message) error {
	body, err := r.Content.Open(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err == nil {
		a.out.Printf("%s", bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")))
	}
	return err
}

// message is the message as the queue would have it.
func (p *preview) message(ctx context.Context, c *conf.Config, octets []byte) (*mail.Message, error) {
	now := time.Now()
	m := &mail.Message{ID: mail.NewID(now, nil), Queued: now.Add(-time.Minute), Attempts: 1, Content: mail.Text(octets)}
	switch {
	case p.probed:
		m.ID, m.Queued, m.Attempts = mail.ID{}, time.Time{}, 0
	case p.expired:
		m.Queued, m.Attempts = now.Add(-c.Queue.Expire), 30
	case p.delay:
		m.Queued, m.Attempts = now.Add(-max(c.Queue.Warn, time.Hour)), 6
	}
	if p.maildrop != "" {
		x := c.Maildrop(p.maildrop)
		if x == nil {
			return nil, noMaildrop(p.maildrop)
		}
		m.Origin.Maildrop = p.maildrop
		var d fetch.Drop
		resolve(&d, x)
		if err := d.Resolve(ctx, m); err != nil && len(p.to) == 0 {
			return nil, err
		}
	} else if x, err := netmail.ReadMessage(bytes.NewReader(octets)); err == nil {
		m.Envelope.Reverse = mail.Path(strings.Trim(x.Header.Get("Return-Path"), "<> "))
	}
	if p.from != "" {
		m.Envelope.Reverse = mail.Path(strings.Trim(p.from, "<>"))
	}
	if len(p.to) > 0 {
		m.Envelope.Recipients = nil
	}
	for _, to := range p.to {
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: mail.Path(to)})
	}
	if len(m.Envelope.Recipients) == 0 {
		return nil, usage("bounce-preview: who has failed?", "write --to ADDRESS, or --maildrop NAME")
	}
	m.Envelope.Ret = p.ret
	return m, p.check(m)
}

// check looks at the addresses, and gives each recipient its NOTIFY.
func (p *preview) check(m *mail.Message) error {
	if err := m.Envelope.Reverse.Check(); err != nil {
		return usage("--from: "+err.Error(), "write an address, or <> for none")
	}
	for i := range m.Envelope.Recipients {
		x := &m.Envelope.Recipients[i]
		if x.Forward.CheckForward() != nil {
			return usage(fmt.Sprintf("--to: %q is no address", string(x.Forward)), "write e.g. jaco@example.org")
		}
		if x.Notify = p.notify; p.success && p.notify == "" {
			x.Notify = "SUCCESS"
		}
	}
	return nil
}

// coded is the enhanced code of a reply.
var coded = regexp.MustCompile(`^[245]\d\d[ -]([245]\.\d{1,3}\.\d{1,3})\b`)

// reports makes what would be sent, and says in words why.
func (p *preview) reports(ctx context.Context, c *conf.Config, m *mail.Message) (
	list []*mail.Message, why string, err error) {
	w, _ := wordsOf(c)
	r := reporterOf(c, w)
	x := mail.Result{Outcome: mail.Failed, Reply: p.reply, RemoteMTA: p.remote(c, m), At: time.Now()}
	if s := coded.FindStringSubmatch(p.reply); s != nil {
		x.Enhanced = s[1]
	}
	n := len(m.Envelope.Recipients)
	switch {
	case p.success:
		x.Outcome, x.Reply, x.Enhanced = mail.Delivered, "", ""
		list, err = r.Succeeded(ctx, m, mail.Same(n, x))
		return orWhyNot(list, "a report of success", silence(r, c, m), err)
	case p.delay:
		x.Outcome = mail.Deferred
		list, err = r.Delayed(ctx, m, mail.Same(n, x), m.Queued.Add(c.Queue.Expire))
		return orWhyNot(list, "a report of delay", silence(r, c, m), err)
	case p.expired:
		x.Err = expired{}
	}
	switch f := fateOf(c, mail.Lane(p.destination(c, m)), x); f.Act {
	case store.Keep:
		return nil, "it is held, or stays in the maildrop, by the policy for this failure", nil
	case store.Discard:
		return nil, "it is discarded, by the policy for this failure", nil
	case store.Redirect:
		list, err = r.Redirect(ctx, m, mail.Same(n, x), f.To)
		return orWhyNot(list, "by the policy for this failure the message goes whole", "there is nobody to bring it to", err)
	}
	list, err = r.Report(ctx, m, mail.Same(n, x))
	return orWhyNot(list, "a report of failure", silence(r, c, m), err)
}

// orWhyNot is what is made, and in words what it is, or why there is none.
func orWhyNot(list []*mail.Message, what, none string, err error) ([]*mail.Message, string, error) {
	if len(list) == 0 {
		what = none
	}
	return list, what, err
}

// expired is how the queue says that time was up.
type expired struct{}

func (expired) Error() string { return "the message could not be delivered in time" }
func (expired) Expired() bool { return true }

// destination is the name of the one that has refused it.
func (p *preview) destination(c *conf.Config, m *mail.Message) string {
	if p.lane != "" {
		return p.lane
	}
	if d := c.Maildrop(m.Origin.Maildrop); d != nil && d.Deliver != "" {
		return d.Deliver
	}
	return c.Deliver[0].Name
}

// remote is the server that has refused it.
func (p *preview) remote(c *conf.Config, m *mail.Message) string {
	if d, ok := c.Destination(p.destination(c, m)); ok && d.Network == "tcp" {
		return d.Address
	}
	return ""
}

// silence says why there is no report.
func silence(r *bounce.Reporter, c *conf.Config, m *mail.Message) string {
	policy := bounce.Policy{Own: r.From, AuthServ: r.AuthServ(m.Origin.Maildrop)}
	header, err := m.Content.Header(context.Background())
	if err != nil {
		return err.Error()
	}
	switch d, why := policy.Decide(header, m.Envelope); {
	case d == bounce.ToNobody:
		return why
	case d == bounce.ToSender:
		return "the sender has not asked for such a report, or the message goes to who has just failed"
	case m.ID.Zero():
		return "it stays in the maildrop, since " + why
	case c.Bounce.Postmaster == "":
		return "it is held, for there is no postmaster, and " + why
	default:
		return why
	}
}

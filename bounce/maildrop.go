package bounce

import (
	"fmt"
	"strings"
	"time"

	"mailretr/store/mail"
)

// A Maildrop is how one is whose owner is told. The texts are sentences, escaped and bounded.
type Maildrop struct {
	Name   string
	To     []mail.Path
	Well   bool // again; else in trouble
	Since  time.Time
	Wrong  string
	Advice string
	Said   string // the server's own words
	Next   time.Time
}

// Maildrop makes the mail that tells of a maildrop in trouble, or that it is well again. It comes from nobody (the null
// reverse-path), so that nothing answers it (RFC 3834).
func (r *Reporter) Maildrop(d Maildrop) *mail.Message {
	now, name := r.now(), mail.Printable(d.Name, 100)
	title := fmt.Sprintf("Mail cannot be collected from %s", name)
	if d.Well {
		title = fmt.Sprintf("Mail is collected from %s again", name)
	}
	e := mail.Envelope{}
	for _, x := range d.To {
		e.Recipients = append(e.Recipients, mail.Recipient{Forward: x})
	}
	var b strings.Builder
	r.heading(&b, now, d.To, title)
	r.ails(&b, &d)
	return &mail.Message{Envelope: e, Content: mail.Text(b.String())}
}

// ails is what the mail says.
func (r *Reporter) ails(b *strings.Builder, d *Maildrop) {
	p := func(indent, format string, args ...any) {
		wrapText(b, indent, fmt.Sprintf(format, args...))
		b.WriteString("\r\n")
	}
	name, when := mail.Printable(d.Name, 100), d.Since.Format(time.RFC1123Z)
	p("", "This is the mail system at %s.", r.Host)
	if d.Well {
		p("", "Mail from the maildrop %s is collected again, since %s. Nothing was lost: what came meanwhile waited there.",
			name, when)
		return
	}
	p("", "No mail could be collected from the maildrop %s since %s.", name, when)
	p("", "%s", d.Wrong)
	if d.Said != "" {
		p("", "The server said:")
		p("  ", "%s", d.Said)
	}
	if d.Advice != "" {
		p("", "%s", d.Advice)
	}
	if !d.Next.IsZero() {
		p("", "It is tried again at %s. You are told of it this once, and when it is well again.", d.Next.Format(time.RFC1123Z))
	}
}

package bounce

import (
	"fmt"
	"mime"
	"strings"
	"time"

	"mailretr/store/mail"
)

// A Large message waits upstream, because it is larger than its maildrop takes.
type Large struct {
	Message *mail.Message // its envelope names who is told
	Header  []byte
	Limit   int64  // octets
	Server  string // where it waits: "mail.isp.example:995"
	Command string // what an admin says to have it collected; "": nothing can be said
}

// Notice makes the message that tells the recipients of one that waits upstream. It is made from the
// header alone, and has the null reverse-path.
func (r *Reporter) Notice(l Large) *mail.Message {
	now, m := r.now(), l.Message
	title := "A large message waits"
	if s := Subject(l.Header); s != "" {
		title += ": " + s
	}
	var all []mail.Path
	for _, x := range m.Envelope.Recipients {
		all = append(all, x.Forward)
	}
	var b strings.Builder
	r.heading(&b, now, all[:min(len(all), 20)], title)
	r.waits(&b, &l)
	e := mail.Envelope{}
	for _, x := range m.Envelope.Recipients {
		e.Recipients = append(e.Recipients, mail.Recipient{Forward: x.Forward})
	}
	return &mail.Message{Envelope: e, Content: mail.Text(b.String())}
}

// heading is the header section of a mail of ours that is no report, with the empty line behind it.
func (r *Reporter) heading(b *strings.Builder, now time.Time, all []mail.Path, title string) {
	var to []string
	for _, x := range all {
		if x.ASCII() {
			to = append(to, mailbox("", x))
		}
	}
	if len(to) == 0 { // an address beyond ASCII stands in the envelope only: its MTA need not take it in a header
		to = []string{"undisclosed-recipients:;"}
	}
	for _, f := range []line{
		{"Date", now.Format(time.RFC1123Z)},
		{"From", mailbox(r.Name, r.From)},
		{"To", strings.Join(to, ", ")},
		{"Subject", encoded(title)},
		{"Message-ID", "<" + strings.ToLower(mail.NewID(now, r.Random).String()) + "@" + r.Host + ">"},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834, 5
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "8bit"},
	} {
		b.Write(fold(f.name, f.value))
	}
	b.WriteString("\r\n")
}

// waits is what the notice says.
func (r *Reporter) waits(b *strings.Builder, l *Large) {
	p := func(indent, format string, args ...any) { wrapText(b, indent, fmt.Sprintf(format, args...)) }
	o := l.Message.Origin
	p("", "This is the mail system at %s.", r.Host)
	b.WriteString("\r\n")
	p("", "A message for you waits in the maildrop %s at %s. It was not fetched, because it is larger than %s.",
		mail.Printable(o.Maildrop, 100), mail.Printable(l.Server, 200), amount(l.Limit))
	b.WriteString("\r\n")
	for _, f := range []struct{ title, value string }{
		{"From", words(field(l.Header, "from"))},
		{"Subject", Subject(l.Header)},
		{"Date", words(field(l.Header, "date"))},
		{"Size", amount(l.Message.Content.Size())},
	} {
		if f.value != "" {
			p("  ", "%-9s%s", f.title+":", f.value)
		}
	}
	b.WriteString("\r\n")
	p("", "It stays there; you are told of it this once. You can look at it with the provider's webmail.")
	if l.Command == "" {
		return
	}
	whom := "the postmaster"
	if !r.Postmaster.Null() {
		whom = mail.Printable(string(r.Postmaster), maxAddress)
	}
	p("", "To have it collected all the same, ask %s to say:", whom)
	b.WriteString("\r\n  " + mail.Printable(l.Command, 700) + "\r\n")
}

// words is a field for people.
func words(s string) string {
	if len(s) > 1000 {
		s = s[:1000]
	}
	if decoded, err := new(mime.WordDecoder).DecodeHeader(s); err == nil {
		s = decoded
	}
	return mail.Printable(strings.ToValidUTF8(s, "?"), 200)
}

// encoded is a text in a field (RFC 2047).
func encoded(s string) string {
	if strings.ContainsFunc(s, func(c rune) bool { return c >= 0x80 || c < ' ' }) {
		return mime.QEncoding.Encode("utf-8", s)
	}
	return s
}

// amount writes a number of octets for people, in the units in which limits are configured.
func amount(n int64) string {
	switch {
	case n < 0:
		return "unknown"
	case n < 1<<20:
		return fmt.Sprintf("%d kB", (n+1023)>>10)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/(1<<20)), ".0") + " MB"
}

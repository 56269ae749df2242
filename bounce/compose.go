package bounce

import (
	"bytes"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-message/textproto"

	"mailretr/store/mail"
)

// maxAddress bounds an address in a report: with its field it has to fit into a line of 998 octets, and an
// address may have mail.MaxPath.
const maxAddress = 900

// A line is one field.
type line struct{ name, value string }

// head makes a section. Go-message puts each new field on top, so that they are added backwards; one
// without a value is left out. They are added raw: it would write Reporting-Mta.
func head(lines ...line) textproto.Header {
	var h textproto.Header
	for _, l := range slices.Backward(lines) {
		if l.value != "" {
			h.AddRaw(fold(l.name, l.value))
		}
	}
	return h
}

// preferred is the length at which fields are folded (RFC 5322, 2.1.1), with its CRLF.
const preferred = 78

// fold writes a field, broken before blanks where its lines would be too long. A line break in the value,
// which whoever made it has to see to, becomes a blank all the same: it would be a new field.
func fold(name, value string) []byte {
	value = strings.NewReplacer("\r", " ", "\n", " ").Replace(value)
	b := []byte(name + ":")
	used := len(b)
	for value != "" {
		end := 1 + strings.IndexByte(value[1:], ' ') // of the word; a blank before it belongs to it
		if end == 0 {
			end = len(value)
		}
		word := value[:end]
		value = value[end:]
		if len(b) == len(name)+1 && word[0] != ' ' {
			word = " " + word
		}
		if used+len(word)+2 > preferred && strings.TrimLeft(word, " ") != "" && used > 1 {
			b = append(b, "\r\n"...)
			used = 0
		}
		b = append(b, word...)
		used += len(word)
	}
	return append(b, "\r\n"...)
}

// A report is being written: go-message's own Writer is one level too high, for it takes away the encoding
// of a multipart.
type report struct {
	bytes.Buffer
	parts  *textproto.MultipartWriter
	global bool // the reader speaks SMTPUTF8: its own address is beyond ASCII
	text   *Text
	letter *Letter
}

// compose makes the report (RFC 6522, 3): text for people, fields for programs, and of the message its
// header, or all of it where the postmaster gets it.
func (r *Reporter) compose(a *about, to mail.Path) (mail.Content, error) {
	id := mail.NewID(a.now, r.Random).String()
	w := &report{global: !to.ASCII(), text: r.textFor(a.m.Origin.Maildrop), letter: r.letter(a)}
	w.parts = textproto.NewMultipartWriter(w)
	c, err := r.write(w, a, to, id)
	if err != nil {
		return nil, fmt.Errorf("composing a report: %w", err)
	}
	return c, nil
}

func (r *Reporter) write(w *report, a *about, to mail.Path, id string) (mail.Content, error) {
	boundary := "=_" + id // no line of text or quoted-printable begins so, and nobody can guess the rest
	if err := w.parts.SetBoundary(boundary); err != nil {
		return nil, err
	}
	status, err := r.status(a, w.global)
	if err != nil {
		return nil, err
	}
	header := normal(a.header)
	outer := "7bit"
	if a.whole || encoding(status, w.global) == "8bit" || encoding(header, w.global) == "8bit" {
		outer = "8bit" // RFC 2045, 6.4: a multipart says the most that is inside
	}
	title, err := w.text.subject(w.letter)
	if err != nil {
		return nil, err
	}
	if err := textproto.WriteHeader(w, r.head(a, to, title, id, boundary, outer)); err != nil {
		return nil, err
	}
	if err := w.people(); err != nil {
		return nil, err
	}
	if err := w.part(w.statusType(), status); err != nil {
		return nil, err
	}
	if a.whole {
		return w.wrap(w.wholeType(a), a.m.Content)
	}
	if err := w.part(w.headerType(), header); err != nil {
		return nil, err
	}
	if err := w.parts.Close(); err != nil {
		return nil, err
	}
	return mail.Text(w.Bytes()), nil
}

// head returns the header of the report. What stands in it is ours, but for the address it goes to and the
// Message-ID it answers, which were checked.
func (r *Reporter) head(a *about, to mail.Path, title, id, boundary, encoding string) textproto.Header {
	answered := messageID(a.header)
	return head(
		line{"Date", a.now.Format(time.RFC1123Z)},
		line{"From", mailbox(r.Name, r.From)},
		line{"To", mailbox("", to)},
		line{"Subject", encoded(title)},
		line{"Message-ID", "<" + strings.ToLower(id) + "@" + r.Host + ">"},
		line{"In-Reply-To", answered},
		line{"References", answered},
		line{"Auto-Submitted", "auto-replied"}, // RFC 3834, 5
		line{"MIME-Version", "1.0"},
		line{"Content-Type", `multipart/report; report-type=delivery-status; boundary="` + boundary + `"`},
		line{"Content-Transfer-Encoding", encoding},
	)
}

// mailbox writes a name and an address (RFC 5322, 3.4; RFC 6532 where the address needs it).
func mailbox(name string, p mail.Path) string {
	a := string(p)
	if len(a) > maxAddress {
		return "undisclosed-recipients:;"
	}
	switch {
	case name == "":
		return "<" + a + ">"
	case strings.ContainsFunc(name, func(r rune) bool { return r >= 0x80 || r < ' ' }):
		return mime.QEncoding.Encode("utf-8", name) + " <" + a + ">"
	case strings.ContainsAny(name, `()<>[]:;@\,."`):
		name = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
	}
	return name + " <" + a + ">"
}

// people writes the part for people.
func (w *report) people() error {
	s, err := w.text.text(w.letter)
	if err != nil {
		return err
	}
	return w.part(people, []byte(s))
}

// part writes one part. Quoted-printable keeps its octets where they do not fit through every MTA as they
// are.
func (w *report) part(kind string, b []byte) error {
	how := encoding(b, w.global && kind != people)
	language := ""
	if kind == people && w.text.language != "en" {
		language = w.text.language // RFC 3282
	}
	p, err := w.parts.CreatePart(head(line{"Content-Type", kind}, line{"Content-Language", language},
		line{"Content-Transfer-Encoding", how}))
	if err != nil {
		return err
	}
	if how != "quoted-printable" {
		_, err = p.Write(b)
		return err
	}
	q := quotedprintable.NewWriter(p)
	if _, err := q.Write(b); err != nil {
		return err
	}
	return q.Close()
}

// wrap ends the report with a part for the whole message, of which it writes only what comes before and
// behind. Its encoding may not be anything but 7bit, 8bit or binary (RFC 2046, 5.2.1).
func (w *report) wrap(kind string, inner mail.Content) (mail.Content, error) {
	h := head(line{"Content-Type", kind}, line{"Content-Transfer-Encoding", "8bit"})
	if _, err := w.parts.CreatePart(h); err != nil {
		return nil, err
	}
	n := w.Len()
	if err := w.parts.Close(); err != nil {
		return nil, err
	}
	whole := w.Bytes()
	return &wrapped{head: whole[:n:n], tail: whole[n:], inner: inner}, nil
}

// people is the type of the part for people.
const people = "text/plain; charset=utf-8"

func (w *report) statusType() string {
	if w.global {
		return "message/global-delivery-status" // RFC 6533, 4
	}
	return "message/delivery-status"
}

func (w *report) headerType() string {
	if w.global {
		return "message/global-headers" // RFC 6533, 6
	}
	return "text/rfc822-headers"
}

func (w *report) wholeType(a *about) string {
	if w.global || !a.m.Envelope.Reverse.ASCII() {
		return "message/global" // RFC 6532, 3.7
	}
	return "message/rfc822"
}

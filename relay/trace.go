package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"mailretr/store/mail"
)

// Trace decorates a deliverer with our trace fields: Received with the time of queueing (RFC 5321, 4.4), unless the
// listener has written it already, and, where the other side is a final delivery, Return-Path. Return-Path fields that the provider's final delivery has left are taken
// out: a message that goes back into SMTP should have none (RFC 5321, 4.4). Below it nobody changes octets, so the Size
// of the content is what is sent.
type Trace struct {
	To   mail.Deliverer
	Host string // our name, for the by clause
	// Invisible: no Received of ours. A loop then cannot be told by it, on our side or elsewhere.
	Invisible bool
	Final     bool // the other side is a final delivery: add Return-Path
	// Protocol says by which protocol a maildrop is collected: "POP3", "IMAP"; "" where nobody knows. nil: "".
	Protocol func(maildrop string) string
}

// Deliver passes the message on with the fields in front.
func (t *Trace) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	header, err := m.Content.Header(ctx)
	if err != nil {
		return mail.Same(len(m.Envelope.Recipients), mail.Result{Err: err})
	}
	c := *m
	head := append(t.fields(m, header), withoutReturnPath(header)...)
	c.Content = &traced{Content: m.Content, old: int64(len(header)), head: head}
	report := t.To.Deliver(ctx, &c)
	for i := range report {
		if t.Final && report[i].Outcome == mail.Delivered {
			report[i].Custody = mail.Final
		}
	}
	return report
}

// fields returns the lines that go in front, each with CRLF.
func (t *Trace) fields(m *mail.Message, header []byte) []byte {
	var b bytes.Buffer
	if t.Final {
		fmt.Fprintf(&b, "Return-Path: <%s>\r\n", sound(m.Envelope.Reverse))
	}
	if t.Invisible || m.Origin.Maildrop == "" && fronted(header, t.Host) {
		return b.Bytes()
	}
	fmt.Fprintf(&b, "Received: %s%s\r\n\tid %s", Signature(t.Host, m.Origin.Maildrop), t.with(m), m.ID)
	if len(m.Envelope.Recipients) == 1 { // more would tell one recipient of another: RFC 5321, 7.6
		if p := m.Envelope.Recipients[0].Forward; p.ASCII() && sound(p) != "" {
			fmt.Fprintf(&b, "\r\n\tfor <%s>", sound(p))
		}
	}
	fmt.Fprintf(&b, "; %s\r\n", m.Queued.Format("Mon, 2 Jan 2006 15:04:05 -0700"))
	return b.Bytes()
}

// fronted says whether a message came by our listener, which has written the field for this hop (RFC 5321, 4.4: each
// server adds one) with the same id; relay/smtpd has its words.
func fronted(header []byte, host string) bool {
	from, rest, _ := bytes.Cut(header, []byte("\r\n"))
	return bytes.HasPrefix(from, []byte("Received: from ")) && bytes.HasPrefix(rest, []byte("\tby "+host+" (mailretr) with "))
}

// sound returns the path, or nothing where it could leave its place in a header field.
func sound(p mail.Path) string {
	if p.Check() != nil {
		return ""
	}
	return string(p)
}

// Signature is how the value of our Received field begins for mail of a maildrop: by it a message is known that has been
// here before.
func Signature(host, maildrop string) string {
	name := strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`()\"<>`, r) {
			return '_'
		}
		return r
	}, maildrop)
	if name != "" {
		name = ", maildrop " + name
	}
	return "by " + host + " (mailretr" + name + ")"
}

func (t *Trace) with(m *mail.Message) string {
	if t.Protocol == nil {
		return ""
	}
	if p := t.Protocol(m.Origin.Maildrop); p != "" {
		return " with " + p
	}
	return ""
}

// traced is a content whose header section was replaced.
type traced struct {
	mail.Content
	old  int64 // octets of the header section below
	head []byte
}

func (t *traced) Size() int64 { return t.Content.Size() - t.old + int64(len(t.head)) }

func (t *traced) Header(context.Context) ([]byte, error) { return t.head, nil }

func (t *traced) Open(ctx context.Context) (io.ReadCloser, error) {
	r, err := t.Content.Open(ctx)
	if err != nil {
		return nil, err
	}
	if err := skip(r, t.old); err != nil {
		r.Close()
		return nil, fmt.Errorf("passing over the header: %w", err)
	}
	z := &replaced{ReadCloser: r, old: t.old, head: t.head, rest: t.head}
	if s, ok := r.(io.ReadSeeker); ok {
		return &rewindable{z, s}, nil
	}
	return z, nil
}

// replaced reads another header section, then what stands behind the old one.
type replaced struct {
	io.ReadCloser // behind the header
	old           int64
	head, rest    []byte
}

func (z *replaced) Read(p []byte) (int, error) {
	if len(z.rest) > 0 {
		n := copy(p, z.rest)
		z.rest = z.rest[n:]
		return n, nil
	}
	return z.ReadCloser.Read(p)
}

// rewindable can be read once more from the beginning, so that a message whose transfer was cut can go to another server.
type rewindable struct {
	*replaced
	below io.Seeker
}

var errSeek = errors.New("it can only be read again from the beginning")

// Seek goes to the beginning.
func (z *rewindable) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekStart {
		return 0, errSeek
	}
	if _, err := z.below.Seek(z.old, io.SeekStart); err != nil {
		return 0, err
	}
	z.rest = z.head
	return 0, nil
}

func skip(r io.Reader, n int64) error {
	if s, ok := r.(io.Seeker); ok {
		_, err := s.Seek(n, io.SeekCurrent)
		return err
	}
	_, err := io.CopyN(io.Discard, r, n)
	return err
}

var returnPath = []byte("return-path:")

// withoutReturnPath returns the header section without its Return-Path fields, folded lines included; the same slice
// where there is none. Lines end with CRLF.
func withoutReturnPath(header []byte) []byte {
	if !bytes.Contains(bytes.ToLower(header), returnPath) {
		return header
	}
	out := make([]byte, 0, len(header))
	dropping := false
	for line := range bytes.Lines(header) {
		folded := line[0] == ' ' || line[0] == '\t'
		if !folded {
			dropping = len(line) >= len(returnPath) && bytes.EqualFold(line[:len(returnPath)], returnPath)
		}
		if !dropping {
			out = append(out, line...)
		}
	}
	return out
}

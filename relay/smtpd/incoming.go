package smtpd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/emersion/go-smtp"

	"mailretr/store/mail"
)

// An incoming is the content of a message as the client sends it, with our trace field in front. It can be
// opened once.
type incoming struct {
	head    []byte // our fields, and the header section with its empty line
	rest    io.Reader
	checked *checked
	size    int64
}

// Size is what the client has announced, with our fields; -1: nothing.
func (in *incoming) Size() int64 { return in.size }

// Header is the header section with our fields in front.
func (in *incoming) Header(context.Context) ([]byte, error) { return in.head, nil }

// Open returns all of it.
func (in *incoming) Open(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(bytes.NewReader(in.head), in.rest)), nil
}

// octets is how many the client has sent.
func (in *incoming) octets() int64 { return in.checked.n }

// incoming reads the header section and judges it.
func (s *session) incoming(r io.Reader, m *mail.Message, size int64, tag string) (*incoming,
	*smtp.SMTPError) {
	l := &s.gen.limits
	c := &checked{r: r, most: l.Size}
	br := bufio.NewReader(c)
	header, hops, err := section(br, l.Header)
	switch {
	case c.fault != nil:
		return nil, c.fault
	case errors.Is(err, errHeader):
		return nil, answer(552, 5, 3, 4, "the header section is larger than %d octets", l.Header)
	case err != nil:
		return nil, answer(451, 4, 4, 2, "the message is not whole")
	case hops > l.Hops:
		return nil, answer(554, 5, 4, 6, "the message has gone through %d hands: it goes in a circle", hops)
	}
	in := &incoming{checked: c, rest: br, size: size}
	in.head = append(s.fields(m, tag, header), header...)
	if size >= 0 {
		in.size += int64(len(in.head) - len(header))
	}
	return in, nil
}

var errHeader = errors.New("the header section is too large")

// section reads a header section to the end of the empty line that ends it, if one does, and counts its
// Received fields.
func section(br *bufio.Reader, most int) (header []byte, hops int, err error) {
	for begins := true; ; {
		piece, err := br.ReadSlice('\n')
		whole := err == nil
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return append(header, piece...), hops, err
		}
		if begins && foldPrefix(piece, "Received:") {
			hops++
		}
		if header = append(header, piece...); len(header) > most {
			return nil, 0, errHeader
		}
		if begins && bytes.Equal(piece, crlf) {
			return header, hops, nil
		}
		begins = whole
	}
}

// checked reads a message and refuses what is too large or has a bare CR or LF; by BDAT it may have come as
// it likes.
type checked struct {
	r     io.Reader
	most  int64
	n     int64
	cr    bool
	fault *smtp.SMTPError // what the client did wrong
}

// Read passes on what is right.
func (c *checked) Read(p []byte) (int, error) {
	if c.fault != nil {
		return 0, c.fault
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	switch {
	case c.n > c.most:
		c.fault = answer(552, 5, 3, 4, "the message is larger than %d octets", c.most)
	case !c.straight(p[:n]), err == io.EOF && c.cr:
		c.fault = answer(550, 5, 6, 0, "the message has a bare CR or LF; see RFC 5321, 2.3.8")
	default:
		return n, err
	}
	return 0, c.fault
}

// straight says whether each CR is followed by LF and each LF follows CR, up to here.
func (c *checked) straight(p []byte) bool {
	for len(p) > 0 {
		if c.cr {
			if p[0] != '\n' {
				return false
			}
			c.cr, p = false, p[1:]
			continue
		}
		i := bytes.IndexByte(p, '\n')
		j := bytes.IndexByte(p, '\r')
		switch {
		case j < 0:
			return i < 0
		case i >= 0 && i < j:
			return false
		}
		c.cr, p = true, p[j+1:]
	}
	return true
}

// fields are what we put in front.
func (s *session) fields(m *mail.Message, tag string, header []byte) []byte {
	now := s.gen.now().Format("Mon, 2 Jan 2006 15:04:05 -0700")
	var b bytes.Buffer
	fmt.Fprintf(&b, "Received: %s\r\n\tid %s", tag, m.Chosen)
	if r := m.Envelope.Recipients; len(r) == 1 && r[0].Forward.ASCII() { // more would tell one of another
		fmt.Fprintf(&b, "\r\n\tfor <%s>", string(r[0].Forward))
	}
	fmt.Fprintf(&b, "; %s\r\n", now)
	if s.gen.Complete && !has(header, "Date:") {
		fmt.Fprintf(&b, "Date: %s\r\n", now)
	}
	if s.gen.Complete && !has(header, "Message-ID:") {
		fmt.Fprintf(&b, "Message-ID: <%s@%s>\r\n", m.Chosen, s.gen.Hostname)
	}
	return b.Bytes()
}

// has says whether a header section has this field.
func has(header []byte, field string) bool {
	for line := range bytes.Lines(header) {
		if foldPrefix(line, field) {
			return true
		}
	}
	return false
}

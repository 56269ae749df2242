package bounce

import (
	"bytes"
	"iter"
	"mime"
	"strings"

	"mailretr/store/mail"
)

// fields yields the fields of a header section: the name in lower case, the value unfolded. It goes on
// behind lines that are no fields, because who hides "Auto-Submitted" behind a line of nonsense must not
// get a report for it.
func fields(header []byte) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for len(header) > 0 {
			var field []byte
			field, header = cutField(header)
			name, value, ok := bytes.Cut(field, []byte(":"))
			name = bytes.TrimRight(name, " \t")
			if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t\r\n") {
				continue
			}
			if !yield(strings.ToLower(string(name)), unfold(value)) {
				return
			}
		}
	}
}

// cutField returns the first field with its folded lines, and the rest.
func cutField(b []byte) (field, rest []byte) {
	for i := 0; i < len(b); i++ {
		if b[i] == '\n' && (i+1 == len(b) || b[i+1] != ' ' && b[i+1] != '\t') {
			return b[:i+1], b[i+1:]
		}
	}
	return b, nil
}

func unfold(value []byte) string {
	value = bytes.ReplaceAll(value, []byte("\r"), nil)
	return strings.TrimSpace(string(bytes.ReplaceAll(value, []byte("\n"), nil)))
}

// field returns the first field of that name, given in lower case.
func field(header []byte, name string) string {
	for n, value := range fields(header) {
		if n == name {
			return value
		}
	}
	return ""
}

// maxID is the longest Message-ID that is quoted: a line has at most 998 octets (RFC 5322, 2.1.1).
const maxID = 900

// messageID returns the Message-ID of the message if it is one (RFC 5322, 3.6.4, roughly); "" else.
func messageID(header []byte) string {
	id := field(header, "message-id")
	if len(id) < 3 || len(id) > maxID || id[0] != '<' || strings.IndexByte(id, '>') != len(id)-1 {
		return ""
	}
	for i := 1; i < len(id)-1; i++ {
		if id[i] <= ' ' || id[i] >= 0x7f || id[i] == '<' {
			return ""
		}
	}
	return id
}

// Subject returns the subject of a message for people, decoded, escaped and bounded; "" where there is none. Of a header
// section the end may be missing.
func Subject(header []byte) string {
	s := field(header, "subject")
	if len(s) > 1000 { // only the beginning is shown
		s = s[:1000]
	}
	if decoded, err := new(mime.WordDecoder).DecodeHeader(s); err == nil {
		s = decoded
	}
	return mail.Printable(strings.ToValidUTF8(s, "?"), 150)
}

// maxHeader is how much of a header section is returned, in octets; real ones stay below.
const maxHeader = 64 << 10

// normal returns the header section in normal form, without the empty line that ends it: CRLF line ends, a
// bare CR made a blank. A header that was fetched by TOP has not been through the queue's door. What is
// longer than maxHeader is cut at the end of a line.
func normal(header []byte) []byte {
	if len(header) > maxHeader {
		header = header[:maxHeader]
		if i := bytes.LastIndexByte(header, '\n'); i >= 0 {
			header = header[:i+1]
		}
	}
	b := make([]byte, 0, len(header)+len(header)/32)
	for i, c := range header {
		switch {
		case c == '\r' && i+1 < len(header) && header[i+1] == '\n':
		case c == '\r':
			b = append(b, ' ')
		case c == '\n':
			b = append(b, '\r', '\n')
		default:
			b = append(b, c)
		}
	}
	for bytes.HasSuffix(b, []byte("\r\n\r\n")) || bytes.Equal(b, []byte("\r\n")) {
		b = b[:len(b)-2]
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		b = append(b, '\r', '\n')
	}
	return b
}

// longest is the longest line that SMTP carries, without its CRLF (RFC 5321, 4.5.3.1.6).
const longest = 998

// encoding returns the least encoding in which octets get through any MTA: 7bit, or quoted-printable where
// there is a NUL, an octet beyond ASCII or a line that is too long. For those who speak SMTPUTF8 octets
// beyond ASCII are no reason, and give 8bit.
func encoding(b []byte, global bool) string {
	line, best := 0, "7bit"
	for _, c := range b {
		if line++; c == '\n' {
			line = 0
		}
		switch {
		case c == 0 || line > longest || c >= 0x80 && !global:
			return "quoted-printable"
		case c >= 0x80:
			best = "8bit"
		}
	}
	return best
}

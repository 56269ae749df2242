package fetch

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"strings"

	"mailretr/relay/domain"
)

// An Identity is the same for two messages that are copies of one mail, and for no others.
type Identity [sha256.Size]byte

// Identity tells copies of one mail from other mail. Two messages are copies if all of this is equal:
//
//   - the field Copies, a Received which the provider has written and which has an id of its own, octet for octet;
//   - every octet of the header below it, but for the fields in which the recipients are looked for; a
//     Message-ID is among them;
//   - the announced size, less what stands above that Received, and less those fields.
//
// The id is the provider's, so nobody else can make a message that looks like a copy of another one; and one
// acceptance by one host has one body. Where anything is missing, or is not as it should be, there is no
// identity, and the message is collected by itself: better twice than lost.
func (d Multi) Identity(header []byte, size int64) (id Identity, ok bool) {
	if d.Copies.Name == "" || size < int64(len(header)) || !bytes.HasSuffix(header, []byte("\n\r\n")) {
		return id, false
	}
	h := sha256.New()
	n, named := d.Copies.Nth, false
	begun := false
	rest := size - int64(len(header)) // octets that count, of the message
	for name, field := range parts(header) {
		if !begun {
			if !strings.EqualFold(name, "Received") {
				continue
			}
			r := readReceived(unfold(field))
			if d.Copies.By != "" && !domain.In(d.Copies.By, r.by) {
				continue
			}
			if n--; n > 0 && d.Copies.By == "" {
				continue
			}
			if begun = true; r.odd || r.by == "" || r.id == "" {
				return id, false
			}
		}
		if d.reads(name) {
			continue
		}
		named = named || strings.EqualFold(name, "Message-ID") && len(unfold(field)) > 2
		h.Write(field)
		rest += int64(len(field))
	}
	if !begun || !named {
		return id, false
	}
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(rest)))
	return Identity(h.Sum(nil)), true
}

// reads says whether recipients are looked for in the field. Received is not left out: there each counts.
func (d Multi) reads(name string) bool {
	for _, f := range d.Fields {
		if strings.EqualFold(f.Name, name) && !strings.EqualFold(name, "Received") {
			return true
		}
	}
	return false
}

// parts yields the fields of a header as they came, with their line ends, and what stands between them under
// the name "".
func parts(header []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		begin, at, name := 0, 0, ""
		for line := range bytes.Lines(header) {
			folded := line[0] == ' ' || line[0] == '\t'
			if !folded && at > begin {
				if !yield(name, header[begin:at]) {
					return
				}
				begin = at
			}
			if !folded {
				name = ""
				if i := bytes.IndexByte(line, ':'); i > 0 {
					name = string(bytes.TrimRight(line[:i], " \t"))
				}
			}
			at += len(line)
		}
		if at > begin {
			yield(name, header[begin:at])
		}
	}
}

// unfold returns the body of a field.
func unfold(field []byte) string {
	_, body, _ := bytes.Cut(field, []byte(":"))
	return strings.NewReplacer("\r", "", "\n", "").Replace(string(body))
}

package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"mailretr/store/mail"
)

// Loop says when a message has gone in circles. It is not taken round once more: its recipients fail with
// 5.4.6.
type Loop struct {
	// Received is the largest number of Received fields that is believed; 0: 50. RFC 5321, 6.3 wants at
	// least 100 allowed where loops cannot be told otherwise; a message that comes from a maildrop has its
	// journey behind it, and real ones stay below 30.
	Received int
	// Delivered is how many Delivered-To fields (RFC 9228) with one value are believed; 0: 5. Each final delivery adds one,
	// so that a circle shows by it even where nobody adds Received; one or two of a kind are ordinary.
	Delivered int
	// Ours says of one field of the header, folded lines included and without its last CRLF, that it proves
	// that this message was here before on the same way. nil: no field does.
	Ours func(field []byte, m *mail.Message) bool
}

func (l Loop) max() int {
	if l.Received > 0 {
		return l.Received
	}
	return 50
}

// looped says why a message with this header is a loop, or "".
func (l Loop) looped(header []byte, m *mail.Message) string {
	n, most := 0, l.Delivered
	if most <= 0 {
		most = 5
	}
	delivered := map[string]int{}
	for len(header) > 0 {
		field := nextField(header)
		header = header[len(field):]
		if to, ok := deliveredTo(field); ok {
			if delivered[to]++; delivered[to] > most {
				return "the message was delivered to the same address again and again: it goes in a circle"
			}
		}
		if isReceived(field) {
			n++
		}
		if l.Ours != nil && l.Ours(bytes.TrimSuffix(field, crlf), m) {
			return "this message was here before"
		}
	}
	if n > l.max() {
		return "the message has gone through too many hands: it goes in a circle"
	}
	return ""
}

// nextField returns the first field of a header in normal form, with its folded lines and last CRLF.
func nextField(b []byte) []byte {
	for p := 0; ; {
		i := bytes.IndexByte(b[p:], '\n')
		if i < 0 {
			return b
		}
		p += i + 1
		if p == len(b) || b[p] != ' ' && b[p] != '\t' {
			return b[:p]
		}
	}
}

// deliveredTo returns the value of a Delivered-To field, in lower case.
func deliveredTo(field []byte) (to string, ok bool) {
	const name = "delivered-to:"
	if len(field) < len(name) || !bytes.EqualFold(field[:len(name)], []byte(name)) {
		return "", false
	}
	to = string(bytes.ToLower(bytes.TrimSpace(field[len(name):])))
	return to[:min(len(to), mail.MaxPath)], true
}

func isReceived(field []byte) bool {
	const name = "received:"
	return len(field) >= len(name) && (field[0] == 'R' || field[0] == 'r') &&
		bytes.EqualFold(field[:len(name)], []byte(name))
}

// contentKey is the identity of a message by its content: 16 octets of a keyed hash of its header section in
// normal form, without the empty line at its end, and of the size that was announced.
func contentKey(secret *[32]byte, header []byte, size int64) (key [16]byte) {
	h := sha256.New()
	h.Write(secret[:])
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(size))
	h.Write(n[:])
	if bytes.HasSuffix(header, []byte("\n\r\n")) || len(header) == 2 && header[0] == '\r' {
		header = header[:len(header)-2]
	}
	h.Write(header)
	var sum [sha256.Size]byte
	copy(key[:], h.Sum(sum[:0]))
	return key
}

// ContentKey returns the content key of a message with this header section, as it came, and this announced
// size: equal for the same message under another UID.
func (q *Queue) ContentKey(header []byte, size int64) [16]byte {
	if header = header[:min(len(header), mail.MaxHeader)]; !straight(header) {
		var m mended
		header = mend(nil, header, &m)
	}
	if n := len(header); n > 0 && header[n-1] != '\n' {
		header = append(bytes.Clone(header), crlf...)
	}
	return contentKey(&q.Secret, header, size)
}

// head finds the end of the header section in a stream in normal form, and calls found with it, once. Only
// the first mail.MaxHeader octets of a longer one are seen by found.
type head struct {
	found func([]byte)
	end   int64 // octets of the header section with its empty line; valid when done
	done  bool
	buf   []byte
	tail  [2]byte // the last two octets before the next piece
	begun bool
}

var emptyLine = []byte("\n\r\n")

// add sees the next piece of the stream.
func (h *head) add(p []byte) {
	if h.done {
		return
	}
	if !h.begun {
		h.begun, h.tail = true, [2]byte{'\r', '\n'} // as if a line had just ended
	}
	n := h.look(p)
	if n < 0 {
		h.keep(p)
		h.end += int64(len(p))
		if len(p) == 1 {
			h.tail = [2]byte{h.tail[1], p[0]}
		} else {
			h.tail = [2]byte{p[len(p)-2], p[len(p)-1]}
		}
		return
	}
	h.end += int64(n)
	if len(h.buf) == 0 { // the common case: all in the first piece, nothing copied
		h.finish(p[:min(n, mail.MaxHeader)])
		return
	}
	h.keep(p[:n])
	h.finish(h.buf)
}

// look returns how many octets of p belong to the header section, or -1 where all do and it has not ended.
func (h *head) look(p []byte) int {
	switch {
	case h.tail[1] == '\n' && bytes.HasPrefix(p, crlf):
		return 2
	case h.tail == [2]byte{'\n', '\r'} && p[0] == '\n':
		return 1
	}
	if i := bytes.Index(p, emptyLine); i >= 0 {
		return i + len(emptyLine)
	}
	return -1
}

func (h *head) keep(p []byte) {
	h.buf = append(h.buf, p[:min(len(p), mail.MaxHeader-len(h.buf))]...)
}

// close says that the stream has ended; without an empty line all of it was header.
func (h *head) close() {
	if !h.done {
		h.finish(h.buf)
	}
}

func (h *head) finish(header []byte) {
	h.done = true
	h.found(header)
	h.buf = nil
}

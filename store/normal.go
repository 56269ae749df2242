package store

import (
	"bytes"
	"fmt"
	"io"
)

// The normal form is what is queued: each line ends with CRLF, there is no other CR or LF, and the last
// line is whole. What a maildrop sends is in this form already, nearly always: so the common case is a look
// at each line end, and one write. NUL and lines of any length stay as they are (RFC 5321, 4.5.3.1.6 bounds
// them; mail does not).

// mended counts what had to be changed.
type mended struct {
	LF    int  // bare LF, made CRLF
	CR    int  // bare CR, made a blank
	Final bool // the CRLF at the end was missing
}

func (m mended) any() bool { return m != mended{} }

// A reach says how far a stream has come, to the end of its last whole line: octets as they came, and octets
// in normal form.
type reach struct{ upstream, octets int64 }

// normalize copies r to write in normal form, in pieces of up to twice the size of buf, and says what it
// had to mend. write never gets an empty piece and does not keep it. The error is that of r or of write;
// which, says written. at is brought up to date after each piece.
func normalize(r io.Reader, buf []byte, at *reach, write func([]byte) error) (m mended, written bool, err error) {
	var all reach // to the end of the last piece
	have := 0     // a CR at the beginning of buf whose successor is not known yet
	last := byte('\n')
	var scratch []byte
	for {
		n, rerr := fill(r, buf[have:])
		b := buf[:have+n]
		have = 0
		if rerr == nil && b[len(b)-1] == '\r' {
			have, b = 1, b[:len(b)-1]
		}
		if len(b) > 0 {
			out := b
			if !straight(b) {
				if scratch == nil {
					scratch = make([]byte, 0, len(b)+len(b)/8+2)
				}
				scratch = mend(scratch[:0], b, &m)
				out = scratch
			}
			last = out[len(out)-1]
			if err := write(out); err != nil {
				return m, true, err
			}
			if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
				*at = reach{all.upstream + int64(i) + 1, all.octets + int64(bytes.LastIndexByte(out, '\n')) + 1}
			}
			all.upstream, all.octets = all.upstream+int64(len(b)), all.octets+int64(len(out))
		}
		switch {
		case have == 1:
			buf[0] = '\r'
		case rerr == io.EOF && last != '\n':
			m.Final = true
			return m, true, write([]byte("\r\n"))
		case rerr == io.EOF:
			return m, false, nil
		}
		if rerr != nil {
			return m, false, rerr
		}
	}
}

// fill reads until b is full or r ends; io.EOF then, with what came before. b is not empty.
func fill(r io.Reader, b []byte) (n int, err error) {
	for idle := 0; n < len(b); {
		k, err := r.Read(b[n:])
		n += k
		if err != nil {
			return n, err
		}
		if k > 0 {
			idle = 0
		} else if idle++; idle == 100 {
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}

var cr, crlf = []byte{'\r'}, []byte{'\r', '\n'}

// straight says whether each LF in b follows a CR and each CR precedes an LF.
func straight(b []byte) bool {
	crs := bytes.Count(b, cr)
	for p := 0; ; {
		i := bytes.IndexByte(b[p:], '\n')
		if i < 0 {
			return crs == 0
		}
		p += i
		if p == 0 || b[p-1] != '\r' {
			return false
		}
		crs--
		p++
	}
}

// mend appends b in normal form to out. b does not end in the middle of a CRLF, except at the end of the
// message.
func mend(out, b []byte, m *mended) []byte {
	for len(b) > 0 {
		line, rest, found := bytes.Cut(b, crlf[1:])
		b = rest
		if found {
			if n := len(line); n > 0 && line[n-1] == '\r' {
				line = line[:n-1]
			} else {
				m.LF++
			}
		}
		for {
			i := bytes.IndexByte(line, '\r')
			if i < 0 {
				break
			}
			m.CR++
			out = append(append(out, line[:i]...), ' ')
			line = line[i+1:]
		}
		out = append(out, line...)
		if found {
			out = append(out, crlf...)
		}
	}
	return out
}

// String says what was mended, for people.
func (m mended) String() string {
	s := fmt.Sprintf("%d bare LF, %d bare CR", m.LF, m.CR)
	if m.Final {
		s += ", the last line had no end"
	}
	return s
}

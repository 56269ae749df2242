package pop3

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"mailretr/relay/wire"
)

// A multi reads the lines of one reply of many lines, behind its status line, up to the line that is a
// single dot (RFC 1939, 3). Only CRLF.CRLF ends it, and a dot is taken away only behind CRLF: bare CR and
// bare LF are text.
type multi struct {
	r     *bufio.Reader
	inner bool  // not at the start of a line
	cr    bool  // the last chunk ended with CR, and the line goes on
	ended bool  // the dot has come
	raw   int64 // octets on the line, stuffing included
}

// next returns the next line with its end, un-stuffed, or a piece of a line that does not fit into the
// buffer. It is valid until the next call. io.EOF means that the reply is whole; an end of the connection
// before that is io.ErrUnexpectedEOF.
func (m *multi) next() ([]byte, error) {
	if m.ended {
		return nil, io.EOF
	}
	b, err := m.r.ReadSlice('\n')
	m.raw += int64(len(b))
	if err != nil && err != bufio.ErrBufferFull {
		return nil, unexpected(err)
	}
	start, cr := !m.inner, m.cr
	m.inner = !(bytes.HasSuffix(b, []byte("\r\n")) || cr && len(b) == 1 && b[0] == '\n')
	m.cr = b[len(b)-1] == '\r'
	if start && b[0] == '.' {
		if len(b) == 3 && !m.inner {
			m.ended = true
			return nil, io.EOF
		}
		b = b[1:]
	}
	return b, nil
}

// line returns the next line without its end, which is CRLF or LF; one that is longer than [wire.MaxLine]
// breaks the limit of the protocol.
func (m *multi) line() ([]byte, error) {
	b, err := m.next()
	if err != nil {
		return nil, err
	}
	if len(b) == 0 || b[len(b)-1] != '\n' {
		return nil, &nonsense{"a line of a listing is longer than 4096 octets"}
	}
	return bytes.TrimSuffix(b[:len(b)-1], []byte("\r")), nil
}

// unexpected makes an end of the connection what it is here: never a good end.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return &wire.Error{Doing: "reading", Err: errEnded}
	}
	return err
}

var errEnded = cutShort{}

// cutShort is the end of the connection in the middle of something. It is io.ErrUnexpectedEOF, and never
// io.EOF.
type cutShort struct{}

func (cutShort) Error() string        { return "the server closed the connection" }
func (cutShort) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// nonsense is a reply that breaks the protocol or a limit.
type nonsense struct{ text string }

func nonsensef(format string, a ...any) error { return &nonsense{fmt.Sprintf(format, a...)} }

func (n *nonsense) Error() string  { return n.text }
func (n *nonsense) Protocol() bool { return true }

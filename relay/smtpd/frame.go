package smtpd

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// A frame tells where a message that comes by DATA ends. It ends with CRLF.CRLF and nowhere else, and has no
// other CR or LF: what follows a bare one is text to one server and a command to the next (CVE-2023-51764,
// -51765, -51766).
type frame struct {
	most   int  // octets of a line without its end
	length int  // of the line so far, without its end
	dot    bool // it begins with a dot
	cr     bool // it ended with CR so far
}

var (
	errBare = errors.New("a bare CR or LF")
	errLong = errors.New("a line is too long")
)

// add looks at the next piece of a message, which holds no LF but at its end; more says that the line goes
// on behind it. It says whether this was the last line.
func (f *frame) add(piece []byte, more bool) (last bool, err error) {
	body := piece
	if f.cr && body[0] != '\n' {
		return false, errBare
	}
	if !more {
		body = body[:len(body)-1]
		switch {
		case f.cr && len(body) > 0, !f.cr && !bytes.HasSuffix(body, crlf[:1]):
			return false, errBare
		case !f.cr:
			body = body[:len(body)-1]
		}
	}
	if f.cr = more && body[len(body)-1] == '\r'; f.cr {
		body = body[:len(body)-1]
	}
	if bytes.IndexByte(body, '\r') >= 0 {
		return false, errBare
	}
	if f.length == 0 {
		f.dot = len(body) > 0 && body[0] == '.'
	}
	if f.length += len(body); f.length > f.most {
		return false, errLong
	}
	if more {
		return false, nil
	}
	last = f.dot && f.length == 1
	f.length = 0
	return last, nil
}

// readData reads the next line of a message, or a piece of one that is very long.
func (d *door) readData() error {
	piece, err := d.br.ReadSlice('\n')
	more := errors.Is(err, bufio.ErrBufferFull)
	if err != nil && !more {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	last, err := d.frame.add(piece, more)
	d.came += int64(len(piece))
	switch {
	case errors.Is(err, errLong):
		d.cut("500 5.5.2 a line of the message is too long")
		return nil
	case err != nil:
		d.cut("550 5.6.0 the message has a bare CR or LF; see RFC 5321, 2.3.8")
		return nil
	case d.came > d.gen.limits.drain():
		d.cut("552 5.3.4 the message is too large")
		return nil
	}
	if d.rest = piece; last {
		d.data = false
	}
	return nil
}

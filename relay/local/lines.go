package local

import (
	"bytes"
	"io"
)

// lf is a writer that makes LF of CRLF. A CR that stands elsewhere stays.
type lf struct {
	to io.Writer
	cr bool // a CR has come, and is not written yet
	n  int64
}

// Write passes p on.
func (u *lf) Write(p []byte) (int, error) {
	out := make([]byte, 0, len(p)+1)
	for rest := p; len(rest) > 0; {
		if u.cr && rest[0] != '\n' {
			out = append(out, '\r')
		}
		i := bytes.IndexByte(rest, '\r')
		if u.cr = i >= 0; !u.cr {
			out = append(out, rest...)
			break
		}
		out, rest = append(out, rest[:i]...), rest[i+1:]
	}
	n, err := u.to.Write(out)
	u.n += int64(n)
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// end writes what was held back.
func (u *lf) end() error {
	if !u.cr {
		return nil
	}
	u.cr = false
	n, err := u.to.Write([]byte{'\r'})
	u.n += int64(n)
	return err
}

// crlf reads text with any line ends in the normal form of the queue: CRLF, no other CR or LF, a whole last line.
type crlf struct {
	r    io.Reader
	in   []byte
	out  []byte // made, and not yet handed out
	cr   bool   // the last octet was a CR, and what it means is not known yet
	open bool   // the last line has no end yet
	err  error
}

func newCRLF(r io.Reader) *crlf { return &crlf{r: r, in: make([]byte, 32<<10)} }

// Read hands out what is made.
func (c *crlf) Read(p []byte) (n int, err error) {
	for len(c.out) == 0 && c.err == nil {
		c.more()
	}
	if len(c.out) == 0 {
		return 0, c.err
	}
	n = copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

// more reads once.
func (c *crlf) more() {
	n, err := c.r.Read(c.in)
	out := make([]byte, 0, n+n/8+4)
	for rest := c.in[:n]; len(rest) > 0; {
		if c.cr && rest[0] != '\n' {
			out = append(out, ' ')
		}
		i := bytes.IndexAny(rest, "\r\n")
		if i < 0 {
			out, c.cr, c.open = append(out, rest...), false, true
			break
		}
		out = append(out, rest[:i]...)
		if c.cr, c.open = rest[i] == '\r', rest[i] == '\r'; !c.cr {
			out = append(out, "\r\n"...)
		}
		rest = rest[i+1:]
	}
	if err == io.EOF && c.cr {
		out = append(out, ' ')
	}
	if err == io.EOF && c.open {
		out = append(out, "\r\n"...)
	}
	c.out, c.err = out, err
}

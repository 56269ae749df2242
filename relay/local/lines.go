package local

import (
	"bufio"
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
	for _, c := range p {
		if u.cr && c != '\n' {
			out = append(out, '\r')
		}
		if u.cr = c == '\r'; !u.cr {
			out = append(out, c)
		}
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

// crlf reads text with any line ends in the normal form of the queue: CRLF, no other CR or LF, a whole last
// line.
type crlf struct {
	br   *bufio.Reader
	last byte
	lf   bool // a CR was handed out, its LF is due
}

func newCRLF(r io.Reader) *crlf { return &crlf{br: bufio.NewReaderSize(r, 32<<10), last: '\n'} }

// Read fills p.
func (c *crlf) Read(p []byte) (n int, err error) {
	for n < len(p) {
		b, err := c.next()
		if err != nil {
			if n > 0 && err == io.EOF {
				return n, nil
			}
			return n, err
		}
		p[n], n = b, n+1
	}
	return n, nil
}

func (c *crlf) next() (byte, error) {
	if c.lf {
		c.lf, c.last = false, '\n'
		return '\n', nil
	}
	b, err := c.br.ReadByte()
	switch {
	case err == io.EOF && c.last != '\n', err == nil && b == '\n':
		c.lf = true
		return '\r', nil
	case err != nil:
		return 0, err
	case b == '\r':
		if more, err := c.br.Peek(1); err == nil && more[0] == '\n' {
			c.br.Discard(1)
			c.lf = true
			return '\r', nil
		}
		b = ' '
	}
	c.last = b
	return b, nil
}

// headerLen is the length of the header section with its empty line; of all where there is none.
func headerLen(b []byte) int {
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return 2
	}
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return i + 4
	}
	return len(b)
}

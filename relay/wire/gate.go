package wire

import (
	"bufio"
	"bytes"
	"io"
)

// A Gate says what Read may hand out, so that a library's own buffer never holds what is meant for our
// reader, and what is bounded.
type Gate uint8

const (
	Open    Gate = iota // as it comes
	Lines               // at most one line per Read, with its LF, bounded by MaxLine (POP3 below go-pop3)
	IMAP                // logical lines bounded by 1 MiB; literals by 64 KiB, but for bodies in a FETCH
	Replies             // at most one line per Read; a reply bounded by 64 KiB; each Write begins anew
)

// maxReply bounds a reply of SMTP, in octets.
const maxReply = 64 << 10

// A gate is the state of a Gate: where in a line or reply the next octet is.
type gate struct {
	kind  Gate
	n     int    // octets so far of the line (Lines) or the reply (Replies)
	mid   bool   // Replies: in the middle of a line
	first bool   // Replies: the line is the first of its reply
	start []byte // Replies: the first four octets of the line
	code  [3]byte
	imap  logical
}

// Read flushes what was written if it has to wait, then reads as the gate says. At the end it returns io.EOF;
// other errors are *Error.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.replay) > 0 {
		n := copy(p, oneLine(c.replay, c.gate.kind))
		c.replay = c.replay[n:]
		return n, nil
	}
	if len(p) == 0 {
		return 0, nil
	}
	c.await()
	if _, err := c.br.Peek(1); err != nil {
		c.line.in.mode = rated
		return 0, err
	}
	b, _ := c.br.Peek(min(c.br.Buffered(), len(p)))
	if c.steps.Load() {
		b = oneLine(b, Lines)
	}
	b, err := c.pass(b)
	c.line.in.mode = rated
	if err != nil {
		return 0, err
	}
	n := copy(p, b)
	c.br.Discard(n)
	return n, nil
}

// oneLine cuts b behind its first line end where the gate hands out lines.
func oneLine(b []byte, g Gate) []byte {
	if g != Lines && g != Replies {
		return b
	}
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1]
	}
	return b
}

// await sets what the wait for the next octet is bounded by.
func (c *Conn) await() {
	g, in := &c.gate, &c.line.in
	switch {
	case g.kind == Open || c.data.Load() && g.kind != IMAP || g.imap.body():
		in.mode = rated
	case g.n == 0 && g.imap.n == 0:
		in.mode, in.left = quiet, c.line.reply
		in.anew.Store(true)
	default:
		in.mode = whole
	}
}

// pass returns the part of b that may be handed out, or an error if it breaks a limit.
func (c *Conn) pass(b []byte) ([]byte, error) {
	g := &c.gate
	switch g.kind {
	case Lines:
		b = oneLine(b, Lines)
		if g.n += len(b); g.n > MaxLine {
			return nil, foreign("a line is longer than %d octets", MaxLine)
		}
		if b[len(b)-1] == '\n' {
			g.n = 0
		}
	case Replies:
		b = oneLine(b, Replies)
		if err := g.reply(b); err != nil {
			return nil, err
		}
	case IMAP:
		if c.asked.Swap(false) {
			g.imap.total = 0
		}
		return b, g.imap.follow(b, c.trace.read)
	}
	c.trace.read(b)
	return b, nil
}

// reply follows a reply of SMTP (RFC 5321, 4.2.1): it ends at the first line with the code of its first line
// that is not followed by a hyphen. That is how net/textproto sees it, on which go-smtp is built.
func (g *gate) reply(b []byte) error {
	if !g.mid {
		g.first, g.start = g.n == 0, g.start[:0]
	}
	if g.n += len(b); g.n > maxReply {
		return foreign("a reply is longer than %d octets", maxReply)
	}
	g.start = append(g.start, b[:min(len(b), 4-len(g.start))]...)
	if g.mid = b[len(b)-1] != '\n'; g.mid || len(g.start) < 4 {
		return nil
	}
	if g.first {
		copy(g.code[:], g.start)
	}
	if g.start[3] == ' ' && bytes.Equal(g.start[:3], g.code[:]) {
		g.n = 0
	}
	return nil
}

// ReadLine flushes and returns one line without its CRLF (a bare LF ends it too), at most max octets with its
// end; a longer one is a *Error with Protocol. The slice is valid until the next read. The end of the
// connection is a *Error with io.EOF in its chain, io.ErrUnexpectedEOF in the middle of a line.
func (c *Conn) ReadLine(max int) ([]byte, error) {
	if len(c.replay) > 0 {
		b := oneLine(c.replay, Lines)
		c.replay = c.replay[len(b):]
		return chomp(b), nil
	}
	in := &c.line.in
	defer func() { in.mode = rated }()
	in.mode, in.left = quiet, c.line.reply
	if _, err := c.br.Peek(1); err != nil {
		return nil, ended(err, io.EOF)
	}
	in.mode = whole
	c.long = c.long[:0]
	for {
		b, err := c.br.ReadSlice('\n')
		if len(c.long)+len(b) > max {
			return nil, foreign("a line is longer than %d octets", max)
		}
		if err == nil && len(c.long) == 0 {
			c.trace.read(b)
			return chomp(b), nil
		}
		c.long = append(c.long, b...)
		switch {
		case err == nil:
			c.trace.read(c.long)
			return chomp(c.long), nil
		case err != bufio.ErrBufferFull:
			return nil, ended(err, io.ErrUnexpectedEOF)
		}
	}
}

func ended(err, eof error) error {
	if err == io.EOF {
		return &Error{Doing: "reading", Err: eof}
	}
	return err
}

func chomp(b []byte) []byte { return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r")) }

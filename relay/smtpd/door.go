package smtpd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

const (
	// maxCommand bounds a command line with its end, in octets; maxAuth one of a login (RFC 4954, 4.4).
	maxCommand = 4096
	maxAuth    = 12288
	// lingering is how much a client that was cut off may still send, so that it reads why.
	lingering = 256 << 10
)

// A door is the connection as the library sees it, in one layer of security: after STARTTLS there is a new
// one, and a new session of the library with it, so that nothing of the plain part can be remembered.
//
// Reading, it hands out one command line at a time, then, as the library asks for it by 354 or by letting
// BDAT pass, the octets of one message or chunk, and not one more. Writing, it gathers answers until it has
// to wait for the client, and knows what each of them answers. Not for concurrent use, but for stop.
type door struct {
	*client
	conn net.Conn // below: the raw one, or TLS
	br   *bufio.Reader

	rest  []byte // to be handed out before anything else is read
	data  bool   // octets of a message until the dot
	frame frame
	came  int64 // octets of it so far
	chunk int64 // octets of BDAT to come
	final bool  // it is the last chunk
	// transfer is when the message that comes by BDAT has begun; zero: none does.
	transfer time.Time

	verb    string // of the command that is being answered
	asking  bool   // the client answers a 334: its lines are no commands
	greeted bool   // the greeting has been sent, before TLS
	asked   string // the argument of HELO, EHLO or LHLO
	polite  bool   // it was not HELO
	out     []byte // answers that were not sent yet
	over    bool   // nothing more is read or written
	passed  bool   // the connection is another door's now
}

func newDoor(c *client, conn net.Conn) *door {
	d := &door{client: c, conn: conn}
	d.br = bufio.NewReaderSize(source{d}, maxAuth+maxCommand)
	return d
}

// Read hands out what the library may see.
func (d *door) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		var err error
		switch {
		case d.over:
			return 0, io.EOF
		case d.chunk > 0:
			n, err := d.br.Read(p[:min(int64(len(p)), d.chunk)])
			d.chunk -= int64(n)
			return n, d.ended(err)
		case d.data:
			err = d.readData()
		default:
			err = d.readCommand()
		}
		if err != nil {
			return 0, d.ended(err)
		}
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// ended says to the library why reading has ended. A client that is to be told of a stop is told here.
func (d *door) ended(err error) error {
	if errors.Is(err, errStopping) {
		d.cut("421 4.3.2 %s is going down, come again", d.gen.Hostname)
		return io.EOF
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && !d.over {
		d.cut("421 4.4.2 %s has waited long enough", d.gen.Hostname)
		return io.EOF
	}
	if err == nil {
		return nil
	}
	d.over = true
	if d.data || d.chunk > 0 {
		return io.ErrUnexpectedEOF
	}
	return io.EOF // the library would tell of anything else, and clients go in many ways
}

// source is what br reads from. It sends the answers before it waits.
type source struct{ *door }

func (s source) Read(p []byte) (int, error) {
	if err := s.flush(); err != nil {
		return 0, err
	}
	busy := s.data || !s.transfer.IsZero()
	if err := s.wait(busy); err != nil {
		return 0, err
	}
	n, err := s.conn.Read(p)
	if err != nil && !busy && s.stopped() {
		err = errStopping
	}
	return n, err
}

// readCommand reads a line and answers it, or leaves it for the library.
func (d *door) readCommand() error {
	if d.transfer.IsZero() {
		d.patience(time.Now().Add(d.gen.limits.Command))
	}
	line, err := d.br.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull), err == nil && len(line) > maxAuth,
		err == nil && len(line) > maxCommand && !d.asking && !foldPrefix(line, "AUTH "):
		d.cut("500 5.5.2 line too long")
		return nil
	case err != nil:
		return err
	}
	text := bytes.TrimSuffix(line, crlf)
	if len(text) == len(line) || bytes.IndexByte(text, '\r') >= 0 {
		d.cut("500 5.5.2 a line that does not end with CRLF; see RFC 5321, 2.3.8")
		return nil
	}
	if d.asking {
		d.rest = line
		return nil
	}
	return d.command(line, string(text))
}

// cut says a last word and ends the connection.
func (d *door) cut(format string, args ...any) {
	if d.over {
		return
	}
	d.say(format, args...)
	d.over = true
	d.srv.refused.Add(1)
	if d.flush() == nil {
		d.linger()
	}
}

// linger lets a client that is still sending read its answer: closing at once would reset the connection.
func (d *door) linger() {
	half, ok := d.raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	// Whatever happens now, the connection ends.
	_ = d.raw.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, _ = io.CopyN(io.Discard, d.raw, lingering)
}

// say answers the client.
func (d *door) say(format string, args ...any) {
	d.out = fmt.Appendf(d.out, format+"\r\n", args...)
}

// refuse answers a command that the library is not shown.
func (d *door) refuse(format string, args ...any) {
	d.say(format, args...)
	d.wrong()
}

// wrong counts what was refused.
func (d *door) wrong() {
	if d.errors++; d.errors >= d.gen.limits.Errors {
		d.cut("421 4.7.0 too many errors")
	}
}

// flush sends what was gathered.
func (d *door) flush() error {
	if len(d.out) == 0 {
		return nil
	}
	if err := d.conn.SetWriteDeadline(time.Now().Add(d.gen.limits.Command)); err != nil {
		return err
	}
	_, err := d.conn.Write(d.out)
	d.out = d.out[:0]
	return err
}

// Close is what the library calls in the end.
func (d *door) Close() error {
	if d.passed {
		return nil
	}
	// What cannot be sent any more is nobody's: the client has gone.
	_ = d.flush()
	d.over = true
	return d.client.close()
}

// startTLS shakes hands and passes the connection on. Octets that came with the command are those of whoever
// stands between us and the client (CVE-2011-0411).
func (d *door) startTLS() {
	if d.br.Buffered() > 0 {
		d.cut("554 5.5.1 commands may not follow STARTTLS before the handshake")
		return
	}
	d.say("220 2.0.0 go ahead")
	if d.flush() != nil {
		d.over = true
		return
	}
	ctx, cancel := context.WithTimeout(d.ctx, d.gen.limits.handshake())
	defer cancel()
	t := tls.Server(d.conn, d.gen.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		d.over = true
		d.remark("the handshake failed", err)
		return
	}
	d.over, d.passed = true, true
	d.client.secure(t)
	next := newDoor(d.client, t)
	next.greeted = true
	if !d.gen.inner.give(next) {
		next.Close()
	}
}

// handshake bounds a handshake: nobody needs longer than half a minute.
func (l *Limits) handshake() time.Duration { return min(l.Command, 30*time.Second) }

// The deadlines of the library are swallowed: theirs are absolute for a whole message.

// SetDeadline does nothing.
func (d *door) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (d *door) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (d *door) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr is that of the connection.
func (d *door) LocalAddr() net.Addr { return d.raw.LocalAddr() }

// RemoteAddr is that of the connection.
func (d *door) RemoteAddr() net.Addr { return d.raw.RemoteAddr() }

var crlf = []byte("\r\n")

func foldPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && strings.EqualFold(string(b[:len(prefix)]), prefix)
}

package pop3

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"

	library "github.com/knadh/go-pop3"

	"mailretr/relay/wire"
)

// A link is a connection to a server: commands out, status lines in. Not for concurrent use.
type link struct {
	conn *wire.Conn
	lib  *library.Conn // for everything whose reply is one line
	tap  *tap
}

// A tap lies between the library and our connection. It keeps the status line, because the library takes an
// empty line for success and cannot tell a refusal from a broken line.
type tap struct {
	*wire.Conn
	line []byte
}

// Read passes one line on, or a piece of one, as the gate of the connection gives it.
func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.line = append(t.line, p[:n]...)
	return n, err
}

// Dial hands the library the connection that is already there.
func (t *tap) Dial(string, string) (net.Conn, error) { return t, nil }

// newLink gives the connection to the library. greeting is the line that was read already; the library
// wants to see it.
func newLink(conn *wire.Conn, greeting []byte) (*link, error) {
	t := &tap{Conn: conn}
	conn.Gate(wire.Lines)
	conn.Replay(append(bytes.Clone(greeting), "\r\n"...))
	c, err := library.New(library.Opt{Host: "maildrop", Port: 110, Dialer: t}).NewConn()
	if err != nil {
		return nil, err
	}
	return &link{conn: conn, lib: c, tap: t}, nil
}

// send writes a command; it leaves when a reply is waited for, or with flush.
func (l *link) send(command string) error { return l.lib.Send(command) }

// secret is send for a command that no trace may show.
func (l *link) secret(command string) error {
	l.conn.Mask(true)
	defer l.conn.Mask(false)
	return l.lib.Send(command)
}

// A status is the first line of a reply.
type status struct {
	ok   bool
	more bool   // "+": the server waits for the rest of AUTH
	text string // behind the indicator
	size int    // octets, with the line end
}

// status reads a status line. Errors are those of the line, or nonsense: what became of the command is
// unknown then.
func (l *link) status() (status, error) {
	l.tap.line = l.tap.line[:0]
	_, err := l.lib.ReadOne()
	line := l.tap.line
	if !bytes.HasSuffix(line, []byte("\n")) {
		if err == nil {
			err = errors.New("no line came")
		}
		return status{}, unexpected(err)
	}
	return parseStatus(line)
}

func parseStatus(line []byte) (status, error) {
	s := status{size: len(line)}
	text := string(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")))
	word, rest, _ := strings.Cut(text, " ")
	s.text = rest
	switch word {
	case "+OK":
		s.ok = true
	case "+":
		s.more = true
	case "-ERR":
	default:
		return s, &nonsense{"neither +OK nor -ERR: " + text}
	}
	return s, nil
}

// multi begins to read the lines behind a status line.
func (l *link) multi() *multi { return &multi{r: l.conn.Reader()} }

// watch aborts the connection when ctx ends, until stop is called.
func (l *link) watch(ctx context.Context) (stop func()) { return l.conn.Watch(ctx) }

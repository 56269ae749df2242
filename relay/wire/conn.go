package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"time"
)

// A Gate says what Read may hand out, so that a library's own buffer never holds what is meant for our reader, and
// what is bounded.
type Gate uint8

const (
	Open    Gate = iota // as it comes
	Lines               // at most one line per Read, up to and including LF; a line is bounded by MaxLine (POP3 below go-pop3)
	IMAP                // logical lines bounded by 1 MiB, literals other than of FETCH by 64 KiB
	Replies             // a whole reply of SMTP bounded by 64 KiB; begins anew with each Write
)

// MaxLine bounds a status line or a line of a listing, in octets with its end.
const MaxLine = 4096

// A Conn is a connection with deadlines, counts, limits and a trace. It is a net.Conn whose SetDeadline methods do
// nothing. Writes are gathered: they leave with the next Read (or Flush), as one segment and one TLS record. Reading
// and writing by two goroutines at once is allowed, two readers or two writers are not.
type Conn struct{}

// Dial looks up, connects, and secures the connection if the mode is Implicit. Errors are *Error.
func Dial(ctx context.Context, o Options) (*Conn, error) { panic("to be written") }

// New wraps a connection that is already there, for tests. With Implicit it shakes hands first.
func New(ctx context.Context, raw net.Conn, o Options) (*Conn, error) { panic("to be written") }

// StartTLS flushes, refuses if any octet is buffered behind the server's go-ahead (response injection, CVE-2011-0411),
// and shakes hands. What was learned in plain text is void afterwards: ask for the capabilities again.
func (c *Conn) StartTLS(ctx context.Context) error { panic("to be written") }

// State returns the TLS state; ok is false on a plain connection.
func (c *Conn) State() (s tls.ConnectionState, ok bool) { panic("to be written") }

// Secure says whether octets are encrypted.
func (c *Conn) Secure() bool { panic("to be written") }

// Gate sets what Read hands out from now on.
func (c *Conn) Gate(g Gate) { panic("to be written") }

// Replay makes the next Reads hand out these octets before anything from the network, e.g. a greeting that was
// read by us and that a library expects. Not counted again.
func (c *Conn) Replay(b []byte) { panic("to be written") }

// ReadLine flushes and returns one line without its CRLF (a bare LF ends it too), at most max octets with its end; a
// longer one is a *Error with Protocol. The slice is valid until the next read.
func (c *Conn) ReadLine(max int) ([]byte, error) { panic("to be written") }

// Reader returns the one buffer that all reads share; reading from it directly passes by the gate and its limits, but
// deadlines and counts hold. The caller flushes first.
func (c *Conn) Reader() *bufio.Reader { panic("to be written") }

// Read flushes what was written, then reads as the gate says.
func (c *Conn) Read(p []byte) (int, error) { panic("to be written") }

// Write gathers p; more than 32 KiB leave at once.
func (c *Conn) Write(p []byte) (int, error) { panic("to be written") }

// Flush sends what was gathered.
func (c *Conn) Flush() error { panic("to be written") }

// Mask keeps what is written from the trace until it is called with false: "***" stands there instead.
func (c *Conn) Mask(on bool) { panic("to be written") }

// Data says that what follows is message octets (true) or commands again (false), in both directions: the trace counts
// instead of showing, and a minimum rate is watched instead of the time of a reply.
func (c *Conn) Data(on bool) { panic("to be written") }

// SetIdle changes the idle time-out of the steps that follow (SMTP: 10 minutes after the final dot).
func (c *Conn) SetIdle(d time.Duration) { panic("to be written") }

// Watch aborts the connection when ctx ends. stop ends the watching; call it when the step is over.
func (c *Conn) Watch(ctx context.Context) (stop func()) { panic("to be written") }

// Abort closes the raw connection at once, without a TLS alert or a flush; reads and writes under way return, with
// err in their chain where it is not nil. Safe from any goroutine.
func (c *Conn) Abort(err error) { panic("to be written") }

// Close flushes nothing and closes the raw connection. Idempotent.
func (c *Conn) Close() error { panic("to be written") }

// Alive says nil if the peer has neither closed the connection nor sent anything unasked: a peek at the socket, no round
// trip (NOOP makes Exim drop a client at the eleventh). Where the socket cannot be peeked at, nil.
func (c *Conn) Alive() error { panic("to be written") }

// Octets returns what crossed the line so far, below TLS.
func (c *Conn) Octets() (up, down int64) { panic("to be written") }

// The net.Conn methods. The deadlines of libraries are swallowed.

func (c *Conn) LocalAddr() net.Addr              { panic("to be written") }
func (c *Conn) RemoteAddr() net.Addr             { panic("to be written") }
func (c *Conn) SetDeadline(time.Time) error      { return nil }
func (c *Conn) SetReadDeadline(time.Time) error  { return nil }
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

package mail

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Kind is the class of a trouble in collecting; it decides when the maildrop is tried again (fetch/poller.go).
type Kind uint8

const (
	Unreachable Kind = iota // DNS, refused, time-out, reset, cut without progress: the zero value, retried with back-off
	Insecure                // certificate, handshake, STARTTLS missing, PREAUTH, injected octets
	Auth                    // the login was refused
	Busy                    // in use, login delay, temporary: as the server asks
	Protocol                // nonsense, a limit exceeded
	NoEnvelope              // multi-drop: no recipient can be found; stays in the maildrop
	NoRecipient             // the MTA refuses the configured recipient
	Local                   // disk reserve, queue limit, configuration
	Spent                   // a budget of the line is spent: as it says itself when it goes on
)

var kinds = [...]string{"unreachable", "tls", "auth", "busy", "protocol", "envelope", "recipient", "local",
	"budget"}

// String returns the word used in logs and status.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return "unknown"
}

// A Trouble says what went wrong with a maildrop, for its owner: what was being done, which class it is, and what
// the server said. It is an error; a cause that is no reply of the server is wrapped.
type Trouble struct {
	Op     Op
	Kind   Kind
	Server string        // "mail.isp.example:995"
	Reply  string        // the server's own words as they came, not yet escaped; "" where it said nothing
	After  time.Duration // the server asks to wait this long (LOGIN-DELAY), or the budget does; 0: nothing asked
	Hint   string        // what the owner can do, a sentence; "" where we know none
	Alone  bool          // it concerns one message only: the session goes on with the next
	Err    error
}

// Error says it in one line, escaped and bounded.
func (t *Trouble) Error() string {
	cause := ""
	if t.Err != nil {
		cause = Printable(t.Err.Error(), 512)
	}
	says := strings.Contains(cause, t.Server) || strings.HasPrefix(cause, "looking up "+host(t.Server)+":")
	if t.Reply == "" && t.Server != "" && says {
		return cause // it says itself what was done, and where
	}
	var b strings.Builder
	b.WriteString(t.Op.Doing())
	if t.Server != "" {
		fmt.Fprintf(&b, " at %s", Printable(t.Server, 256))
	}
	switch {
	case t.Reply != "":
		fmt.Fprintf(&b, ": server said: %s", Printable(t.Reply, 512))
	case cause != "":
		fmt.Fprintf(&b, ": %s", cause)
	}
	return b.String()
}

// host is a server without its port.
func host(server string) string {
	if i := strings.LastIndexByte(server, ':'); i > 0 {
		return server[:i]
	}
	return server
}

// Unwrap returns the cause.
func (t *Trouble) Unwrap() error { return t.Err }

// TroubleOf returns the *Trouble in err, or makes one: Insecure if something in the chain says so by a method
// TLS() bool, Protocol by a method Protocol() bool, Local by a method Local() bool, else Unreachable. A nil err gives nil.
func TroubleOf(op Op, server string, err error) *Trouble {
	if err == nil {
		return nil
	}
	var t *Trouble
	if errors.As(err, &t) {
		return t
	}
	t = &Trouble{Op: op, Server: server, Err: err}
	var insecure interface{ TLS() bool }
	var nonsense interface{ Protocol() bool }
	var here interface{ Local() bool }
	switch {
	case errors.As(err, &insecure) && insecure.TLS():
		t.Kind = Insecure
	case errors.As(err, &nonsense) && nonsense.Protocol():
		t.Kind = Protocol
	case errors.As(err, &here) && here.Local():
		t.Kind = Local
	}
	return t
}

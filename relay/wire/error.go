package wire

import (
	"errors"
	"fmt"
	"net"
)

// An Error says what the connection was doing when it failed. It answers TLS(), Protocol() and Local(), which
// store/mail asks for to tell a trouble's kind. It is a net.Error.
type Error struct {
	Doing   string // "looking up mail.isp.example", "connecting to …", "securing …", "reading", "writing"
	Secure  bool   // the failure is one of TLS: certificate, handshake, octets before it
	Foreign bool   // the peer broke the protocol or a limit
	Err     error
}

// Error returns "doing: cause".
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Doing, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// TLS says whether security is what failed.
func (e *Error) TLS() bool { return e.Secure }

// Protocol says whether the peer broke the rules.
func (e *Error) Protocol() bool { return e.Foreign }

// Local says whether it is we who refuse.
func (e *Error) Local() bool { return errors.Is(e.Err, ErrDenied) }

// Timeout says whether a time limit is what failed.
func (e *Error) Timeout() bool {
	var t net.Error
	return errors.As(e.Err, &t) && t.Timeout()
}

// Temporary is false: a connection that failed is over.
func (e *Error) Temporary() bool { return false }

// foreign makes the error of a peer that broke a rule.
func foreign(format string, a ...any) error {
	return &Error{Doing: "reading", Foreign: true, Err: fmt.Errorf(format, a...)}
}

// ours is a failure of what we were told to reach the server by: it says nothing of the server.
type ours struct {
	what string // "proxy", "preconnect", "dial": the key of the configuration
	err  error
}

func (o *ours) Error() string { return o.err.Error() }
func (o *ours) Unwrap() error { return o.err }

// Wrong says it to people.
func (o *ours) Wrong() string {
	if o.what == "proxy" {
		return "The proxy does not connect us with the server."
	}
	return "The command of " + o.what + ": fails."
}

// Advice says what can be done.
func (o *ours) Advice() string {
	const on = "It is tried again by itself, and nothing is lost. If it lasts, "
	if o.what == "proxy" {
		return on + "check address, user and password of proxy: in the configuration, and the line."
	}
	return on + "run the command of " + o.what + ": by hand, as the user that runs mailretr."
}

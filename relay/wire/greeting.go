package wire

import (
	"bytes"
	"errors"
	"os"
)

// openings are how servers begin to speak.
var openings = []struct{ begins, protocol string }{
	{"* OK", "IMAP"}, {"* PREAUTH", "IMAP"}, {"* BYE", "IMAP"}, // RFC 9051, 7.1
	{"+OK", "POP3"}, {"-ERR", "POP3"}, // RFC 1939, 4
	{"220 ", "SMTP"}, {"220-", "SMTP"}, {"421 ", "SMTP"}, {"554 ", "SMTP"}, // RFC 5321, 4.3.1
	{"SSH-", "SSH"}, {"HTTP/", "HTTP"},
}

// Greeter says of which protocol a greeting is; "" where it is of none that is known.
func Greeter(line []byte) string {
	for _, o := range openings {
		if len(line) >= len(o.begins) && bytes.EqualFold(line[:len(o.begins)], []byte(o.begins)) {
			return o.protocol
		}
	}
	return ""
}

// WrongPort is the hint for a server that did not greet as one of the wanted protocol (IMAP or POP3); ""
// where it is one.
func WrongPort(wanted string, line []byte) string {
	scheme := map[string]string{"IMAP": "imap:// or imaps://", "POP3": "pop3:// or pop3s://"}
	ports := map[string]string{"IMAP": "143, or 993 for imaps", "POP3": "110, or 995 for pop3s"}
	switch is := Greeter(line); is {
	case wanted:
		return ""
	case "IMAP", "POP3":
		return "This is the port of " + is + ": write " + scheme[is] + " in the url, or the port of " + wanted +
			" (" + ports[wanted] + ")."
	}
	return "Check host and port in the url: " + wanted + " is on port " + ports[wanted] + "."
}

// Silent is the hint for a server that gave no greeting in time, on a connection that does not begin with
// TLS.
func (c *Conn) Silent(err error) string {
	if c.opts.TLS.Mode == Implicit || !errors.Is(err, os.ErrDeadlineExceeded) {
		return ""
	}
	return "The server says nothing: a port for TLS from the first octet (993, 995) waits for us. " +
		"If it is one, write imaps:// or pop3s:// in the url."
}

package fetchtest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"mailretr/store/mail"
)

// Port tests what people are told who take a wrong port, or whose server cannot be reached. open opens a session
// at mail.example:99 through dial, in plain text where plain says so, and returns its error.
type Port struct {
	Protocol string // "IMAP" or "POP3"
	Other    string // the other one
	Greets   string // how a server of the other one greets
	Open     func(ctx context.Context, plain bool, dial DialFunc) error
}

// greeted opens a session with a server that says one line, and returns the trouble.
func (p Port) greeted(t *testing.T, line string) *mail.Trouble {
	t.Helper()
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go func() {
		io.WriteString(theirs, line)
		io.Copy(io.Discard, theirs)
	}()
	err := p.Open(t.Context(), true, func(context.Context, string, string) (net.Conn, error) { return ours, nil })
	var trouble *mail.Trouble
	if !errors.As(err, &trouble) {
		t.Fatalf("%q: %v", line, err)
	}
	return trouble
}

// Banners: who takes a wrong port is told which one it is, and sees nothing of what a foreign service says.
func (p Port) Banners(t *testing.T) {
	other := strings.ToLower(p.Other)
	for line, x := range map[string]struct{ says, hint string }{
		p.Greets: {"no " + p.Protocol + " server but one of " + p.Other + " answers",
			"This is the port of " + p.Other + ": write " + other + ":// or " + other + "s:// in the url"},
		"220 mx.isp.example ESMTP secret-build-7": {
			"no " + p.Protocol + " server but one of SMTP answers", p.Protocol + " is on port"},
		"SSH-2.0-OpenSSH_9.2p1 secret-build-7":                {"one of SSH answers", "Check host and port"},
		"HTTP/1.1 400 Bad Request secret-build-7":             {"one of HTTP answers", "Check host and port"},
		"\x1b[2JWelcome to the vault, here is secret-build-7": {"Welcome to the", "Check host and port"},
	} {
		e := p.greeted(t, line+"\r\n")
		if e.Kind != mail.Protocol || !strings.Contains(e.Error(), x.says) || !strings.Contains(e.Hint, x.hint) {
			t.Errorf("%q: %v; %s", line, e, e.Hint)
		}
		if s := e.Error(); strings.Contains(s, "secret") || strings.Contains(s, "\x1b") || e.Reply != "" {
			t.Errorf("%q: %s", line, s)
		}
	}
}

// Silent: a port on which the server waits for us is told from a line that is dead.
func (p Port) Silent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := p.greeted(t, "")
		if !errors.Is(e, os.ErrDeadlineExceeded) || !strings.Contains(e.Hint, "waits for us") {
			t.Errorf("%v; %s", e, e.Hint)
		}
	})
}

// Unreachable: what was done is said once.
func (p Port) Unreachable(t *testing.T) {
	for want, err := range map[string]error{
		"looking up mail.example: no such host": &net.OpError{Op: "dial", Net: "tcp",
			Err: &net.DNSError{Name: "mail.example", Server: "192.0.2.1:53", Err: "no such host", IsNotFound: true}},
		"connecting to mail.example:99: connection refused": &net.OpError{Op: "dial", Net: "tcp",
			Err: os.NewSyscallError("connect", errors.New("connection refused"))},
	} {
		e := p.Open(t.Context(), false, func(context.Context, string, string) (net.Conn, error) { return nil, err })
		if e == nil || e.Error() != want || !errors.Is(e, err) {
			t.Errorf("%v, want %s", e, want)
		}
	}
}

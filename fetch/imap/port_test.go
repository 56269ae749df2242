package imap

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// greeted opens a session with a server that says one line, and returns the trouble.
func greeted(t *testing.T, line string) *mail.Trouble {
	t.Helper()
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go func() {
		io.WriteString(theirs, line)
		io.Copy(io.Discard, theirs)
	}()
	_, err := (&Retriever{Options: Options{
		User: "jaco", Password: func(context.Context) (string, error) { return "canary", nil },
		Dial: wire.Options{Address: "mail.example:99", TLS: wire.TLS{Mode: wire.Plain},
			DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }},
	}}).Open(t.Context())
	var trouble *mail.Trouble
	if !errors.As(err, &trouble) {
		t.Fatalf("%q: %v", line, err)
	}
	return trouble
}

// Who takes a wrong port is told which one it is, and sees nothing of what a foreign service says.
func TestH7_BannersOfOthers(t *testing.T) {
	for line, x := range map[string]struct{ says, hint string }{
		"+OK Dovecot ready.": {
			"no IMAP server but one of POP3 answers", "This is the port of POP3: write pop3:// or pop3s:// in the url"},
		"220 mx.isp.example ESMTP secret-build-7":             {"no IMAP server but one of SMTP answers", "IMAP is on port"},
		"SSH-2.0-OpenSSH_9.2p1 secret-build-7":                {"one of SSH answers", "Check host and port"},
		"HTTP/1.1 400 Bad Request secret-build-7":             {"one of HTTP answers", "Check host and port"},
		"\x1b[2JWelcome to the vault, here is secret-build-7": {"Welcome to the", "Check host and port"},
	} {
		e := greeted(t, line+"\r\n")
		if e.Kind != mail.Protocol || !strings.Contains(e.Error(), x.says) || !strings.Contains(e.Hint, x.hint) {
			t.Errorf("%q: %v; %s", line, e, e.Hint)
		}
		if s := e.Error(); strings.Contains(s, "secret") || strings.Contains(s, "\x1b") || e.Reply != "" {
			t.Errorf("%q: %s", line, s)
		}
	}
}

func TestSilentPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := greeted(t, "")
		if !errors.Is(e, os.ErrDeadlineExceeded) || !strings.Contains(e.Hint, "waits for us") {
			t.Errorf("%v; %s", e, e.Hint)
		}
	})
}

// What was done is said once.
func TestUnreachableIsSaidOnce(t *testing.T) {
	for want, err := range map[string]error{
		"looking up mail.example: no such host": &net.OpError{Op: "dial", Net: "tcp",
			Err: &net.DNSError{Name: "mail.example", Server: "192.0.2.1:53", Err: "no such host", IsNotFound: true}},
		"connecting to mail.example:99: connection refused": &net.OpError{Op: "dial", Net: "tcp",
			Err: os.NewSyscallError("connect", errors.New("connection refused"))},
	} {
		_, e := (&Retriever{Options: Options{
			User: "jaco", Password: func(context.Context) (string, error) { return "canary", nil },
			Dial: wire.Options{Address: "mail.example:99",
				DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }},
		}}).Open(t.Context())
		if e == nil || e.Error() != want || !errors.Is(e, err) {
			t.Errorf("%v, want %s", e, want)
		}
	}
}

// A server that sends elsewhere (RFC 2221) is not followed: who it names was not chosen by us.
func TestH7_ReferralsAreNotFollowed(t *testing.T) {
	dialled := 0
	for _, line := range []string{"* BYE [REFERRAL imap://127.0.0.1/] moved", "* OK [REFERRAL imap://127.0.0.1/] hello"} {
		dialled = 0
		_, err := (&Retriever{Options: Options{
			User: "jaco", Password: func(context.Context) (string, error) { return "canary", nil },
			Dial: wire.Options{Address: "mail.example:143", TLS: wire.TLS{Mode: wire.Plain},
				DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
					if dialled++; address != "mail.example:143" {
						t.Errorf("%s was dialled", address)
					}
					ours, theirs := net.Pipe()
					go func() {
						defer theirs.Close()
						io.WriteString(theirs, line+"\r\n")
						r := bufio.NewReader(theirs)
						for {
							s, err := r.ReadString('\n')
							if err != nil {
								return
							}
							tag, _, _ := strings.Cut(s, " ")
							io.WriteString(theirs, tag+" NO [REFERRAL imap://jaco@127.0.0.1/] moved\r\n")
						}
					}()
					return ours, nil
				}},
		}}).Open(t.Context())
		if err == nil || dialled != 1 {
			t.Errorf("%q: %v, dialled %d times", line, err, dialled)
		}
	}
}

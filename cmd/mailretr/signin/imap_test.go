package signin

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"strings"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"mailretr/relay/relaytest"
	"mailretr/relay/wire"
)

// imapServer is the library's own, with one user.
func imapServer(t *testing.T, conf *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mem := imapmemserver.New()
	mem.AddUser(imapmemserver.NewUser("jaco", "secret-canary"))
	mem.AddUser(imapmemserver.NewUser("Gert@kroon.co.za", "secret-canary"))
	srv := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return mem.NewSession(), nil, nil
		},
		Caps: goimap.CapSet{goimap.CapIMAP4rev1: {}}, TLSConfig: conf, InsecureAuth: conf == nil, Logger: log.New(io.Discard, "", 0),
	})
	ended := make(chan error)
	go func() { ended <- srv.Serve(l) }()
	t.Cleanup(func() { l.Close(); srv.Close(); <-ended })
	return l.Addr().String()
}

// scripted answers one connection with a greeting and then each line with what say says.
func scripted(t *testing.T, greeting string, say func(line string) string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, greeting)
			lines := bufio.NewScanner(c)
			for lines.Scan() {
				tag, rest, _ := strings.Cut(lines.Text(), " ")
				io.WriteString(c, strings.ReplaceAll(say(rest), "TAG", tag))
			}
			c.Close()
		}
	}()
	return l.Addr().String()
}

// TestIMAP: who can log in at the server comes in, by STARTTLS and without, and nobody else.
func TestIMAP(t *testing.T) {
	roots, conf := relaytest.Certificate(t, "mail.test")
	for name, dial := range map[string]wire.Options{
		"plain":    {Address: imapServer(t, nil), TLS: wire.TLS{Mode: wire.Plain}},
		"starttls": {Address: imapServer(t, conf), TLS: wire.TLS{Roots: roots, Name: "mail.test"}},
	} {
		t.Run(name, func(t *testing.T) {
			i := &IMAP{Dial: dial, Domains: []string{"kroon.co.za", "example.org"}}
			who, err := i.Check(t.Context(), "jaco", "secret-canary")
			if err != nil || who.Name != "jaco@kroon.co.za" || who.Owners[0] != who.Name || who.Admin {
				t.Errorf("%+v %v", who, err)
			}
			who, err = i.Check(t.Context(), "Gert@kroon.co.za", "secret-canary")
			if err != nil || who.Name != "gert@kroon.co.za" {
				t.Errorf("%+v %v", who, err)
			}
			for _, x := range [][2]string{{"jaco", "wrong"}, {"nobody", "secret-canary"}, {"Gert@evil.example", "secret-canary"},
				{`ja"co\`, `"\`}, {"jaco", "päss"}} {
				_, err := i.Check(t.Context(), x[0], x[1])
				if !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "canary") {
					t.Errorf("%q: %v", x, err)
				}
			}
		})
	}
}

// TestIMAPAway: a server that is not there, is another, hangs, or cannot say now, refuses nobody; no text has the password.
func TestIMAPAway(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	caps := func(line string) string {
		if strings.HasPrefix(line, "CAPABILITY") {
			return "* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n"
		}
		return "TAG NO [UNAVAILABLE] later, " + line + "\r\n"
	}
	for name, address := range map[string]string{
		"closed":  closed.Addr().String(),
		"other":   scripted(t, "220 mail ESMTP\r\n", nil),
		"preauth": scripted(t, "* PREAUTH welcome\r\n", caps),
		"away":    scripted(t, "* OK hi\r\n", caps),
		"bye":     scripted(t, "* BYE too many\r\n", caps),
		"long":    scripted(t, "* OK "+strings.Repeat("x", 1<<20)+"\r\n", caps),
		"nothing": scripted(t, "* OK hi\r\n", func(string) string { return "* CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=GSSAPI\r\nTAG OK x\r\n" }),
	} {
		i := &IMAP{Dial: wire.Options{Address: address, TLS: wire.TLS{Mode: wire.Plain}}}
		_, err := i.Check(t.Context(), "jaco", "secret-canary")
		if !errors.Is(err, ErrAway) || errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	silent := scripted(t, "", func(string) string { return "" })
	began := time.Now()
	i := &IMAP{Dial: wire.Options{Address: silent, TLS: wire.TLS{Mode: wire.Plain}}}
	ctx, cancel := withTimeout(t, 50*time.Millisecond)
	defer cancel()
	if _, err := i.Check(ctx, "jaco", "x"); !errors.Is(err, ErrAway) || time.Since(began) > 3*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

// TestIMAPNoClearText: where TLS is wanted, a server without it sees no password.
func TestIMAPNoClearText(t *testing.T) {
	var heard []string
	address := scripted(t, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n", func(line string) string {
		heard = append(heard, line)
		return "TAG BAD what\r\n"
	})
	i := &IMAP{Dial: wire.Options{Address: address}}
	_, err := i.Check(t.Context(), "jaco", "secret-canary")
	if !errors.Is(err, ErrAway) || strings.Contains(strings.Join(heard, "\n"), "canary") {
		t.Errorf("%v, heard %q", err, heard)
	}
}

package imapconn

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// command reads one with its literals. It asks for each that wants to be asked for, once it is sure that nothing comes
// before; asks says how often.
func command(t *testing.T, c net.Conn, r *bufio.Reader) (text string, asks int) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Errorf("after %q: %v", text, err)
			return text, asks
		}
		text += line
		i := strings.LastIndexByte(line, '{')
		if i < 0 || !strings.HasSuffix(line, "}\r\n") {
			return text, asks
		}
		var size int
		if fmt.Sscanf(line[i:], "{%d", &size); !strings.Contains(line[i:], "+") {
			c.SetReadDeadline(time.Now().Add(time.Second))
			if b, err := r.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%q, %v came before it was asked for", b, err)
			}
			c.SetReadDeadline(time.Time{})
			asks++
			io.WriteString(c, "+ go on\r\n")
		}
		octets := make([]byte, size)
		io.ReadFull(r, octets)
		text += string(octets)
	}
}

// What a quoted string may not carry goes to LOGIN as a literal: at once where the server takes it so, else when it asks.
func TestLoginWithLiterals(t *testing.T) {
	for _, x := range []struct {
		caps, user, password string
		want                 string
		asks                 int
	}{
		{"", "jaco", `se"cr\et`, `LOGIN "jaco" "se\"cr\\et"`, 0},
		{"LITERAL+", "jaco", "secret", `LOGIN "jaco" "secret"`, 0},
		{"LITERAL+", "jaco", "grün", "LOGIN \"jaco\" {5+}\r\ngrün", 0},
		{"LITERAL-", "jaco", "grün", "LOGIN \"jaco\" {5+}\r\ngrün", 0},
		{"literal+", "müller", "grün", "LOGIN {7+}\r\nmüller {5+}\r\ngrün", 0},
		{"", "jaco", "grün", "LOGIN \"jaco\" {5}\r\ngrün", 1},
		{"", "müller", "secret", "LOGIN {7}\r\nmüller \"secret\"", 1},
		{"", "müller", "grün", "LOGIN {7}\r\nmüller {5}\r\ngrün", 2},
		{"XLITERAL+", "jaco", "a\x7fb\xff", "LOGIN \"jaco\" {4}\r\na\x7fb\xff", 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			got, asks := "", 0
			err := login(t, x.caps, x.user, x.password, func(c net.Conn, r *bufio.Reader) {
				got, asks = command(t, c, r)
				tag, _, _ := strings.Cut(got, " ")
				got = strings.TrimPrefix(got, tag+" ")
				fmt.Fprintf(c, "%s OK [CAPABILITY IMAP4rev1] in\r\n", tag)
			})
			if err != nil || got != x.want+"\r\n" || asks != x.asks {
				t.Errorf("%s: %q, asked %d times, %v; want %q", x.caps, got, asks, err, x.want)
			}
		})
	}
}

// login logs in at a server that has greeted.
func login(t *testing.T, caps, user, password string, serve func(net.Conn, *bufio.Reader)) error {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve(theirs, bufio.NewReader(theirs))
		theirs.Close()
	}()
	o := Options{Dial: wire.Options{Address: "x:143", TLS: wire.TLS{Mode: wire.Plain}}, User: user,
		Password: func(context.Context) (string, error) { return password, nil }}
	raw, err := wire.New(t.Context(), ours, o.Dial)
	if err != nil {
		t.Fatal(err)
	}
	c := New(raw, o)
	c.Caps = strings.Fields("IMAP4rev1 " + caps)
	in, err := c.Authenticate(t.Context())
	if err != nil || in {
		t.Fatalf("%v, %v", in, err)
	}
	err = c.Login()
	raw.Close()
	<-done
	return err
}

// A server that does not ask for what it has to: the login fails, and the password is not shown.
func TestLoginWithLiteralsRefused(t *testing.T) {
	for _, x := range []struct {
		what   string
		answer string // to the first line
		kind   mail.Kind
	}{
		{"NO", "{tag} NO [AUTHENTICATIONFAILED] no\r\n", mail.Auth},
		{"OK to half a command", "{tag} OK in\r\n", mail.Protocol},
		{"it asks once more", "+ go on\r\n+ and on\r\n", mail.Protocol},
		{"it quotes the password", "+ go on\r\n{tag} NO [AUTHENTICATIONFAILED] grün it was\r\n", mail.Auth},
	} {
		err := login(t, "", "jaco", "grün", func(c net.Conn, r *bufio.Reader) {
			line, _ := r.ReadString('\n')
			tag, _, _ := strings.Cut(line, " ")
			go io.Copy(io.Discard, r)
			io.WriteString(c, strings.ReplaceAll(x.answer, "{tag}", tag))
		})
		var tr *mail.Trouble
		if !errors.As(err, &tr) || tr.Kind != x.kind || strings.Contains(err.Error()+tr.Reply, "grün") {
			t.Errorf("%s: %v", x.what, err)
		}
	}
}

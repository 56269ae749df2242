package imap

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"mailretr/relay/imapconn"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// liar is a server that greets, and answers what it is told: {tag} is that of APPEND. before is said to the command line,
// after to the octets.
func liar(t *testing.T, caps, before, after string) *Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			lie(c, caps, before, after)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	c, err := New(Options{Grace: time.Second, Reply: 5 * time.Second, Options: imapconn.Options{
		Dial: wire.Options{Address: l.Addr().String(), TLS: wire.TLS{Mode: wire.Plain}},
		User: "jaco", Password: func(context.Context) (string, error) { return "x", nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func lie(c net.Conn, caps, before, after string) {
	fmt.Fprintf(c, "* PREAUTH [CAPABILITY IMAP4rev1%s] hello\r\n", caps)
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil {
		return
	}
	tag, _, _ := strings.Cut(line, " ")
	say := func(s string) { io.WriteString(c, strings.ReplaceAll(s, "{tag}", tag)) }
	say(before)
	if after == "" {
		return
	}
	var size int
	i := strings.LastIndexByte(line, '{')
	fmt.Sscanf(line[i:], "{%d", &size)
	if _, err := io.CopyN(io.Discard, r, int64(size)+2); err == nil {
		say(after)
	}
}

// S6: nothing is delivered but on OK, with the tag of this command, to the octets.
func TestS6_HostileServer(t *testing.T) {
	const plus = " LITERAL+"
	for _, x := range []struct {
		what, caps, before, after string
		want                      mail.Outcome
	}{
		{"the truth", plus, "", "{tag} OK [APPENDUID 1 2] done\r\n", mail.Delivered},
		{"the truth, asked", "", "+ go on\r\n", "{tag} OK done\r\n", mail.Delivered},
		{"OK before the octets", "", "{tag} OK done\r\n", "", mail.Deferred},
		{"OK to nobody", plus, "", "* OK done\r\n", mail.Deferred},
		{"another's tag", plus, "", "A0001 OK done\r\n", mail.Deferred},
		{"the tag in another case", plus, "", "x{tag} OK done\r\n", mail.Deferred},
		{"no word", plus, "", "{tag}\r\n", mail.Deferred},
		{"another word", plus, "", "{tag} OKAY done\r\n", mail.Deferred},
		{"PREAUTH", plus, "", "{tag} PREAUTH done\r\n", mail.Deferred},
		{"BYE", plus, "", "* BYE {tag} OK\r\n", mail.Deferred},
		{"NUL", plus, "", "{tag} OK\x00 done\r\n", mail.Deferred},
		{"a megabyte", plus, "", "{tag} NO " + strings.Repeat("x", 1<<20) + "\r\n", mail.Deferred},
		{"a megabyte without end", plus, "", strings.Repeat("x", 1<<20), mail.Deferred},
		{"untagged for ever", plus, "", strings.Repeat("* 1 EXISTS\r\n", 100_000), mail.Deferred},
		{"a second plus", "", "+ go on\r\n", "+ more\r\n", mail.Deferred},
		{"nothing", plus, "", "", mail.Deferred},
	} {
		c := liar(t, x.caps, x.before, x.after)
		r := c.Deliver(t.Context(), traced(short))
		if len(r) != 1 || r[0].Outcome != x.want {
			t.Errorf("%s: %+v", x.what, r)
		}
		if len(r) == 1 && len(r[0].Reply) > 64<<10 {
			t.Errorf("%s: a reply of %d octets is kept", x.what, len(r[0].Reply))
		}
	}
}

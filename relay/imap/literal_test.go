package imap

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

	"mailretr/relay/imapconn"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// TestLiterals: a message follows its length at once only as far as RFC 7888 allows it: never unasked where the server has
// not said so, up to 4096 octets with LITERAL-, and with LITERAL+ up to what a refusal may cost.
func TestLiterals(t *testing.T) {
	for _, x := range []struct {
		caps string
		size int
		plus bool
	}{
		{"", 100, false}, {"", 4097, false},
		{"LITERAL-", 100, true}, {"LITERAL-", 4096, true}, {"LITERAL-", 4097, false}, {"LITERAL-", 1 << 20, false},
		{"LITERAL+", 100, true}, {"LITERAL+", 4097, true}, {"LITERAL+", unasked, true}, {"LITERAL+", unasked + 1, false},
		{"LITERAL+ LITERAL-", 4097, true}, {"XLITERAL+", 100, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &taker{t: t, caps: x.caps}
			c, err := New(Options{Options: imapconn.Options{
				Dial: wire.Options{Address: "x:143", TLS: wire.TLS{Mode: wire.Plain}, DialContext: s.dial},
				User: "jaco", Password: func(context.Context) (string, error) { return "x", nil },
			}})
			if err != nil {
				t.Fatal(err)
			}
			m := letter("")
			m.Content = mail.Text(strings.Repeat("x", x.size))
			if r := c.Deliver(t.Context(), m); !r.Done(1) {
				t.Errorf("%+v", r)
			}
			if want := fmt.Sprintf("{%d%s}", x.size, map[bool]string{true: "+"}[x.plus]); s.literal != want || len(s.octets) != x.size {
				t.Errorf("%s: %s and %d octets, want %s", x.caps, s.literal, len(s.octets), want)
			}
			c.Close()
			<-s.done
		})
	}
}

// A taker is a server that takes one message, and sees to it that no octet of it comes before it may.
type taker struct {
	t       *testing.T
	caps    string
	literal string
	octets  []byte
	done    chan struct{}
}

func (s *taker) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		defer theirs.Close()
		s.serve(theirs)
	}()
	return ours, nil
}

func (s *taker) serve(c net.Conn) {
	fmt.Fprintf(c, "* PREAUTH [CAPABILITY %s] hello\r\n", strings.TrimSpace("IMAP4rev1 "+s.caps))
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		tag, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(rest, "APPEND ") {
			fmt.Fprintf(c, "%s OK done\r\n", tag)
			continue
		}
		s.literal = rest[strings.LastIndexByte(rest, '{'):]
		if !strings.Contains(s.literal, "+") {
			c.SetReadDeadline(time.Now().Add(time.Second))
			if b, err := r.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
				s.t.Errorf("%q, %v came before it was asked for", b, err)
			}
			c.SetReadDeadline(time.Time{})
			io.WriteString(c, "+ go on\r\n")
		}
		var size int
		fmt.Sscanf(s.literal, "{%d", &size)
		s.octets = make([]byte, size)
		if _, err := io.ReadFull(r, s.octets); err != nil {
			s.t.Error(err)
		}
		r.ReadString('\n')
		fmt.Fprintf(c, "%s OK done\r\n", tag)
	}
}

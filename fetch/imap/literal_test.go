package imap

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestLoginWithLiterals: a password that no quoted string may carry goes as a literal, at once where the server takes it
// so (RFC 7888), and else when it has asked.
func TestLoginWithLiterals(t *testing.T) {
	for caps, want := range map[string]string{
		"IMAP4rev1":                   `"jaco" {5}`,
		"IMAP4rev1 LITERAL+":          `"jaco" {5+}`,
		"IMAP4rev1 LITERAL-":          `"jaco" {5+}`,
		"IMAP4rev1 IDLE SASL-IR XYZ+": `"jaco" {5}`,
	} {
		s := newServer(t)
		s.caps, s.auth = caps, "X-NONE"
		octets := make(chan string, 1)
		s.on = func(c *client, tag, verb, args string) bool {
			if verb != "LOGIN" {
				return false
			}
			var size int
			if fmt.Sscanf(args[strings.LastIndexByte(args, '{')+1:], "%d", &size); !strings.Contains(args, "+") {
				if n := c.r.Buffered(); n > 0 {
					t.Errorf("%s: %d octets came before they were asked for", caps, n)
				}
				c.say("+ go on\r\n")
				c.flush()
			}
			b := make([]byte, size+2)
			io.ReadFull(c.r, b)
			octets <- string(b)
			c.say("%s OK in\r\n", tag)
			return true
		}
		r := s.retriever(nil)
		r.Auth, r.Password = Login, func(context.Context) (string, error) { return "grün", nil }
		d := open(t, r)
		if got := <-octets; got != "grün\r\n" || !s.saw("LOGIN "+want) {
			t.Errorf("%s: %q, %q", caps, s.said(), got)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

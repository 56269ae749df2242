package smtpd

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// begun is a client with an envelope.
func begun(w *world) *talker {
	c := w.dial("")
	c.play("220\n> EHLO c\n250-\n> MAIL FROM:<a@x.test>\n250\n> RCPT TO:<b@y.test>\n250")
	return c
}

// body is what was taken, without our field.
func body(t taken) string {
	i := strings.Index(t.text, "+0000\r\n")
	return t.text[i+len("+0000\r\n"):]
}

// TestS4_Lines: lines of any length, NUL and 8-bit octets are kept as they are, by DATA and by BDAT.
func TestS4_Lines(t *testing.T) {
	text := "Subject: x\r\n\r\n"
	for _, n := range []int{997, 998, 999, 1001, 4095, 4096, 16384 - 2, 16384 - 1, 16384, 16385, 1_000_000} {
		text += strings.Repeat("l", n) + "\r\n." + strings.Repeat(".", n%7) + "\r\n"
	}
	text += "nul\x00\r\n\xe4\xff\x80\r\n\t\x1b[2J\r\n"
	w := open(t, Options{})
	c := begun(w)
	c.send("DATA\r\n")
	c.want("354")
	c.send(stuffed(text) + ".\r\n")
	c.want("250 2.0.0 queued")
	c.c.Close()
	c = begun(w)
	c.send(fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), text))
	c.want("250 2.0.0 queued")
	c.c.Close()
	w.shut()
	for i, m := range w.store.messages() {
		if body(m) != text {
			t.Errorf("message %d has other octets", i)
		}
	}
}

// stuffed is RFC 5321, 4.5.2.
func stuffed(s string) string {
	return strings.TrimPrefix(strings.ReplaceAll("\r\n"+s, "\r\n.", "\r\n.."), "\r\n")
}

// TestOctets: any message comes through, in whatever pieces, and one behind it as well.
func TestOctets(t *testing.T) {
	line := rapid.StringMatching(`(\.|\.\.|x|\x00|\xe4| )*`)
	rapid.Check(t, func(r *rapid.T) {
		text := strings.Join(rapid.SliceOfN(line, 0, 20).Draw(r, "lines"), "\r\n") + "\r\n"
		w := open(t, Options{})
		c := begun(w)
		c.send("DATA\r\n")
		c.want("354")
		for rest := stuffed(text) + ".\r\n"; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(r, "piece")
			c.send(rest[:n])
			rest = rest[n:]
		}
		c.want("250 2.0.0 queued")
		c.play("> MAIL FROM:<a@x.test>\n250\n> RCPT TO:<b@y.test>\n250")
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(r, "chunk")
			last := ""
			if n == len(rest) {
				last = " LAST"
			}
			c.send(fmt.Sprintf("BDAT %d%s\r\n%s", n, last, rest[:n]))
			c.want("250")
			rest = rest[n:]
		}
		c.c.Close()
		w.shut()
		all := w.store.messages()
		if len(all) != 2 || body(all[0]) != text || body(all[1]) != text {
			r.Fatalf("sent %q, taken %+v", text, all)
		}
	})
}

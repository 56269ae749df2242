//go:build interop

package test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"mailretr/test/real"
)

// A way to a maildrop of the real Dovecot.
type way struct {
	name, url, extra string
	tls              bool
	line             *real.Line
}

// ways are the six, each behind a line of its own that counts.
func ways(t *testing.T, d *real.Dovecot, user string) []way {
	make := func(name, scheme string, port int, extra string, tls bool) way {
		l := real.StartLine(t, port, 0)
		return way{name, fmt.Sprintf("%s://%s@localhost:%d", scheme, user, l.Port), extra, tls, l}
	}
	ca := "    tls: {ca: " + d.CAFile + "}\n"
	return []way{
		make("pop3 plain", "pop3", d.POP3, "    tls: none\n", false),
		make("pop3 TLS", "pop3s", d.POP3S, ca, true),
		make("pop3 STLS", "pop3", d.POP3, ca, true),
		make("imap plain", "imap", d.IMAP, "    tls: none\n", false),
		make("imap TLS", "imaps", d.IMAPS, ca, true),
		make("imap STARTTLS", "imap", d.IMAP, ca, true),
	}
}

// text is a message of about n octets with lines that a careless program would damage: dots, From, long ones, 8 bit.
func text(seed uint64, subject string, n int) string {
	r := rand.New(rand.NewPCG(seed, 1))
	var b strings.Builder
	fmt.Fprintf(&b, "Return-Path: <sender@example.org>\r\nFrom: Sender <sender@example.org>\r\nTo: jaco@kroon.co.za\r\n"+
		"Subject: %s\r\nMessage-ID: <%d.%d@example.org>\r\n\r\n", subject, seed, n)
	odd := []string{".", "..", ".x", "From me", ">From you", "", " \t", strings.Repeat("l", 990), "\xe9\xff\x80", "."}
	for b.Len() < n {
		if r.IntN(20) == 0 {
			b.WriteString(odd[r.IntN(len(odd))])
		} else {
			for range 1 + r.IntN(9) {
				fmt.Fprintf(&b, "%x", r.Uint32())
			}
		}
		b.WriteString("\r\n")
	}
	return b.String()
}

// withoutTrace removes the fields that stand in front by right: ours, Exim's and its transport's, and Return-Path.
func withoutTrace(t *testing.T, octets string) string {
	t.Helper()
	i := strings.Index(octets, "From: Sender")
	if i < 0 {
		t.Fatalf("no From field in:\n%.2000s", octets)
	}
	return normal(octets[i:])
}

// TestStory is the seed's: a 4 MB message that Exim defers after DATA five times ("Zip module failure"), then takes. It is
// delivered once, byte for byte, and its body crosses the line once.
func TestStory(t *testing.T) {
	d := real.StartDovecot(t)
	for i, w := range ways(t, d, "jaco") {
		t.Run(w.name, func(t *testing.T) {
			d.Empty("jaco")
			counter := real.Counter(t, d.Dir, fmt.Sprintf("zip%d", i), 5)
			e := real.StartExim(t, real.Rules{Data: "  defer message = Zip module failure\n" +
				"    condition = ${if >{$message_size}{1M}}\n    condition = ${run{" + counter + "}{no}{yes}}\n"})
			sent := text(uint64(i), "zip", 4<<20)
			d.Put("jaco", []byte(sent))
			p := newProgram(t, fmt.Sprintf(common, e.Port, w.url, w.extra))
			p.serve()
			eventually(t, time.Minute, "delivered", func() bool { return len(e.Delivered("jaco")) > 0 })
			var line int64
			eventually(t, time.Minute, "six polls", func() (ok bool) {
				line, ok = w.line.OfSessions(6)
				return ok
			})
			if err := p.stop(); err != nil {
				t.Errorf("stopping: %v", err)
			}
			got := e.Delivered("jaco")
			if len(got) != 1 {
				t.Fatalf("%d messages delivered", len(got))
			}
			if a, b := withoutTrace(t, got[0]), withoutTrace(t, sent); a != b {
				t.Errorf("the octets differ: %d and %d", len(a), len(b))
			}
			if n := strings.Count(e.Log(), "Zip module failure"); n != 5 {
				t.Errorf("Exim deferred %d times", n)
			}
			ratio := float64(line) / float64(len(sent))
			t.Logf("%s: %d octets on the line for %d: %.4f ×", w.name, line, len(sent), ratio)
			if ratio > 1.01 {
				t.Errorf("the line carried %.4f × the message", ratio)
			}
			if d.Count("jaco") != 0 {
				t.Error("the maildrop still holds it")
			}
		})
	}
}

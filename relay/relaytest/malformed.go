package relaytest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Malformed returns n messages, always the same ones, as real and hostile senders make them: NUL, bare CR and LF, lines
// of a megabyte, no header, no body, 8 bits, lines that look like the beginning of an mbox's message, dots, and MIME that
// fits no rule. They are as a maildrop would send them; [Normal] brings them to the form that a deliverer is given.
func Malformed(n int) [][]byte {
	g := &odd{rand.New(rand.NewPCG(5321, 5322))}
	all := make([][]byte, n)
	for i := range all {
		all[i] = g.message(i)
	}
	return all
}

// Normal brings octets to the normal form of the queue: CRLF line ends, a blank for each other CR, a final CRLF. It is
// reckoned here again, so that a mistake of the queue's is not one of the tests'.
func Normal(raw []byte) []byte {
	s := strings.ReplaceAll(string(raw), "\r\n", "\n")
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r", " "), "\n", "\r\n")
	if !strings.HasSuffix(s, "\r\n") {
		s += "\r\n"
	}
	return []byte(s)
}

type odd struct{ *rand.Rand }

func (g *odd) pick(list ...string) string { return list[g.IntN(len(list))] }

// message makes one; each hundredth or so is large.
func (g *odd) message(i int) []byte {
	var b bytes.Buffer
	if g.IntN(12) > 0 {
		g.header(&b, i)
	}
	if g.IntN(12) > 0 {
		b.WriteString(g.pick("\r\n", "\r\n", "\r\n", "\n", "\r", ""))
	}
	if g.IntN(12) > 0 {
		g.body(&b)
	}
	switch i % 250 {
	case 7:
		b.WriteString(strings.Repeat(g.pick("x", ">", ".", "\x00", "\xff", "From "), 1_000_000))
	case 90:
		b.WriteString(strings.Repeat(">From me\r\n.\r\n\r\n", 10_000))
	}
	b.WriteString(g.pick("\r\n", "\r\n", "\r\n", "\n", "", "\r", "\r\n\r\n\r\n", "."))
	return b.Bytes()
}

func (g *odd) end() string { return g.pick("\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n") }

func (g *odd) header(b *bytes.Buffer, i int) {
	fmt.Fprintf(b, "Subject: message %d%s", i, g.end())
	for range g.IntN(8) {
		b.WriteString(g.pick("From: a@b.example", "From a@b.example Thu Jan  1 00:00:00 1970", ">From quoted",
			": no name", "X-Empty:", "X-Odd :blank before", "Ünïcode: näme", "no colon at all", "\tfolded from nothing",
			"X-NUL: a\x00b", "X-8bit: \xff\xfe\x80", "To: \"a\r\nRCPT TO:<b>\"@x", "Bcc: secret@x.example",
			"Return-Path: <x@y.example>", "Delivered-To: x@y.example", "Content-Length: 3", "Status: RO", "Lines: -1",
			"Content-Type: multipart/mixed; boundary=\"", "Content-Type: multipart/mixed; boundary=a; boundary=b",
			"Content-Type: message/rfc822", "Content-Type: text/plain; charset=\x1b$B", "MIME-Version: 1.0 (",
			"Content-Transfer-Encoding: base65", "Message-ID: <", "Date: yesterday", "X-Long: "+strings.Repeat("a ", 2000),
			"Resent-From: x", "=?utf-8?q?=00?=: x", "X-Mailer: \x1b[2J", "--boundary", "."))
		b.WriteString(g.end())
	}
}

func (g *odd) body(b *bytes.Buffer) {
	for range g.IntN(30) {
		b.WriteString(g.pick("plain text", "", "", " ", "\t", ".", "..", "...", ".a", "From me", "From ", "From", ">From me",
			">>>From me", "> From me", " From me", "Fro", "F", ">", ">>", ">>F", "from me", "FROM me", "From\x00", "a\x00b", "\x00",
			"\xff\xfe\xfd", "é", "\xc3", "trailing   ", "--a", "--a--", "----", "QUIT", "DATA", ".\r", "\r.", "\x1a", "\x04",
			"Content-Type: text/plain", "begin 644 x", "=\r\n=", "=00", strings.Repeat("y", 997), strings.Repeat("z", 998),
			strings.Repeat("w", 999), strings.Repeat(">", 70)+"From x", strings.Repeat("q", 5000)+"From x"))
		b.WriteString(g.end())
	}
}

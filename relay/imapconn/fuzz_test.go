package imapconn

import (
	"strings"
	"testing"

	"mailretr/store/mail"
)

// FuzzReply: what is read before the library takes over. Nothing that comes out can hold a line end or
// leave its place.
func FuzzReply(f *testing.F) {
	for _, s := range []string{"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready", "* PREAUTH hello",
		"* BYE [UNAVAILABLE] later", "S1 OK", "* OK [", "* OK [CAPABILITY a]x] y", "* OK [CAPABILITY (a {3}] y",
		"*", "* ", "+ go",
		"* ok [capability \x00] x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.ContainsAny(line, "\r\n") {
			return // ReadLine never gives them
		}
		r, ok := ParseReply(line)
		if !ok {
			return
		}
		g := r.Greeting()
		if strings.Count(g, "\r\n") != 1 || !strings.HasSuffix(g, " ready\r\n") ||
			strings.ContainsAny(g, "\x00{(\"") {
			t.Errorf("%q made the greeting %q", line, g)
		}
		again, ok := ParseReply("* " + r.String())
		if !ok || again.Word != r.Word {
			t.Errorf("%q is read back as %q", r, again)
		}
		Judge(mail.OpLogin, "x", r)
	})
}

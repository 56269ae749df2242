package imap

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// maxGreeting bounds a line before the library takes over; capability lists of real servers stay below 1 KiB.
const maxGreeting = 8 << 10

// A reply is a status response (RFC 9051, 7.1): "* OK [CODE args] text", or the same with a tag.
type reply struct {
	tag, word  string // word in capitals
	code, args string // code in capitals, "" where there is none
	text       string
}

// parseReply reads a status response without its line end. It is strict about what decides something, and
// takes any text.
func parseReply(line string) (r reply, ok bool) {
	r.tag, line, ok = strings.Cut(line, " ")
	if !ok || r.tag == "" || r.tag == "+" {
		return reply{}, false
	}
	r.word, line, _ = strings.Cut(line, " ")
	switch r.word = strings.ToUpper(r.word); r.word {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
	default:
		return reply{}, false
	}
	if strings.HasPrefix(line, "[") {
		if in, rest, closed := strings.Cut(line[1:], "]"); closed {
			r.code, r.args, _ = strings.Cut(in, " ")
			r.code = strings.ToUpper(r.code)
			line = strings.TrimPrefix(rest, " ")
		}
	}
	r.text = line
	return r, true
}

// String returns it without the tag, as it is shown.
func (r reply) String() string {
	s := r.word
	if r.code != "" {
		s += " [" + strings.TrimRight(r.code+" "+r.args, " ") + "]"
	}
	return strings.TrimRight(s+" "+r.text, " ")
}

// greet reads the greeting, secures the connection where that is still to be done, and returns a greeting
// for the library in which nothing is left of what came in plain text.
func (s *session) greet(ctx context.Context, conn *wire.Conn) (clean string, preauth bool, err error) {
	line, err := conn.ReadLine(maxGreeting)
	if err != nil {
		t := mail.TroubleOf(mail.OpGreeting, s.server(), err)
		t.Hint = conn.Silent(err)
		return "", false, t
	}
	r, ok := parseReply(string(line))
	switch {
	case !ok || r.tag != "*" || r.word == "NO" || r.word == "BAD":
		return "", false, &mail.Trouble{Op: mail.OpGreeting, Kind: mail.Protocol, Server: s.server(),
			Err: errors.New(stranger(line)), Hint: wire.WrongPort("IMAP", line)}
	case r.word == "BYE":
		return "", false, s.refused(mail.OpGreeting, r)
	}
	preauth = r.word == "PREAUTH"
	if s.o.Dial.TLS.Mode != wire.StartTLS {
		return cleanGreeting(r), preauth, nil
	}
	if preauth { // STARTTLS is not possible any more, and whoever stands between knows it (RFC 9051, 7.1.4)
		return "", false, s.insecure(r.String(), "the server skips the login on a plain connection")
	}
	if err := s.startTLS(ctx, conn); err != nil {
		return "", false, err
	}
	return "* OK ready\r\n", false, nil // without capabilities: the library asks for them
}

// stranger says what greets here that is no IMAP server. It shows a few octets only: whoever may name servers
// shall not read the banners of others.
func stranger(line []byte) string {
	if is := wire.Greeter(line); is != "" && is != "IMAP" {
		return "no IMAP server but one of " + is + " answers"
	}
	return "the greeting is none of IMAP: " + mail.Printable(string(line), 24)
}

// cleanGreeting makes a greeting again from the parts that were understood.
func cleanGreeting(r reply) string {
	if r.code == "CAPABILITY" && r.args != "" && atoms(r.args) {
		return fmt.Sprintf("* %s [CAPABILITY %s] ready\r\n", r.word, r.args)
	}
	return "* " + r.word + " ready\r\n"
}

// atoms says whether s is words of printable ASCII that need no quoting, with single blanks between.
func atoms(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == ' ' && (i == 0 || s[i-1] == ' ' || i == len(s)-1) {
			return false
		}
		if c < ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// startTLS is by hand, because only whoever holds the one buffer can see that nothing was slipped in before
// the handshake (CVE-2011-0411). The tag cannot be guessed, so an answer that was sent before the question
// fits nothing.
func (s *session) startTLS(ctx context.Context, conn *wire.Conn) error {
	if conn.Reader().Buffered() > 0 {
		return s.insecure("", "the server spoke before it was asked")
	}
	tag := "S" + rand.Text()[:12]
	if _, err := conn.Write([]byte(tag + " STARTTLS\r\n")); err != nil {
		return s.trouble(mail.OpTLS, err)
	}
	for range 16 { // untagged chatter
		line, err := conn.ReadLine(maxGreeting)
		if err != nil {
			return s.trouble(mail.OpTLS, err)
		}
		r, ok := parseReply(string(line))
		switch {
		case ok && r.tag == "*" && r.word == "BYE":
			return s.refused(mail.OpTLS, r)
		case strings.HasPrefix(string(line), "* "):
			continue
		case !ok || r.tag != tag:
			return s.insecure(string(line), "the server answered something that was not asked")
		case r.word != "OK":
			return s.insecure(r.String(), "the server refuses STARTTLS")
		}
		if err := conn.StartTLS(ctx); err != nil {
			return s.trouble(mail.OpTLS, err)
		}
		return nil
	}
	return s.insecure("", "the server does not answer STARTTLS")
}

// insecure is the trouble of a connection that could not be secured as it has to be.
func (s *session) insecure(said, why string) error {
	return &mail.Trouble{Op: mail.OpTLS, Kind: mail.Insecure, Server: s.server(), Reply: said,
		Err:  errors.New(why),
		Hint: "No password was sent. If the provider has a port for TLS from the start (993), use imaps://."}
}

package imapconn

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// Greet reads the greeting and secures the connection where that is still to be done. Caps are then what the greeting
// said, unless it came in plain text. preauth: the server knows already who comes. Errors are *mail.Trouble.
func (c *Conn) Greet(ctx context.Context) (preauth bool, err error) {
	line, err := c.ReadLine(maxLine)
	if err != nil {
		t := mail.TroubleOf(mail.OpGreeting, c.server(), err)
		t.Hint = c.Silent(err)
		return false, t
	}
	r, ok := ParseReply(string(line))
	switch {
	case !ok || r.Tag != "*" || r.Word == "NO" || r.Word == "BAD":
		return false, &mail.Trouble{Op: mail.OpGreeting, Kind: mail.Protocol, Server: c.server(),
			Err: errors.New(stranger(line)), Hint: wire.WrongPort("IMAP", line)}
	case r.Word == "BYE":
		return false, c.refused(mail.OpGreeting, r)
	}
	preauth = r.Word == "PREAUTH"
	if c.o.Dial.TLS.Mode != wire.StartTLS {
		if r.Code == "CAPABILITY" && atoms(r.Args) {
			c.Caps = strings.Fields(r.Args)
		}
		return preauth, nil
	}
	if preauth { // STARTTLS is not possible any more, and whoever stands between knows it (RFC 9051, 7.1.4)
		return false, c.insecure(r.String(), "the server skips the login on a plain connection")
	}
	if err := c.startTLS(ctx); err != nil {
		return false, err
	}
	return false, nil // without capabilities: they have to be asked for again
}

// stranger says what greets here that is no IMAP server. It shows a few octets only: whoever may name servers
// shall not read the banners of others.
func stranger(line []byte) string {
	if is := wire.Greeter(line); is != "" && is != "IMAP" {
		return "no IMAP server but one of " + is + " answers"
	}
	return "the greeting is none of IMAP: " + mail.Printable(string(line), 24)
}

// startTLS is by hand, because only whoever holds the one buffer can see that nothing was slipped in before
// the handshake (CVE-2011-0411). The tag cannot be guessed, so an answer that was sent before the question
// fits nothing.
func (c *Conn) startTLS(ctx context.Context) error {
	if c.Reader().Buffered() > 0 {
		return c.insecure("", "the server spoke before it was asked")
	}
	tag := "S" + rand.Text()[:12]
	if _, err := c.Write([]byte(tag + " STARTTLS\r\n")); err != nil {
		return c.trouble(mail.OpTLS, err)
	}
	for range 16 { // untagged chatter
		line, err := c.ReadLine(maxLine)
		if err != nil {
			return c.trouble(mail.OpTLS, err)
		}
		r, ok := ParseReply(string(line))
		switch {
		case ok && r.Tag == "*" && r.Word == "BYE":
			return c.refused(mail.OpTLS, r)
		case strings.HasPrefix(string(line), "* "):
			continue
		case !ok || r.Tag != tag:
			return c.insecure(string(line), "the server answered something that was not asked")
		case r.Word != "OK":
			return c.insecure(r.String(), "the server refuses STARTTLS")
		}
		if err := c.StartTLS(ctx); err != nil {
			return c.trouble(mail.OpTLS, err)
		}
		return nil
	}
	return c.insecure("", "the server does not answer STARTTLS")
}

// insecure is the trouble of a connection that could not be secured as it has to be.
func (c *Conn) insecure(said, why string) error {
	return &mail.Trouble{Op: mail.OpTLS, Kind: mail.Insecure, Server: c.server(), Reply: said,
		Err:  errors.New(why),
		Hint: "No password was sent. If the provider has a port for TLS from the start (993), use imaps://."}
}

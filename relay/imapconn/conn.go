package imapconn

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"

	"mailretr/relay/wire"
	"mailretr/store/mail"
)

const (
	// maxLine bounds a line of the server; capability lists of real servers stay below 1 KiB.
	maxLine = 8 << 10
	// chatter is how many octets may come before an answer that needs one line.
	chatter = 32 << 10
)

// A Conn is a connection to an IMAP server that is spoken to in lines. Not for concurrent use, except that Write may be
// called while Until reads. Who made the wire.Conn closes it.
type Conn struct {
	*wire.Conn
	Caps     []string // what the server can, as it was said last; nil: not said
	Password string   // for the LOGIN command, after Authenticate has left the login to it

	o   Options
	tag string
}

// New begins with a connection on which nothing was read. It uses Dial.Address, Dial.TLS and the login of o.
func New(conn *wire.Conn, o Options) *Conn { return &Conn{Conn: conn, o: o} }

// Can says whether the server has a capability, in any case.
func (c *Conn) Can(capability string) bool {
	return slices.ContainsFunc(c.Caps, func(have string) bool { return strings.EqualFold(have, capability) })
}

// Greeting is one for a library, with its line end, as it would have come from a server in this state. It has no
// capabilities where none are known, so that the library asks.
func (c *Conn) Greeting(in bool) string {
	r := Reply{Word: "OK", Code: "CAPABILITY", Args: strings.Join(c.Caps, " ")}
	if in {
		r.Word = "PREAUTH"
	}
	return r.Greeting()
}

// Ask asks what the server can do.
func (c *Conn) Ask() error {
	err := c.Do("CAPABILITY")
	if err == nil && c.Caps == nil {
		err = c.foreign(mail.OpLogin, "the server does not say what it can do")
	}
	return err
}

// Do sends a command of the login and takes its answer; the rest of the command are parts of it that the server asks for,
// each one. What the server could do before does not count any more.
func (c *Conn) Do(command string, rest ...string) error {
	c.Caps = nil
	if err := c.Send(mail.OpLogin, command); err != nil {
		return err
	}
	_, done, err := c.Hear()
	for ; err == nil && !done && len(rest) > 0; rest = rest[1:] {
		if err = c.Line(mail.OpLogin, rest[0]); err == nil {
			_, done, err = c.Hear()
		}
	}
	switch {
	case err == nil && !done:
		err = c.foreign(mail.OpLogin, "the server asks back")
	case err == nil && len(rest) > 0:
		err = c.foreign(mail.OpLogin, "the server answered a command that it had not whole")
	}
	return err
}

// mostMinus is the longest literal, in octets, that LITERAL- lets go unasked.
const mostMinus = 4096

// Unasked says whether a literal of so many octets may follow its length at once (RFC 7888). Otherwise the server asks for
// it first.
func (c *Conn) Unasked(octets int64) bool {
	return c.Can("LITERAL+") || c.Can("LITERAL-") && octets <= mostMinus
}

// Send sends a command under a new tag that cannot be guessed; its parts are clean and quoted. The caller flushes, or
// reads next, which does.
func (c *Conn) Send(op mail.Op, command string) error {
	c.tag = "A" + rand.Text()[:12]
	return c.Line(op, c.tag+" "+command)
}

// Line sends a line as it is.
func (c *Conn) Line(op mail.Op, line string) error {
	if _, err := c.Write([]byte(line + "\r\n")); err != nil {
		return c.trouble(op, err)
	}
	return nil
}

// Until reads to the answer to the last command, whatever it says, or, where plus is set, to a line that asks for more,
// which is a Reply with the Tag "+". Each untagged response on the way, without "* ", goes to untagged, which may be nil;
// most bounds them, in octets. A BYE is an error, as is what fits nothing that was asked. Errors are *mail.Trouble.
func (c *Conn) Until(op mail.Op, plus bool, most int, untagged func(said string)) (Reply, error) {
	for heard := 0; heard < most; {
		line, err := c.ReadLine(maxLine)
		if err != nil {
			return Reply{}, c.trouble(op, err)
		}
		said := string(line)
		heard += len(said) + 2
		if plus && (said == "+" || strings.HasPrefix(said, "+ ")) {
			return Reply{Tag: "+", Text: said[1:]}, nil
		}
		r, ok := ParseReply(said)
		switch {
		case ok && r.Tag == c.tag:
			return r, nil
		case ok && r.Tag == "*" && r.Word == "BYE":
			return r, c.refused(op, r)
		case !strings.HasPrefix(said, "* "):
			return r, c.foreign(op, "the server answered something that was not asked")
		}
		if untagged != nil {
			untagged(said[2:])
		}
	}
	return Reply{}, c.foreign(op, "the server sent more than was asked for")
}

// Quote makes a quoted string of what is clean (RFC 9051, 4.3). Names of folders are coded before.
func Quote(s string) string { return `"` + escape.Replace(s) + `"` }

// escape makes what stands between the quotes.
var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func (c *Conn) server() string { return c.o.Dial.Address }

func (c *Conn) foreign(op mail.Op, why string) *mail.Trouble {
	return &mail.Trouble{Op: op, Kind: mail.Protocol, Server: c.server(), Err: errors.New(why)}
}

func (c *Conn) refused(op mail.Op, r Reply) *mail.Trouble { return Judge(op, c.server(), r) }

func (c *Conn) trouble(op mail.Op, err error) *mail.Trouble {
	return mail.TroubleOf(op, c.server(), err)
}

package imapconn

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"mailretr/relay/sasl"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// initialRoom is how many octets of base64 go with AUTHENTICATE where the server takes them (SASL-IR, RFC
// 4959): tokens fit, and so does the line into the limit of RFC 7162, 4.
const initialRoom = 6000

// Authenticate logs in by a mechanism of SASL, after Greet. in is false where the LOGIN command is the way: then
// nothing was sent, and either [Conn.Login] sends it or a library does, with Password. Caps are what the server said
// last; they may be empty after a login. Errors are *mail.Trouble; the connection is of no use then.
func (c *Conn) Authenticate(ctx context.Context) (in bool, err error) {
	if c.Caps == nil {
		if err := c.Ask(); err != nil {
			return false, err
		}
	}
	request, err := c.request(ctx)
	if err != nil {
		return false, err
	}
	m, err := request.Choose()
	if err != nil {
		return false, c.placed(err)
	}
	if m == "" {
		c.Password = request.Secret
		return false, nil
	}
	e, err := request.Begin(m)
	if err != nil {
		return false, c.placed(err)
	}
	room := 0
	if c.Can("SASL-IR") {
		room = initialRoom
	}
	c.Caps = nil // what it can is another question once we are in
	if err := e.Run(c, room); err != nil {
		return false, c.placed(err)
	}
	return true, nil
}

// Login sends the LOGIN command with Password, once: a second try with the same password only helps to lock the account.
func (c *Conn) Login() error {
	parts := c.words("LOGIN", c.o.User, c.Password)
	c.Mask(true)
	err := c.Do(parts[0], parts[1:]...)
	c.Mask(false)
	if err != nil {
		return Redact(c.placed(err), c.Password)
	}
	return nil
}

// words makes a command of a verb and strings, each quoted, or a literal where that is not allowed (RFC 3501, 9:
// QUOTED-CHAR). A literal that the server has to ask for begins another part of the command.
func (c *Conn) words(verb string, words ...string) (parts []string) {
	for _, s := range words {
		switch {
		case ascii(s):
			verb += " " + Quote(s)
		case c.Unasked(int64(len(s))):
			verb += fmt.Sprintf(" {%d+}\r\n%s", len(s), s)
		default:
			parts = append(parts, fmt.Sprintf("%s {%d}", verb, len(s)))
			verb = s
		}
	}
	return append(parts, verb)
}

// Redact takes the password out of what the server said: some quote the command they refuse, in which it stands
// as a quoted string.
func Redact(t *mail.Trouble, password string) error {
	if t == nil {
		return nil
	}
	if len(password) >= 4 {
		t.Reply = strings.NewReplacer(escape.Replace(password), "***", password, "***").Replace(t.Reply)
	}
	return t
}

// placed adds the server to a trouble of relay/sasl.
func (c *Conn) placed(err error) *mail.Trouble {
	t := c.trouble(mail.OpLogin, err)
	if t.Server == "" {
		t.Server = c.server()
	}
	return t
}

// request says who logs in, and what the server has for it.
func (c *Conn) request(ctx context.Context) (*sasl.Request, error) {
	o := c.o
	password, err := c.o.secret(ctx)
	if err != nil {
		return nil, c.o.unread(err)
	}
	c.Hide(o.User, password)
	host, port, _ := net.SplitHostPort(o.Dial.Address)
	number, _ := strconv.Atoi(port) // 0 where there is none
	tls := o.Dial.TLS
	r := &sasl.Request{
		Offered: c.mechanisms(), Token: o.Token, Host: host, Port: number, User: o.User, Secret: password,
		Channel: sasl.ChannelOf(c.Conn, tls.Blind(), tls.Mode == wire.Plain), Choosable: o.Choosable,
	}
	plain := slices.Contains(r.Offered, string(sasl.Plain))
	r.Native = !o.Token && !c.Can("LOGINDISABLED") && (ascii(o.User+password) || !plain || o.Auth == Login)
	switch o.Auth {
	case Auto:
	case Login:
		r.Offered = nil
	default:
		r.Want = sasl.Mechanism(o.Auth)
	}
	return r, nil
}

// mechanisms are those that are offered.
func (c *Conn) mechanisms() (list []string) {
	for _, one := range c.Caps {
		if name, ok := strings.CutPrefix(strings.ToUpper(one), "AUTH="); ok {
			list = append(list, name)
		}
	}
	return list
}

// ascii says whether a quoted string can carry s everywhere.
func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7e }) < 0
}

// Begin sends AUTHENTICATE (RFC 9051, 6.2.2).
func (c *Conn) Begin(m sasl.Mechanism, initial string) error {
	c.Mask(true)
	defer c.Mask(false)
	return c.Send(mail.OpLogin, strings.TrimRight("AUTHENTICATE "+string(m)+" "+initial, " "))
}

// Answer sends a line.
func (c *Conn) Answer(line string) error {
	c.Mask(true)
	defer c.Mask(false)
	return c.Line(mail.OpLogin, line)
}

// Break sends "*". What becomes of it is of no interest: the connection is closed next.
func (c *Conn) Break() {
	if c.Line(mail.OpLogin, "*") == nil {
		_ = c.Flush()
	}
}

// Hear reads the answer to the last command, and keeps the capabilities that are said on the way. For relay/sasl.
func (c *Conn) Hear() (challenge string, done bool, err error) {
	r, err := c.Until(mail.OpLogin, true, chatter, c.untagged)
	switch {
	case err != nil:
		return "", false, err
	case r.Tag == "+":
		return strings.TrimSpace(r.Text), false, nil
	case r.Word != "OK":
		return "", false, c.refused(mail.OpLogin, r)
	case r.Code == "CAPABILITY":
		c.Caps = strings.Fields(r.Args)
	}
	return "", true, nil
}

func (c *Conn) untagged(text string) {
	if word, rest, _ := strings.Cut(text, " "); strings.EqualFold(word, "CAPABILITY") {
		c.Caps = strings.Fields(rest)
	}
}

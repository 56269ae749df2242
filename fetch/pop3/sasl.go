package pop3

import (
	"errors"
	"net"
	"strconv"
	"strings"

	"mailretr/relay/sasl"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// maxCommand is how long a command may be, without its line end (RFC 2449, 4).
const maxCommand = 253

// request says who logs in, and what the server has for it.
func (s *session) request(k *known, password string) *sasl.Request {
	o := s.opts
	tls := o.Dial.TLS
	host, port, _ := net.SplitHostPort(o.Dial.Address)
	number, _ := strconv.Atoi(port) // 0 where there is none
	r := &sasl.Request{
		Offered: k.Before.mechanisms(), Native: !o.Token, Token: o.Token, Choosable: true, Host: host, Port: number,
		User: o.User, Secret: password,
		Channel: sasl.ChannelOf(s.conn, tls.Blind(), tls.Mode == wire.Plain),
	}
	switch {
	case o.Auth == UserPass:
		r.Offered = nil
	case o.Auth != Auto:
		r.Want = sasl.Mechanism(o.Auth)
	case k.Before.has("SASL", "PLAIN") || k.Before.has("SASL", "LOGIN"):
		// USER takes no blanks, and who does not announce it may not have it.
		r.Native = r.Native && k.Before.has("USER", "") && !strings.ContainsAny(o.User, " \t")
	}
	return r
}

// mechanisms are those of the SASL capability (RFC 5034, 3).
func (c caps) mechanisms() []string {
	for _, l := range c {
		if f := strings.Fields(l); len(f) > 1 && f[0] == "SASL" {
			return f[1:]
		}
	}
	return nil
}

// placed adds the server to a trouble of relay/sasl.
func placed(err error, server string) error {
	var t *mail.Trouble
	if errors.As(err, &t) && t.Server == "" {
		t.Server = server
	}
	return err
}

// exchange makes a login of several turns; nothing can be sent behind it before it is over. A token goes on a
// line of its own: it is longer than a command may be, and Microsoft wants it so.
func (s *session) exchange(e *sasl.Exchange, m sasl.Mechanism) error {
	room := 0
	if !m.Token() {
		room = maxCommand - len("AUTH  ") - len(m)
	}
	err := e.Run((*carrier)(s), room)
	if err != nil {
		s.opts.remember(nil) // perhaps the server has other mechanisms by now
		err = mail.TroubleOf(mail.OpLogin, s.server, placed(err, s.server))
	}
	return err
}

// carrier carries an exchange (RFC 5034, 4).
type carrier session

// Begin sends AUTH.
func (c *carrier) Begin(m sasl.Mechanism, initial string) error {
	return c.link.secret(strings.TrimRight("AUTH "+string(m)+" "+initial, " "))
}

// Answer sends a line.
func (c *carrier) Answer(line string) error { return c.link.secret(line) }

// Break sends "*". What becomes of it is of no interest: the connection is closed next.
func (c *carrier) Break() {
	if c.link.send("*") == nil {
		_ = c.conn.Flush()
	}
}

// Hear reads a reply.
func (c *carrier) Hear() (challenge string, done bool, err error) {
	st, err := c.link.status()
	switch {
	case err != nil:
		return "", false, err
	case st.more:
		return strings.TrimSpace(st.text), false, nil
	case !st.ok:
		return "", false, refused(mail.OpLogin, c.server, st, c.known.Before)
	}
	return "", true, nil
}

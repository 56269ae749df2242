package fetchtest

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mailretr/store/mail"
)

func itoa(n int) string { return strconv.Itoa(n) }

// usual does what a good server does.
func (c *POP3Conn) usual(verb, arg string) {
	switch verb {
	case "CONNECT":
		c.Say(strings.TrimRight("+OK "+c.Server.Greeting, " "))
	case "CAPA":
		c.capa()
	case "STLS":
		if c.secure || c.Server.TLS == nil {
			c.Say("-ERR no TLS here")
			return
		}
		c.Say("+OK begin")
		c.shake()
	case "USER":
		c.user = arg
		c.Say("+OK")
	case "PASS":
		name := strings.TrimPrefix(c.user, "recent:")
		c.login(name == c.Server.User && arg == c.Server.Password)
	case "APOP":
		c.apop(arg)
	case "AUTH":
		c.auth(arg)
	case "QUIT":
		c.Quit()
		c.Say("+OK bye")
		c.over = true
	case "NOOP":
		c.Say("+OK")
	default:
		if !c.in {
			c.Say("-ERR log in first")
			return
		}
		c.transaction(verb, arg)
	}
}

func (c *POP3Conn) capa() {
	if c.Server.Caps == nil {
		c.Say("-ERR unknown command")
		return
	}
	s := "+OK\r\n"
	for _, l := range c.Server.Caps {
		if l != "STLS" || !c.secure {
			s += l + "\r\n"
		}
	}
	c.Raw(s + ".\r\n")
}

func (c *POP3Conn) login(ok bool) {
	if !ok {
		c.Say("-ERR [AUTH] wrong")
		return
	}
	c.Server.mu.Lock()
	all := strings.HasPrefix(c.user, "recent:")
	c.mails = slices.DeleteFunc(slices.Clone(c.Server.mails), func(m *Mail) bool { return m.hidden && !all })
	c.Server.mu.Unlock()
	c.in = true
	c.Say("+OK logged in")
}

func (c *POP3Conn) apop(arg string) {
	stamp := c.Server.Greeting
	i := strings.IndexByte(stamp, '<')
	if i < 0 {
		c.Say("-ERR unknown command")
		return
	}
	sum := md5.Sum([]byte(stamp[i:strings.IndexByte(stamp, '>')+1] + c.Server.Password))
	c.login(arg == c.Server.User+" "+hex.EncodeToString(sum[:]))
}

func (c *POP3Conn) auth(arg string) {
	mech, initial, given := strings.Cut(arg, " ")
	known := SASL{User: c.Server.User, Password: c.Server.Password, Token: c.Server.Token, Broken: c.Server.Broken,
		Owner: c.Server.Owner}
	server := known.Server(mech)
	if server == nil {
		c.Say("-ERR no such mechanism")
		return
	}
	var response []byte
	if given {
		response, _ = base64.StdEncoding.DecodeString(strings.TrimPrefix(initial, "="))
	}
	for {
		challenge, done, err := server.Next(response)
		if done || err != nil {
			c.login(err == nil)
			return
		}
		c.Say("+ " + base64.StdEncoding.EncodeToString(challenge))
		line, ok := c.Read()
		if !ok || line == "*" {
			c.Say("-ERR broken off")
			return
		}
		if response, err = base64.StdEncoding.DecodeString(line); err != nil {
			c.Say("-ERR no base64")
			return
		}
		if response == nil {
			response = []byte{}
		}
	}
}

// Quit makes the deletions of the session count; it says nothing.
func (c *POP3Conn) Quit() {
	c.Server.mu.Lock()
	defer c.Server.mu.Unlock()
	for _, m := range c.retrieved {
		m.hidden = true
	}
	gone := map[*Mail]bool{}
	for i := range c.deleted {
		gone[c.mails[i]] = true
	}
	c.Server.mails = slices.DeleteFunc(c.Server.mails, func(m *Mail) bool { return gone[m] })
}

func (c *POP3Conn) transaction(verb, arg string) {
	switch verb {
	case "STAT":
		n, sum := 0, int64(0)
		for i, m := range c.mails {
			if !c.deleted[i] {
				n, sum = n+1, sum+m.size()
			}
		}
		c.Say(fmt.Sprintf("+OK %d %d", n, sum))
	case "LIST":
		c.listing(arg, func(m *Mail) string { return strconv.FormatInt(m.size(), 10) })
	case "UIDL":
		if c.Server.NoUIDL {
			c.Say("-ERR unknown command")
			return
		}
		c.listing(arg, func(m *Mail) string { return m.UID })
	case "RETR", "TOP", "DELE":
		c.one(verb, arg)
	case "RSET":
		clear(c.deleted)
		c.Say("+OK")
	default:
		c.Say("-ERR unknown command")
	}
}

func (m *Mail) size() int64 {
	if m.Size != 0 || m.NoSize {
		return m.Size
	}
	return int64(len(m.Octets))
}

// listing answers LIST and UIDL, for all messages or for one.
func (c *POP3Conn) listing(arg string, what func(*Mail) string) {
	if arg != "" {
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 || n > len(c.mails) || c.deleted[n-1] {
			c.Say("-ERR no such message")
			return
		}
		c.Say(fmt.Sprintf("+OK %d %s", n, what(c.mails[n-1])))
		return
	}
	var b strings.Builder
	b.WriteString("+OK\r\n")
	for i, m := range c.mails {
		if !c.deleted[i] {
			fmt.Fprintf(&b, "%d %s\r\n", i+1, what(m))
		}
	}
	c.Raw(b.String() + ".\r\n")
}

func (c *POP3Conn) one(verb, arg string) {
	num, rest, _ := strings.Cut(arg, " ")
	i, err := strconv.Atoi(num)
	switch i--; {
	case err != nil || i < 0 || i >= len(c.mails) || c.deleted[i]:
		c.Say("-ERR no such message")
	case verb == "DELE":
		c.deleted[i] = true
		c.Say("+OK")
	case c.mails[i].Refuse != "":
		c.Say("-ERR " + c.mails[i].Refuse)
	case verb == "TOP" && (c.Server.NoTOP || rest == ""):
		c.Say("-ERR unknown command")
	case verb == "TOP":
		n, _ := strconv.Atoi(rest)
		c.Raw("+OK\r\n" + Stuff(top(c.mails[i].Octets, n)))
	case c.hide(c.mails[i]):
	case c.mails[i].Sent != "":
		c.Raw("+OK\r\n" + c.mails[i].Sent)
	default:
		c.Raw("+OK\r\n" + Stuff(c.mails[i].Octets))
	}
}

// Hide does with message number arg what the server does with one that is asked for, for what replaces RETR.
func (c *POP3Conn) Hide(arg string) {
	if i, err := strconv.Atoi(arg); err == nil && i > 0 && i <= len(c.mails) {
		c.hide(c.mails[i-1])
	}
}

// hide lets a message vanish, as the server does; it never answers.
func (c *POP3Conn) hide(m *Mail) (answered bool) {
	c.Server.mu.Lock()
	defer c.Server.mu.Unlock()
	switch c.Server.Hides {
	case HidesAtRETR:
		m.hidden = true
	case HidesAtQUIT:
		c.retrieved = append(c.retrieved, m)
	}
	return false
}

// top returns the header section and n lines of the body.
func top(b []byte, n int) []byte {
	end := len(mail.HeaderOf(b))
	for ; n > 0 && end < len(b); n-- {
		i := bytes.Index(b[end:], []byte("\r\n"))
		if i < 0 {
			return b
		}
		end += i + 2
	}
	return b[:end]
}

// Stuff returns a message as a multi-line reply has it (RFC 1939, 3): dots at line starts doubled, and the
// end. A last line without CRLF gets one.
func Stuff(b []byte) string {
	s := string(b)
	if !strings.HasSuffix(s, "\r\n") && s != "" {
		s += "\r\n"
	}
	if strings.HasPrefix(s, ".") {
		s = "." + s
	}
	return strings.ReplaceAll(s, "\r\n.", "\r\n..") + ".\r\n"
}

package relaytest

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"mailretr/store/mail"
)

// A dialogue is one connection of an MTA.
type dialogue struct {
	m   *MTA
	raw net.Conn
	c   net.Conn // raw, or TLS over it
	br  *bufio.Reader
	no  int

	hello    string
	secure   bool
	user     string
	client   string
	mail     *Mail // the open transaction
	messages int
	rcpts    int // RCPT commands of this transaction
}

// errOver ends a dialogue.
var errOver = errors.New("over")

func numbered(n int, line string) string { return fmt.Sprintf("%d %s", n, line) }

func (d *dialogue) run() {
	d.c, d.br = d.raw, bufio.NewReaderSize(d.raw, 32<<10)
	if d.m.script.Proxy && d.proxied() != nil {
		return
	}
	if d.m.script.Implicit && d.secured() != nil {
		return
	}
	if err := d.answer(Step{Verb: Connect}, d.m.script.Greeting); err != nil {
		return
	}
	for {
		line, err := d.line()
		if err != nil {
			return
		}
		if err := d.command(line); err != nil {
			return
		}
	}
}

func (d *dialogue) line() (string, error) {
	s, err := d.br.ReadString('\n')
	return strings.TrimRight(s, "\r\n"), err
}

func (d *dialogue) secured() error {
	raw := d.raw
	if d.m.script.Proxy { // the handshake may have come with the header
		raw = behind{raw, d.br}
	}
	t := tls.Server(raw, d.m.script.TLS)
	if err := t.Handshake(); err != nil {
		return err
	}
	d.c, d.br, d.secure = t, bufio.NewReaderSize(t, 32<<10), true
	return nil
}

// answer does what the script says at this step, or replies what is right. errOver: the connection is to
// be closed.
func (d *dialogue) answer(s Step, right string) error {
	_, err := d.said(s, right)
	return err
}

// said is answer, and returns what was replied.
func (d *dialogue) said(s Step, right string) (string, error) {
	s.Conn, s.Message = d.no, d.messages
	a := d.m.ask(s)
	if a.zero() {
		return right, d.write(right)
	}
	reply := a.Reply
	if reply == "" && a.Raw == "" && !a.Cut && !a.Reset && !a.Hang {
		reply = right
	}
	return cmp.Or(reply, a.Raw), d.act(a, reply)
}

func (d *dialogue) act(a Answer, reply string) error {
	if a.Delay > 0 {
		time.Sleep(a.Delay)
	}
	switch {
	case a.Raw != "":
		if _, err := io.WriteString(d.c, a.Raw); err != nil {
			return err
		}
	case reply != "":
		if err := d.write(reply); err != nil {
			return err
		}
	}
	switch {
	case a.Reset:
		if t, ok := d.raw.(*net.TCPConn); ok {
			t.SetLinger(0)
		}
		return errOver
	case a.Hang:
		io.Copy(io.Discard, d.br)
		return errOver
	case a.Cut:
		return errOver
	}
	return nil
}

func (d *dialogue) write(reply string) error {
	if reply == "" {
		return nil
	}
	_, err := io.WriteString(d.c, strings.ReplaceAll(reply, "\n", "\r\n")+"\r\n")
	return err
}

// command does what a line asks for.
func (d *dialogue) command(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	s := Step{Verb: verb, Line: line, Rcpt: d.rcpts}
	switch verb {
	case "EHLO", "HELO", "LHLO":
		return d.greet(s, rest)
	case "XCLIENT":
		return d.xclient(s, rest)
	case "STARTTLS":
		if d.m.script.TLS == nil || d.secure {
			return d.answer(s, "502 5.5.1 not here")
		}
		said, err := d.said(s, "220 2.0.0 go ahead")
		if err != nil || !strings.HasPrefix(said, "220") {
			return err
		}
		d.hello = ""
		return d.secured()
	case "AUTH":
		return d.auth(s, rest)
	case "MAIL":
		return d.from(s, rest)
	case "RCPT":
		return d.to(s, rest)
	case "DATA":
		return d.data(s)
	case "RSET":
		d.mail = nil
		return d.answer(s, "250 2.0.0 forgotten")
	case "NOOP":
		return d.answer(s, "250 2.0.0 done")
	case "QUIT":
		if err := d.answer(s, "221 2.0.0 bye"); err != nil {
			return err
		}
		return errOver
	}
	return d.answer(s, "500 5.5.2 what?")
}

func (d *dialogue) greet(s Step, name string) error {
	if d.m.script.LMTP != (s.Verb == "LHLO") {
		return d.answer(s, "500 5.5.1 other protocol")
	}
	d.hello, d.mail = name, nil
	if s.Verb == "HELO" {
		return d.answer(s, "250 mta.test")
	}
	lines := append([]string{"mta.test greets you"}, d.m.script.Offers...)
	if d.m.script.TLS != nil && !d.secure {
		lines = append(lines, "STARTTLS")
	}
	if d.m.script.Users != nil {
		lines = append(lines, "AUTH PLAIN LOGIN")
	}
	if d.m.script.XClient {
		lines = append(lines, "XCLIENT NAME ADDR")
	}
	for i := range lines {
		lines[i] = "250-" + lines[i]
	}
	last := &lines[len(lines)-1]
	*last = "250 " + (*last)[4:]
	return d.answer(s, strings.Join(lines, "\n"))
}

// auth is AUTH PLAIN with or without an initial response, and AUTH LOGIN without one (RFC 4954, 4).
func (d *dialogue) auth(s Step, rest string) error {
	mech, initial, _ := strings.Cut(rest, " ")
	var got []string
	prompts := []string{""}
	if strings.EqualFold(mech, "LOGIN") {
		prompts = []string{"Username:", "Password:"}
	}
	if initial != "" {
		got, prompts = append(got, initial), prompts[1:]
	}
	for _, p := range prompts {
		if err := d.write("334 " + base64.StdEncoding.EncodeToString([]byte(p))); err != nil {
			return err
		}
		line, err := d.line()
		if err != nil {
			return err
		}
		got = append(got, line)
	}
	var parts []string
	for _, g := range got {
		b, err := base64.StdEncoding.DecodeString(g)
		if err != nil {
			return d.answer(s, "501 5.5.2 no base64")
		}
		parts = append(parts, string(b))
	}
	if strings.EqualFold(mech, "PLAIN") {
		parts = strings.SplitN(parts[0], "\x00", 3)[1:]
	}
	if pass, ok := d.m.script.Users[parts[0]]; len(parts) != 2 || !ok || pass != parts[1] {
		return d.answer(s, "535 5.7.8 no such user or password")
	}
	said, err := d.said(s, "235 2.7.0 welcome")
	if strings.HasPrefix(said, "235") {
		d.user = parts[0]
	}
	return err
}

// argument parses "FROM:<path> params".
func argument(rest, word string) (path mail.Path, params string, ok bool) {
	if len(rest) < len(word) || !strings.EqualFold(rest[:len(word)], word) {
		return "", "", false
	}
	rest, ok = strings.CutPrefix(rest[len(word):], "<")
	end := strings.LastIndex(rest, ">")
	if !ok || end < 0 {
		return "", "", false
	}
	return mail.Path(rest[:end]), strings.TrimPrefix(rest[end+1:], " "), true
}

func (d *dialogue) from(s Step, rest string) error {
	path, params, ok := argument(rest, "FROM:")
	s.Path = path
	d.messages++
	right := "250 2.1.0 sender fine"
	switch {
	case !ok:
		right = "501 5.5.4 syntax"
	case d.hello == "":
		right = "503 5.5.1 say EHLO first"
	case d.m.script.Users != nil && d.user == "":
		right = "530 5.7.0 authentication required"
	case d.mail != nil:
		right = "503 5.5.1 sender already given"
	}
	said, err := d.said(s, right)
	if strings.HasPrefix(said, "2") {
		d.rcpts = 0
		d.mail = &Mail{Conn: d.no, Hello: d.hello, TLS: d.secure, User: d.user, Client: d.client, From: path, Params: params}
	}
	return err
}

func (d *dialogue) to(s Step, rest string) error {
	path, params, ok := argument(rest, "TO:")
	s.Path = path
	right := "250 2.1.5 recipient fine"
	switch {
	case !ok:
		right = "501 5.5.4 syntax"
	case d.mail == nil:
		right = "503 5.5.1 MAIL first"
	}
	d.rcpts++
	said, err := d.said(s, right)
	if strings.HasPrefix(said, "25") && d.mail != nil {
		d.mail.To = append(d.mail.To, Rcpt{path, params})
	}
	return err
}

func (d *dialogue) data(s Step) error {
	right := "354 go on"
	if d.mail == nil || len(d.mail.To) == 0 {
		right = "503 5.5.1 RCPT first"
	}
	said, err := d.said(s, right)
	if err != nil || !strings.HasPrefix(said, "354") || d.mail == nil {
		return err
	}
	x := d.mail
	d.mail = nil
	s = Step{Verb: Body, Conn: d.no, Message: d.messages}
	if a := d.m.ask(s); !a.zero() {
		if _, err := io.CopyN(io.Discard, d.br, int64(a.After)); err != nil {
			return err
		}
		if err := d.act(a, a.Reply); err != nil {
			return err
		}
	}
	if err := d.body(x); err != nil {
		return err
	}
	return d.dot(x)
}

// body reads to the final dot: CRLF.CRLF and nothing else, unless the script is sloppy.
func (d *dialogue) body(x *Mail) error {
	end := byte('\n')
	if d.m.script.Ends != 0 {
		end = d.m.script.Ends
	}
	var line []byte
	start := true // the line begins after CRLF
	for {
		part, err := d.br.ReadSlice(end)
		line = append(line, part...)
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			return err
		}
		if d.m.script.Ends != 0 {
			if line = bytes.Trim(line, "\r\n"); string(line) == "." {
				d.m.script.swallow(d.br)
				return nil
			}
			line = append(line, "\r\n"...)
		} else if start && string(line) == ".\r\n" {
			return nil
		}
		if start && line[0] == '.' {
			line = line[1:]
		}
		start = d.m.script.Ends != 0 || bytes.HasSuffix(line, []byte("\r\n"))
		x.Size += int64(len(line))
		if !d.m.script.NoBodies {
			x.Data = append(x.Data, line...)
		}
		line = line[:0]
	}
}

// swallow takes the LF behind the CR of a final dot.
func (s *Script) swallow(br *bufio.Reader) {
	if s.Ends != '\r' {
		return
	}
	if b, err := br.Peek(1); err == nil && b[0] == '\n' {
		br.Discard(1)
	}
}

// dot answers the message: once, or with LMTP once for each recipient (RFC 2033, 4.2). It is taken before
// that is said, so that who was told finds it.
func (d *dialogue) dot(x *Mail) error {
	asked := []Rcpt{{}}
	if d.m.script.LMTP {
		asked = x.To
	}
	var taken []Rcpt
	var answers []Answer
	for i, r := range asked {
		a := d.m.ask(Step{Verb: Dot, Conn: d.no, Message: d.messages, Rcpt: i, Path: r.Path})
		ends := a.Cut || a.Reset || a.Hang
		if a.Reply == "" && a.Raw == "" && !ends {
			a.Reply = "250 2.0.0 taken"
		}
		if a.Keep || strings.HasPrefix(a.Reply, "250") {
			taken = append(taken, r)
		}
		if answers = append(answers, a); ends {
			break
		}
	}
	if d.m.script.LMTP {
		x.To = taken
	}
	if len(taken) > 0 {
		d.m.take(*x)
	}
	for _, a := range answers {
		if err := d.act(a, a.Reply); err != nil {
			return err
		}
	}
	return nil
}

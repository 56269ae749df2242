package imap

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"

	"mailretr/relay/sasl"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

const (
	// initialRoom is how many octets of base64 go with AUTHENTICATE where the server takes them (SASL-IR, RFC
	// 4959): tokens fit, and so does the line into the limit of RFC 7162, 4.
	initialRoom = 6000
	// maxUntagged is how many untagged lines may come before an answer.
	maxUntagged = 16
)

// authenticate logs in by a mechanism of SASL, before the library has the connection: it would answer an
// empty challenge with "=", which ends a SCRAM login, and cannot break off an exchange. Where the LOGIN
// command is the way, it is left to the library. The result is a greeting for the library, as it would have
// come from a server that is in this state.
func (s *session) authenticate(ctx context.Context, conn *wire.Conn, greeting string) (
	clean string, in bool, err error,
) {
	a := &access{session: s, conn: conn}
	r, _ := parseReply(strings.TrimRight(greeting, "\r\n"))
	if a.caps = strings.Fields(r.args); r.code != "CAPABILITY" {
		if err := a.ask(); err != nil {
			return "", false, err
		}
	}
	request, err := a.request(ctx)
	if err != nil {
		return "", false, err
	}
	m, err := request.Choose()
	if err != nil {
		return "", false, a.placed(err)
	}
	if m == "" {
		s.password = request.Secret
		return a.greeting("OK"), false, nil
	}
	e, err := request.Begin(m)
	if err != nil {
		return "", false, a.placed(err)
	}
	room := 0
	if a.can("SASL-IR") {
		room = initialRoom
	}
	a.caps = nil // what it can is another question once we are in
	if err := e.Run(a, room); err != nil {
		return "", false, a.placed(err)
	}
	return a.greeting("PREAUTH"), true, nil
}

// An access is a connection on the way in.
type access struct {
	*session
	conn *wire.Conn
	caps []string // as they were said last
	tag  string
}

func (a *access) can(capability string) bool {
	return slices.ContainsFunc(a.caps, func(c string) bool { return strings.EqualFold(c, capability) })
}

// greeting is for the library; it asks for capabilities where none are known.
func (a *access) greeting(word string) string {
	return cleanGreeting(reply{word: word, code: "CAPABILITY", args: strings.Join(a.caps, " ")})
}

// placed adds the server to a trouble of relay/sasl.
func (a *access) placed(err error) *mail.Trouble {
	t := a.trouble(mail.OpLogin, err)
	if t.Server == "" {
		t.Server = a.server()
	}
	return t
}

// request says who logs in, and what the server has for it.
func (a *access) request(ctx context.Context) (*sasl.Request, error) {
	o := a.o
	password, err := a.secret(ctx)
	if err != nil {
		return nil, a.unread(err)
	}
	host, port, _ := net.SplitHostPort(o.Dial.Address)
	number, _ := strconv.Atoi(port) // 0 where there is none
	tls := o.Dial.TLS
	r := &sasl.Request{
		Offered: a.mechanisms(), Token: o.Token, Host: host, Port: number, User: o.User, Secret: password,
		Channel: sasl.ChannelOf(a.conn, tls.Blind(), tls.Mode == wire.Plain),
	}
	plain := slices.Contains(r.Offered, string(sasl.Plain))
	r.Native = !o.Token && !a.can("LOGINDISABLED") && (ascii(o.User+password) || !plain || o.Auth == Login)
	switch o.Auth {
	case Auto:
	case Login:
		r.Offered = nil
	default:
		r.Want = sasl.Mechanism(o.Auth)
	}
	return r, nil
}

// prepare asks for the password before anybody is dialled: where it cannot be had, a visit costs nothing. Behind a
// command none may be needed, since there the server may know already who comes (PREAUTH).
func (s *session) prepare(ctx context.Context) error {
	if len(s.o.Dial.Command) > 0 {
		return nil
	}
	password, err := s.secret(ctx)
	if err != nil {
		return s.unread(err)
	}
	s.o.Password = func(context.Context) (string, error) { return password, nil }
	return nil
}

func (s *session) unread(err error) *mail.Trouble {
	return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Local, Server: s.server(), Err: err,
		Hint: "The password could not be read here; the server was not asked."}
}

// secret asks for password or token.
func (s *session) secret(ctx context.Context) (string, error) {
	if s.o.Auth == Auth(sasl.External) {
		return "", nil
	}
	password, err := s.o.Password(ctx)
	switch {
	case err != nil:
		return "", err
	case password == "":
		return "", errors.New("the password is empty")
	case s.o.Token:
		return password, nil
	}
	return password, clean("password", password)
}

// mechanisms are those that are offered.
func (a *access) mechanisms() (list []string) {
	for _, c := range a.caps {
		if name, ok := strings.CutPrefix(strings.ToUpper(c), "AUTH="); ok {
			list = append(list, name)
		}
	}
	return list
}

// ascii says whether the LOGIN command can carry s everywhere.
func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7e }) < 0
}

// ask asks what the server can do.
func (a *access) ask() error {
	err := a.do("CAPABILITY")
	if err == nil && a.caps == nil {
		err = a.foreign("the server does not say what it can do")
	}
	return err
}

// do sends a command and takes its answer. What the server could do before does not count any more.
func (a *access) do(command string) error {
	a.caps = nil
	if err := a.send(command); err != nil {
		return err
	}
	_, done, err := a.Hear()
	if err == nil && !done {
		err = a.foreign("the server asks back")
	}
	return err
}

func (a *access) foreign(why string) *mail.Trouble {
	return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Protocol, Server: a.server(), Err: errors.New(why)}
}

func (a *access) send(command string) error {
	a.tag = "A" + rand.Text()[:12]
	return a.write(a.tag + " " + command)
}

func (a *access) write(line string) error {
	if _, err := a.conn.Write([]byte(line + "\r\n")); err != nil {
		return a.trouble(mail.OpLogin, err)
	}
	return nil
}

// Begin sends AUTHENTICATE (RFC 9051, 6.2.2).
func (a *access) Begin(m sasl.Mechanism, initial string) error {
	a.conn.Mask(true)
	defer a.conn.Mask(false)
	return a.send(strings.TrimRight("AUTHENTICATE "+string(m)+" "+initial, " "))
}

// Answer sends a line.
func (a *access) Answer(line string) error {
	a.conn.Mask(true)
	defer a.conn.Mask(false)
	return a.write(line)
}

// Break sends "*". What becomes of it is of no interest: the connection is closed next.
func (a *access) Break() {
	if a.write("*") == nil {
		_ = a.conn.Flush()
	}
}

// Hear reads the answer to the last command, and keeps the capabilities that are said on the way.
func (a *access) Hear() (challenge string, done bool, err error) {
	for range maxUntagged {
		line, err := a.conn.ReadLine(maxGreeting)
		if err != nil {
			return "", false, a.trouble(mail.OpLogin, err)
		}
		text := string(line)
		if text == "+" || strings.HasPrefix(text, "+ ") {
			return strings.TrimSpace(text[1:]), false, nil
		}
		r, ok := parseReply(text)
		switch {
		case ok && r.tag == a.tag && r.word == "OK":
			if r.code == "CAPABILITY" {
				a.caps = strings.Fields(r.args)
			}
			return "", true, nil
		case ok && (r.tag == a.tag || r.tag == "*" && r.word == "BYE"):
			return "", false, a.refused(mail.OpLogin, r)
		case !strings.HasPrefix(text, "* "):
			return "", false, a.foreign("the server answered something that was not asked")
		}
		a.untagged(text[2:])
	}
	return "", false, a.foreign("the server does not come to the point")
}

func (a *access) untagged(text string) {
	if word, rest, _ := strings.Cut(text, " "); strings.EqualFold(word, "CAPABILITY") {
		a.caps = strings.Fields(rest)
	}
}

package pop3

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"strings"

	"mailretr/relay/sasl"
	"mailretr/store/mail"
)

// A turn is one command and what is done with its reply. skip is asked only where the turns before it have
// been answered.
type turn struct {
	command string
	secret  bool
	read    func() error
	skip    func() bool
}

// take makes turns: all commands in one write where the server can pipeline, else one after the other.
func (s *session) take(pipe bool, turns ...turn) error {
	send := func(t turn) error {
		if t.secret {
			return s.link.secret(t.command)
		}
		return s.link.send(t.command)
	}
	if pipe {
		for _, t := range turns {
			if err := send(t); err != nil {
				return err
			}
		}
	}
	for _, t := range turns {
		if !pipe {
			if t.skip != nil && t.skip() {
				continue
			}
			if err := send(t); err != nil {
				return err
			}
		}
		if err := t.read(); err != nil {
			return err
		}
	}
	return nil
}

// login authenticates and counts. What the server can is remembered from an earlier session, or asked first;
// then login and STAT leave in one write if it pipelines.
func (s *session) login(greeting []byte, password string) error {
	s.conn.Hide(s.opts.User, password)
	k := s.opts.recall(s.conn.Secure())
	fresh := k == nil
	if fresh {
		k = &known{At: s.opts.now().Unix(), Secure: s.conn.Secure()}
		if err := s.take(false, s.capa(&k.Before)); err != nil {
			return mail.TroubleOf(mail.OpLogin, s.server, err)
		}
	}
	s.op, s.known = mail.OpLogin, k
	s.recollect()
	auth, err := s.auth(k, greeting, password)
	if err != nil {
		return err
	}
	pipe := k.Before.has("PIPELINING", "")
	turns := append(auth, s.opening(k, pipe)...)
	if err := s.take(pipe, turns...); err != nil {
		if t := (*mail.Trouble)(nil); !errors.As(err, &t) {
			s.disbelieve(err) // no refusal: perhaps what was believed of the server is why
		}
		return s.discreet(mail.TroubleOf(s.op, s.server, err), password)
	}
	s.learned(k)
	if fresh {
		s.opts.remember(k)
	}
	return nil
}

// discreet takes out of what the server said what was sent to log in: some quote the command that they refuse. What is very
// short would only tear words apart.
func (s *session) discreet(t *mail.Trouble, password string) *mail.Trouble {
	if len(password) < 4 {
		return t
	}
	sent := base64.StdEncoding.EncodeToString([]byte("\x00" + s.opts.User + "\x00" + password))
	hide := strings.NewReplacer(password, "***", sent, "***").Replace
	t.Reply = hide(t.Reply)
	if n := (*nonsense)(nil); errors.As(t.Err, &n) && hide(n.text) != n.text {
		t.Err = &nonsense{hide(n.text)}
	}
	return t
}

// learned takes over what is known once we are in.
func (s *session) learned(k *known) {
	if k.After == nil {
		k.After = k.Before
	}
	s.pipelining = k.After.has("PIPELINING", "") || k.Before.has("PIPELINING", "")
	if len(k.After) > 0 && !k.After.has("TOP", "") {
		k.NoTop = true
	}
}

// capa asks for the capabilities; -ERR means that there are none to speak of.
func (s *session) capa(into *caps) turn {
	return turn{command: "CAPA", read: func() error {
		st, err := s.link.status()
		if err != nil || !st.ok {
			*into = caps{}
			return err
		}
		*into, err = readCaps(s.link.multi())
		return err
	}}
}

// auth returns the turns of the login; one that is an exchange of challenges is made here.
func (s *session) auth(k *known, greeting []byte, password string) ([]turn, error) {
	o := s.opts
	if o.Auth == APOP {
		return s.apop(greeting, password)
	}
	r := s.request(k, password)
	m, err := r.Choose()
	if err != nil {
		return nil, mail.TroubleOf(mail.OpLogin, s.server, placed(err, s.server))
	}
	if m == "" {
		return []turn{
			{"USER " + o.User, false, s.accepted, nil},
			{"PASS " + password, true, s.accepted, nil},
		}, nil
	}
	e, err := r.Begin(m)
	switch {
	case err != nil:
		return nil, placed(err, s.server)
	case m == sasl.Plain:
		return s.plain(e)
	}
	return nil, s.exchange(e, m)
}

// apop is RFC 1939, 7.
func (s *session) apop(greeting []byte, password string) ([]turn, error) {
	stamp, err := timestamp(greeting)
	if err != nil {
		return nil, &mail.Trouble{Op: mail.OpLogin, Kind: mail.Protocol, Server: s.server, Err: err,
			Hint: "Without a proper timestamp APOP gives the password away; choose TLS."}
	}
	sum := md5.Sum([]byte(stamp + password))
	command := "APOP " + s.opts.User + " " + hex.EncodeToString(sum[:])
	return []turn{{command, true, s.accepted, nil}}, nil
}

// plain is one turn, which may leave together with others.
func (s *session) plain(e *sasl.Exchange) ([]turn, error) {
	_, initial, err := e.Start()
	if err != nil {
		return nil, mail.TroubleOf(mail.OpLogin, s.server, err)
	}
	secret := base64.StdEncoding.EncodeToString(initial)
	read := func() error { return s.continued(secret) }
	if command := "AUTH PLAIN " + secret; len(command) <= maxCommand {
		return []turn{{command, true, read, nil}}, nil
	}
	return []turn{{"AUTH PLAIN", false, read, nil}}, nil
}

// accepted reads the reply to a step of the login.
func (s *session) accepted() error {
	st, err := s.link.status()
	if err == nil && st.more {
		err = &nonsense{"a continuation that was not asked for"}
	}
	if err != nil {
		return err
	}
	if !st.ok {
		return refused(mail.OpLogin, s.server, st, s.known.Before)
	}
	return nil
}

// continued reads the reply to AUTH PLAIN; a server that wants the secret on a line of its own gets it (RFC
// 5034, 4).
func (s *session) continued(secret string) error {
	st, err := s.link.status()
	switch {
	case err != nil:
		return err
	case st.ok:
		return nil
	case !st.more:
		return refused(mail.OpLogin, s.server, st, s.known.Before)
	case s.known.Before.has("PIPELINING", ""):
		return &nonsense{"a continuation, though commands were pipelined behind AUTH PLAIN"}
	}
	if err := s.link.secret(secret); err != nil {
		return err
	}
	return s.accepted()
}

// timestamp returns the msg-id in a greeting (RFC 1939, 7, APOP). It must be one of RFC 822 to the letter:
// a server in the middle that chooses other octets finds out the password by collisions of MD5
// (CVE-2007-1558).
func timestamp(greeting []byte) (string, error) {
	_, rest, ok := strings.Cut(string(greeting), "<")
	id, _, closed := strings.Cut(rest, ">")
	if !ok || !closed {
		return "", errors.New("the greeting has no timestamp, so that APOP is impossible")
	}
	at := 0
	for i := 0; i < len(id); i++ {
		switch c := id[i]; {
		case c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>,;:\"[]`, c) >= 0:
			return "", errors.New("the timestamp of the greeting is no message id")
		case c == '@':
			at++
		}
	}
	if at != 1 || id[0] == '@' || id[len(id)-1] == '@' {
		return "", errors.New("the timestamp of the greeting is no message id")
	}
	return "<" + id + ">", nil
}

// whole reads a reply of many lines and gives each line to f. A long one tells how quick the line is.
func (s *session) whole(f func([]byte) error) error {
	m, began := s.link.multi(), s.opts.now()
	for {
		l, err := m.line()
		if err == io.EOF {
			s.meter.guess(m.raw, s.opts.now().Sub(began))
			return nil
		}
		if err == nil && m.raw > s.opts.maxListing() {
			err = &nonsense{"the listing is too long"}
		}
		if err == nil {
			err = f(l)
		}
		if err != nil {
			return err
		}
	}
}

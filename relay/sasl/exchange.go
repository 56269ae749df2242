package sasl

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"

	"mailretr/store/mail"
)

const (
	// maxChallenge bounds a challenge in octets; real ones stay below 1 KiB.
	maxChallenge = 8 << 10
	// maxRounds is how many challenges there may be: SCRAM and LOGIN have two, and an empty one may go
	// before.
	maxRounds = 4
	// maxSecret bounds user, password and token in octets each.
	maxSecret = 64 << 10
)

// An Exchange is one login. It is a sasl.Client of go-sasl too, for libraries that carry it themselves; they
// call Accepted in the end. Not for concurrent use, and not to be used twice.
type Exchange struct {
	mechanism Mechanism
	client    sasl.Client
	proven    func() bool // the server has proved itself; nil: it cannot
	rounds    int
	problem   string   // what the server says of a token or a proof before it refuses it
	hidden    []string // what may be in no text that is shown
	other     string   // what can be configured instead, where nobody has chosen the mechanism; "": nothing
}

// Begin begins an exchange by a mechanism that Choose returned. An error is a *mail.Trouble without Server:
// something of the credentials cannot be sent.
func (r *Request) Begin(m Mechanism) (*Exchange, error) {
	if err := r.check(m); err != nil {
		return nil, &mail.Trouble{Op: mail.OpLogin, Kind: mail.Local, Err: err,
			Hint: "Look at user and password of this maildrop in the configuration."}
	}
	e := &Exchange{mechanism: m, other: r.other(m)}
	var err error
	switch m {
	case Plain:
		e.client = sasl.NewPlainClient("", r.User, r.Secret)
	case Login:
		e.client = &login{answers: []string{r.User, r.Secret}}
	case CRAMMD5:
		e.client = &cramMD5{r.User, r.Secret}
	case External:
		e.client = sasl.NewExternalClient(r.User)
	case OAuthBearer, XOAuth2:
		e.client = &token{Request: r, mechanism: m, exchange: e}
	default:
		e.client, err = r.scram(m, e)
	}
	if err != nil {
		return nil, &mail.Trouble{Op: mail.OpLogin, Kind: mail.Local, Err: err}
	}
	e.hide(r.Secret, base64.StdEncoding.EncodeToString([]byte(r.Secret)))
	return e, nil
}

// check finds what would end a message of a mechanism and begin another.
func (r *Request) check(m Mechanism) error {
	if _, known := Named(string(m)); !known {
		return fmt.Errorf("the mechanism %q is not known", string(m))
	}
	for _, x := range []struct{ what, s string }{{"user", r.User}, {"secret", r.Secret}} {
		switch {
		case x.s == "" && (x.what == "user" || m != External):
			return fmt.Errorf("the %s is empty", x.what)
		case strings.ContainsAny(x.s, "\x00\x01\r\n"):
			return fmt.Errorf("the %s holds a control character", x.what)
		case len(x.s) > maxSecret:
			return fmt.Errorf("the %s is longer than %d octets", x.what, maxSecret)
		}
	}
	return nil
}

// hide keeps texts out of what is shown. What is very short would only tear words apart.
func (e *Exchange) hide(texts ...string) {
	for _, t := range texts {
		if len(t) >= 4 {
			e.hidden = append(e.hidden, t)
		}
	}
	slices.SortFunc(e.hidden, func(a, b string) int { return len(b) - len(a) })
}

// Redact takes out of a text what may not be shown: secrets, and what was sent.
func (e *Exchange) Redact(text string) string {
	for _, h := range e.hidden {
		text = strings.ReplaceAll(text, h, "***")
	}
	return text
}

// Start returns the name of the mechanism and the client's first words, nil where the server speaks first.
func (e *Exchange) Start() (mechanism string, initial []byte, err error) {
	_, initial, err = e.client.Start()
	if initial != nil {
		e.hide(base64.StdEncoding.EncodeToString(initial))
	}
	return string(e.mechanism), initial, err
}

// Next answers a challenge. An error is a *mail.Trouble without Server, and ends the exchange.
func (e *Exchange) Next(challenge []byte) ([]byte, error) {
	e.rounds++
	switch {
	case len(challenge) > maxChallenge:
		return nil, nonsense("a challenge has more than %d octets", maxChallenge)
	case e.rounds > maxRounds:
		return nil, nonsense("the server asks and asks")
	}
	answer, err := e.client.Next(challenge)
	var t *mail.Trouble
	if err != nil && !errors.As(err, &t) {
		err = nonsense("%w", err)
	}
	if err != nil {
		return nil, err
	}
	e.hide(base64.StdEncoding.EncodeToString(answer))
	if answer == nil {
		answer = []byte{} // go-sasl and go-smtp take nil for "nothing to send"
	}
	return answer, nil
}

// Accepted is to be called when the server said yes: an error, a *mail.Trouble without Server, means that it
// is not to be believed.
func (e *Exchange) Accepted() error {
	if e.proven != nil && !e.proven() {
		return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Insecure,
			Err:  errors.New("the server has not proved that it knows the password"),
			Hint: "Somebody may pretend to be the provider's server. The password was not sent."}
	}
	return nil
}

// Refused completes the trouble of a server that said no: with what it said before, and without what was
// sent.
func (e *Exchange) Refused(t *mail.Trouble) *mail.Trouble {
	if e.problem != "" {
		t.Reply += " (" + e.problem + ")"
	}
	t.Reply = e.Redact(t.Reply)
	if strings.Contains(e.problem, "channel-binding") {
		t.Hint = "The server binds logins to TLS in another way than we do: write auth: " +
			strings.ToLower(strings.TrimSuffix(string(e.mechanism), "-PLUS")) + " in the maildrop."
	}
	if e.other != "" && t.Kind == mail.Auth && e.problem == "" {
		t.Hint = strings.TrimSpace(fmt.Sprintf("%s If both are right, the server may offer %s without having what that takes: "+
			"then write auth: %s.", t.Hint, e.mechanism, e.other))
	}
	if e.mechanism.Token() && t.Kind == mail.Auth {
		t.Hint = "The provider does not accept the access token. Sign in again with mailretr login, and " +
			"look whether POP3 or IMAP is switched on for the account."
	}
	return t
}

// A Carrier is how a protocol carries an exchange over the line.
type Carrier interface {
	// Begin sends the command with the first words in base64: "=" where they are empty, "" where none go with
	// it.
	Begin(mechanism Mechanism, initial string) error
	// Hear reads a reply: a challenge in base64, or, done, that all is well. A refusal is an error.
	Hear() (challenge string, done bool, err error)
	// Answer sends a line of base64.
	Answer(line string) error
	// Break breaks the exchange off ("*"), and waits for nothing.
	Break()
}

// Run carries the exchange to its end. room is how many octets of base64 may go with the command; 0: the
// server takes none there. Errors are those of the carrier, completed by Refused, and *mail.Trouble without
// Server; the connection is of no use then.
func (e *Exchange) Run(c Carrier, room int) error {
	_, initial, err := e.Start()
	if err != nil {
		return nonsense("%w", err)
	}
	first := ""
	if initial != nil {
		if first = base64.StdEncoding.EncodeToString(initial); first == "" {
			first = "="
		}
	}
	waits := first != "" && len(first) > room
	if waits {
		err = c.Begin(e.mechanism, "")
	} else {
		err = c.Begin(e.mechanism, first)
	}
	for err == nil {
		var challenge string
		var done bool
		if challenge, done, err = c.Hear(); err != nil || done {
			break
		}
		if waits { // an empty challenge; what some write into it means nothing
			waits = false
			err = c.Answer(strings.TrimPrefix(first, "="))
			continue
		}
		err = e.answer(c, challenge)
	}
	if err == nil {
		return e.Accepted()
	}
	var t *mail.Trouble
	if errors.As(err, &t) && t.Reply != "" {
		return e.Refused(t)
	}
	return err
}

// answer answers one challenge, or breaks the exchange off where it makes no sense.
func (e *Exchange) answer(c Carrier, challenge string) error {
	octets, err := base64.StdEncoding.DecodeString(challenge)
	if err != nil {
		err = nonsense("a challenge is not in base64")
	}
	var answer []byte
	if err == nil {
		answer, err = e.Next(octets)
	}
	if err != nil {
		c.Break()
		return err
	}
	return c.Answer(base64.StdEncoding.EncodeToString(answer))
}

// nonsense is the trouble of a server that does not keep to the mechanism.
func nonsense(format string, args ...any) *mail.Trouble {
	return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Protocol, Err: fmt.Errorf(format, args...)}
}

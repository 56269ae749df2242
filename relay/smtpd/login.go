package smtpd

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"

	"mailretr/relay/passwd"
	"mailretr/store/mail"
)

// An exchange is one login, as the library carries it: it is told by step what the client has sent, and ends
// with done, or with what the client is to be told.
type exchange struct {
	*session
	step func(response []byte) (challenge []byte, done bool, err error)
	name string // of the user, as far as he has said it
}

// slow is how long a login that has failed is kept waiting: it makes guessing dear on one connection, and
// the number of failures per address does so on many.
const slow = 2 * time.Second

// errWrong is a user or password that is not right, or nonsense in the place of one.
var errWrong = errors.New("smtpd: wrong user or password")

// exchange begins a login by one of our mechanisms, nil where there is no such.
func (s *session) exchange(mechanism string) sasl.Server {
	e := &exchange{session: s}
	switch mechanism {
	case "PLAIN":
		e.step = e.plain
	case "LOGIN":
		e.step = e.login()
	case "SCRAM-SHA-256":
		e.step = e.scram()
	default:
		return nil
	}
	return e
}

// Next is sasl.Server.
func (e *exchange) Next(response []byte) ([]byte, bool, error) {
	challenge, done, err := e.step(response)
	switch {
	case err != nil:
		e.failed()
		return nil, false, answer(535, 5, 7, 8, "user or password are wrong")
	case done:
		e.user = e.name
		e.srv.loggedIn(e.party(), true, e.gen.now())
	}
	return challenge, done, nil
}

// failed counts, tells and waits.
func (e *exchange) failed() {
	e.srv.loggedIn(e.party(), false, e.gen.now())
	e.gen.observe(mail.Event{Relay: e.door.client.name(), Enhanced: "5.7.8",
		Text: fmt.Sprintf("a login as %q was refused", mail.Printable(e.name, 100))})
	t := time.NewTimer(slow)
	defer t.Stop()
	select {
	case <-t.C:
	case <-e.ctx.Done():
	}
}

// plain is RFC 4616. To act for somebody else is allowed to nobody.
func (e *exchange) plain(response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte{}, false, nil
	}
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 {
		return nil, false, errWrong
	}
	e.name = string(parts[1])
	if as := string(parts[0]); as != "" && as != e.name || !e.gen.Users.Check(e.name, string(parts[2])) {
		return nil, false, errWrong
	}
	return nil, true, nil
}

// login is the LOGIN of old clients: two questions.
func (e *exchange) login() func([]byte) ([]byte, bool, error) {
	asked := false
	return func(response []byte) ([]byte, bool, error) {
		switch {
		case response == nil && e.name == "" && !asked:
			return []byte("Username:"), false, nil
		case !asked:
			asked, e.name = true, string(response)
			return []byte("Password:"), false, nil
		case !e.gen.Users.Check(e.name, string(response)):
			return nil, false, errWrong
		}
		return nil, true, nil
	}
}

// scram is RFC 5802 and RFC 7677. The server's last message is a challenge with an empty answer: SMTP has no
// place for it in the 235 (RFC 4954, 4).
func (e *exchange) scram() func([]byte) ([]byte, bool, error) {
	server, err := scram.SHA256.NewServer(e.gen.Users.keys)
	if err != nil {
		return func([]byte) ([]byte, bool, error) { return nil, false, err }
	}
	talk := server.NewConversation()
	return func(response []byte) ([]byte, bool, error) {
		switch {
		case response == nil:
			return []byte{}, false, nil
		case talk.Done():
			if !talk.Valid() || len(response) > 0 || talk.AuthzID() != "" && talk.AuthzID() != e.name {
				return nil, false, errWrong
			}
			return nil, true, nil
		case len(response) > 4*maxSecret:
			return nil, false, errWrong
		}
		say, err := talk.Step(string(response))
		e.name = talk.Username()
		if err != nil {
			return nil, false, errWrong
		}
		return []byte(say), false, nil
	}
}

// decoy keys the salts of users that are not there: the same each time, as those of others are.
var decoy = func() (key [32]byte) {
	rand.Read(key[:])
	return key
}()

// keys are those of a user for SCRAM. One that is not there, or has none, gets some that no password fits.
func (u *Users) keys(name string) (scram.StoredCredentials, error) {
	if h, _ := u.find(name); h != nil {
		if k, ok := h.(*passwd.Scram); ok {
			return k.StoredCredentials, nil
		}
	}
	sum := sha256.Sum256(append(decoy[:], name...))
	key := make([]byte, sha256.Size)
	rand.Read(key)
	return scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(sum[:16]), Iters: 4096},
		StoredKey: key, ServerKey: key}, nil
}

package sasl

import (
	"encoding/json"
	"errors"
	"net/smtp"
	"strings"

	"github.com/emersion/go-sasl"
)

// A login answers the prompts of LOGIN in their order, whatever they say: servers word them differently, and
// go-sasl's insists on "Password:".
type login struct{ answers []string }

// Start names the mechanism.
func (l *login) Start() (string, []byte, error) { return string(Login), nil, nil }

// Next answers a prompt.
func (l *login) Next([]byte) ([]byte, error) {
	if len(l.answers) == 0 {
		return nil, errors.New("the server asks for more than a user and a password")
	}
	b := []byte(l.answers[0])
	l.answers = l.answers[1:]
	return b, nil
}

// cramMD5 is RFC 2195, calculated by the standard library.
type cramMD5 struct{ user, password string }

// Start names the mechanism.
func (c *cramMD5) Start() (string, []byte, error) { return string(CRAMMD5), nil, nil }

// Next answers the challenge. An empty one would make every answer the same.
func (c *cramMD5) Next(challenge []byte) ([]byte, error) {
	if len(challenge) == 0 {
		return nil, errors.New("the challenge is empty")
	}
	return smtp.CRAMMD5Auth(c.user, c.password).Next(challenge, true)
}

// A token shows an access token, by OAUTHBEARER or XOAUTH2.
type token struct {
	*Request
	mechanism Mechanism
	exchange  *Exchange
}

// Start returns the whole of it: user and token.
func (t *token) Start() (string, []byte, error) {
	if t.mechanism == XOAuth2 {
		return string(XOAuth2), []byte("user=" + t.User + "\x01auth=Bearer " + t.Secret + "\x01\x01"), nil
	}
	return sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{
		Username: saslname.Replace(t.User), Token: t.Secret, Host: t.Host, Port: t.Port,
	}).Start()
}

// saslname escapes a name (RFC 5801, 4).
var saslname = strings.NewReplacer("=", "=3D", ",", "=2C")

// Next takes why the token is refused, and says that it was heard (RFC 7628, 3.2.3): only then the server
// ends the login with its no.
func (t *token) Next(challenge []byte) ([]byte, error) {
	if t.exchange.problem != "" {
		return nil, errors.New("the server refuses the token twice")
	}
	t.exchange.problem = whyRefused(challenge)
	if t.mechanism == XOAuth2 {
		return []byte{}, nil
	}
	return []byte{1}, nil
}

// whyRefused returns the reason in what should be JSON.
func whyRefused(challenge []byte) string {
	var said struct{ Status, Scope string }
	if json.Unmarshal(challenge, &said) != nil || said.Status == "" {
		return "the token was refused without a reason"
	}
	why := "status " + said.Status
	if said.Scope != "" {
		why += ", wanted: " + said.Scope
	}
	return why
}

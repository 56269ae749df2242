package fetchtest

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"
)

// A SASL is the server's side of the mechanisms of relay/sasl, for a user, a password, and an access token.
type SASL struct {
	User, Password, Token string
	Owner                 func(token string) string // whose token it is; nil: Token is User's
	Broken                bool                      // of SCRAM: the last message proves nothing
}

var errDenied = errors.New("denied")

// Server returns the server's side of a mechanism; nil: it is not known.
func (s SASL) Server(mechanism string) sasl.Server {
	switch mechanism {
	case "PLAIN":
		return sasl.NewPlainServer(func(_, user, password string) error { return s.judge(user, password) })
	case "LOGIN":
		return &steps{say: []string{"User Name\x00", "Password\x00"}, judge: func(all [][]byte) error {
			return s.judge(string(all[0]), string(all[1]))
		}}
	case "CRAM-MD5":
		return &steps{say: []string{"<1896.697170952@mail.example>"}, judge: func(all [][]byte) error {
			h := hmac.New(md5.New, []byte(s.Password))
			h.Write([]byte("<1896.697170952@mail.example>"))
			user, digest, _ := strings.Cut(string(all[0]), " ")
			return s.judge(user, s.Password[:len(s.Password)*btoi(digest == hex.EncodeToString(h.Sum(nil)))])
		}}
	case "EXTERNAL":
		return &steps{say: []string{""}, judge: func(all [][]byte) error { return s.judge(string(all[0]), s.Password) }}
	case "OAUTHBEARER":
		return sasl.NewOAuthBearerServer(func(o sasl.OAuthBearerOptions) *sasl.OAuthBearerError {
			if o.Username != s.User || !s.owns(o.Token) {
				return &sasl.OAuthBearerError{Status: "invalid_token", Schemes: "bearer", Scope: "mail"}
			}
			return nil
		})
	case "XOAUTH2":
		return &xoauth2{s: s}
	case "SCRAM-SHA-1":
		return s.scram(scram.SHA1)
	case "SCRAM-SHA-256":
		return s.scram(scram.SHA256)
	}
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s SASL) judge(user, password string) error {
	if user != s.User || password != s.Password {
		return errDenied
	}
	return nil
}

func (s SASL) owns(token string) bool {
	if s.Owner != nil {
		return s.Owner(token) == s.User
	}
	return token == s.Token
}

// steps are challenges that do not depend on each other.
type steps struct {
	say   []string
	heard [][]byte
	judge func([][]byte) error
}

func (s *steps) Next(response []byte) ([]byte, bool, error) {
	if response != nil {
		s.heard = append(s.heard, bytes.Clone(response))
	}
	if len(s.heard) < len(s.say) {
		return []byte(s.say[len(s.heard)]), false, nil
	}
	return nil, true, s.judge(s.heard)
}

// xoauth2 says why it refuses, and waits for an empty line before it does.
type xoauth2 struct {
	s      SASL
	denied bool
}

func (x *xoauth2) Next(response []byte) ([]byte, bool, error) {
	switch {
	case x.denied:
		return nil, true, errDenied
	case response == nil:
		return []byte{}, false, nil
	}
	token, ok := strings.CutPrefix(string(response), "user="+x.s.User+"\x01auth=Bearer ")
	if token, closed := strings.CutSuffix(token, "\x01\x01"); ok && closed && x.s.owns(token) {
		return nil, true, nil
	}
	x.denied = true
	return []byte(`{"status":"400","schemes":"Bearer","scope":"https://mail.example/"}`), false, nil
}

type scramServer struct {
	talk   *scram.ServerConversation
	broken bool
}

func (s SASL) scram(hash scram.HashGeneratorFcn) sasl.Server {
	server, err := hash.NewServer(func(user string) (scram.StoredCredentials, error) {
		c, err := hash.NewClient(user, s.Password, "")
		if err != nil || user != s.User {
			return scram.StoredCredentials{}, errDenied
		}
		return c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "0123456789abcdef", Iters: 4096})
	})
	if err != nil {
		panic(err) // it says nothing of what was given to it
	}
	return &scramServer{talk: server.NewConversation(), broken: s.Broken}
}

func (s *scramServer) Next(response []byte) ([]byte, bool, error) {
	switch {
	case response == nil:
		return []byte{}, false, nil
	case s.talk.Done():
		return nil, true, nil
	}
	said, err := s.talk.Step(string(response))
	if err != nil {
		return nil, true, err
	}
	if s.talk.Done() && s.broken {
		said = "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	}
	return []byte(said), false, nil
}

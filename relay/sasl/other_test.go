package sasl

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"mailretr/store/mail"
)

// TestProofRefused: where nobody has chosen the proof of the password that a server offers and refuses, the way out is told; but not
// where the password would be shown to whoever reads along, or nobody could choose.
func TestProofRefused(t *testing.T) {
	both, secured := []string{"SCRAM-SHA-256", "PLAIN"}, Channel{State: &tls.ConnectionState{}}
	for name, x := range map[string]struct {
		r    Request
		hint string
	}{
		"plain":      {Request{Offered: both, Channel: secured, Choosable: true}, "SCRAM-SHA-256 without having what that takes: then write auth: plain."},
		"password":   {Request{Offered: both[:1], Channel: secured, Choosable: true}, "auth: password."},
		"chosen":     {Request{Offered: both, Channel: secured, Choosable: true, Want: SCRAMSHA256}, ""},
		"no choice":  {Request{Offered: both, Channel: secured}, ""},
		"clear text": {Request{Offered: both, Channel: clear, Choosable: true}, ""},
		"anybody":    {Request{Offered: both, Channel: Channel{State: secured.State, Blind: true}, Choosable: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			x.r.User, x.r.Secret = "user", "pencil"
			m, err := x.r.Choose()
			if err != nil {
				t.Fatal(err)
			}
			e, err := x.r.Begin(m)
			if err != nil {
				t.Fatal(err)
			}
			var refused *mail.Trouble
			if err := e.Run(&script{says: []string{"NO"}}, 1000); !errors.As(err, &refused) || m != SCRAMSHA256 {
				t.Fatalf("%s: %v", m, err)
			}
			if x.hint == "" && refused.Hint != "" || !strings.Contains(refused.Hint, x.hint) {
				t.Errorf("%q", refused.Hint)
			}
		})
	}
}

package sasl

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"

	"mailretr/store/mail"
)

// maxIterations bounds the hashing that a server may ask for to a second or two of a small machine. Real ones
// ask for 4,096 to 600,000; one that asks for more would only keep us busy.
const maxIterations = 1_000_000

// A conversation is SCRAM with its bounds.
type conversation struct {
	*scram.ClientConversation
	exchange *Exchange
	step     int
}

// scram begins a conversation. Where the server could bind the login to TLS but does not offer to, it is told
// that we could as well: whoever took its offer out of the list is found out then (RFC 5802, 6).
func (r *Request) scram(m Mechanism, e *Exchange) (*conversation, error) {
	hash := scram.SHA256
	plain := SCRAMSHA256
	if m == SCRAMSHA1 || m == SCRAMSHA1Plus {
		hash, plain = scram.SHA1, SCRAMSHA1
	}
	c, err := hash.NewClient(r.User, r.Secret, "")
	if err != nil {
		return nil, errors.New("user or password hold characters that SCRAM cannot have (RFC 4013)")
	}
	if r.Nonce != nil {
		c.WithNonceGenerator(r.Nonce)
	}
	talk := &conversation{exchange: e}
	binding, bound := r.Channel.binding()
	switch {
	case m.plus() && !bound:
		return nil, errors.New("there is no TLS that the login could be bound to")
	case m.plus():
		talk.ClientConversation = c.NewConversationWithChannelBinding(binding)
	case bound && !r.offers(plain+"-PLUS") && len(r.Offered) > 0:
		talk.ClientConversation = c.NewConversationAdvertisingChannelBinding()
	default:
		talk.ClientConversation = c.NewConversation()
	}
	e.proven = talk.Valid
	return talk, nil
}

// Start returns the client's first message.
func (c *conversation) Start() (string, []byte, error) {
	first, err := c.Step("")
	return "", []byte(first), err
}

// Next answers the server's first message with a proof, and judges the proof in its last.
func (c *conversation) Next(challenge []byte) ([]byte, error) {
	c.step++
	said := string(challenge)
	switch {
	case c.step == 1:
		if err := bearable(said); err != nil {
			return nil, err
		}
	case c.step == 2 && strings.HasPrefix(said, "e="):
		c.exchange.problem = said[2:]
		return []byte{}, nil // the server's no follows
	case c.step > 2:
		return nil, errors.New("the server goes on after its last message")
	}
	answer, err := c.Step(said)
	if err != nil && c.step == 2 {
		return nil, &mail.Trouble{Op: mail.OpLogin, Kind: mail.Insecure,
			Err:  errors.New("the server proves wrongly that it knows the password"),
			Hint: "Somebody may pretend to be the provider's server. The password was not sent."}
	}
	return []byte(answer), err
}

// bearable refuses hashing without end, before it begins.
func bearable(first string) error {
	for field := range strings.SplitSeq(first, ",") {
		if n, ok := strings.CutPrefix(field, "i="); ok {
			if i, err := strconv.Atoi(n); err != nil || i > maxIterations {
				return fmt.Errorf("the server asks for %.20q rounds of hashing, more than %d", n,
					maxIterations)
			}
		}
	}
	return nil
}

// binding returns what a login can be bound to: what both sides know of a session of TLS 1.3, else the
// server's certificate. (The tls-unique of older versions can be forged unless both sides have taken care.)
func (c *Channel) binding() (b scram.ChannelBinding, ok bool) {
	if c.State == nil {
		return b, false
	}
	var err error
	if c.State.Version >= tls.VersionTLS13 {
		b, err = scram.NewTLSExporterBinding(c.State)
	} else {
		b, err = scram.NewTLSServerEndpointBinding(c.State)
	}
	return b, err == nil && b.IsSupported()
}

func (c *Channel) bindable() bool {
	_, ok := c.binding()
	return ok
}

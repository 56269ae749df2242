package sasl

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mailretr/store/mail"
)

// A Mechanism is a way to log in, by its registered name.
type Mechanism string

// The mechanisms that there are. XOAUTH2 is Google's, of before RFC 7628, and all that some providers have.
const (
	Plain           Mechanism = "PLAIN"
	Login           Mechanism = "LOGIN"
	CRAMMD5         Mechanism = "CRAM-MD5"
	SCRAMSHA1       Mechanism = "SCRAM-SHA-1"
	SCRAMSHA1Plus   Mechanism = "SCRAM-SHA-1-PLUS"
	SCRAMSHA256     Mechanism = "SCRAM-SHA-256"
	SCRAMSHA256Plus Mechanism = "SCRAM-SHA-256-PLUS"
	External        Mechanism = "EXTERNAL"
	OAuthBearer     Mechanism = "OAUTHBEARER"
	XOAuth2         Mechanism = "XOAUTH2"
)

// scrams are those in which both sides prove something and the server learns nothing, the strongest first.
var scrams = []Mechanism{SCRAMSHA256Plus, SCRAMSHA256, SCRAMSHA1Plus, SCRAMSHA1}

// Behind TLS a digest by MD5 gains nothing: the server has to keep the password itself for it, and it costs a
// turn. In clear text it keeps the password from whoever reads along.
var (
	behindTLS   = append(slices.Clone(scrams), Plain, Login, CRAMMD5)
	inClearText = append(slices.Clone(scrams), CRAMMD5, Plain, Login)
	byToken     = []Mechanism{OAuthBearer, XOAuth2}
)

// Named returns the mechanism of that name, in capitals or not.
func Named(name string) (m Mechanism, known bool) {
	m = Mechanism(strings.ToUpper(name))
	return m, m == External || slices.Contains(behindTLS, m) || slices.Contains(byToken, m)
}

// Bare says whether the secret itself crosses the line.
func (m Mechanism) Bare() bool {
	return m == Plain || m == Login || m == OAuthBearer || m == XOAuth2
}

// Token says whether the secret is an access token and no password.
func (m Mechanism) Token() bool { return slices.Contains(byToken, m) }

// First says whether the client speaks first, so that its first words may go with the command.
func (m Mechanism) First() bool { return m != Login && m != CRAMMD5 }

func (m Mechanism) plus() bool { return strings.HasSuffix(string(m), "-PLUS") }

// A Channel is what has to be known of the connection.
type Channel struct {
	State *tls.ConnectionState // nil: there is no TLS
	Blind bool                 // any certificate is accepted
	Clear bool                 // the configuration asks for a connection without TLS, out loud
}

// A Secured is a connection that may have TLS; *wire.Conn is one.
type Secured interface {
	State() (tls.ConnectionState, bool)
}

// ChannelOf describes a connection. blind and clear are as in Channel.
func ChannelOf(c Secured, blind, clear bool) Channel {
	ch := Channel{Blind: blind, Clear: clear}
	if s, ok := c.State(); ok {
		ch.State = &s
	}
	return ch
}

// private says whether nobody reads along, as far as can be known.
func (c *Channel) private() bool { return c.State != nil && !c.Blind }

// A Request says who logs in, with what, and what the server offers.
type Request struct {
	Offered []string  // mechanisms, as the server names them; none: it did not say
	Want    Mechanism // "": the strongest
	Native  bool      // the protocol has a command for user and password: as good as PLAIN, and cheaper
	Token   bool      // Secret is an access token
	User    string
	Secret  string // password or token; of EXTERNAL none
	Host    string // of the server, for OAUTHBEARER
	Port    int
	Channel Channel
	// Choosable: the configuration has an auth: by which Want may be chosen, so that a hint may name it.
	Choosable bool
	Nonce     func() string // of SCRAM, for tests; nil: random
}

// Choose returns the mechanism that is wanted, or the strongest of those that are offered and possible; ""
// stands for the protocol's own command. An error is a *mail.Trouble without Server: there is no way, or what
// there is would give the secret away.
func (r *Request) Choose() (Mechanism, error) {
	if r.Want != "" {
		return r.Want, r.wanted()
	}
	order := inClearText
	switch {
	case r.Token:
		order = byToken
	case r.Channel.private():
		order = behindTLS
	}
	denied := false
	for _, m := range order {
		native := r.Native && m == Plain
		switch {
		case !native && !r.offers(m), m.plus() && !r.Channel.bindable():
		case !r.allowed(m):
			denied = true
		case native:
			return "", nil
		default:
			return m, nil
		}
	}
	if denied {
		return "", naked()
	}
	return "", r.none()
}

// wanted says what is against the mechanism that is wanted. A server that does not say what it has is asked.
func (r *Request) wanted() error {
	switch m := r.Want; {
	case !r.allowed(m):
		return naked()
	case m.plus() && !r.Channel.bindable():
		return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Local,
			Err: fmt.Errorf("%s binds the login to TLS, and there is none that could be bound to", m)}
	case len(r.Offered) > 0 && !r.offers(m):
		return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth,
			Err: fmt.Errorf("the server does not offer %s, but %s", m,
				mail.Printable(strings.Join(r.Offered, " "), 200)),
			Hint: "Remove auth: to take the best that it offers."}
	}
	return nil
}

func (r *Request) offers(m Mechanism) bool {
	return slices.ContainsFunc(r.Offered, func(s string) bool { return strings.EqualFold(s, string(m)) })
}

// allowed says whether m may be used here.
func (r *Request) allowed(m Mechanism) bool {
	return !m.Bare() || r.Channel.State != nil || r.Channel.Clear
}

// other is what may be configured where m was chosen by itself and is refused: there are servers that offer proofs of a password
// of which they have another hash. "" where nothing may, or the password would be shown to whoever reads along.
func (r *Request) other(m Mechanism) string {
	switch {
	case !r.Choosable || r.Want != "" || m.Bare() || m == External || !r.Channel.private():
		return ""
	case r.offers(Plain):
		return "plain"
	}
	return "password"
}

// none is the trouble of a server that has nothing for us. On a plain connection that may be why.
func (r *Request) none() *mail.Trouble {
	if r.Channel.State == nil {
		return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Insecure,
			Err:  errors.New("the server allows no login on a plain connection"),
			Hint: "Configure TLS. No password was sent."}
	}
	t := &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth,
		Err:  errors.New("the server offers no way to log in that we have"),
		Hint: "It may want OAuth (oauth: in the maildrop), or a password for programs; ask the provider."}
	if r.Token {
		t.Err = errors.New("the server takes no access tokens: it offers neither OAUTHBEARER nor XOAUTH2")
		t.Hint = "Remove oauth: and give a password, or look whether the url has the provider's server."
	}
	return t
}

// naked is the trouble of a server that would have the secret in clear text.
func naked() *mail.Trouble {
	return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Insecure,
		Err:  errors.New("the connection is not encrypted, and the server asks for the secret itself"),
		Hint: "No password was sent. Configure TLS."}
}

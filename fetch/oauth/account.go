package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"mailretr/store/mail"
)

// A Provider says where consent is given and tokens are had, and who we are there.
type Provider struct {
	Name      string // in the configuration, for texts
	ClientID  string
	Secret    func(context.Context) (string, error) // of the client, asked each time; nil: it has none
	AuthURL   string                                // where the owner consents, in a browser
	TokenURL  string
	DeviceURL string            // "": no device flow
	Redirect  string            // as it is registered; "": a loopback address
	Scopes    []string          // what is asked for
	Params    map[string]string // more of the authorization request, e.g. access_type
	Header    bool              // the client's secret goes into a header (RFC 6749, 2.3.1), not into the form

	// Dial replaces the dialler for requests to the provider, and bounds itself in time. The connection may say how long it has
	// waited for turns, by a method Held() time.Duration. nil: the usual one.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// A Store keeps consents. Safe for concurrent use.
type Store interface {
	// Load returns what was saved under a name; nil: nothing.
	Load(ctx context.Context, name string) ([]byte, error)
	// Save makes it durable before it returns nil. sealed nil: nothing is kept under the name any more.
	Save(ctx context.Context, name string, sealed []byte) error
}

// A Keeper has the consents of all accounts of one state. Safe for concurrent use. Its fields are not changed
// once it is used.
type Keeper struct {
	Store Store
	Key   func() (Key, error) // asked when it is needed
	Now   func() time.Time    // nil: time.Now

	mu       sync.Mutex
	accounts map[string]*shared
	tls      *tls.Config
}

// An Account is the consent of one user with one provider, under the configuration that it was made with.
// Several maildrops may share a consent. Safe for concurrent use.
type Account struct {
	keeper   *Keeper
	provider Provider
	user     string
	id       string
	*shared
}

// shared is what all accounts of one consent have in common.
type shared struct {
	turn    chan struct{} // holds one value while somebody has what follows
	loaded  bool
	grant   *grant // nil: nobody has consented
	unsaved bool   // it is newer than what the store has

	obtained time.Time // when its access token came, in this process

	mu      sync.Mutex
	pending map[string]pending // by state
}

// A grant is a consent as it is kept.
type grant struct {
	Refresh string    `json:"refresh"`
	Access  string    `json:"access,omitempty"`
	Expiry  time.Time `json:"expiry,omitzero"`  // of Access
	Life    int64     `json:"life,omitempty"`   // of Access when it was new, in seconds
	At      time.Time `json:"at"`               // when the owner consented
	Denied  bool      `json:"denied,omitempty"` // a server refused even a fresh token
}

// Account returns the account of a user with a provider. Those who are known to the provider as the same
// client, and ask for the same, share the consent.
func (k *Keeper) Account(p Provider, user string) *Account {
	h := sha256.New()
	for _, s := range append([]string{p.TokenURL, p.ClientID, user}, p.Scopes...) {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	id := hex.EncodeToString(h.Sum(nil)[:16])
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.accounts == nil {
		k.accounts = map[string]*shared{}
	}
	s := k.accounts[id]
	if s == nil {
		s = &shared{turn: make(chan struct{}, 1), pending: map[string]pending{}}
		k.accounts[id] = s
	}
	return &Account{keeper: k, provider: p, user: user, id: id, shared: s}
}

func (k *Keeper) now() time.Time {
	if k.Now != nil {
		return k.Now()
	}
	return time.Now()
}

// secure returns the settings of TLS that all requests share.
func (k *Keeper) secure() *tls.Config {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.tls == nil {
		k.tls = thrifty()
	}
	return k.tls
}

// with returns ctx with the client that golang.org/x/oauth2 shall use.
func (a *Account) with(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, newClient(a.provider.Dial, a.keeper.secure()))
}

// take waits for the turn. Whoever has it gives it back with done.
func (a *Account) take(ctx context.Context) (done func(), err error) {
	select {
	case a.turn <- struct{}{}:
		return func() { <-a.turn }, nil
	case <-ctx.Done():
		return nil, a.trouble(context.Cause(ctx))
	}
}

// load reads the consent, once. The turn is held.
func (a *Account) load(ctx context.Context) error {
	if a.loaded {
		return nil
	}
	sealed, err := a.keeper.Store.Load(ctx, a.id)
	if err != nil {
		return a.local(fmt.Errorf("reading the consent: %w", err))
	}
	if len(sealed) > 0 {
		key, err := a.keeper.Key()
		if err != nil {
			return a.local(err)
		}
		g := &grant{}
		plain, err := key.Open(a.id, sealed)
		if err != nil || json.Unmarshal(plain, g) != nil {
			return a.consent(errors.New("the consent that is kept cannot be read: " +
				"it was encrypted with another key"))
		}
		a.grant = g
	}
	a.loaded = true
	return nil
}

// save makes the consent durable. The turn is held.
func (a *Account) save(ctx context.Context) error {
	key, err := a.keeper.Key()
	if err != nil {
		return a.local(err)
	}
	plain, err := json.Marshal(a.grant)
	if err != nil {
		return a.local(err)
	}
	if err := a.keeper.Store.Save(ctx, a.id, key.Seal(a.id, plain)); err != nil {
		return a.local(fmt.Errorf("keeping the consent: %w", err))
	}
	a.unsaved = false
	return nil
}

// Mark is another one after each consent, and the same after a refresh; "" where there is none, or where it
// cannot be read.
func (a *Account) Mark(ctx context.Context) string {
	done, err := a.take(ctx)
	if err != nil {
		return ""
	}
	defer done()
	if a.load(ctx) != nil || a.grant == nil {
		return ""
	}
	return a.id + " " + a.grant.At.UTC().Format(time.RFC3339Nano)
}

// config is the provider as the library has it.
func (a *Account) config(ctx context.Context, redirect string) (*oauth2.Config, error) {
	p := &a.provider
	for _, u := range []string{p.TokenURL, p.AuthURL, p.DeviceURL} {
		if err := proper(u); err != nil {
			return nil, a.local(err)
		}
	}
	c := &oauth2.Config{
		ClientID: p.ClientID, RedirectURL: redirect, Scopes: p.Scopes,
		// Never found out by trying: a token that may be used once would be used up by the first try.
		Endpoint: oauth2.Endpoint{AuthURL: p.AuthURL, TokenURL: p.TokenURL, DeviceAuthURL: p.DeviceURL,
			AuthStyle: oauth2.AuthStyleInParams},
	}
	if p.Header {
		c.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	}
	if p.Secret != nil {
		secret, err := p.Secret(ctx)
		if err != nil {
			return nil, a.local(fmt.Errorf("the client's secret: %w", err))
		}
		c.ClientSecret = secret
	}
	return c, nil
}

// server is the host that has the tokens, for troubles.
func (a *Account) server() string {
	if u, err := url.Parse(a.provider.TokenURL); err == nil && u.Host != "" {
		return strings.ToLower(u.Host)
	}
	return a.provider.Name
}

// local is a trouble on this machine.
func (a *Account) local(err error) *mail.Trouble {
	return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Local, Server: a.server(), Err: err}
}

package main

import (
	"cmp"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"

	"mailretr/cmd/mailretr/notes"
	"mailretr/conf"
	"mailretr/fetch/oauth"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// This file has what maildrops that are collected with access tokens need: who gives them, and what is said when a
// server does not take one.

// keeper keeps the consents in notes of the store, encrypted with a key beside it.
func (h *house) keeper() *oauth.Keeper {
	return &oauth.Keeper{
		Store: notes.Values{Engine: h.store, Space: notes.Consent}, Now: h.now,
		Key: func() (oauth.Key, error) {
			return oauth.LoadKey(h.config.Load().State, os.Getenv("CREDENTIALS_DIRECTORY"))
		},
	}
}

// consentOf returns the consent that a maildrop is collected with, asked for over a line like its own; nil: it has a
// password.
func (h *house) consentOf(m *conf.Maildrop, line wire.Options) *oauth.Account {
	o, found := h.config.Load().OAuthOf(m)
	if !found {
		return nil
	}
	p := oauth.Provider{
		Name: o.Name, ClientID: o.ClientID, AuthURL: o.AuthURL, TokenURL: o.TokenURL, DeviceURL: o.DeviceURL,
		Redirect: o.Redirect, Scopes: o.ScopesFor(m.Protocol), Params: o.Params(), Header: o.SecretIn == "header",
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			there := line
			there.Network, there.Address, there.TLS = network, address, wire.TLS{Mode: wire.Plain} // http has its own TLS
			there.Command, there.Trace = nil, nil
			there.Policy = nil // who gives tokens was named by the administrator
			return wire.Dial(ctx, there)
		},
	}
	if o.Secret.Given() {
		p.Secret = o.Secret.Resolve
	}
	return h.consents.Account(p, m.User)
}

// consent is what `mailretr login` works on; nil: the maildrop has none.
func (h *house) consent(maildrop string) *oauth.Account {
	m := h.maildrop(maildrop)
	if m == nil {
		return nil
	}
	return h.consentOf(m, h.around.dial(m, h.meter(m.Name)))
}

// signed tells that somebody signed in, or that a consent was forgotten.
func (h *house) signed(maildrop string, in bool) {
	text := "its consent was forgotten"
	if in {
		text = "somebody signed in with its provider"
	}
	h.around.observe.Observe(mail.Event{At: h.now(), Op: mail.OpVerb, Origin: mail.Origin{Maildrop: maildrop}, Text: text})
}

// tokens are the secrets of one maildrop: passwords as they are configured, or access tokens.
type tokens struct {
	account *oauth.Account
	name    string

	mu   sync.Mutex
	last string // that was given out
}

// Token returns an access token.
func (t *tokens) Token(ctx context.Context) (string, error) {
	token, err := t.account.Token(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = token
	return token, err
}

// tokens are nil for a maildrop with a password.
func (s surroundings) tokens(m *conf.Maildrop, line wire.Options) *tokens {
	if m.OAuth == "" || s.consent == nil {
		return nil
	}
	if a := s.consent(m, line); a != nil {
		return &tokens{account: a, name: m.Name}
	}
	return nil
}

// consenting is a retriever that logs in with tokens.
type consenting struct {
	mail.Retriever
	tokens *tokens
}

// withTokens makes a retriever log in with tokens; one that can wait for mail still can.
func withTokens(r mail.Retriever, t *tokens) mail.Retriever {
	c := &consenting{r, t}
	if w, ok := r.(mail.Watcher); ok {
		return &consentingWatcher{c, w}
	}
	return c
}

// Open opens a session.
func (c *consenting) Open(ctx context.Context) (mail.Maildrop, error) {
	drop, err := c.Retriever.Open(ctx)
	if err == nil {
		c.tokens.account.Accepted(ctx)
	}
	return drop, c.judge(ctx, err)
}

// consentingWatcher is one that waits for mail too.
type consentingWatcher struct {
	*consenting
	to mail.Watcher
}

// Watch waits for mail.
func (c *consentingWatcher) Watch(ctx context.Context, news func()) error {
	return c.judge(ctx, c.to.Watch(ctx, news))
}

// WatchFolders waits for mail with fewer connections than there are folders, where the kind can.
func (c *consentingWatcher) WatchFolders(ctx context.Context, most int, news func(), holds func(in, out []string)) error {
	to, ok := c.to.(mail.FolderWatcher)
	if !ok {
		return c.Watch(ctx, news)
	}
	return c.judge(ctx, to.WatchFolders(ctx, most, news, holds))
}

// judge says what a refused login means. A token that is refused though it should be good is doubted: the next visit gets
// another one, and only where that is refused too it is a refused login.
func (c *consenting) judge(ctx context.Context, err error) error {
	var t *mail.Trouble
	if err == nil || !errors.As(err, &t) {
		return err
	}
	var inner *mail.Trouble
	if errors.As(t.Err, &inner) && inner.Op == mail.OpLogin {
		t = inner // the kinds take it for a password that cannot be read here
	}
	var consent *oauth.Consent
	switch {
	case errors.As(t.Err, &consent):
		t.Hint = "Sign in: mailretr login " + c.tokens.name
	case t.Kind == mail.Auth && c.tokens.doubt(ctx):
		t.Kind, t.Hint = mail.Busy, "The access token is not taken any more; the next visit gets another one."
		t.Err = refusedToken{t.Err}
	case t.Kind == mail.Auth:
		t.Hint = cmp.Or(t.Hint, "Sign in again: mailretr login "+c.tokens.name)
		t.Hint = strings.ReplaceAll(t.Hint, "with mailretr login,", "with mailretr login "+c.tokens.name+",") // whose it is
	}
	return t
}

// refusedToken says of a trouble that will pass that it was a refused login all the same.
type refusedToken struct{ error }

// Error says it where the server's reply does not.
func (r refusedToken) Error() string {
	if r.error == nil {
		return "the access token was refused"
	}
	return r.error.Error()
}

func (r refusedToken) Unwrap() error { return r.error }

// Refused is what package fetch asks for.
func (refusedToken) Refused() bool { return true }

// doubt says whether another token may be better than the one that was refused.
func (t *tokens) doubt(ctx context.Context) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last != "" && t.account.Refused(ctx, t.last)
}

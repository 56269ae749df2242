package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mailretr/conf"
	"mailretr/fetch/oauth"
	"mailretr/fetch/oauthtest"
	"mailretr/relay/sasl"
	"mailretr/store/mail"
)

// kept is a store of consents.
type kept map[string][]byte

func (k kept) Load(_ context.Context, name string) ([]byte, error)      { return k[name], nil }
func (k kept) Save(_ context.Context, name string, sealed []byte) error { k[name] = sealed; return nil }

// refusing is a retriever that shows its token to a server which takes none.
type refusing struct{ tokens *tokens }

func (r refusing) Open(ctx context.Context) (mail.Maildrop, error) {
	if _, err := r.tokens.Token(ctx); err != nil {
		return nil, &mail.Trouble{Op: mail.OpLogin, Kind: mail.Local, Err: err, Hint: "Look at user and password."}
	}
	e, err := (&sasl.Request{User: "jaco", Secret: "a-token"}).Begin(sasl.XOAuth2)
	if err != nil {
		return nil, err
	}
	return nil, e.Refused(&mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Reply: "NO"})
}

// TestR23_TokenDoubted: a token that was good and is refused costs no hours of waiting: the next visit has another one.
// Only where that is refused too the login is refused; and a consent that has ended is no mistake in the configuration.
func TestR23_TokenDoubted(t *testing.T) {
	provider := oauthtest.New(t)
	now := time.Now()
	store, dir := kept{}, t.TempDir()
	restarted := func() *oauth.Keeper {
		return &oauth.Keeper{Store: store, Now: func() time.Time { return now },
			Key: func() (oauth.Key, error) { return oauth.LoadKey(dir, "") }}
	}
	p0 := oauth.Provider{Name: "ours", ClientID: oauthtest.ClientID, Scopes: oauthtest.Scopes,
		Secret:  func(context.Context) (string, error) { return oauthtest.ClientSecret, nil },
		AuthURL: provider.AuthURL(), TokenURL: provider.TokenURL()}
	a := restarted().Account(p0, oauthtest.User)
	p, err := a.Begin(t.Context(), "http://127.0.0.1:1234/")
	if err != nil {
		t.Fatal(err)
	}
	back, err := provider.Browse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(back)
	if err := a.Finish(t.Context(), p.State, u.Query().Get("code")); err != nil {
		t.Fatal(err)
	}
	tk := &tokens{account: a, name: "jaco"}
	r := withTokens(refusing{tk}, tk)
	want := func(kind mail.Kind, asked int) *mail.Trouble {
		t.Helper()
		_, err := r.Open(t.Context())
		var x *mail.Trouble
		if !errors.As(err, &x) || x.Kind != kind || provider.Count(oauthtest.TokenPath) != asked {
			t.Fatalf("%v, want %v; %d requests, want %d", err, kind, provider.Count(oauthtest.TokenPath), asked)
		}
		return x
	}
	now = now.Add(2 * time.Minute)
	tk.account = restarted().Account(p0, oauthtest.User)
	want(mail.Busy, 1) // it was good a moment ago
	tk.account = restarted().Account(p0, oauthtest.User)
	if x := want(mail.Auth, 2); !strings.Contains(x.Hint, "Sign in again with mailretr login jaco, and look") { // another one neither
		t.Errorf("hint %q", x.Hint)
	}
	want(mail.Auth, 3)
	// Whatever the token's age: the breaker's steps have to grow, also with a process for each visit.
	for i := range 4 {
		now = now.Add(time.Duration(i) * time.Hour)
		tk.account = restarted().Account(p0, oauthtest.User)
		r = withTokens(refusing{tk}, tk)
		want(mail.Auth, 4+i)
	}
	now = now.Add(time.Hour)
	provider.Answer(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		w.Write([]byte(`{"error":"invalid_grant"}`))
		return true
	})
	if x := want(mail.Auth, 8); x.Hint != "Sign in: mailretr login jaco" {
		t.Errorf("hint %q", x.Hint)
	}
}

// TestR23_ConsentIsAPersons: a new consent ends the wait after refused logins, however the mechanism was written; another
// token from a command does not.
func TestR23_ConsentIsAPersons(t *testing.T) {
	for _, x := range []struct {
		auth, oauth string
		want        bool
	}{
		{"auto", "", false}, {"plain", "", false}, {"xoauth2", "", true}, {"oauthbearer", "", true},
		{"auto", "ours", false}, {"xoauth2", "ours", false}, {"oauthbearer", "ours", false},
	} {
		if got := fickle(&conf.Maildrop{Auth: x.auth, OAuth: x.oauth}); got != x.want {
			t.Errorf("auth: %s, oauth: %q: %v", x.auth, x.oauth, got)
		}
	}
}

package web

import (
	"context"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf"
	"mailretr/fetch/oauth"
	"mailretr/fetch/oauthtest"
	"mailretr/store/mail"
)

// memory keeps consents for a test.
type memory map[string][]byte

func (m memory) Load(_ context.Context, key string) ([]byte, error) { return m[key], nil }
func (m memory) Save(_ context.Context, key string, b []byte) error {
	m[key] = b
	return nil
}

// newConsenting is a world where jaco's maildrop is collected with his consent; redirect "": by the device flow.
func newConsenting(t *testing.T, redirect string) (*world, *oauthtest.Server) {
	t.Helper()
	var more []string
	if redirect != "" {
		more = append(more, redirect)
	}
	provider := oauthtest.New(t, more...)
	dir := t.TempDir()
	keeper := &oauth.Keeper{Store: memory{}, Now: time.Now, Key: func() (oauth.Key, error) { return oauth.LoadKey(dir, "") }}
	p := oauth.Provider{
		Name: "ours", ClientID: oauthtest.ClientID, Scopes: oauthtest.Scopes, AuthURL: provider.AuthURL(),
		TokenURL: provider.TokenURL(), Redirect: redirect,
		Secret: func(context.Context) (string, error) { return oauthtest.ClientSecret, nil },
	}
	if redirect == "" {
		p.DeviceURL = provider.DeviceURL()
	}
	account := keeper.Account(p, oauthtest.User)
	return newWorld(t, func(h *control.House) {
		h.Consent = func(name string) *oauth.Account {
			if name == "jaco" {
				return account
			}
			return nil
		}
	}), provider
}

// An owner agrees again by himself: with a code that he enters at the provider.
func TestConsentByDevice(t *testing.T) {
	w, provider := newConsenting(t, "")
	if code, _ := w.as("anna").post("/maildrop/consent", "name", "jaco"); code != 404 {
		t.Errorf("anna begins jaco's: %d", code)
	}
	if code, _ := w.as("anna").post("/maildrop/consent", "name", "anna"); code != 409 {
		t.Errorf("one with a password: %d", code)
	}
	b := w.as("jaco")
	w.change(func(c *conf.Config) {
		c.Maildrops = slices.Clone(c.Maildrops)
		c.Maildrops[1].OAuth = "ours"
	})
	w.observe("jaco", mail.Event{Op: mail.OpPoll, Attempt: 1, Err: &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth}})
	if _, text := b.get("/"); !strings.Contains(text, "Agree again: the button") || strings.Contains(text, "Ask your admin") {
		t.Errorf("what to do: %s", text)
	}
	code, text := b.post("/maildrop/consent", "name", "jaco", "back", "/maildrop?name=jaco")
	m := regexp.MustCompile(`id="code">([^<]+)<`).FindStringSubmatch(text)
	if code != 200 || m == nil || !strings.Contains(text, `id="provider"`) {
		t.Fatalf("%d %s", code, text)
	}
	if err := provider.Enter(m[1], true); err != nil {
		t.Fatal(err)
	}
	w.server.consents.end()
	if _, text = b.get("/maildrop?name=jaco"); !strings.Contains(text, "You have agreed") || strings.Contains(text, m[1]) {
		t.Error(text)
	}
}

// Or with one that he brings from there.
func TestConsentByCode(t *testing.T) {
	w, provider := newConsenting(t, "https://codes.example.org/")
	b := w.as("jaco")
	if code, _ := b.post("/maildrop/code", "name", "jaco", "code", "x"); code != 409 {
		t.Errorf("before it was begun: %d", code)
	}
	_, text := b.post("/maildrop/consent", "name", "jaco", "back", "/maildrop?name=jaco")
	m := regexp.MustCompile(`href="([^"]+)"[^>]* id="provider"`).FindStringSubmatch(text)
	if m == nil || !strings.Contains(text, `id="pasted"`) {
		t.Fatal(text)
	}
	back, err := provider.Browse(html.UnescapeString(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := w.as("anna").post("/maildrop/code", "name", "jaco", "code", u.Query().Get("code")); code != 404 {
		t.Errorf("anna brings jaco's: %d", code)
	}
	if code, text := b.post("/maildrop/code", "name", "jaco", "code", u.Query().Get("code"), "back", "/maildrop?name=jaco"); code != 200 ||
		!strings.Contains(text, "You have agreed") {
		t.Errorf("%d %s", code, text)
	}
}

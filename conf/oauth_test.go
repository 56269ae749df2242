package conf

import (
	"fmt"
	"strings"
	"testing"
)

// withOAuth is a good configuration whose first maildrop has an OAuth entry.
func withOAuth(t *testing.T, o OAuth, change func(*Config, *Maildrop)) []Problem {
	t.Helper()
	c := good(t)
	o.At.Self = Pos{"f", 5, 1}
	c.OAuth = []OAuth{o}
	m := c.Maildrops[0]
	m.Host, m.OAuth, m.Password = "imap.gmail.com", o.Name, Secret{}
	change(&c, m)
	c.Complete(Paths{})
	return c.Validate()
}

func TestOAuth(t *testing.T) {
	nothing := func(*Config, *Maildrop) {}
	gmail := OAuth{Name: "gmail", ClientID: "id"}
	own := OAuth{Name: "own", ClientID: "id", TokenURL: "https://x.example/t", DeviceURL: "https://x.example/d",
		Scopes: []string{"mail"}}
	for _, c := range []struct {
		name   string
		o      OAuth
		change func(*Config, *Maildrop)
		want   string
	}{
		{"a preset", gmail, nothing, ""},
		{"by another name", OAuth{Name: "work", Provider: "gmail", ClientID: "id"}, nothing, ""},
		{"generic", own, nothing, ""},
		{"no client", OAuth{Name: "gmail"}, nothing, "client_id is missing"},
		{"no entry", gmail, func(_ *Config, m *Maildrop) { m.OAuth = "yahoo" }, `there is no entry "yahoo"`},
		{"a password too", gmail, func(_ *Config, m *Maildrop) { m.Password = SecretEnv("X") }, "exclude each other"},
		{"another way", gmail, func(_ *Config, m *Maildrop) { m.Auth = "plain" }, "takes no token"},
		{"another server", gmail, func(_ *Config, m *Maildrop) { m.Host = "imap.gmail.com.evil.example" }, "would get its token"},
		{"a tunnel", gmail, func(_ *Config, m *Maildrop) { m.Host = "127.0.0.1" }, ""},
		{"no addresses", OAuth{Name: "own", ClientID: "id", AuthURL: "https://x.example/", Scopes: []string{"mail"}},
			nothing, "token_url is missing"},
		{"nowhere to consent", OAuth{Name: "own", ClientID: "id", TokenURL: "https://x.example/t", Scopes: []string{"mail"}},
			nothing, "nobody could consent"},
		{"http", OAuth{Name: "gmail", ClientID: "id", TokenURL: "http://x.example/t"}, nothing, "is no https:// address"},
		{"no scopes", own, func(c *Config, _ *Maildrop) { c.OAuth[0].Scopes = nil }, "scopes are missing"},
		{"scopes in one", own, func(c *Config, _ *Maildrop) { c.OAuth[0].Scopes = []string{"a b"} }, "is no scope"},
		{"unknown", OAuth{Name: "x", Provider: "hotmail", ClientID: "id"}, nothing, `"hotmail" is not known`},
		{"clear text", gmail, func(_ *Config, m *Maildrop) {
			mustURL(m, "imap://a@imap.gmail.com")
			m.TLS.Mode = ModeNone
		}, "clear text"},
	} {
		problems := withOAuth(t, c.o, c.change)
		if c.want == "" && len(problems) > 0 || c.want != "" && !strings.Contains(fmt.Sprint(problems), c.want) {
			t.Errorf("%s: %v", c.name, problems)
		}
		if c.want != "" && len(problems) > 0 && problems[0].Hint == "" {
			t.Errorf("%s: no remedy: %v", c.name, problems[0])
		}
	}
}

func TestPresets(t *testing.T) {
	for _, name := range Providers() {
		o := OAuth{Name: name, ClientID: "id"}
		o.complete()
		for _, protocol := range []string{"imap", "pop3"} {
			if name != Generic && len(o.ScopesFor(protocol)) == 0 {
				t.Errorf("%s has no scopes for %s", name, protocol)
			}
		}
		for _, u := range []string{o.AuthURL, o.TokenURL} {
			if name != Generic && !strings.HasPrefix(u, "https://") {
				t.Errorf("%s: %q", name, u)
			}
		}
	}
	if len(presets) != len(Providers()) {
		t.Error("a preset has no name that can be written")
	}
	problems := withOAuth(t, OAuth{Name: "office365", ClientID: "id"}, func(_ *Config, m *Maildrop) {
		m.Host, m.OAuth, m.Password = "outlook.office365.com", "", SecretEnv("X")
	})
	if len(problems) != 1 || problems[0].Severity != Warning || !strings.Contains(problems[0].Hint, "oauth: office365") {
		t.Error(problems)
	}
}

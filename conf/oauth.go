package conf

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// An OAuth says who this program is with a provider that gives access tokens instead of taking passwords, and
// where the owner of a maildrop consents. Maildrops name it.
type OAuth struct {
	At Where `json:"-"`

	Name      string
	Provider  string // a preset, or "generic"; "" before Complete
	ClientID  string // as the provider has registered it
	Secret    Secret // of the client; many have none
	AuthURL   string
	TokenURL  string
	DeviceURL string   // "": no device flow
	Redirect  string   // "": a loopback address
	Scopes    []string // nil: those of the preset, by protocol
	SecretIn  string   // body or header
}

// Generic is the provider of which nothing is known.
const Generic = "generic"

// A preset is what is known of a provider, so that nobody has to look it up.
type preset struct {
	OAuth
	hosts     []string            // of its maildrops, by name or below it
	scopes    map[string][]string // by protocol
	params    map[string]string   // of the authorization request
	passwords bool                // it takes passwords (for programs) as well
	register  string              // where a client is registered
}

var presets = map[string]preset{
	"gmail": {
		OAuth: OAuth{
			AuthURL: "https://accounts.google.com/o/oauth2/v2/auth", TokenURL: "https://oauth2.googleapis.com/token",
			SecretIn: "body", // its device flow gives no access to mail
		},
		hosts:     []string{"imap.gmail.com", "pop.gmail.com", "imap.googlemail.com", "pop.googlemail.com"},
		scopes:    same("https://mail.google.com/"),
		params:    map[string]string{"access_type": "offline", "prompt": "consent"},
		passwords: true, register: "console.cloud.google.com, as a desktop app",
	},
	"office365": {
		OAuth: OAuth{
			AuthURL:   "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
			TokenURL:  "https://login.microsoftonline.com/common/oauth2/v2.0/token",
			DeviceURL: "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode",
			Redirect:  "http://localhost", SecretIn: "body",
		},
		hosts: []string{"outlook.office365.com", "outlook.office.com", "imap-mail.outlook.com", "pop-mail.outlook.com"},
		scopes: map[string][]string{
			"imap": {"https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"},
			"pop3": {"https://outlook.office.com/POP.AccessAsUser.All", "offline_access"},
		},
		register: "entra.microsoft.com, with public client flows allowed",
	},
	"yahoo": {
		OAuth: OAuth{
			AuthURL:  "https://api.login.yahoo.com/oauth2/request_auth",
			TokenURL: "https://api.login.yahoo.com/oauth2/get_token",
			Redirect: "oob", SecretIn: "header",
		},
		hosts:     []string{"mail.yahoo.com", "imap.aol.com", "pop.aol.com"},
		scopes:    same("mail-w"),
		passwords: true, register: "developer.yahoo.com",
	},
	"fastmail": {
		OAuth: OAuth{
			AuthURL: "https://api.fastmail.com/oauth/authorize", TokenURL: "https://api.fastmail.com/oauth/refresh",
			SecretIn: "body",
		},
		hosts: []string{"imap.fastmail.com", "pop.fastmail.com"},
		scopes: map[string][]string{
			"imap": {"https://www.fastmail.com/dev/protocol-imap"},
			"pop3": {"https://www.fastmail.com/dev/protocol-pop"},
		},
		passwords: true, register: "Fastmail's partner programme",
	},
	Generic: {OAuth: OAuth{SecretIn: "body"}, passwords: true, register: "the provider"},
}

func same(scopes ...string) map[string][]string {
	return map[string][]string{"imap": scopes, "pop3": scopes}
}

// Providers are the names that provider: may have.
func Providers() []string {
	return []string{"gmail", "office365", "yahoo", "fastmail", Generic}
}

// complete fills in what is known of the provider.
func (o *OAuth) complete() {
	if o.Provider == "" {
		o.Provider = Generic
		if _, known := presets[o.Name]; known {
			o.Provider = o.Name
		}
	}
	p := presets[o.Provider]
	o.AuthURL = cmp.Or(o.AuthURL, p.AuthURL)
	o.TokenURL = cmp.Or(o.TokenURL, p.TokenURL)
	o.DeviceURL = cmp.Or(o.DeviceURL, p.DeviceURL)
	o.Redirect = cmp.Or(o.Redirect, p.Redirect)
	o.SecretIn = cmp.Or(o.SecretIn, p.SecretIn)
}

// ScopesFor are what is asked for, for a maildrop of this protocol.
func (o *OAuth) ScopesFor(protocol string) []string {
	if len(o.Scopes) > 0 {
		return o.Scopes
	}
	return presets[o.Provider].scopes[protocol]
}

// Params are what the provider wants to be told beside what everybody wants.
func (o *OAuth) Params() map[string]string { return presets[o.Provider].params }

// OAuthOf returns what a maildrop's oauth: names.
func (c *Config) OAuthOf(m *Maildrop) (*OAuth, bool) {
	i := slices.IndexFunc(c.OAuth, func(o OAuth) bool { return o.Name == m.OAuth })
	if i < 0 || m.OAuth == "" {
		return nil, false
	}
	return &c.OAuth[i], true
}

func (v *validator) oauth() {
	for i := range v.c.OAuth {
		o := &v.c.OAuth[i]
		v.name(o.At, "oauth", o.Name)
		v.client(o)
	}
}

// client checks one entry.
func (v *validator) client(o *OAuth) {
	if _, known := presets[o.Provider]; !known {
		v.one(o.At, "provider", o.Provider, Providers()...)
		return
	}
	v.need(o.At, "client_id", o.ClientID,
		"register this program at "+presets[o.Provider].register+" and write the id that you get")
	v.secret(o.At, "client_secret", o.Secret)
	v.one(o.At, "secret_in", o.SecretIn, "body", "header")
	if o.TokenURL == "" {
		v.fail(o.At.Of("token_url"), "the provider says it in its documentation; or name a provider that is known: "+
			strings.Join(Providers(), ", "), "token_url is missing")
	}
	if o.AuthURL == "" && o.DeviceURL == "" {
		v.fail(o.At.Of("auth_url"), "write auth_url: or device_url:", "nobody could consent: neither is given")
	}
	for _, x := range []struct{ key, value string }{
		{"token_url", o.TokenURL}, {"auth_url", o.AuthURL}, {"device_url", o.DeviceURL},
	} {
		if x.value != "" && v.clean(o.At, x.key, x.value) && !private(x.value) {
			v.fail(o.At.Of(x.key), "write https://", "%s: %q is no https:// address", x.key, x.value)
		}
	}
	v.clean(o.At, "redirect", o.Redirect)
	for _, s := range o.Scopes {
		if v.need(o.At, "scopes", s, "write the name of a scope") && strings.ContainsAny(s, " \"\\") {
			v.fail(o.At.Of("scopes"), "make it a list: scopes: [a, b]", "scopes: %q is no scope", s)
		}
	}
}

// private says whether an address can be told a token: by https, or on this machine.
func private(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && u.User == nil && u.Fragment == "" &&
		(u.Scheme == "https" || u.Scheme == "http" && Loopback(u.Hostname()))
}

// consent checks the oauth of a maildrop.
func (v *validator) consent(m *Maildrop) {
	o, known := v.c.OAuthOf(m)
	at := m.At.Of("oauth")
	switch {
	case !known:
		v.clean(m.At, "oauth", m.OAuth)
		v.fail(at, "write at the left margin: oauth: {"+m.OAuth+": {client_id: …}}, the client that you registered at "+
			registered(m.OAuth), "oauth: there is no entry %q", m.OAuth)
		return
	case m.Password.Given():
		v.fail(m.At.Of("password"), "remove one of them", "password and oauth exclude each other")
	case m.Auth != "auto" && m.Auth != "oauthbearer" && m.Auth != "xoauth2":
		v.fail(m.At.Of("auth"), "remove it", "auth: %s takes no token", m.Auth)
	}
	if hosts := presets[o.Provider].hosts; len(hosts) > 0 && m.Host != "" && !Loopback(m.Host) && !among(m.Host, hosts) {
		v.fail(m.At.Of("url"), "write one of "+strings.Join(hosts, ", ")+", or an entry of oauth: with provider: generic",
			"url: %s contradicts oauth: it is no server of %s, and would get its token", m.Host, o.Provider)
	}
	if m.TLS.Mode == ModeNone && !Loopback(m.Host) {
		v.fail(m.At.Of("tls"), "remove tls: none", "the token would cross the line in clear text")
	}
	if m.Protocol != "" && len(o.ScopesFor(m.Protocol)) == 0 {
		v.fail(o.At.Of("scopes"), "write the scopes that give access to mail, and offline_access if there is one",
			"oauth %s: scopes are missing", o.Name)
	}
}

func registered(name string) string {
	if p, known := presets[name]; known {
		return p.register
	}
	return presets[Generic].register
}

func among(host string, hosts []string) bool {
	return slices.ContainsFunc(hosts, func(h string) bool {
		return strings.EqualFold(host, h) || strings.HasSuffix(strings.ToLower(host), "."+h)
	})
}

// refusing warns of a password for a server that takes none.
func (v *validator) refusing(m *Maildrop) {
	for _, name := range Providers() {
		if p := presets[name]; !p.passwords && among(m.Host, p.hosts) {
			v.warn(m.At.Of("password"), "write oauth: "+name+" instead of password:", "%s takes no passwords", m.Host)
		}
	}
}

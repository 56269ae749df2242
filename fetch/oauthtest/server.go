// Package oauthtest is a provider of access tokens inside the process, for tests: the OpenID provider of
// github.com/zitadel/oidc, with authorization code and PKCE, device flow, refresh tokens that are replaced at
// each use, and introspection. Its owners consent at once.
//
// Read first: [New].
package oauthtest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"
)

// The client that is registered, and the owner of the mail.
const (
	ClientID     = "mailretr"
	ClientSecret = "client-secret-canary"
	User         = "jaco"
)

// Scopes are what a client asks for to get a refresh token.
var Scopes = []string{"openid", "email", "offline_access"}

// A Server is a provider. Its fields may be changed before the first request.
type Server struct {
	URL string

	// Grace lets a refresh token that was replaced be used again (RFC 9700, 4.14.2).
	Grace bool

	http    *httptest.Server
	store   *store
	mu      sync.Mutex
	asked   []string
	answers func(http.ResponseWriter, *http.Request) bool
}

// TB is what is needed of testing.TB; benchmarks and scripts bring their own.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

var _ TB = (testing.TB)(nil)

// New starts a server that ends with the test. Redirects may go to any port of 127.0.0.1, and to the one that
// is named here.
func New(t TB, redirects ...string) *Server {
	t.Helper()
	s := &Server{}
	s.http = httptest.NewUnstartedServer(nil)
	s.URL = "http://" + s.http.Listener.Addr().String()
	client := storage.WebClient(ClientID, ClientSecret, append(redirects, "http://127.0.0.1/")...)
	s.store = &store{
		Storage: storage.NewStorageWithClients(users{}, map[string]*storage.Client{ClientID: client}),
		server:  s, next: map[string]string{},
	}
	provider, err := op.NewProvider(&op.Config{
		CryptoKey: sha256.Sum256([]byte("test")), CryptoKeyId: "test", CodeMethodS256: true, AuthMethodPost: true,
		GrantTypeRefreshToken: true, SupportedUILocales: []language.Tag{language.English},
		DeviceAuthorization: op.DeviceAuthorizationConfig{
			Lifetime: time.Minute, PollInterval: time.Second, UserFormPath: "/device", UserCode: op.UserCodeBase20,
		},
	}, s.store, op.StaticIssuer(s.URL), op.WithAllowInsecure())
	if err != nil {
		t.Fatalf("%v", err)
	}
	callback := op.AuthCallbackURL(provider)
	s.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers := s.note(r)
		id := r.URL.Query().Get("authRequestID")
		switch {
		case answers != nil && answers(w, r):
		case r.URL.Path == "/login/username":
			if err := s.store.CheckUsernamePassword(User, "password", id); err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
			http.Redirect(w, r, callback(op.ContextWithIssuer(r.Context(), s.URL), id), http.StatusFound)
		case r.URL.Path == "/tokeninfo":
			s.tokeninfo(w, r)
		default:
			provider.ServeHTTP(w, r)
		}
	})
	s.http.Start()
	t.Cleanup(s.http.Close)
	return s
}

// Answer lets f have each request first; it returns true where it has answered. nil: nobody has.
func (s *Server) Answer(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = f
}

func (s *Server) note(r *http.Request) (answers func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	return s.answers
}

// Count returns how many requests there were for a path.
func (s *Server) Count(path string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		if _, p, _ := strings.Cut(a, " "); p == path {
			n++
		}
	}
	return n
}

// AuthURL is where an owner consents.
func (s *Server) AuthURL() string { return s.URL + "/authorize" }

// TokenURL is where tokens are had.
func (s *Server) TokenURL() string { return s.URL + TokenPath }

// TokenPath is the path of TokenURL.
const TokenPath = "/oauth/token"

// DeviceURL is where the device flow begins.
func (s *Server) DeviceURL() string { return s.URL + "/device_authorization" }

// IntrospectionURL is a page of RFC 7662 for a mail server that has no client of its own: token comes as a
// parameter.
func (s *Server) IntrospectionURL() string { return s.URL + "/tokeninfo" }

// Browse is the owner's browser: it opens a page, consents, and returns where it is sent in the end,
// unopened.
func (s *Server) Browse(address string) (string, error) {
	c := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	for range 10 {
		if !strings.HasPrefix(address, s.URL+"/") {
			return address, nil
		}
		r, err := c.Get(address)
		if err != nil {
			return "", err
		}
		text, _ := io.ReadAll(io.LimitReader(r.Body, 1000))
		r.Body.Close()
		next, err := r.Location()
		if err != nil {
			return "", fmt.Errorf("%s at %s: %s", r.Status, address, text)
		}
		address = next.String()
	}
	return "", fmt.Errorf("sent around in circles at %s", address)
}

// Enter is the owner who enters the code of a device flow and consents, or does not.
func (s *Server) Enter(code string, consents bool) error {
	if !consents {
		return s.store.DenyDeviceAuthorization(context.Background(), code)
	}
	return s.store.CompleteDeviceAuthorization(context.Background(), code, User)
}

// Owner says whose access token it is; "" is nobody's.
func (s *Server) Owner(token string) string {
	r, err := http.NewRequest(http.MethodPost, s.URL+"/oauth/introspect",
		strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		return ""
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(ClientID, ClientSecret)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return ""
	}
	defer a.Body.Close()
	var said struct {
		Active bool   `json:"active"`
		Sub    string `json:"sub"`
		Name   string `json:"preferred_username"`
	}
	if json.NewDecoder(io.LimitReader(a.Body, 64<<10)).Decode(&said) != nil || !said.Active {
		return ""
	}
	return User
}

func (s *Server) tokeninfo(w http.ResponseWriter, r *http.Request) {
	token := r.FormValue("token")
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		token = bearer
	}
	owner := s.Owner(token)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{ // whoever has gone needs no answer
		"active": owner != "", "username": owner, "email": owner, "scope": strings.Join(Scopes, " "),
	})
}

// users has one owner.
type users struct{}

func (users) GetUserByID(id string) *storage.User {
	if id != User {
		return nil
	}
	return &storage.User{ID: User, Username: User, Password: "password", Email: User + "@example.org"}
}

func (u users) GetUserByUsername(name string) *storage.User { return u.GetUserByID(name) }
func (users) ExampleClientID() string                       { return "service" }

// store is the example's storage, whose refresh tokens are good for one use, with a client that may do
// everything.
type store struct {
	*storage.Storage
	server *Server
	mu     sync.Mutex
	next   map[string]string // refresh token: the one that replaced it
}

// GetClientByClientID returns the client.
func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return client{c}, nil
}

// TokenRequestByRefreshToken finds what a refresh token is for.
func (s *store) TokenRequestByRefreshToken(ctx context.Context, token string) (op.RefreshTokenRequest, error) {
	return s.Storage.TokenRequestByRefreshToken(ctx, s.newest(token))
}

// CreateAccessAndRefreshTokens replaces a refresh token.
func (s *store) CreateAccessAndRefreshTokens(ctx context.Context, r op.TokenRequest, current string) (
	id, refresh string, expiry time.Time, err error,
) {
	id, refresh, expiry, err = s.Storage.CreateAccessAndRefreshTokens(ctx, r, s.newest(current))
	if err == nil && current != "" {
		s.mu.Lock()
		s.next[s.follow(current)] = refresh
		s.mu.Unlock()
	}
	return id, refresh, expiry, err
}

func (s *store) newest(token string) string {
	if !s.server.Grace {
		return token
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.follow(token)
}

func (s *store) follow(token string) string {
	for s.next[token] != "" {
		token = s.next[token]
	}
	return token
}

// client may use every flow, and any port of the loopback address.
type client struct{ op.Client }

// GrantTypes are all.
func (client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeDeviceCode}
}

// AuthMethod is the form.
func (client) AuthMethod() oidc.AuthMethod { return oidc.AuthMethodPost }

// ApplicationType is that of a program on the owner's machine (RFC 8252).
func (client) ApplicationType() op.ApplicationType { return op.ApplicationTypeNative }

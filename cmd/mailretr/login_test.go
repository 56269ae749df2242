package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/fetch/oauthtest"
	"mailretr/relay/relaytest"
)

// A signIn is a maildrop whose server takes only tokens of a provider.
type signIn struct {
	*testing.T
	provider *oauthtest.Server
	pop      *fetchtest.POP3
	mta      *relaytest.MTA
	dir      string
	all      shared // everything that was ever printed

	mu     sync.Mutex
	tokens []string // that were shown to the server
}

// shared is a buffer that is read while it is written.
type shared struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{} // closed when there is more
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
	return s.b.Write(p)
}

func (s *shared) String() string { text, _ := s.read(); return text }

func (s *shared) read() (string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.more == nil {
		s.more = make(chan struct{})
	}
	return s.b.String(), s.more
}

func newSignIn(t *testing.T, more string) *signIn {
	s := &signIn{T: t, provider: oauthtest.New(t), pop: fetchtest.NewPOP3(t), dir: t.TempDir(),
		mta: relaytest.New(t, relaytest.Script{})}
	s.pop.Caps = []string{"TOP", "UIDL", "PIPELINING", "SASL PLAIN XOAUTH2"}
	s.pop.Owner = func(token string) string {
		s.mu.Lock()
		s.tokens = append(s.tokens, token)
		s.mu.Unlock()
		return s.provider.Owner(token)
	}
	s.pop.Put([]byte("Subject: one\r\n\r\nbody\r\n"))
	write(t, s.config(), `hostname: mail.kroon.co.za
state: state
socket: run/s
poll: 1s
deliver: {smtp: "`+s.mta.Address()+`"}
bounce: {from: "Mail Delivery System <mailer-daemon@kroon.co.za>", postmaster: postmaster@kroon.co.za}
oauth:
  ours:
    client_id: `+oauthtest.ClientID+`
    client_secret: `+oauthtest.ClientSecret+`
    auth_url: `+s.provider.AuthURL()+`
    token_url: `+s.provider.TokenURL()+`
    scopes: [`+strings.Join(oauthtest.Scopes, ", ")+`]
`+more+`
maildrops:
  - name: jaco
    url: "pop3://jaco@`+s.pop.Listen(t)+`"
    tls: none
    oauth: ours
    to: jaco@kroon.co.za
    after: delete
`)
	return s
}

func (s *signIn) config() string { return filepath.Join(s.dir, "mailretr.yaml") }

// run runs a verb; what it writes is seen at once.
func (s *signIn) run(ctx context.Context, in io.Reader, args ...string) (code func() int, out *shared) {
	out = &shared{}
	w := io.MultiWriter(out, &s.all)
	done := make(chan int, 1)
	go func() { done <- wired(newApp(in, w, w)).run(ctx, append(args, "--config", s.config())) }()
	return func() int { return <-done }, out
}

func (s *signIn) call(args ...string) (int, string) {
	s.Helper()
	code, out := s.run(s.Context(), nil, args...)
	return code(), out.String()
}

// wait waits until what a verb writes matches, and returns the first group.
func (s *signIn) wait(out *shared, pattern string) string {
	s.Helper()
	re, late := regexp.MustCompile(pattern), time.After(20*time.Second)
	for {
		text, more := out.read()
		if m := re.FindStringSubmatch(text); m != nil {
			return m[1]
		}
		select {
		case <-more:
		case <-late:
			s.Fatalf("no %q in %q", pattern, text)
		}
	}
}

const shownURL = `\n    (http://\S+)\n`

func (s *signIn) collected(n int) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	if err := s.mta.Wait(ctx, n); err != nil {
		s.Fatalf("%v; %s", err, &s.all)
	}
}

// secret says that no token, and no secret of the client, was printed or is readable in the state.
func (s *signIn) secret() {
	s.Helper()
	hidden := []string{oauthtest.ClientSecret}
	s.mu.Lock()
	for _, token := range s.tokens {
		sent := base64.StdEncoding.EncodeToString([]byte("user=jaco\x01auth=Bearer " + token + "\x01\x01"))
		hidden = append(hidden, token, base64.StdEncoding.EncodeToString([]byte(token)), sent)
	}
	s.mu.Unlock()
	if len(hidden) < 3 {
		s.Fatal("no token was shown to the server")
	}
	for _, h := range hidden {
		if strings.Contains(s.all.String(), h) {
			s.Errorf("%.20s… was printed", h)
		}
	}
	err := filepath.WalkDir(filepath.Join(s.dir, "state"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, h := range hidden {
			if bytes.Contains(b, []byte(h)) {
				s.Errorf("%.20s… is readable in %s", h, path)
			}
		}
		return err
	})
	if err != nil {
		s.Error(err)
	}
	if fi, err := os.Stat(filepath.Join(s.dir, "state/oauth.key")); err != nil || fi.Mode().Perm() != 0o600 {
		s.Errorf("the key: %v, %v", fi, err)
	}
}

// TestLogin: from "somebody has to sign in" to mail that is delivered, without a daemon, by a browser on this machine.
func TestLogin(t *testing.T) {
	s := newSignIn(t, "")
	if code, out := s.call("check"); code != exOK {
		t.Fatal(out)
	}
	if code, out := s.call("check", "--connect"); code != exOK || !strings.Contains(out, "its login needs the consent") {
		t.Errorf("check --connect: %d, %s", code, out)
	}
	if code, out := s.call("config", "show"); code != exOK || !strings.Contains(out, `client_secret: '***'`) {
		t.Errorf("config show: %d, %s", code, out)
	}
	code, out := s.call("poll", "jaco")
	if code != exNoPerm || !strings.Contains(out, "nobody has signed in yet") || !strings.Contains(out, "mailretr login jaco") {
		t.Fatalf("%d: %s", code, out)
	}
	if _, out := s.call("status", "-v"); !strings.Contains(out, "The provider wants somebody to sign in.") {
		t.Errorf("status: %s", out)
	}
	ended, shown := s.run(t.Context(), strings.NewReader(""), "login", "jaco")
	back, err := s.provider.Browse(s.wait(shown, shownURL))
	if err != nil {
		t.Fatal(err)
	}
	// Somebody else on this machine is not listened to.
	base, _, _ := strings.Cut(back, "?")
	for _, other := range []string{"", "?code=evil", "?code=evil&state=x", "?error=x&state="} {
		if r, err := http.Get(base + other); err != nil || r.StatusCode != http.StatusNotFound {
			t.Errorf("%q: %v, %v", other, r, err)
		} else {
			r.Body.Close()
		}
	}
	r, err := http.Get(back)
	if err != nil {
		t.Fatal(err)
	}
	page, _ := io.ReadAll(r.Body)
	r.Body.Close()
	if !strings.Contains(string(page), "has the consent") || strings.Contains(string(page), "code") {
		t.Errorf("the page: %s", page)
	}
	if code := ended(); code != exOK {
		t.Fatalf("%d: %s", code, shown)
	}
	if code, out := s.call("poll", "jaco"); code != exOK {
		t.Fatalf("%d: %s", code, out)
	}
	s.collected(1)
	if len(s.pop.Left()) != 0 || s.provider.Count(oauthtest.TokenPath) != 1 {
		t.Errorf("left %d, %d tokens", len(s.pop.Left()), s.provider.Count(oauthtest.TokenPath))
	}
	s.secret()
}

// TestLogin_Pasted: the browser is on another machine.
func TestLogin_Pasted(t *testing.T) {
	s := newSignIn(t, "")
	in, owner := io.Pipe()
	ended, shown := s.run(t.Context(), in, "login", "--browser", "jaco")
	back, err := s.provider.Browse(s.wait(shown, shownURL))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(owner, "\n%s\n", back)
	if code := ended(); code != exOK {
		t.Fatalf("%d: %s", code, shown)
	}
	if code, out := s.call("poll", "jaco"); code != exOK {
		t.Fatalf("%d: %s", code, out)
	}
	s.collected(1)
	in, owner = io.Pipe()
	ended, shown = s.run(t.Context(), in, "login", "jaco")
	s.wait(shown, shownURL)
	fmt.Fprintln(owner, "http://127.0.0.1/?code=x&state=another")
	if code := ended(); code != exNoPerm || !strings.Contains(shown.String(), "belongs to another sign-in") {
		t.Errorf("%d: %s", code, shown)
	}
	for args, want := range map[string]int{
		"login --forget --device jaco": exUsage, "login": exUsage, "login nobody": exDataErr, "login --device jaco": exUsage, "login --device --browser jaco": exUsage,
	} {
		if code, out := s.call(strings.Fields(args)...); code != want {
			t.Errorf("%s: %d, %s", args, code, out)
		}
	}
	s.secret()
	if code, out := s.call("login", "--forget", "jaco"); code != exOK || !strings.Contains(out, "is forgotten") {
		t.Errorf("%d: %s", code, out)
	}
	if code, out := s.call("poll", "jaco"); code != exNoPerm || !strings.Contains(out, "nobody has signed in") {
		t.Errorf("%d: %s", code, out)
	}
}

// TestLogin_Device: through the daemon, which notices the consent by itself and collects.
func TestLogin_Device(t *testing.T) {
	s := newSignIn(t, "")
	text, err := os.ReadFile(s.config())
	if err != nil {
		t.Fatal(err)
	}
	write(t, s.config(), strings.Replace(string(text), "    scopes:", "    device_url: "+s.provider.DeviceURL()+"\n    scopes:", 1))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served, log := s.run(ctx, nil, "serve")
	s.wait(log, `(nobody has signed in)`)
	ended, shown := s.run(t.Context(), nil, "login", "jaco", "--json")
	code := s.wait(shown, `"code":"([^"]+)"`)
	if err := s.provider.Enter(code, true); err != nil {
		t.Fatal(err)
	}
	if code := ended(); code != exOK || !strings.Contains(shown.String(), `"done":true`) {
		t.Fatalf("%d: %s", code, shown)
	}
	s.collected(1)
	s.wait(log, `(somebody signed in with its provider)`)
	s.provider.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":"access_denied"}`)
		return true
	})
	if code, out := s.call("login", "jaco"); code != exNoPerm || !strings.Contains(out, "try again, and consent: mailretr login jaco\n") {
		t.Errorf("denied: %d, %s", code, out)
	}
	stop()
	if code := served(); code != exOK {
		t.Errorf("serve ended with %d: %s", code, log)
	}
	s.secret()
}

// TestLogin_TokenOfAnother: somebody else's program has the token, as with other retrievers.
func TestLogin_TokenOfAnother(t *testing.T) {
	s := newSignIn(t, "")
	text, err := os.ReadFile(s.config())
	if err != nil {
		t.Fatal(err)
	}
	s.pop.Owner, s.pop.Token = nil, "a-token"
	write(t, s.config(), strings.Replace(string(text), "    oauth: ours\n",
		"    auth: xoauth2\n    password: {command: [echo, a-token]}\n", 1))
	if code, out := s.call("poll"); code != exOK {
		t.Fatalf("%d: %s", code, out)
	}
	s.collected(1)
	if code, out := s.call("login", "jaco"); code != exUsage || !strings.Contains(out, "is collected with a password") {
		t.Errorf("%d: %s", code, out)
	}
}

package oauth

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mailretr/fetch/oauthtest"
	"mailretr/store/mail"
)

func file(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// holds replaces the tokens of a consent, so that they are found again.
func (w *world) holds(a *Account) {
	a.grant.Refresh, a.grant.Access = "refresh-token-canary-0123456789", "access-token-canary-0123456789"
	a.grant.Expiry = w.clock()
}

// TestH4_EchoedTokens: whatever page a provider answers with, nothing that was sent is shown.
func TestH4_EchoedTokens(t *testing.T) {
	w := newWorld(t)
	for name, page := range map[string]func(http.ResponseWriter, string){
		"page": func(w http.ResponseWriter, sent string) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, "<html>bad request: %s</html>", sent)
		},
		"description": func(w http.ResponseWriter, sent string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"unknown: %s"}`, sent)
		},
		"code": func(w http.ResponseWriter, sent string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":"%s"}`, sent)
		},
		"form": func(w http.ResponseWriter, sent string) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintf(w, "error=x&error_description=%s", url.QueryEscape(sent))
		},
		"broken form": func(w http.ResponseWriter, sent string) {
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprintf(w, "%%zz%s", sent)
		},
		"no JSON": func(w http.ResponseWriter, sent string) { fmt.Fprintf(w, "%s", sent) },
		"half of it": func(w http.ResponseWriter, sent string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":"invalid_client","error_description":"the token token-canary-0123456789 is bad"}`)
		},
		"elsewhere": func(w http.ResponseWriter, sent string) {
			w.Header().Set("Location", "http://127.0.0.1:1/?"+sent)
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.account()
			w.Answer(nil)
			w.consent(a)
			w.holds(a)
			w.Answer(func(rw http.ResponseWriter, r *http.Request) bool {
				r.ParseForm()
				page(rw, r.Form.Encode()+" "+r.Form.Get("refresh_token")+" "+r.Form.Get("client_secret"))
				return true
			})
			_, err := a.Token(t.Context())
			if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err.(*mail.Trouble).Reply), "canary") {
				t.Error(err)
			}
			if hint := err.(*mail.Trouble).Hint; strings.Contains(hint, "canary") {
				t.Error(hint)
			}
		})
	}
}

// TestH4_Redirect: nothing is asked of the place that a provider sends us to.
func TestH4_Redirect(t *testing.T) {
	var reached atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		w := newWorld(t)
		a := w.account()
		w.consent(a)
		w.after(time.Hour)
		w.Answer(func(rw http.ResponseWriter, r *http.Request) bool {
			http.Redirect(rw, r, other.URL, status)
			return true
		})
		kind(t, fmt.Sprint(status), second(a.Token(t.Context())), mail.Protocol)
	}
	if reached.Load() > 0 {
		t.Errorf("the other host was asked %d times", reached.Load())
	}
}

// TestH4_PlainHTTP: no token goes to http://, but on this machine.
func TestH4_PlainHTTP(t *testing.T) {
	for address, good := range map[string]bool{
		"https://login.example/token": true, "http://127.0.0.1:1/": true, "http://[::1]:1/": true, "http://localhost/": true,
		"http://login.example/token": false, "http://127.0.0.1.example/": false, "ftp://login.example/": false,
		"https://": false, "https://user:secret@login.example/": false, "//login.example/": false, "%zz": false,
	} {
		if err := proper(address); (err == nil) != good {
			t.Errorf("%s: %v", address, err)
		}
		if err := proper(address); err != nil && strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	}
	w := newWorld(t)
	p := w.provider()
	p.TokenURL = "http://login.example/token"
	a := w.keeper.Account(p, "jaco")
	_, err := a.Begin(t.Context(), redirect)
	kind(t, "Begin", err, mail.Local)
	err = a.Device(t.Context(), func(Prompt) error { return nil })
	kind(t, "Device", err, mail.Local)
	if _, err := newClient(nil, nil).Post(p.TokenURL, "text/plain", nil); err == nil || !strings.Contains(err.Error(), "https") {
		t.Error(err)
	}
}

// TestHostileAnswers: size, types and lies of a token endpoint.
func TestHostileAnswers(t *testing.T) {
	for name, page := range map[string]func(http.ResponseWriter){
		"endless": func(w http.ResponseWriter) {
			for range 1000 {
				if _, err := w.Write([]byte(`{"access_token":"` + strings.Repeat("x", 10000))); err != nil {
					return
				}
			}
		},
		"line end in the token": func(w http.ResponseWriter) { w.Write([]byte(`{"access_token":"a\r\nb","refresh_token":"c"}`)) },
		"control": func(w http.ResponseWriter) {
			w.Write([]byte(`{"access_token":"a` + "\\u0001" + `b","refresh_token":"c"}`))
		},
		"large token": func(w http.ResponseWriter) {
			w.Write([]byte(`{"access_token":"` + strings.Repeat("x", maxToken+1) + `","refresh_token":"c"}`))
		},
		"another kind": func(w http.ResponseWriter) {
			w.Write([]byte(`{"access_token":"a","refresh_token":"c","token_type":"mac"}`))
		},
		"nothing":  func(http.ResponseWriter) {},
		"no token": func(w http.ResponseWriter) { w.Write([]byte(`{}`)) },
	} {
		w := newWorld(t)
		a := w.account()
		w.consent(a)
		w.after(time.Hour)
		saves := w.store.saves
		w.Answer(func(rw http.ResponseWriter, r *http.Request) bool {
			rw.Header().Set("Content-Type", "application/json")
			page(rw)
			return true
		})
		kind(t, name, second(a.Token(t.Context())), mail.Protocol)
		if w.store.saves != saves {
			t.Errorf("%s: it was kept", name)
		}
		w.Answer(nil)
		w.token(a)
	}
}

// TestStoreFails: a token that could not be kept is not lost while the process lives, and not used up twice.
func TestStoreFails(t *testing.T) {
	w := newWorld(t)
	a := w.account()
	w.consent(a)
	w.after(time.Hour)
	w.store.fail = fmt.Errorf("disk full")
	kind(t, "first", second(a.Token(t.Context())), mail.Local)
	kind(t, "second", second(a.Token(t.Context())), mail.Local)
	w.store.fail = nil
	if w.Owner(w.token(a)) != oauthtest.User || w.Count(oauthtest.TokenPath) != 2 {
		t.Errorf("%d requests", w.Count(oauthtest.TokenPath))
	}
	w.keeper = w.another()
	w.after(time.Hour)
	w.token(w.account())
}

// TestH4_StopDuringRefresh: who is asked to stop while the provider answers takes the answer in: the old
// refresh token is good for nothing by then.
func TestH4_StopDuringRefresh(t *testing.T) {
	w := newWorld(t)
	a := w.account()
	w.consent(a)
	w.after(time.Hour)
	ctx, stop := context.WithCancel(t.Context())
	w.Answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == oauthtest.TokenPath {
			stop()
		}
		return false
	})
	a.Token(ctx) // whether it says so or not
	w.Answer(nil)
	w.keeper = w.another()
	if w.Owner(w.token(w.account())) != oauthtest.User {
		t.Error("locked out")
	}
}

// files is a store that outlives a process, and one that kills its own before it keeps something.
type files struct {
	dir  string
	kill bool
}

func (f files) Load(_ context.Context, name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(f.dir, name))
	if os.IsNotExist(err) {
		err = nil
	}
	return b, err
}

func (f files) Save(_ context.Context, name string, sealed []byte) error {
	if f.kill {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return os.WriteFile(filepath.Join(f.dir, name), sealed, 0o600)
}

// TestH4_KilledChild is the process that is killed.
func TestH4_KilledChild(t *testing.T) {
	address, dir, ok := strings.Cut(os.Getenv("OAUTH_TEST_CHILD"), " ")
	if !ok {
		return // it is started by TestH4_KilledBetweenUseAndSave
	}
	k := &Keeper{Store: files{dir, true}, Key: func() (Key, error) { return LoadKey(dir, "") },
		Now: func() time.Time { return time.Now().Add(time.Hour) }}
	p := Provider{Name: "test", ClientID: oauthtest.ClientID, Scopes: oauthtest.Scopes, TokenURL: address,
		Secret: func(context.Context) (string, error) { return oauthtest.ClientSecret, nil }}
	_, err := k.Account(p, oauthtest.User).Token(t.Context())
	t.Fatalf("it lives on: %v", err)
}

// TestH4_KilledBetweenUseAndSave: the provider has replaced the refresh token, and we are killed before the
// new one is kept. The old one is still there, and is tried: a provider with a grace takes it. One without
// says clearly that consent is needed, and after it all is well.
func TestH4_KilledBetweenUseAndSave(t *testing.T) {
	for _, grace := range []bool{true, false} {
		w := newWorld(t)
		w.Grace = grace
		dir := t.TempDir()
		keeper := func() *Keeper {
			return &Keeper{Store: files{dir, false}, Key: func() (Key, error) { return LoadKey(dir, "") }, Now: w.clock}
		}
		w.keeper = keeper()
		w.consent(w.account())
		child := exec.Command(os.Args[0], "-test.run=^TestH4_KilledChild$")
		child.Env = append(os.Environ(), "OAUTH_TEST_CHILD="+w.TokenURL()+" "+dir)
		out, err := child.CombinedOutput()
		if child.ProcessState == nil || child.ProcessState.ExitCode() != -1 {
			t.Fatalf("not killed: %v %s", err, out)
		}
		if n := w.Count(oauthtest.TokenPath); n != 2 {
			t.Fatalf("the child asked %d times", n-1)
		}
		w.after(time.Hour)
		w.keeper = keeper()
		token, err := w.account().Token(t.Context())
		if grace && (err != nil || w.Owner(token) != oauthtest.User) {
			t.Errorf("locked out: %v", err)
		}
		if !grace {
			kind(t, "without a grace", err, mail.Auth)
			w.consent(w.account())
			w.token(w.account())
		}
	}
}

// TestLargeAnswer: more than is allowed is not even read.
func TestLargeAnswer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(make([]byte, 10*maxAnswer)) // the client hangs up
	}))
	defer s.Close()
	r, err := newClient(nil, nil).Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, _ := io.ReadAll(r.Body); len(b) > maxAnswer {
		t.Errorf("%d octets were read", len(b))
	}
}

// TestR19_ProviderCertificate: nothing is asked of a provider whose certificate is nobody's.
func TestR19_ProviderCertificate(t *testing.T) {
	var reached atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	w := newWorld(t)
	p := w.provider()
	p.TokenURL = s.URL
	a := w.keeper.Account(p, "jaco")
	a.loaded, a.grant = true, &grant{Refresh: "refresh-canary"}
	kind(t, "certificate", second(a.Token(t.Context())), mail.Insecure)
	if reached.Load() > 0 {
		t.Error("it was asked")
	}
}

// TestRefreshIsCheap: a refresh each hour does without the certificates of the provider, which are most of what it would cost.
func TestRefreshIsCheap(t *testing.T) {
	var resumed []bool
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resumed = append(resumed, r.TLS.DidResume)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"a%d","refresh_token":"r","token_type":"Bearer","expires_in":3600}`, len(resumed))
	}))
	defer s.Close()
	w := newWorld(t)
	w.keeper.secure().RootCAs = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	p := w.provider()
	p.TokenURL = s.URL
	a := w.keeper.Account(p, "jaco")
	a.loaded, a.grant = true, &grant{Refresh: "refresh-canary"}
	for range 3 {
		w.token(a)
		w.after(time.Hour)
	}
	if fmt.Sprint(resumed) != "[false true true]" {
		t.Errorf("resumed: %v", resumed)
	}
}

package webhook

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mailretr/relay/wire"
)

const canary = "canary-canary-canary"

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func hook(url string) *Hook {
	return &Hook{URL: url, Agent: "test", Now: func() time.Time { return noon },
		Secret: func(context.Context) (string, error) { return canary, nil }}
}

// The example of the specification's own test, with its key.
func TestSign(t *testing.T) {
	key, err := keyOf("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// What is sent arrives whole, with a signature of what arrived.
func TestPost(t *testing.T) {
	var r *http.Request
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, got *http.Request) {
		r = got
		body, _ = io.ReadAll(got.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer s.Close()
	if err := hook(s.URL+"/x").Post(t.Context(), "id1", []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	h := r.Header
	if r.Method != http.MethodPost || string(body) != `{"a":1}` || h.Get("Content-Type") != "application/json" ||
		h.Get("webhook-id") != "id1" || h.Get("webhook-timestamp") != "1769860800" || h.Get("User-Agent") != "test" ||
		h.Get("webhook-signature") != Sign([]byte(canary), "id1", noon, body) {
		t.Errorf("%s %v: %s", r.Method, h, body)
	}
}

// What is no success is an error that tells neither secret nor path, and a redirect is not followed.
func TestRefused(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/redirect-t0ken":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case "/cut-t0ken":
			panic(http.ErrAbortHandler)
		case "/header-t0ken":
			w.Header().Set("X", strings.Repeat("x", 2*maxHeader))
		case "/endless-t0ken":
			w.WriteHeader(http.StatusInternalServerError)
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		default:
			http.Error(w, "t0ken", http.StatusForbidden)
		}
	}))
	defer s.Close()
	for path, want := range map[string]string{
		"/403-t0ken": "it answers 403 Forbidden", "/redirect-t0ken": "it answers 307, and no redirect is followed",
		"/endless-t0ken": "it answers 500 Internal Server Error", "/cut-t0ken": "EOF", "/header-t0ken": "header",
	} {
		asked.Store(0)
		err := hook(s.URL+path).Post(t.Context(), "id", nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%s: %v", path, err)
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("%s: asked %d times", path, n)
		}
		if refused := (*Refused)(nil); errors.As(err, &refused) != strings.HasPrefix(want, "it answers") {
			t.Errorf("%s: %v is of the wrong kind", path, err)
		}
	}
}

// H7: where the policy forbids it, this machine is not reached, whatever it is called.
func TestH7_NothingInside(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
	defer s.Close()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "[::1]", "169.254.169.254"} {
		h := hook("http://" + host + ":" + port)
		h.Policy = &wire.Policy{Deny: wire.Inside()}
		if err := h.Post(t.Context(), "id", nil); !errors.Is(err, wire.ErrDenied) {
			t.Errorf("%s: %v", host, err)
		}
		if _, err := h.Check(t.Context()); !errors.Is(err, wire.ErrDenied) {
			t.Errorf("%s, checked: %v", host, err)
		}
	}
}

// Only a certificate that is believed is told anything.
func TestCertificates(t *testing.T) {
	n := 0
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n++ }))
	defer s.Close()
	s.Config.ErrorLog = nil
	h := hook(s.URL)
	if err := h.Post(t.Context(), "id", nil); err == nil || n != 0 {
		t.Errorf("a stranger was told: %v", err)
	}
	if _, err := h.Check(t.Context()); err == nil {
		t.Error("a stranger is well")
	}
	h.CA = filepath.Join(t.TempDir(), "ca.pem")
	if err := h.Post(t.Context(), "id", nil); err == nil {
		t.Error("there is no such file")
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(h.CA, block, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Post(t.Context(), "id", nil); err != nil || n != 1 {
		t.Errorf("%v, told %d times", err, n)
	}
	if server, err := h.Check(t.Context()); err != nil || n != 1 || "https://"+server != s.URL {
		t.Errorf("%s: %v, told %d times", server, err, n)
	}
}

// A secret that is none is told, without itself; nothing is sent.
func TestSecrets(t *testing.T) {
	for _, x := range []string{"short", "whsec_", "whsec_%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%", "whsec_c2hvcnQ="} {
		h := hook("http://127.0.0.1:1")
		h.Secret = func(context.Context) (string, error) { return x, nil }
		err := h.Post(t.Context(), "id", nil)
		if err == nil || !strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), x) && x != "whsec_" {
			t.Errorf("%s: %v", x, err)
		}
	}
}

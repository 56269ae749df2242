// Package webhook tells one program of one thing by HTTP, signed as Standard Webhooks (standardwebhooks.com) has it, so that
// receivers find a library that verifies it.
//
// It promises that a secret and what is sent go nowhere but to the URL: no redirect is followed, no proxy of the environment
// asked, and the address that is really dialled is judged by a policy; that a post takes at most half a minute and reads
// nothing of an answer but its status; and that no text of an error has the path of the URL, which may hold a token. It
// leaves to its caller what is said, and when it is said again.
//
// Read [Hook.Post] first.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mailretr/relay/wire"
)

// A Hook is where things are told. Safe for concurrent use, as long as its fields stay as they are.
type Hook struct {
	URL    string
	Secret func(context.Context) (string, error) // read for each post
	Policy *wire.Policy                          // which addresses may be dialled; nil: all
	CA     string                                // PEM file, read for each post; "": the system's roots
	Agent  string                                // User-Agent
	Now    func() time.Time
}

const (
	// patience bounds a post, from looking up to the status of the answer.
	patience = 30 * time.Second
	// maxHeader bounds the header of an answer, in octets.
	maxHeader = 16 << 10
	// leastKey is the least length of a key in octets: a shorter one can be guessed from what it has signed.
	leastKey = 16
)

// A Refused is an answer that is no success. The receiver is there, but does not take this.
type Refused struct{ Status int }

// Error says the status, and its words as HTTP has them; nothing of the answer.
func (r *Refused) Error() string {
	if r.Status >= 300 && r.Status < 400 {
		return fmt.Sprintf("it answers %d, and no redirect is followed", r.Status)
	}
	return strings.TrimSpace(fmt.Sprintf("it answers %d %s", r.Status, http.StatusText(r.Status)))
}

// Post sends body, which is JSON, under an id by which the receiver knows it again. nil means that the receiver has answered
// with 2xx; a *Refused that it has answered otherwise; any other error that it was not reached, or is not known to have got it.
func (h *Hook) Post(ctx context.Context, id string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	secret, err := h.Secret(ctx)
	if err != nil {
		return err
	}
	key, err := keyOf(secret)
	if err != nil {
		return err
	}
	roots, err := h.roots()
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("its url is not one")
	}
	at := h.Now()
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", h.Agent)
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set("Webhook-Signature", Sign(key, id, at, body))
	answer, err := h.client(roots).Do(r)
	if err != nil {
		return brief(err)
	}
	// Nothing of the answer is wanted, nor does its end matter.
	_ = answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return &Refused{answer.StatusCode}
	}
	return nil
}

// Sign is the signature of what is sent under an id at a time: "v1," and the base64 of the HMAC-SHA256 of id, seconds and
// body, with dots between them.
func Sign(key []byte, id string, at time.Time, body []byte) string {
	m := hmac.New(sha256.New, key)
	fmt.Fprintf(m, "%s.%d.", id, at.Unix())
	m.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// keyOf is the key that a secret means: the base64 behind whsec_, or its own octets.
func keyOf(secret string) ([]byte, error) {
	key := []byte(secret)
	if text, encoded := strings.CutPrefix(secret, "whsec_"); encoded {
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, errors.New("the secret of the webhook begins with whsec_, and what follows is not base64")
		}
		key = b
	}
	if len(key) < leastKey {
		return nil, fmt.Errorf("the secret of the webhook has less than %d octets; make one with: openssl rand -base64 32", leastKey)
	}
	return key, nil
}

func (h *Hook) roots() (*x509.CertPool, error) {
	if h.CA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(h.CA)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca: %s holds no certificate in PEM", h.CA)
	}
	return roots, nil
}

// Check does all of a post but to send it: it reads the secret, connects and shakes hands. It returns where that was.
func (h *Hook) Check(ctx context.Context) (server string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	u, err := url.Parse(h.URL)
	if err != nil {
		return "", errors.New("its url is not one")
	}
	server = u.Host
	if u.Port() == "" {
		server = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	secret, err := h.Secret(ctx)
	if err != nil {
		return server, err
	}
	if _, err := keyOf(secret); err != nil {
		return server, err
	}
	roots, err := h.roots()
	if err != nil {
		return server, err
	}
	c, err := h.dialler().DialContext(ctx, "tcp", server)
	if err != nil {
		return server, err
	}
	defer c.Close()
	if u.Scheme == "http" {
		return server, nil
	}
	settings := trusting(roots)
	settings.ServerName = u.Hostname()
	return server, tls.Client(c, settings).HandshakeContext(ctx)
}

func trusting(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

func (h *Hook) dialler() *net.Dialer {
	d := &net.Dialer{}
	if h.Policy != nil {
		d.Control = func(_, address string, _ syscall.RawConn) error { return h.Policy.Allows(address) }
	}
	return d
}

// client makes one connection for one request: there are a few a day.
func (h *Hook) client(roots *x509.CertPool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: h.dialler().DialContext, TLSClientConfig: trusting(roots),
			MaxResponseHeaderBytes: maxHeader, DisableKeepAlives: true, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// brief is an error without the URL.
func brief(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

package oauth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

const (
	// patience bounds one request to a provider, from looking up to the last octet.
	patience = 30 * time.Second
	// maxAnswer bounds an answer in octets; tokens are a few thousand.
	maxAnswer = 64 << 10
)

// thrifty returns settings of TLS for requests that come once an hour for each account: sessions are resumed, and the
// post-quantum key share is left out, as it is of maildrops that are polled. The certificates of a provider and that share are
// most of what a request costs.
func thrifty() *tls.Config {
	return &tls.Config{
		ClientSessionCache: tls.NewLRUClientSessionCache(16),
		CurvePreferences:   []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384},
	}
}

// newClient returns a client for requests to providers: https:// only, but for this machine; no redirect is
// followed; answers are bounded in size and time. dial replaces the dialler; nil: the usual one, and the
// proxy of the environment if there is one. secure are settings of TLS; nil: the usual ones.
func newClient(dial func(ctx context.Context, network, address string) (net.Conn, error), secure *tls.Config) *http.Client {
	t := &http.Transport{
		DialContext: dial, TLSClientConfig: secure,
		TLSHandshakeTimeout: patience, ResponseHeaderTimeout: patience, MaxResponseHeaderBytes: maxAnswer,
		DisableKeepAlives:  true, // one request an hour
		DisableCompression: true, // a small answer could become a large one
	}
	if dial == nil {
		t.Proxy = http.ProxyFromEnvironment
	}
	return &http.Client{
		Timeout:   patience,
		Transport: bounded{t},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// bounded refuses what must not be asked, and bounds what is answered.
type bounded struct{ to http.RoundTripper }

// RoundTrip makes one request.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := proper(r.URL.String()); err != nil {
		return nil, err
	}
	answer, err := b.to.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body := answer.Body
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(body, maxAnswer), body}
	return answer, nil
}

// errScheme is an address to which no token goes.
var errScheme = errors.New("tokens go to https:// only")

// proper says what is wrong with the address of a provider; "" is none.
func proper(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return errors.New("the provider's address is not of the form https://host/path")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%w, not to %s://%s", errScheme, u.Scheme, u.Host)
}

// loopback says whether a host is this machine; nothing is looked up.
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}

package oauth

import (
	"bytes"
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
	"sync"
	"time"
)

const (
	// patience bounds one request to a provider, from the connection to the last octet. The time in which that waits for a
	// turn on the line does not count: it is our own doing, and an answer that is given up may have replaced the refresh
	// token.
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
		TLSClientConfig: secure, MaxResponseHeaderBytes: maxAnswer,
		DisableKeepAlives:  true, // one request an hour
		DisableCompression: true, // a small answer could become a large one
	}
	if dial == nil {
		t.Proxy = http.ProxyFromEnvironment
	} else {
		t.DialContext = counted(dial)
	}
	return &http.Client{
		Transport: bounded{t},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// bounded refuses what must not be asked, and bounds what is answered.
type bounded struct{ to http.RoundTripper }

// RoundTrip makes one request. The answer is here whole when it returns, so that one which is cut is an error of the line.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := proper(r.URL.String()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	waits := &waits{}
	defer waits.bound(patience, func() { cancel(errSlow) })()
	answer, err := b.to.RoundTrip(r.WithContext(context.WithValue(ctx, waitsKey{}, waits)))
	var body []byte
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
		answer.Body.Close()
	}
	switch {
	case err == nil:
	case context.Cause(ctx) == errSlow:
		return nil, errSlow
	default:
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}

// errSlow is a provider that does not answer in time.
var errSlow = fmt.Errorf("no answer within %d seconds", patience/time.Second)

// waits counts the time of one request that is not the provider's: until there is a connection, which whoever dials bounds
// (a program may run before, and a proxy may be asked), and the turns that this waits for.
type waits struct {
	mu      sync.Mutex
	dialled time.Time     // when dialling began; zero: nobody dials
	dialing time.Duration // that took
	conn    held          // nil: there is none yet, or it does not wait
}

// held is a connection that takes turns with others, and says how long it has waited for them.
type held interface{ Held() time.Duration }

type waitsKey struct{}

// counted tells a request's waits of its connection.
func counted(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(
	context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		w, ok := ctx.Value(waitsKey{}).(*waits)
		if !ok {
			return dial(ctx, network, address)
		}
		w.begin()
		c, err := dial(ctx, network, address)
		w.end(c)
		return c, err
	}
}

func (w *waits) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dialled = time.Now()
}

func (w *waits) end(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dialing, w.dialled = w.dialing+time.Since(w.dialled), time.Time{}
	if h, ok := c.(held); ok {
		w.conn = h
	}
}

// sum is what does not count so far.
func (w *waits) sum() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.dialing
	if !w.dialled.IsZero() {
		d += time.Since(w.dialled)
	}
	if w.conn != nil {
		d += w.conn.Held()
	}
	return d
}

// bound calls end when d has passed without the waits. stop ends that.
func (w *waits) bound(d time.Duration, end func()) (stop func()) {
	began := time.Now()
	done := make(chan struct{})
	go func() {
		t := time.NewTimer(d)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
			}
			left := d + w.sum() - time.Since(began)
			if left <= 0 {
				end()
				return
			}
			t.Reset(left)
		}
	}()
	return sync.OnceFunc(func() { close(done) })
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

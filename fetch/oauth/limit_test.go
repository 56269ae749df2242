package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/fetch/oauthtest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// pipes is a listener whose connections are pipes.
type pipes struct {
	next chan net.Conn
	gone chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.next:
		return c, nil
	case <-l.gone:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { close(l.gone); return nil }
func (l *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// provided is an account with a consent, whose provider answers as serve does, over a line with these shapers, which takes
// so long to dial.
func provided(t *testing.T, dialing time.Duration, serve http.HandlerFunc, shapers ...*wire.Shaper) *Account {
	l := &pipes{make(chan net.Conn), make(chan struct{})}
	s := &http.Server{Handler: serve}
	ended := make(chan struct{})
	go func() { defer close(ended); s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-ended })
	k := &Keeper{Store: &memory{}, Key: func() (Key, error) { return derive([]byte("a key")) }}
	a := k.Account(Provider{Name: "test", ClientID: "mailretr", TokenURL: "http://127.0.0.1/token",
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			<-time.After(dialing) // the clock of the test
			return wire.Dial(ctx, wire.Options{Address: address, TLS: wire.TLS{Mode: wire.Plain}, Shapers: shapers,
				DialContext: func(context.Context, string, string) (net.Conn, error) {
					ours, theirs := fetchtest.Pipe(64<<10, 0)
					l.next <- theirs
					return ours, nil
				}})
		}}, "jaco")
	a.loaded, a.grant = true, &grant{Refresh: "refresh-canary"}
	return a
}

// answer is a new token, with so many octets.
func answer(w http.ResponseWriter, octets int) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":%q,"refresh_token":"next","token_type":"Bearer","expires_in":3600}`, strings.Repeat("a", octets))
}

// A request waits for its turn on a slow line as long as it has to, and for the program that dials; the provider has half a
// minute for its part.
func TestLimitBeginsWithTheTurn(t *testing.T) {
	for name, c := range map[string]struct {
		dialing, provider time.Duration
		octets            int
		rate              int64 // octets per second; 0: no shaper
		took              time.Duration
		fails             bool
	}{
		"at once":             {octets: 100},
		"slow line":           {octets: 8000, rate: 40, took: 190 * time.Second},
		"slow to dial":        {octets: 100, dialing: 50 * time.Second, took: 50 * time.Second},
		"slow provider":       {octets: 100, provider: 29 * time.Second, took: 29 * time.Second},
		"all of it":           {octets: 8000, rate: 40, dialing: 50 * time.Second, provider: 29 * time.Second, took: 269 * time.Second},
		"no answer":           {octets: 100, provider: time.Hour, took: 30 * time.Second, fails: true},
		"no answer, slow":     {octets: 100, rate: 40, dialing: 50 * time.Second, provider: time.Hour, took: 80 * time.Second, fails: true},
		"no dialler's answer": {octets: 100, dialing: 29 * time.Second, provider: 31 * time.Second, took: 59 * time.Second, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var shapers []*wire.Shaper
				if c.rate > 0 {
					shapers = append(shapers, wire.NewShaper(c.rate, 0))
				}
				a := provided(t, c.dialing, func(w http.ResponseWriter, r *http.Request) {
					io.Copy(io.Discard, r.Body) // only then it is noticed that the client has gone
					select {
					case <-time.After(c.provider):
						answer(w, c.octets)
					case <-r.Context().Done():
					}
				}, shapers...)
				began := time.Now()
				token, err := a.Token(t.Context())
				if took := time.Since(began); (took - c.took).Abs() > c.took/10 {
					t.Errorf("it took %v, want about %v", took, c.took)
				}
				switch {
				case c.fails:
					if x := kind(t, "too slow", err, mail.Unreachable); !strings.Contains(x.Error(), "no answer within 30 seconds") {
						t.Error(x)
					}
					if a.grant.Refresh != "refresh-canary" {
						t.Error("the consent is another one")
					}
				case err != nil || len(token) != c.octets || a.grant.Refresh != "next":
					t.Errorf("%d octets, %v", len(token), err)
				}
			})
		})
	}
}

// H4: a request that fails by the line, wherever it is cut, is no matter of consent, and leaves the refresh token as it was;
// the next one may well work.
func TestH4_LineFailsDuringRefresh(t *testing.T) {
	whole := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 86\r\n\r\n" +
		`{"access_token":"a","refresh_token":"next","token_type":"Bearer","expires_in":3600   }`
	for n := 0; n <= len(whole); n += 1 + n/40 {
		synctest.Test(t, func(t *testing.T) {
			cut := n
			a := provided(t, 0, func(w http.ResponseWriter, _ *http.Request) {
				c, _, _ := http.NewResponseController(w).Hijack()
				c.Write([]byte(whole[:cut]))
				c.Close()
			})
			if _, err := a.Token(t.Context()); err != nil {
				kind(t, fmt.Sprintf("cut after %d octets", n), err, mail.Unreachable)
			} else if n < len(whole) {
				t.Errorf("a token of %d octets of the answer", n)
			}
			if a.grant == nil || n < len(whole) && a.grant.Refresh != "refresh-canary" {
				t.Errorf("cut after %d octets the consent is %+v", n, a.grant)
			}
			cut = len(whole)
			if token, err := a.Token(t.Context()); token != "a" || err != nil {
				t.Errorf("it does not go on: %q, %v", token, err)
			}
		})
	}
}

// deaf is a line that breaks when the answer comes.
type deaf struct{ net.Conn }

func (d deaf) Read(p []byte) (int, error) {
	if _, err := d.Conn.Read(p); err != nil {
		return 0, err
	}
	d.Close()
	return 0, errors.New("connection reset by peer")
}

// TestH4_LineFailsAfterUse: the provider has replaced the refresh token, and its answer is lost on the line. That is no matter
// of consent yet: the old one is tried again. A provider with a grace takes it; one without says that consent is needed.
func TestH4_LineFailsAfterUse(t *testing.T) {
	for _, grace := range []bool{true, false} {
		w := newWorld(t)
		w.Grace = grace
		w.consent(w.account())
		w.after(time.Hour)
		p, breaks := w.provider(), true
		p.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if breaks && err == nil {
				c = deaf{c}
			}
			return c, err
		}
		a := w.keeper.Account(p, oauthtest.User)
		mark := a.Mark(t.Context())
		x := kind(t, "the answer is lost", second(a.Token(t.Context())), mail.Unreachable)
		var c *Consent
		if errors.As(x, &c) || a.Mark(t.Context()) != mark {
			t.Errorf("consent is asked for: %v", x)
		}
		if n := w.Count(oauthtest.TokenPath); n != 2 {
			t.Fatalf("%d requests", n-1)
		}
		breaks = false
		token, err := a.Token(t.Context())
		switch {
		case grace && (err != nil || w.Owner(token) != oauthtest.User):
			t.Errorf("locked out: %v", err)
		case !grace:
			if x := kind(t, "without a grace", err, mail.Auth); !errors.As(x, &c) {
				t.Errorf("nobody is told to consent: %v", x)
			}
		}
	}
}

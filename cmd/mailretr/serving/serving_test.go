package serving

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener without a network.
type pipes struct {
	calls chan net.Conn
	gone  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.calls:
		return c, nil
	case <-p.gone:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.gone); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.calls <- theirs
	return ours, nil
}

// An answer that is under way when the context ends comes to its end, if that is within the grace; then nothing is left.
func TestUntil(t *testing.T) {
	for _, takes := range []time.Duration{time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			const grace = 5 * time.Second
			told := make(chan struct{})
			h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-time.After(takes):
					io.WriteString(w, "whole")
				case <-r.Context().Done():
				}
			})}
			h.RegisterOnShutdown(func() { close(told) })
			p := newPipes()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- Until(ctx, h, p, grace) }()
			answered := make(chan string)
			c := &http.Client{Transport: &http.Transport{DialContext: p.dial, DisableKeepAlives: true}}
			go func() {
				r, err := c.Get("http://x/")
				if err != nil {
					answered <- ""
					return
				}
				b, _ := io.ReadAll(r.Body)
				r.Body.Close()
				answered <- string(b)
			}()
			synctest.Wait()
			began := time.Now()
			cancel()
			got := <-answered
			if err := <-ended; err != nil || (got == "whole") != (takes < grace) || time.Since(began) > 2*grace {
				t.Errorf("an answer of %v: %q after %v, %v", takes, got, time.Since(began), err)
			}
			<-told
			select {
			case <-p.gone:
			default:
				t.Error("it listens still")
			}
		})
	}
}

// A server that cannot go on says why.
func TestUntilFails(t *testing.T) {
	p := newPipes()
	p.Close()
	if err := Until(t.Context(), &http.Server{}, closed{p}, time.Second); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// closed is a listener that was closed before.
type closed struct{ *pipes }

func (closed) Close() error { return nil }

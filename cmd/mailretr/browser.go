package main

import (
	"context"
	"crypto/subtle"
	"net"
	"net/http"
	"sync"
)

// browserBack is where a browser comes back to after its owner has consented: a port of the loopback address that
// answers as long as the sign-in takes (RFC 8252, 7.3).
type browserBack struct {
	listener net.Listener
	server   *http.Server
	came     chan answer // one

	mu    sync.Mutex
	state string // "": nothing is expected
	over  bool
}

func listenForBrowser(ctx context.Context) (*browserBack, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &browserBack{listener: l, came: make(chan answer, 1)}
	b.server = &http.Server{Handler: b, ReadTimeout: patienceOfBrowser, WriteTimeout: patienceOfBrowser, MaxHeaderBytes: 64 << 10}
	go b.server.Serve(l) // ends with close; its error says only that
	return b, nil
}

func (b *browserBack) address() string { return "http://" + b.listener.Addr().String() + "/" }

func (b *browserBack) close() { b.server.Close() }

// expect says which state belongs to the sign-in.
func (b *browserBack) expect(state string) { b.mu.Lock(); defer b.mu.Unlock(); b.state = state }

// ServeHTTP takes the first answer that has the state. Anybody on this machine can ask; whoever does not know the state
// learns and changes nothing.
func (b *browserBack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the address holds the code
	v := r.URL.Query()
	b.mu.Lock()
	known := b.state != "" && !b.over && subtle.ConstantTimeCompare([]byte(v.Get("state")), []byte(b.state)) == 1
	b.over = b.over || known
	state := b.state
	b.mu.Unlock()
	if !known {
		http.Error(w, "This belongs to no sign-in that is under way.", http.StatusNotFound)
		return
	}
	code, err := consentIn(v, state)
	b.came <- answer{code, err}
	if err != nil {
		http.Error(w, "The provider did not consent. You can close this page.", http.StatusOK)
		return
	}
	// Whoever has closed the page needs no answer.
	_, _ = w.Write([]byte("Thank you: mailretr has the consent. You can close this page.\n"))
}

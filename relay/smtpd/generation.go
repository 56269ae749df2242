package smtpd

import (
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"

	"mailretr/store/mail"
)

// A generation is the options that connections began with. A reload makes a new one; those that are open go
// on with theirs.
type generation struct {
	Options
	limits Limits
	tls    *tls.Config
	outer  *feed // to the library, for plain connections
	inner  *feed // for those with TLS: STARTTLS is not offered

	clients int  // guarded by Server.mu
	retired bool // likewise
}

func newGeneration(o Options) *generation {
	g := &generation{Options: o, limits: o.Limits.filled()}
	if o.Security != Plain {
		g.tls = &tls.Config{GetCertificate: o.Certificate, MinVersion: tls.VersionTLS12}
	}
	g.outer, g.inner = newFeed(), newFeed()
	go g.library(o.Security == StartTLS).Serve(g.outer)
	go g.library(false).Serve(g.inner)
	return g
}

// library is a server of the library; it offers STARTTLS, but the handshake is ours.
func (g *generation) library(offer bool) *smtp.Server {
	s := smtp.NewServer(smtp.BackendFunc(g.session))
	s.Domain, s.LMTP = g.Hostname, g.LMTP
	s.MaxRecipients = g.limits.Recipients
	s.MaxLineLength = 0 // the door looks at lines
	s.EnableSMTPUTF8, s.EnableDSN = true, true
	s.AllowInsecureAuth = true // the session decides
	s.ErrorLog = log.New(faults{g}, "", 0)
	if offer {
		s.TLSConfig = g.tls
	}
	return s
}

func (g *generation) close() {
	g.outer.close()
	g.inner.close()
}

// faults makes events of what the library logs: panics.
type faults struct{ g *generation }

func (f faults) Write(p []byte) (int, error) {
	text := strings.TrimSpace(string(p))
	f.g.observe(mail.Event{Text: "a session has failed", Err: fmt.Errorf("%s", text),
		Alarm: strings.HasPrefix(text, "panic")})
	return len(p), nil
}

// A feed hands connections to the library, which wants a listener.
type feed struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newFeed() *feed { return &feed{conns: make(chan net.Conn), done: make(chan struct{})} }

// give says whether the library has it.
func (f *feed) give(c net.Conn) bool {
	select {
	case f.conns <- c:
		return true
	case <-f.done:
		return false
	}
}

func (f *feed) close() { f.once.Do(func() { close(f.done) }) }

// Accept waits for give.
func (f *feed) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

// Close does nothing: the generation ends a feed.
func (f *feed) Close() error { return nil }

// Addr is of no interest to anybody.
func (f *feed) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }

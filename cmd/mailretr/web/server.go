package web

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"mailretr/cmd/mailretr/control"
	"mailretr/cmd/mailretr/serving"
	"mailretr/cmd/mailretr/signin"
	"mailretr/conf"
)

// A Server shows a house. Its fields are set before Handler is called. What is written below web: in the configuration in
// use counts at once. Safe for concurrent use.
type Server struct {
	House  control.House
	SignIn func() signin.Checker // of the configuration in use; nil, or a nil Checker: nobody signs in here
	Log    *slog.Logger          // is told who signs in, and who is refused; nil: nobody is
	Secure bool                  // it is reached by TLS

	client     *control.Client
	life       context.Context // of what goes on when a request has ended
	sessions   sessions
	asks       asks
	seal       seal
	attempts   attempts
	runs       runs
	jobs       jobs
	consents   consents
	turns      turns
	exports    exports
	imports    importing
	inspection inspection
	texts      texts
	holding    holding
	indexes    atomic.Uint64
	indexed    atomic.Pointer[index]
	rules      atomic.Pointer[conf.Web] // that the sessions began under
}

// What bounds browsers.
const (
	maxPeers   = 256
	maxForm    = 64 << 10 // octets
	maxHeaders = 32 << 10
	writing    = 2 * time.Minute // an answer; of one that may be large each part of it
	grace      = 2 * time.Second
	// silent is how long a connection is kept on which nobody asks. It is less than lookAgain: else every page that is open
	// somewhere would hold on to one of maxPeers, and who comes after them would wait in vain.
	silent = 10 * time.Second
)

// Serve answers on l until ctx ends, and closes it. With a certificate it speaks TLS, and Secure has to be set.
func (s *Server) Serve(ctx context.Context, l net.Listener, cert func(*tls.ClientHelloInfo) (*tls.Certificate, error)) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	h := &http.Server{
		Handler: s.Handler(ctx), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: writing, IdleTimeout: silent, MaxHeaderBytes: maxHeaders,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // what strangers do to a connection is no news
	}
	l = &crowd{Listener: l, speaks: func(a netip.Addr) bool { return speaksFor(&s.House.Config().Web, a) }}
	if cert != nil {
		h.TLSConfig = &tls.Config{GetCertificate: cert, MinVersion: tls.VersionTLS12}
	}
	if err := serving.Until(ctx, h, netutil.LimitListener(l, maxPeers), grace); err != nil {
		return err
	}
	s.runs.stop()
	s.jobs.stop()
	s.consents.end()
	s.inspection.wait()
	s.asks.wait()
	return nil
}

// Handler is what Serve serves; it is for tests, and for who has a server of his own. What it begins ends with ctx.
func (s *Server) Handler(ctx context.Context) http.Handler {
	s.life, s.client, s.texts = ctx, control.Local(s.House), english()
	m := http.NewServeMux()
	m.HandleFunc("GET /static/{file}", static)
	m.HandleFunc("GET /sign-in", s.open(signInPage))
	m.HandleFunc("POST /sign-in", s.open(signIn))
	m.HandleFunc("POST /sign-out", s.open(signOut))
	for pattern, f := range map[string]handling{
		"GET /{$}":               list,
		"GET /maildrop":          showDrop,
		"POST /maildrop/collect": collect,
		"POST /maildrop/fetch":   fetchLeft,
		"POST /maildrop/pause":   pause,
		"POST /maildrop/consent": beginConsent,
		"POST /maildrop/code":    finishConsent,
		"POST /message":          changeOne,
	} {
		m.HandleFunc(pattern, s.signedIn(f))
	}
	for pattern, f := range map[string]handling{
		"GET /admin":           adminPage,
		"GET /admin/maildrops": dropsOf,
		"GET /admin/queue":     queueOf,
		"GET /admin/why":       whyOf,
		"GET /admin/message":   messageOf,
		"GET /admin/octets":    octetsOf,
		"GET /admin/traffic":   trafficOf,
		"GET /admin/verify":    verifyOf,
		"GET /admin/import":    importOf,
		"POST /admin/verify":   verify,
		"POST /admin/export":   exportMany,
		"POST /admin/import":   importMany,
		"POST /admin/queue":    changeMany,
		"POST /admin/edit":     edit,
		"POST /admin/flush":    flush,
		"POST /admin/reload":   reload,
		"POST /admin/source":   acceptSource,
	} {
		m.HandleFunc(pattern, s.admin(f))
	}
	m.HandleFunc("/", s.open(func(v *visit) error { return errNotThere }))
	return guarded(bounded(m))
}

// bounded bounds what a request may bring. A file of messages that an admin brings is read as it comes: it has bounds of its
// own, and who is none gets no further than his name.
func bounded(next http.Handler) http.Handler {
	small := http.MaxBytesHandler(next, maxForm)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/admin/import" {
			next.ServeHTTP(w, r)
			return
		}
		small.ServeHTTP(w, r)
	})
}

// policy is what a page may do: nothing that is not ours, and no script or style inside of a page (CSP 3).
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guarded says to browsers what they may not do, and refuses what another site has them send.
func guarded(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Robots-Tag", "noindex")
		next.ServeHTTP(w, r)
	})
}

func (s *Server) now() time.Time {
	if s.House.Now != nil {
		return s.House.Now()
	}
	return time.Now()
}

// part ends the sessions of everybody, or of some.
func (s *Server) part(all bool, names []string) {
	if all {
		s.sessions.endAll()
	}
	for _, name := range names {
		s.sessions.endOf(name)
	}
}

// web is what the configuration in use says of the pages. Whom it does not let in as before has to sign in again: he may not
// be allowed to any more.
func (s *Server) web() *conf.Web {
	w := &s.House.Config().Web
	if old := s.rules.Load(); old == nil || !old.Same(w) {
		now := *w // a copy: what stays the same would hold on to all maildrops of an old configuration
		if s.rules.CompareAndSwap(old, &now) && old != nil {
			s.part(old.Parted(&now))
		}
	}
	return w
}

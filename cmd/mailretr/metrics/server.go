package metrics

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"mailretr/cmd/mailretr/serving"
	"mailretr/store"
	"mailretr/store/status"
)

// A Server answers /metrics, /healthz and /readyz. It tells names of destinations in /metrics only, and of maildrops
// only where that was asked for.
type Server struct {
	Meter *Meter
	House House

	ending atomic.Bool
	first  sync.Once
	asked  *asked
}

// What bounds who asks: a few systems that scrape every few seconds.
const (
	maxPeers   = 32
	maxScrapes = 4
	grace      = 2 * time.Second
)

// Serve answers on l until ctx ends, and closes it.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
	return serving.Until(ctx, h, netutil.LimitListener(l, maxPeers), grace)
}

// End says that the daemon is about to end: it is alive, and not ready any more.
func (s *Server) End() { s.ending.Store(true) }

// Handler is what Serve serves.
func (s *Server) Handler() http.Handler {
	m := http.NewServeMux()
	m.Handle("GET /metrics", promhttp.HandlerFor(s.Meter.registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true, MaxRequestsInFlight: maxScrapes, Timeout: 20 * time.Second,
	}))
	m.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { answer(w, s.unhealthy(r.Context())) })
	m.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, s.unready(r.Context())) })
	return m
}

// answer says ok, or in one line why not.
func answer(w http.ResponseWriter, why string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if why == "" {
		why = "ok"
	} else {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	// An error means that nobody waits for the answer any more.
	_, _ = fmt.Fprintln(w, why)
}

// unhealthy says why the process should be started again; "" for no reason.
func (s *Server) unhealthy(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, scrapeTime)
	defer cancel()
	if _, err := s.totals(ctx); err != nil {
		return "the store does not answer" // the error has paths in it
	}
	if s.House.stuck() {
		return "the store does not end what it has begun to write"
	}
	return ""
}

// stuckFor is how long a commit may take: a disk that is only slow, or busy with a backup, answers within seconds.
const stuckFor = time.Minute

// stuck says whether the store hangs in a commit. It answers questions from memory all the same.
func (h *House) stuck() bool { return h.Writing != nil && h.Writing() >= stuckFor }

func (s *Server) totals(ctx context.Context) (store.Totals, error) {
	s.first.Do(func() { s.asked = &asked{totals: s.House.Totals} })
	return s.asked.ask(ctx)
}

// awayFor is how long every next hop may be away before mail cannot be passed on; unasked how long after its next
// attempt was due nobody knows how one is.
const (
	awayFor = 5 * time.Minute
	unasked = 15 * time.Minute
)

// unready says why mail can be neither taken nor passed on at the moment; "" for no reason.
func (s *Server) unready(ctx context.Context) string {
	if s.ending.Load() {
		return "the daemon is ending"
	}
	ctx, cancel := context.WithTimeout(ctx, scrapeTime)
	defer cancel()
	t, err := s.totals(ctx)
	switch {
	case err != nil:
		return "the store does not answer"
	case s.House.stuck():
		return "the store does not end what it has begun to write"
	case t.Free < t.Reserve:
		return "the disk is full: nothing is collected until there is room"
	}
	lanes := s.House.Lanes()
	for _, l := range lanes {
		if !s.away(l) {
			return ""
		}
	}
	if len(lanes) == 0 {
		return ""
	}
	return fmt.Sprintf("no destination has taken mail for %s or longer", awayFor)
}

// away says whether a next hop is known to take nothing. One that is not tried, because nothing waits for it, is not.
func (s *Server) away(l status.Lane) bool {
	now := s.House.Now()
	return l.State == status.Sick && now.Sub(l.Since) >= awayFor && now.Sub(l.Next) < unasked
}

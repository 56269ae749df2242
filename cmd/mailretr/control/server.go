package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"mailretr/cmd/mailretr/serving"
	"mailretr/conf"
	"mailretr/conf/source"
	"mailretr/fetch"
	"mailretr/fetch/budget"
	"mailretr/fetch/oauth"
	"mailretr/relay"
	"mailretr/store"
	"mailretr/store/status"
)

// A House is what a server answers for. Queue, Engine and Config are needed; what is nil otherwise is
// answered with an error that says so. Its fields are not changed once a server has it.
type House struct {
	Queue  *store.Queue
	Engine store.Engine
	Poller *fetch.Poller
	Runner *relay.Runner  // nil: nobody delivers, which is so where no daemon runs
	Status *status.Folder // nil: only an overview is given
	Events *Hub           // for the progress of a poll; nil: only its end is told
	Budget *budget.Book   // nil: nothing is counted

	Config  func() *conf.Config                  // the one in use
	Reload  func(context.Context) error          // reads it again; nil: there is no daemon that would need it
	Expire  func(lane string) time.Duration      // how long a lane tries; nil: not shown
	Consent func(maildrop string) *oauth.Account // nil, or a nil account: the maildrop has a password
	Signed  func(maildrop string, in bool)       // is told that somebody signed in, or that a consent was forgotten; may be nil
	Fronts  func() []Front                       // the listeners; nil: there is no daemon
	Sources func() []source.State                // of maildrops; nil: none are known
	Mirrors func() []Mirror                      // of the status; nil: none are known

	// AcceptSource takes what a source says now, however little that is; nil: it cannot be done.
	AcceptSource func(ctx context.Context, name string) (source.State, error)

	Refused func() *Refusal // the configuration that was read last and is not in use; nil, or nil of it: there is none

	Backup  Backuper // nil: it cannot be had
	Verify  Verifier // nil: it cannot be done
	Version string
	Started time.Time        // zero: no daemon
	Now     func() time.Time // nil: time.Now
}

func (h *House) now() time.Time {
	if h.Now != nil {
		return h.Now()
	}
	return time.Now()
}

// A Server answers. Safe for concurrent use.
type Server struct{ House House }

const (
	maxBody  = 1 << 20 // octets of a request
	maxPeers = 64      // connections at once; the CLI needs one
	grace    = 5 * time.Second
)

// Serve answers on a listener of Listen until ctx ends, then waits for answers under way a little, and
// closes it.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	own, ok := l.(*listener)
	if !ok {
		return errors.New("control: this is no listener of Listen")
	}
	streams, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	h := &http.Server{
		Handler:           guard(own.gid, s.Handler()),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       withPeer,
		BaseContext:       func(net.Listener) context.Context { return streams },
		ErrorLog:          nil,
	}
	h.RegisterOnShutdown(stop) // who follows a poll, or waits for an attempt, is told
	return serving.Until(ctx, h, limited(own), grace)
}

// limited bounds the connections at once; who comes then waits in the kernel's queue.
func limited(l *listener) net.Listener {
	return &bounded{listener: l, slots: make(chan struct{}, maxPeers)}
}

type bounded struct {
	*listener
	slots chan struct{}
}

func (b *bounded) Accept() (net.Conn, error) {
	b.slots <- struct{}{}
	c, err := b.listener.AcceptUnix()
	if err != nil {
		<-b.slots
		return nil, err
	}
	return &slotted{UnixConn: c, slots: b.slots}, nil
}

// slotted gives its slot back when it is closed, however often that is.
type slotted struct {
	*net.UnixConn
	once  sync.Once
	slots chan struct{}
}

func (s *slotted) Close() error {
	s.once.Do(func() { <-s.slots })
	return s.UnixConn.Close()
}

// Handler is the API. It asks nobody who he is: Serve does.
func (s *Server) Handler() http.Handler {
	m := http.NewServeMux()
	for pattern, f := range map[string]func(*House, *stream, *http.Request) error{
		"GET /v1/version": version,
		"GET /v1/status":  statusOf,
		"GET /v1/traffic": traffic,
		"POST /v1/reload": reload,

		"POST /v1/source/{name}/accept": acceptSource,

		"POST /v1/queue/list":   list,
		"GET /v1/queue/{id}":    show,
		"POST /v1/queue/top":    top,
		"POST /v1/queue/flush":  flush,
		"POST /v1/queue/edit":   edit,
		"POST /v1/queue/export": export,
		"POST /v1/queue/verify": verify,
		"POST /v1/queue/{verb}": change,

		"POST /v1/seen/list":              seenList,
		"POST /v1/seen/{verb}":            seenChange,
		"POST /v1/maildrop/{name}/{verb}": pause,
		"POST /v1/poll":                   poll,
		"POST /v1/login/{name}":           login,
		"POST /v1/login/{name}/finish":    loginFinish,
		"POST /v1/login/{name}/forget":    loginForget,
	} {
		m.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			out := newStream(w)
			b, err := read(w, r)
			if err == nil {
				r.Body = io.NopCloser(bytes.NewReader(b))
				err = f(&s.House, out, r)
			}
			out.end(err)
		})
	}
	m.HandleFunc("GET /v1/queue/{id}/octets", s.cat)
	m.HandleFunc("PUT /v1/queue/import", s.imports)
	m.HandleFunc("GET /v1/backup", s.backup)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, newError(NotFound, "the daemon does not know this request", otherVersion))
	})
	return m
}

// read takes the body of a request in, within bounds of size and time. Only then may it take long: a
// deadline that stays on the connection would end the request.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	ctl := http.NewResponseController(w)
	_ = ctl.SetReadDeadline(time.Now().Add(slowly)) // in the same process there is none
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, usage("the request cannot be read: "+err.Error(), "")
	}
	_ = ctl.SetReadDeadline(time.Time{})
	return b, nil
}

// A Version says who answers.
type Version struct {
	Version string    `json:"version"`
	Started time.Time `json:"started,omitzero"` // zero: no daemon
	PID     int       `json:"pid"`
	State   string    `json:"state,omitempty"`  // the directory; "": not known
	Config  string    `json:"config,omitempty"` // the file; "": not known
}

func version(h *House, out *stream, _ *http.Request) error {
	v := Version{Version: h.Version, Started: h.Started, PID: os.Getpid()}
	if h.Config != nil {
		v.State, v.Config = h.Config().State, h.Config().At.Self.File
	}
	return out.item(v, false)
}

func reload(h *House, _ *stream, r *http.Request) error {
	if h.Reload == nil {
		return newError(Unavailable, "no daemon runs that could read its configuration again",
			"mailretr serve reads it at its start")
	}
	return h.Reload(r.Context())
}

package wire

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// Sessions remembers the last TLS session with one server, so that the next connection does without the
// certificates on the line. Where it has a Memory, also after a restart. Safe for concurrent use.
//
// A session is offered again only with the settings under which it was made (address, name, roots, pins,
// client certificate), when it is at most a week old, and when its certificates would be accepted now: what
// has expired or has lost its authority is not resumed around, the server has to show what it has today. The
// server's own limit and the certificates are looked at again while it is resumed.
//
// Whoever can read a session can play the server in the next one, so it is to be kept as a secret.
type Sessions struct {
	Memory Memory // nil: nothing outlives the process
	Key    string // in Memory
	Now    func() time.Time

	mu    sync.Mutex
	read  bool // what Memory has was taken over
	last  *session
	saved time.Time // when what Memory holds was made; zero: it has nothing of ours
}

// A Memory keeps small facts across restarts, by key.
type Memory interface {
	Load(key string) (value []byte, ok bool)
	Save(key string, value []byte) // an empty value forgets
}

const (
	// maxSession is the age at which a session is not used any more (RFC 8446, 4.6.1: seven days at most).
	maxSession = 7 * 24 * time.Hour
	// saveEvery is how much newer a session has to be to be saved, because each saving is a sync of the disk;
	// Flush saves the newest.
	saveEvery = time.Hour
	// maxSaved bounds what is read again, in octets.
	maxSaved = 128 << 10
)

// A session is one that can be resumed.
type session struct {
	settings string
	made     time.Time
	certs    []*x509.Certificate
	state    *tls.ClientSessionState
}

// savedSession is a session in Memory.
type savedSession struct {
	Settings      string
	Made          int64 // Unix time
	Certs         [][]byte
	Ticket, State []byte
}

func (s *Sessions) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// Flush saves the last session, if it is newer than the saved one. Call it before the process ends.
func (s *Sessions) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil && s.last.made.After(s.saved) {
		s.save()
	}
}

// find returns the session if it may be resumed under these settings.
func (s *Sessions) find(settings string, judge func([]*x509.Certificate) error) *tls.ClientSessionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.read {
		s.read = true
		s.load()
	}
	if s.last == nil || s.last.settings != settings {
		return nil
	}
	age := s.now().Sub(s.last.made)
	if age < -time.Minute || age > maxSession || judge(s.last.certs) != nil {
		s.forget()
		return nil
	}
	return s.last.state
}

func (s *Sessions) put(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = true
	if x == nil {
		s.forget()
		return
	}
	changed := s.last == nil || s.last.settings != x.settings
	s.last = x
	if changed || x.made.Sub(s.saved) >= saveEvery {
		s.save()
	}
}

func (s *Sessions) forget() {
	s.last = nil
	if s.Memory != nil && !s.saved.IsZero() {
		s.Memory.Save(s.Key, nil)
	}
	s.saved = time.Time{}
}

// save writes the last session to Memory. A session that cannot be written is only less saved.
func (s *Sessions) save() {
	if s.Memory == nil {
		return
	}
	ticket, state, err := s.last.state.ResumptionState()
	if err != nil || state == nil {
		return
	}
	x := savedSession{Settings: s.last.settings, Made: s.last.made.Unix(), Ticket: ticket}
	if x.State, err = state.Bytes(); err != nil {
		return
	}
	for _, c := range s.last.certs {
		x.Certs = append(x.Certs, c.Raw)
	}
	b, err := json.Marshal(x)
	if err != nil || len(b) > maxSaved {
		return
	}
	s.Memory.Save(s.Key, b)
	s.saved = s.last.made
}

// load takes over what Memory has; what cannot be read is as nothing.
func (s *Sessions) load() {
	if s.Memory == nil {
		return
	}
	b, ok := s.Memory.Load(s.Key)
	if !ok {
		return
	}
	x, err := parseSession(b)
	if err != nil {
		s.Memory.Save(s.Key, nil)
		return
	}
	s.last, s.saved = x, x.made
}

func parseSession(b []byte) (*session, error) {
	if len(b) > maxSaved {
		return nil, fmt.Errorf("%d octets are too many for a session", len(b))
	}
	var x savedSession
	if err := json.Unmarshal(b, &x); err != nil {
		return nil, err
	}
	state, err := tls.ParseSessionState(x.State)
	if err != nil {
		return nil, err
	}
	s := &session{settings: x.Settings, made: time.Unix(x.Made, 0)}
	if s.state, err = tls.NewResumptionState(x.Ticket, state); err != nil {
		return nil, err
	}
	for _, der := range x.Certs {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		s.certs = append(s.certs, c)
	}
	return s, nil
}

// A sessionCache is Sessions as one connection sees them. It is a tls.ClientSessionCache.
type sessionCache struct {
	of       *Sessions
	settings string
	judge    func([]*x509.Certificate) error
	certs    []*x509.Certificate // of this connection, once they were judged
}

// Get returns what may be offered to the server.
func (c *sessionCache) Get(string) (*tls.ClientSessionState, bool) {
	s := c.of.find(c.settings, c.judge)
	return s, s != nil
}

// Put remembers a session; nil means that the last one was of no use.
func (c *sessionCache) Put(_ string, state *tls.ClientSessionState) {
	switch {
	case state == nil:
		c.of.put(nil)
	case len(c.certs) > 0:
		c.of.put(&session{settings: c.settings, made: c.of.now(), certs: c.certs, state: state})
	}
}

// settings is a hash of whom we trust to be the server, and of who we are to it. Files count by what is in
// them.
func (t TLS) settings(address, name string, pins map[string]bool) (string, error) {
	h := sha256.New()
	var all []string
	for p := range pins {
		all = append(all, p)
	}
	slices.Sort(all)
	fmt.Fprintf(h, "%q %q %v %q %v", address, name, t.Insecure, all, t.Roots != nil)
	for _, file := range []string{t.CAFile, t.CertFile} {
		if file == "" {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, " %x", sha256.Sum256(b))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

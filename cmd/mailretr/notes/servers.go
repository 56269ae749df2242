package notes

import (
	"context"
	"sync"

	"mailretr/store"
	"mailretr/store/mail"
)

// Servers keep what servers could and had last time, so that the first session after a restart needs as few round trips as
// the others. Losing it costs turns, never mail.
type Servers struct {
	Engine  Engine        // nil: nothing is remembered
	Observe mail.Observer // is told of what could not be noted
}

// Of returns the memory of one protocol, such as "pop3".
func (s Servers) Of(protocol string) *Server { return &Server{of: s, protocol: protocol} }

// A Server is the memory of a server, or of several. It is a pop3.Memory. Safe for concurrent use.
type Server struct {
	of       Servers
	protocol string

	mu   sync.Mutex
	read map[string][]byte // what the notes hold
}

// Load returns what was saved under a key; false: nothing was, or it cannot be read.
func (r *Server) Load(key string) (value []byte, ok bool) {
	if r.of.Engine == nil {
		return nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.read == nil {
		r.read = map[string][]byte{}
	}
	if value, ok = r.read[key]; ok {
		return value, len(value) > 0
	}
	value, err := only(context.Background(), r.of.Engine, spaceServers, r.protocol+" "+key)
	if err != nil {
		value = nil // as if nothing had been known
	}
	r.read[key] = value
	return value, len(value) > 0
}

// Save writes a key when its value has changed; an empty value forgets it.
func (r *Server) Save(key string, value []byte) {
	if r.of.Engine == nil {
		return
	}
	if old, _ := r.Load(key); string(old) == string(value) {
		return
	}
	r.mu.Lock()
	r.read[key] = value
	r.mu.Unlock()
	if len(value) == 0 {
		value = nil
	}
	note := store.Note{Space: string(spaceServers), Owner: r.protocol + " " + key, Key: "can", Value: value}
	if err := save(context.Background(), r.of.Engine, note); err != nil {
		r.of.Observe.Observe(mail.Event{Op: mail.OpStore, Err: err, Text: "what a server can was not noted"})
	}
}

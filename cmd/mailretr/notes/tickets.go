package notes

import (
	"context"
	"slices"
	"sync"

	"mailretr/relay/wire"
	"mailretr/store"
	"mailretr/store/mail"
)

// Tickets keep the TLS sessions of maildrops, one for each account, so that the first poll after a restart does without
// certificates too. They outlive a reload. Losing one costs a few thousand octets, never mail. A nil one remembers nothing.
// It is the [wire.Memory] of its sessions. Safe for concurrent use.
type Tickets struct {
	Engine  Engine
	Observe mail.Observer // is told of what could not be noted

	mu     sync.Mutex
	by     map[mail.Account]*wire.Sessions
	gather *[]store.Note // of Flush: one commit instead of one each
}

// Of returns the sessions of an account.
func (t *Tickets) Of(a mail.Account) *wire.Sessions {
	if t == nil {
		return &wire.Sessions{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = map[mail.Account]*wire.Sessions{}
	}
	if t.by[a] == nil {
		t.by[a] = &wire.Sessions{Memory: t, Key: string(a)}
	}
	return t.by[a]
}

// Load reads a session.
func (t *Tickets) Load(key string) (value []byte, ok bool) {
	value, err := only(context.Background(), t.Engine, spaceTLS, key)
	return value, err == nil && len(value) > 0 // else as if nothing had been remembered
}

// Save writes a session; an empty value removes it.
func (t *Tickets) Save(key string, value []byte) {
	if len(value) == 0 {
		value = nil
	}
	n := store.Note{Space: string(spaceTLS), Owner: key, Key: "session", Value: value}
	t.mu.Lock()
	if t.gather != nil {
		*t.gather = append(*t.gather, n)
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	t.commit([]store.Note{n})
}

func (t *Tickets) commit(all []store.Note) {
	for some := range slices.Chunk(all, 64) { // of some thousand octets each
		if err := save(context.Background(), t.Engine, some...); err != nil {
			t.Observe.Observe(mail.Event{Op: mail.OpStore, Err: err, Text: "a TLS session was not noted"})
			return
		}
	}
}

// Keep forgets the sessions of all accounts but these.
func (t *Tickets) Keep(named map[mail.Account]bool) {
	t.mu.Lock()
	for a := range t.by {
		if !named[a] {
			delete(t.by, a)
		}
	}
	t.mu.Unlock()
	var gone []store.Note
	for n, err := range t.Engine.Notes(context.Background(), string(spaceTLS), "") {
		if err != nil {
			break // it is looked again at the next reload
		}
		if !named[mail.Account(n.Owner)] {
			n.Value = nil
			gone = append(gone, n)
		}
	}
	t.commit(gone)
}

// Flush saves what is newer than its note, in one commit.
func (t *Tickets) Flush() {
	t.mu.Lock()
	t.gather = &[]store.Note{}
	all := make([]*wire.Sessions, 0, len(t.by))
	for _, s := range t.by {
		all = append(all, s)
	}
	t.mu.Unlock()
	for _, s := range all {
		s.Flush()
	}
	t.mu.Lock()
	b := t.gather
	t.gather = nil
	t.mu.Unlock()
	t.commit(*b)
}

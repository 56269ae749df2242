package main

import (
	"context"
	"slices"
	"sync"

	"mailretr/conf"
	"mailretr/relay/wire"
	"mailretr/store"
	"mailretr/store/mail"
)

// tickets keeps the TLS sessions of the maildrops in notes of the store, one for each account, so that the
// first poll after a restart does without certificates too. It outlives a reload. Losing one costs a few
// thousand octets, never mail. A nil one remembers nothing. It is the wire.Memory of its sessions; safe for
// concurrent use.
type tickets struct {
	memory
	mu     sync.Mutex
	by     map[mail.Account]*wire.Sessions
	gather *[]store.Note // of flush: one commit instead of one each
}

const (
	spaceTLS   = "tls"
	keySession = "session"
)

// of returns the sessions of an account.
func (t *tickets) of(a mail.Account) *wire.Sessions {
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
func (t *tickets) Load(key string) (value []byte, ok bool) {
	for n, err := range t.engine.Notes(context.Background(), spaceTLS, key) {
		if err != nil {
			return nil, false // as if nothing had been remembered
		}
		value = n.Value
	}
	return value, len(value) > 0
}

// Save writes a session; an empty value removes it.
func (t *tickets) Save(key string, value []byte) {
	if len(value) == 0 {
		value = nil
	}
	n := store.Note{Space: spaceTLS, Owner: key, Key: keySession, Value: value}
	t.mu.Lock()
	if t.gather != nil {
		*t.gather = append(*t.gather, n)
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	t.commit([]store.Note{n})
}

func (t *tickets) commit(all []store.Note) {
	for some := range slices.Chunk(all, 64) { // of some thousand octets each
		if err := t.engine.Commit(context.Background(), &store.Batch{Notes: some}); err != nil {
			t.observe.Observe(mail.Event{Op: mail.OpStore, Err: err, Text: "a TLS session was not noted"})
			return
		}
	}
}

// keep forgets the sessions of accounts that the configuration does not name any more.
func (t *tickets) keep(c *conf.Config) {
	named := map[mail.Account]bool{}
	for i := range c.Maildrops {
		m := &c.Maildrops[i]
		named[mail.AccountOf(m.Protocol, m.Host, m.User)] = true
	}
	t.mu.Lock()
	for a := range t.by {
		if !named[a] {
			delete(t.by, a)
		}
	}
	t.mu.Unlock()
	var gone []store.Note
	for n, err := range t.engine.Notes(context.Background(), spaceTLS, "") {
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

// flush saves what is newer than its note, in one commit.
func (t *tickets) flush() {
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

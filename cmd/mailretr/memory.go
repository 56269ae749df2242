package main

import (
	"context"
	"encoding/json"
	"reflect"
	"sync"

	"mailretr/fetch"
	"mailretr/fetch/imap"
	"mailretr/store"
	"mailretr/store/mail"
)

// memory keeps what servers could and had last time in notes of the store, so that the first session after a restart
// needs as few round trips as the others. Losing it costs turns, never mail.
type memory struct {
	engine  store.Engine
	observe mail.Observer
}

const spaceServer = "server"

// of returns the memory of one protocol.
func (m memory) of(protocol string) *recall { return &recall{memory: m, protocol: protocol} }

// recall is a pop3.Memory. Safe for concurrent use.
type recall struct {
	memory
	protocol string

	mu   sync.Mutex
	read map[string][]byte // what the notes hold
}

// Load returns what was saved under a key.
func (r *recall) Load(key string) (value []byte, ok bool) {
	if r.engine == nil { // `check --connect` has no state
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
	for n, err := range r.engine.Notes(context.Background(), spaceServer, r.protocol+" "+key) {
		if err != nil {
			break // as if nothing had been known
		}
		value = n.Value
	}
	r.read[key] = value
	return value, len(value) > 0
}

// Save writes a key when its value has changed.
func (r *recall) Save(key string, value []byte) {
	if r.engine == nil {
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
	note := store.Note{Space: spaceServer, Owner: r.protocol + " " + key, Key: "can", Value: value}
	if err := r.engine.Commit(context.Background(), &store.Batch{Notes: []store.Note{note}}); err != nil {
		r.observe.Observe(mail.Event{Op: mail.OpStore, Err: err, Text: "what a server can was not noted"})
	}
}

// remembering lets an IMAP retriever, whose memory is a value, keep it in notes too.
func remembering(from *imap.Retriever, to *recall, key string, m *imap.Memory) mail.Retriever {
	if b, ok := to.Load(key); ok {
		// A note that cannot be read is as none.
		if json.Unmarshal(b, m) != nil {
			*m = imap.Memory{}
		}
	}
	return &rememberer{Retriever: from, to: to, key: key, m: m}
}

type rememberer struct {
	*imap.Retriever
	to  *recall
	key string
	m   *imap.Memory
}

// Open opens the maildrop with what is remembered.
func (r *rememberer) Open(ctx context.Context) (mail.Maildrop, error) {
	before := *r.m
	drop, err := r.Retriever.Open(ctx)
	if err != nil {
		return nil, err
	}
	all, ok := drop.(imapMaildrop)
	if !ok {
		return drop, nil
	}
	return &remembered{imapMaildrop: all, r: r, before: before}, nil
}

// imapMaildrop is all that an IMAP session can.
type imapMaildrop interface {
	mail.Maildrop
	mail.Aheader
	mail.Releaser
	mail.Confirmed
	mail.Glancer
	mail.Coverer
	mail.Filterer
	fetch.Foreseer
}

type remembered struct {
	imapMaildrop
	r      *rememberer
	before imap.Memory
}

func (r *remembered) Close() error {
	err := r.imapMaildrop.Close()
	if err == nil && !reflect.DeepEqual(r.before, *r.r.m) {
		if b, e := json.Marshal(r.r.m); e == nil {
			r.r.to.Save(r.r.key, b)
		}
	}
	return err
}

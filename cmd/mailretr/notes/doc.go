// Package notes keeps, in notes of the store, what parts of the daemon remember across a restart: the poller and the
// consents ([Values]), the status ([Status]), what the line has cost ([Traffic]), what servers could last time ([Servers],
// [Remember]) and their TLS sessions ([Tickets]). Each is what one package asks for in an interface of its own; those
// packages know nothing of the store, and the store nothing of them.
//
// It promises that what is saved is durable when Save returns, in one commit where several things belong together, that two
// purposes never meet, and that the names of notes, which stand in the states of people, do not change. What a value means,
// and whether its loss matters, is left to whom it is of.
//
// Read first: [Values].
package notes

import (
	"context"
	"iter"

	"mailretr/store"
)

// An Engine is as much of a [store.Engine] as notes need.
type Engine interface {
	// Notes yields the notes of a space and owner; owner "" means all of the space.
	Notes(ctx context.Context, space, owner string) iter.Seq2[store.Note, error]
	// Commit makes a batch durable, all of it or nothing.
	Commit(context.Context, *store.Batch) error
}

// A Space is what some notes are for.
type Space string

// The spaces of [Values].
const (
	Poller  Space = "poller" // what is known of each maildrop: back-off, pauses, marks of its listing
	Consent Space = "oauth"  // refresh tokens, encrypted
)

// The spaces that have a type of their own.
const (
	spaceStatus  Space = "status"
	spaceTraffic Space = "traffic"
	spaceServers Space = "server"
	spaceTLS     Space = "tls"
)

// Values keep one value for each name in a space. Safe for concurrent use.
type Values struct {
	Engine Engine
	Space  Space
}

// Load returns what was saved last; nil where nothing was.
func (v Values) Load(ctx context.Context, name string) ([]byte, error) {
	return only(ctx, v.Engine, v.Space, name)
}

// Save replaces the value of a name; nil removes it.
func (v Values) Save(ctx context.Context, name string, value []byte) error {
	return save(ctx, v.Engine, store.Note{Space: string(v.Space), Owner: name, Key: "state", Value: value})
}

// only is the value of an owner that has one note at most; nil: he has none.
func only(ctx context.Context, e Engine, of Space, owner string) (value []byte, err error) {
	for n, err := range e.Notes(ctx, string(of), owner) {
		if err != nil {
			return nil, err
		}
		value = n.Value
	}
	return value, nil
}

// save commits notes, all or none.
func save(ctx context.Context, e Engine, all ...store.Note) error {
	return e.Commit(ctx, &store.Batch{Notes: all})
}

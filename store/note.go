package store

import (
	"iter"

	"github.com/fxamacker/cbor/v2"
)

// Spaces of the notes that the queue keeps itself. Others belong to their owners.
const (
	spaceAside    = "aside"    // owner: account, key: UID
	spaceLane     = "lane"     // owner: lane
	spaceAccount  = "account"  // owner: account
	spaceMaildrop = "maildrop" // owner: name in the configuration

	// spaceFallen remembers for 90 days which recipients of several destinations have come to one by a fall-back: owner is
	// a hash of message, recipient and lane, the value a fallenTo.
	spaceFallen = "fallen"

	spaceImporting = "importing" // owner: id as text
	spaceImported  = "imported"  // owner: id as text
)

var (
	packing, _   = cbor.EncOptions{Time: cbor.TimeRFC3339Nano}.EncMode()
	unpacking, _ = cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode()
)

// pack encodes a value of ours for a note.
func pack(v any) []byte {
	b, err := packing.Marshal(v)
	if err != nil {
		panic("store: a note that cannot be encoded: " + err.Error()) // types of this package only
	}
	return b
}

func unpack(b []byte, v any) error { return unpacking.Unmarshal(b, v) }

// readNotes yields notes as read has them.
func readNotes[T any](all iter.Seq2[Note, error], read func(Note) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for n, err := range all {
			var x T
			if err == nil {
				x, err = read(n)
			}
			if !yield(x, err) {
				return
			}
		}
	}
}

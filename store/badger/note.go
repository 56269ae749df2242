package badger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/dgraph-io/badger/v4"

	"mailretr/store"
)

// A note's key is n/, space, owner and key. A key of the note that is long is replaced by its hash, and
// stands in the value, so that any octets of any length may be one.

const (
	maxNote      = 256 << 10
	longNoteKey  = 512
	noteKeyPlain = 0
	noteKeyHash  = 1
)

var errNote = errors.New("store: a note cannot be read")

func notePrefix(space, owner string, owned bool) []byte {
	k := appendPart([]byte("n/"), space)
	if owned {
		k = appendPart(k, owner)
	}
	return k
}

// noteOp encodes a note: the length of a long key, the key, the value.
func noteOp(n *store.Note) (op, error) {
	if len(n.Space) > maxKeyPart || len(n.Owner) > maxKeyPart {
		return op{}, errKeyPart
	}
	if len(n.Value)+len(n.Key) > maxNote {
		return op{}, fmt.Errorf("store: a note of %d octets in %q, more than %d", len(n.Value), n.Space, maxNote)
	}
	k, long := noteKey(n.Space, n.Owner, n.Key)
	if n.Value == nil {
		return op{key: k}, nil
	}
	v := binary.AppendUvarint(make([]byte, 0, 4+len(long)+len(n.Value)), uint64(len(long)))
	return op{k, append(append(v, long...), n.Value...)}, nil
}

// noteKey returns the key of a note, and what of it has to stand in the value because it is long.
func noteKey(space, owner, key string) (k []byte, long string) {
	k = notePrefix(space, owner, true)
	if len(key) <= longNoteKey {
		return append(append(k, noteKeyPlain), key...), ""
	}
	sum := sha256.Sum256([]byte(key))
	return append(append(k, noteKeyHash), sum[:]...), key
}

func parseNote(key, value []byte) (n store.Note, err error) {
	k := reader{b: key}
	k.take(2)
	n.Space = string(k.take(int(k.uint16())))
	n.Owner = string(k.take(int(k.uint16())))
	kind := k.octet()
	v := reader{b: value}
	long := v.take(int(v.uvarint()))
	if k.bad || v.bad {
		return n, errNote
	}
	if n.Key = string(k.b); kind == noteKeyHash {
		n.Key = string(long)
	}
	n.Value = append([]byte{}, v.b...)
	return n, nil
}

func (r *reader) uint16() uint16 {
	if p := r.take(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

// Note returns the value of one note, nil where there is none.
func (e *Engine) Note(_ context.Context, space, owner, key string) (value []byte, err error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	if len(space) > maxKeyPart || len(owner) > maxKeyPart {
		return nil, errKeyPart
	}
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	k, _ := noteKey(space, owner, key)
	item, err := txn.Get(k)
	switch {
	case errors.Is(err, badger.ErrKeyNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	err = item.Value(func(v []byte) error {
		n, err := parseNote(k, v)
		value = n.Value
		return err
	})
	return value, err
}

// Notes yields the notes of a space, or of one owner in it.
func (e *Engine) Notes(ctx context.Context, space, owner string) iter.Seq2[store.Note, error] {
	return func(yield func(store.Note, error) bool) {
		err := e.usable()
		if err == nil && (len(space) > maxKeyPart || len(owner) > maxKeyPart) {
			err = errKeyPart
		}
		if err != nil {
			yield(store.Note{}, err)
			return
		}
		txn := e.db.NewTransaction(false)
		defer txn.Discard()
		it := txn.NewIterator(keysOnly(notePrefix(space, owner, owner != "")))
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			var n store.Note
			err := ctx.Err()
			if err == nil {
				err = it.Item().Value(func(v []byte) (err error) {
					n, err = parseNote(it.Item().Key(), v)
					return err
				})
			}
			if !yield(n, err) || err != nil {
				return
			}
		}
	}
}

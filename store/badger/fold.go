package badger

import (
	"github.com/dgraph-io/badger/v4"

	"mailretr/store/mail"
)

// foldAtOnce is how many fresh marks are taken into memory at once for packing.
const foldAtOnce = 8192

// pack moves the fresh marks of an account into its chunks. Each chunk and the fresh marks that went into it
// change in one transaction, so it may be interrupted anywhere.
func (c *committer) pack(a [16]byte) {
	if c.e.usableDB() != nil {
		return
	}
	for {
		n, err := c.packSome(a)
		if err != nil {
			c.e.alarm(mail.OpStore, "marks could not be packed; they stay as they are", err)
		}
		if err != nil || n < foldAtOnce {
			break
		}
	}
	delete(c.accounts, a) // counted anew when it is asked for
}

func (c *committer) packSome(a [16]byte) (int, error) {
	txn := c.e.db.NewTransaction(false)
	defer txn.Discard()
	changes, err := readFresh(txn, a)
	if err != nil {
		return 0, err
	}
	it := txn.NewIterator(keysOnly(accountPrefix('v', a)))
	defer it.Close()
	w := &merge{c: c}
	w.begin()
	defer w.discard()
	for i := 0; i < len(changes); {
		bound, chunk, there, err := chunkFor(it, a, changes[i].spot)
		if err != nil {
			return 0, err
		}
		j := i
		for j < len(changes) && changes[j].spot.compare(bound) <= 0 {
			j++
		}
		ops, err := rewrite(a, bound, chunk, there, changes[i:j])
		if err != nil {
			return 0, err
		}
		if err := w.internal(ops); err != nil {
			return 0, err
		}
		i = j
	}
	return len(changes), w.finish()
}

func readFresh(txn *badger.Txn, a [16]byte) (changes []change, err error) {
	it := txn.NewIterator(keysOnly(accountPrefix('u', a)))
	defer it.Close()
	for it.Rewind(); it.Valid() && len(changes) < foldAtOnce; it.Next() {
		var x change
		copy(x.spot[:], it.Item().Key()[2+16:])
		err := it.Item().Value(func(v []byte) (err error) {
			x.mark, err = parseMark(v)
			return err
		})
		if err != nil {
			return nil, err
		}
		changes = append(changes, x)
	}
	return changes, nil
}

// chunkFor finds the chunk that takes a spot; there is false if it has to be made.
func chunkFor(it *badger.Iterator, a [16]byte, s spot) (bound spot, chunk []byte, there bool, err error) {
	it.Seek(markKeyOf('v', a, s))
	if !it.Valid() {
		return lastSpot, nil, false, nil
	}
	copy(bound[:], it.Item().Key()[2+16:])
	chunk, err = it.Item().ValueCopy(nil)
	return bound, chunk, true, err
}

// rewrite returns what has to be written so that the changes are part of a chunk: the chunk, or the chunks
// that it was split into, and the removal of the fresh marks.
func rewrite(a [16]byte, bound spot, chunk []byte, there bool, changes []change) (ops []op, err error) {
	kept := false
	p := packer{done: func(last spot, chunk []byte) {
		kept = kept || last == bound
		ops = append(ops, op{markKeyOf('v', a, last), chunk})
	}}
	if err := mergeInto(&p, chunk, changes); err != nil {
		return nil, err
	}
	p.close(bound)
	if there && !kept {
		ops = append(ops, op{key: markKeyOf('v', a, bound)})
	}
	for _, x := range changes {
		ops = append(ops, op{key: markKeyOf('u', a, x.spot)})
	}
	return ops, nil
}

// internal adds operations of the committer's own to the transaction, committing what is there if they do not
// fit. One group is never divided unless it is larger than a transaction; then it is written in order.
func (m *merge) internal(ops []op) error {
	for len(ops) > 0 {
		part := ops
		for m.tooBig(part) {
			part = part[:len(part)/2]
		}
		if !m.fits(part) {
			if err := m.finish(); err != nil {
				return err
			}
		}
		m.size += sizeOf(part)
		m.count += int64(len(part))
		if err := write(m.txn, part); err != nil {
			return err
		}
		ops = ops[len(part):]
	}
	return nil
}

// finish commits what internal has gathered.
func (m *merge) finish() error {
	if m.count == 0 {
		return nil
	}
	if err := m.c.e.usableDB(); err != nil {
		return err
	}
	if err := m.txn.Commit(); err != nil {
		m.c.e.fail(err)
		return err
	}
	m.discard()
	m.begin()
	return nil
}

package badger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mailretr/store/mail"
)

// A batch that is too large for one transaction of Badger (a message for ten thousand recipients, a hundred
// thousand marks of a first session) is written to the journal first: once that is durable, so is the batch.
// It is then written to the database in parts, and the journal is removed, durably, before the next commit.

const journalMagic = "mailretr journal 1\n"

func (e *Engine) journalName() string { return filepath.Join(e.opt.Dir, "journal") }

// journaled commits one request by way of the journal.
func (c *committer) journaled(r *request, ops []op) {
	e := c.e
	if err := e.writeJournal(ops); err != nil {
		err = errors.Join(err, e.dropJournal())
		c.refuse(r, fmt.Errorf("writing the journal: %w", err))
		return
	}
	if err := e.redo(ops); err != nil {
		e.fail(err)
		c.lost(r, err)
		return
	}
	c.made(r, false)
}

// redo writes the operations of a durable journal to the database, and removes it.
func (e *Engine) redo(ops []op) error {
	txn := e.db.NewTransaction(true)
	defer func() { txn.Discard() }()
	var size, count int64
	for _, o := range ops {
		n := sizeOf([]op{o})
		if size+n > e.db.MaxBatchSize()/2 || count+1 > e.db.MaxBatchCount()/2 {
			if err := txn.Commit(); err != nil {
				return err
			}
			txn, size, count = e.db.NewTransaction(true), 0, 0
		}
		size, count = size+n, count+1
		if err := write(txn, []op{o}); err != nil {
			return err
		}
	}
	if err := txn.Commit(); err != nil {
		return err
	}
	return e.dropJournal()
}

// dropJournal removes the journal for good: one that came back would undo later commits.
func (e *Engine) dropJournal() error {
	if err := os.Remove(e.journalName()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(e.opt.Dir)
}

func (e *Engine) writeJournal(ops []op) error {
	var b bytes.Buffer
	b.WriteString(journalMagic)
	var n [binary.MaxVarintLen64]byte
	part := func(p []byte) {
		b.Write(n[:binary.PutUvarint(n[:], uint64(len(p)))])
		b.Write(p)
	}
	for _, o := range ops {
		kind := byte(1)
		if o.value == nil {
			kind = 0
		}
		b.WriteByte(kind)
		part(o.key)
		part(o.value)
	}
	sum := sha256.Sum256(b.Bytes())
	b.Write(sum[:])
	return writeDurably(e.journalName(), b.Bytes())
}

// writeDurably writes a file that is there whole or, as far as its own check sum tells, not at all.
func writeDurably(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// replayJournal finishes what a crash has interrupted. A journal that is not whole was never a commit.
func (e *Engine) replayJournal() error {
	b, err := os.ReadFile(e.journalName())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	ops, ok := parseJournal(b)
	if !ok {
		return e.dropJournal()
	}
	e.opt.Observe.Observe(mail.Event{
		At: e.opt.Now(), Op: mail.OpStore, Text: "a large commit was finished that had been interrupted",
	})
	return e.redo(ops)
}

func parseJournal(b []byte) (ops []op, ok bool) {
	if len(b) < len(journalMagic)+sha256.Size || string(b[:len(journalMagic)]) != journalMagic {
		return nil, false
	}
	end := len(b) - sha256.Size
	if sha256.Sum256(b[:end]) != [32]byte(b[end:]) {
		return nil, false
	}
	r := reader{b: b[len(journalMagic):end]}
	for len(r.b) > 0 && !r.bad {
		kind := r.octet()
		o := op{key: r.take(int(r.uvarint()))}
		if v := r.take(int(r.uvarint())); kind == 1 {
			o.value = append([]byte{}, v...)
		}
		ops = append(ops, o)
	}
	return ops, !r.bad
}

package badger

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"

	"mailretr/store/mail"
)

// The snapshot of the marks is a copy of their keys and values, fresh and packed, with content keys and
// folders. A rebuild loads it, so that it does not collect everything again.

const snapshotMagic = "mailretr seen 1\n"

func (e *Engine) snapshotName() string { return filepath.Join(e.opt.Dir, "seen.snapshot") }

var markTables = []string{"c/", "f/", "u/", "v/"}

// Snapshot writes the marks to the snapshot, if any was changed since the last time.
func (e *Engine) Snapshot(ctx context.Context) error {
	if err := e.usable(); err != nil {
		return err
	}
	e.tending.Lock()
	defer e.tending.Unlock()
	return e.snapshot(ctx)
}

func (e *Engine) snapshot(ctx context.Context) error {
	marked := e.marked.Load()
	if _, err := os.Lstat(e.snapshotName()); err == nil && marked == e.saved {
		return nil
	}
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	err := e.replace(e.snapshotName(), func(f io.Writer) error {
		sum := sha256.New()
		w := bufio.NewWriterSize(io.MultiWriter(f, sum), 64<<10)
		w.WriteString(snapshotMagic)
		w.Write(e.hash[:])
		for _, table := range markTables {
			if err := dump(ctx, w, txn, table); err != nil {
				return err
			}
		}
		w.WriteByte(0) // the end
		if err := w.Flush(); err != nil {
			return err
		}
		_, err := f.Write(sum.Sum(nil))
		return err
	})
	if err != nil {
		return fmt.Errorf("writing the snapshot of the marks: %w", err)
	}
	e.saved = marked
	return nil
}

// dump writes the pairs of a table: 1, the length of the key, the key, the length of the value, the value.
func dump(ctx context.Context, w *bufio.Writer, txn *badger.Txn, table string) error {
	return dumpBut(ctx, w, txn, table, nil)
}

// dumpBut leaves out keys that begin with skip; nil: none.
func dumpBut(ctx context.Context, w *bufio.Writer, txn *badger.Txn, table string, skip []byte) error {
	it := txn.NewIterator(keysOnly([]byte(table)))
	defer it.Close()
	var b []byte
	n := 0
	for it.Rewind(); it.Valid(); it.Next() {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		item := it.Item()
		if skip != nil && bytes.HasPrefix(item.Key(), skip) {
			continue
		}
		err := item.Value(func(v []byte) error {
			b = binary.AppendUvarint(append(b[:0], 1), uint64(len(item.Key())))
			b = binary.AppendUvarint(append(b, item.Key()...), uint64(len(v)))
			b = append(b, v...)
			_, err := w.Write(b)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// A sumReader hashes what is read through it.
type sumReader struct {
	r   *bufio.Reader
	sum hash.Hash
}

func (s *sumReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.sum.Write(p[:n])
	return n, err
}

func (s *sumReader) ReadByte() (byte, error) {
	b, err := s.r.ReadByte()
	if err == nil {
		s.sum.Write([]byte{b})
	}
	return b, err
}

// openSnapshot opens the snapshot behind its key; nil if there is none.
func (e *Engine) openSnapshot() (f *os.File, r *sumReader, key hasher, err error) {
	f, err = os.Open(e.snapshotName())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, key, nil
	}
	if err != nil {
		return nil, nil, key, err
	}
	r = &sumReader{bufio.NewReaderSize(f, 64<<10), sha256.New()}
	magic := make([]byte, len(snapshotMagic))
	_, err = io.ReadFull(r, magic)
	if err == nil && string(magic) != snapshotMagic {
		err = errors.New("the snapshot of the marks does not begin like one")
	}
	if err == nil {
		_, err = io.ReadFull(r, key[:])
	}
	if err != nil {
		f.Close()
	}
	return f, r, key, err
}

// hashOfSnapshot takes the key of the hashes from the snapshot, if it has one.
func (e *Engine) hashOfSnapshot() bool {
	f, _, key, err := e.openSnapshot()
	if err != nil || f == nil {
		return false
	}
	f.Close()
	e.hash = key
	return true
}

// loadSnapshot adds the marks of the snapshot to those that adoption has made, which are newer. One that is
// damaged is an alarm, and what could be read of it is kept: a mark too many keeps mail upstream, where
// somebody can look.
func (e *Engine) loadSnapshot(ctx context.Context) error {
	f, r, key, err := e.openSnapshot()
	if err == nil && f != nil && key != e.hash {
		f.Close()
		err = errors.New("it belongs to another state")
	}
	if f == nil && err == nil {
		err = errors.New("there is none")
	}
	if err == nil {
		err = e.loadMarks(ctx, r)
		f.Close()
	}
	if err != nil {
		if ctx.Err() != nil || e.usable() != nil {
			return err
		}
		e.alarm(mail.OpStore, "the saved marks could not be loaded; mail that was collected before may "+
			"be collected again", err)
	}
	return nil
}

func (e *Engine) loadMarks(ctx context.Context, r *sumReader) error {
	var ops []op
	size := 0
	for {
		o, err := readPair(r)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		there, err := e.there(o.key)
		if err != nil {
			return err
		}
		if there {
			continue
		}
		ops = append(ops, o)
		if size += len(o.key) + len(o.value) + 32; size < 128<<10 {
			continue
		}
		if err := e.sendRaw(ctx, ops); err != nil {
			return err
		}
		ops, size = nil, 0
	}
	if err := e.sendRaw(ctx, ops); err != nil {
		return err
	}
	want := r.sum.Sum(nil)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r.r, got); err != nil || string(got) != string(want) {
		return errors.New("its check sum is wrong")
	}
	return nil
}

// there says whether a key exists.
func (e *Engine) there(key []byte) (ok bool, err error) {
	err = e.db.View(func(txn *badger.Txn) error {
		_, err := txn.Get(key)
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		ok = err == nil
		return err
	})
	return ok, err
}

// readPair reads one key and value of a mark; io.EOF is the end mark.
func readPair(r *sumReader) (o op, err error) {
	if o, err = readOp(r, maxRecord); err != nil {
		return o, err
	}
	switch table := string(o.key[:2]); table {
	case "c/", "f/", "u/", "v/":
		if wellFormed(o) {
			return o, nil
		}
	}
	return o, errDamaged
}

var errDamaged = errors.New("it is damaged")

// readOp reads what dump has written of one pair, of at most so many octets each; io.EOF is the end mark.
func readOp(r interface {
	io.Reader
	io.ByteReader
}, most uint64) (o op, err error) {
	kind, err := r.ReadByte()
	if err != nil {
		return o, io.ErrUnexpectedEOF
	}
	if kind == 0 {
		return o, io.EOF
	}
	for _, p := range []*[]byte{&o.key, &o.value} {
		n, err := binary.ReadUvarint(r)
		if err != nil || n > most {
			return o, errDamaged
		}
		*p = make([]byte, n)
		if _, err := io.ReadFull(r, *p); err != nil {
			return o, io.ErrUnexpectedEOF
		}
	}
	if len(o.key) < 2 || kind != 1 {
		return o, errDamaged
	}
	return o, nil
}

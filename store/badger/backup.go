package badger

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"

	"mailretr/store"
	"mailretr/store/mail"
)

// Backup writes all of the state as it is at one instant, while the queue works: records, marks, notes and the octets of
// all messages, and these further files of the state directory, of 64 KiB at most. Bodies whose message is not whole yet
// are not part of it. Files of messages that are delivered meanwhile stay until it ends. tell is told how many messages of
// how many are written; it may be nil. After an error what was written is no backup.
func (e *Engine) Backup(ctx context.Context, w io.Writer, files []string, tell func(done, of int)) (m Manifest, err error) {
	e.remover.hold()
	defer e.remover.release()
	txn, err := e.instant(ctx)
	if err != nil {
		return m, err
	}
	defer txn.Discard()
	out := bufio.NewWriterSize(w, 256<<10)
	a := &archive{tar: tar.NewWriter(out), sum: newDigest(), made: e.opt.Now()}
	if err := a.object(backupHead, Head{Version: backupVersion, Format: formatVersion, Made: a.made}); err != nil {
		return m, err
	}
	for _, name := range append([]string{"format"}, files...) {
		if err := e.small(a, name); err != nil {
			return m, err
		}
	}
	p := &pieces{archive: a}
	for _, table := range []string{"c/", "f/", "k/hash", "m/", "n/", "s/", "u/", "v/"} {
		if err := e.table(ctx, p, txn, table); err != nil {
			return m, err
		}
	}
	if err := p.end(); err != nil {
		return m, err
	}
	ids, err := withBody(ctx, txn, &m)
	if err != nil {
		return m, err
	}
	txn.Discard() // what ends now need not be kept for us
	if err := e.bodies(ctx, a, ids, &m, tell); err != nil {
		return m, err
	}
	m.SHA256 = hex.EncodeToString(a.sum.Sum(nil))
	if err := a.object(backupManifest, m); err != nil {
		return m, err
	}
	return m, errors.Join(a.tar.Close(), out.Flush())
}

// instant is a transaction between two commits, when the database knows of all that was made before.
func (e *Engine) instant(ctx context.Context) (txn *badger.Txn, err error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	r := &request{answer: make(chan error, 1), inside: func() error {
		txn = e.db.NewTransaction(false)
		return nil
	}}
	if err := e.send(ctx, r); err != nil {
		return nil, err
	}
	return txn, <-r.answer
}

// small adds a small file of the state directory. One that is not there is left out.
func (e *Engine) small(a *archive, name string) error {
	b, err := os.ReadFile(filepath.Join(e.opt.Dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(b) > backupSmall:
		return fmt.Errorf("%s has %d octets, more than it can have", name, len(b))
	}
	return a.file(name, int64(len(b)), bytes.NewReader(b))
}

// table adds the pairs whose keys begin so. What an unfinished body has come to is left out, with the body.
func (e *Engine) table(ctx context.Context, w io.Writer, txn *badger.Txn, table string) error {
	b := bufio.NewWriterSize(w, 64<<10)
	skip := notePrefix(store.SpacePartial, "", false)
	if err := dumpBut(ctx, b, txn, table, skip); err != nil {
		return err
	}
	return b.Flush()
}

// pieces writes a stream of which nobody knows the length as files of one piece each.
type pieces struct {
	*archive
	buf bytes.Buffer
	n   int
}

// Write gathers a piece.
func (p *pieces) Write(b []byte) (int, error) {
	p.buf.Write(b)
	if p.buf.Len() < backupPiece {
		return len(b), nil
	}
	return len(b), p.flush()
}

func (p *pieces) flush() error {
	p.n++
	err := p.file(fmt.Sprintf("db/%06d", p.n), int64(p.buf.Len()), &p.buf)
	p.buf.Reset()
	return err
}

// end writes the end mark, and what is left.
func (p *pieces) end() error {
	p.buf.WriteByte(0)
	return p.flush()
}

// withBody counts the records, and names those that have a file.
func withBody(ctx context.Context, txn *badger.Txn, m *Manifest) (ids []mail.ID, err error) {
	err = eachStub(ctx, txn, func(id mail.ID, s stub) {
		if m.Messages++; s.body {
			ids = append(ids, id)
		}
	})
	return ids, err
}

// bodies adds the files of records. One that is missing is counted: the backup of the others is worth having.
func (e *Engine) bodies(ctx context.Context, a *archive, ids []mail.ID, m *Manifest, tell func(done, of int)) error {
	for i, id := range ids {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := e.bodyFile(a, id)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			m.Missing++
		case err != nil:
			return err
		}
		if m.Octets += n; tell != nil {
			tell(i+1, len(ids))
		}
	}
	return nil
}

// bodyFile adds one file of the spool, as it is.
func (e *Engine) bodyFile(a *archive, id mail.ID) (int64, error) {
	f, err := e.openFile(id)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !fi.Mode().IsRegular() {
		return 0, fmt.Errorf("the body of %s: %w", id, fs.ErrNotExist)
	}
	return fi.Size(), a.file("spool/"+string(refOf(id)), fi.Size(), f)
}

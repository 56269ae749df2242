package badger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strings"

	"mailretr/store"
	"mailretr/store/mail"
)

// A Problem is what can be wrong with a message or a file. The words are part of the API.
type Problem string

const (
	Missing  Problem = "missing"   // a record without a file
	Damaged  Problem = "damaged"   // the file is not whole, or its octets are not those that were written
	Differs  Problem = "differs"   // the file is whole, and not the one that the record speaks of
	Orphan   Problem = "orphan"    // a file without a record
	SetAside Problem = "set aside" // a file that was found damaged and has no record
	Strange  Problem = "strange"   // no file of this program
)

// A Finding is one thing that is wrong.
type Finding struct {
	Problem Problem
	ID      mail.ID // zero where it is about no message
	File    string  // in the spool directory; not escaped
	Held    bool    // the message is not attempted
	Err     error   // what was seen; nil where the problem says it all
}

// An Inspection compares records and files, and changes nothing. Every function may be nil. They are not called at the same
// time.
type Inspection struct {
	Pace  func(context.Context, int) error // waits until so many octets more may be read
	Found func(Finding) error
	Tell  func(done, of int, octets int64) error // how many messages of how many were read
}

// Verify reads each message and compares it with its record, and looks for files that no message has. What comes or goes
// meanwhile is no finding. It returns how many messages and octets it has read.
func (e *Engine) Verify(ctx context.Context, x Inspection) (n int, octets int64, err error) {
	ids, err := e.withFiles(ctx)
	if err != nil {
		return 0, 0, err
	}
	look := &looking{e: e, x: x, sum: sha256.New(), buf: make([]byte, 64<<10)}
	for i, id := range ids {
		if err := look.message(ctx, id); err != nil {
			return n, look.octets, err
		}
		if n++; x.Tell != nil {
			if err := x.Tell(i+1, len(ids), look.octets); err != nil {
				return n, look.octets, err
			}
		}
	}
	for shard := range 256 {
		if err := look.files(ctx, byte(shard)); err != nil {
			return n, look.octets, err
		}
	}
	return n, look.octets, nil
}

// withFiles are the records that have a body.
func (e *Engine) withFiles(ctx context.Context) (ids []mail.ID, err error) {
	txn, err := e.instant(ctx)
	if err != nil {
		return nil, err
	}
	defer txn.Discard()
	return withBody(ctx, txn, new(Manifest))
}

// looking is one inspection.
type looking struct {
	e      *Engine
	x      Inspection
	sum    hash.Hash
	buf    []byte
	octets int64
}

func (l *looking) found(f Finding) error {
	if l.x.Found == nil {
		return nil
	}
	return l.x.Found(f)
}

// message compares one record with its file.
func (l *looking) message(ctx context.Context, id mail.ID) error {
	r, err := l.e.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	f := Finding{ID: id, File: string(refOf(id)), Held: r.Held()}
	f.Problem, f.Err = l.body(ctx, &r)
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.Problem == "" {
		return nil
	}
	if _, err := l.e.Get(ctx, id); errors.Is(err, store.ErrNotFound) {
		return nil // it was delivered while its file was read
	}
	return l.found(f)
}

// body reads a file and says what is wrong with it.
func (l *looking) body(ctx context.Context, r *store.Record) (Problem, error) {
	s, err := l.e.openSpooled(r.ID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Missing, nil
	case err != nil:
		return Damaged, err
	}
	defer s.Close()
	h, err := s.head(&l.e.codec)
	if err != nil {
		return Damaged, err
	}
	l.sum.Reset()
	n, err := io.CopyBuffer(struct{ io.Writer }{l.sum}, &pacing{ctx, l.x.Pace, s}, l.buf)
	l.octets += n
	switch {
	case err != nil:
		return Damaged, err
	case [32]byte(l.sum.Sum(nil)) != s.sum:
		return Damaged, fmt.Errorf("%w: its SHA-256 is not what its end says", errTorn)
	case h.ID != r.ID || s.sum != r.SHA256 || s.Size() != r.Size:
		return Differs, nil
	}
	return "", nil
}

// pacing reads no faster than it may.
type pacing struct {
	ctx  context.Context
	pace func(context.Context, int) error
	r    io.Reader
}

// Read reads, and waits.
func (p *pacing) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if p.pace != nil && n > 0 {
		if perr := p.pace(p.ctx, n); perr != nil {
			return n, perr
		}
	}
	return n, err
}

// files looks for files that no record has.
func (l *looking) files(ctx context.Context, shard byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ids, strange, err := l.e.spool.names(shard)
	if err != nil {
		return fmt.Errorf("reading the spool: %w", err)
	}
	for _, id := range ids {
		known, err := l.e.known(id)
		if err == nil && !known {
			known, err = l.e.begun(ctx, id)
		}
		if err == nil && !known && l.e.spool.exists(id) {
			err = l.found(Finding{Problem: Orphan, ID: id, File: string(refOf(id))})
		}
		if err != nil {
			return err
		}
	}
	for _, name := range strange {
		p := Strange
		if strings.HasSuffix(name, damagedSuffix) {
			p = SetAside
		}
		if err := l.found(Finding{Problem: p, File: name}); err != nil {
			return err
		}
	}
	return nil
}

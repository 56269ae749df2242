package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"mailretr/store/mail"
)

// memBody is a body of the engine in memory.
type memBody struct {
	e    *mem
	id   mail.ID
	b    bytes.Buffer
	ref  BodyRef
	gone bool
}

func (e *mem) Stage(ctx context.Context, r *Record) (Body, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return nil, ErrClosed
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case tooBig(r):
		return nil, errTooBig
	}
	if e.full {
		return nil, ErrFull
	}
	e.disk.n++
	e.staged++
	return &memBody{e: e, id: r.ID, ref: BodyRef(fmt.Sprintf("%s-%d", r.ID, e.disk.n))}, nil
}

func (b *memBody) Write(p []byte) (int, error) { return b.b.Write(p) }
func (b *memBody) Size() int64                 { return int64(b.b.Len()) }

func (b *memBody) Seal(context.Context) (BodyRef, [32]byte, error) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	if b.e.unsound {
		return "", [32]byte{}, errors.New("fsync: input/output error")
	}
	b.e.disk.bodies[b.ref] = b.b.Bytes()
	delete(b.e.disk.partial, b.id)
	return b.ref, sha256.Sum256(b.b.Bytes()), nil
}

func (b *memBody) Discard() error {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	if b.e.closed {
		return nil // a dead process removes nothing
	}
	for _, r := range b.e.disk.records {
		if r.Body == b.ref {
			b.e.disk.misused = append(b.e.disk.misused, "a body was discarded that a record names")
			return nil
		}
	}
	if !b.gone {
		b.gone = true
		b.e.staged--
		delete(b.e.disk.bodies, b.ref)
		delete(b.e.disk.partial, b.id)
	}
	return nil
}

func (b *memBody) Sync(context.Context) error {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	if b.e.closed {
		return ErrClosed
	}
	if b.e.unsound {
		return errors.New("fsync: input/output error")
	}
	b.e.disk.partial[b.id] = bytes.Clone(b.b.Bytes())
	return nil
}

func (b *memBody) Leave() error {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	b.gone = true
	b.e.staged--
	return nil
}

func (e *mem) OpenPartial(_ context.Context, id mail.ID, size int64) (io.ReadCloser, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b, ok := e.disk.partial[id]
	if !ok || int64(len(b)) < size {
		return nil, ErrNotFound
	}
	return memReader{bytes.NewReader(b[:size])}, nil
}

func (e *mem) DropPartial(_ context.Context, id mail.ID) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.disk.partial, id)
	return nil
}

type memReader struct {
	*bytes.Reader
}

func (memReader) Close() error { return nil }

func (e *mem) OpenBody(_ context.Context, ref BodyRef) (io.ReadSeekCloser, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b, ok := e.disk.bodies[ref]
	if e.closed {
		return nil, ErrClosed
	}
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrLost, ref)
	}
	return memReader{bytes.NewReader(b)}, nil
}

func (e *mem) VerifyBody(ctx context.Context, ref BodyRef) error {
	_, err := e.OpenBody(ctx, ref)
	return err
}

package badger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"sync"

	"mailretr/store"
	"mailretr/store/mail"
)

// A spool file: what comes before the octets has its length and check sum before it, so an envelope may hold
// any octets, and what comes after has a fixed size. Whether a file is whole can be said without reading the
// octets.
//
//	8   magic
//	4   length of the head
//	4   CRC-32C of the head
//	…   head, CBOR
//	…   octets of the message
//	8   number of octets
//	32  SHA-256 of the octets
//	8   magic
const (
	magicBegin = "mailret1"
	magicEnd   = "1terliam"
	beginLen   = len(magicBegin) + 4 + 4
	trailerLen = 8 + sha256.Size + len(magicEnd)
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A stager lends what a body needs while it is written: a hash, and a buffer that grows to 64 KiB, because
// most mail is small and a session stages a hundred at a time.
type stager struct {
	buf []byte
	sum hash.Hash
}

const (
	bufferLen  = 64 << 10
	smallerLen = 8 << 10
)

var stagers = sync.Pool{New: func() any {
	return &stager{buf: make([]byte, 0, smallerLen), sum: sha256.New()}
}}

// A body is one message being staged. The file is made with the first octets that leave the buffer, so a
// small message that is cut costs the disk nothing.
type body struct {
	e      *Engine
	id     mail.ID
	ctx    context.Context
	w      *stager
	file   *os.File
	shard  *shard
	size   int64
	onDisk int64 // octets of the message since the last look at the free space
	// promised is how many octets of the free space are kept for what is still to come.
	promised int64
	err      error
	sealed   bool
}

var errSealed = errors.New("store: the body is sealed or gone")

// Stage begins a body. The ID of the record is set if it is zero. Nothing is on the disk before 64 KiB are
// there or the body is sealed.
func (e *Engine) Stage(ctx context.Context, r *store.Record) (store.Body, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.ID.Zero() {
		r.ID = mail.NewID(e.opt.Now(), e.opt.Random)
	}
	if !r.Parent.Zero() && r.ParentOrigin.UID == "" {
		if p, err := e.Get(ctx, r.Parent); err == nil {
			r.ParentOrigin = p.Origin
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	// Before the first octet: one that is given up in the middle has crossed the line for nothing, each time anew.
	size, err := e.promise(max(r.Size, r.Announced, 0))
	if err != nil {
		return nil, err
	}
	b := &body{e: e, id: r.ID, ctx: ctx, w: stagers.Get().(*stager), promised: size}
	b.w.sum.Reset()
	b.w.buf = b.w.buf[:0]
	if err := b.begin(headOf(r)); err != nil {
		b.release()
		return nil, err
	}
	if !e.staged.begin(r.ID) {
		b.release()
		return nil, fmt.Errorf("store: a body of %s is being staged already", r.ID)
	}
	return b, nil
}

// begin puts the head into the buffer.
func (b *body) begin(h *head) error {
	var buf bytes.Buffer
	if err := b.e.codec.enc.MarshalToBuffer(h, &buf); err != nil {
		return fmt.Errorf("encoding the head of %s: %w", b.id, err)
	}
	if buf.Len() > maxRecord {
		return fmt.Errorf("the head of %s would be %d octets, more than %d: it has too many recipients (%d)",
			b.id, buf.Len(), maxRecord, len(h.Recipients))
	}
	w := append(b.w.buf, magicBegin...)
	w = binary.BigEndian.AppendUint32(w, uint32(buf.Len()))
	w = binary.BigEndian.AppendUint32(w, crc32.Checksum(buf.Bytes(), castagnoli))
	b.w.buf = append(w, buf.Bytes()...)
	return nil
}

// Write takes octets. After an error the body can only be discarded.
func (b *body) Write(p []byte) (int, error) {
	if b.w == nil {
		return 0, errSealed
	}
	n := 0
	for len(p) > 0 && b.err == nil {
		room := bufferLen - len(b.w.buf)
		if room <= 0 {
			b.flush()
			continue
		}
		k := min(room, len(p))
		b.w.sum.Write(p[:k])
		b.w.buf = append(b.w.buf, p[:k]...)
		b.size += int64(k)
		n, p = n+k, p[k:]
	}
	return n, b.err
}

// Size is the number of octets written.
func (b *body) Size() int64 { return b.size }

// flush empties the buffer into the file.
func (b *body) flush() {
	if b.err = b.ctx.Err(); b.err != nil {
		return
	}
	if b.file == nil {
		if b.err = b.create(); b.err != nil {
			return
		}
	}
	if b.onDisk += int64(len(b.w.buf)); b.onDisk >= checkEvery {
		b.onDisk = 0
		if b.err = b.e.room(0); b.err != nil {
			return
		}
	}
	_, b.err = b.file.Write(b.w.buf)
	b.arrived(len(b.w.buf))
	b.w.buf = b.w.buf[:0]
}

// create makes the file at its final name. It is never opened through a link, and one that is there is an
// error.
func (b *body) create() (err error) {
	b.shard, err = b.e.spool.get(shardOf(b.id))
	if err != nil {
		return err
	}
	b.file, err = b.shard.root.OpenFile(b.id.String(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return err
}

// Seal makes the body durable and names it.
func (b *body) Seal(ctx context.Context) (ref store.BodyRef, sum [32]byte, err error) {
	if b.w == nil {
		return "", sum, errSealed
	}
	b.ctx = ctx
	b.w.sum.Sum(sum[:0])
	if b.err == nil {
		b.w.buf = binary.BigEndian.AppendUint64(b.w.buf, uint64(b.size))
		b.w.buf = append(append(b.w.buf, sum[:]...), magicEnd...)
		b.flush()
	}
	b.release()
	if b.err == nil {
		b.err = b.e.sync.sync(b.file, b.shard)
	}
	if b.file != nil {
		if err := b.file.Close(); b.err == nil {
			b.err = err
		}
		b.file = nil
	}
	if b.err == nil {
		b.err = b.e.usable()
	}
	if b.err != nil {
		return "", sum, errors.Join(b.err, b.Discard())
	}
	b.e.spool.put(b.shard)
	b.sealed = true
	b.e.staged.seal(b.id)
	return refOf(b.id), sum, nil
}

// Sync makes durable what was written.
func (b *body) Sync(ctx context.Context) error {
	if b.w == nil {
		return errSealed
	}
	b.ctx = ctx
	if b.err == nil {
		b.flush()
	}
	if b.err == nil {
		b.err = b.e.sync.sync(b.file, b.shard)
	}
	return b.err
}

// Leave closes the file and keeps it.
func (b *body) Leave() error {
	if b.w == nil {
		return errSealed
	}
	if b.file == nil {
		return b.Discard() // there is nothing to keep
	}
	b.release()
	err := b.file.Close()
	b.file = nil
	b.e.spool.put(b.shard)
	b.e.staged.forget(b.id)
	return err
}

// release gives the buffer back, and what was promised: nothing more comes.
func (b *body) release() {
	b.settle()
	stagers.Put(b.w)
	b.w = nil
}

// Discard removes what was staged, unless a commit has named it; if one is under way that names it, it is
// removed if that is refused.
func (b *body) Discard() error {
	if b.w != nil {
		b.release()
	}
	if b.file != nil {
		b.file.Close()
	}
	made := b.shard != nil
	if made && !b.sealed {
		b.e.spool.put(b.shard)
		b.shard = nil
	}
	if !b.e.staged.discard(b.id) {
		return nil
	}
	if made {
		if err := b.e.unlink(b.id); err != nil {
			return err
		}
	}
	b.e.staged.forget(b.id)
	return nil
}

// unlink removes the file of a body. One that is not there is no error.
func (e *Engine) unlink(id mail.ID) error {
	d, err := e.spool.get(shardOf(id))
	if err != nil {
		return err
	}
	defer e.spool.put(d)
	if err := d.root.Remove(id.String()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// OpenBody opens the octets of a sealed body.
func (e *Engine) OpenBody(ctx context.Context, ref store.BodyRef) (io.ReadSeekCloser, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	id, err := parseRef(ref)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := e.openSpooled(id)
	if err != nil {
		return nil, err
	}
	return s, nil
}

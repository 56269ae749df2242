package badger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"mailretr/store"
	"mailretr/store/mail"
)

// A partial body is a spool file without a trailer, and a note that says how many of its octets are synced.

// A partial is such a file, open for reading.
type partial struct {
	io.Reader
	file *os.File
}

// Close closes the file.
func (p *partial) Close() error { return p.file.Close() }

// OpenPartial opens the beginning of a body that is not whole.
func (e *Engine) OpenPartial(ctx context.Context, id mail.ID, size int64) (io.ReadCloser, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := e.openFile(id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	at, err := beginning(f, size)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("the partial body of %s: %w", id, err)
	}
	return &partial{io.NewSectionReader(f, at, size), f}, nil
}

// beginning returns where the octets of a spool file begin, if there are as many.
func beginning(f *os.File, size int64) (int64, error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	var b [beginLen]byte
	if _, err := f.ReadAt(b[:], 0); err == io.EOF {
		return 0, store.ErrNotFound
	} else if err != nil {
		return 0, err
	}
	at := int64(beginLen) + int64(binary.BigEndian.Uint32(b[len(magicBegin):]))
	if !fi.Mode().IsRegular() || string(b[:len(magicBegin)]) != magicBegin || size < 0 || fi.Size()-at < size {
		return 0, store.ErrNotFound
	}
	return at, nil
}

// DropPartial removes the file of a body that nobody goes on with.
func (e *Engine) DropPartial(ctx context.Context, id mail.ID) error {
	if err := e.usable(); err != nil {
		return err
	}
	if known, err := e.known(id); known || err != nil {
		return err
	}
	return e.unlink(id)
}

// begun says whether a note names the file of a body that was never sealed.
func (e *Engine) begun(ctx context.Context, id mail.ID) (bool, error) {
	for n, err := range e.Notes(ctx, store.SpacePartial, "") {
		if err != nil {
			return false, err
		}
		if p, err := store.ReadPartial(n); err == nil && p.ID == id {
			return true, nil
		}
	}
	return false, nil
}

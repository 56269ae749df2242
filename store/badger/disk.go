package badger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

// A full disk is what Badger cannot take: its files are mapped, so a page that cannot be allocated is a
// SIGBUS, in Open too. So collecting stops at the reserve, and a ballast is given back when somebody else has
// filled the disk.

// enough is the free space, in octets, that Badger needs to be opened: two memtables and two value logs.
const enough = 16 << 20

// checkEvery is how much of one body is written between two looks at the free space.
const checkEvery = 4 << 20

// room returns ErrFull if writing n octets more would touch the reserve.
func (e *Engine) room(n int64) error {
	free, err := e.opt.Free()
	if err != nil {
		return fmt.Errorf("asking for free space: %w", err)
	}
	if free-n >= e.opt.Reserve {
		return nil
	}
	err = fmt.Errorf("%w: %d MiB are free, %d MiB are kept back", store.ErrFull, free>>20, e.opt.Reserve>>20)
	if free >= e.opt.Reserve {
		err = fmt.Errorf("%w, and the message has %d MiB", err, max(n>>20, 1))
	}
	return err
}

func (e *Engine) ballastName() string { return filepath.Join(e.opt.Dir, "ballast") }

// dropBallast gives the ballast back if there is too little space to open the database, and fails if that
// does not help.
func (e *Engine) dropBallast() error {
	free, err := e.opt.Free()
	if err != nil || free >= enough {
		return err
	}
	err = os.Remove(e.ballastName())
	if err == nil {
		free, err = e.opt.Free()
		e.alarm(mail.OpStore, "the disk is full; the ballast was given back, collecting stops, "+
			"delivering goes on", nil)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil && free < enough {
		err = fmt.Errorf("%s: %w: %d KiB are free, the queue needs %d MiB to be opened; make space there",
			e.opt.Dir, store.ErrFull, free>>10, int64(enough)>>20)
	}
	return err
}

// restoreBallast makes the ballast again once there is space for it above the reserve.
func (e *Engine) restoreBallast() error {
	if e.opt.Ballast < 0 {
		return nil
	}
	if fi, err := os.Lstat(e.ballastName()); err == nil && fi.Size() == e.opt.Ballast {
		return nil
	}
	free, err := e.opt.Free()
	if err != nil || free < e.opt.Ballast+e.opt.Reserve+enough {
		return err
	}
	f, err := os.OpenFile(e.ballastName(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = allocate(f, e.opt.Ballast)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(e.ballastName())
	}
	return err
}

// fill writes n octets that are not zero, where space cannot be had otherwise.
func fill(f *os.File, n int64) error {
	b := make([]byte, 64<<10)
	for i := range b {
		b[i] = 0xa5
	}
	for ; n > 0; n -= int64(len(b)) {
		if _, err := f.Write(b[:min(n, int64(len(b)))]); err != nil {
			return err
		}
	}
	return nil
}

// Tend does what is due from time to time, about once an hour: it takes in what lies in the spool without a
// record, finds records without a file, writes the snapshot of the marks, and restores the ballast; once a
// day it takes what was removed out of the tables. A Close does not need it.
func (e *Engine) Tend(ctx context.Context) error {
	return errors.Join(e.Reconcile(ctx), e.Snapshot(ctx), e.restoreBallast(), e.flatten())
}

// flattenEvery is how often tables are merged into one level. Badger leaves removed keys there for good
// otherwise, and a queue removes all that it writes.
const flattenEvery = 24 * time.Hour

func (e *Engine) flatten() error {
	e.tending.Lock()
	defer e.tending.Unlock()
	now := e.opt.Now()
	if now.Sub(e.flattened) < flattenEvery {
		return nil
	}
	if err := e.usable(); err != nil {
		return err
	}
	e.flattened = now
	return e.db.Flatten(1)
}

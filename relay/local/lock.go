package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"
)

// stale is the age of a lock file whose maker must have died: nobody writes one message for so long.
const stale = 5 * time.Minute

// lockSuffix makes the name of a lock file.
const lockSuffix = ".lock"

// errLocked says that somebody else has the mailbox now.
var errLocked = errors.New("the mailbox is locked")

// locked opens the file with both locks of Debian Policy, 11.6: that of fcntl first, then the file beside
// it; where the second is taken the first is given back, so that nobody waits in a circle. unlock closes
// the file.
func (b *mbox) locked(ctx context.Context, t *target) (f *os.File, unlock func() error, err error) {
	limit := time.NewTimer(b.wait)
	defer limit.Stop()
	for {
		f, unlock, err = b.try(t)
		if !errors.Is(err, errLocked) {
			return f, unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, nil, &source{ctx.Err()}
		case <-limit.C:
			return nil, nil, deferred("4.2.1", "451 4.2.1 the mailbox is locked by another program", err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// try takes both locks, or says errLocked.
func (b *mbox) try(t *target) (*os.File, func() error, error) {
	f, _, err := b.open(t)
	if err != nil {
		return nil, nil, err
	}
	dot := t.path + lockSuffix
	fail := func(err error) (*os.File, func() error, error) {
		f.Close()
		return nil, nil, err
	}
	if err := lockFile(f); err != nil {
		return fail(err)
	}
	if err := dotLock(dot, b.now()); err != nil {
		return fail(err)
	}
	unlock := func() error { return errors.Join(os.Remove(dot), f.Close()) }
	// Another program may have put a new file in the place of the one that we opened before we had the locks.
	here, err := f.Stat()
	there, e := os.Lstat(t.path)
	if err == nil && e == nil && os.SameFile(here, there) {
		return f, unlock, nil
	}
	if err := unlock(); err != nil {
		return nil, nil, err
	}
	if e != nil && !errors.Is(e, fs.ErrNotExist) {
		return nil, nil, e
	}
	return nil, nil, fmt.Errorf("%w: the file was replaced", errLocked)
}

// dotLock makes the lock file, which is empty but for our process id. A stale one is removed and taken at
// the next try.
func dotLock(path string, now time.Time) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		fi, err := os.Lstat(path)
		if err == nil && now.Sub(fi.ModTime()) > stale {
			err = os.Remove(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return fmt.Errorf("%w: %s is there", errLocked, path)
	}
	if err != nil {
		return fmt.Errorf("making the lock file, for which group: may be needed: %w", err)
	}
	_, err = f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

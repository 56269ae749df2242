//go:build unix && !linux

package badger

import (
	"os"

	"golang.org/x/sys/unix"
)

// freeSpace returns the octets of the file system that are free for a process like this one.
func freeSpace(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// allocate gives a file n octets of real space.
func allocate(f *os.File, n int64) error { return fill(f, n) }

// canSyncAll says whether one call may stand for the fsync of many files: only Linux has one that says when
// it failed.
func canSyncAll(*os.File) bool { return false }

func syncAll(dir *os.File) error { return dir.Sync() }

// syncData makes what was written to a file durable.
func syncData(f *os.File) error { return f.Sync() }

package badger

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// freeSpace returns the octets of the file system that are free for a process like this one.
func freeSpace(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// allocate gives a file n octets of real space.
func allocate(f *os.File, n int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, n)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return fill(f, n)
	}
	return err
}

// canSyncAll says whether one syncfs may stand for the fsync of many files and directories: on file systems
// whose sync_fs writes everything and then flushes the disk, and on kernels that report errors of it (Linux
// 5.8). Others (FUSE, some network file systems) may answer without having done anything.
func canSyncAll(dir *os.File) bool {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil || !kernelAtLeast(5, 8) {
		return false
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return true
	}
	return false
}

// syncAll writes all of the file system that dir is on. It fails when anything could not be written since dir
// was opened or syncAll was last called with it: somebody else's file, perhaps.
func syncAll(dir *os.File) error { return unix.Syncfs(int(dir.Fd())) }

// syncData makes what was written to a file durable, and of what the file system keeps about it only what is
// needed to read it again.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err != unix.EINTR {
			return err
		}
	}
}

func kernelAtLeast(major, minor int) bool {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false
	}
	var v [2]int
	i := 0
	for _, c := range u.Release {
		switch {
		case c >= '0' && c <= '9':
			v[i] = v[i]*10 + int(c-'0')
			continue
		case c == '.' && i == 0:
			i++
			continue
		}
		break
	}
	return v[0] > major || v[0] == major && v[1] >= minor
}

//go:build unix

package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrInUse says that another process owns the state. Whoever can wait asks again later.
var ErrInUse = errors.New("the state is in use by another process")

// lockState makes this process the owner of the state, until the file is closed or the process ends, however
// it ends. Badger has a lock of its own, but files have to be looked at before it is asked.
func lockState(dir string) (*os.File, error) {
	name := filepath.Join(dir, "lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of the state: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w%s", dir, ErrInUse, owner(f))
		}
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		if err != nil && !errors.Is(err, unix.ENOSPC) {
			f.Close()
			return nil, fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return f, nil
}

// owner says which process has the lock, as far as the file tells.
func owner(f *os.File) string {
	var b [32]byte
	n, _ := f.ReadAt(b[:], 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}

// checkDir returns nil if path is a directory of ours that nobody else may enter. It is asked with Lstat: a
// link is refused, whatever it points to.
func checkDir(path string) error {
	fi, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case fi.Mode()&os.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link; put the directory itself there, or name its real path", path)
	case !fi.IsDir():
		return fmt.Errorf("%s is not a directory", path)
	case fi.Mode().Perm()&0o077 != 0:
		return denied{fmt.Sprintf("%s may be entered by others (mode %04o); say: chmod 0700 %[1]s", path, fi.Mode().Perm())}
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err
	}
	if me := os.Geteuid(); int(st.Uid) != me {
		return denied{fmt.Sprintf("%s belongs to user %d, and this process runs as user %d; say: %s", path, st.Uid, me,
			remedy(path, st.Uid, me))}
	}
	return nil
}

// remedy is what makes process and owner the same. For root it is to become the owner: to take the state away from the
// daemon that it belongs to is seldom what root wants.
func remedy(path string, owner uint32, me int) string {
	if me != 0 {
		return fmt.Sprintf("chown -R %d %s", me, path)
	}
	if u, err := user.LookupId(fmt.Sprint(owner)); err == nil {
		return "runuser -u " + u.Username + " -- mailretr …"
	}
	return fmt.Sprintf("sudo -u '#%d' mailretr …", owner)
}

// denied is an error that says what to do about it, and is fs.ErrPermission.
type denied struct{ text string }

func (d denied) Error() string { return d.text }
func (d denied) Unwrap() error { return fs.ErrPermission }

// fewFiles is the number of files below which an admin is warned: Badger needs two for each table and ends
// the process when a memory table cannot be made, and every connection needs one.
const fewFiles = 256

// openFiles returns how many files this process may have open.
func openFiles() (n uint64, ok bool) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, false
	}
	return uint64(l.Cur), true
}

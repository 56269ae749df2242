package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Listen makes the socket at path, with mode 0660, in a directory which it makes with 0750 where there is
// none. It is never there with other modes: it is made inside a directory of mode 0700, and moved to its
// place when it is as it should be; the process's umask plays no part and is not touched. A socket on which
// nobody answers is replaced; one that answers is an error with Code Busy. Closing the listener removes it.
func Listen(path string) (net.Listener, error) { return ListenAs(path, 0o660, -1) }

// ListenAs is Listen with another mode, and another group where gid is not -1. A directory that has to be made lets
// in whom the mode does.
func ListenAs(path string, mode fs.FileMode, gid int) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := makeDir(dir, 0o750|mode&0o004|mode&0o004>>2, gid); err != nil {
		return nil, err
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := free(path); err != nil {
		return nil, err
	}
	l, err := bind(dir, path, mode, gid)
	if err != nil {
		return nil, newError(Internal, fmt.Sprintf("the socket %s cannot be made: %v", path, err), "")
	}
	return l, nil
}

// makeDir makes the directory, and judges one that is there: whoever may write in it could put his socket
// in our place.
func makeDir(dir string, mode fs.FileMode, gid int) error {
	err := os.Mkdir(dir, mode)
	switch {
	case err == nil:
		// A strict umask took away too much; it can only widen.
		return errors.Join(os.Chown(dir, -1, gid), os.Chmod(dir, mode))
	case !errors.Is(err, fs.ErrExist):
		return newError(Internal, fmt.Sprintf("the directory of the socket cannot be made: %v", err),
			"make its parent, or choose another path")
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return &os.PathError{Op: "lstat", Path: dir, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		hint := "choose another path"
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			hint = "write where it leads: " + real
		}
		return newError(Denied, dir+" is a symbolic link, which could be made to lead elsewhere", hint)
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return newError(Denied, dir+" is not a directory", "choose another path")
	case st.Uid != uint32(os.Geteuid()) && st.Uid != 0:
		return newError(Denied, dir+" belongs to somebody else", "choose a path in a directory of your own")
	case st.Mode&0o022 != 0:
		return newError(Denied, dir+" can be written by others", "chmod go-w it, or choose another path")
	}
	return nil
}

// lock keeps two daemons from taking the same path for stale at the same time.
func lock(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, newError(Busy, "another mailretr makes its socket right now", "try again")
	}
	return func() { f.Close() }, nil
}

// free says whether the path can be taken.
func free(path string) error {
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case fi.Mode().Type() != fs.ModeSocket:
		return newError(Denied, path+" is there and is no socket", "remove it, or choose another path")
	}
	c, err := net.DialTimeout("unix", path, 5*time.Second)
	if err == nil {
		c.Close()
	}
	if err == nil || !errors.Is(err, syscall.ECONNREFUSED) {
		return newError(Busy, "another daemon answers on "+path, "stop it first, or choose another path")
	}
	return nil
}

func bind(dir, path string, mode fs.FileMode, gid int) (net.Listener, error) {
	private, err := os.MkdirTemp(dir, ".")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	made := filepath.Join(private, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it would remove the name it was made under
	if err := errors.Join(os.Chown(made, -1, gid), os.Chmod(made, mode)); err != nil {
		l.Close()
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Lstat(made, &st); err != nil {
		l.Close()
		return nil, err
	}
	if err := os.Rename(made, path); err != nil {
		l.Close()
		return nil, err
	}
	return &listener{UnixListener: l, path: path, ino: st.Ino, gid: st.Gid}, nil
}

// listener removes its socket when it is closed, if it is still its own.
type listener struct {
	*net.UnixListener
	path string
	ino  uint64
	gid  uint32
}

// Close ends it. Connections that were accepted live on.
func (l *listener) Close() error {
	var st unix.Stat_t
	if unix.Lstat(l.path, &st) == nil && st.Ino == l.ino {
		os.Remove(l.path)
	}
	return l.UnixListener.Close()
}

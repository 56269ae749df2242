package local

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// do runs f with the rights of the user, as far as files go, and with none of root's.
//
// Linux keeps rights by thread. f runs on a thread of its own, which has taken the user's file system
// identity and groups, and has laid down every capability, so that quotas and reserved blocks count too.
// The thread ends with f and never runs anything else: the Go runtime ends one whose goroutine ends locked
// to it, and makes no new threads from it. The real and effective user stay root's, so that the user can
// send us no signals meanwhile (setfsuid(2)). f must not start programs, nor read what only root may open:
// see [pumped].
func (w *who) do(f func() error) error {
	if w.self {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		if err := w.become(); err != nil {
			done <- lane("the rights of the mailbox's owner cannot be taken", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// become changes this thread for good. Package unix, other than syscall, changes one thread only.
func (w *who) become() error {
	if err := unix.Setgroups(w.groups); err != nil {
		return fmt.Errorf("setgroups: %w", err)
	}
	// setfsgid and setfsuid report nothing: asked for an impossible one, they say what is.
	if _, err := unix.SetfsgidRetGid(w.gid); err != nil {
		return fmt.Errorf("setfsgid: %w", err)
	}
	if got, err := unix.SetfsgidRetGid(-1); err != nil || got != w.gid {
		return errors.New("setfsgid was refused")
	}
	if _, err := unix.SetfsuidRetUid(w.uid); err != nil {
		return fmt.Errorf("setfsuid: %w", err)
	}
	if got, err := unix.SetfsuidRetUid(-1); err != nil || got != w.uid {
		return errors.New("setfsuid was refused")
	}
	if w.uid == 0 {
		return nil // root said out loud
	}
	none := [2]unix.CapUserData{}
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	return nil
}

// A walker goes down a path, one name after the other.
type walker struct{ fd int }

// walk begins at the root directory.
func walk() (*walker, error) {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	return &walker{fd}, err
}

// enter looks at a name where the walker is, and goes there. It follows no link.
func (w *walker) enter(name string) (uid int, link bool, err error) {
	fd, err := unix.Openat(w.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false, err
	}
	w.close()
	w.fd = fd
	var s unix.Stat_t
	err = unix.Fstat(fd, &s)
	return int(s.Uid), s.Mode&unix.S_IFMT == unix.S_IFLNK, err
}

func (w *walker) close() { unix.Close(w.fd) }

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

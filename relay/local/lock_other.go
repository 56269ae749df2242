//go:build !linux

package local

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile takes the lock of fcntl. It belongs to the process: what keeps deliveries of ours apart is the
// lock file.
func lockFile(f *os.File) error {
	l := syscall.Flock_t{Type: syscall.F_WRLCK}
	err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &l)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("%w by fcntl", errLocked)
	}
	return err
}

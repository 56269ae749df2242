package local

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes the lock of fcntl that belongs to the open file: it keeps out other deliveries of ours
// too, which one that belongs to the process would not, and conflicts with those that other programs take.
func lockFile(f *os.File) error {
	l := unix.Flock_t{Type: unix.F_WRLCK}
	err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w by fcntl", errLocked)
	}
	return err
}

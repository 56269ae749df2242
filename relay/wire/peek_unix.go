//go:build unix

package wire

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

var errNoPeek = errors.New("the connection cannot be peeked at")

// readable says whether a read would return at once, with octets or the end, without taking anything. An
// error means that this connection cannot be asked.
func readable(c net.Conn) (bool, error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false, errNoPeek
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return false, err
	}
	ready := true
	err = rc.Control(func(fd uintptr) {
		var b [1]byte
		_, _, e := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		ready = !errors.Is(e, unix.EAGAIN) && !errors.Is(e, unix.EINTR)
	})
	return ready, err
}

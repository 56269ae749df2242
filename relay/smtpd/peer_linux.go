package smtpd

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// userOf asks the kernel who is at the other end of a unix socket (SO_PEERCRED, unix(7)); -1: nobody knows.
func userOf(c net.Conn) int64 {
	s, ok := c.(syscall.Conn)
	if !ok {
		return -1
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return -1
	}
	user := int64(-1)
	err = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			user = int64(cred.Uid)
		}
	})
	if err != nil {
		return -1
	}
	return user
}

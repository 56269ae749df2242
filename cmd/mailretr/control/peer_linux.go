package control

import (
	"errors"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxGroups is how many supplementary groups a process may have (NGROUPS_MAX of Linux).
const maxGroups = 65536

// peerOf asks the kernel: SO_PEERCRED for the user and his group, SO_PEERGROUPS for the others (unix(7)).
func peerOf(c net.Conn) (p peer) {
	u, ok := c.(syscall.Conn)
	if !ok {
		return peer{err: errors.New("not a unix socket")}
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return peer{err: err}
	}
	err = raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, p.err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); p.err == nil {
			p.uid = cred.Uid
			p.groups = append(groups(fd), cred.Gid)
		}
	})
	if err != nil {
		p.err = err
	}
	return p
}

// groups returns the supplementary groups of the peer, none where a kernel before 4.13 cannot tell.
func groups(fd uintptr) []uint32 {
	list := make([]uint32, 64)
	for {
		size := uint32(4 * len(list))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&list[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return list[:size/4]
		case errno == unix.ERANGE && size <= 4*maxGroups: // it says how much room it needs
			list = make([]uint32, size/4+1)
		default:
			return nil
		}
	}
}

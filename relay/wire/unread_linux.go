package wire

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// received returns how many octets of the peer the kernel has taken in since the connection began, read or not.
func received(c net.Conn) (octets int64, ok bool) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return 0, false
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return 0, false
	}
	var info *unix.TCPInfo
	if rc.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }) != nil ||
		err != nil {
		return 0, false
	}
	octets = int64(info.Bytes_received)
	switch info.State {
	case unix.BPF_TCP_CLOSE_WAIT, unix.BPF_TCP_CLOSING, unix.BPF_TCP_LAST_ACK, unix.BPF_TCP_TIME_WAIT:
		octets-- // the end of the peer is counted as one
	}
	return octets, true
}

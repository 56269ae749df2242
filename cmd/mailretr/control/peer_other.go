//go:build !linux

package control

import (
	"net"
	"os"
)

// peerOf does not know how to ask this kernel; the modes of socket and directory decide who gets here at
// all.
func peerOf(net.Conn) peer { return peer{uid: uint32(os.Geteuid())} }

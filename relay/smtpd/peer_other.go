//go:build !linux

package smtpd

import "net"

// userOf says who is at the other end of a unix socket: nobody knows.
func userOf(net.Conn) int64 { return -1 }

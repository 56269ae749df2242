//go:build !unix

package wire

import (
	"errors"
	"net"
)

var errNoPeek = errors.New("the connection cannot be peeked at")

func readable(net.Conn) (bool, error) { return false, errNoPeek }

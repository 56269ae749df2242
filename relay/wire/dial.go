package wire

import (
	"context"
	"errors"
	"net"
	"time"
)

// Dial looks up, connects, and secures the connection if the mode is Implicit. Errors are *Error.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	network := o.Network
	if network == "" {
		network = "tcp"
	}
	dial := o.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext // keep-alive is its default
	}
	limited, cancel := context.WithTimeout(ctx, or(o.Connect, 30*time.Second))
	defer cancel()
	raw, err := dial(limited, network, o.Address)
	if err != nil {
		return nil, dialling(o.Address, err)
	}
	return New(ctx, raw, o)
}

// dialling tells looking up from connecting.
func dialling(address string, err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return &Error{Doing: "looking up " + dns.Name, Err: err}
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err // it says the address again
	}
	return &Error{Doing: "connecting to " + address, Err: err}
}

package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// Dial runs Before, reaches the server by whatever way the options name, and secures the connection if the
// mode is Implicit. Errors are *Error.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	doing := "connecting to " + o.Address
	o, err := o.permitted(ctx)
	if err != nil {
		var own *Error
		if errors.As(err, &own) {
			return nil, own
		}
		return nil, &Error{Doing: doing, Err: err}
	}
	if len(o.Before) > 0 {
		if err := prepare(ctx, o.Before, or(o.BeforeWait, time.Minute)); err != nil {
			return nil, &Error{Doing: "running " + o.Before[0] + " before connecting to " + o.Address,
				Err: &ours{"preconnect", err}}
		}
	}
	raw, err := o.reach(ctx)
	if err != nil {
		return nil, err
	}
	c := wrap(raw, o)
	if o.Proxy != nil {
		if err := c.through(ctx, o.Proxy); err != nil {
			c.Close()
			return nil, err
		}
	}
	if o.Opening != nil {
		if _, err := c.Write(o.Opening(raw.LocalAddr(), raw.RemoteAddr())); err != nil {
			c.Close()
			return nil, err
		}
		if err := c.Flush(); err != nil {
			c.Close()
			return nil, err
		}
	}
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// reach returns a connection to the server, to the proxy that will reach it, or to the command that has.
func (o *Options) reach(ctx context.Context) (net.Conn, error) {
	if len(o.Command) > 0 {
		raw, err := start(o.Command)
		if err != nil {
			return nil, &Error{Doing: o.connecting(), Err: &ours{"dial", err}}
		}
		return raw, nil
	}
	network, address := o.Network, o.Address
	if network == "" {
		network = "tcp"
	}
	if o.Proxy != nil {
		network, address = "tcp", o.Proxy.Address
	}
	limited, cancel := context.WithTimeout(ctx, or(o.Connect, 30*time.Second))
	defer cancel()
	dial := o.DialContext
	if dial == nil {
		dial = o.dialler().DialContext
	}
	raw, err := dial(limited, network, address)
	if err != nil {
		if err = dialling(address, err); o.Proxy == nil {
			return nil, err
		}
		if e := err.(*Error); e.Doing == "connecting to "+address {
			err = e.Err
		}
		return nil, &Error{Doing: o.connecting(), Err: &ours{"proxy", err}}
	}
	return raw, nil
}

// connecting says what is being done, for errors.
func (o *Options) connecting() string {
	switch {
	case len(o.Command) > 0:
		return "connecting to " + o.Address + " by " + o.Command[0]
	case o.Proxy != nil:
		return fmt.Sprintf("connecting to %s through the proxy %v://%s", o.Address, o.Proxy.Kind, o.Proxy.Address)
	}
	return "connecting to " + o.Address
}

// dialler is the one of the library, with what the options say of addresses and buffers.
func (o *Options) dialler() *net.Dialer {
	d := &net.Dialer{Resolver: o.Resolver} // keep-alive is its default
	if o.Source.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: o.Source.AsSlice(), Zone: o.Source.Zone()}
	}
	policy, window := o.Policy, 0
	if o.Proxy != nil {
		policy = nil // the proxy is our own; see permitted
	}
	for _, s := range o.Shapers {
		if w := s.window(); w > 0 && (window == 0 || w < window) {
			window = w
		}
	}
	d.Control = func(_, address string, raw syscall.RawConn) error {
		if policy != nil {
			if err := policy.Allows(address); err != nil {
				return err
			}
		}
		if window > 0 {
			return narrow(raw, window)
		}
		return nil
	}
	return d
}

// dialling tells looking up from connecting, and says each thing once.
func dialling(address string, err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return &Error{Doing: "looking up " + dns.Name, Err: &brief{dns.Err, err}}
	}
	cause := err
	var op *net.OpError
	if errors.As(cause, &op) && op.Err != nil {
		cause = op.Err // it says the address again
	}
	var call *os.SyscallError
	if errors.As(cause, &call) {
		cause = call.Err // nor has anybody asked for the system call
	}
	return &Error{Doing: "connecting to " + address, Err: &brief{cause.Error(), err}}
}

// A brief says an error in fewer words.
type brief struct {
	text string
	err  error
}

func (b *brief) Error() string { return b.text }
func (b *brief) Unwrap() error { return b.err }

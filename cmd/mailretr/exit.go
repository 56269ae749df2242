package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"mailretr/cmd/mailretr/control"
	"mailretr/conf/yaml"
	"mailretr/store"
	"mailretr/store/mail"
)

// The exit codes are those of sysexits.h. "No new mail" and "the queue is empty" are exOK.
const (
	exOK          = 0
	exUsage       = 64 // the command was wrong
	exDataErr     = 65 // input was not understood
	exNoInput     = 66 // a file that was named is not there
	exNoUser      = 67 // sendmail: a recipient is refused
	exUnavailable = 69 // the daemon does not answer
	exSoftware    = 70 // our mistake
	exCantCreat   = 73 // a file cannot be made: disk full, no such directory
	exIOErr       = 74
	exTempFail    = 75 // some maildrop or message failed for now
	exNoPerm      = 77 // a login was refused, or a file may not be read
	exConfig      = 78 // the configuration has errors, or a newer version has written the state
)

// An exit is an error with an exit code of its own.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

// codes of what control says.
var codes = map[control.Code]int{
	control.Usage: exUsage, control.NotFound: exDataErr, control.Busy: exTempFail, control.Denied: exNoPerm,
	control.Unavailable: exUnavailable, control.Tempfail: exTempFail, control.Config: exConfig,
	control.Full: exCantCreat, control.Internal: exSoftware,
}

// code is the exit code for what a verb returned.
func code(err error) int {
	var x *exit
	var c *control.Error
	var t *mail.Trouble
	switch {
	case err == nil:
		return exOK
	case errors.As(err, &x):
		return x.code
	case errors.As(err, &c):
		return codes[c.Code]
	case errors.Is(err, yaml.ErrConfig):
		return exConfig
	case errors.Is(err, fs.ErrPermission):
		return exNoPerm
	case errors.Is(err, store.ErrFull):
		return exCantCreat
	case errors.As(err, &t) && t.Kind == mail.Auth:
		return exNoPerm
	case errors.As(err, &t), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return exTempFail
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return exIOErr
	}
	return exSoftware
}

// opened opens a file of the command line: one that is not there is a mistake of whoever named it, not of the machine.
func opened(file string) (*os.File, error) {
	f, err := os.Open(file)
	return f, unnamed(err)
}

// unnamed is the error for a file of the command line.
func unnamed(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &exit{exNoInput, err}
	}
	return err
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mailretr/cmd/mailretr/control"
	"mailretr/store/badger"
)

// What is said of a state that cannot be opened is what helps, and a file system that may only be read has no use for
// another directory in it.
func TestOpeningSaysWhatHelps(t *testing.T) {
	for what, x := range map[string]struct {
		err  error
		code int
		hint string
	}{
		"newer":     {badger.ErrNewer, exConfig, ""}, // or systemd starts it again and again
		"in use":    {badger.ErrInUse, exTempFail, "ask the daemon"},
		"no right":  {&fs.PathError{Op: "open", Path: "/s/lock", Err: syscall.EACCES}, exNoPerm, "run it as the user"},
		"read-only": {&fs.PathError{Op: "open", Path: "/s/lock", Err: syscall.EROFS}, exCantCreat, "mount its file system so that it can be written"},
		"no parent": {&fs.PathError{Op: "mkdir", Path: "/s/state", Err: syscall.ENOENT}, exCantCreat, "make the directory above it"},
	} {
		err := opening("/s", fmt.Errorf("opening the lock: %w", x.err))
		var said *control.Error
		if code(err) != x.code || !errors.As(err, &said) || !strings.HasPrefix(said.Hint, x.hint) {
			t.Errorf("%s: exit code %d, %v", what, code(err), err)
		}
	}
}

// Whoever mistypes the name of a configuration does not reach the daemon of another one.
func TestMissingFileIsNoDaemon(t *testing.T) {
	a := newApp(nil, nil, nil)
	a.config = filepath.Join(t.TempDir(), "mailretr.yaml")
	if l := a.load(t.Context()); code(l.err) != exConfig || l.socket() != "" {
		t.Errorf("a daemon is asked at %q, %v", l.socket(), l.err)
	}
	reached := func(*control.Client) error { t.Error("it is asked"); return nil }
	if err := a.house(t.Context(), reached); code(err) != exConfig {
		t.Errorf("the house: %v", err)
	}
	if err := a.probe(t.Context()); code(err) != exConfig {
		t.Errorf("the probe: %v", err)
	}
}

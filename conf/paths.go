package conf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Env is what the surroundings say of us.
type Env struct {
	UID    int
	Home   string              // "" where there is none
	Getenv func(string) string // os.Getenv
}

// ThisEnv returns the surroundings of the process.
func ThisEnv() Env {
	home, err := os.UserHomeDir()
	if err != nil {
		home = ""
	}
	return Env{UID: os.Geteuid(), Home: home, Getenv: os.Getenv}
}

// firstUser is the first user id of a person; below are root and system users (login.defs, UID_MIN).
const firstUser = 1000

// Paths are the places that depend on who runs us.
type Paths struct {
	Config string // the file
	State  string // the directory
	Socket string // of the control API
}

// Find returns the configuration file: flag, else MAILRETR_CONFIG, else an ordinary user's own
// (mailretr/mailretr.yaml below XDG_CONFIG_HOME or ~/.config), else /etc/mailretr/mailretr.yaml. An own one
// that does not exist is passed over; one that cannot be looked at is not. The other paths belong to it.
func Find(flag string, e Env) (Paths, error) {
	named := flag
	if named == "" {
		named = e.Getenv("MAILRETR_CONFIG")
	}
	if named != "" {
		return e.paths(named, e.UID < firstUser), nil
	}
	own := e.own()
	if own == "" {
		return e.paths(SystemFile, true), nil
	}
	if _, err := os.Stat(own); err == nil {
		return e.paths(own, false), nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Paths{}, fmt.Errorf("looking for the configuration: %w", err)
	}
	if _, err := os.Stat(SystemFile); errors.Is(err, fs.ErrNotExist) {
		return e.paths(own, false), nil // neither is there: the user's own is the one to make
	}
	return e.paths(SystemFile, true), nil
}

// SystemFile is the configuration of the whole machine.
const SystemFile = "/etc/mailretr/mailretr.yaml"

// own returns the file of an ordinary user; "" for root and system users.
func (e Env) own() string {
	if e.UID < firstUser {
		return ""
	}
	if dir := e.xdg("XDG_CONFIG_HOME", ".config"); dir != "" {
		return filepath.Join(dir, "mailretr", "mailretr.yaml")
	}
	return ""
}

// paths returns what belongs to a configuration file. One below /etc is the machine's, whoever looks at it.
func (e Env) paths(file string, system bool) Paths {
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	p := Paths{Config: file, State: "/var/lib/mailretr", Socket: "/run/mailretr/control.sock"}
	if system || strings.HasPrefix(file, "/etc/") {
		return p
	}
	state := e.xdg("XDG_STATE_HOME", ".local/state")
	if state == "" {
		return p
	}
	p.State = filepath.Join(state, "mailretr")
	p.Socket = filepath.Join(p.State, "run", "control.sock")
	if run := e.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(run) {
		p.Socket = filepath.Join(run, "mailretr", "control.sock")
	}
	return p
}

// xdg returns a base directory (XDG Base Directory Specification: relative values are ignored).
func (e Env) xdg(name, below string) string {
	if dir := e.Getenv(name); filepath.IsAbs(dir) {
		return dir
	}
	if e.Home == "" {
		return ""
	}
	return filepath.Join(e.Home, below)
}

package conf

import (
	"strings"
	"time"
)

// A Local says more of a destination on this machine: a maildir, an mbox or a command. What its templates
// may hold is checked by who wires the kinds.
type Local struct {
	At Where `json:"-"`

	User    string        // template; "": our own, or the owner's of the mailbox where we are root
	Group   string        // one group more
	Folder  string        // "", or FolderKeep
	Create  bool          // a mailbox that is not there is made
	Lock    time.Duration // of an mbox: how long another program may hold it
	Preset  string        // of a command: what it is; its Argv unless Destination.Command has another
	Timeout time.Duration // of a command
}

// FolderKeep puts mail into a folder that is called as the one it was collected from.
const FolderKeep = "keep"

// DefaultLocal is one in which nothing was written yet.
func DefaultLocal() Local {
	return Local{Create: true, Lock: 30 * time.Second, Timeout: 10 * time.Minute}
}

func (d *Destination) completeLocal() {
	switch d.Kind {
	case "maildir", "mbox", "command":
		if d.Local == nil {
			l := DefaultLocal()
			d.Local = &l
		}
		d.Local.At.inherit(d.At, d.Kind)
	}
	if d.Filter != nil {
		d.Filter.At.inherit(d.At, "filter")
	}
}

// A Filter is a program that sees each message on its way to a destination.
type Filter struct {
	At Where `json:"-"`

	Command []string // argv, with templates
	User    string   // whose rights it has; "": ours
	Timeout time.Duration
}

// DefaultFilter is one in which nothing was written yet.
func DefaultFilter() Filter { return Filter{Timeout: 10 * time.Minute} }

// local checks what a maildir, an mbox and a command have in common.
func (v *validator) local(d *Destination) {
	if d.Local == nil {
		return
	}
	l := d.Local
	for _, x := range []struct{ key, value string }{{"user", l.User}, {"group", l.Group}, {"preset", l.Preset}} {
		v.clean(l.At, x.key, x.value)
	}
	v.one(l.At, "folder", l.Folder, "", FolderKeep)
	v.span(l.At, "lock", l.Lock, time.Second, time.Hour)
	v.span(l.At, "timeout", l.Timeout, time.Second, 24*time.Hour)
}

// place checks the path of a maildir or an mbox.
func (v *validator) place(d *Destination) {
	path, at, key := d.Address, d.At, d.Kind
	if d.Local != nil && d.Local.At.Has("path") {
		at, key = d.Local.At, "path"
	}
	if !v.need(at, key, path, "write where, e.g. /srv/mail/{local}") {
		return
	}
	switch {
	case path[0] != '/' && !strings.HasPrefix(path, "~/"):
		v.fail(at.Of(key), "write an absolute path, or one that begins with ~/", "%s: %q is neither", d.Kind, path)
	case strings.HasSuffix(path, "/"), strings.Contains("/"+path+"/", "/../"):
		v.fail(at.Of(key), "write the path of one mailbox", "%s: %q does not end in a name", d.Kind, path)
	}
}

// command checks an argv of a destination or a filter.
func (v *validator) command(at Where, key string, argv []string, preset bool) {
	if len(argv) == 0 && !preset {
		v.fail(at.Of(key), "write "+key+": [program, argument]", "%s: the list is empty", key)
	}
	for _, a := range argv {
		v.clean(at, key, a)
	}
	if len(argv) > 0 && !strings.HasPrefix(argv[0], "/") {
		v.fail(at.Of(key), "write the program with its whole path", "%s: %q is no absolute path", key, argv[0])
	}
}

func (v *validator) filter(d *Destination) {
	f := d.Filter
	if f == nil {
		return
	}
	key := "filter"
	at := d.At
	if f.At.Has("argv") {
		at, key = f.At, "argv"
	}
	v.command(at, key, f.Command, false)
	v.clean(f.At, "user", f.User)
	v.span(f.At, "timeout", f.Timeout, time.Second, 24*time.Hour)
}

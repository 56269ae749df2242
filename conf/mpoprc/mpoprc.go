// Package mpoprc reads the configuration of mpop and makes one of ours.
//
// It knows all commands of mpop 1.4: defaults, accounts, and accounts that inherit from others. It promises that nothing
// is lost in silence: what has no equal here is noted with its place and a reason. It runs nothing: eval is a mistake, and
// passwordeval becomes a command of ours. It leaves to [conf.Config.Validate] whether the result can be used.
//
// What is read is hostile: the file, its accounts and their settings are bounded.
//
// Read [Import] first.
package mpoprc

import (
	"strings"

	"mailretr/conf"
	"mailretr/conf/draft"
)

// Bounds of what is read.
const (
	maxFile     = 1 << 20
	maxSettings = 100_000 // of all accounts, with what they inherit
)

// A setting is what one command says; one without a value takes back what was said before.
type setting struct {
	pos   conf.Pos
	value string
}

// An account is the settings by their commands.
type account struct {
	pos  conf.Pos
	name string
	set  map[string]setting
}

// Import makes a configuration of a file of mpop. The notes are its mistakes, and what has no equal or is not quite the
// same; an Error among them means that something is not in the configuration. Passwords are plain in it.
func Import(file string, text []byte, o draft.Options) (conf.Config, []conf.Problem) {
	r := &reader{Draft: draft.New(o), defaults: map[string]setting{}, byName: map[string]*account{}}
	if len(text) > maxFile {
		r.Fail(conf.Pos{File: file}, "split it", "the file is larger than %d octets", maxFile)
		return r.Done()
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		r.line(conf.Pos{File: file, Line: n, Column: 1}, strings.TrimSpace(line))
	}
	domain := o.Domain
	if domain == "" {
		domain = o.Hostname
	}
	b := &r.Config().Bounce
	b.FromName, b.From, b.Postmaster = "Mail Delivery System", "mailer-daemon@"+domain, "postmaster@"+domain
	for _, a := range r.accounts {
		r.maildrop(a)
	}
	if len(r.accounts) == 0 {
		r.Fail(conf.Pos{File: file}, "", "there is no account in it")
	}
	return r.Done()
}

type reader struct {
	*draft.Draft
	defaults map[string]setting
	accounts []*account
	byName   map[string]*account
	now      *account // nil: the defaults
	copied   int
}

func (r *reader) line(pos conf.Pos, s string) {
	if s == "" || s[0] == '#' {
		return
	}
	command, value, _ := strings.Cut(strings.ReplaceAll(s, "\t", " "), " ")
	value = strings.TrimSpace(value)
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	switch _, known := commands[command]; {
	case command == "defaults":
		r.now = nil
	case command == "account":
		r.account(pos, value)
	case command == "eval":
		r.Fail(pos, "write what it gives", "eval: nothing is run while a file is read")
	case !known:
		r.Fail(pos, "", "%.50q is no command of mpop", command)
	case r.now == nil:
		r.defaults[command] = setting{pos, value}
	default:
		r.now.set[command] = setting{pos, value}
	}
}

// account begins one; bases are those that it inherits from.
func (r *reader) account(pos conf.Pos, value string) {
	name, bases, _ := strings.Cut(value, ":")
	a := &account{pos: pos, name: strings.TrimSpace(name), set: map[string]setting{}}
	r.now = a
	r.take(a, r.defaults)
	for b := range strings.SplitSeq(bases, ",") {
		if b = strings.TrimSpace(b); b == "" {
			continue
		}
		if x := r.byName[b]; x != nil {
			r.take(a, x.set)
		} else {
			r.Fail(pos, "", "there is no account %.100q before", b)
		}
	}
	r.accounts, r.byName[a.name] = append(r.accounts, a), a
}

// take copies settings.
func (r *reader) take(a *account, set map[string]setting) {
	if r.copied += len(set) + 1; r.copied > maxSettings {
		r.Fail(a.pos, "split the file", "the accounts have more than %d settings", maxSettings)
		return
	}
	for k, v := range set {
		a.set[k] = v
	}
}

// text is the value of a command; "" where it was not written, or taken back.
func (a *account) text(command string) string { return a.set[command].value }

// on is the value of one that is on or off; alone it means on.
func (a *account) on(command string, preset bool) bool {
	s, written := a.set[command]
	if !written {
		return preset
	}
	return s.value == "" || s.value == "on"
}

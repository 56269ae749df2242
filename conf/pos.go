package conf

import (
	"fmt"
	"strings"
)

// A Pos is a place in a source: line and column count from 1. Line 0 means the source as a whole, or a source
// that has no lines.
type Pos struct {
	File         string
	Line, Column int
}

// String returns file:line:column, as far as known.
func (p Pos) String() string {
	switch {
	case p.File == "" && p.Line == 0:
		return "default"
	case p.Line == 0:
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Where remembers where a section and each of its settings were written. The keys are those of the file.
type Where struct {
	Self Pos            // of the section
	Keys map[string]Pos // of each setting that was written
}

// Of returns the place of a setting, or that of its section where the setting was not written.
func (w Where) Of(key string) Pos {
	if p, ok := w.Keys[key]; ok {
		return p
	}
	return w.Self
}

// Has says whether a setting was written, as opposed to having its default.
func (w Where) Has(key string) bool {
	_, ok := w.Keys[key]
	return ok
}

// Set remembers the place of a setting.
func (w *Where) Set(key string, p Pos) {
	if w.Keys == nil {
		w.Keys = make(map[string]Pos)
	}
	w.Keys[key] = p
}

// inherit gives a section that was not written the place where it would be looked for.
func (w *Where) inherit(outer Where, key string) {
	if w.Self == (Pos{}) {
		w.Self = outer.Of(key)
	}
}

// A Severity says how bad a problem is.
type Severity uint8

const (
	Error   Severity = iota // what it concerns cannot be used
	Warning                 // works, but is worth a look
)

// String returns error or warning.
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// A Problem is one mistake, with its place and what to do about it.
type Problem struct {
	Pos      Pos
	Severity Severity
	Text     string // what is wrong
	Hint     string // what to do; "" where the text says it
	Maildrop string // name of the only maildrop it concerns; "" when it concerns everything
	Entry    Pos    // where that maildrop's entry begins; names may be missing or double
}

// String returns one line: place, severity, text; hint.
func (p Problem) String() string {
	s := fmt.Sprintf("%s  %-7s  %s", p.Pos, p.Severity, p.Text)
	if p.Hint != "" {
		s += "; " + p.Hint
	}
	return oneLine(s)
}

// Fatal says whether the whole configuration cannot be used because of this problem.
func (p Problem) Fatal() bool { return p.Severity == Error && p.Entry == Pos{} }

// oneLine escapes what would leave the line: a message quotes what was written.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2028 && r <= 0x202e {
			return '\ufffd'
		}
		return r
	}, s)
}

// Failed says whether any of the problems makes the whole configuration unusable.
func Failed(problems []Problem) bool {
	for _, p := range problems {
		if p.Fatal() {
			return true
		}
	}
	return false
}

// Count returns how many errors and warnings there are.
func Count(problems []Problem) (errors, warnings int) {
	for _, p := range problems {
		if p.Severity == Error {
			errors++
		} else {
			warnings++
		}
	}
	return errors, warnings
}

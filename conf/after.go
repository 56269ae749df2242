package conf

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// After says what happens in the maildrop to what was collected. The zero value destroys nothing.
//
// In words it is `keep`, `seen`, `flag NAME`, `delete` or `move FOLDER`; behind delete may stand `above SIZE`
// and `after AGE`. Where a folder has blanks in its name, or is to wait, it is a mapping: {move: FOLDER,
// after: 14d}.
type After struct {
	Act    Act
	Folder string        // of Move: a name, or a use such as \Archive
	Flag   string        // of Mark: \Seen, another flag of RFC 9051, 2.3.2, or a keyword
	Delay  time.Duration // before Delete or Move, in whole days, that of collecting not counted; 0: at once
	Above  int64         // octets; only what has at least so many is deleted or moved, the rest is kept; 0: all
}

// An Act is what is done upstream.
type Act uint8

const (
	Keep   Act = iota
	Delete     // it is removed
	Move       // it is put into another folder, IMAP only
	Mark       // it stays, and gets a flag, IMAP only
)

// Keeps says whether a message of that many octets stays where it is for good; fewer than 0: nobody knows how
// many.
func (a After) Keeps(octets int64) bool { return a.Act == Keep || a.Above > 0 && octets < a.Above }

// Now says whether it is done in the session that collected the message.
func (a After) Now(octets int64) bool { return !a.Keeps(octets) && a.Delay == 0 }

// Days is Delay as the marks count it.
func (a After) Days() int { return int((a.Delay + day - 1) / day) }

const day = 24 * time.Hour

const afterHint = "write keep, seen, delete, delete after 14d, delete above 10M, or {move: Folder}"

// ParseAfter reads the words.
func ParseAfter(s string) (After, error) {
	act, rest, more := strings.Cut(s, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case s == "keep":
		return After{}, nil
	case s == "seen":
		return After{Act: Mark, Flag: `\Seen`}, nil
	case act == "delete" && more == (rest != ""):
		return parseWhen(s, rest, After{Act: Delete})
	case act == "flag" && rest != "":
		return After{Act: Mark, Flag: rest}, nil
	case (act == "move" || act == "move:") && rest != "":
		for _, w := range []string{" after ", " above "} {
			if strings.Contains(rest, w) { // part of the name, or not?
				return After{}, fmt.Errorf("%q can be read in two ways; write e.g. {move: Folder, after: 14d}", s)
			}
		}
		return After{Act: Move, Folder: rest}, nil
	}
	return After{}, fmt.Errorf("%q is not known; %s", s, afterHint)
}

// parseWhen reads `above SIZE` and `after AGE`, each once at most.
func parseWhen(s, rest string, a After) (After, error) {
	words := strings.Fields(rest)
	for ; len(words) >= 2; words = words[2:] {
		var err error
		switch key := words[0]; {
		case key == "after" && a.Delay == 0:
			a.Delay, err = ParseDuration(words[1])
		case key == "above" && a.Above == 0:
			a.Above, err = ParseSize(words[1])
		default:
			return After{}, fmt.Errorf("%q is not known; %s", s, afterHint)
		}
		if err != nil {
			return After{}, err
		}
		if a.Delay == 0 && a.Above == 0 {
			return After{}, fmt.Errorf("%q is not known; to delete all at once write delete alone", s)
		}
	}
	if len(words) > 0 {
		return After{}, fmt.Errorf("%q is not known; %s", s, afterHint)
	}
	return a, nil
}

// String writes it as ParseAfter reads it; a Move that waits, or has a size, is for people only.
func (a After) String() string {
	s := "keep"
	switch {
	case a.Act == Mark && a.Flag == `\Seen`:
		return "seen"
	case a.Act == Mark:
		return "flag " + a.Flag
	case a.Act == Move:
		s = "move " + a.Folder
	case a.Act == Delete:
		s = "delete"
	}
	if a.Above > 0 {
		s += " above " + Size(a.Above)
	}
	if a.Delay > 0 {
		s += " after " + Duration(a.Delay)
	}
	return s
}

// after checks what happens to mail that was collected.
func (v *validator) after(m *Maildrop) {
	a, at := m.After, m.At.Of("after")
	if !v.clean(m.At, "after", a.Folder) || !v.clean(m.At, "after", a.Flag) {
		return
	}
	if m.Protocol == "pop3" && (a.Act == Move || a.Act == Mark) {
		v.fail(at, "write keep or delete, or use imap", "after: POP3 has neither folders nor flags")
		return
	}
	if a.Delay > 0 {
		v.span(m.At, "after", a.Delay, day, 3650*day)
		if a.Delay > day && a.Delay%day != 0 {
			v.fail(at, "write e.g. 14d", "after: %s is no number of whole days", Duration(a.Delay))
		}
	}
	v.number(m.At, "after", a.Above, 0, 1<<40)
	switch a.Act {
	case Move:
		v.moveTo(m, a.Folder)
	case Mark:
		v.flag(m, a.Flag)
	}
}

// moveTo checks the folder that mail is moved to.
func (v *validator) moveTo(m *Maildrop, f string) {
	if !v.need(m.At, "after", f, "write {move: Folder}") {
		return
	}
	at := m.At.Of("after")
	switch {
	case len(f) > maxFolder:
		v.fail(at, "choose a shorter one", "after: the name of the folder is longer than %d octets", maxFolder)
	case strings.HasPrefix(f, `\`):
		if !slices.Contains(roles, f) {
			v.fail(at, "write one of: "+strings.Join(roles, ", "), "after: %s is no use of a folder", f)
		}
	case strings.ContainsAny(f, "*%"):
		v.fail(at, "name one folder", "after: mail cannot be moved to the pattern %q", f)
	}
	for _, g := range m.Folders {
		if !g.Exclude && sameFolder(f, g.Name) {
			v.fail(at, "choose another one, or take it out of folders:",
				"after: mail is moved to %q, from which it is collected", f)
		}
	}
}

// flags that mean something to every server (RFC 9051, 2.3.2).
var flags = []string{`\Seen`, `\Flagged`, `\Answered`, `\Draft`}

// flag checks a flag: one of the four, or a keyword, which is an atom of RFC 9051, 9.
func (v *validator) flag(m *Maildrop, f string) {
	at := m.At.Of("after")
	hint := `write seen, flag \Flagged, or flag NAME with a word of your own`
	switch {
	case slices.Contains(flags, f):
	case strings.EqualFold(f, `\Deleted`):
		v.fail(at, "write after: delete", "after: a flag %s would delete what was collected", f)
	case f == "" || len(f) > 100 || strings.ContainsFunc(f, noAtom):
		v.fail(at, hint, "after: %q is no flag", f)
	}
}

func noAtom(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]`, r) }

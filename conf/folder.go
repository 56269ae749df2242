package conf

import (
	"slices"
	"strings"
)

// A Folder says which folders of an IMAP maildrop are collected from: one by its name, several by a pattern
// with * and %, or those of a use (RFC 6154), whatever their names: \Junk, \Archive. A pattern spares copies
// (\All, \Flagged, \Important), \Drafts, \Sent, \Trash and \Junk.
type Folder struct {
	At Where `json:"-"`

	Name    string
	To      []string // whom mail of it is for; nil: as the maildrop says
	Exclude bool     // it is not meant by patterns and uses
}

// Named returns folders by their names, patterns and uses.
func Named(names ...string) (all []Folder) {
	for _, n := range names {
		all = append(all, Folder{Name: n})
	}
	return all
}

// Wide says whether it may stand for several folders.
func (f *Folder) Wide() bool {
	return strings.ContainsAny(f.Name, "*%") || strings.HasPrefix(f.Name, `\`)
}

const maxFolder = 1000 // octets; the longest real ones have 255

// roles are the uses of a folder that servers know by themselves (RFC 6154, 2; RFC 8457).
var roles = []string{`\All`, `\Archive`, `\Drafts`, `\Flagged`, `\Important`, `\Junk`, `\Sent`, `\Trash`}

// folders checks what is collected from.
func (v *validator) folders(m *Maildrop) {
	if m.Protocol == "pop3" && m.Idle > 0 {
		v.fail(m.At.Of("idle"), "remove it, or use imap", "idle: a POP3 server cannot say when mail comes")
	}
	if m.Protocol == "pop3" && !m.Compress {
		v.fail(m.At.Of("compress"), "remove it, or use imap", "compress: POP3 has no compression")
	}
	if m.Protocol == "pop3" && len(m.Folders) > 0 {
		v.fail(m.At.Of("folders"), "remove it, or use imap", "folders: POP3 has none")
	}
	if m.Protocol == "pop3" && len(m.Search.Keys) > 0 {
		v.fail(m.At.Of("search"), "remove it, or use imap", "search: a POP3 server cannot search")
	}
	if len(m.Folders) > 1000 {
		v.fail(m.At.Of("folders"), "use patterns", "folders: more than 1000")
		return
	}
	wide, some, before := false, len(m.Folders) == 0, map[string]bool{}
	for i := range m.Folders {
		f := &m.Folders[i]
		v.folder(f, before)
		some = some || !f.Exclude
		wide = wide || f.Wide() && !f.Exclude
	}
	for _, f := range m.Folders {
		if f.Exclude && !wide {
			v.fail(f.At.Self, `add a pattern such as "*", or remove it`,
				"folders: there is nothing that %q could be excluded from", f.Name)
		}
	}
	if !some {
		v.fail(m.At.Of("folders"), `add e.g. "*"`, "folders: none is left")
	}
}

// folder checks one entry; before are the names before it.
func (v *validator) folder(f *Folder, before map[string]bool) {
	at := f.At.Of("name")
	if f.Exclude {
		at = f.At.Of("exclude")
	}
	switch {
	case f.Name == "":
		v.fail(at, "write the name of a folder", "folders: a name is missing")
		return
	case strings.ContainsFunc(f.Name, control):
		v.fail(at, "remove it", "folders: %q has a control character inside", f.Name)
	case len(f.Name) > maxFolder:
		v.fail(at, "write a pattern", "folders: a name is longer than %d octets", maxFolder)
	case f.Name[0] == '\\' && !slices.Contains(roles, f.Name):
		v.fail(at, "write one of: "+strings.Join(roles, ", "), "folders: %s is no use of a folder", f.Name)
	}
	if before[folderKey(f.Name)] {
		v.fail(at, "remove one", "folders: %q is named twice", f.Name)
	}
	before[folderKey(f.Name)] = true
	for _, a := range f.To {
		v.address(f.At, "to", a)
	}
}

// sameFolder compares folder names; only INBOX is blind to case (RFC 9051, 5.1).
func sameFolder(a, b string) bool {
	return a == b || strings.EqualFold(a, "INBOX") && strings.EqualFold(b, "INBOX")
}

// oneFolder is a folder's name in the one form by which what was collected from it is known.
func oneFolder(name string) string {
	if sameFolder(name, "INBOX") {
		return "INBOX"
	}
	return name
}

// addressed says whether each folder says whom its mail is for.
func (m *Maildrop) addressed() bool {
	return m.Protocol == "imap" && len(m.Folders) > 0 &&
		!slices.ContainsFunc(m.Folders, func(f Folder) bool { return !f.Exclude && len(f.To) == 0 })
}

// means says whether a maildrop may collect from the folder of that name; of a use nobody knows before.
func (m *Maildrop) means(name string) bool {
	hit := false
	for i := range m.Folders {
		f := &m.Folders[i]
		switch {
		case sameFolder(f.Name, name):
			return !f.Exclude
		case f.Wide() && like(f.Name, name):
			if f.Exclude {
				return false
			}
			hit = true
		}
	}
	return hit
}

// like says whether a name may fit a pattern, whatever separates the parts of a name.
func like(pattern, name string) bool {
	first, rest, wild := strings.Cut(strings.ReplaceAll(pattern, "%", "*"), "*")
	if !wild {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, first)
	for ok && rest != "" {
		var part string
		part, rest, wild = strings.Cut(rest, "*")
		if !wild {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if ok = i >= 0; ok {
			name = name[i+len(part):]
		}
	}
	return ok
}

package conf

import (
	"slices"
	"strings"
)

// shared are the maildrops of one account, of which each collects from other folders. Their number may be whatever people who
// write rows like, so that names of folders are looked up, and only patterns are compared with all.
type shared struct {
	drops []*Maildrop    // of the configuration
	named map[string]int // by the name of a folder: the one that has it
	plain []int          // those that have names alone
	wide  []int          // the others
	asked int            // how many others there were, those included that collide
}

// mostWide bounds how many may have patterns for one account: each is compared with all.
const mostWide = 50

// wide says whether folders are meant that are not named.
func (m *Maildrop) wide() bool {
	return slices.ContainsFunc(m.Folders, func(f Folder) bool { return f.Exclude || f.Wide() })
}

// folderKey is the name of a folder in one form: only INBOX is blind to case (RFC 9051, 5.1).
func folderKey(name string) string {
	if strings.EqualFold(name, "INBOX") {
		return "INBOX"
	}
	return name
}

// many says whether m is one too many with patterns.
func (s *shared) many(m *Maildrop) bool {
	if m.wide() {
		s.asked++
	}
	return s.asked > mostWide && m.wide()
}

// first is the earliest one that collects from a folder of m too.
func (s *shared) first(m *Maildrop) (folder string, first *Maildrop, both bool) {
	candidates := slices.Clone(s.wide)
	switch {
	case m.Protocol != "imap" || m.wide():
		candidates = append(candidates, s.plain...)
	default:
		for _, f := range m.Folders {
			if i, taken := s.named[folderKey(f.Name)]; taken {
				candidates = append(candidates, i)
			}
		}
	}
	slices.Sort(candidates)
	for _, i := range candidates {
		if folder, both := overlap(s.drops[i], m); both {
			return folder, s.drops[i], true
		}
	}
	return "", nil, false
}

// add takes in the i-th maildrop.
func (s *shared) add(i int) {
	m := s.drops[i]
	if m.wide() {
		s.wide = append(s.wide, i)
		return
	}
	s.plain = append(s.plain, i)
	if s.named == nil {
		s.named = map[string]int{}
	}
	for _, f := range m.Folders {
		if _, taken := s.named[folderKey(f.Name)]; !taken {
			s.named[folderKey(f.Name)] = i
		}
	}
}

// overlap says whether two entries for one account collect from the same folder. Of two patterns nobody knows.
func overlap(first, second *Maildrop) (folder string, both bool) {
	if first.Protocol != "imap" {
		return "", true
	}
	for _, pair := range [][2]*Maildrop{{first, second}, {second, first}} {
		for _, f := range pair[1].Folders {
			same := func(g Folder) bool { return !g.Exclude && g.Name == f.Name }
			switch {
			case f.Exclude:
			case !f.Wide() && pair[0].means(f.Name), f.Wide() && slices.ContainsFunc(pair[0].Folders, same):
				if strings.EqualFold(f.Name, "INBOX") {
					f.Name = "INBOX"
				}
				return ", folder " + f.Name + ",", true
			}
		}
	}
	return "", false
}

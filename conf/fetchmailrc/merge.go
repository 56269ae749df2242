package fetchmailrc

import "slices"

// merged fills in what the defaults entry says, as fetchmail does: options of which an entry says nothing, names where it
// has none, and a * in addition to its own.
func (p *parser) merged() (f File) {
	f.Set = p.set
	var d server
	if p.defaults != nil {
		d = *p.defaults
	}
	var common user
	if len(d.users) > 0 {
		common = d.users[len(d.users)-1]
	}
	words := 0
	for _, s := range p.servers {
		if len(s.users) == 0 {
			s.users = []user{{pos: s.pos}}
		}
		own := inherit(s.options, d.options)
		for _, u := range s.users {
			e := Entry{Pos: u.pos, Server: s.name, Skip: s.skip, Remote: u.remote, All: u.all || common.all}
			if e.Local = u.local; len(e.Local) == 0 {
				e.Local = common.local
			}
			if e.Remote == "" {
				e.Remote = common.remote
			}
			e.Options = append(slices.Clip(own), inherit(u.options, common.options)...)
			if words += size(&e); words > maxWords {
				p.fail(e.Pos, "split the file", "the maildrops have more than %d words", maxWords)
				return f
			}
			f.Entries = append(f.Entries, e)
		}
	}
	return f
}

// there is what it is called at the server.
func (n Name) there() string {
	if n.There != "" {
		return n.There
	}
	return n.Here
}

// inherit returns the options of an entry with those of the defaults that it does not have itself.
func inherit(own, common []Option) []Option {
	had := make(map[string]bool, len(own))
	for _, o := range own {
		had[o.Name] = true
	}
	all := slices.Clip(own)
	for _, o := range common {
		if !had[o.Name] && o.Name != "aka" { // which names one server
			all = append(all, o)
		}
	}
	return all
}

// size is how many words an entry has.
func size(e *Entry) int {
	n := 1 + len(e.Local) + len(e.Options)
	for i := range e.Options {
		n += len(e.Options[i].Args)
	}
	return n
}

package conf

import (
	"slices"
	"strings"

	"mailretr/relay/domain"
)

// A Route says where some mail goes. Of its conditions those that are written all have to hold; of the patterns of one
// condition one has to. Letters of either case are the same in addresses.
type Route struct {
	At Where `json:"-"`

	Recipient []string // user@domain, user@*, *@domain or *; the domain may be *.domain
	Sender    []string // of the envelope, in the same forms; <> is the null one
	Maildrop  []string // names, with * for any letters
	Folder    []string // of an IMAP maildrop, with * for any letters

	To   []string // names of destinations; no further route is asked
	Also []string // the same, and the next route is asked
}

// A Letter is what routes ask about one recipient of a message.
type Letter struct {
	Recipient, Sender string // addresses of the envelope
	Maildrop          string // "": it was not collected
	Folder            string // of an IMAP maildrop; "": of none
}

// A Hop is one destination of a letter.
type Hop struct {
	Destination string
	Route       *Route // nil: no route says so, but the maildrop's deliver, or that it is the first destination
}

// Hops returns the destinations of a letter, each once, and at least one as long as there is a destination: those of
// the first route with To whose conditions hold, or what the maildrop says; then those of the routes with Also before
// it. The sender hears from the first one.
func (c *Config) Hops(l Letter) []Hop {
	var to, also []Hop
	for i := range c.Routes {
		r := &c.Routes[i]
		if !r.means(l) {
			continue
		}
		also = hops(also, r.Also, r)
		if to = hops(to, r.To, r); len(to) > 0 {
			break
		}
	}
	if len(to) == 0 {
		to = hops(nil, c.usual(l.Maildrop), nil)
	}
	for _, h := range also {
		to = hops(to, []string{h.Destination}, h.Route)
	}
	return to
}

// hops adds destinations that are not there yet.
func hops(list []Hop, names []string, r *Route) []Hop {
	for _, name := range names {
		if !slices.ContainsFunc(list, func(h Hop) bool { return h.Destination == name }) {
			list = append(list, Hop{Destination: name, Route: r})
		}
	}
	return list
}

// usual is where mail of a maildrop goes that no route speaks of.
func (c *Config) usual(maildrop string) []string {
	if maildrop != "" {
		if m := c.Maildrop(maildrop); m != nil && m.Deliver != "" {
			return []string{m.Deliver}
		}
	}
	if len(c.Deliver) == 0 {
		return nil
	}
	return []string{c.Deliver[0].Name}
}

// means says whether all conditions hold.
func (r *Route) means(l Letter) bool {
	return holds(r.Recipient, l.Recipient, likeAddress) && holds(r.Sender, l.Sender, likeAddress) &&
		holds(r.Maildrop, l.Maildrop, likeName) && holds(r.Folder, l.Folder, likeFolder)
}

func holds(patterns []string, value string, like func(pattern, value string) bool) bool {
	for _, p := range patterns {
		if like(p, value) {
			return true
		}
	}
	return len(patterns) == 0
}

// likeName: what was not collected is of no maildrop, and of no folder.
func likeName(pattern, name string) bool { return name != "" && like(pattern, name) }

func likeFolder(pattern, name string) bool {
	return name != "" && (sameFolder(pattern, name) || like(pattern, name))
}

// likeAddress compares an address with a pattern, by the rules by which an Alias is looked up.
func likeAddress(pattern, address string) bool {
	if pattern == "*" || pattern == "<>" {
		return pattern == "*" || address == ""
	}
	user, of := split(pattern)
	u, d := split(address)
	return (user == "*" && u != "" || strings.EqualFold(user, u)) && (of == "*" && d != "" || of == d || domain.In(of, d))
}

// split cuts an address at its last at sign; without one all of it is the user.
func split(address string) (user, domain string) {
	if i := strings.LastIndexByte(address, '@'); i >= 0 {
		return address[:i], strings.ToLower(address[i+1:])
	}
	return address, ""
}

func (v *validator) routes() {
	end := Pos{}
	for i := range v.c.Routes {
		r := &v.c.Routes[i]
		if end != (Pos{}) {
			v.warn(r.At.Self, "write it before that one", "routes: never asked, since all mail goes by the one at %s", end)
		}
		if v.route(r); len(r.To) > 0 && r.open() {
			end = r.At.Self
		}
	}
}

// open says whether a route means all mail.
func (r *Route) open() bool {
	return len(r.Recipient)+len(r.Sender)+len(r.Maildrop)+len(r.Folder) == 0
}

func (v *validator) route(r *Route) {
	switch {
	case len(r.To) == 0 && len(r.Also) == 0:
		v.fail(r.At.Self, "write to: with the name of a destination", "routes: this one does not say where to")
	case len(r.To) > 0 && len(r.Also) > 0:
		v.fail(r.At.Of("also"), "write two routes, the one with also: first", "routes: to and also exclude each other")
	}
	v.named(r, "to", r.To)
	v.named(r, "also", r.Also)
	v.patterns(r.At, "recipient", r.Recipient)
	v.patterns(r.At, "sender", r.Sender)
	for _, p := range r.Maildrop {
		v.ofMaildrops(r, p)
	}
	for _, p := range r.Folder {
		if v.need(r.At, "folder", p, "write the name of a folder, or a pattern such as Lists/*") && p[0] == '\\' {
			v.fail(r.At.Of("folder"), "write its name", "folder: %q is the use of a folder, and says nothing here", p)
		}
	}
}

// named checks names of destinations.
func (v *validator) named(r *Route, key string, names []string) {
	for i, name := range names {
		if _, ok := v.c.Destination(name); !ok && len(v.c.Deliver) > 0 {
			v.fail(r.At.Of(key), "write one of: "+strings.Join(v.destinationNames(), ", "),
				"%s: there is no destination %q", key, name)
		}
		if slices.Contains(names[:i], name) {
			v.fail(r.At.Of(key), "write it once", "%s: %q is there twice", key, name)
		}
	}
}

func (v *validator) patterns(at Where, key string, patterns []string) {
	for _, p := range patterns {
		good := p == "*" || p == "<>" && key == "sender" || strings.EqualFold(p, "postmaster") || Alias{From: p}.sound()
		if v.clean(at, key, p) && !good {
			v.fail(at.Of(key), "write user@example.org, user@*, *@example.org, *@*.example.org, or *",
				"%s: %q is no address and no pattern of one", key, p)
		}
	}
}

// ofMaildrops checks a pattern of names. One that means no maildrop may be a typing mistake, or the maildrop comes later.
func (v *validator) ofMaildrops(r *Route, pattern string) {
	if !v.need(r.At, "maildrop", pattern, "write the name of a maildrop") {
		return
	}
	for i := range v.c.Maildrops {
		if likeName(pattern, v.c.Maildrops[i].Name) {
			return
		}
	}
	v.warn(r.At.Of("maildrop"), "write the name of a maildrop", "maildrop: %q means none of them", pattern)
}

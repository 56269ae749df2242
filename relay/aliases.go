package relay

import (
	"strings"

	"mailretr/relay/domain"
)

// An Alias says who gets the mail of an address. From is user@domain, user@* (in each domain of ours) or
// *@domain (each user that has no alias of his own); the domain may be *.domain, which stands for all below
// it. To are addresses; *@domain, for a From of that form, leaves the user as he is.
type Alias struct {
	From string
	To   []string
}

// Aliases are aliases as they are looked up: user@domain before user@*, that before
// *@domain, that before *@*.domain, the longest of these first. Letters of either case are the same. One
// alias does not lead to another. The zero value has none. Not changed after it was made, so safe for
// concurrent use.
type Aliases struct{ to map[string][]string }

// NewAliases makes them ready to be looked up. Where two have the same From, the last one counts.
func NewAliases(all []Alias) Aliases {
	a := Aliases{to: make(map[string][]string, len(all))}
	for _, x := range all {
		from := strings.ToLower(x.From)
		if at := strings.LastIndexByte(from, '@'); at >= 0 {
			from = from[:at+1] + domain.ALabels(from[at+1:])
		}
		a.to[from] = x.To
	}
	return a
}

// Of returns who gets the mail of local@of; ok is false where no alias says so. of is a domain in lower case; ours says
// that it is one of our domains, which is what user@* asks for.
func (a Aliases) Of(local, of string, ours bool) (to []string, ok bool) {
	if len(a.to) == 0 {
		return nil, false
	}
	user, name := strings.ToLower(local), domain.ALabels(of)
	if to, ok = a.to[user+"@"+name]; ok {
		return to, true
	}
	if to, ok = a.to[user+"@*"]; ok && ours {
		return to, true
	}
	pattern := name
	for {
		if to, ok = a.to["*@"+pattern]; ok {
			break
		}
		_, above, more := strings.Cut(strings.TrimPrefix(pattern, "*."), ".")
		if !more {
			return nil, false
		}
		pattern = "*." + above
	}
	kept := make([]string, len(to))
	for i, x := range to {
		kept[i] = x
		if rest, ok := strings.CutPrefix(x, "*@"); ok {
			kept[i] = local + "@" + rest
		}
	}
	return kept, true
}

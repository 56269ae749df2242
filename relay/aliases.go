package relay

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
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
			from = from[:at+1] + ascii(from[at+1:])
		}
		a.to[from] = x.To
	}
	return a
}

// Of returns who gets the mail of local@domain; ok is false where no alias says so. domain is in lower case; ours says
// that it is one of our domains, which is what user@* asks for.
func (a Aliases) Of(local, domain string, ours bool) (to []string, ok bool) {
	if len(a.to) == 0 {
		return nil, false
	}
	user, domain := strings.ToLower(local), ascii(domain)
	if to, ok = a.to[user+"@"+domain]; ok {
		return to, true
	}
	if to, ok = a.to[user+"@*"]; ok && ours {
		return to, true
	}
	pattern := domain
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

// ascii returns the form of a domain in which all its spellings are the same: that of RFC 5891 where it is
// internationalised, which is how it stands in a header of before RFC 6532, and in the DNS. "*." in front stays. One that
// cannot be written in it is compared as it is.
func ascii(domain string) string {
	if strings.IndexFunc(domain, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return domain
	}
	name, below := strings.CutPrefix(domain, "*.")
	a, err := idna.Lookup.ToASCII(name)
	switch {
	case err != nil:
		return domain
	case below:
		return "*." + a
	}
	return a
}

// InDomain says whether a domain is the one that is meant, or lies below *.domain. Both are in lower case, and
// internationalised ones the same in either form.
func InDomain(pattern, domain string) bool {
	pattern, domain = ascii(pattern), ascii(domain)
	if below, ok := strings.CutPrefix(pattern, "*"); ok {
		return len(domain) > len(below) && strings.HasSuffix(domain, below)
	}
	return domain != "" && domain == pattern
}

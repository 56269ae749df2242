package signin

import (
	"slices"
	"strings"
)

// plain is a name as names are compared: A to Z as a to z. Nothing more is alike: some databases take an é for an e, but
// these are two owners.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

// among says whether a name is in a list.
func among(name string, list []string) bool {
	return slices.ContainsFunc(list, func(one string) bool { return plain(one) == plain(name) })
}

// addressed is a name with its domain: its own, which has to be one of these, or the first of them. Without domains it is
// the name. ok: it may sign in.
func addressed(name string, domains []string) (owner string, ok bool) {
	_, domain, has := strings.Cut(name, "@")
	switch {
	case len(domains) == 0:
		return plain(name), true
	case !has:
		return plain(name + "@" + domains[0]), true
	}
	return plain(name), among(domain, domains)
}

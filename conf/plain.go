package conf

import (
	"slices"
	"strings"
)

// PlainName is a name of somebody as names are compared, of owners and of who signs in: A to Z as a to z. Nothing more is
// alike: some databases take an é for an e, and there are letters that only look so, but these are two people.
func PlainName(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

// NamedIn says whether a name is in a list, as names are compared.
func NamedIn(name string, list []string) bool {
	return slices.ContainsFunc(list, func(one string) bool { return PlainName(one) == PlainName(name) })
}

// NamesAdmin says whether admins: has this name, however it is written.
func (w *Web) NamesAdmin(name string) bool { return NamedIn(name, w.Admins) }

// AdminElsewhere says whether somebody whom a place of SignIn lets in is an admin by his name alone. One of Users is one by the
// password that is written with him: else whoever gets a mailbox of that name somewhere would be one too.
func (w *Web) AdminElsewhere(name string) bool {
	return w.NamesAdmin(name) && !slices.ContainsFunc(w.Users, func(u WebUser) bool { return PlainName(u.Name) == PlainName(name) })
}

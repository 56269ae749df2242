package conf

import (
	"reflect"
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

// Parted says who, of those whom one configuration has let in, another one does not let in as before: everybody, where the places
// that know passwords, who speaks for browsers, admins, or for how long one is let in are others; else the names of users who are
// gone, new, or have another password or other things that they own.
func (w *Web) Parted(o *Web) (all bool, names []string) {
	a, b := w.Proxy, o.Proxy
	a.At, b.At = Where{}, Where{}
	if !reflect.DeepEqual(a, b) || !slices.Equal(w.Admins, o.Admins) || w.Session != o.Session || w.Network != o.Network ||
		!slices.EqualFunc(w.SignIn, o.SignIn, SignIn.same) || (len(w.Users) > 0) != (len(o.Users) > 0) {
		return true, nil
	}
	for _, x := range [2][2][]WebUser{{w.Users, o.Users}, {o.Users, w.Users}} {
		for _, u := range x[0] {
			if !slices.ContainsFunc(x[1], u.same) && !slices.Contains(names, u.Name) {
				names = append(names, u.Name)
			}
		}
	}
	return false, names
}

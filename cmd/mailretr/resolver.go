package main

import (
	"context"
	"slices"
	"strings"

	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/store/mail"
)

// resolverOf says who mail is for, and which recipients are asked about before anything is collected: those that the
// configuration itself names. Of a map they may be many, and one wrong one should not stop the others.
func resolverOf(m *conf.Maildrop) (func(context.Context, *mail.Message) error, []mail.Path) {
	x := m.Multidrop
	if x == nil {
		var to []mail.Path
		for _, a := range m.To {
			to = append(to, mail.Path(a))
		}
		return fetch.Single{To: to, Sender: m.Sender}.Resolve, to
	}
	var check []mail.Path
	if x.Otherwise != "" {
		check = []mail.Path{mail.Path(x.Otherwise)}
	}
	d := fetch.Multi{
		Prefixes: x.StripPrefix, Local: x.Domains, Otherwise: mail.Path(x.Otherwise), Sender: m.Sender,
		Map: fetch.NewAliases(aliasesOf(x)),
	}
	for _, e := range x.Envelope {
		d.Fields = append(d.Fields, fetch.Field{Name: e.Field, Nth: e.Nth, All: e.All, By: e.By})
	}
	return d.Resolve, check
}

func aliasesOf(x *conf.Multidrop) []fetch.Alias {
	all := make([]fetch.Alias, len(x.Map))
	for i, a := range x.Map {
		all[i] = fetch.Alias{From: a.From, To: a.To}
	}
	return all
}

// configured says whether the configuration itself names this recipient. A refusal of such a one is a mistake of ours, and
// no sender's.
func configured(m *conf.Maildrop, p mail.Path) bool {
	same := func(a string) bool { return strings.EqualFold(a, string(p)) }
	x := m.Multidrop
	return slices.ContainsFunc(m.To, same) || x != nil && p != "" && (same(x.Otherwise) ||
		slices.ContainsFunc(x.Map, func(a conf.Alias) bool { return slices.ContainsFunc(a.To, same) }))
}

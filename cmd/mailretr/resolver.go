package main

import (
	"context"
	"slices"
	"strings"

	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/store/mail"
)

// resolve says who the mail of a drop is for, and which recipients are asked about before anything is
// collected: those that the configuration itself names. Of a map they may be many, and one wrong one should
// not stop the others.
func resolve(d *fetch.Drop, m *conf.Maildrop) {
	resolveAll(d, m)
	d.Resolve = ofFolder(m.Sender, d.Resolve)
	for _, f := range m.Folders {
		d.Check = append(d.Check, paths(f.To)...)
	}
	d.Check = slices.Compact(slices.Sorted(slices.Values(d.Check))) // a copy: others have the order
}

// A resolver fills the envelope of a message.
type resolver func(context.Context, *mail.Message) error

// ofFolder: mail of a folder that says whom it is for is for nobody else.
func ofFolder(sender string, others resolver) resolver {
	return func(ctx context.Context, m *mail.Message) error {
		if len(m.To) == 0 {
			return others(ctx, m)
		}
		return fetch.Single{To: m.To, Sender: sender}.Resolve(ctx, m)
	}
}

func paths(all []string) (to []mail.Path) {
	for _, a := range all {
		to = append(to, mail.Path(a))
	}
	return to
}

// resolveAll is for mail of folders that say nothing of their own.
func resolveAll(d *fetch.Drop, m *conf.Maildrop) {
	if m.Multidrop == nil {
		d.Check = paths(m.To)
		d.Resolve = fetch.Single{To: d.Check, Sender: m.Sender}.Resolve
		return
	}
	if a := m.Multidrop.Otherwise; a != "" {
		d.Check = []mail.Path{mail.Path(a)}
	}
	multi := multiOf(m)
	if d.Resolve = multi.Resolve; multi.Copies.Name != "" {
		d.Identity = multi.Identity
	}
}

func multiOf(m *conf.Maildrop) fetch.Multi {
	x := m.Multidrop
	d := fetch.Multi{
		Prefixes: x.StripPrefix, Local: x.Domains, Otherwise: mail.Path(x.Otherwise), Sender: m.Sender,
		Map: fetch.NewAliases(aliasesOf(x)), Copies: fieldOf(x.Copies),
	}
	for _, e := range x.Envelope {
		d.Fields = append(d.Fields, fieldOf(e))
	}
	return d
}

func fieldOf(e conf.Envelope) fetch.Field {
	return fetch.Field{Name: e.Field, Nth: e.Nth, All: e.All, By: e.By}
}

func aliasesOf(x *conf.Multidrop) []fetch.Alias {
	all := make([]fetch.Alias, len(x.Map))
	for i, a := range x.Map {
		all[i] = fetch.Alias{From: a.From, To: a.To}
	}
	return all
}

// configured says whether the configuration itself names this recipient. A refusal of such a one is a mistake
// of ours, and no sender's.
func configured(m *conf.Maildrop, p mail.Path) bool {
	same := func(a string) bool { return strings.EqualFold(a, string(p)) }
	x := m.Multidrop
	ofFolder := func(f conf.Folder) bool { return slices.ContainsFunc(f.To, same) }
	return slices.ContainsFunc(m.To, same) || slices.ContainsFunc(m.Folders, ofFolder) ||
		x != nil && p != "" && (same(x.Otherwise) ||
			slices.ContainsFunc(x.Map, func(a conf.Alias) bool { return slices.ContainsFunc(a.To, same) }))
}

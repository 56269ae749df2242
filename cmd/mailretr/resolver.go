package main

import (
	"context"
	"slices"

	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/relay"
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
		Map: relay.NewAliases(aliasesOf(x.Map)), Copies: fieldOf(x.Copies),
	}
	for _, e := range x.Envelope {
		d.Fields = append(d.Fields, fieldOf(e))
	}
	return d
}

func fieldOf(e conf.Envelope) fetch.Field {
	return fetch.Field{Name: e.Field, Nth: e.Nth, All: e.All, By: e.By}
}

func aliasesOf(list []conf.Alias) []relay.Alias {
	all := make([]relay.Alias, len(list))
	for i, a := range list {
		all[i] = relay.Alias{From: a.From, To: a.To}
	}
	return all
}

// ownRecipient says whether the configuration itself names this recipient, or one that is rewritten to him. A refusal of
// such a one is a mistake of ours, and no sender's.
func (h *house) ownRecipient(ctx context.Context, m *conf.Maildrop, o mail.Origin, p mail.Path) bool {
	same := func(a string) bool {
		some, err := h.rewritten(ctx, o, mail.Recipient{Forward: mail.Path(a)})
		return a != "" && (p.Same(mail.Path(a)) ||
			err == nil && slices.ContainsFunc(some, func(r mail.Recipient) bool { return p.Same(r.Forward) }))
	}
	x := m.Multidrop
	ofFolder := func(f conf.Folder) bool { return slices.ContainsFunc(f.To, same) }
	return slices.ContainsFunc(m.To, same) || slices.ContainsFunc(m.Folders, ofFolder) ||
		x != nil && (same(x.Otherwise) ||
			slices.ContainsFunc(x.Map, func(a conf.Alias) bool { return slices.ContainsFunc(a.To, same) })) ||
		h.mapped(p)
}

// mapped says whether the map of rewrite: names this recipient.
func (h *house) mapped(p mail.Path) bool {
	return slices.ContainsFunc(h.config.Load().Rewrite.Map, func(a conf.Alias) bool {
		return slices.ContainsFunc(a.To, func(to string) bool { return p.Same(mail.Path(to)) })
	})
}

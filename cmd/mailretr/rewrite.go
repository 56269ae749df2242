package main

import (
	"context"
	"errors"
	"strings"

	"mailretr/conf"
	"mailretr/relay"
	"mailretr/store/mail"
)

// rewritten says who gets the mail of a recipient.
func (h *house) rewritten(ctx context.Context, o mail.Origin, r mail.Recipient) ([]mail.Recipient, error) {
	ctx, cancel := context.WithTimeout(ctx, rewriteTime)
	defer cancel()
	return h.rewrite.Load().Rewrite(ctx, folderOf(h.config.Load(), o), r)
}

// rewriterOf rewrites by what a configuration says, and by what these say where it says nothing.
func rewriterOf(c *conf.Config, others relay.Tables) *relay.Rewriter {
	r := &c.Rewrite
	w := &relay.Rewriter{Strip: r.Strip, Folder: r.Folder, Mark: r.Mark}
	if len(r.Map) > 0 {
		others = append(relay.Tables{relay.NewAliases(aliasesOf(r.Map))}, others...)
	}
	if len(others) > 0 {
		w.Table = others
	}
	return w
}

// circular are the aliases of rewrite: that lead nowhere, found by following each. Nobody else is asked.
func circular(ctx context.Context, c *conf.Config) (list []conf.Problem) {
	w := rewriterOf(c, nil)
	for _, a := range c.Rewrite.Map {
		_, err := w.Rewrite(ctx, "", mail.Recipient{Forward: example(a.From)})
		hint := "let it lead to an address of which nothing is said, or to itself"
		switch {
		case err == nil:
			continue
		case errors.Is(err, relay.ErrWide), errors.Is(err, relay.ErrLong):
			hint = "write where it leads to in the end"
		}
		list = append(list, conf.Problem{Pos: a.At, Text: "map: " + err.Error(), Hint: hint})
	}
	return list
}

// example is an address for which an alias is meant.
func example(from string) mail.Path {
	i := strings.LastIndexByte(from, '@')
	user, domain := from[:max(i, 0)], from[i+1:]
	if user == "*" {
		user = "anybody"
	}
	if domain == "*" {
		domain = "any.invalid"
	}
	if below, wide := strings.CutPrefix(domain, "*."); wide {
		domain = "any." + below
	}
	return mail.Path(user + "@" + domain)
}

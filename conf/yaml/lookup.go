package yaml

import (
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// lookupKinds are the tables of the kinds of lookups.
var lookupKinds = map[string][]option[conf.Lookup]{
	"mysql": asksSQL, "postgres": asksSQL, "sqlite": asksSQL, "ldap": asksLDAP,
}

var asksSQL = slices.Concat([]option[conf.Lookup]{
	dsn("It needs the right to SELECT and no other.", func(l *conf.Lookup) *conf.Secret { return &l.DSN }),
	text("query", "Its one column has the addresses that get the mail, one on each row, or several with commas; no row: nothing is "+
		"said of the address. :address is that, in lower case, and stands without quotes. Required.",
		"SELECT goto FROM alias WHERE address = :address AND active = 1", func(l *conf.Lookup) *string { return &l.Query }),
}, looked)

var asksLDAP = slices.Concat(directoryAt(func(l *conf.Lookup) *conf.LDAP { return l.LDAP }), []option[conf.Lookup]{
	value("filter", "Which entries are meant (RFC 4515), with {address}, {user} and {domain}, in lower case. Required.",
		`"(mailAlternativeAddress={address})"`, func(l *conf.Lookup) *string { return &l.LDAP.Filter }, parseFilter,
		func(v string) string { return v }),
	list("result", "The attributes whose values are the addresses that get the mail. Required.", "mail",
		func(l *conf.Lookup) *[]string { return &l.Result }),
}, looked)

// looked are the options of every lookup.
var looked = []option[conf.Lookup]{
	{
		key: "domains", example: "[example.org]", off: true,
		doc: "Addresses in other domains are not asked about. Without it: all are.",
		read: func(d *decoder, n *yaml.Node, l *conf.Lookup) {
			for _, x := range d.texts(n, "domains") {
				l.Domains = append(l.Domains, strings.ToLower(strings.TrimPrefix(x, "@")))
			}
		},
		show: func(_ shower, l *conf.Lookup) *yaml.Node { return sequence(l.Domains) },
	},
	span("keep", "An answer is good for so long, and the next message does not ask again. 0: each asks.", "5m",
		func(l *conf.Lookup) *time.Duration { return &l.Keep }).rare(),
}

// lookups is the option of rewrite.
var lookups = option[conf.Rewrite]{
	key: "lookup", off: true, read: readLookups, show: showLookups,
	doc: "Databases and directories that are asked of an address of which the map says nothing, in this order, until one knows " +
		"it: - mysql: {dsn: …, query: …}, - postgres: …, - sqlite: …, - ldap: {url: …, filter: …, result: …}. While one cannot be " +
		"asked, mail stays where it is: nothing is collected for such an address, and a client of a listener is told to come " +
		"again.",
	explain: func(p *printer) {
		p.item().key("mysql", "")
		explain(&printer{w: p.w, indent: p.indent + "    ", off: p.off}, asksSQL)
		p.item().key("ldap", "")
		explain(&printer{w: p.w, indent: p.indent + "    ", off: p.off}, asksLDAP)
	},
}

// newLookup is one of a kind.
func newLookup(kind string) conf.Lookup {
	l := conf.DefaultLookup()
	if l.Kind = kind; kind == "ldap" {
		l.LDAP = &conf.LDAP{}
	}
	return l
}

func readLookups(d *decoder, n *yaml.Node, r *conf.Rewrite) {
	d.each(n, func(x *yaml.Node) {
		if x = d.follow(x); x == nil {
			return
		}
		if x.Kind != yaml.MappingNode || len(x.Content) != 2 {
			d.fail(x, "write - mysql: {dsn: …, query: …}", "lookup: one kind with its settings is wanted, not %s", kind(x))
			return
		}
		l := newLookup(x.Content[0].Value)
		l.At.Self = d.pos(x.Content[0])
		table := lookupKinds[l.Kind]
		if table == nil {
			d.fail(x.Content[0], "write one of: mysql, postgres, sqlite, ldap", "lookup: %q is not known", l.Kind)
			return
		}
		section(d, x.Content[1], table, &l, &l.At)
		r.Lookups = append(r.Lookups, l)
	})
}

func showLookups(s shower, r *conf.Rewrite) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range r.Lookups {
		l := &r.Lookups[i]
		base := newLookup(l.Kind)
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.MappingNode,
			Content: []*yaml.Node{scalar(l.Kind), mapping(s, lookupKinds[l.Kind], l, &base, l.At)}})
	}
	return n
}

package yaml

import (
	"errors"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// directoryAt are the options that say where a directory is, how to log in, and below which entry is looked.
func directoryAt[T any](f func(*T) *conf.LDAP) []option[T] {
	return []option[T]{
		{
			key: "url", example: "ldap://ldap.example.org",
			doc: "Where the directory is: ldaps://host, ldap://host (STARTTLS is required unless tls: none is written, or it " +
				"is this machine), or ldapi:///path/of/its/socket. Of a list, such as [ldaps://a.example.org, ldaps://b.example.org], " +
				"the first that can be used is asked: all of them have to hold the same. Required.",
			read: func(d *decoder, n *yaml.Node, v *T) {
				f(v).URL, f(v).Replicas = "", nil
				if all := d.texts(n, "url"); len(all) > 0 {
					f(v).URL, f(v).Replicas = all[0], all[1:]
				}
			},
			show: func(_ shower, v *T) *yaml.Node {
				if len(f(v).Replicas) == 0 {
					return scalar(f(v).URL)
				}
				return sequence(f(v).URLs())
			},
		},
		security(func(v *T) *conf.TLS { return &f(v).TLS }),
		value("bind", "The DN to log in as; or external, where the server knows us by the certificate of tls: or, on a socket, "+
			"by our user. Without it: nobody.", `"cn=mailretr,dc=example,dc=org"`,
			func(v *T) *string { return &f(v).Bind }, parseBind, func(v string) string { return v }).rare(),
		password(func(v *T) *conf.Secret { return &f(v).Password }, "{file: /etc/mailretr/ldap.pass}").rare(),
		value("base", "The entry at or below which is looked.", `"ou=mail,dc=example,dc=org"`,
			func(v *T) *string { return &f(v).Base }, parseDN, func(v string) string { return v }),
		text("scope", "sub (below it), one (right below it) or base (itself).", "sub",
			func(v *T) *string { return &f(v).Scope }).rare(),
	}
}

// directory is the table of a source in an LDAP directory.
var directory = slices.Concat(directoryAt(func(s *conf.Source) *conf.LDAP { return s.LDAP }), []option[conf.Source]{
	text("preset", "A schema that is known: mailretr (our own: mailretr ldap schema; it is meant where nothing is said of attributes), "+
		"fetchmail, univention or zimbra.",
		"mailretr", func(s *conf.Source) *string { return &s.LDAP.Preset }),
	value("filter", "Which entries hold maildrops (RFC 4515), where no preset says it, or instead of what it says.",
		`"(objectClass=mailUser)"`, func(s *conf.Source) *string { return &s.LDAP.Filter }, parseFilter,
		func(v string) string { return v }).rare(),
	{
		key: "attributes", example: "{host: isp, user: uid, password: ispPassword, recipient: [mail, ../mail]}", off: true,
		doc: "Which attribute says what, by the names that the columns of a query have: id, name, active, protocol, host, " +
			"port, tls, user, password, password_encoding, folders, keep, interval, recipient, deliver. Of a list, the first " +
			"that the entry has; ../mail is the attribute mail of the entry above. Where no name is said, parts of the DN are it.",
		read: readAttributes,
		show: func(_ shower, s *conf.Source) *yaml.Node {
			return byColumn(s.LDAP.Attributes, func(v []string) *yaml.Node {
				if len(v) == 1 {
					return scalar(v[0])
				}
				return sequence(v)
			})
		},
	},
	{
		key: "values", example: "{host: imap.isp.example, protocol: imap}", off: true,
		doc: "What is meant where an entry does not say it, by the same names.",
		read: func(d *decoder, n *yaml.Node, s *conf.Source) {
			s.LDAP.Values = map[string]string{}
			columns(d, n, "values", func(column string, v *yaml.Node) { s.LDAP.Values[column] = d.text(v, column) })
		},
		show: func(_ shower, s *conf.Source) *yaml.Node { return byColumn(s.LDAP.Values, scalar) },
	},
}, asked())

func parseBind(s string) (string, error) {
	if s == conf.External {
		return s, nil
	}
	return parseDN(s)
}

func parseDN(s string) (string, error) {
	if _, err := ldap.ParseDN(s); err != nil {
		return "", errors.New("it is no DN such as ou=mail,dc=example,dc=org")
	}
	return s, nil
}

func parseFilter(s string) (string, error) {
	if _, err := ldap.CompileFilter(s); err != nil {
		return "", errors.New("it is no filter such as (objectClass=mailUser): " +
			strings.TrimPrefix(err.Error(), `LDAP Result Code 201 "Filter Compile Error": ldap: `))
	}
	return s, nil
}

func readAttributes(d *decoder, n *yaml.Node, s *conf.Source) {
	s.LDAP.Attributes = map[string][]string{}
	columns(d, n, "attributes", func(column string, v *yaml.Node) { s.LDAP.Attributes[column] = d.texts(v, column) })
}

// columns reads a mapping whose keys are names of columns.
func columns(d *decoder, n *yaml.Node, key string, f func(column string, v *yaml.Node)) {
	if n = d.follow(n); n == nil || null(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, "write "+key+": {host: …, user: …}", "%s: names are wanted here, not %s", key, kind(n))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		switch {
		case !slices.Contains(conf.Columns, k.Value):
			d.fail(k, suggest(k.Value, conf.Columns, nil), "%s: %q is not known", key, k.Value)
		case seen[k.Value]:
			d.fail(k, "write it once", "%s: %s is there twice", key, k.Value)
		default:
			f(k.Value, n.Content[i+1])
		}
		seen[k.Value] = true
	}
}

// byColumn writes such a mapping, in the order of conf.Columns.
func byColumn[V any](all map[string]V, show func(V) *yaml.Node) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	for _, column := range conf.Columns {
		if v, ok := all[column]; ok {
			n.Content = append(n.Content, scalar(column), show(v))
		}
	}
	return n
}

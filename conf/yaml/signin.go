package yaml

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// signInKinds are the tables of the places that know passwords.
var signInKinds = map[string][]option[conf.SignIn]{
	"imap": signInIMAP, "ldap": signInLDAP, "mysql": signInSQL, "postgres": signInSQL, "sqlite": signInSQL,
}

var signInIMAP = []option[conf.SignIn]{
	{
		key: "url", off: true, example: "imap://localhost",
		doc: "imap or imaps, the host, and the port if it is not the usual one. On imap STARTTLS is required, except on this machine.",
		read: func(d *decoder, n *yaml.Node, s *conf.SignIn) {
			if u := d.text(n, "url"); u != "" {
				if err := s.IMAP.SetURL(u); err != nil {
					d.fail(n, "write it as imap://localhost", "url: %v", err)
				}
			}
		},
		show: func(_ shower, s *conf.SignIn) *yaml.Node { return scalar(s.IMAP.URL()) },
	},
	list("domains", "The domains of names. A name without one belongs to the first; one with another is refused, which matters "+
		"where the server does not look at the domain.", "[example.org]",
		func(s *conf.SignIn) *[]string { return &s.IMAP.Domains }).rare(),
	security(func(s *conf.SignIn) *conf.TLS { return &s.IMAP.TLS }).rare(),
}

var signInLDAP = slices.Concat(directoryAt(func(s *conf.SignIn) *conf.LDAP { return &s.LDAP.LDAP }), []option[conf.SignIn]{
	value("filter", "Finds the entry of a user, whose name as it was typed is {user} (RFC 4515). As this entry one then logs in "+
		"with the password.", `"(&(objectClass=person)(mail={user}))"`, func(s *conf.SignIn) *string { return &s.LDAP.Filter },
		parseUserFilter, func(v string) string { return v }).rare(),
	text("name", "The attribute that says who it is.", "mail", func(s *conf.SignIn) *string { return &s.LDAP.Name }).rare(),
	text("owner", "The attribute whose values say what the person owns. Without it: name.", "mailAlternateAddress",
		func(s *conf.SignIn) *string { return &s.LDAP.Owner }).rare(),
	value("admin", "A filter that fits the entries of those who see and change everything.",
		`"(memberOf=cn=mailadmins,ou=groups,dc=example,dc=org)"`, func(s *conf.SignIn) *string { return &s.LDAP.Admin },
		parseFilter, func(v string) string { return v }).rare(),
})

// parseUserFilter reads a filter with a place for a name.
func parseUserFilter(s string) (string, error) {
	if _, err := parseFilter(strings.ReplaceAll(s, "{user}", "x")); err != nil {
		return "", err
	}
	return s, nil
}

var signInSQL = []option[conf.SignIn]{
	{
		key: "dsn", off: true, example: "{file: /etc/mailretr/dsn}",
		doc:  "Where the database is and how to log in, as below sources. It needs the right to SELECT and no other.",
		read: func(d *decoder, n *yaml.Node, s *conf.SignIn) { readSecret(d, n, "dsn", &s.SQL.DSN) },
		show: func(_ shower, s *conf.SignIn) *yaml.Node { return showSecret(s.SQL.DSN) },
	},
	text("query", "Finds the rows of a user, whose name as it was typed is :user. Its columns are named (AS) user and password; "+
		"also owner, what the person owns, if that is not the name, with commas or in several rows; and admin, which is "+
		"true for who sees and changes everything.",
		"SELECT username AS user, password FROM mailbox WHERE username = :user AND active = 1",
		func(s *conf.SignIn) *string { return &s.SQL.Query }).rare(),
	text("scheme", "Of passwords that have none in braces before them: "+strings.Join(conf.SignInSchemes, ", ")+". Without it: "+
		"those that begin with $ say themselves what they are.", "PLAIN",
		func(s *conf.SignIn) *string { return &s.SQL.Scheme }).rare(),
}

// signIns is the list of them.
var signIns = option[conf.Web]{
	key: "sign_in", off: true,
	doc: "Who else knows the passwords of those who sign in; they are asked in this order, after users. - imap: {url: …}: who can " +
		"log in there owns what is his address. - ldap: {url: …, filter: …}: the same by a bind. - mysql: {dsn: …, query: " +
		"…}, - postgres, - sqlite: who is in a table.",
	read: readSignIns, show: showSignIns,
	explain: func(p *printer) {
		for _, kind := range []string{"imap", "ldap", "mysql"} {
			p.item().key(kind, "")
			explain(&printer{w: p.w, indent: p.indent + "    ", off: p.off}, signInKinds[kind])
		}
	},
}

const signInHint = "write - imap: {url: imap://localhost}, - ldap: {url: …, filter: …}, or - mysql: {dsn: …, query: …}"

func readSignIns(d *decoder, n *yaml.Node, w *conf.Web) {
	d.each(n, func(x *yaml.Node) {
		if x = d.follow(x); x == nil {
			return
		}
		if x.Kind != yaml.MappingNode || len(x.Content) != 2 {
			d.fail(x, signInHint, "sign_in: one kind with its settings is wanted, not %s", kind(x))
			return
		}
		s := conf.SignIn{Kind: x.Content[0].Value}
		s.At.Self = d.pos(x.Content[0])
		table := signInKinds[s.Kind]
		switch s.Kind {
		case "imap":
			s.IMAP = &conf.SignInIMAP{}
		case "ldap":
			s.LDAP = &conf.SignInLDAP{}
		case "mysql", "postgres", "sqlite":
			s.SQL = &conf.SignInSQL{}
		default:
			d.fail(x.Content[0], signInHint, "sign_in: %q is not known", s.Kind)
			return
		}
		section(d, x.Content[1], table, &s, &s.At)
		w.SignIn = append(w.SignIn, s)
	})
}

func showSignIns(sh shower, w *conf.Web) *yaml.Node {
	if len(w.SignIn) == 0 {
		return nil
	}
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range w.SignIn {
		s := &w.SignIn[i]
		base := conf.SignIn{IMAP: &conf.SignInIMAP{}, LDAP: &conf.SignInLDAP{}, SQL: &conf.SignInSQL{}}
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.MappingNode,
			Content: []*yaml.Node{scalar(s.Kind), mapping(sh, signInKinds[s.Kind], s, &base, s.At)}})
	}
	return n
}

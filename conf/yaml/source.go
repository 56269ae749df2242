package yaml

import (
	"slices"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"

	"mailretr/conf"
)

// sourceKinds are the tables of the kinds of sources that are asked for rows.
var sourceKinds = map[string][]option[conf.Source]{
	"mysql": sql, "postgres": sql, "sqlite": sql, "ldap": directory,
}

// ofKind gives a source what sources of its kind have.
func ofKind(s *conf.Source) {
	if s.Kind == "ldap" {
		s.LDAP = &conf.LDAP{}
	} else if s.Asked() {
		s.SQL = &conf.SQL{}
	}
}

// asked are the options of every such source.
func asked() []option[conf.Source] {
	return []option[conf.Source]{
		text("name", "A name for status, logs and commands. Without it: the kind.", "panel",
			func(s *conf.Source) *string { return &s.Name }).rare(),
		span("every", "Time between two looks. What has changed takes effect at once then, without a restart, and no other "+
			"maildrop is disturbed.", "1m", func(s *conf.Source) *time.Duration { return &s.Every }),
		reachOfSource, ownersOf,
		value("first", "What to do at first contact with the mail that is already there: all, new, or an age such as 30d.",
			"all", func(s *conf.Source) *conf.First { return &s.First }, conf.ParseFirst, conf.First.String).rare(),
		text("deliver", "The destination, for rows that name none. Without it: the first.", "default",
			func(s *conf.Source) *string { return &s.Deliver }).rare(),
		list("destinations", "Which destinations rows may name in deliver, besides that: who writes rows is often nobody who may say "+
			"where mail goes. Without it: none.", "[default]", func(s *conf.Source) *[]string { return &s.Destinations }).rare(),
		{
			key: "key", example: "{file: /etc/mailretr/rows.key}", off: true,
			doc: "Opens passwords that begin with enc: (see mailretr secret encrypt); in the forms of a password: the base64 " +
				"of 32 octets, as openssl rand -base64 32 makes it.",
			read: func(d *decoder, n *yaml.Node, s *conf.Source) { readSecret(d, n, "key", &s.Key) },
			show: func(_ shower, s *conf.Source) *yaml.Node { return showSecret(s.Key) },
		},
	}
}

// sql is the table of a source in a database.
var sql = slices.Concat([]option[conf.Source]{
	dsn("It needs the right to SELECT and no other, unless status or write_back is written.",
		func(s *conf.Source) *conf.Secret { return &s.SQL.DSN }),
	text("preset", "A table that is known: "+presetNames+".", "postfixadmin",
		func(s *conf.Source) *string { return &s.SQL.Preset }),
	text("query", "Instead of a preset: a query whose columns are named (AS) id, name, active, protocol (imap or pop3), host, "+
		"port, tls (implicit, starttls or none), user, password, password_encoding (plain, base64 or enc), folders, keep, "+
		"interval (seconds), recipient, owner, deliver. host, user, password and recipient are needed. Of a column that may be "+
		"very long it takes the beginning, as LEFT(host, 4097): a row above 16 MB (PostgreSQL, SQLite), an answer above 256 MB (MySQL) is not read.",
		"SELECT …", func(s *conf.Source) *string { return &s.SQL.Query }).rare(),
	text("version", "A query for a value that changes when rows do, so that they are not read each time, e.g. SELECT "+
		"COUNT(*), MAX(modified) FROM accounts. Without it they are.", "SELECT …",
		func(s *conf.Source) *string { return &s.SQL.Version }).rare(),
	text("changed", "The query once more, for the rows that changed alone: with WHERE modified > :since, where :since is the "+
		"greatest value of the column version of some minutes ago. Both queries have that column then (modified AS version): "+
		"a number, a time, or a text that grows. All rows are read once an hour all the same, and when some are gone.",
		"SELECT … > :since", func(s *conf.Source) *string { return &s.SQL.Changed }).rare(),
	{
		key: "server", doc: "Of ispconfig: only the rows of this server_id.", example: "1", off: true,
		read: func(d *decoder, n *yaml.Node, s *conf.Source) { d.number(n, "server", &s.SQL.Server) },
		show: func(_ shower, s *conf.Source) *yaml.Node {
			if s.SQL.Server == 0 {
				return nil
			}
			return bare(strconv.Itoa(s.SQL.Server), "!!int")
		},
	},
	value("status", "Of which maildrops is written how they are, into a table mailretr_status in this database that "+
		"mailretr sql schema makes: none; own, those whose rows stand here; all. It needs the rights to SELECT, INSERT, UPDATE "+
		"and DELETE on that table. With all, preset and query may be left out: then nothing is read.", "none",
		func(s *conf.Source) *conf.Mirroring { return &s.SQL.Status }, conf.ParseMirroring, conf.Mirroring.String).rare(),
	truth("write_back", "Write it into the columns too in which the users of the panel look: date and returned_text of "+
		"postfixadmin, last_check and error of mailu, last_run, returned_text, success and exit_status of mailcow; those that "+
		"are there. It needs the right to UPDATE these.", "false",
		func(s *conf.Source) *bool { return &s.SQL.WriteBack }).rare(),
}, asked())

// dsn is the option that says where a database is.
func dsn[T any](rights string, f func(*T) *conf.Secret) option[T] {
	return option[T]{
		key: "dsn", example: "{file: /etc/mailretr/dsn}",
		doc: "Where the database is and how to log in, in the forms of a password. mysql: " +
			"user:password@tcp(host:3306)/database, or user:password@unix(/path)/database; postgres: " +
			"postgres://user:password@host/database; sqlite: the path of its file, which is only read. " + rights + " Required.",
		read: func(d *decoder, n *yaml.Node, v *T) { readSecret(d, n, "dsn", f(v)) },
		show: func(_ shower, v *T) *yaml.Node { return showSecret(*f(v)) },
	}
}

const presetNames = "postfixadmin (its table fetchmail), mailu, mailcow, ispconfig, or mailretr (our own: mailretr sql schema)"

var sources = option[conf.Config]{
	key: "sources", adds: true, off: true,
	doc: "Other places that hold maildrops, beside files: - yaml: /path, and databases: - mysql: {dsn: …, preset: …}, " +
		"- postgres: …, - sqlite: …, and directories: - ldap: {url: …, base: …, preset: …}. Files come first, then " +
		"the sources in this order, and of one source the rows that were there first: of two maildrops that cannot both be, the " +
		"later one is left out, and its status says why. While a source is away, or has suddenly less than half " +
		"of its rows, its last good set goes on.",
	read: readSources, show: showSources,
	explain: func(p *printer) {
		p.item().key("yaml", "/etc/mailretr/more.yaml")
		p.item().key("mysql", "")
		explain(&printer{w: p.w, indent: p.indent + "    ", off: p.off}, sql)
		p.item().key("ldap", "")
		explain(&printer{w: p.w, indent: p.indent + "    ", off: p.off}, directory)
	},
}

func readSources(d *decoder, n *yaml.Node, c *conf.Config) {
	d.each(n, func(x *yaml.Node) {
		if x = d.follow(x); x == nil {
			return
		}
		if x.Kind != yaml.MappingNode || len(x.Content) != 2 {
			d.fail(x, "write - yaml: /path, or - mysql: {dsn: …, preset: …}",
				"sources: one kind with its settings is wanted, not %s", kind(x))
			return
		}
		s := conf.DefaultSource()
		s.Kind = x.Content[0].Value
		s.At.Self = d.pos(x.Content[0])
		table := sourceKinds[s.Kind]
		switch {
		case s.Kind == "yaml":
			s.Path = d.path(x.Content[1], "yaml")
		case table == nil:
			d.fail(x.Content[0], "write one of: yaml, mysql, postgres, sqlite, ldap", "sources: %q is not known", s.Kind)
			return
		default:
			ofKind(&s)
			section(d, x.Content[1], table, &s, &s.At)
		}
		c.Sources = append(c.Sources, s)
	})
}

func showSources(sh shower, c *conf.Config) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range c.Sources {
		s := &c.Sources[i]
		value := scalar(s.Path)
		if s.Asked() {
			base := conf.DefaultSource()
			base.Kind = s.Kind
			ofKind(&base)
			value = mapping(sh, sourceKinds[s.Kind], s, &base, s.At)
		}
		n.Content = append(n.Content, &yaml.Node{
			Kind: yaml.MappingNode, Content: []*yaml.Node{scalar(s.Kind), value},
		})
	}
	return n
}

package conf

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A Source is another place that configuration comes from: a file, or a database that is asked again and again.
type Source struct {
	At Where `json:"-"`

	Kind string // yaml, mysql, postgres, sqlite, ldap
	Path string // of yaml

	// Of all that are no files.

	Name    string        // for status, logs and commands; the kind, where none is written
	Every   time.Duration // between two looks
	First   First         // of maildrops that are new
	Reach   Reach         // which servers rows may name
	Owners  *Owners       // what one owner of rows may have; nil: no limit
	Key     Secret        // opens passwords that begin with enc:
	Deliver string        // name of a destination, for rows that name none
	// Destinations are those that rows may name besides Deliver: they are often written by people who have no say in where mail
	// goes, and some destinations are programs. nil: none.
	Destinations []string

	SQL  *SQL  // of mysql, postgres and sqlite
	LDAP *LDAP // of ldap
}

// SQL says how a database is asked for maildrops.
type SQL struct {
	DSN     Secret // where it is, and how to log in; of sqlite the path of a file
	Preset  string // the name of a table that people have; "": Query
	Query   string // its columns have the names of Columns
	Version string // a query for one value that changes with the rows; "": they are looked at each time
	Changed string // a query as Query, for the rows whose version is later than Since; "": all are read
	Server  int    // of ispconfig: only rows of this server_id; 0: of all

	Status    Mirroring // what is written into the table mailretr_status
	WriteBack bool      // into the columns that the table of the preset has for it, too
}

// Since is what stands for the version in the query SQL.Changed.
const Since = ":since"

// DefaultSource returns a source in which nothing was written yet.
func DefaultSource() Source { return Source{Every: time.Minute} }

// Asked says whether it is asked for rows, as opposed to a file that is read with the others.
func (s *Source) Asked() bool { return s.Kind != "yaml" }

// complete fills in what was not written; its name is one that none of those before it has.
func (s *Source) complete(before []Source) {
	if s.LDAP != nil {
		s.LDAP.own()
		s.LDAP.complete(s.At)
	}
	defer s.completeOwners()
	if s.Name != "" || !s.Asked() {
		return
	}
	taken := func(name string) bool {
		return slices.ContainsFunc(before, func(b Source) bool { return b.Name == name })
	}
	s.Name = s.Kind
	for n := 2; taken(s.Name); n++ {
		s.Name = fmt.Sprintf("%s-%d", s.Kind, n)
	}
}

// Asked returns the sources that are asked for rows.
func (c *Config) Asked() (all []*Source) {
	for i := range c.Sources {
		if c.Sources[i].Asked() {
			all = append(all, &c.Sources[i])
		}
	}
	return all
}

const (
	leastEvery = 5 * time.Second
	mostEvery  = 24 * time.Hour
)

func (v *validator) sources() {
	names := map[string]Pos{}
	for i := range v.c.Sources {
		s := &v.c.Sources[i]
		switch {
		case s.Asked():
			v.asked(s)
			if first, twice := names[s.Name]; twice {
				v.fail(s.At.Of("name"), "give it another name", "name: source %q is already at %s", s.Name, first)
			}
			names[s.Name] = s.At.Of("name")
		case v.need(s.At, "yaml", s.Path, "write the path of a file") && s.Path[0] != '/':
			v.fail(s.At.Self, "write an absolute path", "sources: %q does not begin with /", s.Path)
		}
	}
}

// asked checks a source of rows.
func (v *validator) asked(s *Source) {
	v.name(s.At, "name", s.Name)
	v.span(s.At, "every", s.Every, leastEvery, mostEvery)
	if s.First.Mode == FirstSince {
		v.span(s.At, "first", s.First.Within, time.Hour, 100*365*24*time.Hour)
	}
	v.reach(&s.Reach)
	v.owners(s.Owners)
	v.secret(s.At, "key", s.Key)
	if _, ok := v.c.Destination(s.Deliver); s.Deliver != "" && !ok && len(v.c.Deliver) > 0 {
		v.fail(s.At.Of("deliver"), "write one of: "+strings.Join(v.destinationNames(), ", "),
			"deliver: there is no destination %q", s.Deliver)
	}
	for _, d := range s.Destinations {
		if _, ok := v.c.Destination(d); !ok && len(v.c.Deliver) > 0 {
			v.fail(s.At.Of("destinations"), "write some of: "+strings.Join(v.destinationNames(), ", "),
				"destinations: there is no destination %q", d)
		}
	}
	if s.SQL != nil {
		v.sql(s)
	}
	if s.LDAP != nil {
		v.ldap(s)
	}
}

// Tables are the presets: tables that are known, by the kinds of databases in which they are found.
var Tables = map[string][]string{
	"postfixadmin": {"mysql", "postgres", "sqlite"},
	"mailu":        {"mysql", "postgres", "sqlite"},
	"mailcow":      {"mysql"},
	"ispconfig":    {"mysql"},
	"mailretr":     {"mysql", "postgres", "sqlite"},
}

func (v *validator) sql(s *Source) {
	q := s.SQL
	v.dsn(s.At, q.DSN)
	kinds, known := Tables[q.Preset]
	switch {
	case q.Preset == "" && q.Query == "" && q.Version == "" && q.Status == MirrorAll: // it has no rows, and gets some
	case q.Preset == "" && q.Query == "":
		v.fail(s.At.Of("query"), "write preset: mailretr, or query: SELECT … with columns named "+strings.Join(Columns, ", "),
			"neither preset nor query is written")
	case q.Preset != "" && (q.Query != "" || q.Version != "" || q.Changed != ""):
		v.fail(s.At.Of("query"), "remove one of them", "preset excludes query, version and changed: it has its own")
	case q.Preset != "" && !known:
		v.fail(s.At.Of("preset"), "write one of: "+strings.Join(tablesOf(s.Kind), ", "), "preset: %q is not known", q.Preset)
	case q.Preset != "" && !slices.Contains(kinds, s.Kind):
		v.fail(s.At.Of("preset"), "write one of: "+strings.Join(tablesOf(s.Kind), ", "),
			"preset: %s is not a table of %s", q.Preset, s.Kind)
	}
	if q.Changed != "" && !strings.Contains(q.Changed, Since) {
		v.fail(s.At.Of("changed"), "write e.g. WHERE modified > "+Since, "changed: it has no %s, so that it would find all rows", Since)
	}
	v.mirrored(s)
	if s.At.Has("server") {
		v.number(s.At, "server", int64(q.Server), 1, 1<<31-1)
		if q.Preset != "ispconfig" {
			v.fail(s.At.Of("server"), "remove it", "server excludes every preset but ispconfig")
		}
	}
}

func (v *validator) dsn(at Where, dsn Secret) {
	v.secret(at, "dsn", dsn)
	if !dsn.Given() {
		v.fail(at.Of("dsn"), "write dsn: {file: /etc/mailretr/dsn}", "dsn is missing")
	}
}

// tablesOf are the presets of one kind of database.
func tablesOf(kind string) (names []string) {
	for name, kinds := range Tables {
		if slices.Contains(kinds, kind) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Same says whether two sources are asked in the same way.
func (s *Source) Same(o *Source) bool {
	a, b := *s, *o
	if a.SQL != nil && b.SQL != nil {
		p, q := *a.SQL, *b.SQL
		if !p.DSN.Equal(q.DSN) {
			return false
		}
		p.DSN, q.DSN = Secret{}, Secret{}
		a.SQL, b.SQL = &p, &q
	}
	if a.LDAP != nil && b.LDAP != nil {
		if !a.LDAP.same(b.LDAP) {
			return false
		}
		a.LDAP, b.LDAP = nil, nil
	}
	same := a.Key.Equal(b.Key)
	a.At, b.At, a.Key, b.Key = Where{}, Where{}, Secret{}, Secret{}
	a.Reach.At, b.Reach.At = Where{}, Where{}
	if a.Owners != nil && b.Owners != nil {
		x, y := *a.Owners, *b.Owners
		x.At, y.At = Where{}, Where{}
		a.Owners, b.Owners = &x, &y
	}
	return same && reflect.DeepEqual(a, b)
}

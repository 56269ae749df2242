package conf

import (
	"slices"
	"strings"
	"time"
)

// A Lookup is a database or a directory that is asked who gets the mail of an address instead, where the map of rewrite:
// says nothing of it.
type Lookup struct {
	At Where `json:"-"`

	Kind    string        // mysql, postgres, sqlite, ldap
	Domains []string      // lower case; addresses in others are not asked about. None: all are
	Keep    time.Duration // an answer is good for so long

	DSN   Secret // of a database: where it is, and how to log in; of sqlite the path of a file
	Query string // with :address; its one column has addresses, one or several with commas

	LDAP   *LDAP    // of ldap; its Filter has {address}, {user} or {domain}
	Result []string // attributes whose values are addresses
}

// DefaultLookup returns one in which nothing was written yet.
func DefaultLookup() Lookup { return Lookup{Keep: 5 * time.Minute} }

// Same says whether two are asked in the same way, and their answers kept for as long.
func (l *Lookup) Same(o *Lookup) bool {
	if l.LDAP != nil && o.LDAP != nil && !l.LDAP.same(o.LDAP) || (l.LDAP == nil) != (o.LDAP == nil) {
		return false
	}
	return l.Kind == o.Kind && l.Keep == o.Keep && l.DSN.Equal(o.DSN) && l.Query == o.Query &&
		slices.Equal(l.Domains, o.Domains) && slices.Equal(l.Result, o.Result)
}

func (v *validator) lookup(l *Lookup) {
	v.domains(l.At, "domains", l.Domains)
	v.span(l.At, "keep", l.Keep, 0, 24*time.Hour)
	if l.LDAP == nil {
		v.dsn(l.At, l.DSN)
		example := "write e.g. SELECT goto FROM alias WHERE address = :address"
		if v.need(l.At, "query", l.Query, example) && !strings.Contains(l.Query, ":address") {
			v.fail(l.At.Of("query"), example, "query: it has no :address, and would find the same for everybody")
		}
		return
	}
	v.directory(l.At, l.LDAP)
	example := "write e.g. (mailAlternativeAddress={address})"
	if f := l.LDAP.Filter; v.need(l.At, "filter", f, example) &&
		!strings.Contains(f, "{address}") && !strings.Contains(f, "{user}") && !strings.Contains(f, "{domain}") {
		v.fail(l.At.Of("filter"), example, "filter: it has no {address}, and would find the same for everybody")
	}
	if len(l.Result) == 0 {
		v.fail(l.At.Of("result"), "write result: mail", "result is missing")
	}
	for _, a := range l.Result {
		if !attributeSyntax(a) {
			v.fail(l.At.Of("result"), "write the name of an attribute", "result: %q is none", a)
		}
	}
}

package conf

import (
	"errors"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A SignIn is a place that knows the passwords of those who use the pages, beside Web.Users. The places are asked in
// their order, after the users.
type SignIn struct {
	At Where `json:"-"`

	Kind string // imap, ldap, mysql, postgres, sqlite
	IMAP *SignInIMAP
	LDAP *SignInLDAP
	SQL  *SignInSQL
}

// SignInIMAP lets in who can log in at an IMAP server.
type SignInIMAP struct {
	Secure  bool // imaps: TLS from the first octet
	Host    string
	Port    int
	TLS     TLS
	Domains []string // of names; nil: whatever is typed
}

// SignInLDAP lets in who can log in at a directory.
type SignInLDAP struct {
	LDAP         // its Filter finds the entry of {user}
	Name  string // the attribute that says who it is
	Owner string // that says what is his; "": Name
	Admin string // a filter that fits the entries of admins; "": none
}

// SignInSQL lets in who is in a table with a password.
type SignInSQL struct {
	DSN    Secret // where it is, and how to log in; of sqlite the path of a file
	Query  string // with :user; its columns are user, password, owner and admin, of which the first two are needed
	Scheme string // of passwords that have none in braces before them; "": they say themselves what they are
}

// SignInSchemes are what may be written for SignInSQL.Scheme, in capitals or not.
var SignInSchemes = []string{
	"ARGON2ID", "BLF-CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "MD5-CRYPT", "CRYPT", "PBKDF2", "SCRAM-SHA-256",
	"SSHA512", "SSHA256", "SSHA", "SHA512", "SHA256", "SHA", "PLAIN",
}

// SetURL reads where the server is: imap or imaps, "://", a host and a port.
func (i *SignInIMAP) SetURL(s string) error {
	at, user, path, err := parseURL(s, "")
	switch {
	case err != nil:
		return err
	case at.protocol != "imap":
		return errors.New("it does not begin with imap:// or imaps://")
	case user != "":
		return errors.New("a user does not belong into it: whoever signs in is one")
	case strings.Trim(path, "/") != "":
		return errors.New("nothing may follow the host and port")
	}
	i.Secure, i.Host, i.Port = at.secure, at.host, at.port
	return nil
}

// URL is what SetURL reads; "" where it is not known.
func (i *SignInIMAP) URL() string {
	if i.Host == "" {
		return ""
	}
	m := Maildrop{Protocol: "imap", Secure: i.Secure, Host: i.Host, Port: i.Port}
	return m.URL()
}

// Address is host:port.
func (i *SignInIMAP) Address() string { return net.JoinHostPort(i.Host, strconv.Itoa(i.Port)) }

// complete secures the connection, if it leaves this machine.
func (s *SignIn) complete() {
	if s.LDAP != nil {
		s.LDAP.complete(s.At)
		if s.LDAP.Name == "" {
			s.LDAP.Name = "mail"
		}
	}
	if s.IMAP == nil {
		return
	}
	t := &s.IMAP.TLS
	t.At.inherit(s.At, "tls")
	switch {
	case t.Mode != ModeDefault:
	case s.IMAP.Secure:
		t.Mode = ModeImplicit
	case Loopback(s.IMAP.Host):
		t.Mode = ModeNone
	default:
		t.Mode = ModeStartTLS
	}
}

func (v *validator) signIn(s *SignIn) {
	switch {
	case s.IMAP != nil:
		v.signInIMAP(s.At, s.IMAP)
	case s.LDAP != nil:
		v.signInLDAP(s.At, s.LDAP)
	case s.SQL != nil:
		v.signInSQL(s.At, s.SQL)
	}
}

func (v *validator) signInLDAP(at Where, l *SignInLDAP) {
	v.directory(at, &l.LDAP)
	if l.TLS.Mode == ModeNone && !l.inside() {
		v.fail(at.Of("tls"), "remove tls: none", "tls: none would send the passwords of all across the network in clear text")
	}
	example := "write e.g. (&(objectClass=person)(mail={user}))"
	if v.need(at, "filter", l.Filter, example) && !strings.Contains(l.Filter, "{user}") {
		v.fail(at.Of("filter"), example, "filter: it has no {user}, and would find the same for everybody")
	}
	for _, x := range []struct{ key, name string }{{"name", l.Name}, {"owner", l.Owner}} {
		if x.name != "" && !attributeSyntax(x.name) {
			v.fail(at.Of(x.key), "write its name, e.g. mail", "%s: %q is no attribute", x.key, x.name)
		}
	}
}

func (v *validator) signInIMAP(at Where, i *SignInIMAP) {
	if v.need(at, "url", i.Host, "write url: imap://localhost") {
		v.host(at, "url", i.Host)
		v.number(at, "url", int64(i.Port), 1, 65535)
	}
	v.tls(&i.TLS)
	if i.Secure != (i.TLS.Mode == ModeImplicit) {
		v.fail(at.Of("tls"), "write imaps:// for TLS from the first octet, imap:// else", "tls: %s contradicts the url", i.TLS.Mode)
	}
	if i.TLS.Mode == ModeNone && i.Host != "" && !Loopback(i.Host) {
		v.fail(at.Of("tls"), "remove tls: none", "tls: none would send the passwords of all across the network in clear text")
	}
	for _, d := range i.Domains {
		if !hostSyntax(d) {
			v.fail(at.Of("domains"), "write e.g. example.org", "domains: %q is no domain", d)
		}
	}
}

func (v *validator) signInSQL(at Where, q *SignInSQL) {
	v.secret(at, "dsn", q.DSN)
	if !q.DSN.Given() {
		v.fail(at.Of("dsn"), "write dsn: {file: /etc/mailretr/dsn}", "dsn is missing")
	}
	example := "write e.g. SELECT username AS user, password FROM mailbox WHERE username = :user"
	if v.need(at, "query", q.Query, example) && !strings.Contains(q.Query, ":user") {
		v.fail(at.Of("query"), example, "query: it has no :user, and would find the same for everybody")
	}
	if q.Scheme != "" && !slices.Contains(SignInSchemes, strings.ToUpper(q.Scheme)) {
		v.fail(at.Of("scheme"), "write one of: "+strings.Join(SignInSchemes, ", "), "scheme: %q is not known", q.Scheme)
	}
}

// same says whether two places are asked in the same way.
func (s SignIn) same(o SignIn) bool {
	a, b := s, o
	a.At, b.At = Where{}, Where{}
	if a.SQL != nil && b.SQL != nil {
		p, q := *a.SQL, *b.SQL
		if !p.DSN.Equal(q.DSN) {
			return false
		}
		p.DSN, q.DSN = Secret{}, Secret{}
		a.SQL, b.SQL = &p, &q
	}
	if a.LDAP != nil && b.LDAP != nil {
		p, q := *a.LDAP, *b.LDAP
		if !p.LDAP.same(&q.LDAP) {
			return false
		}
		p.LDAP, q.LDAP = LDAP{}, LDAP{}
		a.LDAP, b.LDAP = &p, &q
	}
	if a.IMAP != nil && b.IMAP != nil {
		p, q := *a.IMAP, *b.IMAP
		p.TLS.At, q.TLS.At = Where{}, Where{}
		a.IMAP, b.IMAP = &p, &q
	}
	return reflect.DeepEqual(a, b)
}

package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"mailretr/cmd/mailretr/signin"
	"mailretr/conf"
	"mailretr/conf/ldap"
	"mailretr/conf/sql"
	"mailretr/relay/wire"
)

// Who knows the passwords of those who use the pages.

// A knowing kind makes such a place. What is to be closed may be nil.
type knowing func(*conf.SignIn) (signin.Checker, io.Closer, error)

var knowers = map[string]knowing{
	"imap": newIMAPSignIn, "ldap": newLDAPSignIn, "mysql": newSQLSignIn, "postgres": newSQLSignIn, "sqlite": newSQLSignIn,
}

func newIMAPSignIn(s *conf.SignIn) (signin.Checker, io.Closer, error) {
	dial := wire.Options{Address: s.IMAP.Address(), TLS: tlsOf(&s.IMAP.TLS)}
	dial.TLS.Classic = classic(&s.IMAP.TLS, false)
	return &signin.IMAP{Dial: dial, Domains: s.IMAP.Domains}, nil, nil
}

func newLDAPSignIn(s *conf.SignIn) (signin.Checker, io.Closer, error) {
	l := s.LDAP
	owner := cmp.Or(l.Owner, l.Name)
	names := append([]string{l.Name, owner}, signin.LDAPChanged...)
	door := &ldap.Door{LDAP: l.LDAP, Names: names, Marked: l.Admin, Dial: lineTo(&l.LDAP)}
	return &signin.LDAP{Login: door.Login, Look: door.Look, Name: strings.ToLower(l.Name), Owner: strings.ToLower(owner)}, nil, nil
}

func newSQLSignIn(s *conf.SignIn) (signin.Checker, io.Closer, error) {
	l, err := sql.NewLookup(s.Kind, s.SQL.DSN, s.SQL.Query, "user")
	if err != nil {
		return nil, nil, err
	}
	return signin.NewSQL(l.Find, s.SQL.Scheme), l, nil
}

// unknowing are the places of a configuration that cannot be asked.
func unknowing(c *conf.Config) (list []conf.Problem) {
	for i := range c.Web.SignIn {
		s := &c.Web.SignIn[i]
		if _, _, err := knowers[s.Kind](s); err != nil {
			list = append(list, conf.Problem{Pos: s.At.Of("query"), Severity: conf.Error, Text: fmt.Sprintf("query: %v", err),
				Hint: "write e.g. SELECT username AS user, password FROM mailbox WHERE username = :user"})
		}
	}
	return list
}

// A checker knows who may sign in by one configuration.
type checker struct {
	signin.Checker // nil: nobody has a password here
	open           []io.Closer
}

// close ends what it is connected to. Who is asking is told that nobody can say now.
func (c *checker) close() {
	for _, x := range c.open {
		// What a server says at the end of a connection helps nobody.
		_ = x.Close()
	}
}

// checkerOf makes the checker of a configuration: its users, then the places of sign_in.
func checkerOf(w *conf.Web) *checker {
	c := &checker{}
	var ends []signin.Checker
	if len(w.Users) > 0 {
		var users []signin.User
		for i := range w.Users {
			u := &w.Users[i]
			users = append(users, signin.User{Name: u.Name, Hash: u.Hash.Resolve, Owners: append([]string{u.Name}, u.Owns...),
				Admin: w.NamesAdmin(u.Name)})
		}
		ends = append(ends, signin.Named("users", signin.NewLocal(users)))
	}
	for i := range w.SignIn {
		s := &w.SignIn[i]
		end, open, err := knowers[s.Kind](s)
		if err != nil {
			continue // unknowing has told of it, and such a configuration is not used
		}
		ends = append(ends, signin.Named(s.Kind, end))
		if open != nil {
			c.open = append(c.open, open)
		}
	}
	if len(ends) > 0 {
		c.Checker = signin.NewGuard(ends...)
	}
	return c
}

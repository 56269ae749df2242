package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"mailretr/conf"
	"mailretr/conf/ldap"
	"mailretr/conf/sql"
	"mailretr/relay"
	"mailretr/relay/domain"
	"mailretr/store/mail"
)

// This file asks databases and directories who gets the mail of an address: lookup: of rewrite:.

// An addressBook is a database or a directory; see packages conf/sql and conf/ldap.
type addressBook interface {
	Ask(ctx context.Context, address string) ([]string, error)
	io.Closer
}

// lookupKinds are the kinds of lookups.
var lookupKinds = map[string]func(conf.Lookup) (addressBook, error){
	"mysql": askSQL, "postgres": askSQL, "sqlite": askSQL, "ldap": askLDAP,
}

func askLDAP(l conf.Lookup) (addressBook, error) { return ldap.NewTable(l, lineTo(l.LDAP)) }

func askSQL(l conf.Lookup) (addressBook, error) {
	q, err := sql.NewLookup(l.Kind, l.DSN, l.Query, "address")
	if err != nil {
		return nil, err
	}
	q.Longest = 64 << 10 // lists of addresses
	return column{q}, nil
}

// A column is a query of one column.
type column struct{ *sql.Lookup }

// Ask returns what stands in the column.
func (c column) Ask(ctx context.Context, address string) (list []string, err error) {
	rows, err := c.Find(ctx, strings.ToLower(address))
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if len(r) > 1 {
			return nil, errors.New("the query has several columns: the one with the addresses is wanted")
		}
		for _, v := range r {
			list = append(list, v)
		}
	}
	return list, nil
}

// unaskable are the lookups of a configuration that cannot be asked.
func unaskable(c *conf.Config) (list []conf.Problem) {
	for _, l := range c.Rewrite.Lookups {
		if _, err := lookupKinds[l.Kind](l); err != nil {
			list = append(list, conf.Problem{Pos: l.At.Of("query"), Severity: conf.Error, Text: fmt.Sprintf("query: %v", err),
				Hint: "write e.g. SELECT goto FROM alias WHERE address = :address"})
		}
	}
	return list
}

const (
	// lookupTime bounds one question.
	lookupTime = 5 * time.Second
	// rewriteTime bounds all that are asked for one recipient: he may stand for many.
	rewriteTime = 30 * time.Second
)

// lookups are the tables of a configuration. The zero value has none; safe for concurrent use.
type lookups struct {
	mu   sync.Mutex
	list []*lookup
}

// A lookup is one table that keeps its answers.
type lookup struct {
	relay.Kept
	conf conf.Lookup
	book addressBook
}

// set makes the tables of a configuration those in use: those that are as they were stay, with what they know, and those that
// are gone are closed.
func (s *lookups) set(all []conf.Lookup) relay.Tables {
	s.mu.Lock()
	defer s.mu.Unlock()
	var tables relay.Tables
	var list []*lookup
	for i := range all {
		j := slices.IndexFunc(s.list, func(l *lookup) bool { return l.conf.Same(&all[i]) && !slices.Contains(list, l) })
		if j >= 0 {
			list = append(list, s.list[j])
		} else {
			list = append(list, newLookup(all[i]))
		}
		tables = append(tables, list[i])
	}
	for _, l := range s.list {
		if !slices.Contains(list, l) {
			l.end()
		}
	}
	s.list = list
	return tables
}

func (s *lookups) close() { s.set(nil) }

func newLookup(c conf.Lookup) *lookup {
	l := &lookup{conf: c}
	a, err := lookupKinds[c.Kind](c)
	if err != nil {
		a = broken{err} // told when it is asked: mail waits then
	}
	l.book = a
	l.Kept = relay.Kept{Table: addresses{c, a}, Keep: c.Keep, Limit: lookupTime}
	return l
}

// end closes it, once nobody asks any more. What is asked after that makes a connection anew.
func (l *lookup) end() {
	go func() {
		// Nothing was written on that connection.
		_ = l.book.Close()
	}()
}

// broken cannot be asked.
type broken struct{ err error }

func (b broken) Ask(context.Context, string) ([]string, error) { return nil, b.err }
func (b broken) Close() error                                  { return nil }

// addresses makes addresses of what is said.
type addresses struct {
	conf conf.Lookup
	book addressBook
}

// Lookup asks, if the address is of one of the domains. What is no address is an error, with which mail waits: it was most
// likely meant to be one.
func (a addresses) Lookup(ctx context.Context, p mail.Path) (to []mail.Path, ok bool, err error) {
	of := a.conf.Domains
	if p.Domain() == "" || len(of) > 0 && !slices.ContainsFunc(of, func(d string) bool { return domain.In(d, p.Domain()) }) {
		return nil, false, nil
	}
	list, err := a.book.Ask(ctx, string(p))
	if err != nil {
		return nil, false, fmt.Errorf("lookup %s (%v): %w", a.conf.Kind, a.conf.At.Self, err)
	}
	for _, value := range list {
		for one := range strings.SplitSeq(value, ",") {
			if one = strings.TrimSpace(one); one == "" {
				continue
			}
			x := mail.Path(one)
			if err := x.Check(); err != nil || x.Domain() == "" {
				return nil, false, fmt.Errorf("lookup %s (%v) says %s, which is no address", a.conf.Kind, a.conf.At.Self,
					mail.Printable(one, 100))
			}
			to = append(to, x)
		}
	}
	return to, len(to) > 0, nil
}

// ready says whether the lookups can be asked about the mail of a maildrop: what is fetched for somebody whom nobody can name
// would cross the line for nothing.
func (h *house) ready(m *conf.Maildrop, check []mail.Path) func(context.Context) error {
	if x := m.Multidrop; x != nil { // who it is for stands in the mail
		check = slices.Clone(check)
		for _, d := range x.Domains {
			check = append(check, mail.Path("postmaster@"+strings.TrimPrefix(d, "*.")))
		}
	}
	return func(ctx context.Context) error {
		if len(h.config.Load().Rewrite.Lookups) == 0 {
			return nil
		}
		for _, to := range check {
			if _, err := h.rewritten(ctx, mail.Origin{Maildrop: m.Name}, mail.Recipient{Forward: to}); err != nil {
				return &mail.Trouble{Op: mail.OpQueue, Kind: mail.Local, Err: fmt.Errorf("who gets the mail of a recipient: %w", err),
					Hint: "See rewrite: in the configuration. Nothing was fetched, and it is tried again by itself."}
			}
		}
		return nil
	}
}

// askedLookups ask each lookup of an address that nobody has: `check --connect`.
func askedLookups(ctx context.Context, c *conf.Config) (found []connection) {
	for _, l := range c.Rewrite.Lookups {
		limited, cancel := context.WithTimeout(ctx, lookupTime)
		began := time.Now()
		x := connection{Kind: "lookup", Name: l.Kind, Server: l.At.Self.String(), Text: "answers"}
		one := newLookup(l)
		_, err := one.book.Ask(limited, "nobody@mailretr.invalid")
		cancel()
		one.end()
		if x.Took = time.Since(began); err != nil {
			x.Err = &mail.Trouble{Op: mail.OpConfig, Kind: mail.Local, Server: l.Kind, Err: err,
				Hint: "Check where it is, what is asked, and the rights of its user."}
		}
		found = append(found, x)
	}
	return found
}

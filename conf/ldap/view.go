package ldap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"mailretr/conf"
)

// timeLimit is what the server may take for a search, in seconds.
const timeLimit = 10

// errMany says that there is no end to what the server sends.
var errMany = fmt.Errorf("there are more than %d entries", conf.MaxRows)

// An entry is what is known of one, with the names of attributes in lower case. It is not changed.
type entry struct {
	dn     string
	values map[string][]string
	stamp  string // what says that it has changed; "": nothing does
	young  bool   // it may have changed since in the same second
	large  bool   // nothing else is known of it: it is too large
}

func entryOf(e *ldap.Entry) *entry {
	x := &entry{dn: e.DN, values: make(map[string][]string, len(e.Attributes))}
	for _, a := range e.Attributes {
		name := strings.ToLower(a.Name)
		x.values[name] = append(x.values[name], a.Values...)
	}
	_, x.large = x.values[spared]
	x.stamp = first(x.values["entrycsn"], x.values["modifytimestamp"])
	delete(x.values, "entrycsn")
	delete(x.values, "modifytimestamp")
	return x
}

func first(lists ...[]string) string {
	for _, l := range lists {
		if len(l) > 0 {
			return l[0]
		}
	}
	return ""
}

func (e *entry) same(o *entry) bool {
	return e == o || o != nil && e.dn == o.dn && maps.EqualFunc(e.values, o.values, slices.Equal)
}

// A view is a search whose result is kept, and brought up to date. A step that fails leaves it as it was.
type view struct {
	base   string
	scope  int
	filter string
	names  []string // the attributes

	entries map[string]*entry // by entryUUID with sync, by DN without
	cookie  []byte            // of sync
	from    string            // the URL of who has given it
	synced  bool              // the entries are those of sync
	listed  bool              // the server has sync, but not here, or not for us; asked again when all is read
}

// stamps are the attributes that say that an entry has changed.
var stamps = []string{"entryCSN", "modifyTimestamp"}

func (v *view) request(filter string, names []string) *ldap.SearchRequest {
	return &ldap.SearchRequest{BaseDN: v.base, Scope: v.scope, DerefAliases: ldap.NeverDerefAliases, TimeLimit: timeLimit,
		Filter: filter, Attributes: names}
}

// read reads all.
func (v *view) read(ctx context.Context, c *conn) error {
	if c.sync {
		_, err := v.synchronise(ctx, c, nil)
		if v.listed = unavailable(err); !v.listed {
			return err
		}
	}
	all, err := v.list(ctx, c, append(slices.Clone(v.names), stamps...))
	if err == nil {
		v.entries, v.synced, v.cookie = all, false, nil
	}
	return err
}

// refresh brings it up to date.
func (v *view) refresh(ctx context.Context, c *conn) (changed bool, err error) {
	switch sync := c.sync && !v.listed; {
	case v.synced != sync:
		return true, v.read(ctx, c) // another server, perhaps
	case sync && v.from != c.from: // what a cookie means is known to who has given it
		return v.synchronise(ctx, c, nil)
	case sync:
		return v.synchronise(ctx, c, v.cookie)
	}
	return v.compare(ctx, c)
}

// unavailable says that the server does not synchronise here.
func unavailable(err error) bool {
	return ldap.IsErrorAnyOf(err, ldap.LDAPResultUnavailableCriticalExtension, ldap.LDAPResultUnwillingToPerform,
		ldap.LDAPResultInsufficientAccessRights)
}

const pageSize = 500

// list searches, page by page. All entries have to come: a server that gives some only says so with an error.
func (v *view) list(ctx context.Context, c *conn, names []string) (map[string]*entry, error) {
	all := map[string]*entry{}
	page := ldap.NewControlPaging(pageSize)
	r := v.request(v.filter, names)
	r.Controls = []ldap.Control{page}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		found, err := c.Search(r)
		if err != nil {
			return nil, err
		}
		before := len(all)
		for _, e := range found.Entries {
			x := entryOf(e)
			all[x.dn] = x
		}
		more, ok := ldap.FindControl(found.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok || len(more.Cookie) == 0 {
			grow(all)
			return all, nil
		}
		if len(all) > conf.MaxRows {
			return nil, errMany
		}
		if len(all) == before && len(found.Entries) > 0 {
			return nil, errors.New("the server gives the same page again and again")
		}
		page.SetCookie(more.Cookie)
	}
}

// grow marks the entries that may change without a sign of it: modifyTimestamp counts in seconds.
func grow(all map[string]*entry) {
	latest := ""
	for _, e := range all {
		latest = max(latest, e.stamp)
	}
	for _, e := range all {
		e.young = e.stamp == latest && !strings.Contains(latest, "#") // an entryCSN has it
	}
}

// fewChanges is how many entries are read one by one.
const fewChanges = 100

// compare lists the stamps, and reads what has another one.
func (v *view) compare(ctx context.Context, c *conn) (changed bool, err error) {
	now, err := v.list(ctx, c, stamps)
	if err != nil {
		return false, err
	}
	var other []string
	for dn, e := range now {
		old := v.entries[dn]
		if old == nil || old.young || e.stamp == "" || old.stamp != e.stamp {
			other = append(other, dn)
			continue
		}
		now[dn] = old
	}
	changed = len(now) != len(v.entries) || len(other) > 0
	if len(other) > fewChanges {
		return true, v.read(ctx, c)
	}
	for _, dn := range other {
		stamp, young := now[dn].stamp, now[dn].young
		e, err := v.one(c, dn)
		switch {
		case err != nil:
			return false, err
		case e == nil:
			delete(now, dn)
			continue
		}
		if e.large {
			e.stamp = stamp // so that it is not read at each look
		}
		e.young = young && e.stamp == stamp && (v.entries[dn] == nil || v.entries[dn].stamp != stamp)
		now[dn] = e
	}
	v.entries = now
	return changed, nil
}

// one reads an entry; nil: it is gone, or no longer meant.
func (v *view) one(c *conn, dn string) (*entry, error) {
	r := v.request(v.filter, append(slices.Clone(v.names), stamps...))
	r.BaseDN, r.Scope = dn, ldap.ScopeBaseObject
	found, err := c.Search(r)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil, nil
	}
	if err != nil || len(found.Entries) == 0 {
		return nil, err
	}
	return entryOf(found.Entries[0]), nil
}

// Package ldap asks directories for maildrops (RFC 4511).
//
// It promises that it only reads, that what the server sends is bounded in time, size and number, that nothing an entry says
// ever becomes part of a filter or a DN, that a value which is too long or no text is named with its entry and attribute
// and harms no other, nor does an entry that is too large, and that no text of an error has the password. Referrals are not followed.
//
// What has changed is asked cheaply: by synchronisation (RFC 4533) where the server has it (OpenLDAP: the overlay syncprov),
// so that one changed entry costs the entry; else by a list of entryCSN or modifyTimestamp, after which only what has
// another one is read. Once an hour all is read.
//
// Persistent search (draft-ietf-ldapext-psearch, which never became an RFC) is not used where RFC 4533 is not offered. It tells
// nothing of what changed while nobody was connected, so that each new connection, and each restart, needs the list all the same; it
// is a question that is never answered, of which servers allow few, and which a firewall forgets without a word to anybody, so that
// it has to be doubted, and the list asked for, as often as a change has to be seen. The list is what is sure: some 140 octets of each
// entry at each look, every: apart, and the entries that have changed.
//
// It leaves what the columns mean to package conf, when to ask, and what an error changes, to package conf/source, and
// reaching a server, TLS included, to its [Dial]. Of several servers that hold the same, the first that can be used is asked; once
// an hour it is looked whether an earlier one is back.
//
// Any schema can be read, with a map from columns to attributes; for schemas that people have there are presets
// (conf.Schemas).
//
// [Table] asks a directory of one address.
// [Door] is another use of a directory: it proves the password of somebody by a bind.
//
// Read [Reader.Version] first.
package ldap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"mailretr/conf"
)

// fullEvery is how often all is read although less would do.
const fullEvery = time.Hour

// A Reader asks one directory. It is for one goroutine at a time, and keeps its connection until Close; what it knows of
// the entries it keeps beyond that.
type Reader struct {
	session
	schema conf.Schema
	preset string

	own    *view // the entries that hold maildrops
	above  *view // those above them that say something; nil: none does
	parent []string

	read    time.Time // when all was read
	rows    []*conf.Row
	version string
	stale   bool // the entries have changed since the rows were made

	Now func() time.Time // time.Now, but in tests
}

// scopeOf is the scope of a search (RFC 4511, 4.5.1.2).
func scopeOf(word string) int {
	switch word {
	case "one":
		return ldap.ScopeSingleLevel
	case "base":
		return ldap.ScopeBaseObject
	}
	return ldap.ScopeWholeSubtree
}

// New returns the reader of a source of kind ldap. It connects when it is first asked.
func New(s conf.Source, dial Dial) (*Reader, error) {
	if s.LDAP == nil {
		return nil, fmt.Errorf("%q is no kind of directory", s.Kind)
	}
	l := *s.LDAP
	r := &Reader{session: session{l: &l, dial: dial, bounds: bounds{spare: true}}, schema: l.Schema(), preset: l.Preset, Now: time.Now}
	if _, err := ldap.CompileFilter(r.schema.Filter); err != nil {
		return nil, fmt.Errorf("the filter %q: %w", r.schema.Filter, err)
	}
	var names []string
	for _, list := range r.schema.Attributes {
		for _, a := range list {
			if p, is := strings.CutPrefix(a, "../"); is {
				r.parent = append(r.parent, p)
			} else {
				names = append(names, a)
			}
		}
	}
	names = append(names, several[r.preset]...)
	r.own = &view{base: l.Base, scope: scopeOf(l.Scope), filter: r.schema.Filter, names: unique(names)}
	if r.parent = unique(r.parent); len(r.parent) > 0 {
		r.above = &view{base: l.Base, scope: ldap.ScopeWholeSubtree, filter: anyOf(r.parent), names: r.parent}
	}
	return r, nil
}

func unique(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// anyOf finds the entries that have one of these attributes.
func anyOf(names []string) string {
	f := ""
	for _, n := range names {
		f += "(" + n + "=*)"
	}
	return "(|" + f + ")"
}

func (r *Reader) whole() bool { return !r.read.IsZero() && r.Now().Sub(r.read) < fullEvery }

// Version asks what has changed since all was read, and returns a digest of what there is. "" says that all has to be read.
func (r *Reader) Version(ctx context.Context) (string, error) {
	if !r.whole() {
		return "", nil
	}
	err := r.ask(ctx, func(c *conn) error {
		for _, v := range []*view{r.own, r.above} {
			if v == nil {
				continue
			}
			changed, err := v.refresh(ctx, c)
			if err != nil {
				return err
			}
			r.stale = r.stale || changed
		}
		return nil
	})
	if err == nil && r.stale {
		r.make()
	}
	return r.version, err
}

// Rows yields what there is. All is read, unless that was done since the last hour and Version has kept it up to date.
func (r *Reader) Rows(ctx context.Context) iter.Seq2[*conf.Row, error] {
	return func(yield func(*conf.Row, error) bool) {
		if !r.whole() {
			if err := r.readAll(ctx); err != nil {
				yield(nil, err)
				return
			}
		}
		for _, row := range r.rows {
			copied := *row // the keeper may give it another ID
			if !yield(&copied, nil) {
				return
			}
		}
	}
}

func (r *Reader) readAll(ctx context.Context) error {
	r.home()
	err := r.ask(ctx, func(c *conn) error {
		if err := r.own.read(ctx, c); err != nil || r.above == nil {
			return err
		}
		return r.above.read(ctx, c)
	})
	if err != nil {
		return err
	}
	r.read = r.Now()
	r.make()
	return nil
}

// make makes rows of the entries, in the order of their DNs, and the version.
func (r *Reader) make() {
	r.rows, r.stale = nil, false
	above := map[string]*entry{}
	if r.above != nil {
		for _, e := range r.above.entries {
			above[strings.ToLower(e.dn)] = e
		}
	}
	list := slices.SortedFunc(maps.Values(r.own.entries), func(a, b *entry) int { return strings.Compare(a.dn, b.dn) })
	for _, e := range list {
		r.rows = append(r.rows, r.rowsOf(e, above[strings.ToLower(parentOf(e.dn))])...)
	}
	h := sha256.New()
	enc := json.NewEncoder(h)
	for _, row := range r.rows {
		// A hash takes everything.
		_ = enc.Encode([]any{row.ID, row.Columns, row.Wrong})
	}
	r.version = hex.EncodeToString(h.Sum(nil))
}

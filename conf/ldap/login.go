package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"mailretr/conf"
)

// Placeholder stands in a filter for the name that somebody typed.
const Placeholder = "{user}"

// A Door lets in who is in the directory and can log in there (RFC 4513, 5.1.3): the entry is looked for as the DN of
// LDAP.Bind, then its password is tried, on the same connection, which ends then. Safe for concurrent use.
type Door struct {
	LDAP   conf.LDAP // its Filter has the Placeholder; Preset, Attributes and Values are not looked at
	Names  []string  // attributes that are wanted
	Marked string    // a filter; "": no entry is marked
	Dial   Dial

	servers servers
}

// A Found is the entry of somebody whose password was right.
type Found struct {
	DN     string
	Values map[string][]string // by the names of attributes, in lower case
	Marked bool                // the filter fits the entry
}

// errSeveral says that it is not clear whose password is meant.
var errSeveral = errors.New("the filter finds several entries for one name")

// Login returns the entry of a user with this password, neither of which is empty; nil where there is none, or the password
// is another. No text of an error has a password.
func (d *Door) Login(ctx context.Context, user, password string) (found *Found, err error) {
	if user == "" || password == "" { // a bind with an empty password proves nothing, and succeeds (RFC 4513, 5.1.2)
		return nil, errors.New("a name and a password are needed")
	}
	return d.look(ctx, user, func(c *conn, f *Found) (bool, error) {
		err := c.Bind(f.DN, password)
		if refused(err) {
			return false, nil
		}
		return err == nil, told(err, password)
	})
}

// Look returns the entry of a user as Login does, without asking for his password; nil where there is none.
func (d *Door) Look(ctx context.Context, user string) (*Found, error) {
	if user == "" {
		return nil, errors.New("a name is needed")
	}
	return d.look(ctx, user, func(*conn, *Found) (bool, error) { return true, nil })
}

// look looks for the entry of a user, and returns it where it proves right.
func (d *Door) look(ctx context.Context, user string, right func(*conn, *Found) (bool, error)) (found *Found, err error) {
	secret := ""
	if d.LDAP.Password.Given() {
		if secret, err = d.LDAP.Password.Resolve(ctx); err != nil {
			return nil, err
		}
	}
	c, err := d.servers.reach(ctx, &d.LDAP, d.Dial, secret, bounds{})
	if err != nil {
		return nil, err
	}
	defer c.end()
	defer context.AfterFunc(ctx, func() { c.line.Close() })()
	c.line.left = maxMessage
	if found, err = d.find(c, user); err != nil || found == nil {
		return nil, told(err, secret)
	}
	if ok, err := right(c, found); err != nil || !ok {
		return nil, told(err, secret)
	}
	return found, nil
}

// find looks for the entry of a user; nil where there is none.
func (d *Door) find(c *conn, user string) (*Found, error) {
	filter := strings.ReplaceAll(d.LDAP.Filter, Placeholder, ldap.EscapeFilter(user))
	scope := scopeOf(d.LDAP.Scope)
	r, err := c.Search(&ldap.SearchRequest{BaseDN: d.LDAP.Base, Scope: scope, DerefAliases: ldap.NeverDerefAliases, SizeLimit: 2,
		TimeLimit: timeLimit, Filter: filter, Attributes: d.Names})
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded), err == nil && len(r.Entries) > 1:
		return nil, errSeveral
	case err != nil:
		return nil, err
	case len(r.Entries) == 0:
		return nil, nil
	}
	x := entryOf(r.Entries[0])
	if x.dn == "" { // a bind without a DN is one of nobody
		return nil, errors.New("the filter finds an entry without a name")
	}
	found := &Found{DN: x.dn, Values: x.values}
	if d.Marked == "" {
		return found, nil
	}
	r, err = c.Search(&ldap.SearchRequest{BaseDN: x.dn, Scope: ldap.ScopeBaseObject, DerefAliases: ldap.NeverDerefAliases,
		SizeLimit: 1, TimeLimit: timeLimit, Filter: d.Marked, Attributes: []string{"1.1"}}) // no attributes (RFC 4511, 4.5.1.8)
	if err != nil {
		return nil, fmt.Errorf("looking whether %s is an admin: %w", x.dn, err)
	}
	found.Marked = len(r.Entries) == 1
	return found, nil
}

// refused says whether a bind was refused for who it is: a wrong password, an entry without one, or one that is locked.
func refused(err error) bool {
	return ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication,
		ldap.LDAPResultConstraintViolation, ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultUnwillingToPerform,
		ldap.LDAPResultNoSuchObject)
}

package ldap

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"mailretr/conf"
)

// maxAnswers bounds the values that one question brings, and maxFound the entries that it finds.
const maxAnswers, maxFound = 2000, 1000

// A Table asks a directory who gets the mail of an address. Safe for concurrent use; the questions come one after another.
type Table struct {
	session
	request ldap.SearchRequest
	filter  string
}

// NewTable returns the table of a lookup of kind ldap. It connects when it is first asked.
func NewTable(l conf.Lookup, dial Dial) (*Table, error) {
	if l.LDAP == nil {
		return nil, fmt.Errorf("%q is no kind of directory", l.Kind)
	}
	d := *l.LDAP
	if _, err := ldap.CompileFilter(d.Filter); err != nil {
		return nil, fmt.Errorf("the filter %q: %w", d.Filter, err)
	}
	return &Table{session: session{l: &d, dial: dial}, filter: d.Filter, request: ldap.SearchRequest{BaseDN: d.Base,
		Scope: scopeOf(d.Scope), DerefAliases: ldap.NeverDerefAliases, TimeLimit: timeLimit, SizeLimit: maxFound, Attributes: l.Result}}, nil
}

// Ask returns the values of the attributes of what the filter finds, for an address; none: it says nothing of it. What is in
// an address stays one value of the filter, whatever its characters (RFC 4515, 3).
func (t *Table) Ask(ctx context.Context, address string) (list []string, err error) {
	r := t.request
	r.Filter = filled(t.filter, strings.ToLower(address))
	err = t.ask(ctx, func(c *conn) error {
		list = nil
		found, err := c.Search(&r)
		if err != nil {
			return err
		}
		for _, e := range found.Entries {
			for _, a := range r.Attributes {
				list = append(list, e.GetEqualFoldAttributeValues(a)...)
			}
		}
		if len(list) > maxAnswers {
			return fmt.Errorf("the answer has more than %d values", maxAnswers)
		}
		return nil
	})
	return list, err
}

// filled puts an address, and its two parts, into a filter. A replacer looks at nothing twice.
func filled(filter, address string) string {
	user, domain := address, ""
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		user, domain = address[:at], address[at+1:]
	}
	return strings.NewReplacer("{address}", ldap.EscapeFilter(address), "{user}", ldap.EscapeFilter(user),
		"{domain}", ldap.EscapeFilter(domain)).Replace(filter)
}

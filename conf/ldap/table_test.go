package ldap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"mailretr/conf"
)

// H8: what is in an address stays one value of the filter.
func TestH8_Table(t *testing.T) {
	s := &server{t: t, entries: []*ldap.Entry{
		ldap.NewEntry("uid=a,dc=example", map[string][]string{"mail": {"a@kroon.example"}, "forward": {"b@kroon.example", "c@kroon.example"}}),
		ldap.NewEntry("uid=secret,dc=example", map[string][]string{"mail": {"secret@kroon.example"}}),
	}}
	known := map[string]string{`(|(alias=info@old.example)(&(uid=info)(dom=old.example)))`: "uid=a,dc=example"}
	s.meant = func(_, filter string, e *ldap.Entry) bool { return known[filter] == e.DN }
	l := conf.LDAP{Base: "dc=example", Filter: "(|(alias={address})(&(uid={user})(dom={domain})))"}
	l.TLS.Mode = conf.ModeNone
	table, err := NewTable(conf.Lookup{Kind: "ldap", LDAP: &l, Result: []string{"mail", "Forward"}}, s.dial)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	for address, want := range map[string]string{
		"INFO@old.Example": "[a@kroon.example]", // the server has no attribute Forward, but forward
		"other@b.example":  "[]", "*": "[]", "*)(uid=*@old.example": "[]", "a\x00\\2a)(|(uid=*@x": "[]", "é@{user}": "[]",
	} {
		list, err := table.Ask(t.Context(), address)
		if got := fmt.Sprint(list); err != nil || got != want {
			t.Errorf("%q: %s, %v", address, got, err)
		}
	}
	for _, x := range []string{`(|(alias=\2a\29\28uid=\2a@old.example)(&(uid=\2a\29\28uid=\2a)(dom=old.example)))`, `(|(alias=\2a)(&(uid=\2a)(dom=)))`} {
		if !slices.ContainsFunc(s.searches, func(asked string) bool { return strings.Contains(asked, x) }) {
			t.Errorf("%s was not asked, but %q", x, s.searches)
		}
	}
	s.cut()
	s.mu.Lock()
	s.result = ldap.LDAPResultBusy
	s.mu.Unlock()
	if list, err := table.Ask(t.Context(), "info@old.example"); err == nil || list != nil {
		t.Errorf("%v, %v", list, err)
	}
}

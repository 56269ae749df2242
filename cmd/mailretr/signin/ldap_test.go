package signin

import (
	"context"
	"errors"
	"strings"
	"testing"

	"mailretr/conf/ldap"
)

// TestLDAP: who it is, and what is his, is what the directory says; and it is not asked for nothing.
func TestLDAP(t *testing.T) {
	asked := 0
	l := &LDAP{Name: "mail", Owner: "alias", Login: func(_ context.Context, user, password string) (*ldap.Found, error) {
		asked++
		x := &ldap.Found{DN: "uid=" + user, Values: map[string][]string{"mail": {user + "@kroon.co.za", "second"}}}
		switch {
		case password != "open sesame":
			return nil, nil
		case user == "away":
			return nil, errors.New("no route")
		case user == "gert":
			x.Marked, x.Values["alias"] = true, []string{"a@kroon.co.za", "b@kroon.co.za"}
		case user == "nameless":
			x.Values = nil
		}
		return x, nil
	}}
	who, err := l.Check(t.Context(), "jaco", "open sesame")
	if err != nil || who.Name != "jaco@kroon.co.za" || strings.Join(who.Owners, " ") != "jaco@kroon.co.za second" || who.Admin {
		t.Errorf("%+v %v", who, err)
	}
	who, err = l.Check(t.Context(), "gert", "open sesame")
	if err != nil || strings.Join(who.Owners, " ") != "a@kroon.co.za b@kroon.co.za" || !who.Admin {
		t.Errorf("%+v %v", who, err)
	}
	if _, err := l.Check(t.Context(), "jaco", "wrong"); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	for _, name := range []string{"away", "nameless"} {
		if who, err := l.Check(t.Context(), name, "open sesame"); !errors.Is(err, ErrAway) {
			t.Errorf("%s: %+v %v", name, who, err)
		}
	}
	n := asked
	if _, err := l.Check(t.Context(), "jaco", ""); !errors.Is(err, ErrRefused) || asked != n {
		t.Errorf("an empty password: %v", err)
	}
}

package signin

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"mailretr/conf"
	"mailretr/conf/ldap"
	confsql "mailretr/conf/sql"
	"mailretr/relay/passwd"
)

// again asks again, through all that stands before a back end, as whom it has let in.
func again(t *testing.T, g *Guard, who Who, want error, admin bool) Who {
	t.Helper()
	now, err := g.Recheck(t.Context(), who)
	switch {
	case !errors.Is(err, want) || want == nil && err != nil:
		t.Errorf("%s: %v, want %v", who.Name, err, want)
	case want == nil && (now.Name != who.Name || now.Admin != admin):
		t.Errorf("%+v became %+v", who, now)
	}
	return now
}

// Who is no user any more, or has another password, does not come in again; in a file it may change by itself.
func TestLocalAgain(t *testing.T) {
	hash, broken := passwd.Make("open sesame"), error(nil)
	is := func(context.Context) (string, error) { return hash, broken }
	g := NewGuard(Named("users", NewLocal([]User{{Name: "gert", Hash: is, Admin: true}})))
	who, err := g.Check(t.Context(), "gert", "open sesame")
	if err != nil {
		t.Fatal(err)
	}
	again(t, g, again(t, g, who, nil, true), nil, true)
	broken = errors.New("no such file")
	again(t, g, who, ErrAway, false)
	broken, hash = nil, passwd.Make("open sesame")
	again(t, g, who, ErrRefused, false)
	again(t, NewGuard(Named("users", NewLocal(nil))), who, ErrRefused, false)
}

// The table is asked with what was typed; who has left it, was locked, renamed, or has another password, does not come in
// again, and what is his is what it says now.
func TestSQLAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	do := func(s string) {
		t.Helper()
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	do(mailbox)
	do("INSERT INTO mailbox VALUES ('jaco@kroon.co.za', '" + ssha + "', 1, 0)")
	l, err := confsql.NewLookup("sqlite", conf.SecretPlain(path), question, "user")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g := NewGuard(&fake{err: ErrRefused}, Named("sqlite", NewSQL(l.Find, "")))
	who, err := g.Check(t.Context(), "JACO@kroon.co.za", "open sesame")
	if err != nil {
		t.Fatal(err)
	}
	again(t, g, again(t, g, who, nil, false), nil, false)
	for _, x := range []struct {
		set, back string
		want      error
	}{
		{"root = 1", "root = 0", nil}, {"active = 0", "active = 1", ErrRefused}, {"password = '!" + ssha + "'", "password = '" + ssha + "'", ErrRefused},
		{"password = '{PLAIN}open sesame'", "password = '" + ssha + "'", ErrRefused}, {"username = 'other'", "username = 'jaco@kroon.co.za'", ErrRefused},
	} {
		do("UPDATE mailbox SET " + x.set)
		again(t, g, who, x.want, true)
		do("UPDATE mailbox SET " + x.back)
	}
	again(t, g, who, nil, false)
	do("DROP TABLE mailbox")
	again(t, g, who, ErrAway, false)
}

// An entry that is gone, another one, or one whose password was changed where that may be seen, does not come in again.
func TestLDAPAgain(t *testing.T) {
	entry, broken := &ldap.Found{DN: "uid=jaco", Values: map[string][]string{"mail": {"jaco@kroon.co.za"}, "pwdchangedtime": {"2026"}}}, error(nil)
	l := &LDAP{Name: "mail", Owner: "mail",
		Login: func(context.Context, string, string) (*ldap.Found, error) { return entry, nil },
		Look: func(_ context.Context, user string) (*ldap.Found, error) {
			if user != "Jaco" {
				t.Errorf("%q is asked for", user)
			}
			return entry, broken
		}}
	g := NewGuard(Named("ldap", l))
	who, err := g.Check(t.Context(), "Jaco", "open sesame")
	if err != nil {
		t.Fatal(err)
	}
	again(t, g, who, nil, false)
	for _, x := range []struct {
		dn, mail, changed string
		marked            bool
		want              error
	}{
		{"uid=jaco", "jaco@kroon.co.za", "2026", true, nil}, {"uid=jaco", "jaco@kroon.co.za", "2027", false, ErrRefused},
		{"uid=other", "jaco@kroon.co.za", "2026", false, ErrRefused}, {"uid=jaco", "other@kroon.co.za", "2026", false, ErrRefused},
		{"uid=jaco", "", "2026", false, ErrAway},
	} {
		entry = &ldap.Found{DN: x.dn, Marked: x.marked, Values: map[string][]string{"mail": {x.mail}, "pwdchangedtime": {x.changed}}}
		again(t, g, who, x.want, x.marked)
	}
	entry = nil
	again(t, g, who, ErrRefused, false)
	broken = errors.New("no route")
	again(t, g, who, ErrAway, false)
	if _, err := g.Recheck(t.Context(), who); !strings.HasPrefix(err.Error(), "ldap: ") {
		t.Error(err)
	}
	l.Look = nil
	again(t, g, who, ErrUnasked, false)
}

// Where a password is needed to ask, and of whom nobody has let in, nothing is said.
func TestUnasked(t *testing.T) {
	g := NewGuard(Named("imap", &fake{who: Who{Name: "jaco"}}))
	who, err := g.Check(t.Context(), "jaco", "x")
	if err != nil {
		t.Fatal(err)
	}
	again(t, g, who, ErrUnasked, false)
	again(t, g, Who{Name: "jaco"}, ErrUnasked, false)
	again(t, NewGuard(&fake{}), who, ErrUnasked, false)
}

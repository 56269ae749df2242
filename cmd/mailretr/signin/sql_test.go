package signin

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"mailretr/conf"
	confsql "mailretr/conf/sql"
)

const ssha = "{SSHA}7UQdub6GogXz3oZwT8XneoxpRVpmNGq5" // of "open sesame"

// table makes a database with these statements, and a back end with this query.
func table(t *testing.T, query, scheme string, statements ...string) *SQL {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	db.Close()
	l, err := confsql.NewLookup("sqlite", conf.SecretPlain(path), query, "user")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return NewSQL(l.Find, scheme)
}

const (
	mailbox  = "CREATE TABLE mailbox (username TEXT COLLATE NOCASE, password TEXT, active INT, root INT)"
	question = "SELECT username AS user, password, root AS admin FROM mailbox WHERE username = :user AND active"
)

// TestSQL: who is in the table comes in, as the table has the name.
func TestSQL(t *testing.T) {
	s := table(t, question, "", mailbox, "INSERT INTO mailbox VALUES ('jaco@kroon.co.za', '"+ssha+"', 1, 0), "+
		"('gert@kroon.co.za', '"+ssha+"', 1, 0), ('root@kroon.co.za', '"+ssha+"', 1, 1), ('old@kroon.co.za', '"+ssha+"', 0, 0), "+
		"('locked@kroon.co.za', '!"+ssha+"', 1, 0), ('null@kroon.co.za', NULL, 1, 0), ('odd@kroon.co.za', 'canary', 1, 0)")
	for name, admin := range map[string]bool{"jaco@kroon.co.za": false, "JACO@kroon.co.za": false, "gert@kroon.co.za": false, "root@kroon.co.za": true} {
		who, err := s.Check(t.Context(), name, "open sesame")
		if err != nil || who.Name != strings.ToLower(name) || len(who.Owners) != 1 || who.Owners[0] != who.Name || who.Admin != admin {
			t.Errorf("%s: %+v %v", name, who, err)
		}
	}
	for _, x := range [][2]string{{"jaco@kroon.co.za", "wrong"}, {"old@kroon.co.za", "open sesame"}, {"x", "open sesame"},
		{"locked@kroon.co.za", "open sesame"}, {"null@kroon.co.za", "open sesame"}} {
		if _, err := s.Check(t.Context(), x[0], x[1]); !errors.Is(err, ErrRefused) {
			t.Errorf("%q: %v", x, err)
		}
	}
	if _, err := s.Check(t.Context(), "odd@kroon.co.za", "canary"); !errors.Is(err, ErrAway) || strings.Contains(err.Error(), "canary") {
		t.Errorf("what is no hash: %v", err)
	}
}

// TestH8_SQL: what is typed is a value and nothing else.
func TestH8_SQL(t *testing.T) {
	s := table(t, question, "PLAIN", mailbox, "INSERT INTO mailbox VALUES ('jaco', 'open sesame', 1, 0), ('%', 'other', 1, 0)")
	for _, name := range []string{"' OR '1'='1", "jaco' --", "jaco'; DROP TABLE mailbox; --", "%", "j_co", `jaco\`, ":user", "?", "x' UNION SELECT 'a','open sesame',1 --"} {
		if who, err := s.Check(t.Context(), name, "open sesame"); !errors.Is(err, ErrRefused) {
			t.Errorf("%q: %+v %v", name, who, err)
		}
	}
	if _, err := s.Check(t.Context(), "jaco", "open sesame"); err != nil {
		t.Errorf("the table is not what it was: %v", err)
	}
}

// TestSQLOwners: several rows say what one owns; two users in one answer let nobody in, nor does a query that names no user.
func TestSQLOwners(t *testing.T) {
	rows := func(rows ...map[string]string) *SQL {
		return NewSQL(func(context.Context, string) ([]map[string]string, error) { return rows, nil }, "PLAIN")
	}
	who, err := rows(map[string]string{"user": "jaco", "password": "x", "owner": "a@b, c@d"},
		map[string]string{"user": "jaco", "password": "x", "owner": "e@f", "admin": "N"}).Check(t.Context(), "J", "x")
	if err != nil || strings.Join(who.Owners, " ") != "a@b c@d e@f" || who.Admin {
		t.Errorf("%+v %v", who, err)
	}
	for _, s := range []*SQL{
		rows(map[string]string{"user": "a", "password": "x"}, map[string]string{"user": "b", "password": "x"}),
		rows(map[string]string{"user": "a", "password": "x"}, map[string]string{"user": "a", "password": "y"}),
		rows(map[string]string{"password": "x"}), rows(map[string]string{"user": "", "password": "x"}),
		NewSQL(func(context.Context, string) ([]map[string]string, error) { return nil, errors.New("no route") }, ""),
	} {
		if who, err := s.Check(t.Context(), "a", "x"); !errors.Is(err, ErrAway) {
			t.Errorf("%+v %v", who, err)
		}
	}
}

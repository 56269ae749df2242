package sql

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"mailretr/conf"
)

// TestNamed: the place of the value is found where it is one, and nowhere else.
func TestNamed(t *testing.T) {
	for _, x := range []struct{ kind, query, want string }{
		{"mysql", "SELECT p FROM t WHERE u=:user", "SELECT p FROM t WHERE u=?"},
		{"postgres", "SELECT p::text FROM t WHERE u=:user OR v=:user", "SELECT p::text FROM t WHERE u=$1 OR v=$1"},
		{"mysql", `SELECT ':user', ":user", x FROM t WHERE u=:user -- :user`, `SELECT ':user', ":user", x FROM t WHERE u=? -- :user`},
		{"mysql", `SELECT 'it\'s :user' FROM t WHERE u=:user # :user`, `SELECT 'it\'s :user' FROM t WHERE u=? # :user`},
		{"sqlite", `SELECT 'it''s ?' /* :user */ FROM t WHERE u=:user`, `SELECT 'it''s ?' /* :user */ FROM t WHERE u=?`},
		{"postgres", `SELECT $x$ :user $x$, '\' FROM t WHERE u=lower(:user)`, `SELECT $x$ :user $x$, '\' FROM t WHERE u=lower($1)`},
		{"postgres", "SELECT a ? b FROM t WHERE u=:user", "SELECT a ? b FROM t WHERE u=$1"},
		{"mysql", "SELECT p FROM t WHERE u=:username", ""}, {"mysql", "SELECT p FROM t", ""},
		{"mysql", "SELECT p FROM t WHERE u=':user'", ""}, {"mysql", "SELECT p FROM t WHERE u=? AND v=:user", ""},
		{"mysql", "SELECT p FROM t WHERE u='", ""}, {"mysql", "SELECT p /* :user", ""}, {"postgres", "SELECT $$:user", ""},
	} {
		q, err := named(x.kind, x.query, "user")
		if q.text != x.want && err == nil || (err == nil) != (x.want != "") {
			t.Errorf("%s: %q: %q %v", x.kind, x.query, q.text, err)
		}
	}
}

// TestH8_Lookup: a value is a value, whatever is in it; answers are bounded.
func TestH8_Lookup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range []string{"CREATE TABLE t (u TEXT, P TEXT)", "INSERT INTO t VALUES ('jaco', 'x'), ('nul', NULL)",
		"INSERT INTO t VALUES ('long', '" + strings.Repeat("x", conf.MaxColumn+1) + "')",
		"INSERT INTO t SELECT 'many', 'x' FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 101) SELECT i FROM n)"} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	l, err := NewLookup("sqlite", conf.SecretPlain(path), "SELECT u, P FROM t WHERE u = :user OR u = :user", "user")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for value, want := range map[string]int{"jaco": 1, "nul": 1, "nobody": 0, "' OR 1=1 --": 0, "%": 0, "a\x00b": 0, "\xff": 0} {
		rows, err := l.Find(t.Context(), value)
		if err != nil || len(rows) != want {
			t.Errorf("%q: %v %v", value, rows, err)
		}
	}
	if rows, err := l.Find(t.Context(), "jaco"); err != nil || rows[0]["p"] != "x" {
		t.Errorf("%v %v", rows, err)
	}
	if rows, err := l.Find(t.Context(), "nul"); err != nil || len(rows[0]) != 1 {
		t.Errorf("%v %v", rows, err)
	}
	for _, value := range []string{"long", "many"} {
		if _, err := l.Find(t.Context(), value); err == nil {
			t.Errorf("%s is taken", value)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Find(t.Context(), "jaco"); err != nil {
		t.Errorf("it does not open again: %v", err)
	}
}

func FuzzNamed(f *testing.F) {
	f.Add("mysql", "SELECT ':user' FROM t WHERE u=:user")
	f.Add("postgres", "SELECT $a$ :user $a$ :user")
	f.Fuzz(func(t *testing.T, kind, query string) {
		if q, err := named(kind, query, "user"); err == nil && q.times < 1 {
			t.Errorf("%q", query)
		}
	})
}

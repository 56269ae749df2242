package sql

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailretr/conf"
)

// database makes one with these statements, and a reader of it with this query.
func database(t *testing.T, q conf.SQL, statements ...string) *Reader {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a b?#%41.db")
	u := "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23", " ", "%20").Replace(path)
	db, err := sql.Open("sqlite", u)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	q.DSN = conf.SecretPlain(path)
	r, err := New(conf.Source{Kind: "sqlite", SQL: &q})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// said is what a reader yields, a line for each row.
func said(t *testing.T, r *Reader) (lines []string, err error) {
	t.Helper()
	for row, err := range r.Rows(t.Context()) {
		if err != nil {
			return lines, err
		}
		line := row.ID + ":"
		for _, c := range conf.Columns {
			if v, ok := row.Columns[c]; ok {
				line += " " + c + "=" + v
			}
			if w, ok := row.Wrong[c]; ok {
				line += " " + c + " " + w
			}
		}
		lines = append(lines, line)
	}
	return lines, nil
}

func TestRows(t *testing.T) {
	r := database(t, conf.SQL{Query: "SELECT n AS ID, h AS host, u AS user, p AS password, r AS recipient FROM t ORDER BY n",
		Version: "SELECT COUNT(*), MAX(n) FROM t"},
		"CREATE TABLE t (n, h, u, p, r)",
		"INSERT INTO t VALUES (1, 'h', '''; DROP TABLE t; --', 'p', NULL)",
		"INSERT INTO t VALUES (2, printf('%.*c', 1000000, 'x'), 'u', 1.5, x'00')")
	for range 2 {
		lines, err := said(t, r)
		want := []string{
			"1: id=1 host=h user='; DROP TABLE t; -- password=p",
			"2: id=2 host is longer than 4096 octets user=u password=1.5 recipient has a control character inside",
		}
		if err != nil || !slices.Equal(lines, want) {
			t.Errorf("%v, %q", err, lines)
		}
		if v, err := r.Version(t.Context()); v != "2\x002\x00" {
			t.Errorf("%q, %v", v, err)
		}
	}
}

// The columns have names that are known, and nothing is written.
func TestQueriesThatCannotBe(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT 1 AS host, 2 AS user, 3 AS password":   `no column "recipient"`,
		"SELECT 1 AS host, 2 AS host, 3 AS password":   `two columns "host"`,
		"SELECT 1 AS server":                           `a column "server"; name its columns (AS) as in: id, name`,
		"SELECT":                                       "incomplete input",
		"SELECT * FROM gone":                           "no such table",
		"INSERT INTO t VALUES (1) RETURNING 1 AS host": "readonly",
		"ATTACH '/tmp/x' AS x":                         "",
		"SELECT 1 AS host, 2 AS user, 3 AS password, 4 AS recipient FROM t": "",
	} {
		r := database(t, conf.SQL{Query: query}, "CREATE TABLE t (n)")
		lines, err := said(t, r)
		if want == "" && len(lines) == 0 {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// No error has the password of the database, whatever the driver quotes.
func TestH7_NoPasswordInErrors(t *testing.T) {
	const secret = "hunter2canary"
	for kind, dsns := range map[string][]string{
		"mysql": {"u:" + secret, "u:" + secret + "@tcp(127.0.0.1:1)/db", "u:" + secret + "@tcp(127.0.0.1:1)/db?nonsense=%zz",
			"u:" + secret + "@unix(/nowhere)/db"},
		"postgres": {"postgres://u:" + secret + "@127.0.0.1:1/db", "postgres://u:" + secret + "@[::x/db", "password=" + secret + " x"},
		"sqlite":   {"/nowhere/" + secret},
	} {
		for _, dsn := range dsns {
			r, err := New(conf.Source{Kind: kind, SQL: &conf.SQL{DSN: conf.SecretPlain(dsn), Query: "SELECT 1"}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err = said(t, r); err == nil || strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
				t.Errorf("%s %s: %v", kind, dsn, err)
			}
		}
	}
}

// What the configuration knows, this package has.
func TestPresetsAreKnown(t *testing.T) {
	for name, kinds := range conf.Tables {
		for _, kind := range kinds {
			if _, err := presetOf(name, kind); err != nil {
				t.Error(err)
			}
		}
	}
}

// Our own table in SQLite: made twice, read, and its version changes with every change.
func TestOwnTable(t *testing.T) {
	schema, err := Schema("sqlite", 0)
	if err != nil {
		t.Fatal(err)
	}
	r := database(t, conf.SQL{Preset: "mailretr"}, schema, schema,
		`INSERT INTO mailretr_maildrops (host, "user", password, recipient) VALUES ('h.example', 'u', 'p', 'a@b.example')`)
	lines, err := said(t, r)
	want := []string{"1: id=1 active=1 protocol=imap host=h.example tls=implicit user=u password=p keep=1 recipient=a@b.example"}
	if err != nil || !slices.Equal(lines, want) {
		t.Errorf("%v, %q", err, lines)
	}
	before, err := r.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", place(t, r))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("UPDATE mailretr_maildrops SET changed = '2000-01-01'; UPDATE mailretr_maildrops SET password = 'q'"); err != nil {
		t.Fatal(err)
	}
	if after, err := r.Version(t.Context()); err != nil || after == before || strings.Contains(after, "2000") {
		t.Errorf("%q, then %q, %v", before, after, err)
	}
}

// place is how the driver wants to be told of the file of a reader.
func place(t *testing.T, r *Reader) string {
	t.Helper()
	path, err := r.sql.DSN.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23", " ", "%20").Replace(path)
}

// Our own table is asked for rows that changed; a query of one's own is, too, and its comments and semicolons stay where they
// are.
func TestChangedRows(t *testing.T) {
	schema, err := Schema("sqlite", 0)
	if err != nil {
		t.Fatal(err)
	}
	fill := `INSERT INTO mailretr_maildrops (host, "user", password, recipient, changed) SELECT 'h.example', 'u' || value, 'p', 'a@b.example',
 '2026-01-01 00:00:0' || value FROM (SELECT 1 AS value UNION SELECT 2 UNION SELECT 3 UNION SELECT 4)`
	const own = `SELECT id, host, "user", password, recipient, changed AS version FROM mailretr_maildrops`
	for _, q := range []conf.SQL{
		{Preset: "mailretr"},
		{Query: own + " -- ?;\n ;", Changed: own + " WHERE changed > :since OR :since IS NULL -- :since"},
	} {
		r := database(t, q, schema, fill)
		some, total, err := r.Changed(t.Context(), "2026-01-01 00:00:03")
		if err != nil || total != 4 || len(some) != 1 || some[0].ID != "4" || some[0].Version != "2026-01-01 00:00:04" {
			t.Errorf("%v of %d, %v", some, total, err)
		}
		if some, total, err = r.Changed(t.Context(), "'; DROP TABLE mailretr_maildrops; --"); err != nil || total != 4 {
			t.Errorf("%v of %d, %v", some, total, err)
		}
		if lines, err := said(t, r); err != nil || len(lines) != 4 {
			t.Errorf("%q, %v", lines, err)
		}
	}
	r := database(t, conf.SQL{Query: strings.ReplaceAll(own, ", changed AS version", ""), Changed: own + " WHERE changed > :since"}, schema, fill)
	if _, err := said(t, r); err == nil || !strings.Contains(err.Error(), `no column "version", by which changed: asks`) {
		t.Errorf("%v", err)
	}
	if _, err := New(conf.Source{Kind: "sqlite", SQL: &conf.SQL{Query: own, Changed: own + " -- :since"}}); err == nil {
		t.Error("a query that finds everybody is taken")
	}
}

// Who changes a row of postfixadmin by hand leaves modified as it is.
func TestPostfixadminRowsSayThemselves(t *testing.T) {
	q := conf.SQL{Preset: "postfixadmin"}
	for kind, columns := range map[string]string{"mysql": "src_password", "postgres": "src_password", "sqlite": ""} {
		if p, err := presetOf(q.Preset, kind); err != nil || columns == "" && p.version != "" || !strings.Contains(p.version, columns) {
			t.Errorf("%s: %q does not see a new password", kind, p.version)
		}
	}
}

// Newer ones have a column for the port, and one that is written there counts; the older table is read as well.
func TestPostfixadminPort(t *testing.T) {
	const columns = `id INTEGER PRIMARY KEY, mailbox, src_server, src_user, src_password, src_folder, poll_time, fetchall, keep,
 protocol, usessl, extra_options, active`
	for added, want := range map[string]string{"": "0", ", src_port INT DEFAULT 1993": "1993", ", src_port TEXT": ""} {
		r := database(t, conf.SQL{Preset: "postfixadmin"}, "CREATE TABLE fetchmail ("+columns+added+")",
			"INSERT INTO fetchmail (mailbox, src_server, protocol, usessl) VALUES ('a@b.example', 'h.example', 'IMAP', 1)")
		lines, err := said(t, r)
		if err != nil || len(lines) != 1 {
			t.Fatalf("%q: %q %v", added, lines, err)
		}
		if _, port, found := strings.Cut(lines[0], " port="); want == "" && found || want != "" && !strings.HasPrefix(port, want+" ") {
			t.Errorf("%q: %s", added, lines[0])
		}
	}
}

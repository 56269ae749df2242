//go:build interop

package test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"mailretr/conf"
	mirrors "mailretr/conf/sql"
	"mailretr/test/real"
)

// mirrorOf is a source of a database of this kind.
func mirrorOf(kind string, d *real.Database, preset string) conf.Source {
	s := conf.DefaultSource()
	s.Kind, s.Name = kind, "panel"
	s.SQL = &conf.SQL{DSN: conf.SecretPlain(d.DSN), Preset: preset}
	return s
}

// read is what a query finds, a line for each row.
func read(t *testing.T, kind string, d *real.Database, query string) (lines []string) {
	t.Helper()
	db, err := sql.Open(map[string]string{"mysql": "mysql", "postgres": "pgx"}[kind], d.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, ptrs := make([]sql.NullString, len(columns)), []any(nil)
		for i := range values {
			ptrs = append(ptrs, &values[i])
		}
		if err := rows.Scan(ptrs...); err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, v := range values {
			if !v.Valid {
				v.String = "NULL"
			}
			words = append(words, v.String)
		}
		lines = append(lines, strings.Join(words, " | "))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestMariaDBMirror(t *testing.T) {
	d := real.MariaDB(t)
	d.Do("SET GLOBAL time_zone = '+05:30'")
	mirror(t, "mysql", d, "UNIX_TIMESTAMP(since)")
	panels(t, "mysql", d, postfixadminMySQL, "UNIX_TIMESTAMP(date)")
}

func TestPostgresMirror(t *testing.T) {
	d := real.Postgres(t)
	d.Do("ALTER DATABASE postgres SET timezone = 'Asia/Kolkata'")
	mirror(t, "postgres", d, "EXTRACT(EPOCH FROM since)::bigint")
	panels(t, "postgres", d, postfixadminPostgres, "EXTRACT(EPOCH FROM date)::bigint")
}

var noon = time.Date(2026, 1, 31, 12, 0, 0, 999, time.FixedZone("", 3600))

// mirror writes our own table: anew, in its place, with the worst texts, of two reporters, and ten thousand rows.
func mirror(t *testing.T, kind string, d *real.Database, epoch string) {
	ctx := t.Context()
	m, err := mirrors.NewMirror(mirrorOf(kind, d, ""), "mail.kroon.co.za")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Check(ctx); err == nil || !strings.Contains(err.Error(), "mailretr sql schema --"+kind) {
		t.Errorf("without a table: %v", err)
	}
	schema, err := mirrors.Schema(kind, 1)
	if err != nil {
		t.Fatal(err)
	}
	d.Do(schema, schema)
	if err := m.Check(ctx); err != nil {
		t.Fatal(err)
	}
	nasty := `'; DROP TABLE mailretr_status; -- \ ü € 😀 ` + strings.Repeat("x", 3000)
	list := []mirrors.Status{
		{Maildrop: "Jaco", State: "ok", Words: "Mail is collected.", Since: noon},
		{Maildrop: "jaco", Source: "panel", Row: "7", State: "login", Words: nasty, Class: "auth", Said: nasty, Since: noon, Failures: 3,
			Waiting: 5, WaitingOctets: 1 << 40, Recent: `[{"id":"x"}]`},
	}
	for range 2 {
		if err := m.Put(ctx, list); err != nil {
			t.Fatal(err)
		}
	}
	same(t, kind, read(t, kind, d, "SELECT maildrop, source, row_id, state, class, "+epoch+", failures, waiting_octets, recent, last_mail"+
		" FROM mailretr_status ORDER BY state DESC"),
		"Jaco | NULL | NULL | ok | NULL | 1769857200 | 0 | 0 | NULL | NULL",
		`jaco | panel | 7 | login | auth | 1769857200 | 3 | 1099511627776 | [{"id":"x"}] | NULL`)
	same(t, kind, read(t, kind, d, "SELECT said FROM mailretr_status WHERE maildrop = 'jaco'"), nasty)

	other, err := mirrors.NewMirror(mirrorOf(kind, d, ""), "other.example")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Put(ctx, list[:1]); err != nil {
		t.Fatal(err)
	}
	if err := m.Remove(ctx, []string{"Jaco", "none"}); err != nil {
		t.Fatal(err)
	}
	names, err := m.Names(ctx)
	same(t, "names", names, "jaco")
	same(t, "others", read(t, kind, d, "SELECT maildrop FROM mailretr_status WHERE reporter = 'other.example'"), "Jaco")
	if err != nil {
		t.Error(err)
	}
	var many []mirrors.Status
	for i := range 10_000 {
		many = append(many, mirrors.Status{Maildrop: fmt.Sprint(i), State: "ok", Words: "Mail is collected.", Since: noon})
	}
	for _, what := range []string{"new", "known"} {
		began := time.Now()
		if err := m.Put(ctx, many); err != nil {
			t.Fatal(err)
		}
		t.Logf("10,000 %s rows were written in %s", what, time.Since(began))
	}
	d.Stop()
	if err := m.Put(ctx, list); err == nil {
		t.Error("it was written while the database is away")
	}
	d.Start()
	if err := m.Put(ctx, list); err != nil {
		t.Error(err)
	}
}

// panels writes the columns of panels, of which some may be missing.
func panels(t *testing.T, kind string, d *real.Database, postfixadmin, epoch string) {
	ctx := t.Context()
	d.Do(postfixadmin, postfixadminRows)
	p, err := mirrors.NewPanel(mirrorOf(kind, d, "postfixadmin"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	before := read(t, kind, d, "SELECT modified FROM fetchmail WHERE id = 1")
	reports := []mirrors.Report{
		{ID: "1", At: noon, State: "login", Text: "The server said: Ungültig\x00'; --" + strings.Repeat("x", 5000)},
		{ID: "2", At: noon, Well: true, State: "ok", Text: "Mail is collected."},
		{ID: "99", At: noon}, {ID: "1 OR 1=1", At: noon},
	}
	if err := p.Put(ctx, reports); err != nil {
		t.Fatal(err)
	}
	same(t, "postfixadmin", read(t, kind, d, "SELECT id, "+epoch+", SUBSTR(returned_text, 1, 32), CHAR_LENGTH(returned_text) FROM fetchmail ORDER BY id LIMIT 2"),
		"1 | 1769857200 | The server said: Ung?ltig?'; --x | 1000", "2 | 1769857200 | Mail is collected. | 18")
	same(t, "modified", read(t, kind, d, "SELECT modified FROM fetchmail WHERE id = 1"), before...)

	d.Do("ALTER TABLE fetchmail DROP COLUMN returned_text")
	p.Close()
	if err := p.Put(ctx, reports); err != nil {
		t.Errorf("one column is missing: %v", err)
	}
	d.Do("ALTER TABLE fetchmail DROP COLUMN date")
	p.Close()
	if err := p.Put(ctx, reports); err == nil || !strings.Contains(err.Error(), "date, returned_text") {
		t.Errorf("all columns are missing: %v", err)
	}
}

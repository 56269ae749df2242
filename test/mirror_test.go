//go:build interop

package test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
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

// H8: whatever stands in a status is data, in a database of any zone.
func TestH8_MariaDBMirror(t *testing.T) {
	d := real.MariaDB(t)
	d.Do("SET GLOBAL time_zone = '+05:30'")
	mirror(t, "mysql", d, "UNIX_TIMESTAMP(since)")
	panels(t, "mysql", d, postfixadminMySQL, "UNIX_TIMESTAMP(date)")
	otherPanels(t, d)
}

func TestH8_PostgresMirror(t *testing.T) {
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
		{Maildrop: "Jaco", State: "ok", Words: "Mail is collected.", Since: noon, Row: strings.Repeat("7", 256)},
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

// otherPanels writes the columns of mailcow, whose database notes by itself when a row was changed, and of Mailu.
func otherPanels(t *testing.T, d *real.Database) {
	d.Do(`CREATE TABLE imapsync (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, user2 VARCHAR(255) NOT NULL, dry TINYINT(1) NOT NULL DEFAULT 0,
 returned_text LONGTEXT, last_run TIMESTAMP NULL DEFAULT NULL, success TINYINT(1) UNSIGNED DEFAULT NULL, exit_status VARCHAR(50) DEFAULT NULL,
 created DATETIME(0) NOT NULL DEFAULT NOW(0), modified DATETIME ON UPDATE CURRENT_TIMESTAMP, active TINYINT(1) NOT NULL DEFAULT 0)`,
		"INSERT INTO imapsync (user2) VALUES ('a@kroon.co.za'), ('b@kroon.co.za')",
		"CREATE TABLE `fetch` (id INTEGER PRIMARY KEY AUTO_INCREMENT, user_email varchar(255) NOT NULL, updated_at date, last_check datetime, "+
			"error varchar(1023)) CHARACTER SET latin1",
		"INSERT INTO `fetch` (user_email, error) VALUES ('a@kroon.co.za', 'old'), ('b@kroon.co.za', NULL)")
	reports := []mirrors.Report{
		{ID: "1", At: noon, Well: true, State: "ok", Text: "Mail is collected."},
		{ID: "2", At: noon, State: "login", Text: "The server refuses. " + strings.Repeat("ü", 2000)},
	}
	for _, preset := range []string{"mailcow", "mailu"} {
		p, err := mirrors.NewPanel(mirrorOf("mysql", d, preset))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if err := p.Put(t.Context(), reports); err != nil {
			t.Fatalf("%s: %v", preset, err)
		}
	}
	same(t, "mailcow", read(t, "mysql", d, "SELECT id, UNIX_TIMESTAMP(last_run), LEFT(returned_text, 19), success, exit_status, modified FROM imapsync"),
		"1 | 1769857200 | Mail is collected. | 1 | EX_OK | NULL", "2 | 1769857200 | The server refuses. | 0 | login | NULL")
	// A DATETIME has no zone; Mailu's own are UTC.
	same(t, "mailu", read(t, "mysql", d, "SELECT id, last_check, CHAR_LENGTH(error) FROM `fetch`"),
		"1 | 2026-01-31 11:00:00 | NULL", "2 | 2026-01-31 11:00:00 | 1000")
}

// H9, the whole program: a refused login is seen in the database with the server's words; while the database is away mail flows
// all the same, and what has changed meanwhile is there when it is back; a password that is corrected there works within an
// interval, and the row says so.
func TestH9_MariaDBStatus(t *testing.T) {
	d := real.MariaDB(t)
	d.Do(postfixadminMySQL)
	mirrored(t, "mysql", d, "CREATE TABLE accounts (id INT AUTO_INCREMENT PRIMARY KEY, host TEXT, port INT, login TEXT, secret TEXT, address TEXT)",
		"SELECT id, login AS name, 'pop3' AS protocol, host, port, 'none' AS tls, login AS `user`, secret AS password, address AS recipient FROM accounts")
}

func TestH9_PostgresStatus(t *testing.T) {
	d := real.Postgres(t)
	d.Do(postfixadminPostgres)
	mirrored(t, "postgres", d, "CREATE TABLE accounts (id serial PRIMARY KEY, host TEXT, port INT, login TEXT, secret TEXT, address TEXT)",
		`SELECT id, login AS name, 'pop3' AS protocol, host, port, 'none' AS tls, login AS "user", secret AS password, address AS recipient FROM accounts`)
}

func mirrored(t *testing.T, kind string, d *real.Database, accounts, query string) {
	dovecot := real.StartDovecot(t)
	l := newLedger(t)
	sink := real.StartSink(t, false, l.take)
	schema, err := mirrors.Schema(kind, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.Do(schema, accounts, fmt.Sprintf("INSERT INTO accounts (host, port, login, secret, address) VALUES ('127.0.0.1', %[1]d, 'jaco', "+
		"'wrong', 'jaco@kroon.co.za'), ('127.0.0.1', %[1]d, 'anna', 'secret', 'anna@kroon.co.za')", dovecot.POP3),
		// The server of this one has no port of its own in that table, and nobody is there.
		"INSERT INTO fetchmail (mailbox, src_server, src_user, src_password, src_folder, poll_time, protocol, usessl, active) VALUES "+
			"('piet@kroon.co.za', '127.0.0.1', 'piet', 'c2VjcmV0', '', 0, 'POP3', '1', '1')")
	dovecot.User("jaco")
	dovecot.User("anna")
	p := newProgram(t, fmt.Sprintf(`
poll: 1s
deliver: {smtp: "127.0.0.1:%d"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
sources:
  - %[2]s: {name: accounts, dsn: {file: "@DIR@/dsn"}, every: 5s, reach: any, status: all, query: "%[3]s"}
  - %[2]s: {name: panel, dsn: {file: "@DIR@/dsn"}, every: 5s, reach: any, preset: postfixadmin, write_back: true}
`, sink.Port, kind, strings.ReplaceAll(query, `"`, `\"`)))
	if err := os.WriteFile(filepath.Join(p.dir, "dsn"), []byte(d.DSN+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.serve()
	row := func(maildrop, columns string) string {
		return strings.Join(read(t, kind, d, "SELECT "+columns+" FROM mailretr_status WHERE maildrop = '"+maildrop+"'"), "; ")
	}
	has := func(maildrop, columns, want string) {
		t.Helper()
		eventually(t, 20*time.Second, want+" of "+maildrop, func() bool { return strings.Contains(row(maildrop, columns), want) })
	}
	has("jaco", "source, row_id, state, class, words, said", "accounts | 1 | login | auth | The server refuses the user name or the password. | ")
	if s := row("jaco", "said, next_attempt, failures"); !strings.Contains(s, "Authentication failed.") || strings.Contains(s, "NULL") {
		t.Errorf("jaco: %s", s)
	}
	has("anna", "state, collected", "ok | 0")
	eventually(t, 10*time.Second, "a report for the panel", func() bool {
		return strings.HasPrefix(strings.Join(read(t, kind, d, "SELECT returned_text FROM fetchmail"), ""), "The server cannot be reached.")
	})

	d.Stop()
	l.put(dovecot, "anna", 500, 1)
	sink.Until(t, 1, 20*time.Second)
	eventually(t, 20*time.Second, "a status that says that the database is away", func() bool {
		for _, x := range p.lines("status") {
			if x["message_type"] == "mirror" && x["name"] == "accounts" && x["wrong"] != nil {
				return true
			}
		}
		return false
	})
	d.Start()
	has("anna", "state, collected", "ok | 1")
	d.Do("UPDATE accounts SET secret = 'secret' WHERE login = 'jaco'")
	began := time.Now()
	has("jaco", "state, words, said", "ok | Mail is collected. | NULL")
	t.Logf("the corrected password showed after %s", time.Since(began).Round(100*time.Millisecond))
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

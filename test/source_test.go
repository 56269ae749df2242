//go:build interop

package test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/conf"
	"mailretr/conf/source"
	"mailretr/conf/sql"
	"mailretr/test/real"
)

// keeperOf asks a database by a preset.
func keeperOf(t *testing.T, kind string, d *real.Database, preset string, server int) *source.Keeper {
	t.Helper()
	s := conf.DefaultSource()
	s.Kind, s.Name = kind, preset
	s.SQL = &conf.SQL{DSN: conf.SecretPlain(d.DSN), Preset: preset, Server: server}
	r, err := sql.New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return &source.Keeper{Source: s, Reader: r, Now: time.Now}
}

// drops are the maildrops of a source, a line for each.
func drops(t *testing.T, k *source.Keeper) (lines []string) {
	t.Helper()
	if err := k.Look(t.Context()); err != nil {
		t.Fatalf("%s: %v", k.Source.Name, err)
	}
	c := conf.Default()
	c.Deliver = []conf.Destination{conf.DefaultDestination()}
	c.Complete(conf.Paths{})
	all, problems := c.With(t.Context(), []conf.Set{{Source: &k.Source, Rows: k.Rows()}})
	for _, p := range problems {
		if p.Severity == conf.Error {
			lines = append(lines, p.String())
		}
	}
	for i := range all.Maildrops {
		m := all.Maildrops[i]
		password, err := m.Password.Resolve(context.Background())
		if err != nil {
			t.Error(err)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s %s %s to %s %v", m.Name, m.URL(), m.TLS.Mode, password, m.After, m.Poll,
			strings.Join(m.To, ","), m.Enabled))
	}
	return lines
}

// notices asks a source until it is settled, and then once after a statement that changes a column to a value: its version
// has to say so.
func notices(t *testing.T, k *source.Keeper, d *real.Database, statement, value string) {
	t.Helper()
	for range 2 {
		if err := k.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	d.Do(statement)
	if err := k.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range k.Rows() {
		if slices.Contains(slices.Collect(maps.Values(r.Columns)), value) {
			return
		}
	}
	t.Errorf("%s %s overlooks: %s", k.Source.Kind, k.Source.Name, statement)
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("%s:\n%s\nwant\n%s", what, g, w)
	}
}

const (
	postfixadminMySQL = `CREATE TABLE fetchmail (id int(11) unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, domain varchar(255),
 mailbox varchar(255) NOT NULL, src_server varchar(255) NOT NULL, src_auth enum('password','kerberos_v5','any'),
 src_user varchar(255) NOT NULL, src_password varchar(255) NOT NULL, src_folder varchar(255) NOT NULL,
 poll_time int(11) unsigned NOT NULL DEFAULT 10, fetchall tinyint(1) unsigned NOT NULL DEFAULT 0,
 keep tinyint(1) unsigned NOT NULL DEFAULT 0, protocol enum('POP3','IMAP','POP2','ETRN','AUTO'),
 usessl tinyint(1) unsigned NOT NULL DEFAULT 0, sslcertck tinyint(1) NOT NULL DEFAULT 0, sslcertpath varchar(255) DEFAULT '',
 sslfingerprint varchar(255) DEFAULT '', extra_options text, returned_text text, mda varchar(255) NOT NULL DEFAULT '',
 date timestamp NOT NULL DEFAULT '2000-01-01 00:00:00', created timestamp NOT NULL DEFAULT '2000-01-01 00:00:00',
 modified timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, active tinyint(1) NOT NULL DEFAULT 0) CHARACTER SET latin1`
	postfixadminPostgres = `CREATE TABLE fetchmail (id serial PRIMARY KEY, domain varchar(255), mailbox varchar(255) NOT NULL,
 src_server varchar(255) NOT NULL, src_auth varchar(15) NOT NULL DEFAULT 'password', src_user varchar(255) NOT NULL,
 src_password varchar(255) NOT NULL, src_folder varchar(255) NOT NULL, poll_time integer NOT NULL DEFAULT 10,
 fetchall boolean NOT NULL DEFAULT false, keep boolean NOT NULL DEFAULT false, protocol varchar(15) NOT NULL,
 usessl boolean NOT NULL DEFAULT false, sslcertck boolean NOT NULL DEFAULT false, extra_options text, returned_text text,
 mda varchar(255) NOT NULL DEFAULT '', date timestamptz DEFAULT '2000-01-01', created timestamptz DEFAULT now(),
 modified timestamptz DEFAULT now(), active boolean NOT NULL DEFAULT false)`
	postfixadminRows = `INSERT INTO fetchmail (mailbox, src_server, src_user, src_password, src_folder, poll_time, keep, protocol, usessl, active)
 VALUES ('a@kroon.co.za', 'pop.isp.example', 'a', 'c2VjcmV0', '', 10, '1', 'POP3', '1', '1'),
 ('a@kroon.co.za', 'imap.isp.example', 'b', 'c2VjcmV0', 'INBOX', 5, '0', 'IMAP', '0', '0'),
 ('c@kroon.co.za', 'x''; DROP TABLE fetchmail; --', 'c', '%%%', '', 5, '0', 'ETRN', '0', '1')`
)

var postfixadminDrops = []string{
	`postfixadmin row 3, column protocol  error    protocol: "etrn" is not known; write imap or pop3`,
	`postfixadmin row 3, column password  error    password: is not base64; write it in base64, or another password_encoding`,
}

// checkPostfixadmin compares what can be used; what is wrong with the third row is told in more words.
func checkPostfixadmin(t *testing.T, lines []string) {
	t.Helper()
	all := strings.Join(lines, "\n")
	for _, want := range append(postfixadminDrops,
		"a@kroon.co.za-1 pop3s://a@pop.isp.example implicit secret keep 10m0s to a@kroon.co.za true",
		"a@kroon.co.za-2 imap://b@imap.isp.example starttls secret delete 5m0s to a@kroon.co.za false") {
		if !strings.Contains(all, want) {
			t.Errorf("%s\nis not in\n%s", want, all)
		}
	}
}

// MariaDB, with the tables of panels as these make them; stopped and started; ten thousand rows.
func TestMariaDBSource(t *testing.T) {
	d := real.MariaDB(t)
	d.Do(postfixadminMySQL, postfixadminRows)
	checkPostfixadmin(t, drops(t, keeperOf(t, "mysql", d, "postfixadmin", 0)))

	d.Do("CREATE TABLE `fetch` (id INTEGER PRIMARY KEY AUTO_INCREMENT, created_at date NOT NULL, updated_at date, comment varchar(255),"+
		"user_email varchar(255) NOT NULL, protocol enum('imap','pop3') NOT NULL, host varchar(255) NOT NULL, port int NOT NULL,"+
		"tls tinyint(1) NOT NULL, username varchar(255) NOT NULL, password varchar(255) NOT NULL, keep tinyint(1) NOT NULL,"+
		"scan tinyint(1) NOT NULL, invisible tinyint(1), folders varchar(255), last_check datetime, error varchar(1023))",
		"INSERT INTO `fetch` (created_at, user_email, protocol, host, port, tls, username, password, keep, scan, folders)"+
			"VALUES ('2026-01-01', 'm@kroon.co.za', 'imap', 'h.example', 993, 1, 'm', 'enc:not', 1, 0, 'INBOX,Lists')")
	same(t, "mailu", drops(t, keeperOf(t, "mysql", d, "mailu", 0)),
		"m@kroon.co.za-1 imaps://m@h.example implicit enc:not keep 5m0s to m@kroon.co.za true")

	notices(t, keeperOf(t, "mysql", d, "mailu", 0), d, "UPDATE `fetch` SET password = 'new'", "new")
	notices(t, keeperOf(t, "mysql", d, "postfixadmin", 0), d,
		"UPDATE fetchmail SET src_password = 'bmV3', modified = NOW() + INTERVAL 1 SECOND WHERE id = 1", "bmV3")
	notices(t, keeperOf(t, "mysql", d, "postfixadmin", 0), d, "UPDATE fetchmail SET src_password = 'aGFuZA==' WHERE id = 1", "aGFuZA==")
	d.Do("ALTER TABLE fetchmail ADD src_port int(11) NOT NULL DEFAULT 0") // which newer ones have
	notices(t, keeperOf(t, "mysql", d, "postfixadmin", 0), d, "UPDATE fetchmail SET src_port = 2995 WHERE id = 1", "2995")

	d.Do(`CREATE TABLE imapsync (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, user2 VARCHAR(255) NOT NULL, host1 VARCHAR(255) NOT NULL,
 authmech1 ENUM('PLAIN','LOGIN','CRAM-MD5') DEFAULT 'PLAIN', user1 VARCHAR(255) NOT NULL, password1 VARCHAR(255) NOT NULL,
 maxage SMALLINT NOT NULL DEFAULT '0', maxbytespersecond VARCHAR(50) NOT NULL DEFAULT '0', mins_interval SMALLINT UNSIGNED NOT NULL DEFAULT 0, port1 SMALLINT UNSIGNED NOT NULL, enc1 ENUM('TLS','SSL','PLAIN') DEFAULT 'TLS',
 delete1 TINYINT(1) NOT NULL DEFAULT 0, custom_params VARCHAR(512) NOT NULL DEFAULT '', dry TINYINT(1) NOT NULL DEFAULT 0,
 created DATETIME(0) NOT NULL DEFAULT NOW(0), modified DATETIME ON UPDATE CURRENT_TIMESTAMP, active TINYINT(1) NOT NULL DEFAULT 0)`,
		`INSERT INTO imapsync (user2, host1, user1, password1, mins_interval, port1, enc1, active)
 VALUES ('i@kroon.co.za', 'h.example', 'i', 'pw', 20, 143, 'TLS', 1)`)
	same(t, "mailcow", drops(t, keeperOf(t, "mysql", d, "mailcow", 0)),
		"i@kroon.co.za-1 imap://i@h.example starttls pw keep 20m0s to i@kroon.co.za true")

	d.Do(`CREATE TABLE mail_get (mailget_id int(11) unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, server_id int(11) unsigned NOT NULL,
 type varchar(255), source_server varchar(255), source_username varchar(255), source_password varchar(64),
 source_delete varchar(255) NOT NULL DEFAULT 'y', source_read_all varchar(255) NOT NULL DEFAULT 'y', destination varchar(255),
 active varchar(255) NOT NULL DEFAULT 'y')`,
		`INSERT INTO mail_get (server_id, type, source_server, source_username, source_password, source_delete, destination, active)
 VALUES (1, 'pop3ssl', 'h.example', 'g', 'pw', 'y', 'g@kroon.co.za', 'y'), (2, 'imap', 'h.example', 'h', 'pw', 'n', 'h@kroon.co.za', 'n')`)
	first := "g@kroon.co.za-1 pop3s://g@h.example implicit pw delete 5m0s to g@kroon.co.za true"
	same(t, "ispconfig, server 1", drops(t, keeperOf(t, "mysql", d, "ispconfig", 1)), first)
	same(t, "ispconfig", drops(t, keeperOf(t, "mysql", d, "ispconfig", 0)), first,
		"h@kroon.co.za-2 imap://h@h.example none pw keep 5m0s to h@kroon.co.za false")
	notices(t, keeperOf(t, "mysql", d, "ispconfig", 1), d, "UPDATE mail_get SET source_password = 'new' WHERE server_id = 1", "new")
	notices(t, keeperOf(t, "mysql", d, "mailcow", 0), d, "UPDATE imapsync SET password1 = 'new'", "new")
	notices(t, keeperOf(t, "mysql", d, "mailcow", 0), d,
		"UPDATE imapsync SET maxage = 30, maxbytespersecond = '20000', custom_params = '--x', modified = NOW() + INTERVAL 9 SECOND",
		"--maxage 30 --maxbytespersecond 20000 --x")
	nonsense(t, "mysql", d)
	own(t, "mysql", d, `INSERT INTO mailretr_maildrops (host, user, password, recipient)
 SELECT 'h.example', CONCAT('u', seq), 'p', 'a@b.example' FROM seq_1_to_10000`)
}

func TestPostgresSource(t *testing.T) {
	d := real.Postgres(t)
	d.Do(postfixadminPostgres, postfixadminRows)
	checkPostfixadmin(t, drops(t, keeperOf(t, "postgres", d, "postfixadmin", 0)))
	d.Do(`CREATE TABLE "fetch" (id serial PRIMARY KEY, created_at date, updated_at date, user_email varchar(255), protocol varchar(4),
 host varchar(255), port integer, tls boolean, username varchar(255), password varchar(255), keep boolean, scan boolean, folders text)`,
		`INSERT INTO "fetch" (user_email, protocol, host, port, tls, username, password, keep)
 VALUES ('m@kroon.co.za', 'pop3', 'h.example', 110, false, 'm', 'pw', false)`)
	same(t, "mailu", drops(t, keeperOf(t, "postgres", d, "mailu", 0)),
		"m@kroon.co.za-1 pop3://m@h.example none pw delete 5m0s to m@kroon.co.za true")
	notices(t, keeperOf(t, "postgres", d, "mailu", 0), d, `UPDATE "fetch" SET password = 'new'`, "new")
	notices(t, keeperOf(t, "postgres", d, "postfixadmin", 0), d,
		"UPDATE fetchmail SET src_password = 'bmV3', modified = now() WHERE id = 1", "bmV3")
	notices(t, keeperOf(t, "postgres", d, "postfixadmin", 0), d, "UPDATE fetchmail SET src_password = 'aGFuZA==' WHERE id = 1", "aGFuZA==")
	d.Do("ALTER TABLE fetchmail ADD src_port integer NOT NULL DEFAULT 0")
	notices(t, keeperOf(t, "postgres", d, "postfixadmin", 0), d, "UPDATE fetchmail SET src_port = 2995 WHERE id = 1", "2995")
	nonsense(t, "postgres", d)
	own(t, "postgres", d, `INSERT INTO mailretr_maildrops (host, "user", password, recipient)
 SELECT 'h.example', 'u' || i, 'p', 'a@b.example' FROM generate_series(1, 10000) i`)
}

// own reads our own table with ten thousand rows, one of which changes, and stops the server for a while.
func own(t *testing.T, kind string, d *real.Database, fill string) {
	t.Helper()
	schema, err := sql.Schema(kind, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.Do(schema, schema, fill)
	k := keeperOf(t, kind, d, "mailretr", 0)
	began := time.Now()
	if lines := drops(t, k); len(lines) != 10_000 {
		t.Fatalf("%d rows, first %q", len(lines), lines[0])
	}
	took := time.Since(began)
	if t.Logf("10,000 maildrops were read and joined in %s", took); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	changedRow(t, kind, d)
	large(t, kind, d, k)
	// What a long transaction has changed is seen late, and older than what is known.
	late := "UPDATE mailretr_maildrops SET password = 'late', changed = changed - INTERVAL 1 HOUR WHERE id = 7"
	if kind == "postgres" {
		late = `ALTER TABLE mailretr_maildrops DISABLE TRIGGER mailretr_touch;
 ` + strings.Replace(late, "1 HOUR", "'1 hour'", 1) + `; ALTER TABLE mailretr_maildrops ENABLE TRIGGER mailretr_touch`
	}
	notices(t, keeperOf(t, kind, d, "mailretr", 0), d, late, "late")
	d.Stop()
	if err := k.Look(t.Context()); err == nil || len(k.Rows()) != 10_000 {
		t.Errorf("while it is away: %v, %d rows", err, len(k.Rows()))
	}
	d.Start()
	if err := k.Look(t.Context()); err != nil || len(k.Rows()) != 10_000 {
		t.Errorf("when it is back: %v, %d rows", err, len(k.Rows()))
	}
}

//go:build interop

package test

import (
	"strings"
	"testing"
	"time"

	"mailretr/conf"
	"mailretr/conf/source"
	"mailretr/conf/sql"
	"mailretr/test/real"
)

// nonsense puts rows of every kind of nonsense between two that are well, and a table of all types: those two are collected,
// each of the others says what is wrong with it, and the tables are still there.
func nonsense(t *testing.T, kind string, d *real.Database) {
	t.Helper()
	text, blob, octets := "LONGTEXT", "BLOB", "x'00ff'"
	if kind == "postgres" {
		text, blob, octets = "TEXT", "BYTEA", `'\x00ff'`
	}
	const million = "REPEAT('h', 1000000)"
	d.Do("CREATE TABLE nonsense (id INTEGER, host "+text+", login TEXT, secret "+blob+", recipient "+text+", n NUMERIC, at TIMESTAMP NULL)",
		`INSERT INTO nonsense (id, host, login, secret, recipient) VALUES (1, 'well.example', 'a', 'p', 'a@b.example'),
 (2, '''; DROP TABLE nonsense; --', '"', 'p', 'a@b.example'), (3, 'h.example', '''; DROP TABLE nonsense; --', 'p', 'a@b.example'),
 (4, '*)(uid=*', '*)(uid=*', 'p', 'a@b.example'), (5, `+million+`, 'b', 'p', 'a@b.example'),
 (6, 'h.example', 'c', `+octets+`, 'a@b.example'), (7, NULL, NULL, NULL, NULL), (8, 'h.example', 'd', 'p', `+million+`),
 (9, '%s%n', '{{.}}', '${x}', '<script>@b.example'), (10, 'h.example', 'e', 'p', 'a@b.example'' OR 1=1'),
 (11, 'h.example', REPEAT('u', 5000), 'p', 'a@b.example'), (99, 'well.example', 'z', 'p', 'z@b.example')`)
	s := conf.DefaultSource()
	s.Kind, s.Name = kind, "odd"
	s.SQL = &conf.SQL{DSN: conf.SecretPlain(d.DSN), Query: `SELECT id, host, login AS ` + quotedUser(kind) + `, secret AS password, recipient,
 n AS port, at AS options FROM nonsense ORDER BY id`}
	r, err := sql.New(s)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	lines := drops(t, &source.Keeper{Source: s, Reader: r, Now: time.Now})
	well, all := "", strings.Join(lines, "\n")
	for _, l := range lines {
		if name, _, ok := strings.Cut(l, " imaps://"); ok {
			well += name + " "
		}
		if len(l) > 600 {
			t.Errorf("a line of %d octets: %.200s", len(l), l)
		}
	}
	// 3 is odd, and a user like any other: it is sent to the server as it is.
	if well != "odd-1 odd-3 odd-99 " {
		t.Errorf("%q are collected:\n%s", well, all)
	}
	for _, want := range []string{"odd row 2, column host ", "odd row 4, column host ", "odd row 5, column host  error    host: is longer than",
		"odd row 6, column password  error    password: is not UTF-8", "odd row 7, column host ", "odd row 8, column recipient ",
		"odd row 9, column host ", "odd row 10, column recipient ", "odd row 11, column user  error    user: is longer than"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is not in\n%s", want, all)
		}
	}
	// Types that are no text.
	d.Do("UPDATE nonsense SET n = 993, at = '2026-01-02 03:04:05' WHERE id = 1", "DELETE FROM nonsense WHERE id BETWEEN 2 AND 50")
	if lines = drops(t, &source.Keeper{Source: s, Reader: r, Now: time.Now}); len(lines) != 2 || !strings.HasPrefix(lines[0], "odd-1 imaps://a@well.example") {
		t.Errorf("%q", lines)
	}
}

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

// large puts a value of twenty million octets into a table of ours, and into an answer to a query of somebody else's: there
// the row is left out, here the answer is refused, in words, with what was read last going on; and neither is read whole.
func large(t *testing.T, kind string, d *real.Database, k *source.Keeper) {
	t.Helper()
	column, long := "host", "REPEAT('h', 20000000)"
	if kind == "mysql" { // whose column is none longer
		column, long = "recipient", "REPEAT('h', 65000)"
	}
	n := len(k.Rows())
	d.Do("UPDATE mailretr_maildrops SET " + column + " = " + long + " WHERE id = 5")
	lines := strings.Join(drops(t, k), "\n")
	if want := column + ": is longer than 4096 octets"; !strings.Contains(lines, want) || len(k.Rows()) != n {
		t.Errorf("%s: no %q among %d rows", kind, want, len(k.Rows()))
	}
	d.Do("UPDATE mailretr_maildrops SET " + column + " = 'h@h.example' WHERE id = 5")

	query, want := `SELECT 1 AS id, REPEAT('h', length) AS host, 'u' AS "user", 'p' AS password, 'a@b.example' AS recipient FROM lengths`,
		"a row has more than 16 MB"
	if kind == "mysql" {
		query, want = "SELECT seq AS id, REPEAT('h', length) AS host, 'u' AS `user`, 'p' AS password, 'a@b.example' AS recipient "+
			"FROM lengths, seq_1_to_20", "the answer has more than 256 MB"
	}
	d.Do("CREATE TABLE lengths (length INTEGER)", "INSERT INTO lengths VALUES (10)")
	s := conf.DefaultSource()
	s.Kind, s.Name, s.SQL = kind, "lengths", &conf.SQL{DSN: conf.SecretPlain(d.DSN), Query: query}
	r, err := sql.New(s)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	other := &source.Keeper{Source: s, Reader: r, Now: time.Now}
	if err := other.Look(t.Context()); err != nil || len(other.Rows()) == 0 {
		t.Fatal(kind, err)
	}
	before := len(other.Rows())
	d.Do("UPDATE lengths SET length = 17000000", "UPDATE lengths SET length = 16000000 WHERE '"+kind+"' = 'mysql'")
	if err := other.Look(t.Context()); err == nil || !strings.Contains(err.Error(), want) || len(other.Rows()) != before {
		t.Errorf("%s: %v, %d rows", kind, err, len(other.Rows()))
	}
	d.Do("UPDATE lengths SET length = 10")
	if err := other.Look(t.Context()); err != nil {
		t.Errorf("%s: afterwards: %v", kind, err)
	}
}

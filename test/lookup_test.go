//go:build interop

package test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"mailretr/conf"
	"mailretr/conf/ldap"
	"mailretr/conf/sql"
	"mailretr/relay/wire"
	"mailretr/test/real"
)

// A table is asked of one address.
type table interface {
	Ask(ctx context.Context, address string) ([]string, error)
	Close() error
}

// found are the values of the one column of a query.
type found struct{ *sql.Lookup }

func (f found) Ask(ctx context.Context, address string) (list []string, err error) {
	rows, err := f.Find(ctx, strings.ToLower(address))
	for _, r := range rows {
		list = append(list, r["goto"])
	}
	return list, err
}

// The same questions to real servers, with addresses that want to be more than values.
func TestH8_Lookups(t *testing.T) {
	const rows = `INSERT INTO alias VALUES ('info@old.example', 'a@kroon.example,b@kroon.example'), ('%', 'x@kroon.example'), ('@old.example', 'all@kroon.example')`
	maria, postgres := real.MariaDB(t), real.Postgres(t)
	for _, d := range []*real.Database{maria, postgres} {
		d.Do("CREATE TABLE alias (address varchar(255), goto varchar(255))", rows)
	}
	slapd := real.NewSlapd(t, nil, "", strings.Replace(owner(1), "mail: u1@kroon.example", "mail: a@kroon.example\nl: info@old.example", 1)+owner(2))
	ask := func(kind string, d *real.Database, domain string) table {
		x, err := sql.NewLookup(kind, conf.SecretPlain(d.DSN), "SELECT goto FROM alias WHERE address = :address OR address = CONCAT('@', "+
			domain+") ORDER BY address DESC LIMIT 1", "address")
		if err != nil {
			t.Fatal(err)
		}
		return found{x}
	}
	l := ofSlapd(slapd, "")
	l.Filter, l.TLS.Mode = "(l={address})", conf.ModeNone
	directory, err := ldap.NewTable(conf.Lookup{Kind: "ldap", LDAP: &l, Result: []string{"mail"}}, func(ctx context.Context, _ string) (ldap.Line, error) {
		return wire.Dial(ctx, wire.Options{Network: "unix", Address: slapd.Socket, TLS: wire.TLS{Mode: wire.Plain}})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name           string
		table          table
		known, unknown string
		stop, start    func()
	}{
		{"mysql", ask("mysql", maria, "SUBSTRING_INDEX(:address, '@', -1)"), "[a@kroon.example,b@kroon.example]", "[all@kroon.example]", maria.Stop, maria.Start},
		{"postgres", ask("postgres", postgres, "split_part(:address, '@', 2)"), "[a@kroon.example,b@kroon.example]", "[all@kroon.example]", postgres.Stop, postgres.Start},
		{"ldap", directory, "[a@kroon.example]", "[]", slapd.Stop, slapd.Start},
	} {
		said := func(address, want string) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			list, err := x.table.Ask(ctx, address)
			if got := fmt.Sprint(list); err != nil || got != want {
				t.Errorf("%s: %q: %s, %v", x.name, address, got, err)
			}
		}
		said("INFO@old.example", x.known)
		began := time.Now()
		for range 100 {
			said("info@old.example", x.known)
		}
		t.Logf("%s: a question takes %s", x.name, (time.Since(began) / 100).Round(time.Microsecond))
		said("other@old.example", x.unknown)
		for _, address := range []string{"*", "*)(uid=*", "' OR 1=1 -- ", `\2a`, "_@b.example", "x@b.example'; DROP TABLE alias; --", "a\\' OR 1=1 -- "} {
			said(address, "[]")
		}
		x.stop()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if list, err := x.table.Ask(ctx, "info@old.example"); err == nil {
			t.Errorf("%s: %v while it is away", x.name, list)
		}
		cancel()
		x.start()
		said("info@old.example", x.known)
		if err := x.table.Close(); err != nil {
			t.Error(err)
		}
	}
}

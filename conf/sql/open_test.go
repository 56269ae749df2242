package sql

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"mailretr/conf"
)

// zeros is a server that sends without end.
type zeros struct {
	net.Conn
	closed bool
}

func (z *zeros) Read(p []byte) (int, error)  { return len(p), nil }
func (z *zeros) Write(p []byte) (int, error) { return len(p), nil }
func (z *zeros) Close() error                { z.closed = true; return nil }

// An answer has a bound, from each question on, and who asked is told so in words.
func TestAnswerWithoutEnd(t *testing.T) {
	z, endless, p := &zeros{}, &atomic.Bool{}, make([]byte, 1<<20)
	b := &bounded{Conn: z, endless: endless}
	for range 3 {
		b.Write(p[:1])
		for range maxAnswer >> 20 {
			if _, err := b.Read(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := b.Read(p); err == nil || !z.closed {
		t.Error("more is read")
	}
	err := tooMuch(io.ErrUnexpectedEOF, endless)
	if err == nil || !strings.Contains(err.Error(), "more than 256 MB; let the query take the beginning of long columns, as LEFT(name, 4097)") {
		t.Error(err)
	}
	if err := tooMuch(io.ErrUnexpectedEOF, endless); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("what came later: %v", err)
	}
}

// Of several hosts of PostgreSQL the last one is reached in time although the others say nothing.
func TestHostsOfPostgres(t *testing.T) {
	for dsn, want := range map[string]time.Duration{
		"postgres://u:p@a.example/db": idle, "postgres://u:p@a.example,b.example,c.example:5433/db?sslmode=prefer": 3 * time.Second,
		"host=a.example,b.example user=u sslmode=verify-full": 4500 * time.Millisecond,
	} {
		c, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		if got := turn(c); got != want {
			t.Errorf("%s: %s", dsn, got)
		}
	}
}

// What anybody may write into the table of a panel is shortened by the server, in each kind of database.
func TestPresetsReadTheBeginning(t *testing.T) {
	for name, kinds := range presets {
		for kind := range kinds {
			p, err := presetOf(name, kind)
			if err != nil {
				t.Fatal(err)
			}
			for _, q := range []string{p.query, p.changed} {
				if strings.ContainsAny(strings.ReplaceAll(q, "> ", ""), "<>") {
					t.Errorf("%s of %s: %s", name, kind, q)
				}
			}
			want := "LEFT("
			if kind == "sqlite" {
				want = "OCTET_LENGTH("
			}
			if name != "ispconfig" && !strings.Contains(p.query, want) { // whose columns are short all
				t.Errorf("%s of %s: %s", name, kind, p.query)
			}
		}
	}
}

// A file of SQLite may hold values of any length: those of a preset are not read, those of a query fail in words.
func TestLargeValueInSQLite(t *testing.T) {
	const table = "CREATE TABLE fetchmail (id, mailbox, src_server, src_user, src_password, src_folder, poll_time, fetchall, keep, protocol, " +
		"usessl, extra_options, active)"
	row := func(id int, server string) string {
		return fmt.Sprintf("INSERT INTO fetchmail VALUES (%d, 'a@b.example', %s, 'u', 'cA==', '', 10, 0, 1, 'IMAP', 1, NULL, 1)", id, server)
	}
	large := fmt.Sprintf("PRINTF('%%.*c', %d, 'h')", maxRow+1)
	r := database(t, conf.SQL{Preset: "postfixadmin"}, table, row(1, "'h.example'"), row(2, large), row(3, "PRINTF('%.*c', 5000, 'h')"))
	lines, err := said(t, r)
	if err != nil || len(lines) != 3 || !strings.Contains(lines[0], "host=h.example") ||
		!strings.Contains(lines[1], "host is longer than 4096 octets") || !strings.Contains(lines[2], "host is longer than 4096 octets") {
		t.Errorf("%v %q", err, lines)
	}
	r = database(t, conf.SQL{Query: "SELECT id, src_server AS host, src_user AS user, src_password AS password, mailbox AS recipient FROM fetchmail"},
		table, row(1, large))
	if _, err := said(t, r); err == nil || !strings.Contains(err.Error(), "a row has more than 16 MB; let the query take the beginning") {
		t.Errorf("%v", err)
	}
}

package sql

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
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
				want = "SUBSTR("
			}
			if name != "ispconfig" && !strings.Contains(p.query, want) { // whose columns are short all
				t.Errorf("%s of %s: %s", name, kind, p.query)
			}
		}
	}
}

//go:build interop

package test

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mailretr/conf"
	"mailretr/conf/source"
	"mailretr/conf/sql"
	"mailretr/test/real"
)

// counted is a database behind a socket of ours, which counts what passes.
func counted(t *testing.T, kind string, d *real.Database) (dsn string, octets *atomic.Int64) {
	t.Helper()
	dir := t.TempDir()
	at, to := filepath.Join(dir, "s"), strings.TrimSuffix(strings.TrimPrefix(d.DSN, "root@unix("), ")/test")
	dsn = "root@unix(" + at + ")/test"
	if kind == "postgres" {
		real, _, _ := strings.Cut(strings.TrimPrefix(d.DSN, "host="), " ")
		at, to = filepath.Join(dir, ".s.PGSQL.5432"), filepath.Join(real, ".s.PGSQL.5432")
		dsn = strings.Replace(d.DSN, "host="+real, "host="+dir, 1)
	}
	l, err := net.Listen("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	octets = &atomic.Int64{}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", to)
			if err != nil {
				client.Close()
				continue
			}
			for from, into := range map[net.Conn]net.Conn{client: server, server: client} {
				go func() {
					defer into.Close()
					io.Copy(into, io.TeeReader(from, adding{octets}))
				}()
			}
		}
	}()
	return dsn, octets
}

type adding struct{ n *atomic.Int64 }

func (a adding) Write(p []byte) (int, error) { a.n.Add(int64(len(p))); return len(p), nil }

// One changed row among ten thousand costs one small query: its figures, beside those of a look that finds nothing new and of
// reading all.
func changedRow(t *testing.T, kind string, d *real.Database) {
	t.Helper()
	s := conf.DefaultSource()
	s.Kind, s.Name = kind, "own"
	dsn, octets := counted(t, kind, d)
	s.SQL = &conf.SQL{DSN: conf.SecretPlain(dsn), Preset: "mailretr"}
	r, err := sql.New(s)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	now := time.Now()
	k := &source.Keeper{Source: s, Reader: r, Now: func() time.Time { return now }}
	look := func(what string, most int64) {
		t.Helper()
		now = now.Add(3 * time.Minute)
		began, before := time.Now(), octets.Load()
		if err := k.Look(t.Context()); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		n := octets.Load() - before
		if t.Logf("%s: %-32s %8d octets, %6.1f ms", kind, what, n, time.Since(began).Seconds()*1000); n > most {
			t.Errorf("%s: %d octets, want at most %d", what, n, most)
		}
	}
	look("10,000 rows, the first time", 4<<20)
	look("settling", 4<<20)
	look("nothing new", 1<<10)
	first, at := k.Rows()[0], k.Rows()[4999]
	d.Do("UPDATE mailretr_maildrops SET password = 'again' WHERE id = 5000")
	look("one row changed", 4<<10)
	if k.Rows()[0] != first || k.Rows()[4999] == at || k.Rows()[4999].Columns["password"] != "again" {
		t.Error("the change is not seen, or others changed too")
	}
	look("settling", 4<<10)
	d.Do("INSERT INTO mailretr_maildrops (host, " + quotedUser(kind) + ", password, recipient) VALUES ('h.example', 'new', 'p', 'a@b.example')")
	if look("one row more", 4<<10); len(k.Rows()) != 10_001 {
		t.Errorf("%d rows", len(k.Rows()))
	}
	d.Do("DELETE FROM mailretr_maildrops WHERE " + quotedUser(kind) + " = 'new'")
	if look("one row less: all are read", 4<<20); len(k.Rows()) != 10_000 {
		t.Errorf("%d rows", len(k.Rows()))
	}
}

func quotedUser(kind string) string {
	if kind == "mysql" {
		return "`user`"
	}
	return `"user"`
}

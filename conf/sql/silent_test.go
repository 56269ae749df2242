package sql

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"mailretr/conf"
)

// A database that takes a connection and says nothing, or breaks off, holds nobody longer than he wants to wait.
func TestH9_SilentDatabase(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if n%2 == 1 {
				io.WriteString(c, "N\x00\x00\x01\xff\xff\xff")
			}
			defer c.Close()
		}
	}()
	for kind, dsn := range map[string]string{
		"mysql": "u:p@tcp(" + l.Addr().String() + ")/db", "postgres": "postgres://u:p@" + l.Addr().String() + "/db?sslmode=disable",
	} {
		r, err := New(conf.Source{Kind: kind, SQL: &conf.SQL{DSN: conf.SecretPlain(dsn), Preset: "mailretr"}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			began := time.Now()
			_, err := r.Version(ctx)
			_, _, err2 := r.Changed(ctx, "1")
			for _, err3 := range r.Rows(ctx) {
				err2 = errors.Join(err2, err3)
			}
			cancel()
			if took := time.Since(began); err == nil || err2 == nil || took > 5*time.Second {
				t.Errorf("%s: %v, %v after %s", kind, err, err2, took)
			}
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

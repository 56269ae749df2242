package main

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"mailretr/conf"
)

// many is a source of many rows that says which have changed.
type many struct {
	rows    []*conf.Row
	version int
}

func (c *many) Close() error                            { return nil }
func (c *many) Changes() bool                           { return true }
func (c *many) Version(context.Context) (string, error) { return fmt.Sprint(c.version), nil }

func (c *many) Rows(context.Context) iter.Seq2[*conf.Row, error] {
	return func(yield func(*conf.Row, error) bool) {
		for _, r := range c.rows {
			if again := *r; !yield(&again, nil) {
				return
			}
		}
	}
}

func (c *many) Changed(_ context.Context, since string) (some []*conf.Row, total int, err error) {
	for _, r := range c.rows {
		if r.Version > since {
			again := *r
			some = append(some, &again)
		}
	}
	return some, len(c.rows), nil
}

// put writes a row.
func (c *many) put(i int, password string) {
	c.version++
	r := &conf.Row{}
	r.Call(fmt.Sprint(i))
	for column, value := range map[string]string{"id": fmt.Sprint(i), "name": fmt.Sprintf("box-%d", i), "host": fmt.Sprintf("h%d.example", i%50),
		"user": fmt.Sprintf("u%d", i), "password": password, "recipient": fmt.Sprintf("u%d@kroon.co.za", i),
		"version": fmt.Sprintf("%09d", c.version)} {
		r.Set(column, value)
	}
	if i < len(c.rows) {
		c.rows[i] = r
	} else {
		c.rows = append(c.rows, r)
	}
}

// Of ten thousand rows one changes at each look: the others stay the very maildrops that they were.
func TestOneOfManyRows(t *testing.T) {
	const n = 10_000
	p := newPanel(t)
	d := p.serve()
	defer p.end(d)
	c := &many{}
	for i := range n {
		c.put(i, "x")
	}
	k := d.sources.all()[0]
	at := time.Now()
	k.Reader, k.Now = c, func() time.Time { return at }
	for range 3 {
		if err := k.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Minute)
	}
	if got := len(d.house.config.Load().Maildrops); got != n+1 {
		t.Fatalf("%d maildrops", got)
	}
	const looks = 20
	began := time.Now()
	for i := range looks {
		c.put(i*7, fmt.Sprint("y", i))
		at = at.Add(time.Minute)
		if err := k.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s for each look", (time.Since(began) / looks).Round(time.Millisecond))
	now := d.house.config.Load()
	for i := range n {
		m, want := now.Maildrop(fmt.Sprintf("box-%d", i)), "x"
		if i%7 == 0 && i/7 < looks {
			want = fmt.Sprint("y", i/7)
		}
		if m == nil || passwordOf(t, m) != want {
			t.Fatalf("%d: %+v", i, m)
		}
	}
	changed := 0
	for _, e := range p.events {
		if strings.HasPrefix(e.Text, "a source has changed: 1 maildrop new or changed, 0 gone") {
			changed++
		}
	}
	if changed != looks {
		t.Errorf("%d looks of %d have found one changed maildrop", changed, looks)
	}
}

func passwordOf(t *testing.T, m *conf.Maildrop) string {
	t.Helper()
	text, err := m.Password.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

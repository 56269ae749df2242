package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/conf"
)

// table is a source of rows by their IDs.
type table struct {
	ids      []string
	version  string
	err      error
	broken   bool // the answer breaks off
	versions int
	reads    int
	closed   int
}

func (f *table) Version(context.Context) (string, error) { f.versions++; return f.version, f.err }
func (f *table) Close() error                            { f.closed++; return nil }
func (f *table) Rows(context.Context) iter.Seq2[*conf.Row, error] {
	return func(yield func(*conf.Row, error) bool) {
		f.reads++
		for _, id := range f.ids {
			r := &conf.Row{}
			r.Call(id)
			r.Set("user", id)
			if !yield(r, nil) {
				return
			}
		}
		if f.broken {
			yield(nil, errors.New("cut"))
		}
	}
}

type memory map[string][]byte

func (m memory) Load(_ context.Context, name string) ([]byte, error) { return m[name], nil }
func (m memory) Save(_ context.Context, name string, set []byte) error {
	m[name] = set
	return nil
}

// kept is a keeper with what it told.
type kept struct {
	*Keeper
	changed int
	told    []string
}

func keep(f *table, m memory) *kept {
	k := &kept{Keeper: &Keeper{Reader: f, Store: m, Now: time.Now}}
	k.Source = conf.DefaultSource()
	k.Source.Name, k.Source.Kind = "panel", "mysql"
	k.Changed = func(context.Context) { k.changed++ }
	k.Told = func(s State, err error) { k.told = append(k.told, fmt.Sprint(s.Wrong, err != nil)) }
	return k
}

func ids(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

// One question per interval where nothing has changed; after a change all rows are read twice, since a version in seconds
// overlooks what changes in the same second; and once an hour.
func TestAsksCheaply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &table{ids: ids(10), version: "1"}
		k := keep(f, memory{})
		ctx, stop := context.WithCancel(t.Context())
		go k.Run(ctx)
		time.Sleep(30*time.Minute + time.Second)
		synctest.Wait()
		if f.versions != 31 || f.reads != 2 || k.changed != 1 {
			t.Errorf("%d questions, %d readings, %d changes", f.versions, f.reads, k.changed)
		}
		first := k.Rows()[0]
		k.turn.Lock()
		f.ids, f.version = ids(11), "2"
		k.turn.Unlock()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if f.reads != 4 || k.changed != 2 || len(k.Rows()) != 11 || k.Rows()[0] != first {
			t.Errorf("%d readings, %d changes, %d rows", f.reads, k.changed, len(k.Rows()))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if f.reads != 5 || k.changed != 2 || len(k.told) != 0 {
			t.Errorf("%d readings, %d changes, %q", f.reads, k.changed, k.told)
		}
		stop()
		synctest.Wait()
		if f.closed != 1 {
			t.Error("the connection stays")
		}
	})
}

// H9: whatever happens to the source, the last good set stays, and it is told once since when.
func TestH9_LastGoodSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := &table{ids: ids(10)}, memory{}
		k := keep(f, m)
		if err := k.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		good := k.State().Read
		for _, x := range []struct {
			name string
			f    table
		}{
			{"away", table{err: errors.New("refused")}},
			{"cut", table{ids: ids(9), broken: true}},
			{"empty", table{}},
			{"four", table{ids: ids(4)}},
		} {
			*f = x.f
			since := time.Now()
			for i := range 3 {
				if f.err != nil {
					f.err = fmt.Errorf("refused, from port %d", i)
				}
				if k.Look(t.Context()) == nil {
					t.Errorf("%s: no error", x.name)
				}
				time.Sleep(time.Minute)
			}
			s := k.State()
			if len(k.Rows()) != 10 || s.Wrong == "" || !s.Read.Equal(good) || !s.Since.Equal(since) || k.changed != 1 || f.closed == 0 {
				t.Errorf("%s: %d rows, %+v", x.name, len(k.Rows()), s)
			}
			again := keep(f, m)
			if err := again.Load(t.Context()); err != nil || len(again.Rows()) != 10 || !again.State().Since.Equal(since) {
				t.Errorf("%s, after a restart: %v, %+v", x.name, err, again.State())
			}
			*f = table{ids: ids(10)}
			if err := k.Look(t.Context()); err != nil || k.State().Wrong != "" {
				t.Errorf("%s: not well again: %v", x.name, err)
			}
			good = k.State().Read
		}
		if len(k.told) != 8 {
			t.Errorf("told %d times: %q", len(k.told), k.told)
		}
		*f = table{ids: ids(5)} // half is not less than half
		if err := k.Look(t.Context()); err != nil || len(k.Rows()) != 5 {
			t.Errorf("half: %v", err)
		}
		*f = table{ids: ids(0)}
		if err := k.Look(t.Context()); !errors.Is(err, ErrFewer) || k.State().Fewer != 0 {
			t.Errorf("none: %v", err)
		}
		if err := k.Accept(t.Context()); err != nil || len(k.Rows()) != 0 {
			t.Errorf("accepted: %v", err)
		}
	})
}

// Rows with the same ID are two.
func TestEachRowHasAnID(t *testing.T) {
	k := keep(&table{ids: []string{"a", "a", "a (2)", "a"}}, nil)
	k.Store = memory{}
	if err := k.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range k.Rows() {
		if seen[r.ID] {
			t.Errorf("%q is there twice", r.ID)
		}
		seen[r.ID] = true
	}
}

// A set that is damaged is an error, and no panic.
func TestDamagedSet(t *testing.T) {
	for _, b := range []string{"", "x", "\x1f\x8b"} {
		k := keep(&table{}, memory{"panel": []byte(b)})
		if err := k.Load(t.Context()); err == nil || len(k.Rows()) != 0 {
			t.Errorf("%q: %v", b, err)
		}
	}
}

// Since when a row means its account is known, over restarts: changes of other columns do not make it younger, another account
// does, and so does being away. What came all at once is of one age.
func TestH8_SinceWhenARowMeansItsAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, m := &ledger{}, memory{}
		l.put("1", "anna", 1)
		l.put("2", "piet", 1)
		k := keep(&l.table, m)
		k.Reader = l
		look := func() {
			t.Helper()
			if err := k.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		look()
		if a, b := k.Rows()[0].Since, k.Rows()[1].Since; !a.IsZero() || !b.IsZero() {
			t.Errorf("%s, %s", a, b)
		}
		at := time.Now()
		l.put("1", "piet", 2)
		look()
		l.put("3", "new", 3)
		look()
		again := *l.rows[0]
		again.Columns = map[string]string{"id": "1", "user": "piet", "password": "other"}
		l.rows[0] = &again
		k = keep(&l.table, m)
		k.Reader = l
		if err := k.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		look()
		r := k.Rows()
		if !r[0].Since.Equal(at) || r[0].Columns["password"] != "other" || !r[1].Since.IsZero() || !r[2].Since.Equal(at.Add(time.Hour)) {
			t.Errorf("%s, %s, %s; want %s", r[0].Since, r[1].Since, r[2].Since, at)
		}
	})
}

// A clock that is set back, also over a restart, makes no row older than one that was there before it.
func TestH8_ClockIsSetBack(t *testing.T) {
	l, m := &ledger{}, memory{}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	look := func() []*conf.Row {
		t.Helper()
		k := keep(&l.table, m)
		k.Reader, k.Now = l, func() time.Time { return at }
		if err := errors.Join(k.Load(t.Context()), k.Look(t.Context())); err != nil {
			t.Fatal(err)
		}
		return k.Rows()
	}
	l.put("1", "anna", 1)
	look()
	at = at.Add(time.Hour)
	l.put("2", "piet", 2)
	first := look()[1].Since
	at = at.Add(-300 * 24 * time.Hour)
	l.put("3", "piet", 3)
	if r := look(); !first.Equal(r[1].Since) || !r[2].Since.After(first) {
		t.Errorf("%s, and before it %s", r[1].Since, r[2].Since)
	}
}

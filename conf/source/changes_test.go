package source

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/conf"
)

// ledger is a table whose rows have versions.
type ledger struct {
	table
	rows    []*conf.Row
	asked   []string // since what
	changes int      // rows that were returned as changed
}

func (l *ledger) Changes() bool { return true }

func (l *ledger) Changed(_ context.Context, since string) (some []*conf.Row, total int, err error) {
	l.asked = append(l.asked, since)
	for _, r := range l.rows {
		if again := *r; less(since, r.Version) {
			some = append(some, &again)
		}
	}
	l.changes += len(some)
	return some, len(l.rows), l.err
}

func (l *ledger) Rows(context.Context) iter.Seq2[*conf.Row, error] {
	return func(yield func(*conf.Row, error) bool) {
		l.reads++
		for _, r := range l.rows {
			if again := *r; !yield(&again, nil) {
				return
			}
		}
	}
}

// put writes a row, in its place or at the end, as a database does.
func (l *ledger) put(id, user string, version int) {
	r := &conf.Row{}
	r.Call(id)
	r.Set("id", id)
	r.Set("user", user)
	r.Set("version", fmt.Sprint(version))
	for i := range l.rows {
		if l.rows[i].ID == id {
			l.rows[i] = r
			return
		}
	}
	l.rows = append(l.rows, r)
}

func keepLedger(l *ledger) *kept {
	k := keep(&l.table, memory{})
	k.Reader = l
	return k
}

func users(k *kept) (s string) {
	for _, r := range k.Rows() {
		s += r.Columns["user"] + " "
	}
	return s
}

// What changed is all that is asked for, as long as that is enough: rows that are gone, that come in another place, or whose
// versions do not say that they changed make all be read.
func TestAsksForWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{table: table{version: "1"}}
		for i := 1; i <= 9; i++ {
			l.put(fmt.Sprint(i), fmt.Sprint("u", i), i)
		}
		k := keepLedger(l)
		look := func(what string, reads, changed int, want string) {
			t.Helper()
			if err := k.Look(t.Context()); err != nil {
				t.Fatal(what, err)
			}
			if l.reads != reads || k.changed != changed || want != "" && users(k) != want {
				t.Errorf("%s: %d readings, %d changes, %s", what, l.reads, k.changed, users(k))
			}
			time.Sleep(time.Minute)
		}
		look("first", 1, 1, "u1 u2 u3 u4 u5 u6 u7 u8 u9 ")
		look("settles", 2, 1, "")
		look("nothing new", 2, 1, "")
		if len(l.asked) != 0 {
			t.Errorf("asked %q", l.asked)
		}
		first := k.Rows()[0]
		l.put("3", "other", 12)
		l.version = "2"
		look("one changed", 2, 2, "u1 u2 other u4 u5 u6 u7 u8 u9 ")
		if k.Rows()[0] != first || l.changes != 1 {
			t.Errorf("%d rows were read", l.changes)
		}
		l.put("4", "late", 11) // whoever wrote it took longer than row 3
		look("overtaken", 2, 3, "u1 u2 other late u5 u6 u7 u8 u9 ")
		l.put("10", "new", 13)
		l.version = "3"
		look("one more", 2, 4, "u1 u2 other late u5 u6 u7 u8 u9 new ")
		l.put("2", "u2", 20) // its version alone is new
		l.version = "4"
		look("the same", 2, 4, "")
		l.put("6", "quiet", 6)
		l.version = "5"
		look("a row without a new version", 3, 5, "u1 u2 other late u5 quiet u7 u8 u9 new ")
		l.rows = append(l.rows[:1:1], l.rows[2:]...)
		l.version = "6"
		look("one less", 4, 6, "u1 other late u5 quiet u7 u8 u9 new ")
		l.put("2", "back", 30)
		l.version = "7"
		look("in another place", 5, 7, "")
		time.Sleep(time.Hour)
		look("an hour", 6, 7, "")
	})
}

// Nothing is asked for by halves of rows that are not told apart by IDs of their own, nor before all were read once, nor
// while there are too few.
func TestReadsAllWhereItMust(t *testing.T) {
	l := &ledger{table: table{version: "1"}}
	for i := 1; i <= 9; i++ {
		l.put(fmt.Sprint(i), "u", i)
	}
	l.rows[3].ID = "2"
	k := keepLedger(l)
	for range 3 {
		l.version += "1"
		if err := k.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.asked) > 0 || l.reads != 3 {
		t.Errorf("two rows with one ID: asked %q", l.asked)
	}
	l.rows, l.asked = l.rows[:3], nil
	for range 3 {
		l.version += "1"
		if err := k.Look(t.Context()); err == nil {
			t.Error("a third of the rows is taken")
		}
	}
	if len(l.asked) > 0 || len(k.Rows()) != 9 {
		t.Errorf("too few rows: asked %q", l.asked)
	}
	again := keep(&l.table, k.Store.(memory))
	again.Reader = l
	if err := again.Load(t.Context()); err != nil || again.since() != "" || len(again.Rows()) != 9 {
		t.Errorf("after a restart: since %q, %v", again.since(), err)
	}
}

func TestVersionsAreCompared(t *testing.T) {
	for _, x := range [][2]string{
		{"9", "10"}, {"1764105251.5", "1764105251.123456e1"}, {"1764105251.123456", "1764105251.123457"},
		{"2026-11-25T02:00:00.1Z", "2026-11-25T02:00:00.12Z"}, {"2026-10-25T02:59:00+02:00", "2026-10-25T02:01:00+01:00"},
		{"2026-11-25 02:00:00", "2026-11-25 02:00:00.1"}, {"", "1"}, {"a", "b"},
	} {
		if !less(x[0], x[1]) || less(x[1], x[0]) || less(x[0], x[0]) {
			t.Errorf("%q is not before %q", x[0], x[1])
		}
	}
}

package conf

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// Who collects from the same folder is found as if all were compared with all that are left.
func TestFoldersOfOneAccount(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	names := []string{"INBOX", "inbox", "a", "A", "b", "a/b", "a*", "*", "%", `\Junk`, "c", "d"}
	for range 300 {
		c := base()
		var rows []*Row
		for i := range 6 {
			var folders []string
			for range 1 + r.IntN(2) {
				if f := names[r.IntN(len(names))]; !slices.ContainsFunc(folders, func(g string) bool { return sameFolder(f, g) }) {
					folders = append(folders, f)
				}
			}
			rows = append(rows, row(fmt.Sprint(i), "name", fmt.Sprint("n", i), "user", fmt.Sprint(r.IntN(2)), "folders", strings.Join(folders, ",")))
		}
		all, _ := c.With(t.Context(), []Set{{Source: panelSource(), Rows: rows}})
		var want []string
		var left []*Maildrop
		for _, x := range rows {
			one, _ := c.With(t.Context(), []Set{{Source: panelSource(), Rows: []*Row{x}}})
			if len(one.Maildrops) == 0 {
				want = append(want, x.ID)
				continue
			}
			m := one.Maildrops[0]
			if slices.ContainsFunc(left, func(o *Maildrop) bool { _, both := overlap(o, m); return both && o.account() == m.account() }) {
				want = append(want, x.ID)
				continue
			}
			left = append(left, m)
		}
		var got []string
		for _, b := range all.Bad {
			got = append(got, strings.TrimPrefix(b.Pos.File, "panel row "))
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			for _, b := range all.Bad {
				t.Log(b.Problems)
			}
			t.Fatalf("%v are left out, want %v", got, want)
		}
	}
}

// H8: whoever writes thousands of rows for one account, with other folders or patterns in each, costs nobody else a minute.
func TestH8_RowsOfOneAccount(t *testing.T) {
	var rows []*Row
	for i := range 10_000 {
		folders := fmt.Sprintf("F%d,G%d", i, i)
		if i%2 == 0 {
			folders = fmt.Sprintf("%d*", i)
		}
		if i%100 == 1 {
			folders = strings.Repeat("x,", 2000)
		}
		rows = append(rows, row(fmt.Sprint(i), "name", fmt.Sprint("n", i), "user", "same", "folders", folders))
	}
	began := time.Now()
	all, _ := base().With(t.Context(), []Set{{Source: panelSource(), Rows: rows}})
	if took := time.Since(began); took > time.Minute || len(all.Maildrops) != 4950 {
		t.Errorf("%d of %d are well, after %s", len(all.Maildrops), len(rows), took)
	}
}

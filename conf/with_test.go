package conf

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// told is what came of rows, in words.
func told(c *Config) string {
	var b strings.Builder
	for i := range c.Maildrops {
		m := c.Maildrops[i]
		fmt.Fprintf(&b, "%s %s %s %s %v %v %s\n", m.Name, m.URL(), m.To, m.Poll, m.At.Self, m.Enabled, m.Owner)
	}
	for _, x := range c.Bad {
		fmt.Fprintf(&b, "bad %s %v %v\n", x.Name, x.Pos, x.Problems)
	}
	return b.String()
}

// Whatever changes in the rows, and whichever of them are wrong, too much, or take another's place: what is made of those that
// changed alone is what is made of all.
func TestAgainIsWith(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c, s := base(), panelSource()
	s.Owners = &Owners{Maildrops: 2}
	s.completeOwners()
	var rows []*Row
	var last *Config
	for range 300 {
		switch n := r.IntN(len(rows) + 1); {
		case n == len(rows) || r.IntN(3) == 0:
			rows = append(rows, row(fmt.Sprint(r.IntN(1000)), "name", fmt.Sprint("n", r.IntN(20)), "user", fmt.Sprint(r.IntN(20)),
				"owner", fmt.Sprint(r.IntN(9)), "interval", fmt.Sprint(r.IntN(3)*700), "active", fmt.Sprint(r.IntN(2))))
		case r.IntN(2) == 0:
			rows = append(rows[:n:n], rows[n+1:]...)
		default:
			again := *rows[n]
			rows = append(append(rows[:n:n], &again), rows[n+1:]...)
			rows[n].Columns = map[string]string{"host": "h.example", "user": fmt.Sprint(r.IntN(20)), "password": "p", "recipient": "a@b.example"}
		}
		sets := []Set{{Source: s, Rows: rows}}
		whole, _ := c.With(t.Context(), sets)
		some, _ := c.Again(t.Context(), sets, last)
		if w, g := told(&whole), told(&some); w != g {
			t.Fatalf("%d rows:\n%s\nwant\n%s", len(rows), g, w)
		}
		last = &some
	}
	if len(last.Bad) == 0 || len(last.Maildrops) == 0 {
		t.Errorf("%d bad, %d well", len(last.Bad), len(last.Maildrops))
	}
}

func TestIndex(t *testing.T) {
	c := Config{Maildrops: []*Maildrop{{Name: "a", User: "1"}, {Name: "b"}, {Name: "a", User: "2"}}}
	for range 2 {
		if c.Maildrop("a").User != "1" || c.Maildrop("b") != c.Maildrops[1] || c.Maildrop("c") != nil {
			t.Error("another one is found")
		}
		c.Index()
	}
	b := base()
	b.Index()
	all, _ := b.With(t.Context(), []Set{{Source: panelSource(), Rows: []*Row{row("1", "name", "c")}}})
	if all.Maildrop("c") == nil {
		t.Error("what came with rows is not found")
	}
}

package conf

import (
	"context"
	"slices"
)

// A Set is what a source said when it was last asked.
type Set struct {
	Source *Source
	Rows   []*Row
	// Options does to a maildrop what the column options of its row says in the words of another program, and returns what of
	// it is not done here, a phrase each. nil: nobody knows those words.
	Options func(text string, m *Maildrop) (unmet []string)
}

// With returns c with the maildrops of the rows, and what is wrong with these. What stands in files comes first, then the
// sets in their order, and the rows of one by when they came (Row.Since): of two that cannot both be, the later one is left
// out, and its problem names both places. c, whose Complete and LeaveOut were called, stays as it is. An error of one row, or
// of the key of one source, concerns no other.
func (c *Config) With(ctx context.Context, sets []Set) (Config, []Problem) {
	return c.Again(ctx, sets, nil)
}

// Again is With where last is what came of it before, of the same c, sources and keys: rows that are the same become the
// maildrops that they were, and what was warned of them is not told again. nil: there was nothing before.
func (c *Config) Again(ctx context.Context, sets []Set, last *Config) (Config, []Problem) {
	all, problems := *c, []Problem(nil)
	was, n := read(last), len(c.Maildrops)
	for _, s := range sets {
		n += len(s.Rows)
	}
	all.Maildrops = append(make([]*Maildrop, 0, n), c.Maildrops...)
	all.Bad, all.index = slices.Clone(c.Bad), nil
	var fresh []int
	for _, s := range sets {
		key, err := ReadSecretKey(ctx, s.Source.Key)
		if err != nil {
			problems = append(problems, Problem{Pos: s.Source.At.Of("key"), Severity: Warning, Text: "key: " + err.Error()})
		}
		rows := slices.Clone(s.Rows)
		slices.SortStableFunc(rows, func(a, b *Row) int { return a.Since.Compare(b.Since) })
		for _, r := range rows {
			if m := was[r]; m != nil {
				all.Maildrops = append(all.Maildrops, m)
				continue
			}
			fresh = append(fresh, len(all.Maildrops))
			m, wrong := s.Source.read(r, key, s.Options)
			problems = append(problems, wrong...)
			all.Maildrops = append(all.Maildrops, &m)
		}
	}
	v := &validator{c: &all}
	for _, i := range fresh {
		all.completeMaildrop(all.Maildrops[i])
		v.maildrop(all.Maildrops[i])
	}
	v.conflicts()
	problems = all.sharing(len(c.Maildrops), append(problems, v.problems...))
	all.LeaveOut(problems)
	all.own(len(c.Bad))
	return all, problems
}

// read are the maildrops that are well, by their rows.
func read(c *Config) map[*Row]*Maildrop {
	if c == nil {
		return nil
	}
	all := make(map[*Row]*Maildrop, len(c.Maildrops))
	for i := range c.Maildrops {
		if m := c.Maildrops[i]; m.Row != nil {
			all[m.Row] = m
		}
	}
	return all
}

// own gives those that were left out names of their own, from the first-th on: a row may bear the name of a maildrop that
// is well, or none that could be shown.
func (c *Config) own(first int) {
	taken := make(map[string]bool, len(c.Maildrops)+len(c.Bad))
	for i := range c.Maildrops {
		taken[c.Maildrops[i].Name] = true
	}
	for i := range c.Bad {
		b := &c.Bad[i]
		v := &validator{c: c}
		if i >= first && (taken[b.Name] || !v.name(Where{}, "name", b.Name)) {
			b.Name = b.Pos.File
		}
		taken[b.Name] = true
	}
}

package notes

import (
	"context"
	"iter"

	"mailretr/fetch/budget"
	"mailretr/store"
)

// Traffic keeps the pages of a [budget.Book]. Safe for concurrent use.
type Traffic struct{ Engine Engine }

// Notes yields the notes of an owner, or of all for "".
func (t Traffic) Notes(ctx context.Context, owner string) iter.Seq2[budget.Note, error] {
	return func(yield func(budget.Note, error) bool) {
		for n, err := range t.Engine.Notes(ctx, string(spaceTraffic), owner) {
			if !yield(budget.Note{Owner: n.Owner, Key: n.Key, Value: n.Value}, err) {
				return
			}
		}
	}
}

// Save writes notes in one commit.
func (t Traffic) Save(ctx context.Context, some []budget.Note) error {
	all := make([]store.Note, 0, len(some))
	for _, n := range some {
		all = append(all, store.Note{Space: string(spaceTraffic), Owner: n.Owner, Key: n.Key, Value: n.Value})
	}
	return save(ctx, t.Engine, all...)
}

package notes

import (
	"context"

	"mailretr/store"
)

// Status keeps the records of package status. Safe for concurrent use.
type Status struct{ Engine Engine }

// Load returns all records, by key.
func (s Status) Load(ctx context.Context) (map[string][]byte, error) {
	all := map[string][]byte{}
	for n, err := range s.Engine.Notes(ctx, string(spaceStatus), "") {
		if err != nil {
			return nil, err
		}
		all[n.Owner] = n.Value
	}
	return all, nil
}

// Save keeps records, all in one commit; a nil value removes one.
func (s Status) Save(ctx context.Context, some map[string][]byte) error {
	all := make([]store.Note, 0, len(some))
	for key, value := range some {
		all = append(all, store.Note{Space: string(spaceStatus), Owner: key, Key: "record", Value: value})
	}
	return save(ctx, s.Engine, all...)
}

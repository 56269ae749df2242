package store

import (
	"context"

	"mailretr/store/mail"
)

// chunk is how many records one commit changes at most, where many are changed alike.
const chunk = 100

// change leases records by id, whether due, held or neither, applies f to each, and commits those for which
// it says so. Records that are being attempted, or are gone, are left out. n counts what was changed.
func (q *Queue) change(ctx context.Context, ids []mail.ID, f func(*Record) bool) (n int, err error) {
	for len(ids) > 0 {
		some := ids[:min(chunk, len(ids))]
		ids = ids[len(some):]
		leased, _, err := q.Engine.LeaseMessages(ctx, Filter{IDs: some}, len(some), q.ttl())
		if err != nil {
			return n, err
		}
		var b Batch
		for _, l := range leased {
			if !f(&l.Record) {
				q.Engine.Release(l.Lease)
				continue
			}
			b.Fence = append(b.Fence, l.Lease)
			b.Put = append(b.Put, l.Record)
		}
		if len(b.Put) == 0 {
			continue
		}
		if err := q.commit(ctx, &b); err != nil {
			q.Engine.Release(b.Fence...)
			return n, err
		}
		n += len(b.Put)
	}
	return n, nil
}

package store

import (
	"context"

	"mailretr/store/mail"
)

// Recognize looks at messages whose UIDs do not prove that they are new (mail.Choice.Check), by their
// headers: it costs the line far less than to find out when the whole is here. Those that were here before
// are marked under their new UIDs, in one commit, and returned as known; release are those of them that were
// taken, and so may be let go of after [Queue.Confirm]. Of two that are new and equal the second counts as
// known for now, and the next session finds out. The rest is to be fetched.
func (q *Queue) Recognize(ctx context.Context, all []*mail.Message) (known, release []mail.UID, err error) {
	b := &Batch{}
	var here []mail.Origin
	for _, m := range all {
		e := &entry{m: m, n: 1}
		header, err := m.Content.Header(ctx)
		if err != nil {
			return nil, nil, err
		}
		e.mark.Key = q.ContentKey(header, m.Content.Size())
		if size, ok := q.memory.formerSize(m.Origin); ok {
			e.former = q.ContentKey(header, size)
		}
		q.mark([]*entry{e})
		left, err := q.forewarned(ctx, []*entry{e})
		if err != nil {
			return nil, nil, local(err, "")
		}
		if len(left) > 0 && !e.second {
			if q.memory.twice(m.Origin, e.mark.Key) {
				known = append(known, m.Origin.UID) // when the other one is ours it is told by it
			}
			continue
		}
		known, here = append(known, m.Origin.UID), append(here, m.Origin)
		if e.second {
			b.Seen = append(b.Seen, e.mark)
		}
		if e.err == nil {
			release = append(release, m.Origin.UID)
		}
	}
	if len(b.Seen) > 0 {
		if err := q.commit(ctx, b); err != nil {
			return nil, nil, local(err, "")
		}
	}
	for _, o := range here {
		q.memory.took(o)
	}
	return known, release, nil
}

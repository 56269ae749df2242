package store

import (
	"context"

	"mailretr/store/mail"
)

// A record whose recipients part, because it is routed anew, becomes several; each has a file of its own, which has to be
// there before the commit that makes them. A crash in between would leave a whole file that no record names, and a restart
// would take that in: its recipients would get the message twice, since the record that was to part still has them. So a
// note is durable before such a file can be, and ends in that commit.

// SpaceSplit is the space of the notes of files that are made while a record is parted: owner is the ID as text, the value
// the ID of the record that parts. A file that no record names, and that such a note does, belongs to a commit that was
// never made: an engine removes it, and does not adopt it.
const SpaceSplit = "split"

// parting is what is noted of the parts of a record that get a file of their own.
func parting(of mail.ID, parts []mail.ID) (begin, end []Note) {
	for _, id := range parts {
		n := Note{Space: SpaceSplit, Owner: id.String()}
		end = append(end, n)
		n.Value = of[:]
		begin = append(begin, n)
	}
	return begin, end
}

// Resume is for the start, before anything is delivered: what a crash has interrupted is finished or forgotten, so that
// it can be done again. The engine has put its files in order before.
func (q *Queue) Resume(ctx context.Context) error {
	old, err := q.oldFalls(ctx)
	if err != nil {
		return err
	}
	b := &Batch{Notes: old}
	for n, err := range q.Engine.Notes(ctx, SpaceSplit, "") {
		if err != nil {
			return err
		}
		n.Value = nil
		b.Notes = append(b.Notes, n)
	}
	if len(b.Notes) > 0 {
		if err := q.commit(ctx, b); err != nil {
			return err
		}
	}
	return q.finishImports(ctx)
}

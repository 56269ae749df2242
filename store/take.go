package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"mailretr/store/mail"
)

// How a batch becomes ours: one commit with all records and marks. It is refused as a whole when a UID has
// a mark already, because another session, or an earlier one whose answer was lost, has taken the same
// message. Those are left out, and the rest is committed again.

// take waits for the bodies and commits. Each entry without an error is durable then, or was before.
func (q *Queue) take(ctx context.Context, in []*entry) {
	live := make([]*entry, 0, len(in))
	for _, e := range in {
		if e.sealing.Wait(); e.err != nil {
			e.discard()
			continue
		}
		live = append(live, e)
	}
	q.mark(live)
	live, err := q.forewarned(ctx, live)
	live = widowed(live)
	for round := 0; err == nil && len(live) > 0; round++ {
		err = q.commit(ctx, takeBatch(q, live))
		var seen *ErrSeen
		if !errors.As(err, &seen) || round == seenRounds {
			break
		}
		live, err = q.without(ctx, live, seen.UIDs)
		live = widowed(live)
	}
	q.taken(live, err)
	q.hits(ctx, in, err == nil && len(live) > 0)
}

// seenRounds bounds how often a commit is refused for marks: each round resolves all that were named, so
// more than two mean that somebody else sets marks for the same account at the same time.
const seenRounds = 5

// mark fills the marks. Of two messages with one UID in a batch the first one has the mark; both are queued.
func (q *Queue) mark(in []*entry) {
	day := day(q.now())
	type key struct {
		mail.Account
		mail.UID
	}
	have := map[key]bool{}
	for _, e := range in {
		o := e.m.Origin
		k := key{o.Account, o.UID}
		if o.Account == "" || o.UID == "" || have[k] {
			continue
		}
		have[k] = true
		e.mark.Account, e.mark.UID, e.mark.Mark, e.mark.Day, e.mark.New = o.Account, o.UID, Taken, day, true
		e.mark.Size = e.m.Content.Size()
		if q.Keeps != nil && q.Keeps(o, e.mark.Size) {
			e.mark.Mark = Kept
		}
	}
}

// day is the number of the day of t since 1970, in UTC.
func day(t time.Time) int32 { return int32(t.Unix() / 86400) }

// takeBatch is the one commit of these entries.
func takeBatch(q *Queue, in []*entry) *Batch {
	b := &Batch{Put: make([]Record, 0, len(in)), Seen: make([]Seen, 0, len(in))}
	for _, e := range in {
		for _, p := range e.parts {
			b.Put = append(b.Put, p.rec)
		}
		if e.mark.Mark != Unseen {
			b.Seen = append(b.Seen, e.mark)
		}
		if n, ok := q.memory.asideNote(e.m.Origin); ok {
			b.Notes = append(b.Notes, n)
		}
		if p := &e.partial; !p.ID.Zero() {
			b.Notes = append(b.Notes, p.gone())
		}
	}
	return b
}

// without asks for the marks that stand in the way of a commit, and leaves out what they cover.
func (q *Queue) without(ctx context.Context, live []*entry, uids []mail.UID) ([]*entry, error) {
	var left []*entry
	for _, e := range live {
		if e.mark.Mark == Unseen || !slices.Contains(uids, e.mark.UID) {
			left = append(left, e)
			continue
		}
		have, err := q.Engine.Marks(ctx, e.mark.Account, []mail.UID{e.mark.UID})
		if err != nil {
			return live, err
		}
		if !e.against(have[0]) {
			left = append(left, e)
		}
	}
	return left, nil
}

// against judges an entry by the mark that its UID has. covered: it is not queued again.
func (e *entry) against(have Seen) (covered bool) {
	switch {
	case have.Mark == Unseen:
		return false
	case !e.same(have):
		e.again, e.mark.New = true, false // the server uses a UID again: better twice than lost
		return false
	case have.Mark == Known, have.Mark == Kept:
		e.err = errKnown
	case have.Mark == LetGo && e.mark.Key != have.Key && e.former != have.Key:
		return false
	default:
		e.hit = true
	}
	e.discard()
	return true
}

// errKnown says that a message stays upstream because of what its mark says: nothing is taken, so nothing may be
// let go of.
var errKnown error = knownError{}

type knownError struct{}

func (knownError) Error() string { return "the message is known, and stays where it is" }

// Known tells this error from one of the disk or database.
func (knownError) Known() bool { return true }

// same says whether a mark speaks of this very message: some servers announce another size from one session to the
// next, so the header section decides. A mark without a size or key proves nothing else than the UID.
func (e *entry) same(have Seen) bool {
	if have.Key != [16]byte{} && e.mark.Key != [16]byte{} {
		return have.Key == e.mark.Key || have.Key == e.former
	}
	return have.Size <= 0 || e.mark.Size <= 0 || have.Size == e.mark.Size
}

// taken tells the fate of the commit.
func (q *Queue) taken(live []*entry, err error) {
	for _, e := range live {
		switch {
		case err == nil && len(e.parts) == 0: // an alias
			q.memory.took(e.m.Origin)
		case err == nil:
			e.m.ID = e.parts[0].rec.ID
			e.m.Queued = e.parts[0].rec.Queued
			q.memory.took(e.m.Origin)
			q.spare(e)
			q.queued(e)
		case errors.Is(err, ErrUnknown):
			e.err = local(err, "") // a commit may name the bodies: they stay, and the engine judges them
		default:
			e.err = local(err, "")
			e.discard()
		}
	}
}

// spare removes the file that a message which is whole has begun in. One that stays costs space only, until the
// engine looks at its spool.
func (q *Queue) spare(e *entry) {
	if id := e.partial.ID; !id.Zero() && id != e.parts[0].rec.ID {
		if err := q.Engine.DropPartial(context.Background(), id); err != nil {
			q.observe(mail.Event{Op: mail.OpStore, Origin: e.m.Origin, Err: err, Text: "a partial body stays"})
		}
	}
}

// hits confirms what was taken before: the mark that we read may not be durable yet. A commit of ours that
// returned after the reading has done so already.
func (q *Queue) hits(ctx context.Context, in []*entry, confirmed bool) {
	if confirmed || !slices.ContainsFunc(in, func(e *entry) bool { return e.hit }) {
		return
	}
	if err := q.Confirm(ctx); err != nil {
		for _, e := range in {
			if e.hit {
				e.err = local(err, "")
			}
		}
	}
}

// queued tells observers of a message that is ours now.
func (q *Queue) queued(e *entry) {
	if q.Observe == nil {
		return
	}
	for i := range e.parts {
		r := &e.parts[i].rec
		q.observe(mail.Event{
			At: r.Queued, Op: mail.OpQueue, ID: r.ID, Origin: r.Origin, Lane: r.Lane, From: r.Reverse,
			Messages: 1, Octets: r.Size, Saved: e.before.Upstream,
		})
		if r.Held() {
			q.observe(mail.Event{At: r.Queued, Op: mail.OpHold, ID: r.ID, Origin: r.Origin, Lane: r.Lane, From: r.Reverse,
				Text: r.HoldWhy})
		}
	}
	if e.mended.any() {
		r := &e.parts[0].rec
		q.observe(mail.Event{
			Op: mail.OpNormal, ID: r.ID, Origin: r.Origin, Messages: 1,
			Octets: int64(e.mended.LF + e.mended.CR), Text: e.mended.String(),
		})
	}
}

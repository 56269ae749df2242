package store

import (
	"context"
	"time"

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
			old, err := q.wasLeft(ctx, m.Origin, header)
			if err != nil {
				return nil, nil, local(err, "")
			}
			if old {
				e.mark.Mark = Known
				b.Seen = append(b.Seen, e.mark)
				known, here = append(known, m.Origin.UID), append(here, m.Origin)
				continue
			}
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

// Mail that was left at first contact, or was known to another program, was never looked at: its UID is all that is known of
// it. Where the server gives new ones that is nothing any more, and all of it would be collected. What is remembered is when
// the first contact was, and a header says when its message came.
//
// Where folders are labels every UID has to be told by its header, and one label more on old mail is what somebody has just put
// there, so that it is collected. But a label that is new, or was made anew, has old mail under new UIDs: as long as its space
// is doubted, what came before the first contact is left.

// A leaving is what came of an account before it was met, and was left there.
type leaving struct {
	until  time.Time       // it came before; zero: nothing was left
	labels map[string]bool // folder/uidvalidity whose UIDs may be new names of it; nil: of any
}

// recallLeft finds out until when mail came that was left, if some of a listing has to be told by its header.
func (q *Queue) recallLeft(ctx context.Context, l *Listing, c *contact, doubts bool) error {
	if !doubts || q.Came == nil {
		return nil // what another maildrop of the account has found out stays
	}
	left := leaving{}
	if l.Copies {
		left.labels = c.doubtful(q.now())
		if len(left.labels) == 0 {
			q.memory.leaves(l.Account, left) // without a look at all marks
			return nil
		}
	}
	for _, a := range append([]mail.Account{l.Account}, c.Former...) {
		at, err := q.leftAt(ctx, a)
		if err != nil {
			return err
		}
		if !at.IsZero() && (left.until.IsZero() || at.Before(left.until)) {
			left.until = at
		}
	}
	q.memory.leaves(l.Account, left)
	return nil
}

// leftAt is when mail of an account was left; zero: none was, or nobody knows when. A first contact that somebody has made by an
// Accept or Adopt left nothing, and one in the future was made by a clock that was wrong. Where nothing is marked as left any
// more, somebody wants it.
func (q *Queue) leftAt(ctx context.Context, a mail.Account) (time.Time, error) {
	c, _, err := q.contact(ctx, a)
	if err != nil || c.First.After(q.now()) || !c.Accepted.IsZero() && !c.First.Before(c.Accepted) {
		return time.Time{}, err
	}
	for s, err := range q.Engine.AllMarks(ctx, a) {
		if err != nil || s.Mark == Known && (c.Left || s.Key == [16]byte{}) {
			return c.First, err
		}
	}
	return time.Time{}, nil
}

// wasLeft says whether a message that nothing is known of came before mail was left, so that it is some of that.
func (q *Queue) wasLeft(ctx context.Context, o mail.Origin, header []byte) (bool, error) {
	left := q.memory.leaving(o.Account)
	if left.until.IsZero() || q.Came == nil || left.labels != nil && !left.labels[spaceOf(o.UID, []string{})] {
		return false, nil
	}
	came := q.Came(header)
	if came.IsZero() {
		came = o.Date
	}
	if came.IsZero() || !came.Before(left.until) {
		return false, nil
	}
	have, err := q.Engine.Marks(ctx, o.Account, []mail.UID{o.UID})
	return err == nil && have[0].Mark == Unseen, err
}

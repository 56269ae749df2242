package store

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"mailretr/store/mail"
)

// What changes marks, besides the commit that takes a message.

// marksAtOnce bounds the marks that one commit changes, where nothing depends on all of them being one.
const marksAtOnce = 2000

// Gone marks messages as let go: the server has confirmed that they are no longer there. Marks keep their
// size and content key, so that one which comes back is known.
func (q *Queue) Gone(ctx context.Context, a mail.Account, uids []mail.UID) error {
	today := day(q.now())
	return q.remark(ctx, a, uids, func(s Seen) (Seen, bool) {
		if s.Mark == Unseen {
			return s, false
		}
		s.Mark, s.Day, s.New = LetGo, today, false
		return s, true
	})
}

// Skip marks messages as known: they are not meant to be collected. Marks that stand already stay. All or
// none: one commit.
func (q *Queue) Skip(ctx context.Context, a mail.Account, uids []mail.UID) error {
	today := day(q.now())
	return q.remarkAll(ctx, a, uids, func(s Seen) (Seen, bool) {
		if s.Mark != Unseen {
			return s, false
		}
		s.Mark, s.Day = Known, today
		return s, true
	})
}

// Met says whether an account has any mark: then it was collected from before, whatever notes say.
func (q *Queue) Met(ctx context.Context, a mail.Account) (bool, error) {
	for _, err := range q.Engine.AllMarks(ctx, a) {
		return err == nil, err
	}
	return false, nil
}

// Forget removes the marks of these messages. Those that are still upstream are collected (again).
func (q *Queue) Forget(ctx context.Context, a mail.Account, uids []mail.UID) error {
	for some := range slices.Chunk(uids, marksAtOnce) {
		b := &Batch{}
		for _, u := range some {
			b.Forget = append(b.Forget, Seen{Account: a, UID: u})
		}
		if err := q.commit(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// Seen yields the marks of an account, in no order; see [Engine.AllMarks].
func (q *Queue) Seen(ctx context.Context, a mail.Account) iter.Seq2[Seen, error] {
	return q.Engine.AllMarks(ctx, a)
}

// A remark changes a mark, or says that it stays.
type remark func(Seen) (Seen, bool)

// remark reads marks, and commits those that f changes, some at a time.
func (q *Queue) remark(ctx context.Context, a mail.Account, uids []mail.UID, f remark) error {
	for some := range slices.Chunk(uids, marksAtOnce) {
		if err := q.remarkAll(ctx, a, some, f); err != nil {
			return err
		}
	}
	return nil
}

// remarkAll reads marks, and commits those that f changes at once.
func (q *Queue) remarkAll(ctx context.Context, a mail.Account, uids []mail.UID, f remark) error {
	marks, err := q.Engine.Marks(ctx, a, uids)
	if err != nil {
		return err
	}
	b := &Batch{}
	for i, s := range marks {
		s.Account, s.UID = a, uids[i]
		if s, ok := f(s); ok {
			b.Seen = append(b.Seen, s)
		}
	}
	if len(b.Seen) == 0 {
		return nil
	}
	return q.commit(ctx, b)
}

// Adopt says that a maildrop which has another server or user now holds the same mail as before. Its
// messages are compared by content with what was collected under the former account.
func (q *Queue) Adopt(ctx context.Context, maildrop string, a mail.Account) error {
	former, err := q.accountOf(ctx, maildrop)
	switch {
	case err != nil:
		return err
	case former == a:
		return nil
	case former == "":
		return fmt.Errorf("maildrop %s was never collected from, so there is nothing to adopt",
			mail.Printable(maildrop, 100))
	}
	old, _, err := q.contact(ctx, former)
	if err != nil {
		return err
	}
	c, _, err := q.contact(ctx, a)
	if err != nil {
		return err
	}
	now := q.now()
	c.Maildrop, c.Doubt, c.Accepted = maildrop, now.Add(forgetAfter), now
	if c.First.IsZero() {
		c.First = now
	}
	for _, f := range append([]mail.Account{former}, old.Former...) {
		if f != a && !slices.Contains(c.Former, f) && len(c.Former) < 10 {
			c.Former = append(c.Former, f)
		}
	}
	return q.commit(ctx, &Batch{Notes: []Note{contactNote(a, &c), maildropNote(maildrop, a)}})
}

// Accept says, after a rebuild of the database, that an account may be collected from as its marks stand:
// what has none is collected. So nothing that came meanwhile is taken for old mail.
func (q *Queue) Accept(ctx context.Context, a mail.Account) error {
	return q.touch(ctx, a, func(c *contact) {
		if c.Accepted = q.now(); c.First.IsZero() {
			c.First = c.Accepted
		}
	})
}

// Stay marks messages as kept that were taken: what had to be done upstream is done there, and they stay.
func (q *Queue) Stay(ctx context.Context, a mail.Account, uids []mail.UID) error {
	return q.remark(ctx, a, uids, func(s Seen) (Seen, bool) {
		if s.Mark != Taken {
			return s, false
		}
		s.Mark, s.New = Kept, false
		return s, true
	})
}

// Follow says that what was collected and kept so far may be let go of, now that the configuration says
// delete. It holds until the configuration says otherwise.
func (q *Queue) Follow(ctx context.Context, a mail.Account) error {
	return q.touch(ctx, a, func(c *contact) { c.Follow = true })
}

func (q *Queue) touch(ctx context.Context, a mail.Account, f func(*contact)) error {
	c, _, err := q.contact(ctx, a)
	if err != nil {
		return err
	}
	f(&c)
	return q.commit(ctx, &Batch{Notes: []Note{contactNote(a, &c)}})
}

// listed notes what a listing shows beside its messages: what of the contact has changed, once a day which
// marks it did not name, and the aside notes that end.
func (q *Queue) listed(ctx context.Context, l *Listing, c *contact, marks []Seen, changed bool) error {
	now := q.now()
	changed = changed || c.Maildrop != l.Maildrop
	c.Maildrop = l.Maildrop
	b := &Batch{}
	if l.Complete && now.Sub(c.Listed) >= 24*time.Hour {
		if err := q.sweep(ctx, l, marks, b); err != nil {
			return err
		}
		c.Listed, changed = now, true
	}
	if l.Complete {
		ended, err := q.unlisted(ctx, l)
		if err != nil {
			return err
		}
		b.Notes, changed = append(b.Notes, ended...), changed || len(ended) > 0
		if err := q.unlistedPartials(ctx, l); err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	b.Notes = append(b.Notes, contactNote(l.Account, c), maildropNote(l.Maildrop, l.Account))
	if err := q.commit(ctx, b); err != nil {
		return err
	}
	q.memory.piled(l.Account, pile{}) // it is counted anew
	return nil
}

// unlisted removes the aside notes of messages that a complete listing does not name.
func (q *Queue) unlisted(ctx context.Context, l *Listing) (all []Note, err error) {
	var here map[mail.UID]bool // of many notes each would be looked for in a long listing
	for a, err := range q.Asides(ctx, l.Account) {
		if err != nil {
			return nil, err
		}
		if here == nil {
			here = make(map[mail.UID]bool, len(l.UIDs))
			for _, u := range l.UIDs {
				here[u] = true
			}
		}
		if covered(a.UID, l.Folders) && !here[a.UID] {
			all = append(all, Note{Space: spaceAside, Owner: string(l.Account), Key: string(a.UID)})
		}
	}
	return all, nil
}

package store

import (
	"cmp"
	"context"
	"slices"

	"mailretr/store/mail"
)

// What a maildrop leaves upstream costs disk and memory here, and how much it leaves is said by its server, and by who
// writes to it. So notes have a bound, and so have the headers in them: those can be had again.

// The bounds are for one account. Notes have some 300 octets each, and all of an account are read with each listing.
// Where there is no room for one more header, one that is longer than its share is not kept, so that nothing is written for
// nothing; for others some are dropped, the largest first and of equal ones the oldest, until a quarter of the room is free.
// Their next question costs the line a header once more.
const (
	mostAsides     = 10_000
	mostHeads      = 1000
	mostHeadOctets = 4 << 20
	shareOfHeads   = mostHeadOctets / mostHeads
)

// Crowded says that so many messages of an account are left that one more is not noted. It stays upstream all the same.
type Crowded struct{}

// Error says it for people.
func (*Crowded) Error() string { return "no more messages of a maildrop can be left with a note" }

// Crowded tells this error from one of the disk or database.
func (*Crowded) Crowded() bool { return true }

// A pile is what is kept of an account's messages that are left. Between two listings it may be less: what is taken is
// not counted off.
type pile struct {
	notes, heads int
	octets       int64 // of heads
}

func (c *pile) add(a *Aside) {
	c.notes++
	if n := len(a.Header); n > 0 {
		c.heads++
		c.octets += int64(n)
	}
}

// over says whether the headers have to be fewer than they are, of a bound of which a share is to stay free.
func (c *pile) over(share int) bool {
	return c.heads > mostHeads-mostHeads*share/100 || c.octets > mostHeadOctets-mostHeadOctets*int64(share)/100
}

// pileOf is what is kept of an account, counted where nobody has since the start.
func (q *Queue) pileOf(ctx context.Context, a mail.Account) (c pile, err error) {
	if c, ok := q.memory.pileOf(a); ok {
		return c, nil
	}
	for x, err := range q.Asides(ctx, a) {
		if err != nil {
			return c, err
		}
		c.add(&x)
	}
	return c, nil
}

// pileWith counts a note that takes the place of old, or of none, and returns those notes that have to end or be shorter
// for it. A header of its own that has no room is gone from it. *Crowded: it has no room.
func (q *Queue) pileWith(ctx context.Context, a *Aside, old *Aside) (c pile, others []Note, err error) {
	c, err = q.pileOf(ctx, a.Account)
	if err != nil {
		return c, nil, err
	}
	if old != nil {
		c.notes--
		if n := len(old.Header); n > 0 {
			c.heads--
			c.octets -= int64(n)
		}
	} else if c.notes >= mostAsides {
		return c, nil, &Crowded{}
	}
	with := c
	if with.add(a); !with.over(0) || len(a.Header) == 0 {
		return with, nil, nil
	}
	if len(a.Header) > shareOfHeads {
		a.Header = nil
		c.add(a)
		return c, nil, nil
	}
	return q.thin(ctx, a)
}

// thin drops headers, that of a too if it is one of the largest, and counts what is left.
func (q *Queue) thin(ctx context.Context, a *Aside) (c pile, others []Note, err error) {
	type head struct {
		uid    mail.UID
		octets int
		since  int64
	}
	all := []head{{a.UID, len(a.Header), a.Since.UnixNano()}}
	c.add(a)
	for x, err := range q.Asides(ctx, a.Account) {
		if err != nil {
			return c, nil, err
		}
		if x.UID == a.UID {
			continue
		}
		if c.add(&x); len(x.Header) > 0 {
			all = append(all, head{x.UID, len(x.Header), x.Since.UnixNano()})
		}
	}
	slices.SortFunc(all, func(x, y head) int {
		return cmp.Or(cmp.Compare(y.octets, x.octets), cmp.Compare(x.since, y.since))
	})
	for _, x := range all {
		if !c.over(25) {
			break
		}
		c.heads--
		c.octets -= int64(x.octets)
		if x.uid == a.UID {
			a.Header = nil
			continue
		}
		note, err := q.headless(ctx, a.Account, x.uid)
		if err != nil {
			return c, nil, err
		}
		others = append(others, note)
	}
	return c, others, nil
}

// headless is a note without its header.
func (q *Queue) headless(ctx context.Context, account mail.Account, uid mail.UID) (n Note, err error) {
	n = Note{Space: spaceAside, Owner: string(account), Key: string(uid)}
	a, ok, err := q.AsideOf(ctx, account, uid)
	if err != nil || !ok {
		return n, err // it has ended meanwhile
	}
	a.Header = nil
	n.Value = pack(a)
	return n, nil
}

// unmark ends those of the notes whose messages were taken while they were written anew.
func (q *Queue) unmark(ctx context.Context, account mail.Account, notes []Note) error {
	if len(notes) == 0 {
		return nil
	}
	uids := make([]mail.UID, len(notes))
	for i, n := range notes {
		uids[i] = mail.UID(n.Key)
	}
	marks, err := q.Engine.Marks(ctx, account, uids)
	if err != nil {
		return err
	}
	b := &Batch{}
	for i, m := range marks {
		if n := notes[i]; n.Value != nil && m.Mark != Unseen && m.Mark != Known {
			n.Value = nil
			b.Notes = append(b.Notes, n)
		}
	}
	if len(b.Notes) == 0 {
		return nil
	}
	return q.commit(ctx, b)
}

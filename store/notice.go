package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"mailretr/store/mail"
)

// AsideWanted is the kind of a note that says that somebody wants a message whatever its size: see
// [Queue.Want].
const AsideWanted = "wanted"

// Notice queues a message of ours that tells of m, which stays upstream. m is marked Known, so that it is
// neither collected nor told of again, under another UID as well; the note says why. All of it is one commit.
// An m that was here before is told of to nobody.
//
// A crash may leave the notice's file behind, which is then adopted like any other. It has an origin of its
// own, by which the next Notice of m knows that.
func (q *Queue) Notice(ctx context.Context, m, notice *mail.Message, a Aside) error {
	header, err := m.Content.Header(ctx)
	if err != nil {
		return err
	}
	e := &entry{m: m, n: len(m.Envelope.Recipients)}
	if m.Origin.Account != "" {
		e.mark.Key = q.ContentKey(header, m.Content.Size())
	}
	q.mark([]*entry{e})
	e.mark.Mark = Known
	var known interface{ Known() bool }
	if ours, err := q.metBefore(ctx, e); ours || err != nil {
		if errors.As(err, &known) {
			return nil
		}
		return err
	}
	notice.Origin = noticed(m.Origin)
	told, err := q.Engine.Marks(ctx, notice.Origin.Account, []mail.UID{notice.Origin.UID})
	if err != nil {
		return local(err, "")
	}
	var all []*entry
	if told[0].Mark == Unseen {
		x, err := q.stage(ctx, notice, nil)
		if err != nil {
			return err
		}
		q.seal(ctx, x)
		if x.sealing.Wait(); x.err != nil {
			x.discard()
			return x.err
		}
		all = append(all, x)
	}
	return q.notice(ctx, e, a, all)
}

// noticed is the origin of the notice about a message: no maildrop lists it.
func noticed(o mail.Origin) mail.Origin {
	h := sha256.Sum256([]byte("notice\x00" + o.Account))
	a := mail.Account(hex.EncodeToString(h[:16]))
	return mail.Origin{Maildrop: o.Maildrop, Account: a, UID: "notice of " + o.UID}
}

// notice commits mark, note and notice. The notice has no mark: the one of its message says that it was sent.
func (q *Queue) notice(ctx context.Context, e *entry, a Aside, all []*entry) error {
	a.Account, a.UID, a.Since, a.Tries = e.m.Origin.Account, e.m.Origin.UID, q.now(), 1
	a.Why, a.Next = mail.Printable(a.Why, 600), time.Time{}
	b := &Batch{Seen: []Seen{e.mark}}
	sum, err := q.pileOf(ctx, a.Account)
	if err != nil {
		return local(err, "")
	}
	if sum.add(&a); sum.notes <= mostAsides { // the mark says enough for us
		b.Notes = []Note{{Space: spaceAside, Owner: string(a.Account), Key: string(a.UID), Value: pack(a)}}
	}
	for _, x := range all {
		for _, p := range x.parts {
			b.Put = append(b.Put, p.rec)
		}
	}
	err = q.commit(ctx, b)
	var seen *ErrSeen
	switch {
	case err == nil:
	case errors.As(err, &seen): // somebody else has taken it, or told of it
		for _, x := range all {
			x.discard()
		}
		return q.Confirm(ctx)
	default:
		for _, x := range all {
			if !isUnknown(err) {
				x.discard()
			}
		}
		return local(fmt.Errorf("telling of a message that stays upstream: %w", err), "")
	}
	q.memory.piled(a.Account, sum)
	q.memory.took(e.m.Origin)
	for _, x := range all {
		x.m.ID, x.m.Queued = x.parts[0].rec.ID, x.parts[0].rec.Queued
		q.queued(x)
	}
	q.observe(mail.Event{
		Op: mail.OpAside, Origin: e.m.Origin, Messages: 1, Octets: a.Size, Attempt: 1, Text: a.Why, Err: a.Err,
	})
	return nil
}

// Want turns the notes of these messages into ones that say that somebody wants them: they are listed as
// to be fetched, and named in Chosen.Wanted, until they are taken. A mark has to be forgotten by its own.
func (q *Queue) Want(ctx context.Context, account mail.Account, uids ...mail.UID) error {
	b := &Batch{}
	for _, u := range uids {
		a := Aside{Kind: AsideWanted, Why: "somebody has asked for it", Since: q.now()}
		b.Notes = append(b.Notes, Note{Space: spaceAside, Owner: string(account), Key: string(u), Value: pack(a)})
	}
	if len(b.Notes) == 0 {
		return nil
	}
	return q.commit(ctx, b)
}

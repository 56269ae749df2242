package store

import (
	"context"
	"iter"
	"slices"
	"time"

	"mailretr/store/mail"
)

// An Aside is a note about a message that was left upstream for a reason. It is no mark: it ends when the
// settings of the maildrop change, when the message is taken or gone, or when somebody says so; and it is
// tried again meanwhile.
type Aside struct {
	Account  mail.Account `cbor:"-"`
	UID      mail.UID     `cbor:"-"`
	Maildrop string       `cbor:"1,keyasint"`
	Kind     string       `cbor:"2,keyasint"` // a word for programs: what the caller wants
	Why      string       `cbor:"3,keyasint"` // a sentence for people
	Header   []byte       `cbor:"4,keyasint"` // what was paid for; longer than 64 KiB is not kept
	Size     int64        `cbor:"5,keyasint"` // as announced
	Settings string       `cbor:"6,keyasint"` // hash of what the reason depends on
	Since    time.Time    `cbor:"7,keyasint"`
	Next     time.Time    `cbor:"8,keyasint"` // not tried before; zero: at each session
	Tries    int          `cbor:"9,keyasint"`

	Err error `cbor:"-"` // what the event says beside Why; not kept
}

// maxAsideHeader is the longest header that is kept. Real ones are shorter.
const maxAsideHeader = 64 << 10

// mostAside is longer than any note says to wait: a month is the most.
const mostAside = 62 * 24 * time.Hour

// waits says whether the message is not tried yet. What is to wait for longer than anything does was noted under a
// clock that was wrong.
func (a *Aside) waits(now time.Time) bool {
	return a.Next.After(now) && a.Next.Sub(now) <= mostAside
}

// Aside notes that a message stays upstream. Where it stays already for the same Kind, Since is kept and
// Tries counted on. The note as it stands is returned. What is kept of an account has bounds (pile.go): headers are
// dropped where they are too many, and *Crowded says that there is no room for one more note.
func (q *Queue) Aside(ctx context.Context, a Aside) (Aside, error) {
	old, ok, err := q.AsideOf(ctx, a.Account, a.UID)
	if err != nil {
		return a, err
	}
	a.Tries, a.Since = 1, q.now()
	if ok && old.Kind == a.Kind && old.Settings == a.Settings {
		a.Tries, a.Since = old.Tries+1, old.Since
		if len(a.Header) == 0 {
			a.Header = old.Header
		}
	}
	if len(a.Header) > maxAsideHeader {
		a.Header = nil
	}
	a.Why = mail.Printable(a.Why, 600)
	before := &old
	if !ok {
		before = nil
	}
	sum, others, err := q.pileWith(ctx, &a, before)
	if err != nil {
		return a, err
	}
	note := Note{Space: spaceAside, Owner: string(a.Account), Key: string(a.UID), Value: pack(a)}
	if err := q.commit(ctx, &Batch{Notes: append(slices.Clip(others), note)}); err != nil {
		return a, err
	}
	q.memory.piled(a.Account, sum)
	q.memory.aside(a.Account, a.UID)
	if err := q.unmark(ctx, a.Account, others); err != nil {
		return a, err
	}
	q.observe(mail.Event{
		Op: mail.OpAside, Origin: mail.Origin{Maildrop: a.Maildrop, Account: a.Account, UID: a.UID}, Messages: 1,
		Octets: a.Size, Next: a.Next, Attempt: a.Tries, Text: a.Why, Err: a.Err,
	})
	return a, nil
}

// AsideOf returns the note of one message, if there is one.
func (q *Queue) AsideOf(ctx context.Context, account mail.Account, uid mail.UID) (a Aside, ok bool, err error) {
	b, err := q.Engine.Note(ctx, spaceAside, string(account), string(uid))
	if err == nil && b != nil {
		err = unpack(b, &a)
	}
	if err != nil || b == nil {
		return Aside{}, false, err
	}
	a.Account, a.UID = account, uid
	return a, true, nil
}

// Asides yields the notes of an account, or of all for "".
func (q *Queue) Asides(ctx context.Context, account mail.Account) iter.Seq2[Aside, error] {
	return readNotes(q.Engine.Notes(ctx, spaceAside, string(account)), func(n Note) (a Aside, err error) {
		err = unpack(n.Value, &a)
		a.Account, a.UID = mail.Account(n.Owner), mail.UID(n.Key)
		return a, err
	})
}

// Unaside ends the notes of these messages, of all of the account where none is named. They are collected
// again as soon as they are listed.
func (q *Queue) Unaside(ctx context.Context, account mail.Account, uids ...mail.UID) error {
	if len(uids) == 0 {
		for a, err := range q.Asides(ctx, account) {
			if err != nil {
				return err
			}
			uids = append(uids, a.UID)
		}
	}
	for len(uids) > 0 {
		some := uids[:min(len(uids), 1000)]
		uids = uids[len(some):]
		b := &Batch{Notes: make([]Note, len(some))}
		for i, u := range some {
			b.Notes[i] = Note{Space: spaceAside, Owner: string(account), Key: string(u)}
		}
		if err := q.commit(ctx, b); err != nil {
			return err
		}
	}
	q.memory.piled(account, pile{}) // it is counted anew
	return nil
}

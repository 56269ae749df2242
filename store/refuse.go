package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mailretr/store/mail"
)

// An Untold error says that a message was not refused, because nobody may be told of it, or because the
// refusal is not believed. Nothing has happened: the message is to stay where it is, with an aside note.
type Untold struct {
	Why     string // a sentence for people
	Suspect bool   // the next hop refuses many alike: an admin has to look
	Keep    bool   // it is to stay as the admin wants it
	Whole   bool   // it goes whole to somebody else, so that it has to be fetched
}

// Error says why.
func (u *Untold) Error() string { return u.Why }

// Aside tells this error from one of the disk or database.
func (u *Untold) Aside() bool { return true }

// Kept says whether it stays as the admin wants it.
func (u *Untold) Kept() bool { return u.Keep }

// Fetch says whether the message is to be fetched all the same, and judged when it is delivered.
func (u *Untold) Fetch() bool { return u.Whole }

func isUnknown(err error) bool { return errors.Is(err, ErrUnknown) }

// Refuse ends a message without its body: all its recipients were refused by a probe. The report to the
// sender is queued and the UID marked Taken, in one commit; when Refuse returns nil the message may be let
// go of upstream. An *Untold error: it may not be refused. Any other error: nothing happened, except with
// ErrUnknown in its chain, where the next session will find out.
func (q *Queue) Refuse(ctx context.Context, m *mail.Message, report mail.Report) error {
	if n := len(m.Envelope.Recipients); n == 0 || len(report) != n || !report.All(mail.Failed) {
		return errors.New("store: a message is refused only when each of its recipients was")
	}
	e := &entry{m: m, n: len(report)}
	header, err := m.Content.Header(ctx)
	if err != nil {
		return err
	}
	if m.Origin.Account != "" {
		e.mark.Key = q.ContentKey(header, m.Content.Size())
	}
	q.mark([]*entry{e})
	if ours, err := q.metBefore(ctx, e); ours || err != nil {
		return err
	}
	r, err := q.refused(ctx, m, report)
	if err != nil {
		return err
	}
	if err := q.doubtRefusal(ctx, m, &r); err != nil {
		return err
	}
	told, discarded, err := q.toTell(&r)
	if err != nil {
		return err
	}
	all, t, err := q.tellOf(ctx, m, &r, told)
	if err != nil {
		return err
	}
	if err := q.refuse(ctx, e, &r, all, t); err != nil {
		return err
	}
	q.discarded(m, discarded)
	return nil
}

// toTell returns those recipients of whom the sender is told, and those who end in silence because the admin wrote so.
func (q *Queue) toTell(r *Record) (told, discarded []Recipient, err error) {
	for i := range r.Recipients {
		x := &r.Recipients[i]
		switch f := q.fate(r, x); {
		case f.Act == Keep:
			return nil, nil, &Untold{Why: "refused, and kept as configured for such failures", Keep: true}
		case f.Act == Redirect:
			return nil, nil, &Untold{Why: "refused, and to go whole to somebody else", Whole: true}
		case f.Act == Discard:
			discarded = append(discarded, *x)
		case !silent(x.Notify):
			told = append(told, *x)
		}
	}
	return told, discarded, nil
}

// tellOf stages the reports on a refusal; an *Untold error: there may be none.
func (q *Queue) tellOf(ctx context.Context, m *mail.Message, r *Record, told []Recipient) (
	[]*entry, ticket, error) {
	if len(told) == 0 {
		return nil, ticket{}, nil
	}
	t, err := q.room(ctx, r.Reverse, false)
	if err != nil {
		return nil, t, local(err, "")
	}
	if !t.later.IsZero() {
		return nil, t, &Untold{Why: "refused, and its sender has had as many reports as one may get in an hour"}
	}
	all, err := q.reports(ctx, m, r, told)
	if err == nil && len(all) > 0 {
		return all, t, nil
	}
	q.unused(t)
	if err != nil {
		return nil, t, local(err, "")
	}
	return nil, t, &Untold{Why: "refused, and nobody may be told of it"}
}

const discardedText = "discarded, as configured"

// discarded tells observers of recipients that have ended in silence.
func (q *Queue) discarded(m *mail.Message, all []Recipient) {
	for i := range all {
		x := &all[i]
		q.observe(mail.Event{Op: mail.OpDiscard, Origin: m.Origin, From: m.Envelope.Reverse, To: x.Forward, Messages: 1,
			Enhanced: x.Last.Enhanced, Reply: x.Last.Reply, Octets: m.Content.Size(), Text: discardedText})
	}
}

// metBefore says whether a message whose UID proves nothing was here before, by its content: its sender was
// told, or it was delivered, or it was not meant to be collected. Nobody is told again, only its mark is set.
func (q *Queue) metBefore(ctx context.Context, e *entry) (ours bool, err error) {
	left, err := q.forewarned(ctx, []*entry{e})
	switch {
	case err != nil:
		return false, local(err, "")
	case len(left) == 0: // marked under this UID
		err = q.Confirm(ctx)
	case !e.second:
		return false, nil
	default:
		err = q.commit(ctx, takeBatch(q, left))
	}
	if err != nil {
		return true, local(err, "")
	}
	q.memory.took(e.m.Origin)
	return true, e.err
}

// refused makes the record that the message would have had. It is never queued: it names the parent of the report.
func (q *Queue) refused(ctx context.Context, m *mail.Message, report mail.Report) (r Record, err error) {
	now := q.now()
	r = q.record(m, nil, "", now)
	for i, x := range m.Envelope.Recipients {
		some, err := q.rewritten(ctx, m.Origin, x)
		if err != nil {
			return r, err
		}
		for _, y := range some {
			if slices.ContainsFunc(r.Recipients, func(z Recipient) bool { return z.Forward == y.Forward }) {
				continue
			}
			one := Recipient{Recipient: y, State: Owed}
			one.say(report[i], now, 1000)
			r.Recipients = append(r.Recipients, one)
		}
	}
	return r, nil
}

// doubtRefusal counts the refusal among the failures of its lanes; where a lane is suspect nothing is
// refused.
func (q *Queue) doubtRefusal(ctx context.Context, m *mail.Message, r *Record) error {
	doubt := false
	for _, x := range r.Recipients {
		for _, l := range q.route(m.Origin, m.Envelope, x.Recipient) {
			err := q.with(ctx, l, func(s *laneState) {
				doubt = doubt || q.Guard.failed(&s.trust, x.Last.how(), r, q.now(), false) == suspect
			})
			if err != nil {
				return local(err, "")
			}
		}
	}
	if doubt {
		why := "the next hop refuses mail of many senders alike, and has taken none in between: " +
			r.Recipients[0].Last.result().String()
		q.observe(mail.Event{Op: mail.OpAlarm, Origin: m.Origin, From: m.Envelope.Reverse, Text: why, Alarm: true})
		return &Untold{Why: why, Suspect: true}
	}
	return nil
}

// refuse commits the mark with the reports. A UID that is marked already was taken by another session: the
// reports are discarded, and the mark is confirmed.
func (q *Queue) refuse(ctx context.Context, e *entry, r *Record, all []*entry, t ticket) error {
	discard := func() {
		q.unused(t)
		for _, x := range all {
			x.discard()
		}
	}
	for round := 0; ; round++ {
		b := takeBatch(q, []*entry{e})
		b.Notes = append(b.Notes, t.notes...)
		for _, x := range all {
			for _, p := range x.parts {
				b.Put = append(b.Put, p.rec)
			}
		}
		err := q.commit(ctx, b)
		var seen *ErrSeen
		switch {
		case err == nil:
			q.memory.took(e.m.Origin)
			q.refusal(e.m, r, all)
			return nil
		case errors.As(err, &seen) && round < seenRounds:
			left, err := q.without(ctx, []*entry{e}, seen.UIDs)
			if err != nil {
				discard()
				return local(err, "")
			}
			if len(left) > 0 {
				continue
			}
			discard()
			if e.err != nil {
				return e.err
			}
			return q.Confirm(ctx)
		case !isUnknown(err):
			discard()
		}
		return local(fmt.Errorf("refusing: %w", err), "")
	}
}

// refusal tells observers of a message that was refused without its body.
func (q *Queue) refusal(m *mail.Message, r *Record, all []*entry) {
	for i := range r.Recipients {
		x := &r.Recipients[i]
		q.observe(mail.Event{
			Op: mail.OpRefuse, ID: r.ID, Origin: m.Origin, From: m.Envelope.Reverse, To: x.Forward,
			Outcome: mail.Failed,
			Relay:   x.Last.RemoteMTA, Enhanced: x.Last.Enhanced, Reply: x.Last.Reply,
			Messages: 1, Octets: m.Content.Size(), Saved: max(m.Content.Size(), 0),
		})
	}
	for _, e := range all {
		q.reported(e, mail.ReportFailure, "report on ")
	}
}

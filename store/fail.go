package store

import (
	"context"
	"slices"
	"time"

	"mailretr/store/mail"
)

// What becomes of recipients that failed. Each ends in the commit that has its report, stays owed until a
// report can be made, or is held where it is not believed or where nobody may be told.

// owedPause is the time until a report is tried again that could not be made or queued: disk full, most
// often.
const owedPause = 5 * time.Minute

// failures judges everybody who has failed, and reports who is to be reported.
func (s *settling) failures(ctx context.Context) {
	defer s.resting()
	if len(s.j.owed) == 0 {
		return
	}
	var now []int
	for _, o := range s.j.owed {
		x := &s.j.Recipients[o.at]
		switch s.verdict(ctx, o, x) {
		case tell:
			now = append(now, o.at)
		case wait:
			s.waiting = x.Last.how()
			s.later(x.Last.At.Add(s.q.Guard.wait()))
		case suspect:
			x.State = Waiting
		}
	}
	s.tell(ctx, now)
	s.due()
}

// verdict says whether a failure may be reported. A report of ours is not evidence about the lane.
func (s *settling) verdict(ctx context.Context, o owing, x *Recipient) (v verdict) {
	how, r := x.Last.how(), &s.j.Record
	if !s.j.Parent.Zero() {
		return tell
	}
	if o.fresh && how != "" && s.q.Misconfigured != nil && s.q.Misconfigured(ctx, r, x.Last.result()) {
		s.hold(HoldRcpt, "the recipient that its maildrop is configured for is refused: "+x.Last.result().String())
		return suspect
	}
	if s.success && how != "" {
		return tell // the next hop took the message for somebody else: it knows what it does
	}
	err := s.q.with(ctx, s.j.Lane, func(l *laneState) {
		if o.fresh {
			v = s.q.Guard.failed(&l.trust, how, r, s.j.now, x.Times > 1)
		} else {
			v = s.q.Guard.owed(&l.trust, how, x.Last.At, s.j.now)
		}
	})
	switch {
	case err != nil:
		s.trouble(err)
		return wait
	case v == suspect:
		s.suspect = how
		const why = "mail of many senders is refused alike, and none was taken in between: "
		s.hold(HoldAlike, why+x.Last.result().String())
	}
	return v
}

func (s *settling) hold(h Hold, why string) {
	s.j.Hold, s.j.HoldWhy = h, mail.Printable(why, 600)
}

func (s *settling) later(t time.Time) {
	if s.hasten.IsZero() || t.Before(s.hasten) {
		s.hasten = t
	}
}

func (s *settling) trouble(err error) {
	e := s.event(mail.OpDSN)
	e.Err, e.Alarm, e.Text = err, true, "a report could not be queued; it stays owed"
	e.Next = s.j.now.Add(owedPause)
	s.events = append(s.events, e)
	s.later(e.Next)
}

// tell stages the reports on these recipients, and takes out everybody of whom somebody is told or need not
// be.
func (s *settling) tell(ctx context.Context, at []int) {
	if len(at) == 0 {
		return
	}
	s.failed = slices.Clone(s.j.Recipients)
	f := s.sort(at)
	gone := append(f.gone, s.redirect(ctx, f.redirect)...)
	for _, some := range [][]int{f.tell, f.copies} {
		if s.report(ctx, some) {
			gone = append(gone, some...)
		}
	}
	kept := s.j.Recipients[:0]
	for i, x := range s.j.Recipients {
		if !slices.Contains(gone, i) {
			kept = append(kept, x)
		}
	}
	s.j.Recipients = kept
}

// report stages what the Reporter makes of some failed recipients. ended: they need no longer be kept.
func (s *settling) report(ctx context.Context, at []int) (ended bool) {
	if len(at) == 0 {
		return false
	}
	some := pick(s.j.Recipients, at)
	to := s.j.Reverse
	if some[0].Copy { // the postmaster's
		to = ""
	}
	t, err := s.q.room(ctx, to, true)
	if err == nil && !t.later.IsZero() {
		s.flooded(at, t.later)
		return false
	}
	var all []*entry
	if err == nil {
		all, err = s.q.reports(ctx, s.m, &s.j.Record, some)
	}
	if len(all) == 0 {
		s.q.unused(t)
	}
	switch {
	case err != nil:
		s.trouble(err)
		return false
	case len(all) > 0:
		if s.reports = append(s.reports, all...); t.sender != "" {
			s.ticket = t
		}
		return true
	case s.j.Parent.Zero() || s.j.Whole:
		s.mute = true
		return false
	}
	for i := range some {
		s.end(&some[i], "a report could not be delivered, and there is nobody else to tell", true)
	}
	return true
}

func (s *settling) end(x *Recipient, why string, alarm bool) {
	e := s.event(mail.OpDSN)
	e.To, e.Enhanced, e.Reply, e.Text, e.Alarm = x.Forward, x.Last.Enhanced, x.Last.Reply, why, alarm
	s.events = append(s.events, e)
}

// untold takes back that anybody was told, because the commit with the reports failed.
func (s *settling) untold(err error) {
	s.q.unused(s.ticket)
	s.ticket = ticket{}
	s.j.Recipients = s.failed
	s.trouble(err)
}

// due says when the record is looked at next, after failures.
func (s *settling) due() {
	waiting := waitingCount(&s.j.Record) > 0
	switch {
	case len(s.j.Recipients) == 0:
		return
	case s.mute && !waiting && s.hasten.IsZero() && s.j.Hold == NotHeld:
		s.hold(HoldMute, "it failed, and nobody may be told: "+s.j.Recipients[0].Last.result().String())
	case s.mute && !waiting: // else it is looked at with the others, on their schedule
		s.later(s.j.now.Add(owedPause))
	}
	if !s.hasten.IsZero() && (!waiting || s.hasten.Before(s.j.Due)) {
		s.j.Due = s.hasten
	}
	if s.j.Hold != NotHeld {
		s.holding()
	}
}

// holding tells that it is held.
func (s *settling) holding() {
	e := s.event(mail.OpHold)
	e.Text, e.Alarm = s.j.HoldWhy, true
	s.events = append(s.events, e)
}

// silent says whether a NOTIFY parameter rules out a report of failure (RFC 3461, 4.1).
func silent(notify string) bool {
	return notify != "" && !named(notify, "FAILURE")
}

// pick returns some recipients, by their indices.
func pick(all []Recipient, at []int) []Recipient {
	some := make([]Recipient, len(at))
	for i, k := range at {
		some[i] = all[k]
	}
	return some
}

// reports asks the Reporter about failed recipients of a record, all of them copies or none, and stages what it says,
// sealed and ready for a commit. After an error nothing is staged. None and no error: nobody may be told.
func (q *Queue) reports(ctx context.Context, m *mail.Message, r *Record, failed []Recipient) (
	[]*entry, error) {
	if q.Reporter == nil {
		return nil, nil
	}
	about, results := aboutThese(m, failed)
	report := q.Reporter.Report
	if len(failed) > 0 && failed[0].Copy {
		report = q.ofCopies()
	}
	ms, err := report(ctx, about, results)
	if err != nil {
		return nil, err
	}
	return q.stageReports(ctx, ms, r)
}

// stageReports stages messages of ours about a record.
func (q *Queue) stageReports(ctx context.Context, ms []*mail.Message, about *Record) (
	all []*entry, err error) {
	for _, m := range ms {
		e, err := q.stage(ctx, m, about)
		if err == nil {
			q.seal(ctx, e)
			e.sealing.Wait()
			all, err = append(all, e), e.err
		}
		if err != nil {
			for _, e := range all {
				e.discard()
			}
			return nil, err
		}
	}
	return all, nil
}

// learn draws conclusions for other records of the lane, once this one is settled.
func (s *settling) learn(ctx context.Context) {
	var due, held []mail.ID
	release := false
	err := s.q.with(ctx, s.j.Lane, func(l *laneState) {
		switch {
		case s.success:
			due, release = l.trust.succeeded(s.j.now)
		case s.suspect != "":
			held = l.trust.distrusted(s.suspect)
		case s.waiting == "":
		case s.q.Guard.believed(&l.trust, s.j.now, s.j.now) == tell: // a success has come meanwhile
			due = []mail.ID{s.j.ID}
		default:
			l.trust.waits(s.j.ID, s.waiting)
		}
	})
	if err == nil && len(due) > 0 {
		_, err = s.q.change(ctx, due, func(r *Record) bool { r.Due = s.j.now; return true })
	}
	if err == nil && len(held) > 0 {
		err = s.q.distrust(ctx, held, s.j.HoldWhy)
	}
	if err == nil && release {
		err = s.q.believe(ctx, s.j.Lane)
	}
	if err != nil {
		s.q.observe(mail.Event{Op: mail.OpStore, Lane: s.j.Lane, Err: err,
			Text: "what waited for this lane was not changed"})
	}
}

// distrust holds records whose failures turned out to be like many others. They are attempted again when
// they are let go.
func (q *Queue) distrust(ctx context.Context, ids []mail.ID, why string) error {
	_, err := q.change(ctx, ids, func(r *Record) bool {
		if r.Held() {
			return false
		}
		r.Hold, r.HoldWhy = HoldAlike, why
		q.observe(mail.Event{Op: mail.OpHold, ID: r.ID, Origin: r.Origin, Lane: r.Lane, Text: why, Alarm: true})
		return r.unowe()
	})
	return err
}

// unowe makes everybody waiting again who has failed.
func (r *Record) unowe() bool {
	for i := range r.Recipients {
		r.Recipients[i].State = Waiting
	}
	return true
}

// believe lets go of what is held in a lane because it was suspect.
func (q *Queue) believe(ctx context.Context, l mail.Lane) error {
	if t, err := q.Engine.Totals(ctx); err != nil || t.Held == 0 {
		return err
	}
	_, err := q.ReleaseAll(ctx, Filter{Lane: l}, HoldAlike)
	return err
}

// lose holds a record whose body is gone or damaged, and tells the postmaster if the Reporter knows how to.
func (q *Queue) lose(ctx context.Context, l Leased, cause error) error {
	r := l.Record
	r.Hold, r.HoldWhy = HoldLost, mail.Printable("its spool file is missing or damaged: "+cause.Error(), 600)
	b := Batch{Fence: []Lease{l.Lease}, Put: []Record{r}}
	reports, err := q.lostReports(ctx, &r, cause)
	for _, e := range reports {
		for _, p := range e.parts {
			b.Put = append(b.Put, p.rec)
		}
	}
	if e := q.commit(ctx, &b); e != nil {
		q.Engine.Release(l.Lease)
		if !isUnknown(e) {
			for _, x := range reports {
				x.discard()
			}
		}
		return local(e, "")
	}
	q.observe(mail.Event{
		Op: mail.OpHold, ID: r.ID, Origin: r.Origin, Lane: r.Lane, From: r.Reverse, Err: cause, Text: r.HoldWhy,
		Alarm: true,
	})
	for _, e := range reports {
		q.reported(e, mail.ReportFailure, "report on ")
	}
	if err != nil {
		q.observe(mail.Event{Op: mail.OpDSN, ID: r.ID, Err: err, Alarm: true,
			Text: "a lost message could not be reported"})
	}
	return nil
}

// A Mourner (optional on a mail.Reporter) makes the message that tells the postmaster of mail that we have
// lost: its octets are gone, what is known is its envelope and origin.
type Mourner interface {
	Lost(context.Context, *mail.Message, error) ([]*mail.Message, error)
}

func (q *Queue) lostReports(ctx context.Context, r *Record, cause error) ([]*entry, error) {
	t, ok := q.Reporter.(Mourner)
	if !ok {
		return nil, nil
	}
	ms, err := t.Lost(ctx, q.message(r, &content{q: q, r: r}), cause)
	if err != nil {
		return nil, err
	}
	return q.stageReports(ctx, ms, r)
}

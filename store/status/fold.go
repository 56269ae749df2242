package status

import (
	"errors"
	"slices"
	"time"

	"mailretr/store/mail"
)

// The texts of the events of kind OpVerb that pause a maildrop and resume it (fetch.Paused, PausedByOwner,
// Resumed).
const (
	paused        = "paused"
	pausedByOwner = "paused by its owner"
	resumed       = "resumed"
)

// Fold returns the status after an event of its maildrop. It is pure: s and what it points to stay as they
// were.
func Fold(s Status, e mail.Event) Status {
	s = s.on(e.At).recently(e)
	switch e.Op {
	case mail.OpPoll:
		s = s.polled(e)
	case mail.OpList:
		s.fold.Active = e.At
		if e.Err == nil { // else it is a folder's
			s.Waiting, s.WaitingOctets = e.Messages, e.Octets
		}
	case mail.OpQueue, mail.OpRefuse:
		s.fold.Active = e.At
		s = s.without(e.Origin.UID)
	case mail.OpAside:
		s = s.aside(e)
	case mail.OpDeliver:
		s = s.attempted(e)
	case mail.OpRemark:
		s = s.remark(e)
	case mail.OpConfig:
		s = s.leftOut(e)
	case mail.OpVerb:
		switch e.Text {
		case paused, pausedByOwner:
			s.fold.Paused, s.ByOwner = true, e.Text == pausedByOwner
		case resumed:
			s.fold.Paused, s.ByOwner = false, false
		}
	}
	return s.judged(e.At)
}

// on begins a new day where one has begun.
func (s Status) on(at time.Time) Status {
	if day := at.Format(time.DateOnly); day > s.Day {
		s.Day, s.Today = day, Counts{}
	}
	return s
}

// polled takes in the end of a session.
func (s Status) polled(e mail.Event) Status {
	c := Counts{e.Messages, e.Octets, e.Up, e.Down, e.Saved, e.Wasted}
	s.Today, s.Total = s.Today.plus(c), s.Total.plus(c)
	s.LastAttempt, s.Next, s.fold.Active = e.At, e.Next, e.At
	s.Waiting = max(s.Waiting-e.Messages, 0)
	s.WaitingOctets = max(s.WaitingOctets-e.Octets, 0)
	if e.Messages > 0 {
		s.LastMail = e.At
	}
	if e.Err == nil {
		if e.Text == "" { // "stopped" is neither
			s.LastSuccess = e.At
			s.fold.Trouble, s.fold.Wrong, s.fold.Advice = "", "", ""
			s.Class, s.Said, s.Cause, s.Failures = "", "", "", 0
			s = s.keeping(func(a Aside) bool { return !a.stale(e.At) })
		}
		return s
	}
	return s.troubled(e)
}

// troubled takes in what went wrong.
func (s Status) troubled(e mail.Event) Status {
	t := mail.TroubleOf(mail.OpPoll, "", e.Err)
	m := meaningOf(t.Kind)
	m.wrong, m.advice = wrongOf(t, m.wrong), Advice(t)
	s.Failures++
	s.Class, s.Said, s.Cause = t.Kind.String(), printable(t.Reply), printable(t.Error())
	switch {
	case e.Attempt == 0: // no failure of the maildrop: a cut line, or one bad message
		s.Failures = 0
		m = meaning{Late, wrongCut, adviseOn}
	case t.Kind == mail.Unreachable && s.Failures < lasting:
		m.state = Late
	case t.Kind == mail.Busy && s.Failures < lasting:
		m = meaning{} // for the owner nothing is wrong yet
	}
	if m.wrong != s.fold.Wrong {
		s.fold.Times, s.fold.First = 0, e.At
	}
	s.fold.Times++
	s.fold.Trouble, s.fold.Wrong, s.fold.Advice = m.state, m.wrong, printable(m.advice)
	return s
}

// aside names a message that is left upstream. One that is named already is named anew.
func (s Status) aside(e mail.Event) Status {
	a := Aside{
		UID: mail.Printable(string(e.Origin.UID), 200), Why: printable(e.Text),
		Since: e.At, Next: e.Next, Tries: e.Attempt,
	}
	var t *mail.Trouble
	if errors.As(e.Err, &t) {
		switch t.Kind {
		case mail.NoEnvelope:
			a.State = Envelope
		case mail.Protocol, mail.Unreachable:
			a.State = Protocol
		case mail.Spent:
			a.State = Budget
		}
	}
	i := slices.IndexFunc(s.Asides, func(x Aside) bool { return x.UID == a.UID })
	switch {
	case i >= 0:
		if a.Since = s.Asides[i].Since; e.Err == nil {
			a.State = s.Asides[i].State
		}
		s.Asides = slices.Clone(s.Asides)
		s.Asides[i] = a
	case len(s.Asides) < mostAsides:
		s.Asides = append(slices.Clip(s.Asides), a)
	default:
		s.MoreAsides = true
	}
	return s
}

// remark takes the place of what was said of the same topic.
func (s Status) remark(e mail.Event) Status {
	topic, r := printable(e.Topic), Remark{Text: printable(e.Text), Since: e.At}
	var others []Remark
	for _, x := range s.Remarks {
		switch {
		case x.Topic != topic:
			others = append(others, x)
		case x.Text == r.Text:
			r.Since = x.Since
		}
	}
	if r.Topic = topic; r.Text != "" && len(others) < mostRemarks {
		others = append(others, r)
	}
	s.Remarks = others
	return s
}

// without no longer names a message that was taken.
func (s Status) without(uid mail.UID) Status {
	if len(s.Asides) == 0 {
		return s
	}
	name := mail.Printable(string(uid), 200)
	return s.keeping(func(a Aside) bool { return a.UID != name })
}

// stale says whether a message should have been tried again long ago: then it is no longer upstream, or
// somebody has ended the note.
func (a Aside) stale(now time.Time) bool { return now.Sub(a.Next) > 48*time.Hour }

func (s Status) keeping(keep func(Aside) bool) Status {
	var some []Aside
	for _, a := range s.Asides {
		if keep(a) {
			some = append(some, a)
		}
	}
	s.Asides = some
	s.MoreAsides = s.MoreAsides && len(some) == mostAsides
	return s
}

// leftOut takes in that the maildrop is not collected from, for a mistake in its entry.
func (s Status) leftOut(e mail.Event) Status {
	if e.Err == nil {
		return s
	}
	t := mail.TroubleOf(mail.OpConfig, "", e.Err)
	cause := t.Error()
	if t.Err != nil { // the mistake and its place: that it was found by reading the configuration needs no words
		cause = t.Err.Error()
	}
	s.Class, s.Said, s.Cause, s.Failures, s.Next = mail.Local.String(), "", printable(cause), 0, time.Time{}
	s.fold.Trouble, s.fold.Wrong, s.fold.Advice, s.fold.Times = Local, wrongEntry, printable(t.Hint), 0
	return s
}

// attempted counts what an attempt has saved that did not deliver: the message is here for the next one. There is
// an event for each recipient of an attempt.
func (s Status) attempted(e mail.Event) Status {
	if e.Saved == 0 || s.fold.ID == e.ID && s.fold.Attempt == e.Attempt {
		return s
	}
	s.fold.ID, s.fold.Attempt = e.ID, e.Attempt
	s.Today.Saved += e.Saved
	s.Total.Saved += e.Saved
	return s
}

// judged says in one word how it all is.
func (s Status) judged(now time.Time) Status {
	state, wrong, advice, times, first := OK, "", "", 0, time.Time{}
	switch {
	case s.fold.Paused:
		state = Pause
	case s.fold.Trouble != "":
		state, wrong, advice = s.fold.Trouble, s.fold.Wrong, s.fold.Advice
		times, first = s.fold.Times, s.fold.First
	case s.LastAttempt.IsZero():
		state = Never
	}
	for _, a := range s.Asides {
		if a.State != "" && !s.fold.Paused && a.State.Compare(state) < 0 {
			state, wrong, advice, times, first = a.State, leftWrong(a), leftAdvice(a), 0, time.Time{}
		}
	}
	if state != s.State {
		s.State, s.Since = state, now
	}
	s.Wrong, s.Advice, s.Times, s.First = wrong, advice, times, first
	return s
}

func leftWrong(a Aside) string {
	switch a.State {
	case Envelope:
		return meanings[mail.NoEnvelope].wrong
	case Budget:
		return wrongWaits
	}
	return "A message cannot be fetched; the others are."
}

func leftAdvice(a Aside) string {
	switch a.State {
	case Envelope:
		return meanings[mail.NoEnvelope].advice
	case Budget:
		return meanings[mail.Spent].advice
	}
	return "It is tried again by itself, as seldom as is said beside it. Look at it with the provider's webmail, or delete it there."
}

func (c Counts) plus(d Counts) Counts {
	return Counts{
		c.Messages + d.Messages, c.Octets + d.Octets, c.Up + d.Up, c.Down + d.Down,
		c.Saved + d.Saved, c.Wasted + d.Wasted,
	}
}

// overdue is how long after it was due, or last seen alive, a maildrop is called late.
const overdue = 15 * time.Minute

// At returns the status as it is seen now: time itself is no event.
func (s Status) At(now time.Time) Status {
	s = s.on(now)
	latest := s.Next
	if s.fold.Active.After(latest) {
		latest = s.fold.Active
	}
	if s.State == OK && !s.Next.IsZero() && now.Sub(latest) > overdue {
		s.State, s.Since, s.Wrong, s.Advice = Late, latest, wrongLate, adviseLate
	}
	s.Words = s.words()
	return s
}

// FoldLane returns the status of a lane after an event that names it. It is pure.
func FoldLane(l Lane, e mail.Event) Lane {
	switch e.Op {
	case mail.OpLane:
		if e.Outcome != mail.Delivered {
			l = l.become(Sick, e.At)
			l.LastAttempt, l.Next, l.Wrong = e.At, e.Next, wrongSick
			l.Said, l.Relay = printable(e.Reply), printable(e.Relay)
			if e.Reply == "" && e.Err != nil {
				l.Said = printable(e.Err.Error())
			}
			return l
		}
		return l.become(OK, e.At)
	case mail.OpDeliver:
		return l.attempted(e)
	}
	return l
}

func (l Lane) attempted(e mail.Event) Lane {
	l.LastAttempt = e.At
	switch e.Outcome {
	case mail.Delivered:
		l.Delivered++
		l.LastDelivery, l.Relay = e.At, printable(e.Relay)
		return l.become(OK, e.At)
	case mail.Failed:
		l.Failed++
		return l.become(OK, e.At) // it answers
	}
	l.Deferred++
	return l
}

func (l Lane) become(s State, at time.Time) Lane {
	if l.State != s {
		l.State, l.Since = s, at
	}
	if s == OK {
		l.Wrong, l.Said, l.Next = "", "", time.Time{}
	}
	return l
}

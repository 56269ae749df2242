package store

import (
	"time"

	"mailretr/store/mail"
)

// An attempt is what judging a report needs to know beside the record.
type attempt struct {
	begun, now time.Time
	schedule   Schedule
	sick       time.Duration // how long the lane was sick since the message was queued
}

// judged is what one report makes of a record, before anybody was told of failures.
type judged struct {
	Record           // its recipients: those who wait and those who failed; delivered ones are gone
	said   []told    // what was said of each recipient that was attempted, in order
	owed   []owing   // the recipients that have failed
	counts bool      // this attempt counts
	asks   bool      // some recipients were not asked: the next transaction follows at once
	sick   bool      // the lane refused us
	turn   time.Time // when it is the turn of those who were not asked since their mailboxes were busy; zero: there are none
	late   bool      // expired although its lane was sick all the time
	now    time.Time // of the judgement
}

// An owing is a recipient that failed, by its index. fresh: in this attempt, not in an earlier one.
type owing struct {
	at    int
	fresh bool
}

// told is what was said about one recipient.
type told struct {
	mail.Recipient
	mail.Result
	expired bool
}

// judge applies a report to a record. It is pure: the table of outcomes is its test.
//
//	Delivered                the recipient drops out
//	Failed                   it is owed a report
//	Deferred                 it waits; the attempt counts, and Schedule says until when
//	Deferred, OfSession      it was not asked: no attempt counts if others made progress, and it is due at once
//	Deferred, OfTurn         it was not asked: no attempt counts unless another one was deferred, it is due at its turn
//	Deferred, OfLane         nobody was asked: no attempt counts, the due time stays
//	too old after this       those who were asked and deferred fail as expired
//
// A report that is short defers those it does not mention; one that is too long is no report about this
// message.
func judge(r Record, report mail.Report, a attempt) judged {
	j := judged{Record: r, now: a.now}
	j.Recipients = make([]Recipient, 0, len(r.Recipients))
	if len(report) > waitingCount(&r) {
		report = nil
	}
	progress, deferred, asked := false, false, 0
	words := min(1000, maxReplies/2/max(len(r.Recipients), 1)) // two texts for each recipient
	for _, x := range r.Recipients {
		if x.State == Resting {
			j.Recipients = append(j.Recipients, x)
			continue
		}
		if x.State == Owed {
			j.owe(x, false)
			continue
		}
		res := report.Of(asked)
		asked++
		j.said = append(j.said, told{Recipient: x.Recipient, Result: res})
		switch {
		case res.Outcome == mail.Delivered:
			progress = true
			continue
		case res.Outcome == mail.Deferred && res.Scope == mail.OfTurn:
			j.waits(x, res.Again)
		case res.Outcome == mail.Failed:
			progress = true
			x.say(res, a.now, words)
			x.State = Owed
			j.owe(x, true)
		default:
			deferred = true
			x.say(res, a.now, words)
			j.sick = j.sick || res.Scope == mail.OfLane
			j.asks = j.asks || res.Scope == mail.OfSession
			j.Recipients = append(j.Recipients, x)
		}
	}
	if asked > 0 {
		if progress || deferred {
			j.Tries++
		}
		j.Last = a.now // who waits for his turn waits for the destination: a fall-back counts that too
		j.asks = j.asks && progress
		j.counts = !j.asks && (!j.sick || progress) && (j.turn.IsZero() || deferred)
		j.Sick = a.sick
		j.again(a)
	}
	return j
}

// waits keeps a recipient who was not asked because his mailbox takes other mail, until it is his turn: no longer than a
// pause would be that nobody has to be told of.
func (j *judged) waits(x Recipient, again time.Time) {
	j.Recipients = append(j.Recipients, x)
	if again = again.Truncate(0); again.Before(j.now) {
		again = j.now
	}
	if latest := j.now.Add(mostTurn); again.After(latest) {
		again = latest
	}
	if j.turn.IsZero() || again.Before(j.turn) {
		j.turn = again
	}
}

// mostTurn bounds how long a turn may be waited for.
const mostTurn = time.Hour

func waitingCount(r *Record) (n int) {
	for i := range r.Recipients {
		if r.Recipients[i].State == Waiting {
			n++
		}
	}
	return n
}

func (j *judged) owe(x Recipient, fresh bool) {
	j.owed = append(j.owed, owing{len(j.Recipients), fresh})
	j.Recipients = append(j.Recipients, x)
}

// again says when those who still wait are tried again, or that their time is up.
func (j *judged) again(a attempt) {
	if j.counts {
		j.Attempts++
	}
	if waitingCount(&j.Record) == 0 {
		return
	}
	due, expired := a.schedule.Next(a.begun, j.Queued, j.Attempts, a.sick)
	switch {
	case j.asks:
		j.Due = a.now
	case j.counts && !expired:
		j.Due = due.Add(a.now.Sub(a.begun)) // the pause begins when the attempt ends
		if !j.turn.IsZero() && j.turn.Before(j.Due) {
			j.Due = j.turn
		}
	case expired && (j.counts || a.begun.Sub(j.Queued) >= 2*a.schedule.expire()):
		j.late = !j.counts || a.sick >= a.schedule.expire()
		j.expire()
	case !j.turn.IsZero():
		j.Due = j.turn
	}
}

// expire fails everybody who still waits.
func (j *judged) expire() {
	for i := range j.Recipients {
		if x := &j.Recipients[i]; x.State == Waiting {
			x.State, x.Last.Expired = Owed, true
			j.owed = append(j.owed, owing{i, true})
		}
	}
	for i := range j.said {
		if j.said[i].Outcome == mail.Deferred {
			j.said[i].Outcome, j.said[i].expired = mail.Failed, true
		}
	}
}

// say keeps what was said of a recipient, in at most max octets of words.
func (x *Recipient) say(r mail.Result, now time.Time, max int) {
	s := Said{
		At: now, Enhanced: clip(r.Enhanced, 16), Reply: clip(r.Reply, max), RemoteMTA: clip(r.RemoteMTA, 64),
		After: r.After,
	}
	if r.Err != nil {
		s.Err = clip(r.Err.Error(), max)
	}
	if s.Reply != x.Last.Reply || s.Enhanced != x.Last.Enhanced || s.Err != x.Last.Err || x.Times == 0 {
		x.Since, x.Times = now, 0
	}
	x.Times++
	x.Last = s
}

// clip cuts a text of the network to what a record can hold. What is shown is escaped where it is shown.
func clip(s string, max int) string {
	if len(s) > max {
		return s[:max]
	}
	return s
}

// result is what was said, as a result again, for reports. One that has expired has the last reply, 4.4.7
// where there was none (RFC 3463, 3.5), and an error with a method Expired() bool; one that was given up has the
// last reply too, and an error with a method GivenUp() string.
func (s Said) result() mail.Result {
	r := mail.Result{
		Outcome: mail.Failed, Enhanced: s.Enhanced, Reply: s.Reply, RemoteMTA: s.RemoteMTA, At: s.At,
		After: s.After,
	}
	switch {
	case s.GivenUp:
		r.Err = givenUp(s.Err)
	case s.Expired:
		r.Err = expired(s.Err)
		if r.Enhanced == "" && r.Reply == "" {
			r.Enhanced = "4.4.7"
		}
	case s.Err != "":
		r.Err = saidError(s.Err)
	}
	return r
}

// saidError is an error that was kept as text.
type saidError string

func (e saidError) Error() string { return string(e) }

// expired is the failure of a message whose time was up, with the last cause.
type expired string

func (e expired) Error() string {
	if e == "" {
		return "the message could not be delivered in time"
	}
	return "the message could not be delivered in time: " + string(e)
}

// Expired tells this failure from a refusal.
func (expired) Expired() bool { return true }

// givenUp is the failure of a message that somebody has given up, with their reason, or none.
type givenUp string

func (g givenUp) Error() string {
	if g == "" {
		return "somebody has given it up"
	}
	return string(g)
}

// GivenUp tells this failure from a refusal, and gives the reason for the report.
func (g givenUp) GivenUp() string { return string(g) }

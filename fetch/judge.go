package fetch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"mailretr/relay"
	"mailretr/store/mail"
)

// strikes is how often a message may break a session of its own before it is set aside; daily is how
// long for.
const (
	strikes = 3
	daily   = 24 * time.Hour
	// What a header says does not change, and a change of the settings ends the note: to look again costs the
	// line the same message for the same answer.
	monthly = 30 * daily
)

// mostSuspects bounds what a hostile server makes us remember.
const mostSuspects = 100

// What a message that is deferred by the MTA may wait for upstream before it is collected like the rest.
const (
	patienceTries = 3
	patience      = time.Hour
)

// judge says what the ending means: the state for the next visit, and the event that tells of this one.
func (s *session) judge(ctx context.Context, err error) {
	now := s.p.now()
	s.again = errors.Is(err, errBare)
	if s.again {
		err = nil
	}
	t := s.trouble(err)
	s.mu.Lock()
	for _, uid := range s.done {
		delete(s.state.Suspects, uid)
	}
	s.mu.Unlock()
	if t != nil && s.stopped() {
		s.err = ErrStopped
		s.state.Next = now.Add(s.every())
		s.tell(nil, "stopped")
		return
	}
	if t != nil {
		s.err = t
	}
	if s.open != nil && t == nil && s.state.Met.IsZero() {
		s.state.Met = now
	}
	if t == nil && !s.again {
		s.carried(ctx)
		s.uncrowded(now)
		s.glanced(now)
	}
	if t == nil && !s.again && s.only == "" && len(s.left) == 0 && s.tally.Refused > 0 {
		s.wait(0, 0, "") // what was refused does not come
	}
	struck := s.broke(ctx, t)
	switch {
	case struck && !s.beside():
		s.state = Next(s.state, Ending{At: now, Every: s.every()}) // the message's fault, not the maildrop's
	case struck, s.beside() && t == nil:
	default:
		s.next(ctx, t, now)
	}
	s.tell(t, "")
}

func (s *session) next(ctx context.Context, t *mail.Trouble, now time.Time) {
	e := Ending{At: now, Trouble: t, Progress: s.tally.Progress || s.kept, Every: s.every()}
	if t != nil && t.Kind != mail.Spent { // reading a password may be work
		e.Settings = s.drop.settings(ctx)
		if t.Kind == mail.Busy && s.only != "" {
			s.state.OneLogin = true
		}
	}
	s.state = Next(s.state, e)
}

// broke finds out whether a message broke the session, and makes it a suspect, or counts it. It returns
// true if the message was asked for alone and is to blame.
func (s *session) broke(ctx context.Context, t *mail.Trouble) (struck bool) {
	uid := s.tally.At
	if t == nil || uid == "" || t.Kind != mail.Protocol && t.Kind != mail.Unreachable {
		return false
	}
	octets := int64(0)
	if s.reading == uid {
		octets = s.octets
		if s.lost >= littleLost {
			s.cut(ctx, uid, t)
			return true
		}
	}
	return s.strike(ctx, mail.Origin{UID: uid}, t, octets, s.asked == 1)
}

// strike notes that a message could not be had. A line that was cut is no fault of the message: what
// counts is nonsense, or an end at its very beginning or at the same place as before.
func (s *session) strike(ctx context.Context, o mail.Origin, t *mail.Trouble, octets int64, alone bool) bool {
	x, known := s.state.Suspects[o.UID]
	if !known && len(s.state.Suspects) >= mostSuspects {
		return false
	}
	struck := alone && (t.Kind != mail.Unreachable || octets == 0 || known && octets == x.Octets)
	if x.Octets = octets; struck {
		x.Strikes++
	}
	broken := struck && x.Strikes >= strikes
	if broken {
		x.Next = s.p.now().Add(daily)
	}
	s.suspect(o.UID, x)
	if broken {
		o.Maildrop, o.Account = s.drop.Name, s.drop.Account
		s.aside(ctx, Aside{Origin: o, Kind: AsideBroken, Trouble: t, Next: x.Next, Why: fmt.Sprintf(
			"it could not be fetched %d times, when it was asked for alone", x.Strikes)})
	}
	return struck
}

// prune forgets suspects that are no longer in the maildrop.
func (s *session) prune(listed []mail.UID) {
	if len(s.state.Suspects) == 0 {
		return
	}
	there := make(map[mail.UID]bool, len(listed))
	for _, uid := range listed {
		there[uid] = true
	}
	maps.DeleteFunc(s.state.Suspects, func(uid mail.UID, _ Suspect) bool { return !there[uid] })
}

// fault is told of a message that could not be had while the session goes on.
func (s *session) fault(ctx context.Context, m *mail.Message, err error) {
	if breaks(ctx, err) {
		return // the session's end tells it
	}
	defer mail.Forget(m)
	t := &mail.Trouble{Op: mail.OpFetch, Kind: mail.Protocol, Server: s.drop.Server, Alone: true, Err: err}
	errors.As(err, &t)
	a := Aside{
		Origin: m.Origin, Kind: AsideEnvelope, Trouble: t,
		Size: max(m.Content.Size(), 0), Next: s.p.now().Add(daily), Why: t.Error(),
	}
	switch t.Kind {
	case mail.NoEnvelope:
		a.Next = s.p.now().Add(monthly)
		if t.Err != nil {
			a.Why = t.Err.Error()
		}
		a.Header, _ = m.Content.Header(ctx) // it was read already; without it the note is shorter
	case mail.Local: // too big for us, perhaps: that does not change by asking at each visit
		a.Kind = AsideRefused
	default:
		s.strike(ctx, m.Origin, t, 0, true)
		return
	}
	s.aside(ctx, a)
}

// aside leaves a message upstream for a reason. Where that cannot be noted the session ends: it would be
// fetched, or asked about, at each visit. Where there are too many notes it is left without one, and tries
// is 0: see crowd.go.
func (s *session) aside(ctx context.Context, a Aside) (tries int, since time.Time, err error) {
	tries, since, err = s.p.Ledger.Aside(context.WithoutCancel(ctx), &s.drop, a)
	switch {
	case isCrowded(err):
		s.crowded()
		tries, since, err = 0, s.p.now(), nil
	case err != nil:
		s.refuse(err)
	}
	s.asides++
	s.look = earlier(s.look, a.Next)
	return tries, since, err
}

// leave says whether a message may stay upstream after the MTA was asked about it.
func (s *session) leave(ctx context.Context, m *mail.Message, why relay.Reason, r mail.Report) (bool, error) {
	header, err := m.Content.Header(ctx)
	if err != nil {
		return false, err
	}
	now, said := s.p.now(), r.Of(0)
	a := Aside{
		Origin: m.Origin, Header: header, Size: max(m.Content.Size(), 0), Next: now.Add(daily),
		Trouble: &mail.Trouble{
			Op: mail.OpProbe, Kind: mail.Local, Alone: true,
			Server: said.RemoteMTA, Reply: said.Reply, Err: said.Err,
		},
	}
	switch why {
	case relay.ReasonDeferred:
		a.Kind, a.Why, a.Next = AsideDeferred, "the MTA asks to wait", now
	case relay.ReasonSender:
		a.Kind, a.Why = AsideSender, "the MTA refuses it for its sender; it is asked again tomorrow"
	case relay.ReasonKept:
		a.Kind, a.Why = AsideMute, "the MTA refuses it, and it is kept as configured for such failures"
	default:
		a.Kind, a.Why = AsideMute, "the MTA refuses it, and nobody may be told"
	}
	tries, since, err := s.aside(ctx, a)
	if err != nil {
		return false, err
	}
	switch why {
	case relay.ReasonDeferred:
		noted := tries > 0 // else nobody would know how long it has waited
		return noted && tries <= patienceTries && now.Sub(since) < patience, nil
	case relay.ReasonSender:
		return now.Sub(since) < s.p.expire(), nil
	}
	return true, nil
}

// tell makes the event of the session's end.
func (s *session) tell(t *mail.Trouble, text string) {
	s.mu.Lock()
	wasted := s.wasted
	s.mu.Unlock()
	e := mail.Event{
		Op: mail.OpPoll, Origin: s.origin(), Attempt: s.state.Failures,
		Messages: s.tally.Messages, Octets: s.tally.Octets,
		Up: s.up, Down: s.down, Saved: s.tally.Saved + s.squeezed(), Wasted: wasted,
		Next: s.state.Next, Text: text, Took: s.p.now().Sub(s.began), Known: s.tally.Known,
	}
	if t != nil {
		e.Err, e.Reply = t, t.Reply
		e.Alarm = s.state.Failures == 1 && (t.Kind == mail.NoRecipient || t.Kind == mail.Local)
	}
	s.p.observe(e)
}

// every is the interval between two visits: the configured one, or longer where the server wants that.
func (s *session) every() time.Duration { return max(s.drop.every(), s.state.Apart) }

// squeezed is what compression has saved, or an earlier session that had begun with a body: octets of
// messages that came in fewer octets of the line.
func (s *session) squeezed() int64 {
	if s.down == 0 {
		return 0 // nobody has counted
	}
	return max(s.tally.Octets-s.spared.Octets-s.down, 0)
}

// beside says whether a session for one message was made in a visit that has planned the next one. Where the server
// minds a second login it is the visit.
func (s *session) beside() bool { return s.only != "" && !s.state.oneLogin() }

// due says when the maildrop is visited, or looked at, next; not ok: as it was planned before.
func (s *session) due(now time.Time) (at time.Time, ok bool) {
	if s.beside() && s.err == nil {
		return at, false
	}
	if at = s.state.Next; s.again {
		return now, true
	}
	// Whether the settings or a budget have changed is looked at each interval.
	looks := s.looked || s.state.Kind == mail.Auth || s.state.Kind == mail.Spent
	if soon := now.Add(s.every()); !at.After(now) || at.After(soon) && looks {
		at = soon
	}
	return at.Add(s.p.jitter(at.Sub(now))), true
}

// clone returns a copy that shares nothing.
func (s State) clone() State {
	s.Suspects = maps.Clone(s.Suspects)
	return s
}

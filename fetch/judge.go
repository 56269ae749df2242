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
	t := s.trouble(err)
	s.mu.Lock()
	for _, uid := range s.done {
		delete(s.state.Suspects, uid)
	}
	s.mu.Unlock()
	if t != nil && s.stopped() {
		s.err = ErrStopped
		s.state.Next = now.Add(s.drop.every())
		s.tell(nil, "stopped")
		return
	}
	if t != nil {
		s.err = t
	}
	struck := s.broke(ctx, t)
	switch {
	case struck && s.only == "":
		s.state = Next(s.state, Ending{At: now, Every: s.drop.every()}) // the message's fault, not the maildrop's
	case struck, s.only != "" && t == nil:
	default:
		s.next(ctx, t, now)
	}
	s.tell(t, "")
}

func (s *session) next(ctx context.Context, t *mail.Trouble, now time.Time) {
	e := Ending{At: now, Trouble: t, Progress: s.tally.Progress, Every: s.drop.every()}
	if t != nil {
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
	if s.state.Suspects == nil {
		s.state.Suspects = map[mail.UID]Suspect{}
	}
	s.state.Suspects[o.UID] = x
	if struck && x.Strikes >= strikes {
		o.Maildrop, o.Account = s.drop.Name, s.drop.Account
		why := fmt.Sprintf("could not be fetched %d times, when it was asked for alone", x.Strikes)
		s.aside(ctx, o, why, nil, t, s.p.now().Add(daily))
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
	t := &mail.Trouble{Op: mail.OpFetch, Kind: mail.Protocol, Server: s.drop.Server, Alone: true, Err: err}
	errors.As(err, &t)
	switch t.Kind {
	case mail.NoEnvelope:
		header, _ := m.Content.Header(ctx) // it was read already; without it the note is shorter
		s.aside(ctx, m.Origin, t.Err.Error(), header, t, s.p.now().Add(daily))
	case mail.Local: // too big for us, perhaps: that does not change by asking at each visit
		s.aside(ctx, m.Origin, t.Error(), nil, t, s.p.now().Add(daily))
	default:
		s.strike(ctx, m.Origin, t, 0, true)
	}
}

// aside leaves a message upstream for a reason, and tells it. How often that was so for this message is
// returned.
func (s *session) aside(
	ctx context.Context, o mail.Origin, why string, header []byte, t *mail.Trouble, next time.Time,
) (tries int, first time.Time, err error) {
	tries, first, err = s.p.Ledger.Aside(context.WithoutCancel(ctx), &s.drop, o, why, header, next)
	e := mail.Event{Op: mail.OpAside, Origin: o, Messages: 1, Attempt: tries, Next: next, Text: why}
	if t != nil {
		e.Err, e.Reply = t, t.Reply
	}
	if err != nil {
		s.refuse(err)
		e = mail.Event{Op: mail.OpStore, Origin: o, Err: err, Alarm: true, Text: "a note cannot be written"}
	}
	s.p.observe(e)
	return tries, first, err
}

// leave says whether a message may stay upstream after the MTA was asked about it.
func (s *session) leave(ctx context.Context, m *mail.Message, why relay.Reason, r mail.Report) (bool, error) {
	now := s.p.now()
	next, text := now.Add(daily), "nobody may be told that it is refused"
	switch why {
	case relay.ReasonDeferred:
		next, text = now, "the MTA asks to wait"
	case relay.ReasonSender:
		text = "the MTA refuses it for its sender; asked again tomorrow"
	}
	header, err := m.Content.Header(ctx)
	if err != nil {
		return false, err
	}
	said := r.Of(0)
	t := &mail.Trouble{
		Op: mail.OpProbe, Kind: mail.Local, Alone: true,
		Server: said.RemoteMTA, Reply: said.Reply, Err: said.Err,
	}
	tries, first, err := s.aside(ctx, m.Origin, text, header, t, next)
	if err != nil {
		return false, err
	}
	switch why {
	case relay.ReasonDeferred:
		return tries <= patienceTries && now.Sub(first) < patience, nil
	case relay.ReasonSender:
		return now.Sub(first) < orDefault(s.p.Expire, 5*24*time.Hour), nil
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
		Up: s.up, Down: s.down, Saved: s.tally.Saved, Wasted: wasted,
		Next: s.state.Next, Text: text,
	}
	if t != nil {
		e.Err, e.Reply = t, t.Reply
		e.Alarm = s.state.Failures == 1 && (t.Kind == mail.NoRecipient || t.Kind == mail.Local)
	}
	s.p.observe(e)
}

// due says when the maildrop is visited, or looked at, next; not ok: as it was planned before.
func (s *session) due(now time.Time) (at time.Time, ok bool) {
	if s.only != "" && s.err == nil {
		return at, false
	}
	at = s.state.Next
	if soon := now.Add(s.drop.every()); at.Before(now) || at.After(soon) && (s.looked || s.state.Kind == mail.Auth) {
		at = soon
	}
	return at.Add(s.p.jitter(at.Sub(now))), true
}

// clone returns a copy that shares nothing.
func (s State) clone() State {
	s.Suspects = maps.Clone(s.Suspects)
	return s
}

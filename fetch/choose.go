package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"mailretr/store/mail"
)

// opening puts a listing around the sessions of the kind.
type opening struct{ s *session }

// Open opens the maildrop.
func (o opening) Open(ctx context.Context) (mail.Maildrop, error) {
	drop, err := o.s.drop.From.Open(ctx)
	if err != nil {
		return nil, err
	}
	o.s.open = drop
	return listing{drop, o.s}, nil
}

// listing is a session of the kind whose Messages yields what this visit's session shall have. What the
// kind offers beside is passed on; where it offers nothing, the answers are those of a kind that has
// nothing to say.
type listing struct {
	mail.Maildrop
	s *session
}

// Ahead passes on what will be read.
func (l listing) Ahead(ctx context.Context, part mail.Part, ms []*mail.Message) error {
	if a, ok := l.Maildrop.(mail.Aheader); ok {
		return a.Ahead(ctx, part, ms)
	}
	return nil
}

// Release lets go of what an earlier session took.
func (l listing) Release(ctx context.Context, uids []mail.UID) error {
	if r, ok := l.Maildrop.(mail.Releaser); ok {
		return r.Release(ctx, uids)
	}
	return nil
}

// Gone names what the server has let go of.
func (l listing) Gone() []mail.UID {
	if c, ok := l.Maildrop.(mail.Confirmed); ok {
		return c.Gone()
	}
	return nil
}

// found is one element of the kind's sequence.
type found struct {
	m   *mail.Message
	err error
}

// Messages yields what this session shall have. All sizes are known before the first octet of a body is
// asked for.
func (l listing) Messages(ctx context.Context, want []mail.UID) iter.Seq2[*mail.Message, error] {
	return func(yield func(*mail.Message, error) bool) {
		var all []found
		for m, err := range l.Maildrop.Messages(ctx, want) {
			if m == nil {
				yield(nil, err)
				return
			}
			all = append(all, found{m, err})
		}
		all, err := l.contact(ctx, all)
		if err != nil {
			yield(nil, err)
			return
		}
		now := l.s.plan(all)
		l.s.asked = len(now)
		for _, x := range now {
			if !yield(x.m, x.err) {
				return
			}
		}
	}
}

// contact does what is to be done once with mail that is there at first contact, and returns what is to
// be collected.
func (l listing) contact(ctx context.Context, all []found) ([]found, error) {
	s := l.s
	if !s.first || s.drop.First.Within == 0 {
		return all, nil
	}
	young, old, err := l.age(ctx, all)
	if err != nil {
		return nil, err
	}
	if len(old) > 0 {
		if err := s.p.Ledger.Know(ctx, &s.drop, old); err != nil {
			return nil, local(err)
		}
		s.p.observe(mail.Event{Op: mail.OpList, Origin: s.origin(), Text: fmt.Sprintf(
			"first contact: %d messages are older than %s and stay in the maildrop",
			len(old), days(s.drop.First.Within))})
	}
	return young, s.met(ctx)
}

// age sorts messages by whether they came within the time that was configured. Where the protocol has
// no date, the header tells it; one that tells none is taken for young: collecting too much is mended
// more easily than too little.
func (l listing) age(ctx context.Context, all []found) (young []found, old []mail.UID, err error) {
	var undated []*mail.Message
	for _, x := range all {
		if x.err == nil && x.m.Origin.Date.IsZero() {
			undated = append(undated, x.m)
		}
	}
	if len(undated) > 0 {
		if err := l.Ahead(ctx, mail.Header, undated); err != nil {
			return nil, nil, err
		}
	}
	limit := l.s.p.now().Add(-l.s.drop.First.Within)
	for _, x := range all {
		date := x.m.Origin.Date
		if x.err == nil && date.IsZero() {
			header, err := x.m.Content.Header(ctx)
			if err != nil && breaks(ctx, err) {
				return nil, nil, err
			}
			date = arrival(header)
		}
		if x.err == nil && !date.IsZero() && date.Before(limit) {
			old = append(old, x.m.Origin.UID)
			continue
		}
		young = append(young, x)
	}
	return young, old, nil
}

// breaks says whether an error ends the session, and not one message only.
func breaks(ctx context.Context, err error) bool {
	var t *mail.Trouble
	return ctx.Err() != nil || errors.As(err, &t) && !t.Alone && t.Kind != mail.NoEnvelope
}

// choose asks the marks, and what is to be known before something is fetched.
func (s *session) choose(ctx context.Context, uids []mail.UID, complete bool) (mail.Choice, error) {
	if err := s.meet(ctx, uids); err != nil {
		return mail.Choice{}, err
	}
	c, err := s.p.Ledger.Choose(ctx, &s.drop, uids, complete)
	if err != nil {
		return c, local(err)
	}
	if complete {
		s.prune(uids)
	}
	if c.Fetch = s.mine(c.Fetch); s.only != "" {
		c.Release = nil // the visit's first session has done it
	}
	if s.first && (s.drop.First.Within == 0 || len(c.Fetch) == 0) {
		if err := s.met(ctx); err != nil {
			return c, err
		}
	}
	if len(c.Fetch) > 0 && s.only == "" {
		if t := s.refused(ctx); t != nil {
			return mail.Choice{}, t
		}
	}
	return c, nil
}

// meet finds out whether this is the first contact, and marks what is there where it shall stay. Both
// the note and the marks are asked: one may have been lost, and mail that came since must not be taken
// for old.
func (s *session) meet(ctx context.Context, uids []mail.UID) error {
	if s.state.Account != s.drop.Account {
		s.state = State{Account: s.drop.Account, Paused: s.state.Paused}
	}
	if !s.state.Met.IsZero() {
		return nil
	}
	met, err := s.p.Ledger.Met(ctx, &s.drop)
	if err != nil {
		return local(err)
	}
	if met {
		return s.met(ctx)
	}
	s.first = true
	if !s.drop.First.New || len(uids) == 0 {
		return nil
	}
	if err := s.p.Ledger.Know(ctx, &s.drop, uids); err != nil {
		return local(err)
	}
	s.p.observe(mail.Event{Op: mail.OpList, Origin: s.origin(), Text: fmt.Sprintf(
		"first contact: %d messages stay in the maildrop; what comes from now on is collected", len(uids))})
	return nil
}

// met saves that first contact was made, before anything is fetched: a program that ends in between
// must not make the mail of tomorrow a first contact again.
func (s *session) met(ctx context.Context) error {
	s.state.Met = s.p.now()
	s.p.mu.Lock()
	s.e.state.Account, s.e.state.Met = s.state.Account, s.state.Met
	s.p.mu.Unlock()
	return local(s.p.save(ctx, s.e))
}

// mine returns what this session goes for of what the marks leave: all but suspects, which wait for
// sessions of their own; or one of these, if nothing else is there.
func (s *session) mine(fetch []mail.UID) []mail.UID {
	if s.only != "" {
		if slices.Contains(fetch, s.only) {
			return []mail.UID{s.only}
		}
		return nil
	}
	var plain, suspects []mail.UID
	for _, uid := range fetch {
		if _, ok := s.state.Suspects[uid]; ok {
			suspects = append(suspects, uid)
		} else {
			plain = append(plain, uid)
		}
	}
	if len(plain) == 0 && len(suspects) > 0 {
		plain, suspects = suspects[:1], suspects[1:]
	}
	for _, uid := range suspects {
		s.left = append(s.left, part{uid: uid})
	}
	return plain
}

// plan says what it will cost, and returns what is fetched now. Large bodies wait for sessions of their
// own, so that small mail is let go of before; the first one comes now where nothing small waits and a
// slot is free.
func (s *session) plan(all []found) []found {
	if s.only != "" {
		return all
	}
	s.cost(all)
	if s.state.OneLogin {
		return all
	}
	var now, large []found
	for _, x := range all {
		if x.err == nil && x.m.Content.Size() >= s.drop.largeFrom() {
			large = append(large, x)
		} else {
			now = append(now, x)
		}
	}
	slices.SortStableFunc(large, func(a, b found) int {
		return cmp.Compare(a.m.Content.Size(), b.m.Content.Size())
	})
	if len(now) == 0 && len(large) > 0 && s.p.lendLarge() {
		s.largeSlot = true
		now, large = large[:1], large[1:]
	}
	for _, x := range large {
		s.left = append(s.left, part{uid: x.m.Origin.UID, large: true})
	}
	return now
}

// cost tells how much waits.
func (s *session) cost(all []found) {
	if len(all) == 0 {
		return
	}
	e := mail.Event{Op: mail.OpList, Origin: s.origin(), Messages: len(all) + len(s.left)}
	for _, x := range all {
		if x.err == nil {
			e.Octets += max(x.m.Content.Size(), 0)
		}
	}
	if s.first {
		e.Text = fmt.Sprintf("first contact: %d messages, %s, will be collected", e.Messages, octets(e.Octets))
	}
	s.p.observe(e)
}

// lendLarge takes a large slot for a session that runs.
func (p *Poller) lendLarge() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.takeLarge()
}

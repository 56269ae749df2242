package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mailretr/fetch/budget"
	"mailretr/relay"
	"mailretr/store/mail"
)

// What a session may have of what it has found: not what is too large for its owner, what waits for the
// off-peak hours, or what a budget has no room for. Each such message is left upstream with a note, so that
// it costs nothing until it is due again.

// mostHeld bounds the notes of one session; what is beyond it is found again by the next one.
const mostHeld = 256

// headerCost is what is reserved for a header whose body is not fetched, in octets; real ones are shorter.
const headerCost = 16 << 10

// enter says whether a session may be begun: there is room for what it brings, and a budget for what it
// costs. That a budget is still spent is no news.
func (s *session) enter(ctx context.Context) error {
	if s.p.Room != nil {
		if err := s.p.Room(ctx); err != nil {
			return local(err)
		}
	}
	if s.p.Budget == nil {
		return nil
	}
	err := s.roomToList()
	if err == nil {
		if s.purse, err = s.p.Budget.Open(ctx, s.drop.Name, s.over); err == nil {
			return nil
		}
	}
	err = local(err)
	t := mail.TroubleOf(mail.OpPoll, s.drop.Server, err)
	same := s.state.Failures > 0 && s.state.Kind == mail.Spent
	until := s.p.now().Add(t.After)
	if t.Kind == mail.Spent && same && until.Sub(s.state.Next).Abs() < time.Minute {
		s.looked, s.err = true, err
	}
	return err
}

// leaveBudget ends what enter began: what was reserved is corrected by what it has cost.
func (s *session) leaveBudget() {
	if s.purse != nil {
		s.purse.Close()
	}
}

// large says whether a body needs a large slot, and leaves the reserve for small mail alone.
func (s *session) large(m *mail.Message) bool { return m.Content.Size() >= s.drop.largeFrom() }

// fit leaves out what is too large, and what waits for its hours.
func (s *session) fit(ctx context.Context, all []found) (some []found, err error) {
	for _, x := range all {
		if x.err == nil && s.waitsOfCrowd(x.m) {
			s.held++
			continue
		}
		if x.err == nil {
			if a := s.obstacle(x.m); a != nil {
				if err := s.hold(ctx, x.m, *a); err != nil {
					return nil, err
				}
				continue
			}
		}
		some = append(some, x)
	}
	return some, nil
}

// obstacle says why a message is not collected now whatever is left of the budgets; nil: it may be, or there
// is somebody to be told of it.
func (s *session) obstacle(m *mail.Message) *Aside {
	d, size, uid := &s.drop, m.Content.Size(), m.Origin.UID
	switch {
	case s.wanted[uid]:
		return nil
	case d.Most > 0 && size > d.Most:
		return s.refusal(size, d.Most)
	case d.Oversize.Above > 0 && size >= d.Oversize.Above:
		if !s.tells {
			return s.refusal(size, d.Oversize.Above)
		}
		if s.oversize == nil {
			s.oversize = map[mail.UID]bool{}
		}
		s.oversize[uid] = true
	case d.Waits > 0 && size >= d.Waits && !s.over && s.p.Budget != nil:
		if now, next := s.p.Budget.OffPeak(); !now && !next.IsZero() {
			return &Aside{Kind: AsideBudget, Next: next, Why: fmt.Sprintf(
				"it is large (%s) and waits for the off-peak hours: %s", mail.Octets(size), budget.When(next))}
		}
	}
	if !s.oversize[uid] {
		return s.breaking(size)
	}
	return nil
}

// refusal is the note of a message that is too large.
func (s *session) refusal(size, most int64) *Aside {
	t := &mail.Trouble{
		Op: mail.OpFetch, Kind: mail.Local, Server: s.drop.Server, Alone: true,
		Err: fmt.Errorf("it is too large to be collected: %s, where %s are the most", mail.Octets(size),
			mail.Octets(most)),
		Hint: "Look at it with the provider's webmail, or have it collected: mailretr seen forget.",
	}
	return &Aside{Kind: AsideRefused, Why: t.Err.Error(), Trouble: t, Next: s.p.now().Add(daily)}
}

// tooLarge is for a message of which somebody is told, now that its header is here.
func (s *session) tooLarge(ctx context.Context, m *mail.Message) (relay.Verdict, mail.Report) {
	size := m.Content.Size()
	a := s.refusal(size, s.drop.Oversize.Above)
	a.Origin, a.Size = m.Origin, max(size, 0)
	if s.drop.Oversize.Then == ThenNotice {
		a.Kind, a.Next = AsideNotice, time.Time{}
		a.Why += "; the recipient was told"
		if err := s.p.Ledger.Notice(context.WithoutCancel(ctx), &s.drop, m, *a); err != nil {
			s.refuse(err)
		}
		s.asides++ // its mark says that nothing is open
		return relay.Leave, nil
	}
	// RFC 3463, 3.3: X.2.3. There is no reply, because no next hop has spoken: it says nothing about the lane.
	report := mail.Same(len(m.Envelope.Recipients), mail.Result{
		Outcome: mail.Failed, Scope: mail.OfMessage, Enhanced: "5.2.3", After: mail.OpProbe, Err: a.Trouble,
	})
	err := s.drop.Queue.Refuse(ctx, m, report)
	var untold interface{ Aside() bool }
	switch {
	case err == nil:
		return relay.Settled, mail.Same(len(report), mail.Result{Outcome: mail.Delivered})
	case errors.As(err, &untold) && untold.Aside():
		a.Why += ", and its sender may not be told"
		if _, _, err = s.aside(ctx, *a); err == nil {
			return relay.Leave, nil
		}
	}
	s.refuse(err)
	return relay.Leave, nil
}

// pay takes what these messages cost from the budgets, the small ones first, and returns those that were
// paid for, in their order. It is durable when it returns: they may be asked for. Where they are copies of
// one mail, most likely, one of them is paid for.
func (s *session) pay(ctx context.Context, all []found) (paid []found, err error) {
	if s.purse == nil {
		return all, nil
	}
	bySize := slices.DeleteFunc(slices.Clone(all), func(x found) bool { return x.err != nil })
	slices.SortStableFunc(bySize, func(a, b found) int {
		return cmp.Compare(a.m.Content.Size(), b.m.Content.Size())
	})
	if s.alone {
		slices.Reverse(bySize)
	}
	denied := map[*mail.Message]bool{}
	var t *mail.Trouble
	for i, x := range bySize {
		switch {
		case s.oversize[x.m.Origin.UID]:
			t = s.purse.Take(headerCost, false)
		case i == 0 || !s.alone:
			t = s.purse.Take(x.m.Content.Size(), s.large(x.m))
		}
		if denied[x.m] = t != nil; t == nil {
			continue
		}
		if err := s.hold(ctx, x.m, s.unaffordable(t)); err != nil {
			return nil, err
		}
	}
	paid = slices.DeleteFunc(slices.Clone(all), func(x found) bool { return x.err == nil && denied[x.m] })
	return paid, local(s.purse.Keep(ctx))
}

// affordable leaves out the large bodies that no budget has room for. They pay in sessions of their own.
func (s *session) affordable(ctx context.Context, large []found) (some []found, err error) {
	for _, x := range large {
		if s.purse != nil {
			if t := s.purse.Room(x.m.Content.Size(), true); t != nil {
				if err := s.hold(ctx, x.m, s.unaffordable(t)); err != nil {
					return nil, err
				}
				continue
			}
		}
		some = append(some, x)
	}
	return some, nil
}

// unaffordable is the note of a message that a budget has no room for.
func (s *session) unaffordable(t *mail.Trouble) Aside {
	t.Server = s.drop.Server
	return Aside{Kind: AsideBudget, Why: t.Err.Error(), Trouble: t, Next: s.p.now().Add(t.After)}
}

// hold leaves a message upstream with a note.
func (s *session) hold(ctx context.Context, m *mail.Message, a Aside) error {
	now := a.Kind == AsideBudget && !a.Next.After(s.p.now()) // the next visit may have it
	if s.held++; s.held > mostHeld || now || s.wanted[m.Origin.UID] {
		return nil // that somebody wants it is its note already
	}
	a.Origin, a.Size = m.Origin, max(m.Content.Size(), 0)
	_, _, err := s.aside(ctx, a)
	return local(err)
}

// more pays for octets that were not announced. A server that lies about sizes is cut off where the budget
// ends.
func (s *session) more(octets int64) error {
	if s.purse == nil {
		return nil
	}
	if t := s.purse.Take(octets, false); t != nil {
		t.Server, t.Alone = s.drop.Server, false
		return t
	}
	return nil
}

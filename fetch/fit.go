package fetch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"mailretr/fetch/budget"
	"mailretr/store/mail"
)

// What a session may have of what it has found: not what is too large for its owner, what waits for the
// off-peak hours, or what a budget has no room for. Each such message is left upstream with a note, so that
// it costs nothing until it is due again.

// mostHeld bounds the notes of one session; what is beyond it is found again by the next one.
const mostHeld = 256

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
	purse, err := s.p.Budget.Open(ctx, s.drop.Name, s.over)
	if err == nil {
		s.purse = purse
		return nil
	}
	err = local(err)
	t := mail.TroubleOf(mail.OpPoll, s.drop.Server, err)
	same := s.state.Failures > 0 && s.state.Kind == mail.Spent
	if until := s.p.now().Add(t.After); t.Kind == mail.Spent && same && until.Sub(s.state.Next).Abs() < time.Minute {
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

// obstacle says why a message is not collected now whatever is left of the budgets; nil: it may be.
func (s *session) obstacle(m *mail.Message) *Aside {
	d, size := &s.drop, m.Content.Size()
	tooLarge := func(most int64) *Aside {
		t := &mail.Trouble{Op: mail.OpFetch, Kind: mail.Local, Server: d.Server, Alone: true,
			Err:  fmt.Errorf("it is too large to be collected: %s, where %s are the most", octets(size), octets(most)),
			Hint: "Look at it with the provider's webmail, or raise the limit."}
		return &Aside{Kind: AsideRefused, Why: t.Err.Error(), Trouble: t, Next: s.p.now().Add(daily)}
	}
	switch {
	case d.Most > 0 && size > d.Most:
		return tooLarge(d.Most)
	case d.Oversize.Above > 0 && size >= d.Oversize.Above:
		return tooLarge(d.Oversize.Above)
	case d.Waits > 0 && size >= d.Waits && !s.over && s.p.Budget != nil:
		if now, next := s.p.Budget.OffPeak(); !now && !next.IsZero() {
			return &Aside{Kind: AsideBudget, Next: next, Why: fmt.Sprintf(
				"it is large (%s) and waits for the off-peak hours: %s", octets(size), budget.When(next))}
		}
	}
	return nil
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
		if i == 0 || !s.alone {
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
	if s.held++; s.held > mostHeld {
		return nil
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

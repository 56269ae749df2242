package fetch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"mailretr/store/mail"
)

// A body that was cut, and of which nothing could be kept, crosses the line again from its first octet (POP3;
// IMAP goes on at the octet, and loses nothing). So that it cannot burn what the line may carry, it is asked
// for again by this rule, while all other mail flows:
//
//   - after a quarter of an hour, then after four times as long each time, at most after a week;
//   - never so that its cuts of any 24 hours waste more than twice its size, if it is cut again where it was
//     last;
//   - sooner, as soon as one session has carried as much as the body is long without being cut; the 24 hours
//     hold;
//   - and never so that all cuts of a maildrop waste more in 24 hours than twice the size of the largest of these
//     bodies: what is longer than the line has carried before it broke waits then, tried before or not, until a
//     session has carried as much as any did that broke.
//
// A 10 MB message on a line that breaks every 3 MB wastes 15 MB on the first day and 3 MB a week from the
// fourth on. The status names the message, what it has wasted, and when it is tried again. A cut that lost less
// than littleLost does not count, and the first one of a message does not make it wait where it lost less than
// someLost: it is asked for at the next visit.
const (
	littleLost = 16 << 10
	someLost   = 256 << 10
	firstRetry = 15 * time.Minute
	lastRetry  = 7 * 24 * time.Hour
	dayOfLoss  = 24 * time.Hour
	mostLosses = 32 // that are remembered: more than the rule lets happen in a day
)

// A Loss is what one cut has wasted.
type Loss struct {
	At     time.Time `json:"at"`
	Octets int64     `json:"octets"`
}

// cut notes that a body was cut after lost octets of size, as announced, and says when it is asked for again.
func (x *Suspect) cut(now time.Time, lost, size int64) {
	x.Cuts, x.Wasted, x.Size = x.Cuts+1, x.Wasted+lost, max(size, lost)
	x.Losses = losses(x.Losses, now, lost)
	wait := firstRetry
	for i := 1; i < x.Cuts && wait < lastRetry; i++ {
		wait *= 4
	}
	if x.Cuts == 1 && lost < someLost {
		wait = 0
	}
	x.Next = x.fits(now.Add(min(wait, lastRetry)))
}

// losses adds one to those of the last 24 hours. What is of later than now was noted by a clock that was wrong.
func losses(all []Loss, now time.Time, lost int64) []Loss {
	all = slices.DeleteFunc(slices.Clone(all), func(l Loss) bool { return now.Sub(l.At).Abs() >= dayOfLoss })
	return append(all[max(0, len(all)-mostLosses+1):], Loss{now, lost})
}

// fits returns the first time from at on when another cut would not be too much for a day.
func (x *Suspect) fits(at time.Time) time.Time {
	if len(x.Losses) == 0 {
		return at
	}
	again, first := x.Losses[len(x.Losses)-1].Octets, at
	for {
		sum, until := again, time.Time{}
		for _, l := range x.Losses {
			if end := l.At.Add(dayOfLoss); end.After(at) && !l.At.After(first) { // else a clock was wrong
				sum += l.Octets
				until = earlier(until, end)
			}
		}
		if sum <= 2*x.Size || until.IsZero() {
			return at
		}
		at = until
	}
}

// held says whether a message is not asked for yet.
func (x *Suspect) held(now time.Time) bool { return x.Next.After(now) }

// suspected says whether there are suspects that may be asked for now.
func (s *State) suspected(now time.Time) bool {
	for _, x := range s.Suspects {
		if !x.held(now) {
			return true
		}
	}
	return false
}

// cut sets a message aside whose body was cut.
func (s *session) cut(ctx context.Context, uid mail.UID, t *mail.Trouble) {
	x := s.state.Suspects[uid]
	x.Octets = s.octets
	x.cut(s.p.now(), s.lost, s.size)
	s.suspect(uid, x)
	s.state.Losses = losses(s.state.Losses, s.p.now(), s.lost)
	s.state.Cut = max(s.state.Cut, x.Size)
	if x.held(s.p.now()) {
		s.asideCut(ctx, uid, x, t)
	}
}

func (s *session) asideCut(ctx context.Context, uid mail.UID, x Suspect, t *mail.Trouble) {
	times := "once"
	if x.Cuts > 1 {
		times = fmt.Sprintf("%d times", x.Cuts)
	}
	a := Aside{
		Origin: mail.Origin{Maildrop: s.drop.Name, Account: s.drop.Account, UID: uid},
		Kind:   AsideCut, Size: x.Size, Next: x.Next,
		Why: fmt.Sprintf("its body was cut %s, the last time after %s of %s, and cannot be gone on with; %s wasted",
			times, mail.Octets(x.Octets), mail.Octets(x.Size), mail.Octets(x.Wasted)),
	}
	if x.Cuts >= strikes { // before that nobody needs to look at it
		a.Trouble = t
	}
	s.aside(ctx, a)
}

// breaking says why a body of this size is not asked for, tried before or not: the line breaks in such ones, and
// that has cost enough for a day.
func (s *session) breaking(size int64) *Aside {
	x, now := &s.state, s.p.now()
	least, _ := x.carried()
	if len(x.Losses) == 0 || s.named || size <= max(least, someLost) {
		return nil
	}
	next := (&Suspect{Losses: x.Losses, Size: x.Cut}).fits(now)
	if !next.After(now) {
		return nil
	}
	return &Aside{Kind: AsideCut, Next: next, Why: fmt.Sprintf("the line breaks in bodies of this size, which cannot "+
		"be gone on with, and that has wasted %s in 24 hours", mail.Octets(wasted(x.Losses)))}
}

// carried says how much the line has carried before it broke, at the least and at the most.
func (s *State) carried() (least, most int64) {
	for i, l := range s.Losses {
		if most = max(most, l.Octets); i == 0 || l.Octets < least {
			least = l.Octets
		}
	}
	return least, most
}

func wasted(all []Loss) (n int64) {
	for _, l := range all {
		n += l.Octets
	}
	return n
}

// carried lets bodies that were cut be asked for sooner, after a session that has carried as much without a
// break.
func (s *session) carried(ctx context.Context) {
	now := s.p.now()
	if _, most := s.state.carried(); most > 0 && s.down >= most && !s.same {
		s.state.Losses, s.state.Cut = nil, 0
		s.look = now // for what has waited
	}
	for uid, x := range s.state.Suspects {
		if x.Cuts == 0 || !x.held(now) || s.down < x.Size || s.same {
			continue
		}
		if next := x.fits(now); next.Before(x.Next) {
			x.Next = next
			s.suspect(uid, x)
			s.asideCut(ctx, uid, x, nil)
			s.asides-- // it was left by an earlier session, so none of what this one has left is noted by it
		}
	}
}

// suspect remembers what is known of a message. Of too many nothing is.
func (s *session) suspect(uid mail.UID, x Suspect) {
	if s.state.Suspects == nil {
		s.state.Suspects = map[mail.UID]Suspect{}
	}
	if _, known := s.state.Suspects[uid]; known || len(s.state.Suspects) < mostSuspects {
		s.state.Suspects[uid] = x
	}
}

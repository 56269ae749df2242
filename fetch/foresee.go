package fetch

import (
	"context"
	"fmt"

	"mailretr/store/mail"
)

// What a session costs besides bodies is a guess, made of what the last one has cost. Where more is about to be asked for
// it is reserved first, and where more comes than was reserved the session ends before a budget is passed.

// A Foreseer (optional on a mail.Maildrop) knows, before it is asked for, about how many octets something will have; 0:
// none, or it is there already.
type Foreseer interface {
	Listing() int64              // what List brings
	Added(glance string) int64   // what Since brings
	Sizes(want []mail.UID) int64 // what Messages brings, before anything of a content
}

// bound ends the session where more crosses the line than any budget has room for: a session costs what a server makes it
// cost, and no guess of ours keeps it from that. done is called when the session has hung up.
func (s *session) bound() (done func()) {
	if s.purse == nil || s.drop.Bound == nil {
		return func() {}
	}
	s.drop.Bound(func() (int64, error) {
		octets, t := s.purse.Cover()
		if t == nil {
			return octets, nil
		}
		t.Op, t.Server = mail.OpPoll, s.drop.Server
		s.mu.Lock()
		s.spent = t
		s.mu.Unlock()
		return 0, t
	})
	return func() { s.drop.Bound(nil) }
}

// shortListing is an answer, in octets, that is not reserved for by itself: it is paid for with the session.
const shortListing = 4 << 10

// foresee reserves what an answer costs before it is asked for. Where no budget has room for it that is remembered: nobody
// is dialled to find it out again, see roomToList.
func (s *session) foresee(ctx context.Context, octets int64) error {
	if s.purse == nil || octets <= shortListing {
		return nil
	}
	s.foreseen += octets
	t := s.purse.Take(octets, false)
	if t == nil {
		return local(s.purse.Keep(ctx))
	}
	s.state.Unlisted, s.state.Listing, s.state.Unmet = s.p.now(), s.foreseen, s.drop.lists()
	return ofListing(t, s.foreseen)
}

// foreseer answers for a kind that foresees nothing.
func foreseer(drop mail.Maildrop) Foreseer {
	if x, ok := drop.(Foreseer); ok {
		return x
	}
	return blind{}
}

type blind struct{}

func (blind) Listing() int64         { return 0 }
func (blind) Added(string) int64     { return 0 }
func (blind) Sizes([]mail.UID) int64 { return 0 }

// roomToList says whether there is room by now for a listing that the last session could not pay for, so that no
// login is spent on finding that out. Once a day there is one all the same: somebody may have tidied up there. And what
// another account would cost, or other folders, nobody knows.
func (s *session) roomToList() error {
	age := s.p.now().Sub(s.state.Unlisted)
	if s.state.Unlisted.IsZero() || s.state.Unmet != s.drop.lists() || age < 0 || age >= relistDear || s.over || s.named {
		return nil
	}
	if t := s.p.Budget.Room(s.drop.Name, s.state.Listing); t != nil {
		return ofListing(t, s.state.Listing)
	}
	return nil
}

// ofListing says what it is that there is no room for.
func ofListing(t *mail.Trouble, octets int64) *mail.Trouble {
	t.Op, t.Alone = mail.OpList, false
	t.Err = fmt.Errorf("what is there cannot be listed, which takes %s: %w", mail.Octets(octets), t.Err)
	return t
}

// lists says what a listing is one of.
func (d *Drop) lists() string { return string(d.Account) + " " + d.Lists }

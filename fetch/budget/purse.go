package budget

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"mailretr/store/mail"
)

// What a session costs besides bodies is taken from what the last one of the maildrop has cost, within
// these bounds in octets. A handshake with certificates and an empty listing are some five thousand.
const (
	leastOpening = 6 << 10
	mostOpening  = 1 << 20
)

// A Purse is what one session has taken of the budgets. Only Cover may be called while another method is.
type Purse struct {
	b        *Book
	maildrop string
	anyway   bool  // somebody has said that it may pass the budget
	base     int64 // of the maildrop's meter when it was opened
	bodies   int64 // taken for messages
	taken    int64 // in all
}

// Open is called before a session is begun, and reserves what one without mail costs. Where the budget
// has no room for that, the error is a *mail.Trouble of kind Spent: nobody is dialled, and its After says
// when it goes on. anyway: a person has said that the budget may be passed; what it costs is counted all
// the same. Any other error: it cannot be made durable.
//
// The caller closes the purse.
func (b *Book) Open(ctx context.Context, maildrop string, anyway bool) (*Purse, error) {
	if err := b.mend(ctx, maildrop); err != nil {
		return nil, err
	}
	b.mu.Lock()
	cost, t := b.opening(maildrop)
	if t != nil && !anyway {
		b.mu.Unlock()
		return nil, t
	}
	p := &Purse{b: b, maildrop: maildrop, anyway: anyway, base: b.meter(maildrop).total, taken: cost}
	b.purses[p] = struct{}{}
	b.mu.Unlock()
	if err := p.Keep(ctx); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Spent says whether a session of this maildrop may not be begun, as Open would, and begins none; nil: it
// may.
func (b *Book) Spent(maildrop string) *mail.Trouble {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, t := b.opening(maildrop)
	return t
}

// Room says what Take would say of these octets in a session that begins now, and begins none.
func (b *Book) Room(maildrop string, octets int64) *mail.Trouble {
	b.mu.Lock()
	defer b.mu.Unlock()
	cost, _ := b.opening(maildrop)
	return b.refused(maildrop, cost+Cost(octets), false)
}

// opening returns what a session without mail costs, and which budget has no room for one; nil: all have.
func (b *Book) opening(maildrop string) (cost int64, t *mail.Trouble) {
	cost = min(max(b.meter(maildrop).opening, leastOpening), mostOpening)
	if t = b.refused(maildrop, cost, false); t != nil {
		t.Op, t.Alone = mail.OpPoll, false
	}
	return cost, t
}

// Cost is what a message of this size takes of a budget: its octets, commands and replies, and what TLS
// adds to them.
func Cost(octets int64) int64 { return max(octets, 0) + max(octets, 0)/64 + 512 }

// Take reserves what a message costs, before it is asked for; where there is no room nothing is reserved,
// and the trouble (of kind Spent) says why, and in its After for how long; 0: until the sessions under way, this
// one included, have ended and what they took is corrected. nil: it may be asked for, once Keep has returned.
func (p *Purse) Take(octets int64, large bool) *mail.Trouble {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	t := p.room(octets, large)
	if t == nil {
		p.bodies += Cost(octets)
		p.taken += Cost(octets)
	}
	return t
}

// unforeseen is how many octets are taken at once when more has crossed the line than was taken for.
const unforeseen = 4 << 10

// Cover takes octets that have crossed the line beyond what was taken: what a session costs was a guess, and a server may
// send what nobody has asked for. It says how many more are covered, so that it need not be called before they have
// come; or why nothing is left, as Take does: then nothing more may be let come.
func (p *Purse) Cover() (octets int64, t *mail.Trouble) {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	p.b.sample(p.maildrop)
	over := p.b.meters[p.maildrop].total - p.base - p.taken
	if over < 0 {
		return -over, nil
	}
	octets = mostOpening // where nothing is bounded there is no need to be asked often
	if !p.anyway && p.b.limited(p.maildrop) {
		octets = unforeseen
		if t = p.b.refused(p.maildrop, octets, false); t != nil {
			t.Alone = false
			return 0, t
		}
	}
	p.taken += over + octets
	return octets, nil
}

// limited says whether a maildrop has any budget to keep to.
func (b *Book) limited(maildrop string) bool {
	return slices.ContainsFunc(b.owners(maildrop), func(owner string) bool { return b.limits(owner).any() })
}

// Room says what Take would say, and reserves nothing.
func (p *Purse) Room(octets int64, large bool) *mail.Trouble {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	return p.room(octets, large)
}

func (p *Purse) room(octets int64, large bool) *mail.Trouble {
	if p.anyway {
		return nil
	}
	return p.b.refused(p.maildrop, Cost(octets), large)
}

// Keep makes what was taken durable, in a commit of its own where that is needed.
func (p *Purse) Keep(ctx context.Context) error {
	if p.b.covered(p.maildrop) {
		return nil
	}
	return p.b.Save(ctx)
}

// covered says whether the notes have reserved all that may have been asked for.
func (b *Book) covered(maildrop string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, owner := range b.owners(maildrop) {
		p := b.page(owner)
		if b.limits(owner).any() && p.now.Line()-p.kept+b.asked(owner) > p.held {
			return false
		}
	}
	return true
}

// Close corrects what was taken by what it has cost. It may be called twice.
func (p *Purse) Close() {
	b := p.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, open := b.purses[p]; !open {
		return
	}
	b.sample(p.maildrop)
	if m := b.meters[p.maildrop]; m.read != nil {
		m.opening = m.total - p.base - p.bodies
	}
	delete(b.purses, p)
}

// rest is what was taken and has not crossed the line.
func (p *Purse) rest() int64 { return max(p.taken-(p.b.meters[p.maildrop].total-p.base), 0) }

// A span is one limit of an owner, and how far it is used.
type span struct {
	name         string
	owner        string
	limit, spent int64
	until        time.Time // when there is more
}

// spans are the limits of a page; those that are 0 are none.
func (b *Book) spans(p *page) []span {
	now, l := b.time(), b.limits(p.owner)
	_, month := b.rules.Calendar.Month(now)
	return []span{
		{"month", p.owner, l.Month, p.before.Plus(p.now).Line(), month},
		{"day", p.owner, l.Day, p.now.Line(), b.rules.Calendar.Tomorrow(now)},
	}
}

// refused says which budget has no room for these octets; nil: all have. Of several it is the one that lasts
// longest.
func (b *Book) refused(maildrop string, cost int64, large bool) (last *mail.Trouble) {
	b.sample(maildrop)
	for p := range b.purses {
		b.sample(p.maildrop) // it may have cost more than it took
	}
	for _, owner := range b.owners(maildrop) {
		asked := b.asked(owner)
		for _, x := range b.spans(b.page(owner)) {
			room := x.limit
			if large {
				room -= b.rules.Reserve.of(x.limit)
			}
			if x.limit == 0 || cost <= room-x.spent-asked {
				continue
			}
			t := x.trouble(cost > room, maildrop)
			if t.After = x.until.Sub(b.time()); cost <= room-x.spent {
				t.After, t.Hint = 0, "It goes on by itself when they have ended."
				t.Err = fmt.Errorf("what sessions under way have asked for may use up the %s for the %s", x.whose(),
					x.name)
			}
			if last == nil || t.After > last.After {
				last = t
			}
		}
	}
	return last
}

func (x *span) whose() string {
	switch {
	case x.owner == ownerLine:
		return "line's cap"
	case strings.HasPrefix(x.owner, ownerMany):
		return "budget of its owner"
	}
	return "maildrop's budget"
}

// trouble says it to people. never: it would not fit into the whole of it.
func (x *span) trouble(never bool, maildrop string) *mail.Trouble {
	anyway := "mailretr poll --over-budget " + mail.Printable(maildrop, 100)
	t := &mail.Trouble{
		Op: mail.OpFetch, Kind: mail.Spent, Alone: true,
		Err: fmt.Errorf("the %s for the %s has no room: %s of %s are used", x.whose(), x.name,
			mail.Octets(x.spent), mail.Octets(x.limit)),
		Hint: "It goes on by itself on " + When(x.until) + ". To collect in spite of it: " + anyway,
	}
	if never {
		t.Err = fmt.Errorf("it is larger than the %s for a whole %s leaves for such mail (%s)", x.whose(),
			x.name, mail.Octets(x.limit))
		t.Hint = "Raise the budget, or collect in spite of it: " + anyway
	}
	return t
}

// When writes an instant for people, in the zone that it has.
func When(t time.Time) string { return t.Format("Mon 2 Jan 15:04") }

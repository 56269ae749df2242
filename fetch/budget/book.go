package budget

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"mailretr/store/mail"
)

// A Limit is a budget. 0: there is none.
type Limit struct{ Day, Month int64 } // octets on the line

func (l Limit) any() bool { return l.Day > 0 || l.Month > 0 }

// A Share is a part of a budget, in octets or, where Percent is set, of a hundred.
type Share struct {
	Octets  int64
	Percent int
}

func (s Share) of(limit int64) int64 {
	if s.Percent > 0 {
		p := int64(min(s.Percent, 100))
		return limit/100*p + limit%100*p/100
	}
	return min(s.Octets, limit)
}

// Rules are what the configuration says.
type Rules struct {
	Calendar Calendar
	Line     Limit
	Reserve  Share            // of each limit: large mail stops so much earlier, small mail has it to itself
	Drops    map[string]Limit // by name of a maildrop, beside that of the line
	Groups   map[string]Group // by name of a maildrop: with which others it shares one more
	OffPeak  Hours            // in the zone of the calendar
}

// A Group is some maildrops that have one limit together, those of one owner for instance. All of one name have the same
// limit.
type Group struct {
	Name  string
	Limit Limit
}

// A Note is what a Store keeps.
type Note struct {
	Owner, Key string
	Value      []byte // nil removes it
}

// A Store keeps notes. Safe for concurrent use.
type Store interface {
	// Notes yields the notes of an owner, or of all for "".
	Notes(ctx context.Context, owner string) iter.Seq2[Note, error]
	// Save writes notes in one commit: all are durable when it returns nil.
	Save(context.Context, []Note) error
}

// A Book has a page for the line, one for each maildrop, and one for each group with a limit. Store and Now are set before the first call;
// Set says the rules, Load reads what was kept. It is a mail.Observer, and takes from events what the
// meters do not know. The methods are safe for concurrent use.
type Book struct {
	Store Store
	Now   func() time.Time // nil: time.Now

	saving sync.Mutex // one Save at a time; never taken under mu

	mu     sync.Mutex
	rules  Rules
	groups map[string]Limit // by name
	pages  map[string]*page // by owner
	meters map[string]*meter
	purses map[*Purse]struct{}
	remove []Note // of months that are over long since
	closed bool   // nothing is reserved any more
	astray bool   // the clock was wrong: the pages are to be made anew of the notes
}

// Owners of notes.
const (
	ownerLine = "line"
	ownerDrop = "maildrop/"
	ownerMany = "group/"
)

// page is what one owner has spent.
type page struct {
	owner string
	day   string // that now speaks of
	now   Counts
	begin string // first day of the month that before speaks of
	// before is the sum of the days of this month that are over.
	before Counts
	over   map[string]Counts // days that are over, and not in the notes yet

	kept  int64 // of now.Line, in the notes
	held  int64 // reserved in the notes
	dirty bool
	twice bool // the day was begun before, and its notes count too

	id      mail.ID // of the attempt that was counted last
	attempt int
}

// meter counts the octets of one maildrop.
type meter struct {
	read     func() (up, down int64)
	up, down int64 // as they were read last
	total    int64 // counted
	opening  int64 // what a session cost last, besides bodies
}

func (b *Book) time() time.Time {
	if b.Now != nil {
		return b.Now()
	}
	return time.Now()
}

func (b *Book) init() {
	if b.pages == nil {
		b.pages, b.meters, b.purses = map[string]*page{}, map[string]*meter{}, map[*Purse]struct{}{}
	}
}

// page returns the page of an owner, opened at today.
func (b *Book) page(owner string) *page {
	b.init()
	p := b.pages[owner]
	if p == nil {
		p = &page{owner: owner}
		b.pages[owner] = p
	}
	b.turn(p)
	return p
}

// wrong is how far a day may lie ahead of the clock before the clock of that day is taken for the wrong one.
const wrong = 36 * time.Hour

// turn begins a new day where one has begun. A clock that was set back does not: the day goes on. But one that was
// far ahead, and is right now, has begun a day that never was: what that has cost is of today.
func (b *Book) turn(p *page) {
	now := b.time()
	day := b.rules.Calendar.Day(now)
	switch {
	case day == p.day || p.day != "" && now.Year() < 2000: // nobody has set it yet
	case p.day > b.rules.Calendar.Day(now.Add(wrong)):
		p.day, p.kept, p.twice, p.dirty, b.astray = day, 0, true, true, true
		p.now = p.now.Plus(p.over[day])
		delete(p.over, day)
	case day < p.day:
		return
	default:
		if p.day != "" {
			p.before = p.before.Plus(p.now)
			if p.now != (Counts{}) {
				p.close(p.day, p.now)
			}
		}
		p.day, p.now, p.kept, p.held = day, Counts{}, 0, 0
	}
	begin := b.month(p.day)
	first := b.rules.Calendar.Day(begin)
	if first == p.begin {
		return
	}
	if last, _ := b.rules.Calendar.Month(begin.Add(-time.Hour)); p.begin != b.rules.Calendar.Day(last) {
		b.astray = b.astray || p.begin != "" // what the sum of this month lacks is in the notes
	}
	p.begin, p.before = first, Counts{}
}

// month returns when the month of a day began; of no day, that of now.
func (b *Book) month(day string) time.Time {
	at, err := time.ParseInLocation(time.DateOnly, day, b.rules.Calendar.zone())
	if err != nil {
		at = b.time()
	}
	begin, _ := b.rules.Calendar.Month(at.Add(12 * time.Hour))
	return begin
}

// mend makes the pages anew of the notes after the clock was wrong, so that a cap holds nevertheless.
func (b *Book) mend(ctx context.Context, maildrop string) error {
	b.mu.Lock()
	for _, owner := range b.owners(maildrop) {
		b.page(owner)
	}
	astray := b.astray
	b.astray = false
	b.mu.Unlock()
	if !astray {
		return nil
	}
	err := b.Save(ctx)
	if err == nil {
		_, err = b.load(ctx)
	}
	if err != nil {
		b.mu.Lock()
		b.astray = true
		b.mu.Unlock()
	}
	return err
}

// close notes that a day is over.
func (p *page) close(day string, c Counts) {
	if p.over == nil {
		p.over = map[string]Counts{}
	}
	p.over[day] = p.over[day].Plus(c)
	p.dirty = true
}

// owners are those who pay for a maildrop: the line, itself, and its group where that has a limit.
func (b *Book) owners(maildrop string) []string {
	all := []string{ownerLine, ownerDrop + maildrop}
	if g, in := b.rules.Groups[maildrop]; in && g.Limit.any() {
		all = append(all, ownerMany+g.Name)
	}
	return all
}

// count adds to whoever pays for a maildrop.
func (b *Book) count(maildrop string, c Counts) {
	if c == (Counts{}) {
		return
	}
	for _, owner := range b.owners(maildrop) {
		p := b.page(owner)
		p.now = p.now.Plus(c)
		p.dirty = true
	}
}

// Meter says how the octets of a maildrop are read: a sum that never falls while the program runs, but
// for a meter that begins anew at 0. nil: they are no longer counted. Call it before its first session.
func (b *Book) Meter(maildrop string, read func() (up, down int64)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.meter(maildrop)
	b.sample(maildrop)
	m.read = read
}

// meter returns the meter of a maildrop, which counts nothing yet where there was none.
func (b *Book) meter(maildrop string) *meter {
	b.init()
	m := b.meters[maildrop]
	if m == nil {
		m = &meter{}
		b.meters[maildrop] = m
	}
	return m
}

// sample reads the meter of a maildrop.
func (b *Book) sample(maildrop string) {
	m := b.meters[maildrop]
	if m == nil || m.read == nil {
		return
	}
	up, down := m.read()
	if up < m.up || down < m.down {
		m.up, m.down = 0, 0 // another meter
	}
	c := Counts{Up: up - m.up, Down: down - m.down}
	m.up, m.down = up, down
	m.total += c.Line()
	b.count(maildrop, c)
}

// Observe takes in what came, and what was saved and wasted. What it cost is the meter's to say.
func (b *Book) Observe(e mail.Event) {
	if e.Origin.Maildrop == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.init()
	switch e.Op {
	case mail.OpPoll:
		b.sample(e.Origin.Maildrop)
		b.count(e.Origin.Maildrop, Counts{
			Messages: int64(e.Messages), Octets: e.Octets, Saved: e.Saved, Wasted: e.Wasted,
		})
	case mail.OpDeliver:
		if e.Saved == 0 {
			return
		}
		// An attempt that did not deliver: the message is here for the next one. There is an event for each
		// recipient.
		p := b.page(ownerDrop + e.Origin.Maildrop)
		if p.id != e.ID || p.attempt != e.Attempt {
			p.id, p.attempt = e.ID, e.Attempt
			b.count(e.Origin.Maildrop, Counts{Saved: e.Saved})
		}
	}
}

// limits are those of an owner.
func (b *Book) limits(owner string) Limit {
	if owner == ownerLine {
		return b.rules.Line
	}
	if name, many := strings.CutPrefix(owner, ownerMany); many {
		return b.groups[name]
	}
	return b.rules.Drops[strings.TrimPrefix(owner, ownerDrop)]
}

// asked is what may still come of what purses have taken.
func (b *Book) asked(owner string) (n int64) {
	for p := range b.purses {
		if slices.Contains(b.owners(p.maildrop), owner) {
			n += p.rest()
		}
	}
	return n
}

// OffPeak says whether these are off-peak hours, and when the next begin: the zero time where there are
// none at all.
func (b *Book) OffPeak() (now bool, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.time().In(b.rules.Calendar.zone())
	next = b.rules.OffPeak.next(t)
	return !next.IsZero() && !next.After(t), next
}

// Set changes the rules. Where days or months begin otherwise than before, what was kept is read and
// added up anew.
func (b *Book) Set(ctx context.Context, r Rules) error {
	b.mu.Lock()
	b.init()
	old := b.rules.Calendar
	b.rules, b.groups = r, map[string]Limit{}
	for _, g := range r.Groups {
		b.groups[g.Name] = g.Limit
	}
	known := len(b.pages) > 0
	b.mu.Unlock()
	if !known || old.zone().String() == r.Calendar.zone().String() && old.Reset == r.Calendar.Reset {
		return nil
	}
	return errors.Join(b.Save(ctx), b.Load(ctx))
}

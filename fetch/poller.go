package fetch

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"mailretr/fetch/budget"
	"mailretr/store/mail"
)

// A Poller visits maildrops. Fields are set before the first call and not changed afterwards; the
// methods are safe for concurrent use. Set says what there is; Run visits what is due until its context
// ends; Poll collects now, with or without a Run.
type Poller struct {
	Ledger Ledger
	Notes  Notes // nil: nothing is remembered

	// See [Poller.Limit] for how to change these while it works.
	PerServer int // sessions with one server at once; 0: 3
	Overall   int // sessions at once; 0: 20
	Large     int // large bodies at once; 0: 2

	// Grace is how long a body may still come after a stop. 0: 20 s.
	Grace time.Duration
	// Expire is how long a message that is refused for what looks like a judgement on us stays upstream
	// before it is refused with a DSN. nil, or 0: 5 days.
	Expire func() time.Duration
	// Room is asked before a session begins; an error means that nothing can be taken in (disk, queue
	// limit), and nobody is dialled. nil: there is room.
	Room func(context.Context) error
	// Budget says what may be asked for on the line, and counts it. nil: everything may.
	Budget *budget.Book

	Observe mail.Observer
	Now     func() time.Time // nil: time.Now
	// Jitter returns a duration from 0 to below d. nil: at random.
	Jitter func(d time.Duration) time.Duration

	setting sync.Mutex // one change of the configuration at a time

	mu      sync.Mutex
	drops   map[string]*entry
	due     dues           // waits for its time
	ready   []*entry       // waits for a slot, in order
	after   []*entry       // more of its visit waits for a slot
	running int            // sessions, up to their last note
	online  int            // those of them that may have a connection
	server  map[string]int // these, by server
	group   map[string]int // by group
	large   int            // large slots taken
	larges  map[string]int // by server
	// crawling are sessions that have given their large slot up, but for that of their server
	crawling int
	run      context.Context
	watches  sync.WaitGroup
	poke     chan struct{} // something ended, or changed
}

// entry is what the poller knows of one maildrop. Guarded by Poller.mu.
type entry struct {
	drop   Drop
	state  State
	saving sync.Mutex // one save at a time; not guarded by Poller.mu, and held without it
	saved  string     // the state as it was saved last; guarded by saving
	due    time.Time  // visited, or looked at, next
	index  int        // in Poller.due; -1: not there
	ready  bool       // in Poller.ready
	more   bool       // in Poller.after

	session *session // that runs
	watch   watching
	taken   bool              // a login was taken
	told    int               // messages that were told last to wait; -1: none were
	kin     map[Identity]*kin // of mail that came lately; of the session while one runs
	later   []part            // what the visit under way has left for sessions of their own
	relook  bool              // somebody changed marks while a session runs
	changed bool              // the drop was replaced while a session runs
	gone    bool              // taken out of the configuration while a session runs
	waiting []*request        // Poll calls for which a visit has to begin
	served  []*request        // those for which the visit under way is
	visit   Visit             // under way
}

// The errors of a Visit that was none. Compare with errors.Is.
var (
	ErrUnknown = errors.New("no such maildrop")
	ErrPaused  = errors.New("the maildrop is paused")
	ErrStopped = errors.New("stopped")
)

// Set says which maildrops there are. New ones are due at once; those that stay keep what is known of
// them, and a session that runs goes on with what it began with; one whose last visit failed is looked
// at again, since the change may have been the cure; the session of one that is gone ends after the
// message that is being read. It reads the notes of new ones.
func (p *Poller) Set(ctx context.Context, drops []Drop) {
	p.setting.Lock()
	defer p.setting.Unlock()
	states := p.load(ctx, drops)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.init()
	now := p.now()
	keep := make(map[string]bool, len(drops))
	for _, d := range drops {
		keep[d.Name] = true
		p.set(d, states, now)
	}
	for name, e := range p.drops {
		if !keep[name] {
			p.remove(e)
		}
	}
	p.dispatch()
	p.wake()
}

// load reads the notes of maildrops that are new.
func (p *Poller) load(ctx context.Context, drops []Drop) map[string]State {
	p.mu.Lock()
	var names []string
	for _, d := range drops {
		if p.drops[d.Name] == nil {
			names = append(names, d.Name)
		}
	}
	p.mu.Unlock()
	states := make(map[string]State, len(names))
	for _, name := range names {
		states[name] = p.recall(ctx, name)
	}
	return states
}

func (p *Poller) recall(ctx context.Context, name string) State {
	if p.Notes == nil {
		return State{}
	}
	b, err := p.Notes.Load(ctx, name)
	var s State
	if err == nil {
		s, err = decode(b)
	}
	if err != nil {
		p.observe(mail.Event{Op: mail.OpStore, Origin: mail.Origin{Maildrop: name}, Err: err, Alarm: true,
			Text: "what was known of the maildrop cannot be read; it begins anew"})
		return State{}
	}
	if s.Paused {
		p.observe(mail.Event{Op: mail.OpVerb, Origin: mail.Origin{Maildrop: name}, Text: s.pausedText()})
	}
	return s
}

// set adds or replaces one maildrop.
func (p *Poller) set(d Drop, states map[string]State, now time.Time) {
	if p.Budget != nil {
		p.Budget.Meter(d.Name, d.Meter)
	}
	e := p.drops[d.Name]
	if e == nil {
		e = &entry{drop: d, state: states[d.Name].plausible(now, d.every()), index: -1, told: -1, due: now}
		e.taken = !e.state.Met.IsZero()
		p.drops[d.Name] = e
		p.schedule(e)
		return
	}
	if d.Watch != e.drop.Watch || d.Lists != e.drop.Lists || d.Watches != e.drop.Watches {
		e.watch.end()
	}
	e.drop, e.gone, e.changed = d, false, e.session != nil
	if latest := now.Add(max(d.every(), e.state.Apart)); e.due.After(latest) || e.state.Failures > 0 {
		e.due = latest
		if e.state.Failures > 0 {
			e.due = now
		}
	}
	p.schedule(e)
}

// schedule puts an idle maildrop where it waits.
func (p *Poller) schedule(e *entry) {
	switch {
	case e.session != nil || e.ready:
	case e.state.Paused:
		p.due.take(e)
	default:
		p.due.put(e)
	}
}

// remove takes a maildrop out, once its session has ended.
func (p *Poller) remove(e *entry) {
	e.gone, e.later = true, nil
	e.watch.end()
	p.due.take(e)
	p.answer(e.waiting, Visit{Name: e.drop.Name, Err: ErrUnknown})
	e.waiting = nil
	if e.session != nil {
		e.session.stop()
		return
	}
	delete(p.drops, e.drop.Name)
}

// The texts of the events that pausing and resuming make, of kind OpVerb.
const (
	Paused        = "paused"
	PausedByOwner = "paused by its owner"
	Resumed       = "resumed"
)

// ErrNotByOwner says that an owner wants to end, or make his own, what an admin has paused.
var ErrNotByOwner = errors.New("an admin has paused the maildrop")

// Pause stops visiting a maildrop; its session ends after the message that is being read. A restart
// does not forget it.
func (p *Poller) Pause(ctx context.Context, name string) error {
	return p.pause(ctx, name, true, false)
}

// Resume visits a maildrop again, at once, whoever has paused it.
func (p *Poller) Resume(ctx context.Context, name string) error {
	return p.pause(ctx, name, false, false)
}

// PauseByOwner is Pause for who owns the maildrop: he may end it himself. ErrNotByOwner where an admin has paused it.
func (p *Poller) PauseByOwner(ctx context.Context, name string) error {
	return p.pause(ctx, name, true, true)
}

// ResumeByOwner is Resume for who owns the maildrop. ErrNotByOwner where an admin has paused it, or where that was before it
// was noted who does.
func (p *Poller) ResumeByOwner(ctx context.Context, name string) error {
	return p.pause(ctx, name, false, true)
}

func (p *Poller) pause(ctx context.Context, name string, paused, byOwner bool) error {
	p.mu.Lock()
	p.init()
	e := p.drops[name]
	if e == nil || e.gone {
		p.mu.Unlock()
		return ErrUnknown
	}
	was, wasOwner := e.state.Paused, e.state.ByOwner
	if byOwner && was && !wasOwner {
		p.mu.Unlock()
		return ErrNotByOwner
	}
	e.state.Paused, e.state.ByOwner = paused, paused && byOwner
	text := e.state.pausedText()
	if paused {
		e.later = nil
		e.watch.end()
		if e.session != nil {
			e.session.stop()
		}
		p.answer(e.waiting, Visit{Name: name, Err: ErrPaused})
		e.waiting = nil
	} else if text = Resumed; was {
		e.due = p.now()
	}
	p.schedule(e)
	p.dispatch()
	p.wake()
	p.mu.Unlock()
	if was != paused || wasOwner != (paused && byOwner) {
		p.observe(mail.Event{Op: mail.OpVerb, Origin: mail.Origin{Maildrop: name}, Text: text})
	}
	return p.save(ctx, e)
}

// save keeps the state if it changed.
func (p *Poller) save(ctx context.Context, e *entry) error {
	if p.Notes == nil {
		return nil
	}
	e.saving.Lock()
	defer e.saving.Unlock()
	p.mu.Lock()
	b, err := e.state.encode()
	same := string(b) == e.saved
	name := e.drop.Name
	p.mu.Unlock()
	if err != nil || same {
		return err
	}
	if err := p.Notes.Save(context.WithoutCancel(ctx), name, b); err != nil {
		return err
	}
	e.saved = string(b)
	return nil
}

// Run visits what is due until ctx ends, and returns when the last session has ended. One Run at a time.
func (p *Poller) Run(ctx context.Context) error {
	p.mu.Lock()
	p.init()
	p.run = ctx
	p.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		p.mu.Lock()
		next := p.dispatch()
		p.mu.Unlock()
		timer.Reset(max(next.Sub(p.now()), 0))
		select {
		case <-ctx.Done():
		case <-p.poke:
		case <-timer.C:
		}
	}
	p.stopped()
	return nil
}

// stopped ends Run: who waits is answered, and the sessions end.
func (p *Poller) stopped() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.drops {
		p.answer(e.waiting, Visit{Name: e.drop.Name, Err: ErrStopped})
		e.waiting, e.later = nil, nil
		if e.session != nil {
			e.session.stop() // perhaps it began before Run did
		} else {
			p.answer(e.served, Visit{Name: e.drop.Name, Err: ErrStopped})
			e.served = nil
		}
	}
	p.mu.Unlock()
	p.watches.Wait()
	p.mu.Lock()
	for p.running > 0 {
		p.mu.Unlock()
		<-p.poke
		p.mu.Lock()
	}
	p.run = nil
	p.dispatch() // for who asked meanwhile
}

func (p *Poller) init() {
	if p.drops == nil {
		p.drops = map[string]*entry{}
		p.server, p.group, p.larges = map[string]int{}, map[string]int{}, map[string]int{}
		p.poke = make(chan struct{}, 1)
	}
}

// wake makes Run look again. It never blocks.
func (p *Poller) wake() {
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

func (p *Poller) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

// jitter is what is added to a wait, so that a hundred maildrops which failed together do not come back
// together.
func (p *Poller) jitter(wait time.Duration) time.Duration {
	d := wait / 10
	switch {
	case d <= 0:
		return 0
	case p.Jitter != nil:
		return p.Jitter(d)
	}
	return rand.N(d)
}

func (p *Poller) observe(e mail.Event) {
	if p.Observe != nil {
		e.At = p.now()
		p.Observe.Observe(e)
	}
}

// usualExpire is how long a message is tried where nobody says otherwise (RFC 5321, 4.5.4.1: four to five days).
const usualExpire = 5 * 24 * time.Hour

func orDefault[T int | time.Duration](x, fallback T) T {
	if x <= 0 {
		return fallback
	}
	return x
}

func (p *Poller) expire() time.Duration {
	if p.Expire == nil {
		return usualExpire
	}
	return orDefault(p.Expire(), usualExpire)
}

// Names returns the maildrops, in order.
func (p *Poller) Names() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for name, e := range p.drops {
		if !e.gone {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

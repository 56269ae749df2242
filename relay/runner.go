package relay

import (
	"context"
	"errors"
	"sync"
	"time"

	"mailretr/store/mail"
)

// Lanes is what the Runner needs of the queue.
type Lanes interface {
	// Lanes returns, for each lane with a message that is neither held nor leased, the earliest due time.
	Lanes(context.Context) (map[mail.Lane]time.Time, error)
	// Lane retrieves what is due in a lane, leasing as it goes.
	Lane(mail.Lane) mail.Retriever
	// Wake carries a hint when something became due earlier than known.
	Wake() <-chan struct{}
	// Postpone notes that a lane is sick: the time does not count against what waits for it.
	Postpone(context.Context, mail.Lane) error
	// DueNow notes that it is well again: everything is due that waited for it.
	DueNow(context.Context, mail.Lane) error
}

// A Runner delivers: per lane as many workers as it takes, up to Connections, each with a deliverer of its own, which is one connection, and
// one Transfer that runs until nothing is due. Connections are kept across minutes. A lane that refuses us, or is
// away, is sick: one worker tries it, at growing intervals, and what waits for it loses no attempt.
type Runner struct {
	Queue Lanes
	// Dial makes the deliverer of one connection; it may dial lazily. The Runner closes it. ErrMoved says that what
	// was due in the lane is in another one now: there is nothing to do, and nobody is sick.
	Dial func(mail.Lane) (mail.Deliverer, func() error, error)
	// Connections says how many at once a lane may have. nil or below 1: 4.
	Connections func(mail.Lane) int
	// Keep is how long an idle connection is kept. 0: 4 minutes, below the five of RFC 5321, 4.5.3.2.7.
	Keep time.Duration
	// Grace is how long an attempt may go on after Run's context has ended. 0: 20 s.
	Grace time.Duration
	// SickFirst and SickMost bound the interval between two tries of a sick lane. 0: 15 s, 15 min.
	SickFirst, SickMost time.Duration

	Observe mail.Observer
	Now     func() time.Time // nil: time.Now

	mu       sync.Mutex
	lanes    map[mail.Lane]*lane
	poke     chan struct{} // a worker asks the dispatcher to look again
	work     sync.WaitGroup
	attempts attempts
	made     int // counts the calls of Renew
}

// ErrMoved is an answer of Dial.
var ErrMoved = errors.New("the lane is no more, and what waited in it has another one")

// lane is what the Runner knows of one next hop. Guarded by Runner.mu.
type lane struct {
	name   mail.Lane
	active int
	idle   []idle // connections that wait for work, the latest used last

	sick   bool
	since  time.Time
	wait   time.Duration // the interval now
	try    time.Time     // not before
	result mail.Result   // what it said

	window window
	ending int // of active, those that were told to end

	refused int // of active, those that the next hop refused and that have not left yet
}

type idle struct {
	to    mail.Deliverer
	close func() error
	since time.Time
	made  int // the calls of Renew before it was made
}

// Run delivers until ctx ends, then lets attempts under way end within Grace, and closes all connections.
func (r *Runner) Run(ctx context.Context) error {
	r.init()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		next, err := r.dispatch(ctx)
		if err != nil && ctx.Err() == nil {
			r.observe(mail.Event{Op: mail.OpStore, Err: err, Alarm: true, Text: "the queue cannot be read"})
			next = r.now().Add(10 * time.Second)
		}
		timer.Reset(max(next.Sub(r.now()), 0))
		select {
		case <-ctx.Done():
		case <-r.Queue.Wake():
		case <-r.poke:
		case <-timer.C:
		}
	}
	r.work.Wait()
	r.reap(time.Time{})
	return nil
}

// Pass makes one delivery pass: everything that is due now is attempted once, and Pass returns when nothing due is
// left, with what was delivered. For `poll` without a daemon.
func (r *Runner) Pass(ctx context.Context) error {
	r.init()
	for ctx.Err() == nil {
		if _, err := r.dispatch(ctx); err != nil {
			r.work.Wait()
			r.reap(time.Time{})
			return err
		}
		r.mu.Lock()
		busy := 0
		for _, l := range r.lanes {
			busy += l.active
		}
		r.mu.Unlock()
		if busy == 0 {
			break
		}
		select {
		case <-ctx.Done():
		case <-r.poke:
		}
	}
	r.work.Wait()
	r.reap(time.Time{})
	return ctx.Err()
}

func (r *Runner) init() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.poke == nil {
		r.poke = make(chan struct{}, 1)
		r.lanes = map[mail.Lane]*lane{}
	}
}

// dispatch starts a worker in each lane that has something due and room, and says when to look again. One worker more per
// look: each pokes once it has a message, so a lane with much to do fills up, and one message wakes one worker.
func (r *Runner) dispatch(ctx context.Context) (next time.Time, err error) {
	now := r.now()
	next = now.Add(r.reap(now))
	due, err := r.Queue.Lanes(ctx)
	if err != nil {
		return next, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, at := range due {
		l := r.lanes[name]
		if l == nil {
			l = &lane{name: name}
			r.lanes[name] = l
		}
		if l.sick && at.Before(l.try) {
			at = l.try
		}
		room := l.active < l.window.room(r.connections(name), now) && !(l.sick && l.active > 0)
		if still := l.window.still; !room && still.After(now) && still.Before(next) {
			next = still
		}
		switch {
		case !at.After(now) && room:
			l.active++
			r.work.Add(1)
			go r.worker(ctx, l)
		case at.After(now) && at.Before(next):
			next = at
		}
	}
	return next, nil
}

// worker runs one transfer over one connection until nothing is due.
func (r *Runner) worker(ctx context.Context, l *lane) {
	defer r.work.Done()
	c, err := r.take(l)
	spare := false
	if err == nil {
		t := Transfer{
			From: pokes{r.Queue.Lane(l.name), r, func() bool { return r.spare(l, &spare) }}, To: watched{c.to, r, l},
			Grace: orDefault(r.Grace, 20*time.Second), Now: r.Now,
		}
		_, err = t.Run(ctx)
	}
	r.leave(ctx, l, c, err, spare)
	r.wake()
}

// take returns an idle connection of the lane, or a new one.
func (r *Runner) take(l *lane) (idle, error) {
	r.mu.Lock()
	if n := len(l.idle); n > 0 {
		c := l.idle[n-1]
		l.idle = l.idle[:n-1]
		r.mu.Unlock()
		return c, nil
	}
	made := r.made
	r.mu.Unlock()
	to, closer, err := r.Dial(l.name)
	return idle{to: to, close: closer, made: made}, err
}

// leave gives the connection back, or closes it, and judges the lane.
func (r *Runner) leave(ctx context.Context, l *lane, c idle, err error, spare bool) {
	sick := sickness(err)
	// It counts as active until the lane was judged: else another one would try a sick lane at once.
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if l.active--; spare {
			l.ending--
		}
		if sick != nil {
			l.refused--
		}
	}()
	r.mu.Lock()
	if sick != nil {
		l.refused++
	}
	keep := c.to != nil && !spare && sick == nil && ctx.Err() == nil && c.made == r.made
	if keep {
		c.since = r.now()
		l.idle = append(l.idle, c)
	}
	r.mu.Unlock()
	if !keep && c.close != nil {
		c.close()
	}
	switch {
	case errors.Is(err, ErrMoved):
		r.mu.Lock()
		if l.active == 1 && r.lanes[l.name] == l {
			delete(r.lanes, l.name)
		}
		r.mu.Unlock()
	case sick != nil && ctx.Err() == nil && r.crowd(l, *sick):
	case sick != nil && ctx.Err() == nil:
		r.sicken(ctx, l, *sick)
	case err != nil && ctx.Err() == nil:
		r.observe(mail.Event{Op: mail.OpStore, Lane: l.name, Err: err, Alarm: true, Text: "delivering stopped"})
		r.sicken(ctx, l, mail.Result{Err: err})
	}
}

// reap closes connections that were idle too long, all of them for a zero time, and says how long until the next.
func (r *Runner) reap(now time.Time) time.Duration {
	keep := orDefault(r.Keep, 4*time.Minute)
	var old []idle
	next := time.Hour
	r.mu.Lock()
	for _, l := range r.lanes {
		kept := l.idle[:0]
		for _, c := range l.idle {
			if age := now.Sub(c.since); !now.IsZero() && age < keep {
				kept = append(kept, c)
				next = min(next, keep-age)
				continue
			}
			old = append(old, c)
		}
		l.idle = kept
	}
	r.mu.Unlock()
	for _, c := range old {
		c.close()
	}
	return next
}

// Renew is for when next hops have changed: connections that were made before are not used for another transfer.
func (r *Runner) Renew() {
	r.mu.Lock()
	r.made++
	r.mu.Unlock()
	r.reap(time.Time{})
}

func (r *Runner) connections(l mail.Lane) int {
	if r.Connections != nil {
		if n := r.Connections(l); n > 0 {
			return n
		}
	}
	return 4
}

// wake makes the dispatcher look again. Never blocks.
func (r *Runner) wake() {
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

func (r *Runner) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

func (r *Runner) observe(e mail.Event) {
	if r.Observe != nil {
		e.At = r.now()
		r.Observe.Observe(e)
	}
}

func orDefault(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}

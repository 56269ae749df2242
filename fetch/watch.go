package fetch

import (
	"context"
	"time"

	"mailretr/store/mail"
)

// Where the server says by itself that mail has come, a watch waits for it beside the visits, and what it says makes
// the maildrop due. A watch begins after a visit that went well, so it never tries a login that may be refused, and
// visits go on beside it, rarely, since a line can be dead without anybody noticing.

const (
	// watchedEvery is the least interval of visits of a maildrop that is watched.
	watchedEvery = 30 * time.Minute
	// lasting is how long a watch has to hold to be taken for one that works.
	lasting = 10 * time.Minute
	// hasty is the wait after a watch that ended at once; it doubles.
	hasty = 10 * time.Second
	// calm is the wait after news that were none; it doubles too, since a server may cry wolf.
	calm = time.Second
)

// A watching is what the poller knows of the watch of one maildrop. Guarded by Poller.mu.
type watching struct {
	cancel   context.CancelFunc // nil: there is none
	holds    bool               // the server waits with us
	news     bool               // something has come while a session runs
	called   bool               // the next visit is for news
	wolf     int                // visits in a row for news that were none
	cried    time.Time          // the last of these
	failures int                // watches in a row that ended soon
	next     time.Time          // none begins before
	began    time.Time

	connections int  // that wait
	narrow      bool // they are fewer than there are folders: the others are to be visited as usual
}

// end ends a watch; another begins after the next visit.
func (w *watching) end() {
	if w.cancel != nil {
		w.cancel()
	}
	*w = watching{}
}

// watched is called at the end of each session. It begins a watch if there is to be one, and says when the maildrop is
// visited next.
func (p *Poller) watched(e *entry, s *session, due time.Time) time.Time {
	w, now := &e.watch, p.now()
	if s.err != nil && e.yields(mail.TroubleOf(mail.OpPoll, "", s.err), now) {
		if soon := now.Add(hasty); soon.Before(due) {
			due, e.state.Next = soon, soon
		}
	}
	if s.err != nil || s.only != "" || !e.drop.Watch {
		return due
	}
	e.widens(now)
	if w.cancel == nil && p.live() && !now.Before(w.next) && (p.Budget == nil || p.Budget.Spent(e.drop.Name) == nil) {
		if to, ok := e.drop.From.(mail.Watcher); ok {
			p.begins(e, to)
		}
	}
	switch {
	case !s.same:
		w.wolf = 0
	case w.called:
		w.forget(now, e.drop.every())
		w.wolf, w.cried = w.wolf+1, now
	}
	w.called = false
	switch {
	case w.news:
		w.news, w.called = false, true
		return now.Add(w.patience(now, e.drop.every()))
	case w.holds && !w.narrow && due.Before(now.Add(watchedEvery)):
		return now.Add(watchedEvery + p.jitter(watchedEvery))
	case w.cancel == nil && w.next.After(now) && w.next.Before(due):
		return w.next // the visit after which it is tried again
	}
	return due
}

// yields ends a watch that is in the way of visits. Where a server is busy the watch may be why, with a connection for each
// folder: most allow a user so many. Then visits go on without it, the next one soon, and it is tried again later and
// later, with fewer connections. It says whether the next visit has room that this one had not.
func (e *entry) yields(t *mail.Trouble, now time.Time) bool {
	w := &e.watch
	switch {
	case t.Kind == mail.Spent: // waiting costs too
		w.end()
	case t.Kind == mail.Busy && w.cancel != nil:
		failures := w.failures + 1
		e.narrows(w.connections, now)
		w.end()
		w.failures = failures
		w.next = now.Add(w.rest())
		return t.After == 0
	}
	return false
}

// rest is how long none is tried after so many that have ended soon.
func (w *watching) rest() time.Duration { return min(hasty<<min(w.failures, 20), mostWait) }

// patience is how long news wait for their visit.
func (w *watching) patience(now time.Time, most time.Duration) time.Duration {
	w.forget(now, most)
	if w.wolf <= 1 { // the first look after a wait has begun finds nothing, mostly
		return 0
	}
	return w.wait(most)
}

func (w *watching) wait(most time.Duration) time.Duration { return min(calm<<min(w.wolf, 20), most) }

// forget lets news count again that were none long ago: servers end a wait each half hour, and the look that follows when it
// has begun anew is no reason to be slow when mail comes.
func (w *watching) forget(now time.Time, most time.Duration) {
	if now.Sub(w.cried) > lasting+w.wait(most) {
		w.wolf = 0
	}
}

// begins starts a watch, which ends with the Run.
func (p *Poller) begins(e *entry, to mail.Watcher) {
	ctx, cancel := context.WithCancel(p.run)
	began, server := p.now(), e.drop.Server
	e.watch.cancel, e.watch.began = cancel, began
	most := e.connections(began)
	p.watches.Go(func() {
		defer cancel()
		err := p.waits(ctx, e, to, most)
		p.unwatched(ctx, e, mail.TroubleOf(mail.OpWatch, server, err), began)
	})
}

// news makes a maildrop due. Where its last visit failed the back-off holds: who says that mail has come need not be
// able to hand it over.
func (p *Poller) news(ctx context.Context, e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := &e.watch
	if ctx.Err() != nil {
		return
	}
	w.holds = true
	switch {
	case e.session != nil:
		w.news = true
	case !e.ready && !e.gone && !e.state.Paused && e.state.Failures == 0:
		if at := p.now().Add(w.patience(p.now(), e.drop.every())); at.Before(e.due) {
			e.due, w.called = at, true
			p.due.put(e)
			p.wake()
		}
	}
}

// unwatched notes that a watch has ended by itself. Servers end them now and then, so that alone is no trouble of the
// maildrop: the next visit finds out whether there is one.
func (p *Poller) unwatched(ctx context.Context, e *entry, t *mail.Trouble, began time.Time) {
	p.mu.Lock()
	if ctx.Err() != nil { // somebody has ended it, and another one may have begun
		p.mu.Unlock()
		return
	}
	w, now := &e.watch, p.now()
	if w.failures++; now.Sub(began) >= lasting {
		w.failures = 0
	}
	wait := w.rest()
	switch {
	case t != nil && t.Kind == mail.Auth:
		wait = breaker[min(max(w.failures, 1), len(breaker))-1]
	case t != nil && t.Kind == mail.Local: // the server has no IDLE: asking for it costs a login for each folder
		wait = daily
	}
	w.cancel, w.holds, w.news, w.next = nil, false, false, now.Add(wait)
	w.connections, w.narrow = 0, false
	if e.session == nil && !e.ready && !e.gone && !e.state.Paused && w.next.Before(e.due) {
		e.due = w.next
		p.due.put(e)
		p.wake()
	}
	next, o := w.next, mail.Origin{Maildrop: e.drop.Name, Account: e.drop.Account}
	p.mu.Unlock()
	if t != nil {
		p.observe(mail.Event{Op: mail.OpWatch, Origin: o, Err: t, Reply: t.Reply, Next: next, Text: "the server no longer says when mail comes; it is asked as before"})
	}
}

package fetch

import (
	"context"
	"slices"
	"time"

	"mailretr/relay"
	"mailretr/store/mail"
)

// A Visit is what one visit of a maildrop did: one session, or several.
type Visit struct {
	Name     string
	Tally    relay.Tally // of all its sessions
	Sessions int         // logins that were tried
	Up, Down int64       // octets on the line
	Wasted   int64       // octets of bodies that did not come to their end
	Next     time.Time   // when the next one is due
	Err      error       // a *mail.Trouble; or ErrUnknown, ErrPaused, ErrStopped; nil: it went well
}

// A part is what a visit has left for a session of its own.
type part struct {
	uid   mail.UID
	large bool       // needs a large slot
	with  []mail.UID // what may be copies of it
	id    Identity   // of it and all of these; zero: not known yet
}

// A request is one Poll call. Its channel holds an answer for each of its names.
type request struct {
	ctx     context.Context
	named   bool // somebody means this maildrop: a breaker does not hold
	over    bool // a budget does not hold either
	answers chan Visit
}

// Poll collects now and returns what became of each maildrop, in the order of the names; without names,
// of all that are not paused, in theirs. A maildrop that is named is tried although its login was
// refused before; otherwise it has to wait for that. A session that runs already saw an older listing,
// so another one follows it. When ctx ends, Poll returns ErrStopped for what is not done; without a
// Run, the sessions end too.
func (p *Poller) Poll(ctx context.Context, names ...string) []Visit {
	return p.poll(&request{ctx: ctx, named: len(names) > 0}, names)
}

// PollOver is Poll although a budget is spent, or large mail has to wait for its hours. What it costs is
// counted.
func (p *Poller) PollOver(ctx context.Context, names ...string) []Visit {
	return p.poll(&request{ctx: ctx, named: len(names) > 0, over: true}, names)
}

func (p *Poller) poll(r *request, names []string) []Visit {
	p.mu.Lock()
	p.init()
	if !r.named {
		names = p.unpaused()
	}
	r.answers = make(chan Visit, len(names))
	for _, name := range slices.Backward(names) { // each goes before the others
		p.ask(r, name)
	}
	p.dispatch()
	p.wake()
	p.mu.Unlock()

	got := make(map[string]Visit, len(names))
	done := r.ctx.Done()
	for n := 0; n < len(names); n++ {
		select {
		case v := <-r.answers:
			got[v.Name] = v
		case <-done:
			done = nil
			p.withdraw(r)
			n--
		}
	}
	all := make([]Visit, len(names))
	for i, name := range names {
		all[i] = got[name]
	}
	return all
}

func (p *Poller) unpaused() []string {
	var names []string
	for name, e := range p.drops {
		if !e.gone && !e.state.Paused {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// ask makes one maildrop due for a request.
func (p *Poller) ask(r *request, name string) {
	e := p.drops[name]
	switch {
	case e == nil || e.gone:
		r.answers <- Visit{Name: name, Err: ErrUnknown}
		return
	case e.state.Paused:
		r.answers <- Visit{Name: name, Err: ErrPaused}
		return
	}
	e.waiting = append(e.waiting, r)
	if e.session == nil {
		p.first(e)
	}
}

// first puts a maildrop at the head of those that wait for a slot.
func (p *Poller) first(e *entry) {
	p.due.take(e)
	if e.ready {
		p.ready = slices.DeleteFunc(p.ready, func(x *entry) bool { return x == e })
	}
	e.ready = true
	p.ready = slices.Insert(p.ready, 0, e)
}

// withdraw answers a request whose context has ended. What runs for it alone is waited for; what a Run
// carries on is not.
func (p *Poller) withdraw(r *request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	live := p.live()
	for name, e := range p.drops {
		for take(&e.waiting, r) {
			r.answers <- Visit{Name: name, Err: ErrStopped}
		}
		for (live || e.session == nil) && take(&e.served, r) {
			r.answers <- Visit{Name: name, Err: ErrStopped}
		}
	}
}

func take(from *[]*request, r *request) bool {
	i := slices.Index(*from, r)
	if i >= 0 {
		*from = slices.Delete(*from, i, i+1)
	}
	return i >= 0
}

func (p *Poller) answer(some []*request, v Visit) {
	for _, r := range some {
		r.answers <- v
	}
}

// live says whether a Run is under way.
func (p *Poller) live() bool { return p.run != nil && p.run.Err() == nil }

// dispatch starts what is due and finds a slot, in the order in which it became due, and says when to
// look again. Small mail of one maildrop goes before the large bodies of another.
func (p *Poller) dispatch() (next time.Time) {
	now := p.now()
	live := p.live()
	if p.run != nil && !live {
		return now.Add(time.Hour) // it ends: nothing begins until it has
	}
	for live && len(p.due) > 0 && !p.due[0].due.After(now) {
		e := p.due[0]
		p.due.take(e)
		e.ready = true
		p.ready = append(p.ready, e)
	}
	p.ready = slices.DeleteFunc(p.ready, func(e *entry) bool {
		switch {
		case e.gone || e.state.Paused:
			e.ready = false
			return true
		case !live && len(e.waiting) == 0, !p.fits(e):
			return false
		}
		e.ready = false
		p.begin(e)
		return true
	})
	p.after = slices.DeleteFunc(p.after, func(e *entry) bool {
		switch {
		case e.session != nil:
			return false // it keeps its place
		case e.gone || len(e.later) == 0:
			e.more = false
			return true
		case !live && len(e.served) == 0, e.ready, !p.fits(e), e.later[0].large && !p.takeLarge(e.drop.Server):
			return false
		}
		e.more = false
		p.due.take(e)
		one := e.later[0]
		e.later = e.later[1:]
		p.start(e, one)
		return true
	})
	if len(p.due) > 0 {
		return p.due[0].due
	}
	return now.Add(time.Hour)
}

// fits says whether there is a slot for a maildrop. Sessions that have hung up and are about to end do not count, unless
// there are as many of them as there are slots: the disk is what is slow then.
func (p *Poller) fits(e *entry) bool {
	most := orDefault(p.Overall, 20)
	return p.online < most && p.running < 2*most && p.server[e.drop.Server] < orDefault(p.PerServer, 3) &&
		(e.drop.Group == "" || p.group[e.drop.Group] < e.drop.Together) && !p.crowded(e)
}

// takeLarge takes a large slot if there is one. Large bodies never have all sessions, of a server or
// overall: one is left for small mail, where there is more than one.
func (p *Poller) takeLarge(server string) bool {
	all := max(orDefault(p.Overall, 20)-1, 1)
	if p.large >= min(orDefault(p.Large, 2), all) || p.large+p.crawling >= all || p.larges[server] >= max(orDefault(p.PerServer, 3)-1, 1) {
		return false
	}
	p.large++
	p.larges[server]++
	return true
}

// giveLarge gives one back.
func (p *Poller) giveLarge(s *session) {
	if s.crawls {
		p.crawling--
	} else {
		p.large--
	}
	if p.larges[s.drop.Server]--; p.larges[s.drop.Server] == 0 {
		delete(p.larges, s.drop.Server)
	}
}

// begin starts a visit. Where the server minds a second login, what the last one has left for a session
// of its own is this one.
func (p *Poller) begin(e *entry) {
	one := part{}
	if e.state.oneLogin() && len(e.later) > 0 && len(e.waiting) == 0 {
		one, e.later = e.later[0], e.later[1:]
	} else {
		e.later = nil
	}
	p.answer(e.served, e.visit) // of a visit whose large bodies never found a slot
	e.served, e.waiting = e.waiting, nil
	e.visit = Visit{Name: e.drop.Name}
	p.start(e, one)
}

// start runs one session. Under a Run it is the Run's; else it belongs to whoever asked.
func (p *Poller) start(e *entry, one part) {
	parent := p.run
	if !p.live() && len(e.served) > 0 { // a Run may have ended since it was looked at: then it is stopped at once
		parent = e.served[0].ctx
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	s := &session{
		p: p, began: p.now(), waiting: e.told, drop: e.drop, state: e.state.clone(), only: one.uid, with: one.with,
		largeSlot: one.large, alone: one.large, kin: e.kin,
		cancel: cancel, polled: len(e.served) > 0,
		named: slices.ContainsFunc(e.served, func(r *request) bool { return r.named }),
		over:  slices.ContainsFunc(e.served, func(r *request) bool { return r.over }),
	}
	s.refusals, _ = p.refusals(e, p.now())
	unhook := context.AfterFunc(parent, s.stop)
	e.session = s
	p.running++
	p.online++
	p.server[s.drop.Server]++
	p.group[s.drop.Group]++
	go func() {
		defer cancel()
		defer unhook()
		s.run(ctx)
		p.finish(ctx, e, s)
	}()
}

// finish takes a session's end in: what is remembered, what is told, when it goes on.
func (p *Poller) finish(ctx context.Context, e *entry, s *session) {
	p.mu.Lock()
	s.state.Paused, s.state.ByOwner, s.state.Narrow = e.state.Paused, e.state.ByOwner, e.state.Narrow
	if e.relook {
		s.state.Glance, e.relook = "", false
	}
	e.state, e.told, e.kin = s.state, s.waiting, s.keep(p.now())
	e.taken = e.taken || s.open != nil
	over := e.unremarked()
	p.mu.Unlock()
	if over {
		p.observe(mail.Event{Op: mail.OpRemark, Topic: topicWatch, Origin: s.origin()})
	}
	if err := p.save(ctx, e); err != nil {
		p.unsaved(s.origin(), err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e.session = nil
	p.running--
	p.offline(s)
	p.account(e, s)
	p.requeue(e, s)
	p.dispatch()
	p.wake()
}

// unsaved tells that a state could not be saved.
func (p *Poller) unsaved(o mail.Origin, err error) {
	p.observe(mail.Event{Op: mail.OpStore, Origin: o, Err: err, Alarm: true,
		Text: "what is known of the maildrop cannot be saved"})
}

// hangUp gives the slots of a session to the next one as soon as its connection is closed: what it has still to note
// waits for the disk, and the line need not.
func (p *Poller) hangUp(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.offline(s) {
		p.dispatch()
		p.wake()
	}
}

// offline takes the slots of a session back, once. p.mu is held.
func (p *Poller) offline(s *session) bool {
	if s.offline {
		return false
	}
	s.offline = true
	p.online--
	if p.server[s.drop.Server]--; p.server[s.drop.Server] == 0 {
		delete(p.server, s.drop.Server)
	}
	if p.group[s.drop.Group]--; p.group[s.drop.Group] == 0 {
		delete(p.group, s.drop.Group)
	}
	if s.largeSlot {
		p.giveLarge(s)
	}
	return true
}

// account adds a session to the visit, and answers who waits for it when it is over.
func (p *Poller) account(e *entry, s *session) {
	v := &e.visit
	v.add(s)
	if s.only == "" || s.state.oneLogin() { // what is left for one login is found anew, after what came meanwhile
		e.later = nil
	}
	e.later = append(e.later, s.left...)
	if s.err != nil || e.gone || e.state.Paused {
		e.later = nil
	}
	v.Next = e.state.Next
	if len(e.later) > 0 && !e.state.oneLogin() {
		return
	}
	p.answer(e.served, *v)
	e.served = nil
}

func (v *Visit) add(s *session) {
	v.Sessions += s.sessions
	v.Up, v.Down, v.Wasted = v.Up+s.up, v.Down+s.down, v.Wasted+s.wasted
	v.Tally.Listed = max(v.Tally.Listed, s.tally.Listed)
	v.Tally.Messages += s.tally.Messages
	v.Tally.Octets += s.tally.Octets
	v.Tally.Refused += s.tally.Refused
	v.Tally.Saved += s.tally.Saved
	v.Tally.Left += s.tally.Left
	v.Tally.At = s.tally.At
	v.Tally.Progress = v.Tally.Progress || s.tally.Progress
	if v.Err == nil {
		v.Err = s.err
	}
}

// requeue puts a maildrop where it waits.
func (p *Poller) requeue(e *entry, s *session) {
	now := p.now()
	switch {
	case e.gone:
		delete(p.drops, e.drop.Name)
		return
	case e.state.Paused:
		return
	case len(e.waiting) > 0:
		p.first(e)
		return
	}
	if when, ok := s.due(now); ok {
		e.due = p.watched(e, s, when)
	}
	if e.changed && e.state.Failures > 0 {
		e.due = now
	}
	e.changed = false
	p.due.put(e)
	if len(e.later) > 0 && !e.state.oneLogin() && !e.more {
		e.more = true
		p.after = append(p.after, e)
	}
}

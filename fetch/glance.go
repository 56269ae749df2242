package fetch

import (
	"context"
	"time"

	"mailretr/store/mail"
)

// An empty visit is to cost next to nothing: where the kind can say that nothing was added since a visit that left
// nothing open, nothing is listed; where it can name what was added, only that. A full listing comes once in a
// while all the same, because marks are forgotten by it, what has become ripe is let go of by it, and a POP3
// server shows only how many messages there are and how large they are together.

const (
	relist = time.Hour // between two full listings
	// dear is the number of messages from which a full listing is one a day: with ten thousand it costs some
	// 200 KB, 5 MB a day if it were hourly.
	dear       = 1000
	relistDear = 24 * time.Hour
)

// List lists what is needed.
func (l *listing) List(ctx context.Context) (uids []mail.UID, complete bool, err error) {
	s := l.s
	s.state.Unlisted, s.state.Listing, s.state.Unmet = time.Time{}, 0, ""
	g, ok := l.Maildrop.(mail.Glancer)
	if ok {
		if s.glance, err = g.Glance(ctx); err != nil {
			return nil, false, err
		}
		if len(s.glance) > mail.MaxGlance {
			s.glance = ""
		}
		s.covered = l.covers()
		if s.brief() {
			if uids, ok, err := s.added(ctx, g); ok || err != nil {
				return uids, false, err
			}
		}
	}
	if err := s.foresee(ctx, foreseer(l.Maildrop).Listing()); err != nil {
		return s.unlisted(ctx, g, err)
	}
	uids, complete, err = l.Maildrop.List(ctx)
	if err == nil {
		s.full, s.listed = complete, len(uids)
	}
	return uids, complete, err
}

// added names what was added to what is dealt with; not ok: the server cannot say.
func (s *session) added(ctx context.Context, g mail.Glancer) (uids []mail.UID, ok bool, err error) {
	if s.glance == s.state.Glance && s.only == "" {
		s.same = true
		return nil, true, nil
	}
	if x, ok := g.(Foreseer); ok {
		if err := s.foresee(ctx, x.Added(s.state.Glance)); err != nil {
			return nil, false, err
		}
	}
	uids, ok, err = g.Since(ctx, s.state.Glance)
	s.since = ok
	return uids, ok, err
}

// unlisted is the way out where no budget has room for the listing that is due: what was added comes all the
// same, where it can be named.
func (s *session) unlisted(ctx context.Context, g mail.Glancer, cause error) ([]mail.UID, bool, error) {
	if mail.TroubleOf(mail.OpList, "", cause).Kind != mail.Spent || g == nil || !s.follows() {
		return nil, false, cause
	}
	refused := s.state
	s.foreseen, s.state.Unlisted, s.state.Listing, s.state.Unmet = 0, time.Time{}, 0, ""
	uids, ok, err := s.added(ctx, g)
	if ok || err != nil {
		return uids, false, err
	}
	s.state.Unlisted, s.state.Listing, s.state.Unmet = refused.Unlisted, refused.Listing, refused.Unmet
	return nil, false, cause
}

// covers is how many folders the session has not left out, 0 where there are none.
func (l *listing) covers() int {
	c, ok := l.Maildrop.(mail.Coverer)
	if !ok {
		return 0
	}
	folders, _ := c.Covers()
	return len(folders)
}

// brief says whether something less than a full listing will do.
func (s *session) brief() bool {
	x, now := &s.state, s.p.now()
	every := relist
	if x.Size >= dear {
		every = relistDear
	}
	switch {
	case !s.follows(),
		x.suspected(now) && s.only == "",
		!x.Look.IsZero() && !now.Before(x.Look), // what was left aside is due
		s.over, s.named && s.only == "":         // somebody wants to know
		return false
	}
	age := now.Sub(x.Listed)
	return age >= 0 && age < every
}

// follows says whether what an earlier visit has dealt with is known, and still dealt with.
func (s *session) follows() bool {
	x := &s.state
	return x.Glance != "" && s.glance != "" && x.Account == s.drop.Account && !x.Met.IsZero() &&
		x.Lists == s.drop.Lists // else what is done with mail is another thing now
}

// glanced notes, at the end of a session that went well, up to where everything is dealt with. What is left
// without a note that says when it is looked at again is not, nor is a folder that was left out after the glance.
func (s *session) glanced(now time.Time) {
	x := &s.state
	if s.only != "" || s.same || s.open == nil {
		return
	}
	s.mu.Lock()
	open := s.unsettled || len(s.left) > 0 || s.tally.Left != s.asides || x.suspected(now) ||
		s.open.covers() < s.covered
	s.mu.Unlock()
	if s.full {
		x.Listed, x.Size, x.Lists, x.Look = now, s.listed, s.drop.Lists, time.Time{}
	}
	x.Look = earlier(x.Look, s.look)
	switch {
	case open && s.full:
		x.Glance = "" // so the next one is full as well
	case !open && (s.full || s.since):
		x.Glance = s.glance
	}
}

// earlier returns the earlier one of those that are not zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Relook makes the next visit of a maildrop list everything: marks or notes were changed by somebody. A maildrop that
// is not in the configuration, or of which nothing is remembered, needs nothing.
func (p *Poller) Relook(ctx context.Context, name string) error {
	p.mu.Lock()
	p.init()
	e := p.drops[name]
	if e != nil && !e.gone {
		e.relook = e.session != nil
		e.state.Glance = ""
		p.mu.Unlock()
		return p.save(ctx, e)
	}
	p.mu.Unlock()
	if p.Notes == nil {
		return nil
	}
	b, err := p.Notes.Load(ctx, name)
	if err != nil || len(b) == 0 {
		return err
	}
	s, err := decode(b)
	if err != nil || s.Glance == "" {
		return nil // what cannot be read is not believed by a visit either
	}
	s.Glance = ""
	if b, err = s.encode(); err != nil {
		return err
	}
	return p.Notes.Save(ctx, name, b)
}

package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"mailretr/store/mail"
)

// opening puts a listing around the sessions of the kind.
type opening struct{ s *session }

// Open opens the maildrop.
func (o opening) Open(ctx context.Context) (mail.Maildrop, error) {
	drop, err := o.s.drop.From.Open(ctx)
	if err != nil {
		return nil, err
	}
	o.s.open = &listing{Maildrop: drop, s: o.s}
	if d, ok := drop.(delayer); ok {
		o.s.state.Apart = min(max(d.LoginDelay(), 0), longest)
	}
	return o.s.open, nil
}

// A delayer (optional on a mail.Maildrop) knows how long the server wants to be left alone between two logins (POP3:
// LOGIN-DELAY); 0: it does not say. Then everything is collected in one session, and no visit is planned sooner.
type delayer interface{ LoginDelay() time.Duration }

// listing is a session of the kind whose Messages yields what this visit's session shall have. What the
// kind offers beside is passed on; where it offers nothing, the answers are those of a kind that has
// nothing to say.
type listing struct {
	mail.Maildrop
	s     *session
	found map[mail.UID]found // what was looked at before it was chosen
}

// found is one element of the kind's sequence.
type found struct {
	m   *mail.Message
	err error
}

// errBare ends a session in which it turned out that headers cannot be had before bodies; the next one,
// at once, asks for whole messages.
var errBare = errors.New("the server gives no headers before bodies")

// Ahead passes on what will be read.
func (l *listing) Ahead(ctx context.Context, part mail.Part, ms []*mail.Message) error {
	a, ok := l.Maildrop.(mail.Aheader)
	if !ok {
		return nil
	}
	err := a.Ahead(ctx, part, ms)
	var bare interface{ NoHeaders() bool }
	if errors.As(err, &bare) && bare.NoHeaders() {
		l.s.state.Bare = l.s.p.now()
		return errBare
	}
	return err
}

// Release lets go of what an earlier session took.
func (l *listing) Release(ctx context.Context, uids []mail.UID) error {
	if r, ok := l.Maildrop.(mail.Releaser); ok {
		return r.Release(ctx, uids)
	}
	return nil
}

// Settle passes on what became of a message, as if nothing had where it is not let go of now.
func (l *listing) Settle(ctx context.Context, m *mail.Message, r mail.Report) error {
	if now := l.s.drop.Now; now != nil && !now(m) {
		r = nil
	}
	return l.Maildrop.Settle(ctx, m, r)
}

// Gone names what the server has let go of.
func (l *listing) Gone() []mail.UID {
	if c, ok := l.Maildrop.(mail.Confirmed); ok {
		return c.Gone()
	}
	return nil
}

// Messages yields what this session shall have. All sizes are known before the first octet of a body is
// asked for.
func (l *listing) Messages(ctx context.Context, want []mail.UID) iter.Seq2[*mail.Message, error] {
	return func(yield func(*mail.Message, error) bool) {
		all, err := l.find(ctx, want)
		if err != nil {
			yield(nil, err)
			return
		}
		l.s.remind(all)
		now, err := l.s.plan(ctx, all)
		if err != nil {
			yield(nil, err)
			return
		}
		l.s.asked = len(now)
		for _, x := range now {
			if !yield(x.m, x.err) {
				return
			}
		}
	}
}

// remind tells messages the headers that an earlier session has read. One that has another size now may be another
// message.
func (s *session) remind(all []found) {
	for _, x := range all {
		h, here := s.headers[x.m.Origin.UID]
		if c, ok := x.m.Content.(mail.Headed); here && ok && h.Size == x.m.Content.Size() {
			c.Have(h.Octets)
		}
	}
}

// find returns messages, those that were looked at before without asking again.
func (l *listing) find(ctx context.Context, want []mail.UID) (all []found, err error) {
	var ask []mail.UID
	for _, uid := range want {
		if x, ok := l.found[uid]; ok {
			all = append(all, x)
		} else {
			ask = append(ask, uid)
		}
	}
	if len(ask) == 0 {
		return all, nil
	}
	if err := l.s.foresee(ctx, foreseer(l.Maildrop).Sizes(ask)); err != nil {
		return nil, err
	}
	for m, err := range l.Maildrop.Messages(ctx, ask) {
		if m == nil {
			return nil, err
		}
		all = append(all, found{m, err})
	}
	return all, nil
}

// old finds out what came before the limit. Where the protocol has no date, the header tells it; a message
// that tells none is not old: collecting too much is mended more easily than too little.
func (l *listing) old(ctx context.Context, uids []mail.UID, limit time.Time) (map[mail.UID]bool, error) {
	all, err := l.find(ctx, uids)
	if err != nil {
		return nil, err
	}
	var undated []*mail.Message
	for _, x := range all {
		if x.err == nil && x.m.Origin.Date.IsZero() {
			undated = append(undated, x.m)
		}
	}
	if len(undated) > 0 {
		if err := l.Ahead(ctx, mail.Header, undated); err == errBare {
			undated = nil
		} else if err != nil {
			return nil, err
		}
	}
	dates := map[*mail.Message]time.Time{}
	for _, m := range undated {
		header, err := m.Content.Header(ctx)
		if err != nil && breaks(ctx, err) {
			return nil, err
		}
		if dates[m] = Arrival(header); !dates[m].IsZero() && dates[m].Before(limit) {
			mail.Forget(m)
		}
	}
	old := map[mail.UID]bool{}
	l.found = map[mail.UID]found{}
	for _, x := range all {
		date := x.m.Origin.Date
		if date.IsZero() {
			date = dates[x.m]
		}
		if !date.IsZero() && date.Before(limit) {
			old[x.m.Origin.UID] = true
		} else {
			l.found[x.m.Origin.UID] = x
		}
	}
	return old, nil
}

// breaks says whether an error ends the session, and not one message only.
func breaks(ctx context.Context, err error) bool {
	var t *mail.Trouble
	return ctx.Err() != nil || errors.As(err, &t) && !t.Alone && t.Kind != mail.NoEnvelope
}

// choose asks the marks, and what is to be known before something is fetched.
func (s *session) choose(ctx context.Context, uids []mail.UID, complete bool) (mail.Choice, error) {
	if s.same {
		s.wait(0, 0, "")
		return mail.Choice{}, nil
	}
	l := Listing{UIDs: uids, Complete: complete, Over: s.over, Mended: len(s.state.Losses) == 0}
	if c, ok := s.open.Maildrop.(mail.Coverer); ok {
		l.Folders, l.Copies = c.Covers()
	}
	if err := s.meet(ctx, &l); err != nil {
		return mail.Choice{}, err
	}
	c, err := s.marks(ctx, l)
	if err != nil {
		return c, err
	}
	s.contact(l, c)
	s.wanted = make(map[mail.UID]bool, len(c.Wanted))
	for _, uid := range c.Wanted {
		s.wanted[uid] = true
	}
	if f, ok := s.open.Maildrop.(mail.Filterer); ok && len(c.Fetch) > 0 {
		if c.Fetch, err = f.Filter(ctx, c.Fetch); err != nil {
			return mail.Choice{}, err
		}
	}
	s.look, s.headers = c.Next, c.Headers
	if complete {
		s.prune(uids)
	}
	if c.Fetch, s.doubted = s.mine(c.Fetch), c.Check; s.only != "" {
		c.Release = nil // the visit's first session has done it
	}
	switch {
	case s.only != "":
	case len(c.Fetch) == 0:
		s.wait(0, 0, "")
	default:
		if err := s.ready(ctx); err != nil {
			return mail.Choice{}, err
		}
		if t := s.refused(ctx); t != nil {
			s.state.Misdirected = s.p.now()
			return mail.Choice{}, t
		}
	}
	return c, nil
}

// contact tells of the mail that stays where it is because it was there before us.
func (s *session) contact(l Listing, c mail.Choice) {
	stays := len(l.UIDs) - len(c.Fetch) - len(c.Release)
	if l.Old == nil || stays <= 0 {
		return
	}
	text := "what comes from now on is collected"
	if first := s.drop.First; first.Within > 0 {
		text = "they are older than " + days(first.Within)
	}
	s.p.observe(mail.Event{Op: mail.OpList, Origin: s.origin(), Text: fmt.Sprintf(
		"first contact: %s left in the maildrop; %s", count(stays), text)})
}

// marks asks the ledger. Where something is to be let go of it is asked a second time, with sizes: a UID
// that the server gives to another message must not delete that one.
func (s *session) marks(ctx context.Context, l Listing) (mail.Choice, error) {
	c, err := s.p.Ledger.Choose(ctx, &s.drop, l)
	if err != nil || len(c.Release) == 0 {
		return c, local(err)
	}
	all, err := s.open.find(ctx, c.Release)
	if err != nil {
		return c, err
	}
	sizes := make(map[mail.UID]int64, len(all))
	for _, x := range all {
		sizes[x.m.Origin.UID] = x.m.Content.Size()
	}
	l.Size = func(uid mail.UID) int64 {
		if n, ok := sizes[uid]; ok {
			return n
		}
		return -1
	}
	c, err = s.p.Ledger.Choose(ctx, &s.drop, l)
	return c, local(err)
}

// meet finds out, the first time an account is listed, what of it is to be left alone. Whether it really
// is the first time is the ledger's to say: what we remember may have been lost.
func (s *session) meet(ctx context.Context, l *Listing) error {
	if s.state.Account != s.drop.Account {
		s.state = State{Account: s.drop.Account, Paused: s.state.Paused, ByOwner: s.state.ByOwner, Apart: s.state.Apart}
	}
	if !s.state.Met.IsZero() {
		return nil
	}
	s.first = true
	switch first := s.drop.First; {
	case first.New:
		l.Old = func(mail.UID) bool { return true }
	case first.Within > 0:
		old, err := s.open.old(ctx, l.UIDs, s.p.now().Add(-first.Within))
		if err != nil {
			return err
		}
		l.Old = func(uid mail.UID) bool { return old[uid] }
	}
	return nil
}

// mine returns what this session goes for of what the marks leave: all but suspects, which wait for
// sessions of their own; or one of these, if nothing else is there.
func (s *session) mine(fetch []mail.UID) []mail.UID {
	if s.only != "" {
		return slices.DeleteFunc(append([]mail.UID{s.only}, s.with...), func(uid mail.UID) bool {
			return !slices.Contains(fetch, uid)
		})
	}
	var plain, suspects []mail.UID
	for _, uid := range fetch {
		switch x, ok := s.state.Suspects[uid]; {
		case !ok:
			plain = append(plain, uid)
		case x.held(s.p.now()) && !s.named:
			s.look = earlier(s.look, x.Next)
		default:
			suspects = append(suspects, uid)
		}
	}
	if len(plain) == 0 && len(suspects) > 0 {
		plain, suspects = suspects[:1], suspects[1:]
	}
	for _, uid := range suspects {
		s.left = append(s.left, part{uid: uid})
	}
	return plain
}

// count says how many messages, for people.
func count(n int) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}

// plan says what it will cost, and returns what is fetched now. Large bodies wait for sessions of their
// own, so that small mail is let go of before; the first one comes now where nothing small waits and a
// slot is free.
func (s *session) plan(ctx context.Context, all []found) (now []found, err error) {
	if all, err = s.fit(ctx, all); err != nil {
		return nil, err
	}
	if s.only == "" {
		s.cost(all)
	}
	if s.only != "" || s.state.oneLogin() {
		return s.pay(ctx, all)
	}
	doubted := make(map[mail.UID]bool, len(s.doubted))
	for _, uid := range s.doubted {
		doubted[uid] = true // its header comes with the others', and it is here already, most likely
	}
	var large []found
	for _, x := range all {
		if x.err == nil && s.large(x.m) && !doubted[x.m.Origin.UID] && !s.oversize[x.m.Origin.UID] {
			large = append(large, x)
		} else {
			now = append(now, x)
		}
	}
	slices.SortStableFunc(large, func(a, b found) int {
		return cmp.Compare(a.m.Content.Size(), b.m.Content.Size())
	})
	if large, err = s.affordable(ctx, large); err != nil {
		return nil, err
	}
	if len(now) == 0 && len(large) > 0 && s.p.lendLarge(s.drop.Server) {
		s.largeSlot, s.alone = true, true
		n := s.together(large)
		now, large = large[:n], large[n:]
	}
	for len(large) > 0 {
		n := s.together(large)
		s.left = append(s.left, part{uid: large[0].m.Origin.UID, large: true, with: uids(large[:n])})
		large = large[n:]
	}
	return s.pay(ctx, now)
}

// cost tells how much waits, before it costs it.
func (s *session) cost(all []found) {
	n, size := len(s.left), int64(0) // suspects are left already
	for _, x := range all {
		if x.err == nil && s.oversize[x.m.Origin.UID] {
			continue // somebody is told of it, and it does not come
		}
		if n++; x.err == nil {
			size += max(x.m.Content.Size(), 0)
		}
	}
	text := ""
	if s.first {
		text = fmt.Sprintf("first contact: %s, %s, will be collected", count(n), mail.Octets(size))
	}
	s.wait(n, size, text)
}

// wait tells what waits to be collected. That still nothing does is not told again.
func (s *session) wait(n int, size int64, text string) {
	if n == 0 && s.waiting == 0 {
		return
	}
	s.waiting = n
	s.p.observe(mail.Event{Op: mail.OpList, Origin: s.origin(), Messages: n, Octets: size, Text: text})
}

// lendLarge takes a large slot for a session that runs.
func (p *Poller) lendLarge(server string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.takeLarge(server)
}

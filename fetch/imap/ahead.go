package imap

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailretr/store/mail"
)

const (
	firstWindow = 2 << 20 // octets asked for ahead at first: a second of a 16 Mbit/s line
	leastWindow = 64 << 10
	leastAsked  = 512 << 10        // octets that one more command is worth
	quick       = time.Second      // a window that is used up in less is too small
	slow        = 10 * time.Second // one that takes longer is too large
	small       = 256 << 10        // a message up to this waits in memory; a larger one waits on the line
	abandon     = 1 << 20          // octets that are read and thrown away rather than ending the session
	guessHeader = 4 << 10          // what a header is taken for
	guess       = 64 << 10         // what a message of unknown size is taken for
)

// A part is one section of one message that was announced or asked for.
type part struct {
	c       *content
	section goimap.PartSpecifier // "" (whole), HEADER or TEXT
	from    int64                // first octet; whole for all of it
	size    int64                // octets it is taken for
	index   int                  // in session.order; -1: not announced
	follows bool                 // what was before it came just now
	single  bool                 // was asked for alone
	wanted  bool                 // its reader waits, or said from which octet on
	ask     *ask                 // that is to bring it; nil: not sent

	state     state
	confirmed bool // what came behind it made sense, so it was whole
	dropped   bool // nobody wants it any more
	data      []byte
	lit       *literal
	free      chan struct{} // closed when lit was read, or given up
	said      string        // the server's words, when missing
	wrong     bool          // something else came in its place
}

// whole is the first octet of a part that is asked for without one.
const whole = -1

type state uint8

const (
	queued   state = iota // not asked for
	asked                 // on its way
	arriving              // its octets are next on the line
	offered               // lit is there to be read
	kept                  // data is there
	missing               // the command ended without it
	spent                 // read, or thrown away
)

// key finds a part by what the server says it is, in the selected folder.
type key struct {
	uid     goimap.UID
	section goimap.PartSpecifier
	from    int64
}

func (p *part) key() key { return key{p.c.uid, p.section, p.from} }

// An ask is one UID FETCH. Where it asks for the rest of a message, it asks for one only.
type ask struct {
	f       *folder
	section goimap.PartSpecifier
	parts   []*part
}

// Ahead announces what will be read. What fits into the window is asked for at once; the rest follows as the
// messages are read.
func (s *session) Ahead(ctx context.Context, which mail.Part, ms []*mail.Message) error {
	if err := s.ready(ctx, mail.OpFetch); err != nil {
		return err
	}
	defer s.watch(ctx, mail.OpFetch)()
	if err := s.compress(ctx, expected(which, ms)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var next []*part
	for _, m := range ms {
		c, ok := m.Content.(*content)
		if !ok || c.s != s {
			return &mail.Trouble{Op: mail.OpFetch, Kind: mail.Local, Server: s.server(),
				Err: errors.New("a message of another session was announced")}
		}
		if p := c.plan(which); p != nil {
			next = append(next, p)
		}
	}
	s.unsend()
	old := s.order
	s.order, s.queue, s.passed = next, nil, 0
	for _, p := range old {
		p.index = -1
	}
	for i, p := range next {
		p.index = i
		if p.state == queued {
			s.queue = append(s.queue, p)
		}
	}
	for _, p := range old {
		if p.index < 0 {
			s.drop(p)
		}
	}
	return s.pump(false)
}

// expected is how many octets all this is, as announced.
func expected(which mail.Part, ms []*mail.Message) (n int64) {
	for _, m := range ms {
		if which == mail.Header {
			n += guessHeader
		} else {
			n += min(max(m.Content.Size(), 0), 1<<40)
		}
	}
	return n
}

// unsend takes back what was made up and not sent. s.mu is held.
func (s *session) unsend() {
	for _, a := range s.asks {
		for _, p := range a.parts {
			s.out -= p.size
			p.state = queued
		}
	}
	s.asks = nil
}

// plan returns the part that gives this much of a message, or nil where it is here already. s.mu is held.
func (c *content) plan(which mail.Part) *part {
	section := goimap.PartSpecifierNone
	c.again()
	switch {
	case which == mail.Header && c.head != nil || c.begun != nil:
		return nil
	case which == mail.Header:
		section = goimap.PartSpecifierHeader
	case c.head != nil:
		section = goimap.PartSpecifierText
	}
	if p := c.part; p != nil && !p.dropped && p.state <= kept {
		if p.from == whole &&
			(p.section == section || which == mail.Header && p.section == goimap.PartSpecifierNone) {
			return p
		}
		c.s.drop(p)
	}
	c.part = &part{c: c, section: section, from: whole, size: c.expect(section), index: -1}
	return c.part
}

// expect says how many octets to reckon with: a liar's number is only that, and sums of it must not overflow.
func (c *content) expect(section goimap.PartSpecifier) int64 {
	n := c.size
	switch {
	case section == goimap.PartSpecifierHeader:
		return guessHeader
	case n < 0:
		n = guess
	}
	if section == goimap.PartSpecifierText {
		n -= int64(len(c.head))
	}
	return min(max(n, 1), 1<<40)
}

// drop forgets a part. s.mu is held.
func (s *session) drop(p *part) {
	if p.dropped || p.state == spent {
		return
	}
	p.dropped = true
	switch p.state {
	case asked, arriving: // body throws it away when it comes
		s.cond.Broadcast()
		return
	case offered: // somebody is reading it; the reader's Close comes first
		return
	case kept:
		s.held -= int64(len(p.data))
		p.data = nil
	case queued:
		s.queue = slices.DeleteFunc(s.queue, func(q *part) bool { return q == p })
		p.state = spent
		return
	}
	s.spend(p)
}

// spend takes a part out of the accounts. s.mu is held.
func (s *session) spend(p *part) {
	if p.state >= asked && p.state <= kept {
		s.out -= p.size
	}
	p.state = spent
	s.cond.Broadcast()
}

// pump asks for what comes next, as far as the window allows; not before much of it is free, so that
// commands are few. Messages of another folder have to wait until the line is empty: only with wait does it
// wait. s.mu is held, and let go of while something is sent.
func (s *session) pump(wait bool) error {
	if s.window == 0 {
		s.widen(firstWindow)
	}
	if len(s.queue) > 0 && (s.out == 0 || s.window-s.out >= s.portion()) && len(s.asks) == 0 {
		s.fill()
	}
	for len(s.asks) > 0 && s.err == nil {
		a := s.asks[0]
		if a.f == s.selected && s.overtakes(a.parts[0]) {
			return nil
		}
		if a.f != s.selected {
			if s.inflight > 0 || !wait {
				return nil
			}
			s.mu.Unlock()
			err := s.enter(a.f)
			s.mu.Lock()
			if err != nil {
				s.cannot(a, err)
				if s.err != nil {
					return s.err
				}
				continue
			}
		}
		s.asks = s.asks[1:]
		s.send(a)
	}
	return nil
}

// overtakes says whether a part could come before something that is on its way and will be read first, and
// would then stand in its way. Servers answer pipelined commands in any order, Dovecot sometimes the last
// one first; for small messages that does not matter. s.mu is held.
func (s *session) overtakes(p *part) bool {
	if p.size <= small {
		return false
	}
	for _, q := range s.asked {
		if q.index < p.index && !q.dropped {
			return true
		}
	}
	return false
}

// cannot gives up an ask whose folder cannot be entered.
func (s *session) cannot(a *ask, err error) {
	s.asks = slices.DeleteFunc(s.asks, func(x *ask) bool { return x == a })
	for _, p := range a.parts {
		s.out -= p.size
		p.state, p.single, p.said = missing, true, err.Error()
	}
}

// fill makes asks of the beginning of the queue, one for each folder and section, with the announced order
// of the first of each. s.mu is held.
func (s *session) fill() {
	n := 0
	for n < len(s.queue) && n < maxSet {
		p := s.queue[n]
		if s.out > 0 && s.out+p.size > s.window || s.overtakes(p) {
			break
		}
		if s.out == 0 && p.size > small && !p.wanted {
			break // its beginning may be here already: Open or OpenAt, which comes now, says so
		}
		if n == 0 {
			s.measure()
		}
		s.out += p.size
		s.add(p)
		n++
	}
	s.queue = s.queue[n:]
}

// add puts a part into an ask that is not yet sent.
func (s *session) add(p *part) {
	p.state = asked
	for i, a := range s.asks {
		last := a.parts[len(a.parts)-1]
		fits := p.size <= small && last.size <= small // in any order
		if p.size > small {                           // one command is answered by UID, ascending
			fits = i == len(s.asks)-1 && last.size > small && last.c.uid < p.c.uid
		}
		if fits && a.f == p.c.f && a.section == p.section && p.from == whole && a.parts[0].from == whole {
			a.parts = append(a.parts, p)
			return
		}
	}
	s.asks = append(s.asks, &ask{f: p.c.f, section: p.section, parts: []*part{p}})
}

// send sends one UID FETCH; s.mu is held, but not while the command leaves: the server may take it only
// after we have read what it is sending.
func (s *session) send(a *ask) {
	a.parts = slices.DeleteFunc(a.parts, func(p *part) bool {
		if p.dropped {
			s.spend(p)
		}
		return p.dropped
	})
	if len(a.parts) == 0 {
		return
	}
	var set goimap.UIDSet
	for _, p := range a.parts {
		set.AddNum(p.c.uid)
		s.asked[p.key()] = p
		p.ask, p.single = a, len(a.parts) == 1
	}
	s.inflight++
	s.mu.Unlock()
	done := s.line.begin(int64(len(a.parts))<<10 + chatter)
	item := &goimap.FetchItemBodySection{Specifier: a.section, Peek: true}
	if p := a.parts[0]; p.from != whole {
		item.Partial = &goimap.SectionPartial{Offset: p.from, Size: p.count()}
	}
	cmd := s.c.Fetch(set, &goimap.FetchOptions{UID: true, BodySection: []*goimap.FetchItemBodySection{item}})
	s.wg.Go(func() {
		defer done()
		s.collect(a, cmd)
	})
	s.mu.Lock()
}

// through takes all that a FETCH brings and returns how it ended.
func (s *session) through(cmd *imapclient.FetchCommand) error {
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		if !s.route(m) {
			return io.ErrUnexpectedEOF
		}
	}
	return cmd.Close()
}

// collect takes the data of one command, and says at its end what did not come.
func (s *session) collect(a *ask, cmd *imapclient.FetchCommand) {
	err := s.through(cmd)
	if err != nil && !status(err) {
		s.fail(mail.OpFetch, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range a.parts {
		if p.ask != a { // asked for again meanwhile
			continue
		}
		if p.state == asked {
			delete(s.asked, p.key())
		}
		switch {
		case p.state == asked && p.dropped:
			s.spend(p)
		case p.state == asked:
			s.out -= p.size
			p.state = missing
			if err != nil {
				p.said = s.trouble(mail.OpFetch, err).Reply
				s.unfit = s.unfit || p.from != whole && strings.HasPrefix(p.said, "BAD")
			}
		case err == nil || status(err): // it came before the end of its command
			p.confirmed = true
		}
	}
	s.inflight--
	s.cond.Broadcast()
}

// need returns when a part is there to be read: kept, or offered. ctx is watched by the caller.
func (s *session) need(p *part) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.current; r != nil {
		s.mu.Unlock()
		r.Close()
		s.mu.Lock()
	}
	s.pass(p)
	s.waiting, p.wanted = p, true
	s.cond.Broadcast() // what stands on the line has to know
	defer func() { s.waiting = nil }()
	for {
		switch {
		case s.err != nil:
			return s.err
		case p.state == kept || p.state == offered:
			return nil
		case p.wrong:
			return s.alone(mail.Protocol, p.said, errPart.Error())
		case p.state == missing && !p.single:
			// The others of its set may be why, or a flag update took its place: alone, once.
			p.state, p.single = queued, true
			s.first(p)
		case p.state == missing:
			return s.alone(mail.Protocol, p.said, "the server did not send it; it may be gone")
		case p.state == queued && p.index < 0:
			s.first(p)
		}
		if err := s.pump(true); err != nil {
			return err
		}
		if p.state == queued && s.inflight == 0 && len(s.asks) == 0 {
			s.first(p) // whatever the window says: nothing else will come to change it
			continue
		}
		if s.err != nil || p.state == kept || p.state == offered || p.state == missing {
			continue
		}
		s.cond.Wait()
	}
}

// pass forgets what was announced before p and is skipped. s.mu is held.
func (s *session) pass(p *part) {
	for ; s.passed < p.index; s.passed++ {
		s.drop(s.order[s.passed])
	}
}

// first sends for p before anything else that is not yet on its way. s.mu is held.
func (s *session) first(p *part) {
	p.state = asked
	s.out += p.size
	a := &ask{f: p.c.f, section: p.section, parts: []*part{p}}
	s.asks = append([]*ask{a}, s.asks...)
}

// forget takes back what was announced and waits until nothing is on its way.
func (s *session) forget(op mail.Op) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.current; r != nil {
		s.mu.Unlock()
		r.Close()
		s.mu.Lock()
	}
	s.unsend()
	for _, p := range s.order {
		s.drop(p)
	}
	s.order, s.queue, s.passed = nil, nil, 0
	for _, p := range s.asked {
		s.drop(p)
	}
	for s.inflight > 0 && s.err == nil {
		s.cond.Wait()
	}
	if s.err != nil {
		return s.err
	}
	return nil
}

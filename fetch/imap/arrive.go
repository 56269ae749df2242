package imap

import (
	"io"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailretr/store/mail"
)

// route takes one FETCH response, whoever it was meant for: an unasked flag update can take the place of
// the answer, and the answer then comes as unasked. The library reads no further while a literal waits
// here, so at any time there is at most one. It returns false when the literal broke off: the library then
// reads on by itself, and neither m nor its command may be touched again.
func (s *session) route(m *imapclient.FetchMessageData) bool {
	var uid goimap.UID
	i, said := info{size: -1}, false
	for item := m.Next(); item != nil; item = m.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			uid = item.UID
		case imapclient.FetchItemDataRFC822Size:
			i.size, said = item.Size, true
		case imapclient.FetchItemDataInternalDate:
			i.date, said = item.Time, true
		case imapclient.FetchItemDataFlags:
			i.flags = flags(item.Flags)
		case imapclient.FetchItemDataBodySection:
			if !s.body(uid, item) {
				return false
			}
		}
	}
	if said && uid != 0 {
		s.learn(uid, i)
	}
	return true
}

func flags(l []goimap.Flag) []string {
	var out []string
	for _, f := range l {
		if f != `\Recent` { // of the session, not of the message
			out = append(out, string(f))
		}
	}
	return out
}

// learn notes what was said of a message, if somebody asked.
func (s *session) learn(uid goimap.UID, i info) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.learning; f != nil && f.infos != nil {
		f.infos[uid] = i
	}
}

// body decides what becomes of a literal: kept in memory if it is small and there is room, offered to the
// caller when he waits for it, thrown away if nobody wants it. Until then the line stands still. It returns
// false when it broke off.
func (s *session) body(uid goimap.UID, item imapclient.FetchItemDataBodySection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{uid, item.Section.Specifier, whole}
	if item.Section.Partial != nil {
		k.from = item.Section.Partial.Offset
	}
	p := s.asked[k]
	plain := len(item.Section.Part) == 0 && len(item.Section.HeaderFields) == 0 &&
		len(item.Section.HeaderFieldsNot) == 0
	var lit *literal
	if item.Literal != nil {
		lit = &literal{r: item.Literal, left: item.Literal.Size()}
	}
	if p == nil || !plain || uid == 0 || lit != nil && p.from != whole && lit.left > p.count() {
		cause := errUnasked
		if s.astray(uid) {
			cause = errPart
		}
		return s.unasked(lit, cause)
	}
	delete(s.asked, k) // a second answer is unasked
	if s.last != nil { // the library came as far as this, so what was before had its end
		s.last.confirmed = true
	}
	s.last, p.state = p, arriving
	s.cond.Broadcast()
	if lit == nil && p.from != whole { // NIL for an empty string
		p.state = kept
		s.cond.Broadcast()
		return true
	}
	if lit == nil { // NIL
		s.out -= p.size
		p.state, p.ask = missing, nil
		p.single = true
		return true
	}
	size := lit.left
	s.line.allow.Add(min(size, 1<<40))
	if limit := s.limits.Message; limit > 0 && size > limit-max(p.from, 0) {
		s.failed(&mail.Trouble{Op: mail.OpFetch, Kind: mail.Protocol, Server: s.server(),
			Err: errLarge})
	}
	for s.place(p, lit, size) {
		s.cond.Wait()
	}
	return lit.left == 0
}

// place does one thing with a literal, or says that it has to wait. s.mu is held, and let go of while
// octets are read.
func (s *session) place(p *part, lit *literal, size int64) (again bool) {
	switch {
	case s.err != nil:
		s.unlocked(func() { drain(lit) })
		s.spend(p)
	case p.dropped:
		s.give(p, lit, size)
		s.spend(p)
	case size <= small && s.held+size <= s.share+small: // what was announced fits into the share
		s.keep(p, lit, size)
	case s.waiting == p:
		s.offer(p, lit)
	case s.waiting != nil: // something that comes behind this is wanted first
		s.give(p, lit, size)
		s.out -= p.size
		p.state, p.ask, p.index = queued, nil, -1
	default:
		return true
	}
	s.cond.Broadcast()
	return false
}

// keep reads a literal into memory.
func (s *session) keep(p *part, lit *literal, size int64) {
	s.held += size
	data, n := make([]byte, size), 0
	s.unlocked(func() {
		n, _ = io.ReadFull(lit, data)
		drain(lit) // its io.EOF sets the library free
	})
	p.c.line += s.cost(int64(n))
	if int64(n) < size { // the library's reader says io.EOF at a cut
		s.held -= size
		s.spend(p)
		s.failed(s.trouble(mail.OpFetch, io.ErrUnexpectedEOF))
		return
	}
	if p.data, p.state = data, kept; p.dropped {
		s.held -= size
		p.data = nil
		s.spend(p)
	}
}

// offer hands a literal to the caller and waits until he has done with it.
func (s *session) offer(p *part, lit *literal) {
	p.lit, p.state, p.free = lit, offered, make(chan struct{})
	s.cond.Broadcast()
	s.unlocked(func() {
		<-p.free
		drain(lit) // nothing, if it was read; after a cut it ends at once
	})
}

// give throws a literal away. A large one ends the session instead: its octets are dearer than a new login.
func (s *session) give(p *part, lit *literal, size int64) {
	if size > abandon && s.err == nil {
		s.failed(&mail.Trouble{Op: mail.OpFetch, Kind: mail.Local, Server: s.server(), Err: errAbandoned})
	}
	var n int64
	s.unlocked(func() { n = drain(lit) })
	p.c.line += s.cost(n)
}

// unasked throws away what nobody asked for, up to a bound for the whole session.
func (s *session) unasked(lit *literal, cause error) bool {
	if lit == nil {
		return true
	}
	size := lit.left
	if s.waste += min(size, 1<<40); s.waste > abandon {
		s.failed(&mail.Trouble{Op: mail.OpFetch, Kind: mail.Protocol, Server: s.server(), Err: cause})
	} else {
		s.line.allow.Add(size)
	}
	s.unlocked(func() { drain(lit) })
	return lit.left == 0
}

// A literal is one of the library's that is not read again once it ended: whether well or broken off, the
// library's own goroutine reads from then on.
type literal struct {
	r     io.Reader
	left  int64
	ended bool
}

// Read returns io.EOF at the end of the literal, and io.ErrUnexpectedEOF where the line ended before.
func (l *literal) Read(b []byte) (n int, err error) {
	if !l.ended {
		n, err = l.r.Read(b)
		l.left -= int64(n)
		l.ended = err != nil
	}
	switch {
	case !l.ended:
		return n, nil
	case l.left > 0:
		return n, io.ErrUnexpectedEOF
	}
	return n, io.EOF
}

// drain reads a literal to its end, which is what lets the library go on. Never with s.mu held.
func drain(lit *literal) int64 {
	n, _ := io.Copy(io.Discard, lit) // an error is the connection's, which tells it itself
	return n
}

// unlocked does something that waits for the line.
func (s *session) unlocked(f func()) {
	s.mu.Unlock()
	defer s.mu.Lock()
	f()
}

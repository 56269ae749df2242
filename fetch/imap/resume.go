package imap

import (
	"context"
	"io"
	"math"
	"slices"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/store/mail"
)

// A message that was cut is gone on with at any octet, in any session: what is behind a UID never changes
// (RFC 9051, 2.3.1.1), and BODY.PEEK[]<n.m> gives m octets from octet n on (6.4.5). Servers are known that
// ignore the <n.m>, count wrongly, or announce sizes that are not so. An answer counts only if it names the
// octet that was asked for and is no longer than was asked; and the end counts only where RFC822.SIZE said it
// would be, or where a second answer says that there is nothing more.

// beyond is how many octets more than expected are asked for: RFC822.SIZE is an estimate at some servers.
const beyond = 1 << 20

// count is how many octets a part asks for that does not begin at the first. RFC 3501 has 32 bits for it, and
// there are servers that take them for signed, or add them to the first octet.
func (p *part) count() int64 {
	return min(p.size+beyond, math.MaxInt32-min(p.from, math.MaxInt32-beyond))
}

// Resumes says whether OpenAt is of use: not where the server was seen to give another part than was asked
// for. The library reads the octet as 32 bits.
func (c *content) Resumes() bool {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return !c.s.unfit && c.size <= math.MaxUint32
}

// OpenAt returns the message from octet n on. Where octets before it are on their way already, it goes on with
// these: a large message is therefore not asked for before it is opened.
func (c *content) OpenAt(ctx context.Context, n int64) (io.ReadCloser, error) {
	c.again()
	if n > math.MaxUint32 {
		return nil, c.s.alone(mail.Local, "", "it is too large to be gone on with")
	}
	p := c.rest(n)
	if p == nil {
		r, err := c.Open(ctx)
		if err == nil && n > 0 {
			err = r.(*reader).skip(n)
		}
		if err != nil {
			return nil, err
		}
		return r, nil
	}
	if err := c.beginWith(ctx, p.size, func() *part { return p }); err != nil {
		return nil, err
	}
	r := c.begun
	c.begun, c.spent = nil, true
	r.stop = c.s.watch(ctx, mail.OpFetch)
	return r, nil
}

// rest makes the part that begins at octet n; nil where Open comes as cheap.
func (c *content) rest(n int64) *part {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if n <= 0 || c.spent || c.begun != nil || c.head != nil && n <= int64(len(c.head)) {
		return nil
	}
	p := c.part
	switch {
	case p == nil || p.dropped || p.state > kept || p.section == goimap.PartSpecifierHeader:
		p = &part{c: c, index: -1}
	case p.state == asked && p.ask == nil:
		s.unask(p)
	case p.state != queued:
		return nil
	}
	if c.part != nil && c.part != p {
		s.drop(c.part)
	}
	p.section, p.from, p.size = goimap.PartSpecifierNone, n, min(max(c.size-n, 1), 1<<40)
	c.part = p
	return p
}

// unask takes a part out of what is about to be asked for, and puts it back at the head of the queue. s.mu is
// held.
func (s *session) unask(p *part) {
	for _, a := range s.asks {
		a.parts = slices.DeleteFunc(a.parts, func(q *part) bool { return q == p })
	}
	s.asks = slices.DeleteFunc(s.asks, func(a *ask) bool { return len(a.parts) == 0 })
	s.out -= p.size
	p.state = queued
	s.queue = append([]*part{p}, s.queue...)
}

// skip reads over what is here already.
func (r *reader) skip(n int64) error {
	k := min(n, int64(len(r.pre)))
	r.pre = r.pre[k:]
	_, err := io.CopyN(io.Discard, r, n-k)
	if err == nil {
		return nil
	}
	r.Close()
	if err == io.EOF {
		return r.c.s.alone(mail.Protocol, "", errEnd.Error())
	}
	return err
}

// ends says whether a part that brought so many octets is known to have brought the last one.
func (c *content) ends(p *part, size int64) bool {
	return p.from+size == c.size && size < p.count() || size == 0 && p.follows
}

// more asks for what is behind a part that ended where it should not.
func (r *reader) more() error {
	s, p := r.c.s, r.p
	at := p.from + r.size
	s.mu.Lock()
	if r.size == 0 || at > math.MaxUint32 {
		s.unfit = s.unfit || at < r.c.size/2 // else it may be an announced size that was too large
		s.mu.Unlock()
		return s.alone(mail.Protocol, "", errEnd.Error())
	}
	next := &part{c: r.c, from: at, size: min(max(r.c.size-at, 1), 1<<40), index: -1, follows: true}
	r.c.part = next
	s.mu.Unlock()
	return r.take(next)
}

// astray looks whether a part of this message was asked for from some octet on, in whose place something else
// comes. s.mu is held.
func (s *session) astray(uid goimap.UID) (found bool) {
	for k, p := range s.asked {
		if k.uid != uid || p.from == whole {
			continue
		}
		delete(s.asked, k)
		s.out -= p.size
		p.state, p.ask, p.wrong = missing, nil, true
		s.unfit, found = true, true
		s.cond.Broadcast()
	}
	return found
}

package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mailretr/store/mail"
)

// A content is the mail data of one item.
type content struct {
	s    *session
	item *item
	msg  *mail.Message
	head []byte  // once it is known
	st   *stream // that Header began
}

// Size is what LIST said.
func (c *content) Size() int64 { return c.item.size }

// Header returns the header section. It is the beginning of the transfer where the message was announced whole, or where
// the server has no TOP; else it is asked for by TOP, and the body stays where it is.
func (c *content) Header(ctx context.Context) ([]byte, error) {
	s := c.s
	if c.head != nil {
		return c.head, nil
	}
	if s.broken != nil {
		return nil, s.broken
	}
	if !s.known.NoTop && !s.announced(c.item) {
		head, err := c.top(ctx)
		if err == nil || !s.known.NoTop {
			return head, err
		}
		// TOP was refused by a server that never said it had it.
	}
	st, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer st.release() // until Open
	if err := st.header(); err != nil {
		return nil, err
	}
	c.head = st.kept[:len(st.kept):len(st.kept)]
	return c.head, nil
}

// Open returns the message from its first octet. Closing early leaves the rest on the line: it is read over when
// something else is wanted, unless the session ends before.
func (c *content) Open(ctx context.Context) (io.ReadCloser, error) {
	if c.s.broken != nil {
		return nil, c.s.broken
	}
	st, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	st.opened = true
	st.rest = st.kept
	return &body{st: st}, nil
}

// begin continues the transfer that Header began, or begins one.
func (c *content) begin(ctx context.Context) (*stream, error) {
	s := c.s
	if c.st != nil && !c.st.opened { // it may have been read to its end: then the whole is kept
		c.st.hold(ctx)
		return c.st, nil
	}
	st := &stream{s: s, item: c.item, msg: c.msg}
	st.hold(ctx)
	if err := s.want(c.item, false); err != nil {
		st.release()
		return nil, s.fail(mail.OpFetch, err)
	}
	reply, err := s.link.status()
	if err != nil {
		st.release()
		return nil, s.fail(mail.OpFetch, err)
	}
	c.msg.Line += int64(reply.size)
	if !reply.ok {
		st.release()
		return nil, c.missing(mail.OpFetch, reply)
	}
	st.m = s.link.multi()
	s.cur, c.st = st, st
	s.conn.Data(true)
	return st, nil
}

// missing is the answer to RETR or TOP that is none: the others flow.
func (c *content) missing(op mail.Op, reply status) error {
	if reply.more {
		return c.s.fail(op, &nonsense{"a continuation that was not asked for"})
	}
	c.s.flight.landed()
	if err := c.s.fill(); err != nil {
		return c.s.fail(op, err)
	}
	return alone(refused(op, c.s.server, reply, nil))
}

// top asks for the header alone.
func (c *content) top(ctx context.Context) ([]byte, error) {
	s := c.s
	defer s.link.watch(ctx)()
	if err := s.want(c.item, true); err != nil {
		return nil, s.fail(mail.OpHeader, err)
	}
	reply, err := s.link.status()
	if err != nil {
		return nil, s.fail(mail.OpHeader, err)
	}
	c.msg.Line += int64(reply.size)
	if !reply.ok {
		if !s.known.After.has("TOP", "") {
			s.learnNoTop()
		}
		return nil, c.missing(mail.OpHeader, reply)
	}
	m := s.link.multi()
	head, tooLong, err := readHeader(m)
	if err != nil {
		return nil, s.fail(mail.OpHeader, err)
	}
	c.msg.Line += m.raw
	s.flight.landed()
	if err := s.fill(); err != nil {
		return nil, s.fail(mail.OpHeader, err)
	}
	if tooLong {
		return nil, s.longHeader()
	}
	c.head = head
	return head, nil
}

// readHeader reads an answer to TOP to its end and returns the header section.
func readHeader(m *multi) (head []byte, tooLong bool, err error) {
	scan, done := scanner{}, false
	for {
		b, err := m.next()
		if err == io.EOF {
			return head, tooLong, nil
		}
		if err == nil && m.raw > 4*mail.MaxHeader {
			err = &nonsense{"the answer to TOP is too long"}
		}
		if err != nil {
			return nil, false, err
		}
		if done || tooLong {
			continue
		}
		if tooLong = len(head)+len(b) > mail.MaxHeader; !tooLong {
			head = append(head, b...)
			done = scan.end(b)
		}
	}
}

func (s *session) longHeader() error {
	return alone(&mail.Trouble{Op: mail.OpHeader, Kind: mail.Protocol, Server: s.server,
		Err: fmt.Errorf("the header section is longer than %d octets", mail.MaxHeader)})
}

// A scanner finds the empty line that ends a header section, in pieces as multi gives them.
type scanner struct{ mid bool }

func (h *scanner) end(b []byte) bool {
	empty := !h.mid && (string(b) == "\r\n" || string(b) == "\n")
	h.mid = len(b) > 0 && b[len(b)-1] != '\n'
	return empty
}

// A stream is the answer to RETR that is being read. It belongs to the session until its end has been read.
type stream struct {
	s      *session
	item   *item
	msg    *mail.Message
	m      *multi
	kept   []byte // what Header read
	rest   []byte // what was read and not handed out; in the connection's buffer
	got    int64  // octets of the message
	opened bool
	err    error
	stop   func()
}

// hold ties the connection to ctx until release.
func (st *stream) hold(ctx context.Context) {
	st.release()
	st.stop = st.s.conn.Watch(ctx)
}

func (st *stream) release() {
	if st.stop != nil {
		st.stop()
		st.stop = nil
	}
}

// header reads up to the end of the header section, or of the message.
func (st *stream) header() error {
	var scan scanner
	for {
		err := st.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if len(st.kept)+len(st.rest) > mail.MaxHeader {
			st.opened = true // it cannot be continued: what was read is not kept
			return st.s.longHeader()
		}
		st.kept = append(st.kept, st.rest...)
		if scan.end(st.rest) {
			return nil
		}
	}
}

// next reads one piece into rest. Errors stay.
func (st *stream) next() error {
	if st.err != nil {
		return st.err
	}
	s := st.s
	before := st.m.raw
	b, err := st.m.next()
	n := st.m.raw - before
	st.msg.Line += n
	switch {
	case err == nil:
		st.rest = b
		if st.got += int64(len(b)); st.got > s.opts.maxOctets() {
			err = &nonsense{fmt.Sprintf("the message is longer than the %d octets that are allowed", s.opts.maxOctets())}
			break
		}
		if s.flight.came(n); s.pipelining && len(s.plan) > 0 {
			err = s.fill()
		}
	case err == io.EOF:
		st.err = s.landed(st)
		return st.err
	}
	if err != nil {
		st.rest = nil
		st.err = s.fail(mail.OpFetch, err)
	}
	return st.err
}

// landed ends a stream that is whole: what comes next is asked for at once. It returns io.EOF, or why it is not whole
// after all.
func (s *session) landed(st *stream) error {
	s.cur = nil
	s.conn.Data(false)
	s.flight.landed()
	st.release()
	if err := s.inTurn(); err != nil {
		return s.fail(mail.OpFetch, err)
	}
	if err := s.fill(); err != nil {
		return s.fail(mail.OpFetch, err)
	}
	if st.got == 0 && st.item.size > 0 {
		return alone(&mail.Trouble{Op: mail.OpFetch, Kind: mail.Protocol, Server: s.server,
			Err: errors.New("the server lists the message but sends nothing of it")})
	}
	return io.EOF
}

// finishCurrent reads over the rest of a stream that nobody wants.
func (s *session) finishCurrent() error {
	if s.cur != nil {
		s.cur.opened = true // what is read over cannot be continued
	}
	for s.cur != nil {
		if err := s.cur.next(); err != nil && s.broken != nil {
			return s.broken
		}
	}
	return nil
}

// A body is an opened stream in the hands of a reader.
type body struct {
	st     *stream
	closed bool
}

// Read hands out what has arrived; it waits only when there is nothing.
func (b *body) Read(p []byte) (n int, err error) {
	st := b.st
	if b.closed {
		return 0, errors.New("pop3: read from a content that was closed")
	}
	for n < len(p) {
		if len(st.rest) == 0 {
			if n > 0 && st.s.conn.Reader().Buffered() == 0 {
				break
			}
			if err := st.next(); err != nil {
				if n > 0 {
					break // it stays, and is told next time
				}
				return 0, err
			}
		}
		k := copy(p[n:], st.rest)
		n, st.rest = n+k, st.rest[k:]
	}
	return n, nil
}

// Close ends the reading. It never fails: what it leaves is the session's.
func (b *body) Close() error {
	if !b.closed {
		b.closed = true
		b.st.rest = nil
		b.st.release()
	}
	return nil
}

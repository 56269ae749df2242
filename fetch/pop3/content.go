package pop3

import (
	"context"
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

// Have spares TOP, unless the header is longer than what a session keeps.
func (c *content) Have(header []byte) { c.s.keep(c.item, header) }

var (
	_ mail.Headed    = (*content)(nil)
	_ mail.Forgetter = (*content)(nil)
)

// Forget drops the header. What is on the line still is read over.
func (c *content) Forget() {
	s := c.s
	s.kept -= len(s.heads[c.item])
	delete(s.heads, c.item)
	if c.st != nil {
		c.st.opened, c.st.kept = true, nil
	}
	c.head, c.st = nil, nil
}

// Header returns the header section. It is the beginning of the transfer where the message was announced
// whole, or where the server has no TOP; else it is asked for by TOP, and the body stays where it is.
func (c *content) Header(ctx context.Context) ([]byte, error) {
	s := c.s
	if c.head != nil {
		return c.head, nil
	}
	if s.broken != nil {
		return nil, s.broken
	}
	if c.head = s.heads[c.item]; c.head != nil {
		return c.head, nil
	}
	if !s.known.NoTop && !s.announced(c.item) {
		head, line, err := s.top(ctx, c.item)
		c.msg.Line += line
		if c.head = head; err == nil || !s.known.NoTop {
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

// Open returns the message from its first octet. Closing early leaves the rest on the line: it is read over
// when something else is wanted, unless the session ends before.
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
	c.item.asked = false
	return c.s.missing(op, reply)
}

func (s *session) missing(op mail.Op, reply status) error {
	if reply.more {
		return s.fail(op, &nonsense{"a continuation that was not asked for"})
	}
	s.flight.landed()
	if err := s.fill(); err != nil {
		return s.fail(op, err)
	}
	return alone(refused(op, s.server, reply, nil))
}

func (s *session) longHeader() error {
	return alone(&mail.Trouble{Op: mail.OpHeader, Kind: mail.Protocol, Server: s.server,
		Err: fmt.Errorf("the header section is longer than %d octets", mail.MaxHeader)})
}

package pop3

import (
	"context"
	"errors"
	"io"

	"mailretr/store/mail"
)

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
			err = nonsensef("the message is longer than the %d octets that are allowed", s.opts.maxOctets())
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

// landed ends a stream that is whole: what comes next is asked for at once. It returns io.EOF, or why it is
// not whole after all.
func (s *session) landed(st *stream) error {
	s.cur = nil
	s.conn.Data(false)
	s.flight.landed()
	s.meter.came(st.m.raw, s.opts.now())
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

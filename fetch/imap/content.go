package imap

import (
	"bytes"
	"context"
	"errors"
	"io"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/store/mail"
)

var (
	errLarge     = errors.New("the server sends a message larger than the limit")
	errAbandoned = errors.New("a large message was not read to its end, so the connection was cut")
	errUnasked   = errors.New("the server sends messages that were not asked for")
	errHeader    = errors.New("the header section is longer than 1 MiB")
	errTwice     = errors.New("the message was read already")
	errPart      = errors.New("the server sent another part of the message than was asked for")
	errEnd       = errors.New("the rest of the message does not end where the server said it would")
)

// A content is one message. Not announced, Header costs HEADER and Open after it TEXT, so that together
// they cost the message once.
type content struct {
	s    *session
	m    *mail.Message
	f    *folder
	uid  goimap.UID
	size int64

	head  []byte  // the header section, once it came by itself
	begun *reader // Header has begun to read the whole
	spent bool

	part *part // announced or asked for; guarded by s.mu
	line int64 // octets that came for it, twice if they came twice; guarded by s.mu
}

// Size is RFC822.SIZE, or -1.
func (c *content) Size() int64 { return c.size }

// Have spares the header.
func (c *content) Have(header []byte) { c.head = header }

// Forget drops the header. What was announced of the message stays announced.
func (c *content) Forget() { c.head = nil }

// Header returns the header section.
func (c *content) Header(ctx context.Context) ([]byte, error) {
	c.again()
	switch {
	case c.head != nil:
		return c.head, nil
	case c.spent:
		return nil, c.s.alone(mail.Local, "", errTwice.Error())
	case c.begun == nil:
		if err := c.begin(ctx, mail.Header); err != nil || c.head != nil {
			return c.head, err
		}
	}
	stop := c.s.watch(ctx, mail.OpHeader)
	defer stop()
	return c.begun.header()
}

// Open returns the message from its first octet. ctx holds until it is closed.
func (c *content) Open(ctx context.Context) (io.ReadCloser, error) {
	c.again()
	if c.spent {
		return nil, c.s.alone(mail.Local, "", errTwice.Error())
	}
	if c.begun == nil {
		if err := c.begin(ctx, mail.Whole); err != nil {
			return nil, err
		}
	} else if err := c.s.ready(ctx, mail.OpFetch); err != nil {
		return nil, err
	}
	r := c.begun
	c.begun, c.spent = nil, true
	r.stop = c.s.watch(ctx, mail.OpFetch)
	return r, nil
}

// again forgets what Header began if something else was read meanwhile.
func (c *content) again() {
	if c.begun != nil && c.begun.done {
		c.begun = nil
	}
}

// begin waits until there is something to read: the header by itself, which it takes, or a reader.
func (c *content) begin(ctx context.Context, which mail.Part) error {
	octets := c.size
	if which == mail.Header {
		octets = guessHeader
	}
	return c.beginWith(ctx, octets, func() *part { return c.plan(which) })
}

func (c *content) beginWith(ctx context.Context, octets int64, plan func() *part) error {
	s := c.s
	if err := s.ready(ctx, mail.OpFetch); err != nil {
		return err
	}
	defer s.watch(ctx, mail.OpFetch)()
	if err := s.compress(ctx, octets); err != nil {
		return err
	}
	s.mu.Lock()
	p := plan()
	s.mu.Unlock()
	r := &reader{c: c, stop: func() {}}
	if err := r.take(p); err != nil {
		return err
	}
	switch p.section {
	case goimap.PartSpecifierHeader:
		return c.takeHeader(r)
	case goimap.PartSpecifierText:
		r.pre = c.head
		c.head = nil
	}
	c.begun = r
	return nil
}

// takeHeader reads a header that came by itself.
func (c *content) takeHeader(r *reader) error {
	if r.size > mail.MaxHeader {
		r.Close()
		return c.s.alone(mail.Protocol, "", errHeader.Error())
	}
	head, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	r.Close()
	if c.head = head; head == nil {
		c.head = []byte{}
	}
	return nil
}

// A reader gives a message, and io.EOF only when it was whole.
type reader struct {
	c    *content
	p    *part
	pre  []byte // octets before what is to come: the header
	data []byte
	lit  *literal // instead of data
	n    int64    // octets of the part so far
	size int64    // of the part, by the length of its literal
	err  error
	stop func()
	told int64 // of n, taken out of the window
	done bool  // the part was given back
}

// take waits until a part is there, and reads it from now on.
func (r *reader) take(p *part) error {
	s := r.c.s
	if err := s.need(p); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, r.c.part = r, nil
	r.p, r.n, r.told, r.done = p, 0, 0, false
	r.data, r.lit, r.size = p.data, nil, int64(len(p.data))
	if p.state == offered {
		r.lit, r.size = p.lit, p.lit.left
	}
	return nil
}

// Read waits at the end until what came behind the message has proved it whole.
func (r *reader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if len(r.pre) > 0 {
		n := copy(b, r.pre)
		r.pre = r.pre[n:]
		return n, nil
	}
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.next(b)
	r.n += int64(n)
	if err != nil && r.n < r.size {
		r.err = r.c.s.fail(mail.OpFetch, io.ErrUnexpectedEOF)
		r.finish()
		return n, r.err
	}
	if r.n == r.size {
		r.finish()
		if n == 0 {
			return r.end(b)
		}
	} else if r.n-r.told >= 64<<10 {
		r.progress()
	}
	return n, nil
}

// end is called behind the last octet of a part.
func (r *reader) end(b []byte) (int, error) {
	if r.p.from == whole || r.c.ends(r.p, r.size) {
		r.err = r.c.s.whole(r.p)
		return 0, r.err
	}
	if r.err = r.more(); r.err != nil {
		return 0, r.err
	}
	return r.Read(b)
}

// next reads from memory or from the line; at the end it gives nothing.
func (r *reader) next(b []byte) (int, error) {
	if r.n == r.size {
		return 0, nil
	}
	if r.lit == nil {
		n := copy(b, r.data[r.n:])
		return n, nil
	}
	n, err := r.lit.Read(b)
	if err == io.EOF { // finish comes now
		err = nil
	}
	return n, err
}

// progress makes room in the window for what was read, so that the next message is on its way before this
// one ends.
func (r *reader) progress() {
	s := r.c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	d := min(r.n-r.told, r.p.size)
	s.out -= d
	r.p.size -= d
	r.told = r.n
	if s.err == nil {
		s.pump(false)
	}
}

// finish gives the part back and asks for what comes next. The library goes on reading.
func (r *reader) finish() {
	s := r.c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.done {
		return
	}
	r.release()
	if s.current == r {
		s.current = nil
	}
	if r.lit != nil {
		r.c.line += s.cost(r.n)
	} else {
		s.held -= int64(len(r.data))
		r.data, r.p.data = nil, nil
	}
	r.c.m.Line = r.c.line
	s.spend(r.p)
	if s.err == nil {
		s.pump(false)
	}
}

// release lets the library have its literal back. s.mu is held.
func (r *reader) release() {
	if !r.done && r.p.free != nil {
		close(r.p.free)
	}
	r.done = true
}

// whole waits until a part is known to be whole, and returns io.EOF then.
func (s *session) whole(p *part) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !p.confirmed && s.err == nil {
		s.cond.Wait()
	}
	if p.confirmed {
		return io.EOF
	}
	return s.err
}

// header reads as far as the empty line and keeps what it read for Read.
func (r *reader) header() ([]byte, error) {
	if r.lit == nil {
		if n := headerEnd(r.data, true); n <= mail.MaxHeader {
			return r.data[:n], nil
		}
		return nil, r.c.s.alone(mail.Protocol, "", errHeader.Error())
	}
	var b []byte
	for {
		if n := headerEnd(b, false); n >= 0 {
			r.pre = b
			return b[:n], nil
		}
		if len(b) > mail.MaxHeader {
			r.Close()
			return nil, r.c.s.alone(mail.Protocol, "", errHeader.Error())
		}
		at := len(b)
		b = append(b, make([]byte, 32<<10)...)
		n, err := r.Read(b[at:])
		b = b[:at+n]
		if err == io.EOF {
			r.pre = b
			return b, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// headerEnd returns the length of the header section with its empty line, or -1 if b does not hold it
// whole. all says that b is the whole message, which may be nothing but a header.
func headerEnd(b []byte, all bool) int {
	for at := 0; at < len(b); {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			break
		}
		if i == 0 || i == 1 && b[at] == '\r' {
			return at + i + 1
		}
		at += i + 1
	}
	if all {
		return len(b)
	}
	return -1
}

// Close stops reading. A little that is left is read and thrown away; IMAP has no other way to stop a large
// rest than to cut the connection, which ends the session.
func (r *reader) Close() error {
	defer r.stop()
	s := r.c.s
	if r.lit != nil && r.n < r.size {
		if r.size-r.n > abandon {
			s.fail(mail.OpFetch, &mail.Trouble{Op: mail.OpFetch, Kind: mail.Local, Server: s.server(),
				Err: errAbandoned})
		} else {
			n := drain(r.lit)
			r.n += n
		}
	}
	r.finish()
	if r.err == nil {
		r.err = errTwice
	}
	return nil
}

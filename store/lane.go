package store

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"strings"
	"sync"
	"time"

	"mailretr/store/mail"
)

// Lane returns a retriever of what is due in a lane. Safe for concurrent use; each session of it leases
// what it yields.
func (q *Queue) Lane(l mail.Lane) mail.Retriever { return lane{q, l} }

type lane struct {
	q    *Queue
	name mail.Lane
}

// Open begins a session; nothing is leased yet.
func (l lane) Open(context.Context) (mail.Maildrop, error) {
	l.q.init()
	return &session{q: l.q, lane: l.name, held: map[mail.ID]*hold{}, stop: make(chan struct{})}, nil
}

// A session hands out what is due in its lane, and leases it as it goes. Not for concurrent use, but for
// renew.
type session struct {
	q    *Queue
	lane mail.Lane
	sick bool // the lane has refused us: nothing more is handed out

	mu      sync.Mutex // guards held, which renew reads
	held    map[mail.ID]*hold
	renewal sync.Once
	stop    chan struct{}
	renewed sync.WaitGroup
	closed  bool
}

// A hold is one leased record, and the message made of it once it was yielded.
type hold struct {
	Leased
	m     *mail.Message
	begun time.Time
}

// List names what is due by queue ids. It is complete, as of now.
func (s *session) List(ctx context.Context) (uids []mail.UID, complete bool, err error) {
	no, now := false, s.q.now()
	for l, err := range s.q.Engine.List(ctx, Filter{Lane: s.lane, Due: now, Held: &no}) {
		if err != nil {
			return nil, false, local(err, "")
		}
		if !l.Leased {
			uids = append(uids, mail.UID(l.Record.ID.String()))
		}
	}
	return uids, true, nil
}

// Messages yields what is due, in due order, until nothing is or the lane has refused us. With want it
// yields those, if they are not being attempted by somebody else.
func (s *session) Messages(ctx context.Context, want []mail.UID) iter.Seq2[*mail.Message, error] {
	if want != nil {
		return s.wanted(ctx, want)
	}
	return func(yield func(*mail.Message, error) bool) {
		seen := map[mail.ID]int{}
		for !s.sick {
			some, err := s.lease(ctx, Filter{Lane: s.lane, Due: s.q.now()}, s.q.ahead(s.lane))
			if err != nil {
				yield(nil, err)
				return
			}
			more := false
			for i, h := range some {
				// A message that comes back at once has no pause on its schedule, or is not settled; a
				// session gives it a few transactions and leaves the rest to the next one.
				if seen[h.Record.ID]++; s.sick || seen[h.Record.ID] > maxRecipients {
					s.release(some[i : i+1]...)
					continue
				}
				more = true
				if !s.give(ctx, h, yield) {
					s.release(some[i+1:]...)
					return
				}
			}
			if !more {
				return
			}
		}
	}
}

// wanted yields records by their ids.
func (s *session) wanted(ctx context.Context, want []mail.UID) iter.Seq2[*mail.Message, error] {
	return func(yield func(*mail.Message, error) bool) {
		for _, u := range want {
			id, err := mail.ParseID(string(u))
			if err != nil {
				continue // no id of ours
			}
			if h := s.of(id); h != nil && h.m != nil {
				if !yield(h.m, nil) {
					return
				}
				continue
			}
			some, err := s.lease(ctx, Filter{Lane: s.lane, IDs: []mail.ID{id}}, 1)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(some) == 1 && !s.give(ctx, some[0], yield) {
				return
			}
		}
	}
}

// giving hands a message to whoever iterates.
type giving = func(*mail.Message, error) bool

// give yields one leased record, or does what is to be done instead.
func (s *session) give(ctx context.Context, h *hold, yield giving) (more bool) {
	r := &h.Record
	if r.Held() {
		s.release(h)
		return true
	}
	c := &content{q: s.q, r: r}
	if err := c.open(ctx); err != nil {
		return s.absent(ctx, h, err, yield)
	}
	h.begun = s.q.now()
	h.m = s.q.message(r, c)
	if len(h.m.Envelope.Recipients) > 0 {
		return yield(h.m, nil)
	}
	err := s.q.settle(ctx, h, nil) // only reports are owed
	s.drop(h)
	return s.goesOn(err, yield)
}

// goesOn ends the sequence at an error: it is the store's, and the next record would meet it too.
func (s *session) goesOn(err error, yield giving) bool {
	if err != nil {
		yield(nil, err)
	}
	return err == nil
}

// absent deals with a body that cannot be had: lost ones are held, others wait for better times.
func (s *session) absent(ctx context.Context, h *hold, err error, yield giving) bool {
	if lost(err) {
		err = s.q.lose(ctx, h.Leased, err)
		s.drop(h)
		return s.goesOn(err, yield)
	}
	s.release(h)
	return s.goesOn(local(err, ""), yield)
}

// lost says whether a body is gone or damaged, rather than out of reach for a moment.
func lost(err error) bool { return errors.Is(err, ErrLost) || errors.Is(err, fs.ErrNotExist) }

// message makes the message of a record.
func (q *Queue) message(r *Record, c mail.Content) *mail.Message {
	return &mail.Message{
		ID: r.ID, Origin: r.Origin, Envelope: r.Envelope(), Queued: r.Queued, Attempts: r.Attempts,
		Content: c, Parent: r.Parent, Line: r.Line,
	}
}

// Settle commits what an attempt has said, with whatever follows from it, and ends the lease.
func (s *session) Settle(ctx context.Context, m *mail.Message, r mail.Report) error {
	h := s.of(m.ID)
	if h == nil || h.m == nil {
		return local(errors.New("a message was settled that this session does not have"), "")
	}
	if r.Sick() != nil {
		s.sick = true
	}
	err := s.q.settle(ctx, h, r)
	s.drop(h)
	return err
}

// Close gives back what was not settled; it is due as before.
func (s *session) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.stop)
	s.renewed.Wait()
	for _, h := range s.held {
		s.release(h)
	}
	return nil
}

// lease leases some records and has them renewed.
func (s *session) lease(ctx context.Context, f Filter, n int) ([]*hold, error) {
	if s.closed {
		return nil, local(ErrClosed, "")
	}
	leased, _, err := s.q.Engine.LeaseMessages(ctx, f, n, s.q.ttl())
	if err != nil {
		return nil, local(err, "")
	}
	all := make([]*hold, len(leased))
	s.mu.Lock()
	for i, l := range leased {
		all[i] = &hold{Leased: l}
		s.held[l.Record.ID] = all[i]
	}
	s.mu.Unlock()
	if len(all) > 0 {
		s.renewal.Do(func() { s.renewed.Go(s.renew) })
	}
	return all, nil
}

// renew keeps the leases of this session as long as it lives. One that is lost all the same is found out at
// the settle.
func (s *session) renew() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tick := time.NewTicker(s.q.ttl() / 3)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		s.mu.Lock()
		all := make([]Lease, 0, len(s.held))
		for _, h := range s.held {
			all = append(all, h.Lease)
		}
		s.mu.Unlock()
		if len(all) == 0 {
			continue
		}
		if _, err := s.q.Engine.Renew(ctx, s.q.ttl(), all...); err != nil {
			s.q.observe(mail.Event{Op: mail.OpStore, Lane: s.lane, Err: err, Text: "leases were not renewed"})
		}
	}
}

func (s *session) of(id mail.ID) *hold {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[id]
}

// drop forgets a record whose lease has ended.
func (s *session) drop(h *hold) {
	s.mu.Lock()
	delete(s.held, h.Record.ID)
	s.mu.Unlock()
	h.close()
}

// release gives records back unchanged.
func (s *session) release(all ...*hold) {
	for _, h := range all {
		s.q.Engine.Release(h.Lease)
		s.drop(h)
	}
}

func (h *hold) close() {
	if h.m != nil {
		h.m.Content.(*content).close()
	}
}

func (q *Queue) ahead(l mail.Lane) int {
	if q.Alone != nil && q.Alone(l) {
		return 1
	}
	if q.Ahead > 0 {
		return q.Ahead
	}
	return 4
}

func (q *Queue) ttl() time.Duration {
	if q.TTL > 0 {
		return q.TTL
	}
	return 15 * time.Minute
}

// content is the content of a queued message. It was opened once to see that it is there; the first reader
// gets that.
type content struct {
	q      *Queue
	r      *Record
	ready  io.ReadSeekCloser // at its beginning; nil when somebody has it
	header []byte
	gone   bool // the octets are lost, and something is said in their place
}

// goneText stands for octets that are lost, where they are given up and reported.
const goneText = "\r\nThe octets of this message are lost.\r\n"

func (c *content) open(ctx context.Context) (err error) {
	if c.ready == nil {
		c.ready, err = c.q.Engine.OpenBody(ctx, c.r.Body)
	}
	return err
}

func (c *content) close() {
	if c.ready != nil {
		c.ready.Close()
		c.ready = nil
	}
}

// Size is exact.
func (c *content) Size() int64 {
	if c.gone {
		return int64(len(goneText))
	}
	return c.r.Size
}

// Header reads the header section from the spool.
func (c *content) Header(ctx context.Context) ([]byte, error) {
	if c.header != nil || c.r.Header == 0 || c.gone {
		return c.header, nil
	}
	if c.r.Header > 2*mail.MaxHeader { // the normal form may have doubled what was within the limit
		return nil, errors.New("the header section is too long")
	}
	if err := c.open(ctx); err != nil {
		return nil, err
	}
	b := make([]byte, c.r.Header)
	if _, err := io.ReadFull(c.ready, b); err != nil {
		return nil, notEOF(err)
	}
	if _, err := c.ready.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	c.header = b
	return b, nil
}

// Open may be called again; each reader is its own.
func (c *content) Open(ctx context.Context) (io.ReadCloser, error) {
	if c.gone {
		return io.NopCloser(strings.NewReader(goneText)), nil
	}
	if err := c.open(ctx); err != nil {
		return nil, err
	}
	r := &exact{ReadSeekCloser: c.ready, size: c.r.Size, left: c.r.Size}
	c.ready = nil
	return r, nil
}

// exact reads a body of known length; one that ends early is an error.
type exact struct {
	io.ReadSeekCloser
	size, left int64
}

func (e *exact) Read(p []byte) (int, error) {
	n, err := e.ReadSeekCloser.Read(p)
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Seek moves as io.Seeker says.
func (e *exact) Seek(offset int64, whence int) (int64, error) {
	at, err := e.ReadSeekCloser.Seek(offset, whence)
	if err == nil {
		e.left = e.size - at
	}
	return at, err
}

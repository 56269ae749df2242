package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mailretr/fetch/budget"
	"mailretr/relay"
	"mailretr/store/mail"
)

// gauge is the queue with a look at what goes into it: how much of a body came before it broke, what
// was taken, and whether an error was ours or the line's.
type gauge struct {
	*relay.HeadersFirst
	s *session
}

// Batch returns a batch that is looked at.
func (g gauge) Batch() mail.Batch {
	b := &gauged{Batch: g.HeadersFirst.Batch(), s: g.s}
	g.s.batches = append(g.s.batches, b)
	return b
}

// gauged is a batch of a gauge. One is committed while the other is filled, so the session's counters
// are under its lock.
type gauged struct {
	mail.Batch
	s  *session
	in []added
}

// added is a message of a batch.
type added struct {
	m     *mail.Message
	kin   *kin  // its copies; nil: nothing is known of any
	own   bool  // a copy that the transfer knows nothing of
	saved int64 // of a copy: octets that need not be sent
}

// Sift passes the question on. What is wanted may be here already, under another name.
func (b *gauged) Sift(ctx context.Context, m *mail.Message) (relay.Verdict, mail.Report) {
	verdict, report := b.judge(ctx, m)
	switch verdict {
	case relay.Fetch:
		return b.sift(ctx, m), nil
	case relay.Leave:
		mail.Forget(m) // of many that are left the headers would fill the memory
	}
	return verdict, report
}

func (b *gauged) judge(ctx context.Context, m *mail.Message) (relay.Verdict, mail.Report) {
	if b.s.oversize[m.Origin.UID] {
		return b.s.tooLarge(ctx, m)
	}
	if x, ok := b.Batch.(relay.Sifter); ok {
		return x.Sift(ctx, m)
	}
	return relay.Fetch, nil
}

// Add reads one message. An error that the content has not caused is ours, and ends the session: the
// next message would cross the line for nothing too.
func (b *gauged) Add(ctx context.Context, m *mail.Message) error {
	s := b.s
	if err := s.refusing(); err != nil {
		return err
	}
	c := &counted{Content: m.Content, s: s, paid: budget.Cost(m.Content.Size())}
	m.Content = c
	s.reading, s.octets, s.lost, s.size = m.Origin.UID, 0, 0, m.Content.Size()
	k, _ := s.kinOf(ctx, m)
	s.read(true)
	again := b.again(ctx, k, m)
	var err error
	if !again {
		err = b.Batch.Add(ctx, m)
	}
	s.read(false)
	m.Content, s.octets = c.Content, c.at+c.n
	if err == nil {
		s.reading = ""
		if !again {
			b.in = append(b.in, added{m: m, kin: k})
			b.follow(ctx, k, m)
		}
		return nil
	}
	s.lose(k, m)
	kept := kept(err)
	s.lost = c.n - kept
	s.waste(s.lost)
	s.kept = s.kept || kept > 0
	var t *mail.Trouble
	if c.err == nil && ctx.Err() == nil && !errors.As(err, &t) {
		return local(err)
	}
	return err
}

// kept is how many octets of a body that was cut the queue has kept, so that they need not be sent again.
func kept(err error) int64 {
	var k interface{ Kept() int64 }
	if errors.As(err, &k) {
		return k.Kept()
	}
	return 0
}

// Commit makes the batch durable. Where something of it was not taken the queue is unwell (disk, descriptors,
// database): the session ends at the next message, and tells why. That a message is known, and stays, is no
// ailment.
func (b *gauged) Commit(ctx context.Context) []mail.Report {
	all := b.Batch.Commit(ctx)
	reports := all[:0:0]
	well := 0
	var lost int64
	var cause error
	for i, x := range b.in {
		var r mail.Report
		if i < len(all) {
			r = all[i]
		}
		m := x.m
		done := r.Done(len(m.Envelope.Recipients))
		if done {
			b.s.take(m.Origin.UID)
		}
		if b.s.took(x.kin, m, done); x.own {
			if done {
				b.s.copied(x, r)
			} else {
				b.s.unsettle()
			}
			continue
		}
		if reports = append(reports, r); done {
			well++
			continue
		}
		lost += max(m.Content.Size(), 0)
		if known(r.Of(0).Err) {
			well++
			continue
		}
		b.s.unsettle()
		for _, x := range r {
			cause = cmpOr(cause, x.Err)
		}
	}
	if b.s.waste(lost); cause != nil || well == 0 && len(reports) > 0 {
		b.s.refuse(cmpOr(cause, errors.New("the queue did not take it")))
	}
	b.in = b.in[:0]
	return reports
}

// known says whether the queue left a message upstream because it knows it, and it is not to be collected.
func known(err error) bool {
	var k interface{ Known() bool }
	return errors.As(err, &k) && k.Known()
}

func cmpOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (s *session) waste(n int64) {
	s.mu.Lock()
	s.wasted += n
	s.mu.Unlock()
}

func (s *session) take(uid mail.UID) {
	s.mu.Lock()
	s.done = append(s.done, uid)
	s.mu.Unlock()
}

func (s *session) unsettle() {
	s.mu.Lock()
	s.unsettled = true
	s.mu.Unlock()
}

func (s *session) refuse(err error) {
	s.mu.Lock()
	s.local = cmpOr(s.local, err)
	s.mu.Unlock()
}

func (s *session) refusing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return local(s.local)
}

// counted is a content whose octets are counted, and whose failure is noticed.
type counted struct {
	mail.Content
	at    int64 // where the transfer began
	n     int64
	since time.Time // it began
	err   error

	s    *session
	paid int64 // octets that were taken from the budgets for it
}

// Header passes the header on.
func (c *counted) Header(ctx context.Context) ([]byte, error) {
	b, err := c.Content.Header(ctx)
	c.err = cmpOr(c.err, err)
	return b, err
}

// Open passes the message on.
func (c *counted) Open(ctx context.Context) (io.ReadCloser, error) {
	r, err := c.Content.Open(ctx)
	if err != nil {
		c.err = cmpOr(c.err, err)
		return nil, err
	}
	c.since = c.s.p.now()
	return &countedReader{r, c}, nil
}

// Resumes answers for the content of the kind.
func (c *counted) Resumes() bool {
	r, ok := c.Content.(mail.Resumer)
	return ok && r.Resumes()
}

// OpenAt passes the rest of the message on.
func (c *counted) OpenAt(ctx context.Context, n int64) (io.ReadCloser, error) {
	r, err := c.Content.(mail.Resumer).OpenAt(ctx, n)
	if err != nil {
		c.err = cmpOr(c.err, err)
		return nil, err
	}
	c.at, c.since = n, c.s.p.now()
	return &countedReader{r, c}, nil
}

// unannounced is how many octets beyond those that were announced are paid for at once.
const unannounced = 64 << 10

type countedReader struct {
	io.ReadCloser
	c *counted
}

func (r *countedReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	r.c.n += int64(n)
	r.c.s.pace(r.c.since, r.c.n, r.c.Size()-r.c.at-r.c.n)
	if err == nil && r.c.n > r.c.paid {
		err = r.c.s.more(unannounced)
		r.c.paid += unannounced
	}
	if err == nil {
		err = r.c.endless()
	}
	if err != nil && err != io.EOF {
		r.c.err = cmpOr(r.c.err, err)
	}
	return n, err
}

// endless ends a body that is longer than it was announced, and than any may be: it would fill the disk, for all.
func (c *counted) endless() error {
	d, came := &c.s.drop, c.at+c.n
	if d.Most <= 0 || came <= max(d.Most, c.Size())+overrun {
		return nil
	}
	return &mail.Trouble{Op: mail.OpFetch, Kind: mail.Protocol, Server: d.Server, Err: fmt.Errorf(
		"the server has announced %s, and goes on after %s", mail.Octets(max(c.Size(), 0)), mail.Octets(came))}
}

// Close passes the end on: a content that could not be ended well has failed.
func (r *countedReader) Close() error {
	err := r.ReadCloser.Close()
	r.c.err = cmpOr(r.c.err, err)
	return err
}

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"mailretr/store/mail"
)

// Limits of one record. Its value has to stay below the 256 KiB of an engine, with the last reply of each
// recipient in it; what is longer becomes several records.
const (
	maxRecipients = 1000
	maxAddresses  = 64 << 10 // octets of addresses in one record
	maxReplies    = 64 << 10 // octets of replies in one record
)

var (
	errNoRecipient = errors.New("the message has no recipient")
	errNoRoute     = errors.New("no route leads to this recipient")
)

// batch gathers messages. Each is staged while it is added and made durable beside the next Add; Commit is
// one commit.
type batch struct {
	q  *Queue
	in []*entry
}

// An entry is one added message: one record per lane and thousand recipients, and one mark.
type entry struct {
	m       *mail.Message
	n       int // recipients
	parts   []part
	mark    Seen
	again   bool     // the mark replaces another: a new message under an old UID
	hit     bool     // was taken already by another session; what we staged is discarded
	former  [16]byte // content key with the size that the mark of its UID has; zero: there is none
	second  bool     // a second name of a message that has a mark: nothing is queued
	of      *entry   // whose body it shares; it is taken only together with it. nil: it has one of its own
	mended  mended
	before  Partial // what an earlier session had brought; zero: nothing
	partial Partial // whose note ends when the message is taken; zero: there is none
	sealing sync.WaitGroup
	mu      sync.Mutex
	err     error // the first error of a seal, or of the commit
}

// A part is one record with its body.
type part struct {
	rec  Record
	body Body
}

// Add stages m. An error of the content comes back as it is; one of ours is a *mail.Trouble of kind Local.
func (b *batch) Add(ctx context.Context, m *mail.Message) error {
	if err := b.q.full(ctx); err != nil {
		return err
	}
	e, err := b.q.stage(ctx, m, nil)
	if err != nil {
		return err
	}
	b.q.seal(ctx, e)
	b.in = append(b.in, e)
	return nil
}

// Commit makes everything durable that was added and whose body is.
func (b *batch) Commit(ctx context.Context) []mail.Report {
	in := b.in
	b.in = nil
	if len(in) == 0 {
		return nil
	}
	b.q.take(ctx, in)
	reports := make([]mail.Report, len(in))
	at := b.q.now()
	for i, e := range in {
		x := mail.Result{Outcome: mail.Delivered, At: at}
		if e.err != nil {
			x = mail.Result{Err: e.err, At: at}
		}
		reports[i] = mail.Same(e.n, x)
	}
	return reports
}

// stage brings the content of m into the spool, in normal form, once per record. Nothing is durable yet.
// parent is the record that m reports on, nil where it is no report.
func (q *Queue) stage(ctx context.Context, m *mail.Message, parent *Record) (*entry, error) {
	e := &entry{m: m, n: len(m.Envelope.Recipients)}
	if e.n == 0 {
		return nil, local(errNoRecipient, "")
	}
	if err := q.parts(ctx, e, parent); err != nil {
		return nil, err
	}
	for i := range e.parts {
		p := &e.parts[i]
		var err error
		if p.body, err = q.Engine.Stage(ctx, &p.rec); err != nil {
			e.discard()
			return nil, local(err, "")
		}
	}
	if err := q.pump(ctx, e, parent == nil); err != nil {
		e.discard()
		return nil, err
	}
	for i := range e.parts {
		p := &e.parts[i]
		p.rec.Size, p.rec.Line = p.body.Size(), e.before.Line+m.Line
		if parent == nil {
			q.rule(&p.rec)
		}
		if err := q.overtake(ctx, &p.rec); err != nil {
			e.discard()
			return nil, local(err, "")
		}
	}
	return e, nil
}

// rule holds a record that the admin wants held.
func (q *Queue) rule(r *Record) {
	if q.Rule == nil {
		return
	}
	if why := q.Rule(r); why != "" {
		r.Hold, r.HoldWhy = HoldRule, mail.Printable(why, 600)
	}
}

// parts makes the records of an entry, without their bodies: recipients by lane, split where they are many.
func (q *Queue) parts(ctx context.Context, e *entry, parent *Record) error {
	now := q.now()
	list, err := q.sound(ctx, e.m)
	if err != nil {
		return err
	}
	var sorted groups
	for _, r := range list {
		route := q.route(e.m.Origin, e.m.Envelope, r)
		if len(route) == 0 {
			return local(fmt.Errorf("%w: %v", errNoRoute, r.Forward), "add a route for it, or one for everybody")
		}
		sorted.add(Recipient{Recipient: r}, route)
	}
	for i, g := range sorted.all {
		p := part{rec: q.record(e.m, parent, g.lane, now)}
		p.rec.Recipients = g.to
		if i == 0 && !e.m.Chosen.Zero() {
			p.rec.ID = e.m.Chosen
		}
		e.parts = append(e.parts, p)
	}
	return nil
}

func (q *Queue) record(m *mail.Message, parent *Record, l mail.Lane, now time.Time) Record {
	r := Record{
		ID: q.newID(), Lane: l, Queued: now, Due: now,
		Reverse: m.Envelope.Reverse, EnvID: m.Envelope.EnvID, Ret: m.Envelope.Ret,
	}
	if parent != nil {
		r.Parent, r.ParentOrigin = parent.ID, bounded(parent.Origin)
		r.Whole = m.Whole && parent.Parent.Zero()
	} else {
		r.Origin, r.Announced = bounded(m.Origin), m.Content.Size()
	}
	return r
}

// bounded leaves out flags that would make a record too big; they are a courtesy, the limit is not.
func bounded(o mail.Origin) mail.Origin {
	n := 0
	for _, f := range o.Flags {
		if n += len(f) + 8; n > 8<<10 {
			o.Flags = nil
			break
		}
	}
	return o
}

// pump copies the content into the bodies of an entry, and learns from the header what there is to learn:
// where it ends, the content key, and whether the message goes in circles.
func (q *Queue) pump(ctx context.Context, e *entry, judged bool) error {
	loop := ""
	h := head{found: func(header []byte) {
		if e.m.Origin.Account != "" {
			e.mark.Key = contentKey(&q.Secret, header, e.m.Content.Size())
			if size, ok := q.memory.formerSize(e.m.Origin); ok {
				e.former = contentKey(&q.Secret, header, size)
			}
		}
		if judged && e.m.Chosen.Zero() { // a listener has judged it before it took it
			loop = q.Loop.looped(header, e.m)
		}
	}}
	f := &flow{q: q, e: e, h: &h}
	r, err := f.begin(ctx)
	if err != nil {
		return err
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var ours bool
	e.mended, ours, err = normalize(r, *buf, &f.reach, func(p []byte) error {
		if err := f.tick(ctx); err != nil {
			return err
		}
		return f.write(ctx, p)
	})
	if err == nil || !ours {
		err = errors.Join(notEOF(err), r.Close())
	} else {
		r.Close()
	}
	if err != nil {
		return f.broken(ctx, err, ours)
	}
	h.close()
	for i := range e.parts {
		e.parts[i].rec.Header = h.end
	}
	e.partial, e.before = f.kept, f.from
	if loop != "" {
		q.circles(e, loop)
	}
	return nil
}

// notEOF makes sure that a content that broke is not taken for one that ended.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %v", io.ErrUnexpectedEOF, err)
	}
	return err
}

// circles makes a looping message one that has failed and is to be reported. It is queued whole all the
// same: so it can be looked at, and is held where nobody may be told.
func (q *Queue) circles(e *entry, why string) {
	now := q.now()
	for i := range e.parts {
		for j := range e.parts[i].rec.Recipients {
			r := &e.parts[i].rec.Recipients[j]
			r.State, r.Since, r.Times = Owed, now, 1
			r.Last = Said{At: now, Enhanced: "5.4.6", Err: why}
		}
	}
}

// seal makes the bodies of an entry durable, beside whatever comes next; it waits only while too many are
// under way.
func (q *Queue) seal(ctx context.Context, e *entry) {
	q.init()
	ctx = context.WithoutCancel(ctx)
	for i := range e.parts {
		p := &e.parts[i]
		q.seals <- struct{}{}
		e.sealing.Go(func() {
			defer func() { <-q.seals }()
			var err error
			if p.rec.Body, p.rec.SHA256, err = p.body.Seal(ctx); err != nil {
				e.fail(local(err, ""))
			}
		})
	}
}

func (e *entry) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = err
	}
}

// discard removes what was staged. What cannot be removed is removed by the engine's own cleaning.
func (e *entry) discard() {
	e.sealing.Wait()
	for _, p := range e.parts {
		if p.body != nil {
			p.body.Discard()
		}
	}
}

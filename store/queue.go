package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"mailretr/store/mail"
)

// A Queue keeps mail until somebody else has it. It is a mail.Deliverer and a mail.Batcher towards whoever
// brings mail, and hands it out again as a mail.Retriever per lane. Safe for concurrent use. Engine, Route
// and Schedule are needed to be of use; every other field may be left zero. Fields are set before the first
// call and not changed.
type Queue struct {
	Engine Engine

	// Rewrite says who gets the mail of a recipient instead, before Route is asked, and once. nil: each his own.
	Rewrite mail.Rewrite

	// Route says the lanes of a recipient. Several: the message is delivered to each. None: the message is
	// not taken. nil: one lane, "default".
	Route mail.Route

	// Fallback says where mail goes that has waited in a lane too long; see [Queue.FallBack]. nil: nowhere.
	Fallback func(mail.Lane) Fallback

	// Schedule says when a lane's messages are tried again. nil: the default of [Schedule].
	Schedule func(mail.Lane) Schedule

	// Reporter makes DSNs. nil: nobody can be told, so what fails is held.
	Reporter mail.Reporter

	// Keeps says that messages of this origin and announced size, negative where nobody said, stay upstream
	// after they were collected: their mark is Kept, not Taken. nil: none.
	Keeps func(mail.Origin, int64) bool

	// Came says by its header when a message came to the maildrop; zero: it does not say. nil: nobody can tell.
	Came func(header []byte) time.Time

	// Misconfigured says whether a refusal means that the maildrop's own configured recipient is wrong; the
	// message is then held and not bounced. nil: never.
	Misconfigured func(context.Context, *Record, mail.Result) bool

	// Fate says what becomes of a recipient that has failed with this result, or whose time was up: an error with a
	// method Expired() bool says so. It is not asked about reports of ours. nil: its sender is told.
	Fate func(*Record, mail.Result) Fate

	// Late is the age at which the sender is told that a message waits, by [Queue.Warn]. nil, or 0: never.
	Late func() time.Duration

	// Flood is how many reports of failure and delay one sender gets in an hour; what is above waits, and is held after
	// a day. nil, or 0: no limit.
	Flood func() int

	// Rule says that a message is held when it is queued: a sentence for people, or "". It is not asked about reports.
	// nil: none is.
	Rule func(*Record) string

	// Limit bounds what is queued. nil: nothing does.
	Limit func() Limit

	Loop  Loop
	Guard Guard

	// Secret keys the hash of content keys. It has to stay the same as long as there are marks, also
	// through a rebuild of the database, so it lives outside of the engine. Zero: the hash has no key.
	Secret [32]byte

	// Ahead is how many messages a session leases at once; 0: 4. More are waited for while others are idle.
	Ahead int
	// Alone says that a session of this lane leases one message at a time: one may take so long there that no other shall
	// wait behind it. nil: no lane is so.
	Alone func(mail.Lane) bool
	// TTL is how long a lease holds without being renewed; a session renews in time. 0: 15 minutes.
	TTL time.Duration
	// Seals is how many bodies are made durable at the same time; 0: 16. More does not make a disk faster.
	Seals int

	Observe mail.Observer
	Now     func() time.Time // nil: time.Now
	Random  io.Reader        // nil: crypto/rand
	// Wait returns after d, or with the error of a context that ends before. nil: a timer.
	Wait func(ctx context.Context, d time.Duration) error

	once   sync.Once
	seals  chan struct{} // one token per body being sealed
	random sync.Mutex
	memory memory
	lanes  lanes
	flood  flood
	crowd  crowd
}

// A Limit bounds what is queued. Reports of ours are exempt. Zero fields: no limit but the disk's reserve.
type Limit struct {
	Messages int
	Octets   int64
}

func (q *Queue) init() {
	q.once.Do(func() {
		n := q.Seals
		if n <= 0 {
			n = 16
		}
		q.seals = make(chan struct{}, n)
	})
}

// Deliver makes one message durable. The report is Delivered for all, or Deferred for all.
func (q *Queue) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	b := q.Batch()
	if err := b.Add(ctx, m); err != nil {
		return mail.Same(len(m.Envelope.Recipients), mail.Result{Err: err, At: q.now()})
	}
	return b.Commit(ctx)[0]
}

// Batch begins a batch; many may be under way at the same time.
func (q *Queue) Batch() mail.Batch {
	q.init()
	return &batch{q: q}
}

// Lanes returns the earliest due time of each lane with a message that can be attempted.
func (q *Queue) Lanes(ctx context.Context) (map[mail.Lane]time.Time, error) {
	return q.Engine.Lanes(ctx)
}

// Wake carries a hint whenever something became due earlier than known. One receiver.
func (q *Queue) Wake() <-chan struct{} { return q.Engine.Wake() }

// Confirm returns when a commit that began after the call is durable. A mark that was read may belong to a
// commit that is not yet durable; only after Confirm may it lead to a deletion upstream.
func (q *Queue) Confirm(ctx context.Context) error {
	at, err := q.now().MarshalBinary()
	if err != nil {
		return err
	}
	return q.commit(ctx, &Batch{Notes: []Note{{Space: "queue", Key: "confirm", Value: at}}})
}

// Tries of a commit whose fate is unknown, and the pause before the second; it doubles, to at most five
// seconds. The engine answers within moments once it is back; after half a minute the caller learns that we
// do not know.
const (
	commitTries = 10
	commitPause = 50 * time.Millisecond
)

// commit makes one batch durable, and asks again with the same batch as long as its fate is unknown. A
// commit that has begun is not cancelled: its effect would be unknown, and what depends on it would be done
// twice.
func (q *Queue) commit(ctx context.Context, b *Batch) error {
	ctx = context.WithoutCancel(ctx)
	if b.ID == [16]byte{} {
		b.ID = q.newID()
	}
	pause, asked := commitPause, false
	for try := 1; ; try++ {
		err := q.Engine.Commit(ctx, b)
		if !errors.Is(err, ErrUnknown) {
			return stillUnknown(asked, err)
		}
		if asked = true; try == commitTries {
			return err
		}
		if e := q.wait(ctx, pause); e != nil {
			return fmt.Errorf("%w; then %v", err, e)
		}
		pause = min(2*pause, 5*time.Second)
	}
}

// stillUnknown judges the answer to a batch that was asked for again. An engine that has looked says
// whether the first one was made; one that could not look, because it is closed or its disk is, leaves that
// open.
func stillUnknown(asked bool, err error) error {
	var seen *ErrSeen
	if !asked || err == nil || errors.As(err, &seen) || errors.Is(err, ErrFenced) {
		return err
	}
	return fmt.Errorf("%w; then %v", ErrUnknown, err)
}

func (q *Queue) now() time.Time {
	if q.Now != nil {
		return q.Now()
	}
	return time.Now()
}

func (q *Queue) wait(ctx context.Context, d time.Duration) error {
	if q.Wait != nil {
		return q.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *Queue) newID() mail.ID {
	if q.Random == nil {
		return mail.NewID(q.now(), nil)
	}
	q.random.Lock()
	defer q.random.Unlock()
	return mail.NewID(q.now(), q.Random)
}

func (q *Queue) observe(e mail.Event) {
	if q.Observe == nil {
		return
	}
	if e.At.IsZero() {
		e.At = q.now()
	}
	q.Observe.Observe(e)
}

func (q *Queue) schedule(l mail.Lane) Schedule {
	if q.Schedule == nil {
		return Schedule{}
	}
	return q.Schedule(l)
}

// route returns the lanes of a recipient, each once.
func (q *Queue) route(o mail.Origin, e mail.Envelope, r mail.Recipient) []mail.Lane {
	if q.Route == nil {
		return []mail.Lane{"default"}
	}
	all := q.Route(o, e, r)
	for i := range all {
		if slices.Contains(all[:i], all[i]) {
			return slices.DeleteFunc(slices.Clone(all), seenBefore())
		}
	}
	return all
}

// seenBefore returns a function that says of each lane whether it was asked about that one already.
func seenBefore() func(mail.Lane) bool {
	seen := map[mail.Lane]bool{}
	return func(l mail.Lane) bool { was := seen[l]; seen[l] = true; return was }
}

// full says whether another message would exceed the limit.
func (q *Queue) full(ctx context.Context) error {
	var most Limit
	if q.Limit != nil {
		most = q.Limit()
	}
	if most == (Limit{}) {
		return nil
	}
	t, err := q.Engine.Totals(ctx)
	if err != nil {
		return err
	}
	if most.Messages > 0 && t.Messages >= most.Messages || most.Octets > 0 && t.Octets >= most.Octets {
		return local(ErrLimit, "raise queue: {max, max_size}, or see what is waiting with: mailretr queue")
	}
	return nil
}

// ErrLimit says that Queue.Limit is reached.
var ErrLimit = errors.New("the queue is as full as it may be")

// local is a trouble of ours: disk, queue limit, database.
func local(err error, hint string) *mail.Trouble {
	var t *mail.Trouble
	if errors.As(err, &t) {
		return t
	}
	if errors.Is(err, ErrFull) && hint == "" {
		hint = "free some space on the disk of the state directory"
	}
	return &mail.Trouble{Op: mail.OpStore, Kind: mail.Local, Hint: hint, Err: err}
}

// buffers are shared by everything that streams. A large read is one write to the spool.
var buffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

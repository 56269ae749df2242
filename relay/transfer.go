package relay

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"mailretr/store/mail"
)

// Limits of a batch: it is committed when one of them is reached. A bigger batch shares its syncs among more messages and
// loses more of a cut line's work; a second is what a slow line may be kept waiting for durability.
const (
	BatchMessages = 128
	BatchOctets   = 8 << 20
	BatchEvery    = time.Second
)

// A Transfer moves what is due from one side to the other, in one session. The zero values of the optional fields mean
// what stands beside them. One Run at a time.
type Transfer struct {
	From mail.Retriever
	To   mail.Deliverer

	// Choose says what to fetch and what to let go of, by the marks. nil: everything that is due.
	Choose func(ctx context.Context, uids []mail.UID, complete bool) (mail.Choice, error)
	// Take says of a message whose size is known whether this session shall have it; no stays where it is. nil: yes.
	Take func(context.Context, *mail.Message) bool
	// Resolve fills the envelope; it may read the header. An error leaves the message upstream, the others
	// go on; the one that knows why says it itself. nil: the envelope is given.
	Resolve func(context.Context, *mail.Message) error
	// Above: from this size on, in octets, the header is fetched first and the body only when a Sifter wants it.
	// 0: never.
	Above int64
	// Known is asked about messages whose UIDs prove nothing (mail.Choice.Check), once their headers are here:
	// which of them were here before, and which of those are to be let go of. It is durable when Known
	// returns. nil: they are fetched like the rest.
	Known func(context.Context, []*mail.Message) (known, release []mail.UID, err error)
	// Confirm returns when a commit that began after the call is durable; before that no Release. nil: not needed.
	Confirm func(context.Context) error
	// Gone is told what the server has let go of for certain, after Close. nil: nobody wants to know.
	Gone func(context.Context, []mail.UID) error
	// Fault is told of a message that could not be had while others could. nil: nobody wants to know.
	Fault func(context.Context, *mail.Message, error)
	// Messages and Octets are how much becomes durable at once, at the most. 0: BatchMessages and BatchOctets.
	Messages int
	Octets   int64
	// Grace is how long an attempt that is under way may go on after ctx has ended. 0: it is cut at once.
	Grace time.Duration

	Now func() time.Time // nil: time.Now
}

// A Sifter (optional on a mail.Batch) decides about a message by envelope and header, before its body is asked for.
type Sifter interface {
	// Sift returns Fetch, or Leave, or Settled with the report to settle the message with.
	Sift(context.Context, *mail.Message) (Verdict, mail.Report)
}

// A Verdict of a Sifter.
type Verdict uint8

const (
	Fetch   Verdict = iota // the body is wanted
	Leave                  // it stays upstream, nothing more is done in this session
	Settled                // it is taken care of without its body
)

// A Tally is what a transfer did.
type Tally struct {
	Listed   int      // messages in the snapshot
	Messages int      // let go of by this side, or taken by the other
	Octets   int64    // of their contents, as announced
	Refused  int      // settled without their body
	Known    int      // not fetched, because their headers said that they were here before
	Saved    int64    // octets of the bodies that were not fetched
	Left     int      // not taken, or not to be had
	At       mail.UID // the message that was being read when the session broke
	Progress bool     // something whole came through before it broke
}

// Run opens a session, moves what is due, and closes it. The error is the session's end: a *mail.Trouble where the
// maildrop or the line is the cause, or the lane's result when the other side refuses us altogether. What was settled
// before holds.
func (t *Transfer) Run(ctx context.Context) (n Tally, err error) {
	drop, err := t.From.Open(ctx)
	if err != nil {
		return n, err
	}
	run := &run{Transfer: t, drop: drop, n: &n}
	err = run.session(ctx)
	return n, errors.Join(err, run.close(ctx))
}

// run is one Run.
type run struct {
	*Transfer
	drop  mail.Maildrop
	n     *Tally
	check []mail.UID // of what is fetched: the UID proves nothing
}

func (r *run) session(ctx context.Context) error {
	var want []mail.UID
	var release []mail.UID
	if r.Choose != nil {
		uids, complete, err := r.drop.List(ctx)
		if err != nil {
			return err
		}
		r.n.Listed = len(uids)
		c, err := r.Choose(ctx, uids, complete)
		if err != nil {
			return err
		}
		if want, release = c.Fetch, c.Release; len(want) == 0 {
			return r.release(ctx, release)
		}
		r.check = c.Check
	}
	var err error
	if b, ok := r.To.(mail.Batcher); ok {
		var more []mail.UID
		more, err = r.batches(ctx, b, want)
		release = append(release, more...)
	} else {
		err = r.single(ctx, want)
	}
	if err != nil {
		return err
	}
	return r.release(ctx, release)
}

// single moves one message at a time, each settled before the next: the way of a kind that offers nothing more.
func (r *run) single(ctx context.Context, want []mail.UID) error {
	for m, err := range r.drop.Messages(ctx, want) {
		switch {
		case err != nil && m == nil:
			return err
		case err != nil:
			r.fault(ctx, m, err)
			continue
		case !r.wanted(ctx, m):
			continue
		}
		attempt, done := linger(ctx, r.Grace)
		report := deliver(attempt, r.To, m)
		err := r.settle(attempt, m, report)
		done()
		if err != nil {
			return err
		}
		if s := report.Sick(); s != nil {
			return &Sick{Result: *s}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// wanted asks Take and Resolve.
func (r *run) wanted(ctx context.Context, m *mail.Message) bool {
	if r.Take != nil && !r.Take(ctx, m) {
		r.n.Left++
		return false
	}
	if r.Resolve == nil {
		return true
	}
	if err := r.Resolve(ctx, m); err != nil {
		r.fault(ctx, m, err)
		return false
	}
	return true
}

func (r *run) fault(ctx context.Context, m *mail.Message, err error) {
	r.n.Left++
	if r.Fault != nil {
		r.Fault(ctx, m, err)
	}
}

func (r *run) settle(ctx context.Context, m *mail.Message, report mail.Report) error {
	if err := r.drop.Settle(context.WithoutCancel(ctx), m, report); err != nil {
		return err
	}
	if report.Done(len(m.Envelope.Recipients)) {
		r.n.Messages++
		r.n.Octets += max(m.Content.Size(), 0)
		r.n.Progress = true
	}
	return nil
}

// release lets go of what earlier sessions took, once a later commit has returned: a mark that was read may belong to a
// commit that is not durable yet.
func (r *run) release(ctx context.Context, uids []mail.UID) error {
	to, ok := r.drop.(mail.Releaser)
	if !ok || len(uids) == 0 {
		return nil
	}
	if r.Confirm != nil {
		if err := r.Confirm(ctx); err != nil {
			return err
		}
	}
	return to.Release(ctx, uids)
}

// close ends the session and passes on what is gone for certain. What was settled is told even when ctx has ended: a
// deletion that we do not send now costs a session later.
func (r *run) close(ctx context.Context) error {
	err := r.drop.Close()
	c, ok := r.drop.(mail.Confirmed)
	if err != nil || !ok || r.Gone == nil {
		return err
	}
	if gone := c.Gone(); len(gone) > 0 {
		return r.Gone(context.WithoutCancel(ctx), gone)
	}
	return nil
}

// early is the size, in octets, up to which messages keep the server's order. What is larger comes after all of these.
const early = 32 << 10

// gather reads the listing: pointers only, small before large, so that a big message delays nobody.
func (r *run) gather(ctx context.Context, want []mail.UID) (small, large []*mail.Message, err error) {
	for m, e := range r.drop.Messages(ctx, want) {
		switch {
		case e != nil && m == nil:
			return nil, nil, e
		case e != nil:
			r.fault(ctx, m, e)
		case r.Take != nil && !r.Take(ctx, m):
			r.n.Left++
		case r.Above > 0 && m.Content.Size() >= r.Above:
			large = append(large, m)
		default:
			small = append(small, m)
		}
	}
	bySize := func(a, b *mail.Message) int { return cmp.Compare(a.Content.Size(), b.Content.Size()) }
	if r.Above > 0 {
		// Within the small ones the server's order is kept: arrival order is what people expect, and one
		// range costs fewer octets than a list.
		slices.SortStableFunc(small, func(a, b *mail.Message) int {
			return cmp.Compare(max(a.Content.Size(), early), max(b.Content.Size(), early))
		})
		slices.SortStableFunc(large, bySize)
		return small, large, nil
	}
	slices.SortStableFunc(small, bySize)
	return small, nil, nil
}

// A Sick error ends a transfer because the other side refuses us, or is away: the lane is sick.
type Sick struct{ Result mail.Result }

// Error says what the next hop said.
func (s *Sick) Error() string { return s.Result.String() }

// Unwrap returns the cause.
func (s *Sick) Unwrap() error { return s.Result.Err }

// linger returns a context that outlives ctx by grace, so that an attempt which is under way at a stop can end with an
// answer. done releases it.
func linger(ctx context.Context, grace time.Duration) (longer context.Context, done func()) {
	if grace <= 0 {
		return context.WithCancel(ctx)
	}
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(grace, cancel)
		context.AfterFunc(longer, func() { t.Stop() })
	})
	return longer, func() { stop(); cancel() }
}

package relay

import (
	"cmp"
	"context"
	"errors"
	"time"

	"mailretr/store/mail"
)

// headersAhead is how many large messages are asked about before the first of their bodies: enough to fill a round trip
// with headers, few enough that answers of the MTA are fresh when the body comes.
const headersAhead = 32

// batches moves messages in batches: while one batch is made durable, the next is already being read, so that the line
// waits for neither the disk nor a round trip. It returns what turned out to be here, and is to be let go of.
func (r *run) batches(ctx context.Context, to mail.Batcher, want []mail.UID) (release []mail.UID, err error) {
	small, large, err := r.gather(ctx, want)
	if err != nil {
		return nil, err
	}
	if len(r.check) > 0 && r.Known != nil {
		if small, large, release, err = r.recognize(ctx, small, large); err != nil {
			return nil, err
		}
	}
	return release, r.move(ctx, to, small, large)
}

// move moves small messages, then large ones by their headers.
func (r *run) move(ctx context.Context, to mail.Batcher, small, large []*mail.Message) error {
	p := &pair{run: r, filling: to.Batch(), spare: to.Batch()}
	if err := p.all(ctx, small); err != nil {
		return p.end(ctx, err)
	}
	for len(large) > 0 {
		k := min(headersAhead, len(large))
		wanted, err := p.sift(ctx, large[:k])
		if err == nil {
			err = p.all(ctx, wanted)
		}
		if err != nil {
			return p.end(ctx, err)
		}
		large = large[k:]
	}
	return p.end(ctx, nil)
}

// A pair is two batches: one is filled while the other is committed. Settling is done by the filling goroutine between
// two messages, because a maildrop is not for concurrent use.
type pair struct {
	*run
	filling, spare mail.Batch
	in             []*mail.Message // added to filling
	octets         int64
	since          time.Time       // the first was added
	under          []*mail.Message // of the batch that is being committed
	done           chan []mail.Report
}

// ahead tells the maildrop what comes, if it wants to know.
func (r *run) ahead(ctx context.Context, part mail.Part, some []*mail.Message) error {
	if a, ok := r.drop.(mail.Aheader); ok && len(some) > 0 {
		return a.Ahead(ctx, part, some)
	}
	return nil
}

// noHeaders says whether the server gives no header alone (it has no TOP): one would cost as much as the whole.
func noHeaders(err error) bool {
	var none interface{ NoHeaders() bool }
	return errors.As(err, &none) && none.NoHeaders()
}

// sift fetches the headers of large messages and returns those whose bodies are wanted.
func (p *pair) sift(ctx context.Context, some []*mail.Message) ([]*mail.Message, error) {
	sifter, ok := p.filling.(Sifter)
	if !ok {
		return some, nil
	}
	if err := p.ahead(ctx, mail.Header, some); err != nil {
		if noHeaders(err) {
			return some, nil
		}
		return nil, err
	}
	var wanted []*mail.Message
	for _, m := range some {
		p.n.At = m.Origin.UID
		if _, err := m.Content.Header(ctx); err != nil {
			if ended(ctx, err) {
				return nil, err
			}
			p.fault(ctx, m, err)
			continue
		}
		if p.Resolve != nil {
			if err := p.Resolve(ctx, m); err != nil {
				p.fault(ctx, m, err)
				continue
			}
		}
		switch verdict, report := sifter.Sift(ctx, m); verdict {
		case Fetch:
			wanted = append(wanted, m)
		case Leave:
			p.n.Left++
		case Settled:
			if err := p.drop.Settle(ctx, m, report); err != nil {
				return nil, err
			}
			p.n.Refused++
			p.n.Saved += max(m.Content.Size(), 0)
		}
	}
	p.n.At = ""
	return wanted, nil
}

// all reads these messages whole, in this order.
func (p *pair) all(ctx context.Context, some []*mail.Message) error {
	if err := p.ahead(ctx, mail.Whole, some); err != nil {
		return err
	}
	for _, m := range some {
		if err := ctx.Err(); err != nil {
			return err
		}
		p.n.At = m.Origin.UID
		if err := p.add(ctx, m); err != nil {
			return err
		}
		p.n.At = ""
		if p.full() {
			if err := p.turn(ctx); err != nil {
				return err
			}
		} else if err := p.look(ctx); err != nil {
			return err
		}
	}
	return nil
}

// add reads one message into the batch. An error that concerns this message alone is its Fault.
func (p *pair) add(ctx context.Context, m *mail.Message) error {
	if len(m.Envelope.Recipients) == 0 && p.Resolve != nil {
		if err := p.Resolve(ctx, m); err != nil {
			p.fault(ctx, m, err)
			if ended(ctx, err) {
				return err
			}
			return nil
		}
	}
	if err := p.filling.Add(ctx, m); err != nil {
		if ended(ctx, err) {
			return err
		}
		p.fault(ctx, m, err)
		return nil
	}
	if len(p.in) == 0 {
		p.since = p.now()
	}
	p.in = append(p.in, m)
	p.octets += max(m.Content.Size(), 0)
	p.n.Progress = true
	return nil
}

func (p *pair) full() bool {
	if len(p.in) == 0 {
		return false
	}
	return len(p.in) >= cmp.Or(p.Messages, BatchMessages) || p.octets >= cmp.Or(p.Octets, BatchOctets) ||
		p.now().Sub(p.since) >= BatchEvery
}

// turn waits for the batch under way, then starts committing the one that is full.
func (p *pair) turn(ctx context.Context) error {
	if err := p.wait(ctx); err != nil {
		return err
	}
	p.filling, p.spare = p.spare, p.filling
	p.under, p.in, p.octets = p.in, nil, 0
	p.done = commit(ctx, p.spare)
	return nil
}

// commit begins to make a batch durable, and returns where its reports will be. The octets are here and paid for: a stop
// does not throw them away.
func commit(ctx context.Context, b mail.Batch) chan []mail.Report {
	done := make(chan []mail.Report, 1)
	go func() { done <- b.Commit(context.WithoutCancel(ctx)) }()
	return done
}

// look settles the batch under way if its commit has returned meanwhile.
func (p *pair) look(ctx context.Context) error {
	select {
	case reports := <-p.done:
		return p.settled(ctx, reports)
	default:
		return nil
	}
}

// wait waits for the batch under way and settles it.
func (p *pair) wait(ctx context.Context) error {
	if p.done == nil {
		return nil
	}
	return p.settled(ctx, <-p.done)
}

func (p *pair) settled(ctx context.Context, reports []mail.Report) error {
	under := p.under
	p.under, p.done = nil, nil
	for i, m := range under {
		var report mail.Report
		if i < len(reports) {
			report = reports[i]
		}
		if err := p.settle(ctx, m, report); err != nil {
			return err
		}
	}
	return nil
}

// end commits what is whole, also when the session broke: a cut line keeps what was complete. Nothing is read any more, so
// that the last batch need not wait for the one before it: one sync serves both.
func (p *pair) end(ctx context.Context, cause error) error {
	last, in := chan []mail.Report(nil), p.in
	if len(in) > 0 {
		last = commit(ctx, p.filling)
	}
	err := p.wait(ctx)
	if last != nil {
		p.under, p.done, p.in = in, last, nil
		err = cmp.Or(err, p.wait(ctx))
	}
	return cmp.Or(cause, err)
}

func (r *run) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

package relay

import (
	"context"
	"errors"
	"iter"
	"time"

	"mailretr/store/mail"
)

// How a lane becomes sick and well again. A worker whose report speaks of the lane ends its transfer with a Sick
// error; from then on one worker at a time tries the lane, with the first message that is due, at intervals that double.
// Any answer about a message, or about a recipient, makes it well: then everything that waited is due at once.

// sickness returns what the next hop said of us, if that is what ended a transfer.
func sickness(err error) *mail.Result {
	var s *Sick
	if errors.As(err, &s) {
		return &s.Result
	}
	return nil
}

// sicken notes that the lane refuses us or is away.
func (r *Runner) sicken(ctx context.Context, l *lane, why mail.Result) {
	first, most := orDefault(r.SickFirst, 15*time.Second), orDefault(r.SickMost, 15*time.Minute)
	r.mu.Lock()
	now := r.now()
	before := l.sick
	switch {
	case !before:
		l.sick, l.since, l.wait = true, now, first
	case now.Before(l.try): // a worker that was under way when another had found out
		r.mu.Unlock()
		return
	default:
		l.wait = min(2*l.wait, most)
	}
	l.try, l.result = now.Add(l.wait), why
	old := l.idle
	l.idle = nil
	next := l.try
	r.mu.Unlock()
	for _, c := range old {
		c.close()
	}
	if !before {
		if err := r.Queue.Postpone(context.WithoutCancel(ctx), l.name); err != nil {
			r.observe(mail.Event{Op: mail.OpStore, Lane: l.name, Err: err, Alarm: true, Text: "the state of the lane was not noted"})
		}
	}
	r.observe(mail.Event{
		Op: mail.OpLane, Lane: l.name, Outcome: mail.Deferred, Relay: why.RemoteMTA,
		Enhanced: why.Enhanced, Reply: why.Reply, Err: why.Err, Next: next, Alarm: !before,
		Text: "the next hop does not take mail; nothing is lost, it is tried again",
	})
}

// well notes that the lane has answered about a message.
func (r *Runner) well(ctx context.Context, l *lane) {
	r.mu.Lock()
	was, since := l.sick, l.since
	if was {
		l.window = window{}
	}
	l.sick, l.wait, l.result = false, 0, mail.Result{}
	r.mu.Unlock()
	if !was {
		return
	}
	err := r.Queue.DueNow(context.WithoutCancel(ctx), l.name)
	r.observe(mail.Event{
		Op: mail.OpLane, Lane: l.name, Outcome: mail.Delivered, Delay: r.now().Sub(since), Err: err,
		Text: "the next hop takes mail again",
	})
	r.wake()
}

// Sick says of each lane that is sick since when, what was said, and when it is tried again.
func (r *Runner) Sick() map[mail.Lane]Sickness {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[mail.Lane]Sickness{}
	for name, l := range r.lanes {
		if l.sick {
			all[name] = Sickness{Since: l.since, Next: l.try, Result: l.result}
		}
	}
	return all
}

// Retry makes a sick lane tried at once, and what is known of how many connections a lane takes forgotten; all lanes for "".
func (r *Runner) Retry(name mail.Lane) {
	r.init()
	r.mu.Lock()
	for _, l := range r.lanes {
		if name == "" || l.name == name {
			l.try, l.window = time.Time{}, window{}
		}
	}
	r.mu.Unlock()
	r.wake()
}

// A Sickness of a lane.
type Sickness struct {
	Since, Next time.Time
	Result      mail.Result
}

// watched notes that a lane is well from the reports of its deliverer.
type watched struct {
	mail.Deliverer
	r *Runner
	l *lane
}

func (w watched) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	ctx, done := w.r.attempts.begin(ctx, m.ID)
	defer done()
	report := w.Deliverer.Deliver(ctx, m)
	if report.Sick() == nil && answeredAny(report) {
		w.r.well(ctx, w.l)
	}
	w.r.answered(w.l, report)
	return report
}

func answeredAny(report mail.Report) bool {
	for _, x := range report {
		if x.Outcome != mail.Deferred || x.Reply != "" {
			return true
		}
	}
	return false
}

// pokes is a lane's retriever that wakes the dispatcher when a message was leased, so that it may start one worker more, and
// ends when its worker is one too many.
type pokes struct {
	mail.Retriever
	r     *Runner
	spare func() bool
}

func (p pokes) Open(ctx context.Context) (mail.Maildrop, error) {
	drop, err := p.Retriever.Open(ctx)
	if err != nil {
		return nil, err
	}
	return poking{drop, p}, nil
}

type poking struct {
	mail.Maildrop
	p pokes
}

func (p poking) Messages(ctx context.Context, want []mail.UID) iter.Seq2[*mail.Message, error] {
	return func(yield func(*mail.Message, error) bool) {
		first := true
		for m, err := range p.Maildrop.Messages(ctx, want) {
			if first {
				p.p.r.wake()
			}
			if first = false; !yield(m, err) || p.p.spare() {
				return
			}
		}
	}
}

package relay

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"mailretr/store/mail"
)

// A Connection delivers and answers probes over one long-lived connection.
type Connection interface {
	mail.Deliverer
	mail.Prober
	io.Closer
}

// Ask is a mail.Prober that is safe for concurrent use: it asks the lanes to which the message would go, over
// connections kept for the purpose, about the recipients that the queue would make of those of the envelope.
//
// Where a recipient has several lanes, or stands for several others, the best answer counts: it would be accepted if
// one of them is, and is refused only if all are.
//
// Who asks by Probe and First holds a session at a provider meanwhile, so that a lane is not waited for as long as in
// delivering: one that has not answered within [Patience] has not answered, and is asked nothing for the next [Silence].
type Ask struct {
	Rewrite mail.Rewrite // as the queue has it; nil: recipients stay as they are
	Route   mail.Route
	Dial    func(mail.Lane) (Connection, error)

	mu    sync.Mutex
	lanes map[mail.Lane]*asked
	made  int // counts the calls of Renew
}

const (
	// Patience bounds a question, a connection made for it included. It is above what MTAs take to look up or call out
	// for a recipient, and far below the minutes of RFC 5321, 4.5.3.2.
	Patience = 20 * time.Second
	// Silence is how long a lane that was waited for in vain is not asked: each message of a session would wait anew.
	Silence = time.Minute
)

// asked is the one connection of a lane that is used for asking; mu is held while a question is out.
type asked struct {
	mu     sync.Mutex
	conn   Connection
	made   int       // the calls of Renew before it was made
	silent time.Time // until then it is taken for one that does not answer
}

// Probe asks the next hops.
func (a *Ask) Probe(ctx context.Context, m *mail.Message) mail.Report { return a.all(ctx, m, false) }

// First asks only the first lane of each recipient, the one whose refusal the sender hears of.
func (a *Ask) First() mail.Prober {
	return prober(func(ctx context.Context, m *mail.Message) mail.Report { return a.all(ctx, m, true) })
}

// In asks one lane about the recipients as they are, which is how the queue has them.
func (a *Ask) In(lane mail.Lane) mail.Prober {
	return prober(func(ctx context.Context, m *mail.Message) mail.Report { return a.one(ctx, lane, m) })
}

type prober func(context.Context, *mail.Message) mail.Report

func (p prober) Probe(ctx context.Context, m *mail.Message) mail.Report { return p(ctx, m) }

// all asks each lane that the message would go to, and gathers what they say of each recipient.
func (a *Ask) all(ctx context.Context, m *mail.Message, first bool) mail.Report {
	all, report := a.questions(ctx, m, first)
	for _, q := range all {
		part := *m
		part.Envelope.Recipients = q.to
		said := a.soon(ctx, q.lane, &part)
		for i, of := range q.of {
			for _, k := range of {
				report[k] = better(report[k], said.Of(i))
			}
		}
	}
	for i := range report {
		if report[i].Outcome == unasked {
			report[i] = mail.Result{}
		}
	}
	return report
}

// unasked is the outcome of a recipient before anybody has answered.
const unasked mail.Outcome = 0xff

// A question is what one lane is asked.
type question struct {
	lane mail.Lane
	to   []mail.Recipient
	of   [][]int // which recipients of the envelope each stands for
}

// questions sorts the recipients by lane. What cannot be found out about one is in the report already: a deferral, so
// that the message is collected.
func (a *Ask) questions(ctx context.Context, m *mail.Message, first bool) (all []*question, report mail.Report) {
	report = mail.Same(len(m.Envelope.Recipients), mail.Result{Outcome: unasked})
	for k, x := range m.Envelope.Recipients {
		some := []mail.Recipient{x}
		if a.Rewrite != nil {
			var err error
			if some, err = a.Rewrite(ctx, m.Origin, x); err != nil {
				report[k] = mail.Result{Err: err}
				continue
			}
		}
		for _, r := range some {
			lanes := a.Route(m.Origin, m.Envelope, r)
			if first {
				lanes = lanes[:min(len(lanes), 1)]
			}
			for _, l := range lanes {
				all = put(all, l, r, k)
			}
		}
	}
	return all, report
}

// put adds a recipient to the question of its lane, once.
func put(all []*question, lane mail.Lane, r mail.Recipient, k int) []*question {
	i := slices.IndexFunc(all, func(q *question) bool { return q.lane == lane })
	if i < 0 {
		i, all = len(all), append(all, &question{lane: lane})
	}
	q := all[i]
	j := slices.IndexFunc(q.to, func(x mail.Recipient) bool { return x.Forward == r.Forward })
	if j < 0 {
		j = len(q.to)
		q.to, q.of = append(q.to, r), append(q.of, nil)
	}
	q.of[j] = append(q.of[j], k)
	return all
}

// better is the answer that counts: who would take the message, then who does not know, then who refuses.
func better(a, b mail.Result) mail.Result {
	rank := func(r mail.Result) int {
		switch r.Outcome {
		case mail.Delivered:
			return 3
		case mail.Deferred:
			return 2
		case mail.Failed:
			return 1
		}
		return 0
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// soon asks one lane, which has to answer soon. No report is no answer.
func (a *Ask) soon(ctx context.Context, lane mail.Lane, m *mail.Message) mail.Report {
	l := a.take(lane)
	defer l.mu.Unlock()
	if time.Now().Before(l.silent) {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	report := l.ask(limited, a.Dial, lane, m)
	if limited.Err() != nil && ctx.Err() == nil {
		l.silent = time.Now().Add(Silence)
	}
	return report
}

// one asks one lane, and waits as long as in delivering.
func (a *Ask) one(ctx context.Context, lane mail.Lane, m *mail.Message) mail.Report {
	l := a.take(lane)
	defer l.mu.Unlock()
	return l.ask(ctx, a.Dial, lane, m)
}

// take returns what is kept for a lane, locked. What was known of it before a Renew is forgotten.
func (a *Ask) take(lane mail.Lane) *asked {
	a.mu.Lock()
	if a.lanes == nil {
		a.lanes = map[mail.Lane]*asked{}
	}
	l := a.lanes[lane]
	if l == nil {
		l = &asked{}
		a.lanes[lane] = l
	}
	made := a.made
	a.mu.Unlock()
	l.mu.Lock()
	if l.made < made {
		l.close()
		l.made, l.silent = made, time.Time{}
	}
	return l
}

// ask puts a question. mu is held.
func (l *asked) ask(ctx context.Context, dial func(mail.Lane) (Connection, error), lane mail.Lane, m *mail.Message) mail.Report {
	if l.conn == nil {
		conn, err := dial(lane)
		if err != nil {
			return mail.Same(len(m.Envelope.Recipients), mail.Result{Scope: mail.OfLane, Err: err})
		}
		l.conn = conn
	}
	return l.conn.Probe(ctx, m)
}

// Renew is for when next hops have changed: connections that were made before are not asked again.
func (a *Ask) Renew() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made++
	for _, l := range a.lanes {
		if l.mu.TryLock() { // else the next question closes it
			l.close()
			l.mu.Unlock()
		}
	}
}

// Close ends the connections.
func (a *Ask) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.lanes {
		l.mu.Lock()
		l.close()
		l.mu.Unlock()
	}
	a.lanes = nil
	return nil
}

func (l *asked) close() {
	if l.conn != nil {
		l.conn.Close()
	}
	l.conn = nil
}

package main

import (
	"context"
	"sync"
	"time"

	"mailretr/cmd/mailretr/metrics"
	"mailretr/store"
	"mailretr/store/mail"
)

// A stopwatch says how long commits and attempts take, and for how long a commit has been under way. Safe for concurrent
// use.
type stopwatch struct {
	meter *metrics.Meter
	now   func() time.Time

	mu    sync.Mutex
	next  int
	began map[int]time.Time // commits that are under way
}

// engine puts the watch around an engine.
func (w *stopwatch) engine(e store.Engine) store.Engine { return &timedEngine{e, w} }

type timedEngine struct {
	store.Engine
	watch *stopwatch
}

// Commit implements [store.Engine].
func (e *timedEngine) Commit(ctx context.Context, b *store.Batch) error {
	n, began := e.watch.begin()
	err := e.Engine.Commit(ctx, b)
	e.watch.end(n)
	e.watch.meter.Committing(err, e.watch.now().Sub(began))
	return err
}

func (w *stopwatch) begin() (n int, at time.Time) {
	at = w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.began == nil {
		w.began = map[int]time.Time{}
	}
	w.next++
	w.began[w.next] = at
	return w.next, at
}

func (w *stopwatch) end(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.began, n)
}

// writing is for how long the commit that has taken longest has been under way; 0 where there is none.
func (w *stopwatch) writing() (longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.began {
		longest = max(longest, w.now().Sub(at))
	}
	return longest
}

// deliverer puts the watch around what one worker delivers with. A nil watch is none.
func (w *stopwatch) deliverer(kind string, to mail.Deliverer) mail.Deliverer {
	if w == nil {
		return to
	}
	return &timedDeliverer{to, kind, w}
}

type timedDeliverer struct {
	to    mail.Deliverer
	kind  string
	watch *stopwatch
}

// Deliver implements [mail.Deliverer].
func (d *timedDeliverer) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	began := d.watch.now()
	r := d.to.Deliver(ctx, m)
	d.watch.meter.Delivering(d.kind, r, d.watch.now().Sub(began))
	return r
}

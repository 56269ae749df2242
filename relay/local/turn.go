package local

import (
	"context"
	"errors"
	"sync"
	"time"

	"mailretr/store/mail"
)

// Turns let one message at a time into each mailbox, whatever brings it. A destination has few workers, and one user who
// keeps his mailbox locked, or whose program takes long, would soon have them all: what is for a mailbox that has been
// busy for a while is put off, and the worker goes on with the mail of others; so is what has waited that long while other
// mail of the mailbox went in. A mailbox that is only taking one message after another is waited for, since that is soon
// over. The zero value is ready; nil lets everybody in. Safe for concurrent use, and meant to be shared by all connections.
type Turns struct {
	mu  sync.Mutex
	box map[string]*turn
}

// A turn is what is known of a mailbox that is busy, or for which something was put off.
type turn struct {
	busy  bool
	since time.Time
	over  chan struct{} // closed at the end of the delivery under way
	took  time.Duration // by the last one
	next  time.Time     // until then everything is promised to what was put off before
}

const (
	// patience is how old a delivery may be for which another one of the same mailbox waits, and how long that waits for all
	// that go before it: else one who has much mail, each of which takes a little less, would have all workers.
	patience = time.Second
	// shortestTurn and longestTurn bound what one message is thought to take.
	shortestTurn, longestTurn = patience, time.Minute
	// mostAhead is how far ahead turns are given: what a mailbox cannot take until then is asked again.
	mostAhead = 15 * time.Minute
	// manyTurns is how many mailboxes are remembered before those are forgotten that wait for nothing.
	manyTurns = 1000
)

// errTurn is why a message was put off.
var errTurn = errors.New("other mail is on its way into the same mailbox")

// begin waits until a mailbox is free, or says when it may be. end has to be called where the error is nil.
func (t *Turns) begin(ctx context.Context, key string, now func() time.Time) (end func(), err error) {
	if t == nil || key == "" {
		return func() {}, nil
	}
	for came := now(); ; {
		over, left, again := t.enter(key, came, now())
		switch {
		case over == nil:
			return func() { t.leave(key, now()) }, nil
		case left <= 0:
			return nil, &refusal{mail.Result{Scope: mail.OfTurn, Err: errTurn, Again: again}}
		}
		wait := time.NewTimer(left)
		select {
		case <-over:
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return nil, &source{ctx.Err()}
		}
		wait.Stop()
	}
}

// enter makes a mailbox busy: over is nil then. Else left says how long it is worth to wait for over, or again when it
// will be the turn of the caller, who has been there since he came.
func (t *Turns) enter(key string, came, now time.Time) (over chan struct{}, left time.Duration, again time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.box[key]
	if b == nil {
		t.forget(now)
		b = &turn{}
		t.box[key] = b
	}
	if !b.busy {
		b.busy, b.since, b.over = true, now, make(chan struct{})
		return nil, 0, now
	}
	if left = patience - max(now.Sub(b.since), now.Sub(came)); left > 0 {
		return b.over, left, again
	}
	if b.next.Before(now) {
		b.next = now
	}
	b.next = b.next.Add(min(max(b.took, shortestTurn), longestTurn))
	if latest := now.Add(mostAhead); b.next.After(latest) {
		b.next = latest
	}
	return b.over, 0, b.next
}

func (t *Turns) leave(key string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.box[key]
	b.busy, b.took = false, now.Sub(b.since)
	close(b.over)
	if b.next.Before(now) {
		delete(t.box, key)
	}
}

// forget makes room.
func (t *Turns) forget(now time.Time) {
	if t.box == nil {
		t.box = map[string]*turn{}
	}
	if len(t.box) < manyTurns {
		return
	}
	for k, b := range t.box {
		if !b.busy && b.next.Before(now) {
			delete(t.box, k)
		}
	}
}

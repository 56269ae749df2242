package relay

import (
	"context"
	"sync"

	"mailretr/store/mail"
)

// attempts are those under way, by message, so that somebody who wants a message now need not wait for the end of a
// slow one.
type attempts struct {
	mu sync.Mutex
	m  map[mail.ID]context.CancelFunc
}

// begin notes an attempt; done ends it.
func (a *attempts) begin(ctx context.Context, id mail.ID) (attempt context.Context, done func()) {
	yield, end := context.WithCancel(context.Background())
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.m == nil {
		a.m = map[mail.ID]context.CancelFunc{}
	}
	a.m[id] = end
	return mail.WithYield(ctx, yield), func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.m, id)
		end()
	}
}

// Yield asks the attempt of a message to give way, which it does as long as nothing can have been delivered. Whoever
// waits for the message has it then, or as soon as the answer is there. Without an attempt it does nothing.
func (r *Runner) Yield(id mail.ID) {
	r.attempts.mu.Lock()
	defer r.attempts.mu.Unlock()
	if yield := r.attempts.m[id]; yield != nil {
		yield()
	}
}

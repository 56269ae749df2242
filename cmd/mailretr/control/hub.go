package control

import (
	"sync"

	"mailretr/store/mail"
)

// A Hub passes events on to whoever listens at the moment. It is a mail.Observer, and never blocks: a
// listener that does not keep up misses events. The zero value is ready. Safe for concurrent use.
type Hub struct {
	mu   sync.Mutex
	subs map[chan mail.Event]struct{}
}

// backlog is how many events a listener may be behind.
const backlog = 256

// Observe passes an event on.
func (h *Hub) Observe(e mail.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.subs {
		select {
		case c <- e:
		default:
		}
	}
}

// Listen returns a channel of events, and what ends it. The channel is not closed.
func (h *Hub) Listen() (events <-chan mail.Event, stop func()) {
	c := make(chan mail.Event, backlog)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs == nil {
		h.subs = map[chan mail.Event]struct{}{}
	}
	h.subs[c] = struct{}{}
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs, c)
	}
}

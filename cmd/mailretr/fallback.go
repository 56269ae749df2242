package main

import (
	"context"

	"mailretr/store"
	"mailretr/store/mail"
)

// fallback says where mail goes that has waited for a destination too long.
func (h *house) fallback(l mail.Lane) store.Fallback {
	d, ok := h.destination(l)
	if !ok || d.Fallback == nil {
		return store.Fallback{}
	}
	return store.Fallback{To: mail.Lane(d.Fallback.To), After: d.Fallback.After}
}

// fallBack moves what has waited too long, of each destination that has a fall-back.
func (h *house) fallBack(ctx context.Context) {
	for _, d := range h.config.Load().Deliver {
		if d.Fallback == nil {
			continue
		}
		if _, err := h.queue.FallBack(ctx, mail.Lane(d.Name)); err != nil && ctx.Err() == nil {
			h.around.observe.Observe(mail.Event{At: h.now(), Op: mail.OpMove, Lane: mail.Lane(d.Name), Err: err, Alarm: true,
				Text: "what has waited too long was not moved to the fall-back; that is tried again"})
		}
	}
}

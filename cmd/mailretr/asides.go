package main

import (
	"context"

	"mailretr/store/mail"
)

// nameAsides has the status name the messages that are left upstream, by their notes. These are durable at once; the
// status is saved every half minute, and a process that is killed takes what it has learned since with it: nobody would
// hear of a message that waits for a better line, perhaps for a week, until it is tried again.
func (h *house) nameAsides(ctx context.Context) {
	for a, err := range h.queue.Asides(ctx, "") {
		if err != nil {
			h.around.observe.Observe(mail.Event{At: h.now(), Op: mail.OpStore, Err: err,
				Text: "the status does not name all that is left in the maildrops"})
			return
		}
		if !a.Next.After(h.now()) {
			continue // the next visit tries it, and names it if it stays
		}
		h.status.Observe(mail.Event{At: a.Since, Op: mail.OpAside, Messages: 1, Octets: a.Size, Next: a.Next,
			Attempt: a.Tries, Text: a.Why,
			Origin: mail.Origin{Maildrop: a.Maildrop, Account: a.Account, UID: a.UID}})
	}
}

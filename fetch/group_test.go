package fetch

import (
	"fmt"
	"testing"
	"time"

	"mailretr/store/mail"
)

// Maildrops of one group have so many sessions together, whatever servers they are at; others go on beside them.
func TestSessionsOfAGroup(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var all []string
		for i, name := range names(12) {
			b := w.drop(name, fmt.Sprintf("server%d", i))
			b.last = 2 * time.Second
			b.put(mail.UID(name), 2000)
			all = append(all, name)
		}
		drops := w.drops(all...)
		for i := range 10 {
			drops[i].Group, drops[i].Together = "anna", 2
		}
		w.p.Set(t.Context(), drops)
		stop := w.run()
		after(time.Second)
		if w.p.mu.Lock(); w.p.running != 4 || w.p.group["anna"] != 2 {
			t.Errorf("%d sessions, %d of the group", w.p.running, w.p.group["anna"])
		}
		w.p.mu.Unlock()
		after(4 * time.Minute)
		if n := w.queue.count(); n != 12 {
			t.Errorf("%d of 12 messages were collected", n)
		}
		w.mu.Lock()
		if w.peak != 4 {
			t.Errorf("%d sessions at once, want 4", w.peak)
		}
		w.mu.Unlock()
		stop()
	})
}

package fetch

import (
	"fmt"
	"strings"
	"testing"

	"mailretr/store/mail"
)

// Where the queue takes some of a batch and not the rest, as without file descriptors, what it took is let go of; the
// rest is no reason to go on, and the visit says why.
func TestR25_SomeAreNotTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		for i := range 1000 {
			b.put(mail.UID(fmt.Sprint(i)), 1000)
		}
		w.queue.spurns = "7"
		v := w.visit("jaco")
		if kindOf(v.Err) != mail.Local || !strings.Contains(fmt.Sprint(v.Err), "not this one") {
			t.Errorf("%v", v.Err)
		}
		if n, left := len(b.bodies()), len(b.uids()); n > 300 || left != 1000-(n-1) {
			t.Errorf("%d bodies crossed the line, %d messages are left", n, left)
		}
		w.queue.spurns = ""
		if v := w.visit("jaco"); v.Err != nil || len(b.uids()) != 0 || len(w.queue.twice) != 0 {
			t.Errorf("%v, %d left, %v twice", v.Err, len(b.uids()), w.queue.twice)
		}
	})
}

package fetch

import (
	"fmt"
	"strings"
	"testing"
	"time"

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

// R8: a body that is announced as short and has no end is cut off, and asked for again by the rule of what was cut; other mail
// flows.
func TestR8_BodyWithoutEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.change = func(d *Drop) { d.Most = 2 << 20 }
		b.put("liar", 20<<20).size = 100
		b.put("odd", 2<<20+1000).size = 2 << 20 // some servers count wrongly
		w.p.Set(t.Context(), w.drops("jaco"))
		stop := w.run()
		after(12 * time.Hour)
		b.put("small", 1000)
		after(12 * time.Hour)
		stop()
		if w.queue.has("liar") || !w.queue.has("small") || !w.queue.has("odd") {
			t.Error("the liar is here, or others are not")
		}
		x := w.state("jaco").Suspects["liar"]
		if n := strings.Count(fmt.Sprint(b.bodies()), "liar"); n > 4 || x.Wasted > 4*(3<<20+64<<10) || x.Cuts != n {
			t.Errorf("it was asked for %d times, %+v", n, x)
		}
		if a := w.aside("liar"); a == nil || a.Kind != AsideCut {
			t.Errorf("%+v", a)
		}
	})
}

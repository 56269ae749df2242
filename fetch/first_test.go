package fetch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

func TestFirstNew(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		full, empty := w.drop("full", "isp"), w.drop("empty", "isp")
		for _, b := range []*box{full, empty} {
			b.change = func(d *Drop) { d.First.New = true }
		}
		full.put("old", 100)
		w.visit("full")
		w.p.Set(t.Context(), w.drops("full", "empty"))
		w.visit("empty")
		full.put("f1", 100)
		empty.put("e1", 100)
		w.notes.m = map[string]string{} // what the poller remembers is lost: the marks know
		w.p = w.poller()
		w.p.Set(t.Context(), w.drops("full", "empty"))
		w.p.Poll(t.Context())
		if w.queue.has("old") || !w.queue.has("f1") || !w.queue.has("e1") {
			t.Error("old mail was collected, or new mail was not")
		}
		if e := w.events.of(mail.OpList)[0]; !strings.Contains(e.Text, "1 message left") {
			t.Errorf("told: %+v", e)
		}
	})
}

func TestFirstWithin(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := w.drop("jaco", "isp")
		b.change = func(d *Drop) { d.First.Within = 30 * 24 * time.Hour }
		now := time.Now()
		letters := map[mail.UID]*letter{}
		dated := func(uid mail.UID, days int, how string) {
			l := b.put(uid, 500)
			date := now.AddDate(0, 0, -days)
			if how == "internal" {
				l.date = date
				return
			}
			l.data = append(fmt.Appendf(nil, how, date.Format("Mon, 2 Jan 2006 15:04:05 -0700")), l.data...)
			letters[uid] = l
		}
		dated("i-old", 31, "internal")
		dated("i-young", 29, "internal")
		dated("r-old", 31, "Received: by x;\r\n\t%s\r\nDate: Mon, 1 Jan 2035 00:00:00 +0000\r\n")
		dated("r-young", 29, "Received: by x; %s\r\n")
		dated("d-old", 31, "Date: %s\r\n")
		dated("d-young", 29, "Date: %s\r\n")
		dated("none", 400, "Date: %.0s\r\n")
		b.put("headless", 100).header = &mail.Trouble{Alone: true, Kind: mail.Protocol}
		v := w.visit("jaco")
		for _, uid := range []mail.UID{"i-old", "r-old", "d-old"} {
			if w.queue.has(uid) {
				t.Errorf("%s was collected", uid)
			}
		}
		for _, uid := range []mail.UID{"i-young", "r-young", "d-young", "none"} {
			if !w.queue.has(uid) {
				t.Errorf("%s was not collected: %+v", uid, v)
			}
		}
		if letters["r-old"].forgot != 1 || letters["d-old"].forgot != 1 || letters["r-young"].forgot != 0 {
			t.Error("the headers of mail that stays are kept in memory, or those of others are not")
		}
		if b.sizes != 1 {
			t.Errorf("sizes were asked for %d times", b.sizes)
		}
		dated("i-late", 31, "internal") // moved in later: no first contact any more
		w.visit("jaco")
		if !w.queue.has("i-late") {
			t.Error("what came after first contact was left")
		}
	})
}

package fetch

import (
	"testing"
	"time"

	"mailretr/store/mail"
)

// A body that is announced with a gigabyte and trickles keeps large mail of its own server away, and nobody else's; one
// that is slow because the line is keeps its slot.
func TestAnnouncedAndTrickling(t *testing.T) {
	for name, c := range map[string]struct {
		size        int64 // announced
		drips       int   // octets a minute
		least, most time.Duration
	}{
		"a lie":              {1e9, 6000, crawlAfter, crawlAfter + 10*time.Minute},
		"longer than said":   {1 << 20, 60_000, 30 * time.Minute, time.Hour},
		"a line that crawls": {20e6, 120_000, 2 * time.Hour, 3 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				begin := time.Now()
				w.queue.when = map[mail.UID]time.Duration{}
				w.queue.now = func() time.Duration { return time.Since(begin) }
				w.p.Large, w.p.PerServer = 1, 2
				liar := w.drop("liar", "far").put("lie", 20e6)
				liar.size, liar.drips = c.size, c.drips
				w.p.Set(t.Context(), w.drops("liar"))
				defer w.run()()
				after(time.Minute)
				w.drop("other", "near").put("large", 2e6)
				w.drop("beside", "far").put("its own", 2e6)
				w.drop("small", "far").put("small", 2000)
				w.p.Set(t.Context(), w.drops("liar", "other", "beside", "small"))
				after(4 * time.Hour)
				large, own, small := w.queue.at("large"), w.queue.at("its own"), w.queue.at("small")
				if large < c.least || large > c.most || small > 5*time.Minute || small == 0 {
					t.Errorf("large mail of another server came after %s, small mail after %s", large, small)
				}
				if end := w.queue.at("lie"); own != 0 && (end == 0 || own < end) {
					t.Errorf("another large one of the same server came after %s, before the end (%s)", own, end)
				}
				after(100 * time.Hour)
				w.p.mu.Lock()
				defer w.p.mu.Unlock()
				if w.queue.count() != 4 || w.p.large != 0 || w.p.crawling != 0 {
					t.Errorf("%d came; %d slots are taken, %d crawl", w.queue.count(), w.p.large, w.p.crawling)
				}
			})
		})
	}
}

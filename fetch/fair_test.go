package fetch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// A 10 MB message in front of 20 small ones, and 20 small ones in each of 100 other maildrops at several
// servers, each connection at 1 MB/s: the last small one is here within 2 s where the large one waits in
// the same maildrop, within 1.2 s elsewhere, and all of them before the large one.
func TestLargeDelaysNobody(t *testing.T) {
	for _, c := range []struct{ servers, perServer int }{{10, 3}, {1, 20}} {
		inBubble(t, func(t *testing.T, w *world) { largeDelaysNobody(t, w, c.servers, c.perServer) })
	}
}

func largeDelaysNobody(t *testing.T, w *world, servers, perServer int) {
	begin := time.Now()
	w.p.PerServer = perServer
	w.queue.when = map[mail.UID]time.Duration{}
	w.queue.now = func() time.Duration { return time.Since(begin) }
	var all []string
	for i := range 101 {
		name := fmt.Sprintf("drop%03d", i)
		all = append(all, name)
		b := w.line(name, fmt.Sprint("isp", i%servers))
		b.last = 10 * time.Millisecond
		if i == 0 {
			b.put("large", 10e6)
		}
		for j := range 20 {
			b.put(mail.UID(fmt.Sprintf("%s/%02d", name, j)), 5000)
		}
	}
	w.p.Set(t.Context(), w.drops(all...))
	defer w.run()()
	after(30 * time.Second)
	if w.queue.count() != 101*20+1 {
		t.Fatalf("%d messages", w.queue.count())
	}
	var here, elsewhere time.Duration
	for uid, when := range w.queue.when {
		switch {
		case uid == "large":
		case strings.HasPrefix(string(uid), "drop000/"):
			here = max(here, when)
		default:
			elsewhere = max(elsewhere, when)
		}
	}
	large := w.queue.when["large"]
	t.Logf("the last small one: %s in the same maildrop, %s elsewhere; the large one: %s", here, elsewhere, large)
	if here > 2*time.Second || elsewhere > 1200*time.Millisecond || large < here || large < elsewhere {
		t.Errorf("here %s, elsewhere %s, large %s", here, elsewhere, large)
	}
}

// Large bodies never have all sessions: small mail of other maildrops at the same server goes on beside
// them, whatever the limits say.
func TestLargeLeavesASession(t *testing.T) {
	for _, c := range []struct{ perServer, overall, large int }{{3, 20, 5}, {2, 2, 2}, {3, 3, 20}, {1, 3, 20}} {
		inBubble(t, func(t *testing.T, w *world) {
			begin := time.Now()
			w.queue.when = map[mail.UID]time.Duration{}
			w.queue.now = func() time.Duration { return time.Since(begin) }
			w.p.PerServer, w.p.Overall, w.p.Large = c.perServer, c.overall, c.large
			for i := range 5 {
				server := "isp"
				if c.perServer == 1 {
					server = fmt.Sprint("isp", i)
				}
				w.line(fmt.Sprint("large", i), server).put(mail.UID(fmt.Sprint("l", i)), 15e6)
			}
			w.p.Set(t.Context(), w.drops("large0", "large1", "large2", "large3", "large4"))
			defer w.run()()
			after(time.Second)
			w.line("small", "isp").put("s", 5000)
			w.p.Set(t.Context(), w.drops("large0", "large1", "large2", "large3", "large4", "small"))
			after(10 * time.Minute)
			if when := w.queue.when["s"]; when == 0 || when > 2*time.Second {
				t.Errorf("%+v: the small one after %s", c, when)
			}
			if w.queue.count() != 6 {
				t.Errorf("%+v: %d messages", c, w.queue.count())
			}
		})
	}
}

// slow is a disk on which what is known of a maildrop takes a second.
type slow struct{ Notes }

func (s slow) Save(ctx context.Context, name string, state []byte) error {
	return errors.Join(pause(ctx, time.Second), s.Notes.Save(ctx, name, state))
}

// The line does not wait for the disk: a session that has hung up and notes how it ended leaves its slot to the next.
// There are never more of these than there are slots.
func TestSlotIsFreeWhenItHasHungUp(t *testing.T) {
	for _, c := range []struct {
		overall int
		within  time.Duration
	}{{0, 900 * time.Millisecond}, {1, 5 * time.Second}} {
		inBubble(t, func(t *testing.T, w *world) {
			w.p.Notes, w.p.PerServer, w.p.Overall = slow{w.notes}, 1, c.overall
			all := names(10)
			for _, name := range all {
				w.drop(name, "isp").put(mail.UID(name), 100)
			}
			begin, latest := time.Now(), time.Duration(0)
			w.queue.when = map[mail.UID]time.Duration{}
			w.queue.now = func() time.Duration { return time.Since(begin) }
			w.p.Set(t.Context(), w.drops(all...))
			defer w.run()()
			after(20 * time.Second)
			for _, name := range all {
				latest = max(latest, w.queue.at(mail.UID(name)))
			}
			if w.queue.count() != len(all) || latest > c.within || w.most["isp"] > 1 {
				t.Errorf("%d came, the last one after %s; %d sessions at once", w.queue.count(), latest, w.most["isp"])
			}
			if c.overall == 1 && latest < 4*time.Second {
				t.Errorf("the last one came after %s: too many sessions wait for the disk", latest)
			}
		})
	}
}

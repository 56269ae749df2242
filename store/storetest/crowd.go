package storetest

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

// parallel has eight writers and two deliverers at work at once; each message ends exactly once.
func parallel(t *testing.T, s *state) {
	const writers, each = 8, 25
	c := &crowd{t: t, s: s, ended: make(map[mail.ID]int), stop: make(chan struct{})}
	var put, work sync.WaitGroup
	for w := range writers {
		put.Go(func() {
			for i := range each {
				c.put(mail.UID(fmt.Sprintf("f/%d/%d", w+1, i+1)))
			}
		})
	}
	for range 2 {
		work.Go(c.deliver)
	}
	put.Wait()
	for len(s.ids(store.Filter{})) > 0 {
		runtime.Gosched()
	}
	close(c.stop)
	work.Wait()
	if len(c.ended) != writers*each {
		t.Fatalf("%d of %d ended", len(c.ended), writers*each)
	}
	for id, n := range c.ended {
		if n != 1 {
			t.Fatalf("%s ended %d times", id, n)
		}
	}
	s.reopen()
	s.wantIDs("after all ended")
}

// A crowd is many goroutines on one engine.
type crowd struct {
	t     *testing.T
	s     *state
	mu    sync.Mutex
	ended map[mail.ID]int
	stop  chan struct{}
}

func (c *crowd) put(u mail.UID) {
	c.mu.Lock()
	r := c.s.record("jaco")
	c.mu.Unlock()
	c.s.stage(&r, text(100+len(u)))
	err := c.s.e.Commit(ctx, &store.Batch{Put: []store.Record{r}, Seen: []store.Seen{
		{Account: "a", UID: u, Mark: store.Taken, New: true},
	}})
	if err != nil {
		c.t.Error(err)
	}
}

// deliver leases and ends what is there until it is told to stop.
func (c *crowd) deliver() {
	for {
		l, _, err := c.s.e.LeaseMessages(ctx, store.Filter{Due: epoch.Add(time.Hour)}, 3, time.Minute)
		if err != nil {
			c.t.Error(err)
		}
		for _, x := range l {
			b := &store.Batch{Remove: []mail.ID{x.Record.ID}, Fence: []store.Lease{x.Lease}}
			if err := c.s.e.Commit(ctx, b); err != nil {
				c.t.Error(err)
			}
			c.mu.Lock()
			c.ended[x.Record.ID]++
			c.mu.Unlock()
		}
		if len(l) > 0 {
			continue
		}
		select {
		case <-c.s.e.Wake():
		case <-c.stop:
			return
		}
	}
}

package store

import (
	"context"
	"math"
	"sync"
	"time"

	"mailretr/store/mail"
)

// Fairness within a lane. What is due is attempted in the order of due times, so that somebody who has queued 50,000
// messages would make everybody else wait behind them. So a new message goes before what waits already, if it is small and
// if both its sender and its maildrop have brought less than a quarter of what the lane was given lately. It gets a due
// time near that of the first in the lane: nothing is searched for when messages are leased.
//
// Nobody is starved: each one that overtakes is placed a little behind the one before it, in due time, so that a message
// which became due some time after the first of its lane is overtaken by at most one for each [overtakeStep] between them.

const (
	overtakeSize  = 256 << 10        // octets; what is larger stays in its place: small before large
	overtakeStep  = time.Millisecond // of due time, between two that overtake
	overtakeAbove = 20               // messages of late; with fewer there is no crowd but who waits from before
	overtakeOld   = time.Minute      // how long that is
	overtakeLook  = time.Second      // how old the known first due time of a lane may be
	lately        = time.Hour        // in which what was brought counts half
	mostCrowd     = 20_000           // keys that are counted; beyond, all is forgotten
)

// crowd is who has brought how much lately, by lane. Not durable: it is about the order of hours.
type crowd struct {
	mu     sync.Mutex
	looked time.Time
	first  map[mail.Lane]time.Time // the earliest due time of each lane
	front  map[mail.Lane]time.Time // where the next one that overtakes is placed, at the earliest
	begun  time.Time               // of the counts, which are halved in place of being aged one by one
	counts map[crowdKey]float64
}

type crowdKey struct {
	lane mail.Lane
	who  string // "" is everybody
}

// overtake gives a record that is being queued its place in the lane.
func (q *Queue) overtake(ctx context.Context, r *Record) error {
	c, now := &q.crowd, q.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.age(now)
	few, calm := c.few(r)
	if !few || r.Size > overtakeSize {
		return nil
	}
	if now.Sub(c.looked) >= overtakeLook || now.Before(c.looked) {
		first, err := q.Engine.Lanes(ctx)
		if err != nil {
			return err
		}
		c.first, c.looked = first, now
	}
	at, waits := c.first[r.Lane]
	if f := c.front[r.Lane]; f.After(at) {
		at = f
	}
	if calm && now.Sub(at) < overtakeOld {
		return nil
	}
	if waits && at.Before(r.Due) {
		r.Due, c.front[r.Lane] = at, at.Add(overtakeStep)
	}
	return nil
}

// few counts a record, and says whether who has brought it is not the crowd; calm: nobody is, of late. What waits then was
// brought long ago, or before a restart.
func (c *crowd) few(r *Record) (few, calm bool) {
	all := crowdKey{lane: r.Lane}
	few, calm = true, c.counts[all] < overtakeAbove
	for _, who := range r.bringers() {
		k := crowdKey{r.Lane, who}
		few = few && 4*c.counts[k] < max(c.counts[all], overtakeAbove)
		c.counts[k]++
	}
	c.counts[all]++
	return few, calm
}

// bringers are those by whom a record is counted: its sender, or, of a report, who gets it; and its maildrop.
func (r *Record) bringers() []string {
	who := []string{"from " + string(r.Reverse)}
	if r.Reverse.Null() && len(r.Recipients) > 0 {
		who[0] = "to " + string(r.Recipients[0].Forward)
	}
	if r.Origin.Maildrop != "" {
		who = append(who, "of "+r.Origin.Maildrop)
	}
	return who
}

// age lets what was brought count less as time goes by.
func (c *crowd) age(now time.Time) {
	passed := now.Sub(c.begun)
	if c.counts == nil || len(c.counts) > mostCrowd || passed < 0 || passed > 24*lately {
		c.begun, c.counts, c.front = now, map[crowdKey]float64{}, map[mail.Lane]time.Time{}
		return
	}
	if passed < lately/10 {
		return
	}
	half := math.Pow(0.5, passed.Hours()/lately.Hours())
	for k, n := range c.counts {
		if n *= half; n < 0.1 {
			delete(c.counts, k)
		} else {
			c.counts[k] = n
		}
	}
	c.begun = now
}

package store

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"mailretr/store/mail"
)

// Nobody shall get more reports than somebody can read: a forged sender would be flooded with what others have sent.
// Above [Queue.Flood] reports to one sender in an hour the recipients stay owed, and are told of in later hours, as many
// in each as may be. What would have to wait for longer than a day is held. How many were sent is durable with them.

// spaceFlood has how many reports went to whom: owner: the hour, key: the sender; the value is the number.
const spaceFlood = "reports"

// mostSenders bounds how many senders are counted in an hour. Those beyond are not limited: they are too many to be one.
const mostSenders = 50_000

// floodDay is how long a report may wait for room.
const floodDay = 24 * time.Hour

// flood counts reports of this hour. The zero value has counted nothing.
type flood struct {
	mu      sync.Mutex
	loaded  bool
	hour    int64
	sent    map[string]int
	waiting map[string]int
	stale   []Note // of hours that are over, to be removed with the next commit
}

// A ticket is the right to send one report.
type ticket struct {
	sender string
	notes  []Note
	later  time.Time // no room: when there may be some
}

// room says whether a report may go to a sender now, and counts it. queues: where there is no room it waits for a time that
// nobody else has; what asks again anyway, whenever it likes, must not take a place each time.
func (q *Queue) room(ctx context.Context, to mail.Path, queues bool) (ticket, error) {
	most := 0
	if q.Flood != nil {
		most = q.Flood()
	}
	if most <= 0 || to.Null() {
		return ticket{}, nil
	}
	f, now := &q.flood, q.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.turn(ctx, q.Engine, now.Unix()/3600); err != nil {
		return ticket{}, err
	}
	k := strings.ToLower(string(to))
	if f.sent[k] >= most {
		hours := 1 + f.waiting[k]/most // each hour has room for so many of those who wait
		if queues {
			f.waiting[k]++
		}
		return ticket{later: time.Unix((f.hour+int64(hours))*3600, 0)}, nil
	}
	if _, known := f.sent[k]; !known && len(f.sent) >= mostSenders {
		return ticket{}, nil
	}
	f.sent[k]++
	t := ticket{sender: k, notes: append(f.stale, Note{
		Space: spaceFlood, Owner: strconv.FormatInt(f.hour, 10), Key: k, Value: []byte(strconv.Itoa(f.sent[k]))})}
	f.stale = nil
	return t, nil
}

// turn begins a new hour, and reads what an earlier process has counted.
func (f *flood) turn(ctx context.Context, e Engine, hour int64) error {
	if f.loaded && f.hour == hour {
		return nil
	}
	sent := map[string]int{}
	var stale []Note
	for n, err := range e.Notes(ctx, spaceFlood, "") {
		if err != nil {
			return err
		}
		if n.Owner != strconv.FormatInt(hour, 10) {
			n.Value = nil
			stale = append(stale, n)
			continue
		}
		if sent[n.Key], err = strconv.Atoi(string(n.Value)); err != nil {
			return err
		}
	}
	f.loaded, f.hour, f.sent, f.waiting, f.stale = true, hour, sent, map[string]int{}, stale
	return nil
}

// unused takes back a ticket whose report was not sent.
func (q *Queue) unused(t ticket) {
	if t.sender == "" {
		return
	}
	q.flood.mu.Lock()
	defer q.flood.mu.Unlock()
	if n := q.flood.sent[t.sender]; n > 0 {
		q.flood.sent[t.sender] = n - 1
	}
}

// flooded puts off recipients whose sender has had enough reports in this hour, or holds what has waited long.
func (s *settling) flooded(at []int, later time.Time) {
	since := s.j.now
	for _, i := range at {
		if t := s.j.Recipients[i].Last.At; t.Before(since) {
			since = t
		}
	}
	if r := s.j.Released; r.After(since) {
		since = r
	}
	if later.Sub(since) <= floodDay || waitingCount(&s.j.Record) > 0 {
		s.later(later)
		return
	}
	s.hold(HoldFlood, "it failed, and its sender has had so many reports that this one had no room for a day: "+
		s.j.Recipients[at[0]].Last.result().String())
}

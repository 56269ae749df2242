package relay

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/store/mail"
)

// depot is a queue in memory with many lanes, which hands out what is due in due order. As the queue does, it leaves the
// due time of what a lane refused.
type depot struct {
	mu    sync.Mutex
	lanes map[mail.Lane]*dueOrder
	wake  chan struct{}
	n     int
}

type parcel struct {
	uid mail.UID
	due time.Time
	n   int
}

type dueOrder []parcel

func (d dueOrder) Len() int { return len(d) }
func (d dueOrder) Less(i, j int) bool {
	return d[i].due.Before(d[j].due) || d[i].due.Equal(d[j].due) && d[i].n < d[j].n
}
func (d dueOrder) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d *dueOrder) Push(x any)   { *d = append(*d, x.(parcel)) }
func (d *dueOrder) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}

func newDepot() *depot {
	return &depot{lanes: map[mail.Lane]*dueOrder{}, wake: make(chan struct{}, 1)}
}

func (d *depot) put(l mail.Lane, due time.Time) mail.UID {
	d.mu.Lock()
	d.n++
	p := parcel{mail.UID(fmt.Sprintf("m%06d", d.n)), due, d.n}
	d.push(l, p)
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
	return p.uid
}

func (d *depot) push(l mail.Lane, p parcel) {
	if d.lanes[l] == nil {
		d.lanes[l] = &dueOrder{}
	}
	heap.Push(d.lanes[l], p)
}

func (d *depot) left(l mail.Lane) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lanes[l].Len()
}

func (d *depot) Lanes(context.Context) (map[mail.Lane]time.Time, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[mail.Lane]time.Time{}
	for l, q := range d.lanes {
		if q.Len() > 0 {
			all[l] = (*q)[0].due
		}
	}
	return all, nil
}

func (d *depot) Lane(l mail.Lane) mail.Retriever           { return depotLane{d, l} }
func (d *depot) Wake() <-chan struct{}                     { return d.wake }
func (d *depot) Postpone(context.Context, mail.Lane) error { return nil }
func (d *depot) DueNow(context.Context, mail.Lane) error   { return nil }
func (l depotLane) Open(context.Context) (mail.Maildrop, error) {
	return &depotSession{depotLane: l}, nil
}
func (x *depotSession) Close() error { return nil }
func (x *depotSession) List(context.Context) ([]mail.UID, bool, error) {
	return nil, false, errors.New("not asked for")
}

type depotLane struct {
	d *depot
	l mail.Lane
}

type depotSession struct {
	depotLane
	now  parcel
	sick bool
}

func (x *depotSession) Messages(context.Context, []mail.UID) iter.Seq2[*mail.Message, error] {
	return func(yield func(*mail.Message, error) bool) {
		for !x.sick {
			x.d.mu.Lock()
			q := x.d.lanes[x.l]
			if q.Len() == 0 || (*q)[0].due.After(time.Now()) {
				x.d.mu.Unlock()
				return
			}
			x.now = heap.Pop(q).(parcel)
			x.d.mu.Unlock()
			m := &mail.Message{Origin: mail.Origin{UID: x.now.uid}, Queued: x.now.due,
				Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: "a@b.example"}}},
				Content:  &held{s: newStock(letter("x", 100)), uid: "u1"}}
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (x *depotSession) Settle(_ context.Context, _ *mail.Message, r mail.Report) error {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	x.sick = r.Sick() != nil
	if r.Done(1) {
		return nil
	}
	if !x.sick {
		x.now.due = time.Now().Add(time.Hour)
	}
	x.d.push(x.l, x.now)
	return nil
}

// next is a next hop: what it does is its answer, how many it serves at once is noted.
type next struct {
	mu      sync.Mutex
	open    int // connections that are being served
	most    int
	refused int
	tries   []time.Time
	took    []mail.UID
	late    time.Duration // the longest wait of a message

	limit int           // connections; 0: any number
	time  time.Duration // of one message
	away  func() bool   // nil: never
	cut   func(n int) bool
}

func (n *next) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	n.mu.Lock()
	n.tries = append(n.tries, time.Now())
	refuse := n.away != nil && n.away()
	if full := n.limit > 0 && n.open == n.limit; refuse || full {
		n.refused++
		n.mu.Unlock()
		return mail.Report{{Scope: mail.OfLane, Reply: "421 4.3.2 not now", After: mail.OpGreeting, Err: errors.New("refused")}}
	}
	n.open++
	n.most = max(n.most, n.open)
	number := len(n.tries)
	n.took = append(n.took, m.Origin.UID)
	n.late = max(n.late, time.Since(m.Queued))
	n.mu.Unlock()
	time.Sleep(n.time)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open--
	if n.cut != nil && n.cut(number) {
		return mail.Report{{Scope: mail.OfMessage, After: mail.OpData, Err: errors.New("connection reset")}}
	}
	return mail.Report{{Outcome: mail.Delivered, Reply: "250 ok"}}
}

// deliver runs a Runner over lanes with these next hops, in a bubble of its own.
func deliverTo(t *testing.T, d *depot, connections int, hops map[mail.Lane]*next, test func(*Runner)) {
	r := &Runner{Queue: d, Connections: func(mail.Lane) int { return connections },
		Dial: func(l mail.Lane) (mail.Deliverer, func() error, error) {
			return hops[l], func() error { return nil }, nil
		}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	test(r)
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A destination is away for twelve hours with 50,000 messages waiting, and another one is well: mail of the healthy one is
// never delayed, the sick one is tried by one connection at a time and at intervals that grow to 15 minutes, and afterwards
// everything drains in due order, over as many connections as there may be.
func TestRunnerTwelveHoursAway(t *testing.T) {
	const backlog, outage = 50_000, 12 * time.Hour
	synctest.Test(t, func(t *testing.T) {
		d, begun := newDepot(), time.Now()
		healthy := &next{time: 100 * time.Millisecond}
		sick := &next{time: 20 * time.Millisecond, away: func() bool { return time.Since(begun) < outage }}
		for i := range backlog {
			d.put("sick", begun.Add(-time.Duration(backlog-i)*time.Millisecond))
		}
		deliverTo(t, d, 8, map[mail.Lane]*next{"sick": sick, "healthy": healthy}, func(r *Runner) {
			for n := 0; time.Since(begun) < outage; n++ {
				d.put("healthy", time.Now())
				time.Sleep(10 * time.Second)
			}
			synctest.Wait()
			if healthy.late > 0 || len(healthy.took) != int(outage/(10*time.Second)) {
				t.Errorf("of the healthy one %d were delivered, one %v late", len(healthy.took), healthy.late)
			}
			first := slices.IndexFunc(sick.tries, func(at time.Time) bool { return at.After(begun) })
			if first < 1 || first > 2 {
				t.Fatalf("%d tried at once at first", first)
			}
			for i, at := range sick.tries[first:] {
				wait := at.Sub(sick.tries[first+i-1])
				if want := min(15*time.Second<<min(i, 10), 15*time.Minute); wait != want {
					t.Errorf("try %d came after %v, not %v", i, wait, want)
				}
			}
			if n := len(sick.tries); n > 60 {
				t.Errorf("%d tries", n)
			}
			equal(t, "lost or moved", d.left("sick"), backlog)
			time.Sleep(15 * time.Minute)
			synctest.Wait()
			equal(t, "left of the backlog", d.left("sick"), 0)
			equal(t, "connections at once", sick.most, 8)
			order := slices.Sorted(slices.Values(sick.took))
			for i, uid := range sick.took {
				if at, _ := slices.BinarySearch(order, uid); at-i > 8 || i-at > 8 { // those under way at once
					t.Fatalf("number %d in due order was attempted as number %d", at, i)
				}
			}
			full := time.Duration(backlog) * sick.time / 8
			recovered := sick.tries[len(sick.tries)-backlog]
			if drained := sick.tries[len(sick.tries)-1].Sub(recovered); drained > full+full/20 {
				t.Errorf("the backlog drained in %v; at full rate it is %v", drained, full)
			}
		})
	})
}

// A next hop that serves three at once is not taken for sick when it refuses the fourth: the three go on, and it is asked
// again, at growing intervals, whether it takes another one.
func TestRunnerFindsOutHowManyAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, hop := newDepot(), &next{time: time.Second, limit: 3}
		for range 20_000 {
			d.put("local", time.Now())
		}
		deliverTo(t, d, 16, map[mail.Lane]*next{"local": hop}, func(r *Runner) {
			time.Sleep(time.Hour)
			synctest.Wait()
			equal(t, "sick", len(r.Sick()), 0)
			equal(t, "at once", hop.most, 3)
			if n := len(hop.took); n < 3*3600*95/100 {
				t.Errorf("%d messages in an hour, at most %d could", n, 3*3600)
			}
			if hop.refused > 24 { // eleven pauses fit into an hour, and two may ask at the end of one
				t.Errorf("%d connections were refused", hop.refused)
			}
			hop.mu.Lock()
			hop.limit = 6
			hop.mu.Unlock()
			time.Sleep(45 * time.Minute)
			synctest.Wait()
			if hop.most != 6 {
				t.Errorf("it takes 6 now, and has %d", hop.most)
			}
		})
	})
}

// A next hop that breaks off under load is given less to do.
func TestRunnerGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, hop := newDepot(), &next{time: time.Second}
		over := 0
		hop.cut = func(int) bool { // called with hop.mu held, by one that has just ended
			if hop.open >= 4 {
				over++
			}
			return hop.open >= 4
		}
		for range 4000 {
			d.put("local", time.Now())
		}
		deliverTo(t, d, 16, map[mail.Lane]*next{"local": hop}, func(r *Runner) {
			time.Sleep(20 * time.Minute)
			synctest.Wait()
			if hop.most > 6 || len(hop.took) < 2500 || over*6 > len(hop.took) {
				t.Errorf("%d at once, %d messages, %d broken off", hop.most, len(hop.took), over)
			}
		})
	})
}

package relay

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/store/mail"
)

// shelf is a queue in memory with one due time per message.
type shelf struct {
	mu        sync.Mutex
	due       map[mail.UID]time.Time
	leased    map[mail.UID]bool
	wake      chan struct{}
	dueNow    int
	postponed int
}

func newShelf(n int) *shelf {
	s := &shelf{due: map[mail.UID]time.Time{}, leased: map[mail.UID]bool{}, wake: make(chan struct{}, 1)}
	for i := range n {
		s.due[mail.UID(fmt.Sprintf("m%03d", i))] = time.Now()
	}
	return s
}

func (s *shelf) Lanes(context.Context) (map[mail.Lane]time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[mail.Lane]time.Time{}
	for uid, at := range s.due {
		if first, ok := all["local"]; !s.leased[uid] && (!ok || at.Before(first)) {
			all["local"] = at
		}
	}
	return all, nil
}

func (s *shelf) Lane(mail.Lane) mail.Retriever { return shelfLane{s} }
func (s *shelf) Wake() <-chan struct{}         { return s.wake }

func (s *shelf) Postpone(context.Context, mail.Lane) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.postponed++
	return nil
}

func (s *shelf) DueNow(context.Context, mail.Lane) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dueNow++
	for uid := range s.due {
		s.due[uid] = time.Now()
	}
	return nil
}

func (s *shelf) lease() (mail.UID, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for uid, at := range s.due {
		if !at.After(time.Now()) && !s.leased[uid] {
			s.leased[uid] = true
			return uid, true
		}
	}
	return "", false
}

type shelfLane struct{ s *shelf }

func (l shelfLane) Open(context.Context) (mail.Maildrop, error) { return &shelfSession{s: l.s}, nil }

type shelfSession struct {
	s    *shelf
	mine []mail.UID
}

func (x *shelfSession) List(context.Context) ([]mail.UID, bool, error) { return nil, false, nil }

func (x *shelfSession) Messages(context.Context, []mail.UID) iter.Seq2[*mail.Message, error] {
	return func(yield func(*mail.Message, error) bool) {
		for {
			uid, ok := x.s.lease()
			if !ok {
				return
			}
			x.mine = append(x.mine, uid)
			m := &mail.Message{Origin: mail.Origin{UID: uid},
				Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: "a@b.example"}}},
				Content:  &held{s: newStock(letter("x", 100)), uid: "u1"}}
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (x *shelfSession) Settle(_ context.Context, m *mail.Message, r mail.Report) error {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	delete(x.s.leased, m.Origin.UID)
	if r.Done(1) {
		delete(x.s.due, m.Origin.UID)
	} else {
		x.s.due[m.Origin.UID] = time.Now().Add(time.Hour)
	}
	return nil
}

func (x *shelfSession) Close() error {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	for _, uid := range x.mine {
		delete(x.s.leased, uid)
	}
	return nil
}

func (s *shelf) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.due)
}

// mta counts connections and attempts; away says what it answers instead.
type mta struct {
	mu              sync.Mutex
	dialled, closed int
	now, most       int
	attempts        int
	away            func() *mail.Result
	took            time.Duration
}

func (a *mta) dial(mail.Lane) (mail.Deliverer, func() error, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dialled++
	return deliverFunc(a.deliver), func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.closed++
		return nil
	}, nil
}

func (a *mta) deliver(ctx context.Context, m *mail.Message) mail.Report {
	a.mu.Lock()
	a.attempts++
	a.now++
	a.most = max(a.most, a.now)
	a.mu.Unlock()
	select {
	case <-time.After(a.took):
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now--
	if a.away != nil {
		if r := a.away(); r != nil {
			return mail.Report{*r}
		}
	}
	return mail.Report{{Outcome: mail.Delivered, Reply: "250 ok"}}
}

func TestRunnerKeepsConnectionsAndTheirLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newShelf(100), &mta{took: time.Second}
		ctx, stop := context.WithCancel(context.Background())
		r := &Runner{Queue: s, Dial: a.dial}
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		equal(t, "left", s.left(), 0)
		equal(t, "at once", a.most, 4)
		equal(t, "dialled", a.dialled, 4)
		equal(t, "closed while they may be needed", a.closed, 0)
		s.mu.Lock()
		s.due["late"] = time.Now()
		s.mu.Unlock()
		s.wake <- struct{}{}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		equal(t, "left", s.left(), 0)
		equal(t, "dialled again", a.dialled, 4)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		equal(t, "closed when idle", a.closed, 4)
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestRunnerSickLaneIsTriedByOneAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newShelf(50), &mta{}
		back := time.Now().Add(6 * time.Hour)
		a.away = func() *mail.Result {
			if time.Now().Before(back) {
				return &mail.Result{Scope: mail.OfLane, RemoteMTA: "localhost:25", Reply: "421 away"}
			}
			return nil
		}
		var mu sync.Mutex // workers observe side by side
		var events []mail.Event
		ctx, stop := context.WithCancel(context.Background())
		r := &Runner{Queue: s, Dial: a.dial, Observe: mail.ObserverFunc(func(e mail.Event) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
		})}
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		time.Sleep(5 * time.Hour)
		synctest.Wait()
		if a.attempts > 40 || a.attempts < 20 {
			t.Errorf("%d tries in five hours, one each 15 minutes and a few at first are meant", a.attempts)
		}
		if len(r.Sick()) != 1 {
			t.Errorf("sick lanes: %v", r.Sick())
		}
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		equal(t, "left after it came back", s.left(), 0)
		equal(t, "sick", len(r.Sick()), 0)
		equal(t, "made due", s.dueNow, 1)
		equal(t, "postponed", s.postponed, 1)
		mu.Lock()
		equal(t, "alarms", countAlarms(events), 1)
		equal(t, "last event", events[len(events)-1].Outcome, mail.Delivered)
		mu.Unlock()
		stop()
		<-done
	})
}

func countAlarms(events []mail.Event) (n int) {
	for _, e := range events {
		if e.Alarm {
			n++
		}
	}
	return n
}

func TestRunnerStopLetsTheAttemptEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newShelf(8), &mta{took: 10 * time.Second}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- (&Runner{Queue: s, Dial: a.dial}).Run(ctx) }()
		time.Sleep(time.Second)
		synctest.Wait()
		stop()
		<-done
		equal(t, "two were under way and ended well", s.left(), 6)
		equal(t, "closed", a.closed, 2)
	})
}

// Who wants a message that is being attempted has it soon; the others' attempts go on.
func TestRunnerYield(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Runner{}
		early, done := r.attempts.begin(t.Context(), mail.ID{1})
		other, doneToo := r.attempts.begin(t.Context(), mail.ID{2})
		first, cancel := mail.Yielding(early)
		second, cancelToo := mail.Yielding(other)
		r.Yield(mail.ID{1})
		r.Yield(mail.ID{1}) // twice is nothing more
		r.Yield(mail.ID{3})
		synctest.Wait()
		equal(t, "asked to give way", context.Cause(first), mail.ErrYield)
		equal(t, "another one", second.Err(), nil)
		equal(t, "what comes after the dot", early.Err(), nil)
		cancel()
		cancelToo()
		done()
		doneToo()
		r.Yield(mail.ID{2})
		equal(t, "remembered", len(r.attempts.m), 0)
	})
}

func TestRunnerPassEndsWhenNothingIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newShelf(20), &mta{took: time.Second}
		a.away = func() *mail.Result {
			if a.attempts%2 == 0 {
				return &mail.Result{Reply: "451 later"}
			}
			return nil
		}
		if err := (&Runner{Queue: s, Dial: a.dial}).Pass(context.Background()); err != nil {
			t.Fatal(err)
		}
		equal(t, "attempts", a.attempts, 20)
		if s.left() == 0 || s.left() == 20 {
			t.Errorf("%d left", s.left())
		}
	})
}

package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

func fencedChangesNothing(t *testing.T, s *state) {
	r := s.put("jaco", "text")
	old := s.lease(store.Filter{}, 1, time.Minute)
	s.clock.Add(2 * time.Minute)
	young := s.lease(store.Filter{}, 1, time.Minute)
	if len(old) != 1 || len(young) != 1 || young[0].Lease.Epoch <= old[0].Lease.Epoch {
		t.Fatalf("leases: %+v, %+v", old, young)
	}
	b := &store.Batch{
		Fence: []store.Lease{old[0].Lease}, Remove: []mail.ID{r.ID},
		Seen: []store.Seen{{Account: "a", UID: "1", Mark: store.LetGo}},
	}
	if err := s.e.Commit(ctx, b); !errors.Is(err, store.ErrFenced) {
		t.Fatal("a lease that is somebody else's:", err)
	}
	s.wantIDs("after ErrFenced", r.ID)
	s.wantMark("a", "1", store.Unseen)
	b.Fence = []store.Lease{young[0].Lease, old[0].Lease}
	if err := s.e.Commit(ctx, b); !errors.Is(err, store.ErrFenced) {
		t.Fatal("one of two leases that is somebody else's:", err)
	}
	b = &store.Batch{Fence: []store.Lease{young[0].Lease}, Remove: []mail.ID{r.ID}}
	s.commit(b)
	s.wantIDs("after the settlement")
	again := &store.Batch{Fence: []store.Lease{young[0].Lease}, Put: []store.Record{}}
	if err := s.e.Commit(ctx, again); !errors.Is(err, store.ErrFenced) {
		t.Fatal("a lease that has ended with its commit:", err)
	}
}

func leaseRunsOut(t *testing.T, s *state) {
	s.put("jaco", "text")
	first := s.lease(store.Filter{}, 5, time.Minute)
	if len(first) != 1 {
		t.Fatal("leased", len(first))
	}
	if l := s.lease(store.Filter{}, 5, time.Minute); len(l) != 0 {
		t.Fatal("leased twice")
	}
	s.clock.Add(time.Minute)
	second := s.lease(store.Filter{}, 5, time.Minute)
	if len(second) != 1 || second[0].Lease.Epoch <= first[0].Lease.Epoch {
		t.Fatalf("after it ran out: %+v", second)
	}
}

func idsOf(l []store.Leased) (ids []mail.ID) {
	for i := range l {
		ids = append(ids, l[i].Record.ID)
	}
	return ids
}

func leaseInDueOrder(t *testing.T, s *state) {
	var want []mail.ID
	for i := range 10 {
		r := s.record("jaco")
		r.Due = r.Due.Add(time.Duration(10-i) * time.Second)
		s.commit(&store.Batch{Put: []store.Record{r}})
		want = append([]mail.ID{r.ID}, want...)
	}
	other := s.record("jaco")
	other.Lane, other.Due = "other", s.clock.Now().Add(3500*time.Millisecond)
	s.commit(&store.Batch{Put: []store.Record{other}})
	_, next, err := s.e.LeaseMessages(ctx, store.Filter{Lane: "mta"}, 3, time.Hour)
	if err != nil || !next.Equal(s.clock.Now().Add(time.Second)) {
		t.Fatal("nothing is due yet, next is", next, err)
	}
	s.clock.Add(4 * time.Second)
	l, next, err := s.e.LeaseMessages(ctx, store.Filter{Lane: "mta"}, 3, time.Hour)
	if err != nil || !slices.Equal(idsOf(l), want[:3]) {
		t.Fatalf("in one lane: %v, %v", l, err)
	}
	if !next.Equal(s.clock.Now()) {
		t.Fatalf("next is %v, now is %v", next, s.clock.Now())
	}
	l = s.lease(store.Filter{}, 9, time.Hour)
	if len(l) != 2 || l[0].Record.ID != other.ID || l[1].Record.ID != want[3] {
		t.Fatalf("in all lanes: %v", l)
	}
	_, next, err = s.e.LeaseMessages(ctx, store.Filter{Lane: "empty"}, 3, time.Hour)
	if err != nil || !next.IsZero() {
		t.Fatal("an empty lane has something next:", next, err)
	}
	s.reopen()
	l = s.lease(store.Filter{Lane: "mta"}, 20, time.Hour)
	if len(l) != 4 {
		t.Fatalf("after reopening %d are due, want 4: leases end with the process, due times stay", len(l))
	}
}

func leaseByID(t *testing.T, s *state) {
	held := s.record("jaco")
	held.Hold = store.HoldAdmin
	late := s.record("jaco")
	late.Due = late.Due.Add(time.Hour)
	s.commit(&store.Batch{Put: []store.Record{held, late}})
	f := store.Filter{IDs: []mail.ID{held.ID, late.ID, mail.NewID(s.clock.Now(), nil)}}
	if l := s.lease(f, 10, time.Minute); len(l) != 2 {
		t.Fatalf("by ID: %v", l)
	}
	if l := s.lease(f, 10, time.Minute); len(l) != 0 {
		t.Fatalf("by ID, again: %v", l)
	}
}

func heldIsNotDue(t *testing.T, s *state) {
	r := s.put("jaco", "text")
	l := s.lease(store.Filter{}, 1, time.Minute)
	r.Hold = store.HoldAdmin
	s.commit(&store.Batch{Put: []store.Record{r}, Fence: []store.Lease{l[0].Lease}})
	if l := s.lease(store.Filter{}, 1, time.Minute); len(l) != 0 {
		t.Fatal("what is held was leased")
	}
	lanes, err := s.e.Lanes(ctx)
	if err != nil || len(lanes) != 0 {
		t.Fatal("lanes of what is held:", lanes, err)
	}
	yes := true
	if ids := s.ids(store.Filter{Held: &yes}); len(ids) != 1 {
		t.Fatal("held are", ids)
	}
	s.reopen()
	r.Hold = store.NotHeld
	s.commit(&store.Batch{Put: []store.Record{r}})
	if l := s.lease(store.Filter{}, 1, time.Minute); len(l) != 1 {
		t.Fatal("what was released is not due")
	}
}

func renewAndRelease(t *testing.T, s *state) {
	s.put("jaco", "text")
	l := s.lease(store.Filter{}, 1, time.Minute)[0].Lease
	s.clock.Add(50 * time.Second)
	held, err := s.e.Renew(ctx, time.Minute, l)
	if err != nil || len(held) != 1 || !held[0].Until.Equal(s.clock.Now().Add(time.Minute)) {
		t.Fatalf("Renew: %v, %v", held, err)
	}
	s.clock.Add(50 * time.Second)
	if x := s.lease(store.Filter{}, 1, time.Minute); len(x) != 0 {
		t.Fatal("a renewed lease ran out at its old end")
	}
	s.e.Release(held[0])
	x := s.lease(store.Filter{}, 1, time.Minute)
	if len(x) != 1 {
		t.Fatal("what was released is not due")
	}
	s.e.Release(l) // an old one: nothing happens
	if y := s.lease(store.Filter{}, 1, time.Minute); len(y) != 0 {
		t.Fatal("an old lease gave a young one back")
	}
	if held, err := s.e.Renew(ctx, time.Minute, l); err != nil || len(held) != 0 {
		t.Fatal("an old lease was renewed", held, err)
	}
}

package badger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"mailretr/store"
	"mailretr/store/mail"
)

// end ends messages, each with a commit of its own.
func (r *rig) end(all ...store.Record) {
	r.t.Helper()
	for _, x := range all {
		r.commit(&store.Batch{Remove: []mail.ID{x.ID}})
	}
}

// inBadger says whether Badger has a record, whatever readers are told.
func (r *rig) inBadger(id mail.ID) (ok bool) {
	r.t.Helper()
	must(r.t, r.db.View(func(txn *badger.Txn) (err error) {
		_, ok, err = stubIn(txn, id)
		return err
	}))
	return ok
}

// without returns a copy of a state without the file of endings: what Badger alone knows.
func (r *rig) without() string {
	dir := r.crash()
	must(r.t, os.Remove(filepath.Join(dir, "endings")))
	return dir
}

// inside runs f between two commits. Badger has been told of everything then.
func (r *rig) inside(f func(*committer)) {
	r.t.Helper()
	must(r.t, r.sendLast(&request{answer: make(chan error, 1), inside: func() error {
		f(&r.committer)
		return nil
	}}))
}

// still keeps a rig from telling Badger because time has passed.
func still(r *rig) { r.inside(func(c *committer) { c.patience = time.Hour }) }

// wantEntries looks how many entries were written, and tells Badger.
func (r *rig) wantEntries(n uint64) {
	r.t.Helper()
	r.inside(func(c *committer) {
		if c.endings.next-1 != n {
			r.t.Errorf("%d entries were written, want %d", c.endings.next-1, n)
		}
	})
}

// TestEndings kills the process between the file of endings and Badger.
func TestEndings(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(5)
	r.end(all[1], all[3])
	if !r.inBadger(all[1].ID) || !r.inBadger(all[3].ID) {
		t.Fatal("Badger was told at once")
	}
	r.wantFile(all[3].ID, true) // as long as its record can come back
	left := []store.Record{all[0], all[2], all[4]}
	r.wantAll(left)
	d := openRig(t, r.crash())
	d.wantAll(left)
	if d.inBadger(all[1].ID) {
		t.Fatal("it was not told by the next process")
	}
	must(t, d.Close())
	d.wantFile(all[1].ID, false)
	if s := d.saw.alarms(); s != "" {
		t.Fatal(s)
	}
	openRig(t, r.without()).wantAll(all) // so it was the file that knew
}

// TestEndingsTold: any other commit tells Badger, and Close.
func TestEndingsTold(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(4)
	r.end(all[0])
	r.commit(&store.Batch{Notes: []store.Note{{Space: "s", Owner: "o", Key: "k", Value: []byte("v")}}})
	openRig(t, r.without()).wantAll(all[1:])
	r.end(all[1])
	x := r.record("large")
	r.stage(&x, octets(9))
	b := &store.Batch{Put: []store.Record{x}, Remove: []mail.ID{all[2].ID}, Seen: []store.Seen{
		{Account: "acc", UID: x.Origin.UID, Mark: store.Taken},
	}}
	for i := range 10000 { // too large for a transaction
		b.Notes = append(b.Notes, store.Note{Space: "s", Owner: "o", Key: fmt.Sprint(i), Value: []byte{1}})
	}
	r.commit(b)
	left := []store.Record{all[3], x}
	r.wantAll(left)
	d := openRig(t, r.without())
	d.wantAll(left)
	d.wantAlarm("endings is missing")
	r.end(all[3])
	must(t, r.Close())
	r.wantFile(all[3].ID, false)
	must(t, os.Remove(filepath.Join(r.dir, "endings")))
	openRig(t, r.dir).wantAll(left[1:])
}

// TestEndingsAfterAWhile: Badger is told when nothing else happens, and when the file is full.
func TestEndingsAfterAWhile(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(1)
	r.end(all...)
	begin := r.wall()
	for r.inBadger(all[0].ID) {
		if r.wall().Sub(begin) > 20*time.Second {
			t.Fatal("Badger is never told")
		}
		runtime.Gosched()
	}
}

// TestEndingsRound goes round the file more than twice, with a crash now and then.
func TestEndingsRound(t *testing.T) {
	r := openRig(t, newDir(t))
	still(r)
	var b store.Batch
	for range 2*mostEndings + 90 {
		x := r.record("")
		x.Origin = mail.Origin{}
		b.Put = append(b.Put, x)
	}
	r.commit(&b)
	for i, x := range b.Put {
		r.end(x)
		if n := len(r.ended()); n > mostEndings || i < mostEndings && n != i+1 {
			t.Fatalf("after %d ends Badger does not know of %d", i+1, n)
		}
		if i%150 == 97 || i+1 == len(b.Put) {
			d := openRig(t, r.crash())
			tot, err := d.Totals(ctx)
			if err != nil || tot.Messages != len(b.Put)-i-1 || d.saw.alarms() != "" {
				t.Fatalf("after %d ends %d are there: %v; alarms: %s", i+1, tot.Messages, err, d.saw.alarms())
			}
			d.end(b.Put[i+1 : min(i+3, len(b.Put))]...) // numbers go on
			must(t, d.Close())
		}
	}
}

// TestEndingsHidden: whatever reads sees the end at once, before Badger knows of it and after.
func TestEndingsHidden(t *testing.T) {
	r := openRig(t, newDir(t))
	still(r)
	all := r.fill(4)
	r.end(all[0], all[2], all[3])
	look := func() {
		t.Helper()
		r.wantAll(all[1:2])
		gone := all[0].ID
		if _, err := r.Get(ctx, gone); !errors.Is(err, store.ErrNotFound) {
			t.Fatal("Get:", err)
		}
		if ids, err := r.Find(ctx, gone.String(), 5); err != nil || len(ids) != 0 {
			t.Fatal("Find:", ids, err)
		}
		l, next, err := r.LeaseMessages(ctx, store.Filter{IDs: []mail.ID{gone}}, 5, time.Minute)
		if err != nil || len(l) != 0 || !next.IsZero() {
			t.Fatal("LeaseMessages by ID:", l, next, err)
		}
		l, next, err = r.LeaseMessages(ctx, store.Filter{Lane: "mta"}, 5, time.Minute)
		if err != nil || len(l) != 1 || l[0].Record.ID != all[1].ID || !next.IsZero() {
			t.Fatal("LeaseMessages:", len(l), next, err)
		}
		r.Release(l[0].Lease)
		due, err := r.Lanes(ctx)
		if err != nil || len(due) != 1 || !due["mta"].Equal(start) {
			t.Fatal("Lanes:", due, err)
		}
		tot, err := r.Totals(ctx)
		if err != nil || tot.Messages != 1 || tot.Octets != all[1].Size || !tot.Oldest.Equal(start) {
			t.Fatal("Totals:", tot, err)
		}
	}
	look()
	if !r.inBadger(all[0].ID) {
		t.Fatal("Badger knows of it already")
	}
	must(t, r.Reconcile(ctx)) // which tells Badger of nothing, and sees no disorder
	if s := r.saw.alarms(); s != "" {
		t.Fatal(s)
	}
	look()
	must(t, r.settled())
	if r.inBadger(all[0].ID) || len(r.ended()) != 0 {
		t.Fatal("Badger was not told")
	}
	look()
	r.end(all[1])
	if due, err := r.Lanes(ctx); err != nil || len(due) != 0 {
		t.Fatal("Lanes of an empty queue:", due, err)
	}
	if tot, err := r.Totals(ctx); err != nil || !tot.Oldest.IsZero() {
		t.Fatal("Totals of an empty queue:", tot, err)
	}
}

// TestEndingsAgain queues a record again whose end Badger does not know of, and ends it twice.
func TestEndingsAgain(t *testing.T) {
	r := openRig(t, newDir(t))
	still(r)
	x := r.record("")
	r.commit(&store.Batch{Put: []store.Record{x}})
	r.end(x, x)
	b := &store.Batch{ID: [16]byte{1}, Remove: []mail.ID{x.ID}}
	r.commit(b)
	r.commit(b)
	x.Lane = "other"
	r.commit(&store.Batch{Put: []store.Record{x}})
	got, err := r.Get(ctx, x.ID)
	if err != nil || got.Lane != "other" {
		t.Fatal(got, err)
	}
	d := openRig(t, r.crash())
	if got, err := d.Get(ctx, x.ID); err != nil || got.Lane != "other" {
		t.Fatal(got, err)
	}
	r.wantEntries(1)
}

// TestEndingsFenced: an end whose lease was lost leaves nothing in the file.
func TestEndingsFenced(t *testing.T) {
	r := openRig(t, newDir(t))
	still(r)
	all := r.fill(2)
	l, _, err := r.LeaseMessages(ctx, store.Filter{Lane: "mta"}, 2, time.Minute)
	must(t, err)
	old := l[0].Lease
	r.Release(old)
	b := &store.Batch{Remove: []mail.ID{all[0].ID}, Fence: []store.Lease{old}}
	if err := r.Commit(ctx, b); !errors.Is(err, store.ErrFenced) {
		t.Fatal(err)
	}
	r.commit(&store.Batch{Remove: []mail.ID{all[1].ID}, Fence: []store.Lease{l[1].Lease}})
	openRig(t, r.crash()).wantAll(all[:1])
	r.wantEntries(1)
}

// TestEndingsLeased ends a leased record that somebody else has changed meanwhile, in a commit before it or
// in the same one: what the lease knew of it is not what is taken out of schedule and counts.
func TestEndingsLeased(t *testing.T) {
	for _, together := range []bool{false, true} {
		r := openRig(t, newDir(t))
		x := r.fill(1)[0]
		l, _, err := r.LeaseMessages(ctx, store.Filter{Lane: "mta"}, 1, time.Minute)
		must(t, err)
		x.Lane, x.Due, x.Size = "other", start.Add(-time.Hour), 10*x.Size
		var reqs []*request
		for _, b := range []*store.Batch{
			{Put: []store.Record{x}},
			{Remove: []mail.ID{x.ID}, Fence: []store.Lease{l[0].Lease}},
		} {
			req, err := r.prepare(b)
			must(t, err)
			reqs = append(reqs, req)
		}
		if together {
			r.committer.mu.Lock()
			r.reqs <- reqs[0]
			r.reqs <- reqs[1]
			r.committer.mu.Unlock()
			r.committer.lead()
			must(t, <-reqs[0].answer)
			must(t, <-reqs[1].answer)
		} else {
			must(t, r.sendLast(reqs[0]))
			must(t, r.sendLast(reqs[1]))
		}
		tot, err := r.Totals(ctx)
		if err != nil || tot.Messages != 0 || tot.Octets != 0 {
			t.Errorf("together %v: %+v, %v", together, tot, err)
		}
		must(t, r.settled())
		must(t, r.Reconcile(ctx))
		if s := r.saw.alarms(); s != "" {
			t.Errorf("together %v: %s", together, s)
		}
	}
}

// TestLead commits from many goroutines until the store is closed under them. Each is answered, and what was
// answered well is there.
func TestLead(t *testing.T) {
	r := openRig(t, newDir(t))
	var made, left atomic.Int64
	var all sync.WaitGroup
	for w := range 16 {
		all.Go(func() {
			for i := 0; ; i++ {
				x := r.record("")
				x.Origin = mail.Origin{}
				err := r.Commit(ctx, &store.Batch{Put: []store.Record{x}})
				if errors.Is(err, store.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				left.Add(1)
				if made.Add(1) == 600 {
					all.Go(func() { r.Close() })
				}
				if i%2 == w%2 && r.Commit(ctx, &store.Batch{Remove: []mail.ID{x.ID}}) == nil {
					left.Add(-1)
				}
			}
		})
	}
	all.Wait()
	must(t, r.Close())
	d := openRig(t, r.dir)
	if tot, err := d.Totals(ctx); err != nil || int64(tot.Messages) != left.Load() {
		t.Fatalf("%d are there, want %d: %v", tot.Messages, left.Load(), err)
	}
}

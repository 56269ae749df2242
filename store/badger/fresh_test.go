package badger

import (
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

// Between the transaction that makes a record and the end of its body's protection the record can be leased and put
// again, or removed: it is counted once, and leaves nothing in the schedule.
func TestPutAgainWhileStillStaged(t *testing.T) {
	r := openRig(t, newDir(t))
	x := r.fill(1)[0]
	r.staged.begin(x.ID) // as if the committer had not come to it yet
	r.staged.seal(x.ID)
	for i := range 2 {
		now := start.Add(time.Duration(i) * time.Hour)
		l, _, err := r.LeaseMessages(ctx, store.Filter{Lane: "mta", Due: now}, 1, time.Minute)
		if err != nil || len(l) != 1 {
			t.Fatal(l, err)
		}
		y := l[0].Record
		y.Due = now.Add(time.Hour)
		r.commit(&store.Batch{Fence: []store.Lease{l[0].Lease}, Put: []store.Record{y}})
		lanes, err := r.Lanes(ctx)
		if err != nil || !lanes["mta"].Equal(y.Due) {
			t.Errorf("put %d: lanes %v, %v", i, lanes, err)
		}
		if n, err := r.Totals(ctx); err != nil || n.Messages != 1 {
			t.Errorf("put %d: %d messages, %v", i, n.Messages, err)
		}
	}
	r.commit(&store.Batch{Remove: []mail.ID{x.ID}})
	if lanes, err := r.Lanes(ctx); err != nil || len(lanes) != 0 {
		t.Errorf("at the end: lanes %v, %v", lanes, err)
	}
}

package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

func same(a, b store.Record) bool { return reflect.DeepEqual(a, b) }

// full has every field set, so that one that is not kept shows.
func full(s *state, weird string) store.Record {
	r := s.record("jaco")
	at := s.clock.Now()
	r.Parent = mail.NewID(at, nil)
	r.Hold, r.HoldWhy = store.HoldAdmin, "why "+weird
	r.Header, r.Line = 17, 4711
	o := mail.Origin{
		Maildrop: "jaco" + weird, Account: mail.Account("acc" + weird), UID: mail.UID("INBOX/1/" + weird),
		Date: at.In(time.FixedZone("", 7200)), Flags: []string{`\Seen`, weird},
	}
	r.Origin, r.ParentOrigin = o, o
	r.Reverse, r.EnvID, r.Ret = mail.Path("r"+weird), "e"+weird, "FULL"+weird
	r.Attempts, r.Last, r.Sick, r.Tries = 3, at, 5*time.Second, 7
	r.Recipients = []store.Recipient{{
		Recipient: mail.Recipient{Forward: mail.Path("f" + weird), Original: "o" + weird, Notify: "NEVER" + weird},
		State:     store.Owed, Since: at, Times: 4,
		Last: store.Said{
			At: at, Enhanced: "4.3.0" + weird, Reply: "451 " + weird, RemoteMTA: "mta" + weird,
			Err: "cut" + weird, Expired: true, GivenUp: true,
		},
	}, rcpt("second@example.net")}
	return r
}

func roundTrip(t *testing.T, s *state) {
	r := full(s, "")
	s.stage(&r, "a: b\r\n\r\nbody\r\n")
	s.commit(&store.Batch{Put: []store.Record{r}})
	for _, when := range []string{"at once", "after reopening"} {
		got, err := s.e.Get(ctx, r.ID)
		if err != nil || !equal(got, r) {
			t.Fatalf("%s: got %+v, %v\nwant %+v", when, got, err, r)
		}
		if o := s.octets(got.Body); o != "a: b\r\n\r\nbody\r\n" {
			t.Fatalf("%s: octets are %q", when, o)
		}
		if err := s.e.VerifyBody(ctx, got.Body); err != nil {
			t.Fatal(when, err)
		}
		s.reopen()
	}
	s.commit(&store.Batch{Remove: []mail.ID{r.ID}})
	s.wantIDs("after removal")
	if _, err := s.e.Get(ctx, r.ID); !errors.Is(err, store.ErrNotFound) {
		t.Fatal("a removed record:", err)
	}
	s.reopen()
	s.wantIDs("after removal and reopening")
	if _, err := s.e.OpenBody(ctx, r.Body); err == nil {
		t.Fatal("the body of a removed record is there")
	}
}

func allOrNothing(t *testing.T, s *state) {
	a, b := s.put("jaco", "one"), s.record("jaco")
	s.stage(&b, "two")
	bad := b
	bad.Body = a.Body // names another body
	batch := &store.Batch{
		Put: []store.Record{bad}, Remove: []mail.ID{a.ID},
		Seen:  []store.Seen{{Account: "x", UID: "1", Mark: store.Taken}},
		Notes: []store.Note{{Space: "s", Key: "k", Value: []byte("v")}},
	}
	if err := s.e.Commit(ctx, batch); err == nil || errors.Is(err, store.ErrUnknown) {
		t.Fatal("a bad batch was answered with", err)
	}
	s.wantIDs("after a bad batch", a.ID)
	s.wantMark("x", "1", store.Unseen)
	for n := range s.e.Notes(ctx, "s", "") {
		t.Fatal("a note of a bad batch:", n)
	}
	batch.Put[0] = b
	s.commit(batch)
	s.reopen()
	s.wantIDs("after a good batch", b.ID)
	s.wantMark("x", "1", store.Taken)
}

func seenLeavesNothing(t *testing.T, s *state) {
	s.commit(&store.Batch{Seen: []store.Seen{
		{Account: "a", UID: "1", Mark: store.Known}, {Account: "a", UID: "2", Mark: store.Taken},
	}})
	r := s.record("jaco")
	s.stage(&r, "text")
	b := &store.Batch{
		Put: []store.Record{r},
		Seen: []store.Seen{
			{Account: "a", UID: "3", Mark: store.Taken, New: true},
			{Account: "a", UID: "2", Mark: store.Taken, New: true},
			{Account: "a", UID: "1", Mark: store.Taken, New: true},
			{Account: "b", UID: "1", Mark: store.Taken, New: true},
		},
	}
	err := s.e.Commit(ctx, b)
	var seen *store.ErrSeen
	if !errors.As(err, &seen) || !slices.Equal(seen.UIDs, []mail.UID{"2", "1"}) {
		t.Fatalf("Commit: %v", err)
	}
	s.wantIDs("after ErrSeen")
	s.wantMark("a", "3", store.Unseen)
	s.wantMark("b", "1", store.Unseen)
	// The same body, without the UIDs that are refused.
	b = &store.Batch{Put: []store.Record{r}, Seen: b.Seen[:1]}
	s.commit(b)
	s.reopen()
	s.wantIDs("afterwards", r.ID)
	s.wantMark("a", "3", store.Taken)
	s.wantMark("a", "1", store.Known)
	// Equal UIDs in one batch are not both new.
	twice := &store.Batch{Seen: []store.Seen{
		{Account: "a", UID: "9", Mark: store.Taken, New: true},
		{Account: "a", UID: "9", Mark: store.Taken, New: true},
	}}
	if err := s.e.Commit(ctx, twice); !errors.As(err, &seen) {
		t.Fatal("one UID twice:", err)
	}
	s.wantMark("a", "9", store.Unseen)
}

func letGoIsNew(t *testing.T, s *state) {
	one := store.Seen{Account: "a", UID: "1", Mark: store.LetGo}
	s.commit(&store.Batch{Seen: []store.Seen{one}})
	one.Mark, one.New = store.Taken, true
	s.commit(&store.Batch{Seen: []store.Seen{one}})
	s.wantMark("a", "1", store.Taken)
	s.commit(&store.Batch{Forget: []store.Seen{one}})
	s.wantMark("a", "1", store.Unseen)
	s.commit(&store.Batch{Seen: []store.Seen{one}})
	s.wantMark("a", "1", store.Taken)
}

func sameBatchOnce(t *testing.T, s *state) {
	r := s.record("jaco")
	s.stage(&r, "text")
	b := &store.Batch{Put: []store.Record{r}, Seen: []store.Seen{
		{Account: "a", UID: "1", Mark: store.Taken, New: true},
	}}
	s.commit(b)
	if b.ID == ([16]byte{}) {
		t.Fatal("the engine has not set the batch's ID")
	}
	s.commit(b) // the mark is not new any more, but it is the same batch
	l := s.lease(store.Filter{}, 1, time.Minute)
	done := &store.Batch{Remove: []mail.ID{r.ID}, Fence: []store.Lease{l[0].Lease}}
	s.commit(done)
	s.commit(done)
	s.commit(b) // late, but within the hour: must not come back
	s.wantIDs("after all of it")
}

func flakyOnce(t *testing.T, s *state) {
	f := &Flaky{Engine: s.e, N: 3}
	var want []mail.ID
	tries := 0
	for i := range 10 {
		r := s.record("jaco")
		s.stage(&r, "text")
		n, err := commitSurely(f, &store.Batch{Put: []store.Record{r}, Seen: []store.Seen{
			{Account: "a", UID: mail.UID(fmt.Sprint(i)), Mark: store.Taken, New: true},
		}})
		if err != nil {
			t.Fatal(err)
		}
		tries += n
		want = append(want, r.ID)
	}
	if f.Lost == 0 || tries != 10+f.Lost {
		t.Fatalf("%d tries, %d answers lost", tries, f.Lost)
	}
	s.reopen()
	s.wantIDs("after lost answers", want...)
}

func contextEnded(t *testing.T, s *state) {
	done, cancel := context.WithCancel(ctx)
	cancel()
	r := s.record("jaco")
	s.stage(&r, "text")
	b := &store.Batch{Put: []store.Record{r}}
	if err := s.e.Commit(done, b); err == nil {
		t.Fatal("a commit with a context that has ended")
	}
	s.commit(b)
	s.wantIDs("after asking again", r.ID)
	if _, err := s.e.Stage(done, new(store.Record)); err == nil {
		t.Fatal("Stage with a context that has ended")
	}
}

func unnamedBodySwept(t *testing.T, s *state) {
	named := s.put("jaco", "named")
	r := s.record("jaco")
	b, err := s.e.Stage(ctx, &r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(b, text(300<<10)); err != nil {
		t.Fatal(err)
	}
	s.reopen() // as a crash would leave it: not sealed
	s.wantIDs("an unsealed body was adopted", named.ID)
	if got := s.octets(named.Body); got != "named" {
		t.Fatalf("the named body is %q", got)
	}
}

func discard(t *testing.T, s *state) {
	r := s.record("jaco")
	b := s.stage(&r, "text")
	for range 2 {
		if err := b.Discard(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.e.OpenBody(ctx, r.Body); err == nil {
		t.Fatal("a discarded body can be opened")
	}
	kept := s.record("jaco")
	b = s.stage(&kept, "kept")
	s.commit(&store.Batch{Put: []store.Record{kept}})
	if err := b.Discard(); err != nil {
		t.Fatal(err)
	}
	if got := s.octets(kept.Body); got != "kept" {
		t.Fatalf("a named body was discarded: %q", got)
	}
	s.reopen()
	s.wantIDs("after discarding", kept.ID)
}

func bodyOctets(t *testing.T, s *state) {
	for _, n := range []int{0, 1, 65535, 65536, 65537, 200_000, 1 << 20} {
		r := s.record("jaco")
		b, err := s.e.Stage(ctx, &r)
		if err != nil {
			t.Fatal(err)
		}
		want := text(n)
		for rest := want; rest != ""; { // in odd pieces
			k := min(len(rest), 7777)
			if _, err := io.WriteString(b, rest[:k]); err != nil {
				t.Fatal(err)
			}
			rest = rest[k:]
		}
		if b.Size() != int64(n) {
			t.Fatalf("Size is %d, want %d", b.Size(), n)
		}
		if r.Body, r.SHA256, err = b.Seal(ctx); err != nil {
			t.Fatal(err)
		}
		s.commit(&store.Batch{Put: []store.Record{r}})
		f, err := s.e.OpenBody(ctx, r.Body)
		if err != nil {
			t.Fatal(err)
		}
		if end, err := f.Seek(0, io.SeekEnd); err != nil || end != int64(n) {
			t.Fatal("Seek:", end, err)
		}
		if _, err := f.Seek(int64(n/2), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if got := string(readAll(f)); got != want[n/2:] {
			t.Fatalf("%d octets: the second half differs", n)
		}
		f.Close()
	}
}

// anyOctets puts what breaks line-based formats into every field.
func anyOctets(t *testing.T, s *state) {
	var all []store.Record
	for _, weird := range []string{
		"\n", "\r\n.\r\n", "\x00", "\xff\xfe", "1terliam", "mailret1", " -H\n", "é\u2028",
	} {
		r := full(s, weird)
		s.stage(&r, "a: b\r\n\r\n"+weird)
		s.commit(&store.Batch{Put: []store.Record{r}})
		all = append(all, r)
	}
	s.reopen()
	for _, want := range all {
		got, err := s.e.Get(ctx, want.ID)
		if err != nil || !equal(got, want) {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
		}
		if !strings.HasPrefix(s.octets(got.Body), "a: b\r\n\r\n") {
			t.Fatal("the octets differ")
		}
	}
}

func listIsStable(t *testing.T, s *state) {
	var want []mail.ID
	for range 20 {
		want = append(want, s.put("jaco", "text").ID)
	}
	var got []mail.ID
	for x, err := range s.e.List(ctx, store.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, x.Record.ID)
		switch len(got) {
		case 3:
			s.lease(store.Filter{}, 10, time.Minute)
		case 5:
			s.commit(&store.Batch{Remove: want[10:12]})
			s.put("jaco", "late")
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("listed %d, want %d as they were at the beginning", len(got), len(want))
	}
	leased := 0
	for x := range s.e.List(ctx, store.Filter{}) {
		if x.Leased {
			leased++
		}
	}
	if leased != 10 {
		t.Fatalf("%d are leased, want 10", leased)
	}
	if n := len(s.ids(store.Filter{Maildrop: "nobody"})); n != 0 {
		t.Fatal("of another maildrop:", n)
	}
	if ids := s.ids(store.Filter{IDs: want[:2], Maildrop: "jaco", Lane: "mta"}); !slices.Equal(ids, want[:2]) {
		t.Fatal("by ID:", ids)
	}
}

func find(t *testing.T, s *state) {
	r := s.put("jaco", "text")
	s.put("jaco", "text")
	full := r.ID.String()
	for _, part := range []string{full, full[:25], full[10:], strings.ToLower(full[14:])} {
		ids, err := s.e.Find(ctx, part, 10)
		if err != nil || len(ids) != 1 || ids[0] != r.ID {
			t.Fatalf("Find(%q): %v, %v", part, ids, err)
		}
	}
	if ids, err := s.e.Find(ctx, full[:3], 1); err != nil || len(ids) != 1 {
		t.Fatal("Find with a limit:", ids, err)
	}
	if ids, err := s.e.Find(ctx, "", 10); err != nil || len(ids) != 2 {
		t.Fatal("Find of all:", ids, err)
	}
	if ids, err := s.e.Find(ctx, "!", 10); err != nil || len(ids) != 0 {
		t.Fatal("Find of nonsense:", ids, err)
	}
}

func lanesAndTotals(t *testing.T, s *state) {
	tot, err := s.e.Totals(ctx)
	if err != nil || tot.Messages != 0 || !tot.Oldest.IsZero() || tot.Free <= 0 {
		t.Fatalf("empty: %+v, %v", tot, err)
	}
	a := s.put("jaco", "12345")
	s.clock.Add(time.Second)
	b := s.record("jaco")
	b.Lane, b.Due, b.Size = "other", b.Due.Add(time.Hour), 7
	held := s.record("jaco")
	held.Hold, held.Size = store.HoldAdmin, 11
	s.commit(&store.Batch{Put: []store.Record{b, held}})
	for range 2 {
		tot, err = s.e.Totals(ctx)
		if err != nil || tot.Messages != 3 || tot.Held != 1 || tot.Octets != 5+7+11 || !tot.Oldest.Equal(a.Queued) {
			t.Fatalf("three: %+v, %v", tot, err)
		}
		lanes, err := s.e.Lanes(ctx)
		if err != nil || len(lanes) != 2 || !lanes["mta"].Equal(a.Due) || !lanes["other"].Equal(b.Due) {
			t.Fatalf("lanes: %v, %v", lanes, err)
		}
		s.reopen()
	}
	s.commit(&store.Batch{Remove: []mail.ID{a.ID}})
	tot, err = s.e.Totals(ctx)
	if err != nil || tot.Messages != 2 || tot.Octets != 18 || !tot.Oldest.Equal(b.Queued) {
		t.Fatalf("two: %+v, %v", tot, err)
	}
}

func largeBatch(t *testing.T, s *state) {
	b := new(store.Batch)
	for i := range 8 {
		r := s.record("jaco")
		for j := range 1000 {
			r.Recipients = append(r.Recipients, rcpt(mail.Path(fmt.Sprintf("%s%d-%d@example.net", text(90), i, j))))
		}
		s.stage(&r, "text")
		b.Put = append(b.Put, r)
	}
	for i := range 5000 {
		b.Seen = append(b.Seen, store.Seen{
			Account: "a", UID: mail.UID(fmt.Sprintf("uid%d", i)), Mark: store.Known, New: true,
		})
	}
	s.commit(b)
	for range 2 {
		if n := len(s.lease(store.Filter{}, 100, time.Nanosecond)); n != 8 {
			t.Fatalf("%d records of a large batch are due, want 8", n)
		}
		s.wantMark("a", "uid4999", store.Known)
		s.reopen()
	}
	var seen *store.ErrSeen
	if err := s.e.Commit(ctx, &store.Batch{Seen: b.Seen}); !errors.As(err, &seen) || len(seen.UIDs) != 5000 {
		t.Fatal("a large batch twice:", err)
	}
}

func tooManyRecipients(t *testing.T, s *state) {
	r := s.record("jaco")
	for range 10_000 {
		r.Recipients = append(r.Recipients, rcpt(mail.Path(text(100))))
	}
	err := s.e.Commit(ctx, &store.Batch{Put: []store.Record{r}})
	if err == nil || errors.Is(err, store.ErrUnknown) {
		t.Fatal("a record of more than 256 KiB:", err)
	}
	if _, err := s.e.Stage(ctx, &r); err == nil {
		t.Fatal("a head of more than 256 KiB was staged")
	}
	s.wantIDs("after the refusal")
	s.put("jaco", "the store still works")
}

func wake(t *testing.T, s *state) {
	for len(s.e.Wake()) > 0 {
		<-s.e.Wake()
	}
	s.put("jaco", "text")
	s.put("jaco", "text")
	select {
	case <-s.e.Wake():
	default:
		t.Fatal("no hint after a commit")
	}
	l := s.lease(store.Filter{}, 1, time.Minute)
	for len(s.e.Wake()) > 0 {
		<-s.e.Wake()
	}
	s.e.Release(l[0].Lease)
	select {
	case <-s.e.Wake():
	default:
		t.Fatal("no hint after a release")
	}
}

func closed(t *testing.T, s *state) {
	e := s.e
	r := s.put("jaco", "text")
	s.close()
	if err := e.Close(); err != nil {
		t.Fatal("Close twice:", err)
	}
	_, getErr := e.Get(ctx, r.ID)
	_, _, leaseErr := e.LeaseMessages(ctx, store.Filter{}, 1, time.Minute)
	_, stageErr := e.Stage(ctx, new(store.Record))
	_, bodyErr := e.OpenBody(ctx, r.Body)
	for i, err := range []error{getErr, leaseErr, stageErr, bodyErr, e.Commit(ctx, new(store.Batch))} {
		if !errors.Is(err, store.ErrClosed) {
			t.Fatalf("call %d after Close: %v", i, err)
		}
	}
}

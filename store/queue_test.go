package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"mailretr/store/mail"
)

// What comes in goes out, octet for octet, and then it is gone.
func TestThrough(t *testing.T) {
	w := newWorld(t)
	m := message("1", "a@example.org", "jaco@example.net")
	id := w.put(m)
	if n := w.pass("main", func(got *mail.Message) mail.Report {
		if got.ID != id || got.Origin.UID != "1" || got.Envelope.Reverse != "a@example.org" || got.Attempts != 0 {
			t.Errorf("message is %+v", got)
		}
		if h, err := got.Content.Header(t.Context()); err != nil || !strings.HasSuffix(string(h), "\r\n\r\n") {
			t.Errorf("header %q, %v", h, err)
		}
		for range 2 {
			if b := read(t, got); string(b) != string(m.Content.(*text).b) || got.Content.Size() != int64(len(b)) {
				t.Errorf("content %q, size %d", b, got.Content.Size())
			}
		}
		return mail.Report{yes}
	}); n != 1 {
		t.Fatalf("%d messages were due", n)
	}
	if r := w.records(); len(r) != 0 {
		t.Fatalf("left: %v", r)
	}
	if len(w.mem.disk.bodies) != 0 {
		t.Error("a body is left")
	}
	e := w.events.of(mail.OpDeliver)
	if len(e) != 1 || e[0].Outcome != mail.Delivered || e[0].Attempt != 1 || e[0].To != "jaco@example.net" {
		t.Errorf("events %+v", e)
	}
}

// A batch is one commit, however many messages it has.
func TestBatchIsOneCommit(t *testing.T) {
	w := newWorld(t)
	b := w.Batch()
	for i := range 128 {
		if err := b.Add(t.Context(), message(fmt.Sprint(i), "a@example.org", "x@a.example",
			"y@b.example")); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range b.Commit(t.Context()) {
		if !r.Done(2) {
			t.Errorf("message %d: %v", i, r)
		}
	}
	if w.mem.commits != 1 {
		t.Errorf("%d commits", w.mem.commits)
	}
	if n := len(w.records()); n != 256 { // one per lane
		t.Errorf("%d records", n)
	}
	if r := b.Commit(t.Context()); r != nil {
		t.Errorf("an empty batch says %v", r)
	}
}

// A cut body costs only itself.
func TestBatchWithCut(t *testing.T) {
	w := newWorld(t)
	b := w.Batch()
	ms := []*mail.Message{message("1", "", "x@a.example"), message("2", "", "x@a.example"), message("3", "",
		"x@a.example")}
	ms[1].Content.(*text).cut = 10
	for i, m := range ms {
		if err := b.Add(t.Context(), m); (err != nil) != (i == 1) {
			t.Errorf("Add %d: %v", i, err)
		}
	}
	if r := b.Commit(t.Context()); len(r) != 2 || !r[0].Done(1) || !r[1].Done(1) {
		t.Errorf("reports %v", r)
	}
	if n := len(w.records()); n != 2 || w.mem.staged != 2 {
		t.Errorf("%d records, %d bodies", n, w.mem.staged)
	}
}

// More recipients than a record holds become several records with one mark.
func TestManyRecipients(t *testing.T) {
	w := newWorld(t)
	m := message("1", "a@example.org")
	for i := range 2500 {
		m.Envelope.Recipients = append(m.Envelope.Recipients,
			mail.Recipient{Forward: mail.Path(fmt.Sprintf("u%d@a.example", i))})
	}
	w.put(m)
	all := map[mail.Path]bool{}
	n := 0
	for _, r := range w.records() {
		n++
		for _, x := range r.Recipients {
			all[x.Forward] = true
		}
	}
	if n != 3 || len(all) != 2500 || w.mem.commits != 1 || len(w.mem.disk.marks["acc"]) != 1 {
		t.Errorf("%d records, %d recipients, %d commits", n, len(all), w.mem.commits)
	}
	if m.Content.(*text).read != 1 {
		t.Error("the line was paid for more than once")
	}
}

// Who has told of an id already gets it, for the first record; the others have their own.
func TestChosenID(t *testing.T) {
	w := newWorld(t)
	m := message("1", "a@example.org")
	for i := range 1001 {
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: mail.Path(fmt.Sprintf("u%d@a.example", i))})
	}
	m.Chosen = mail.NewID(w.clock.now(), nil)
	m.Content.(*text).b = append([]byte(strings.Repeat("Received: x\r\n", 60)), m.Content.(*text).b...)
	w.put(m)
	records := w.records()
	if len(records) != 2 || m.ID != m.Chosen || records[0].ID != m.Chosen && records[1].ID != m.Chosen {
		t.Errorf("%d records, id %v, chosen %v", len(records), m.ID, m.Chosen)
	}
	for _, r := range records {
		if r.Recipients[0].State != Waiting {
			t.Errorf("a listener has counted the hands it went through, and the queue finds %v", r.Recipients[0].Last)
		}
	}
}

// Long addresses part sooner: a record has to fit.
func TestLongRecipients(t *testing.T) {
	w := newWorld(t)
	m := message("1", "a@example.org")
	for i := range 200 {
		p := fmt.Sprintf("%s%d@a.example", strings.Repeat("x", 900), i)
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: mail.Path(p)})
	}
	w.put(m)
	w.pass("main", always(mail.Result{Reply: strings.Repeat("4", 5000), Err: errors.New(strings.Repeat("e",
		5000))}))
	for _, r := range w.records() {
		n := 0
		for _, x := range r.Recipients {
			n += len(x.Forward) + len(x.Last.Reply) + len(x.Last.Err)
		}
		if n > 140<<10 {
			t.Errorf("a record has %d octets of text", n)
		}
	}
}

// S14, when taking: no space, nothing taken, and it says so.
func TestFull(t *testing.T) {
	w := newWorld(t)
	w.mem.full = true
	r := w.Deliver(t.Context(), message("1", "", "x@a.example"))
	var trouble *mail.Trouble
	if len(r) != 1 || r[0].Outcome != mail.Deferred || !errors.As(r[0].Err, &trouble) ||
		trouble.Kind != mail.Local {
		t.Errorf("report %+v", r)
	}
	w.mem.full = false
	w.mem.fault = func(int, *Batch) (error, bool) { return ErrFull, false }
	if r := w.Deliver(t.Context(), message("1", "", "x@a.example")); r[0].Outcome != mail.Deferred {
		t.Errorf("report %+v", r)
	}
	if w.mem.staged != 0 {
		t.Errorf("%d bodies left", w.mem.staged)
	}
}

func TestLimit(t *testing.T) {
	w := newWorld(t)
	limit := Limit{Messages: 2}
	w.Limit = func() Limit { return limit }
	w.put(message("1", "", "x@a.example"))
	w.put(message("2", "", "x@a.example"))
	if r := w.Deliver(t.Context(), message("3", "", "x@a.example")); r[0].Outcome != mail.Deferred {
		t.Errorf("report %+v", r)
	}
	limit = Limit{Octets: 10}
	if r := w.Deliver(t.Context(), message("3", "", "x@a.example")); r[0].Outcome != mail.Deferred {
		t.Errorf("report %+v", r)
	}
	limit = Limit{Messages: 3}
	w.put(message("3", "", "x@a.example"))
}

// A UID that is taken is not queued again, and is reported as taken only after a later commit has returned.
func TestSeenAgain(t *testing.T) {
	w := newWorld(t)
	w.put(message("1", "", "x@a.example"))
	b := w.Batch()
	for _, u := range []string{"1", "2"} {
		if err := b.Add(t.Context(), message(u, "", "x@a.example")); err != nil {
			t.Fatal(err)
		}
	}
	if r := b.Commit(t.Context()); !r[0].Done(1) || !r[1].Done(1) {
		t.Errorf("reports %v", r)
	}
	if n := len(w.records()); n != 2 {
		t.Errorf("%d records", n)
	}
	before := w.mem.commits
	if r := w.Deliver(t.Context(), message("1", "", "x@a.example")); !r.Done(1) {
		t.Errorf("report %v", r)
	}
	if w.mem.commits != before+2 { // refused, then confirmed
		t.Errorf("%d commits: a mark that was read was not confirmed", w.mem.commits-before)
	}
	w.mem.fault = func(n int, b *Batch) (error, bool) {
		if len(b.Notes) == 1 {
			return errors.New("disk"), false
		}
		return nil, false
	}
	if r := w.Deliver(t.Context(), message("1", "", "x@a.example")); r.Done(1) {
		t.Error("a mark was believed without a later commit")
	}
	if w.mem.staged != 2 {
		t.Errorf("%d bodies", w.mem.staged)
	}
}

// R12, R13: a server that uses a UID again, or one UID for two messages, loses no mail.
func TestR12_UIDUsedAgain(t *testing.T) {
	w := newWorld(t)
	w.put(message("1", "", "x@a.example"))
	other := message("1", "", "x@a.example")
	other.Content = &text{b: []byte("Subject: quite another\r\n\r\nbody\r\n")}
	w.put(other)
	if n := len(w.records()); n != 2 {
		t.Errorf("%d records", n)
	}
	b := w.Batch()
	for _, s := range []string{"one", "two"} {
		m := message("2", "", "x@a.example")
		m.Content = &text{b: []byte("Subject: " + s + "\r\n\r\n")}
		if err := b.Add(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if r := b.Commit(t.Context()); !r[0].Done(1) || !r[1].Done(1) {
		t.Errorf("reports %v", r)
	}
	if n := len(w.records()); n != 4 {
		t.Errorf("%d records", n)
	}
}

// What is marked as not to be collected is not reported as taken: it would be deleted upstream.
func TestKnownIsNotTaken(t *testing.T) {
	w := newWorld(t)
	if err := w.Skip(t.Context(), "acc", []mail.UID{"1"}); err != nil {
		t.Fatal(err)
	}
	if r := w.Deliver(t.Context(), message("1", "", "x@a.example")); r[0].Outcome != mail.Deferred {
		t.Errorf("report %v", r)
	}
	if n := len(w.records()); n != 0 {
		t.Errorf("%d records", n)
	}
}

// Kept mail is marked so.
func TestKeeps(t *testing.T) {
	w := newWorld(t)
	w.Keeps = func(o mail.Origin, _ int64) bool { return o.UID == "1" }
	w.put(message("1", "", "x@a.example"))
	w.put(message("2", "", "x@a.example"))
	if a, b := w.mem.disk.marks["acc"]["1"], w.mem.disk.marks["acc"]["2"]; a.Mark != Kept ||
		b.Mark != Taken || b.Key == [16]byte{} {
		t.Errorf("marks %v and %v", a, b)
	}
}

// An answer that was lost is asked for again with the same batch: one message, not two.
func TestUnknownCommit(t *testing.T) {
	for _, lie := range []bool{true, false} {
		w := newWorld(t)
		var ids [][16]byte
		w.mem.fault = func(_ int, b *Batch) (error, bool) {
			if ids = append(ids, b.ID); len(ids) < 4 {
				return ErrUnknown, lie
			}
			return nil, false
		}
		w.put(message("1", "", "x@a.example"))
		if n := len(w.records()); n != 1 || len(ids) != 4 || ids[0] != ids[3] {
			t.Errorf("lie %v: %d records, %d commits", lie, n, len(ids))
		}
	}
	w := newWorld(t)
	w.mem.fault = func(int, *Batch) (error, bool) { return ErrUnknown, true }
	if r := w.Deliver(t.Context(), message("1", "", "x@a.example")); r[0].Outcome != mail.Deferred ||
		!errors.Is(r[0].Err, ErrUnknown) {
		t.Errorf("what is not known was reported as %v", r)
	}
	w.mem.fault = nil
	w.put(message("1", "", "x@a.example")) // the next session finds out
	if n := len(w.records()); n != 1 {
		t.Errorf("%d records", n)
	}
}

// S13: a message that goes in circles fails with 5.4.6, once, and is not delivered.
func TestS13_Loop(t *testing.T) {
	w := newWorld(t)
	m := message("1", "a@example.org", "x@a.example")
	m.Content = &text{b: []byte(strings.Repeat("Received: by x;\r\n\tMon\r\n", 51) +
		"Subject: round\r\n\r\nbody\r\n")}
	w.put(m)
	if n := w.pass("main", always(yes)); n != 1 { // only the report
		t.Errorf("%d messages were attempted", n)
	}
	if len(w.report.told) != 1 || len(w.records()) != 0 {
		t.Errorf("told %v, left %v", w.report.told, w.records())
	}
	ours := message("2", "a@example.org", "x@a.example")
	ours.Content = &text{b: []byte("Received: by here (mailretr)\r\n\tid 7\r\n\r\n")}
	w.Loop.Ours = func(field []byte, m *mail.Message) bool {
		return strings.HasPrefix(string(field), "Received: by here (mailretr)\r\n\tid 7") &&
			m.Origin.Maildrop == "jaco"
	}
	w.put(ours)
	w.pass("main", always(yes))
	if len(w.report.told) != 2 {
		t.Errorf("told %v", w.report.told)
	}
	fine := message("3", "a@example.org", "x@a.example")
	fine.Content = &text{b: []byte(strings.Repeat("Received: by x;\r\n\tMon\r\n", 50) +
		"\r\nReceived: in the body\r\n")}
	w.put(fine)
	w.pass("main", always(yes))
	if len(w.report.told) != 2 {
		t.Errorf("told %v", w.report.told)
	}
}

// A message without recipients, or without a route, is never taken.
func TestNowhereToGo(t *testing.T) {
	w := newWorld(t)
	if err := w.Batch().Add(t.Context(), message("1", "")); err == nil {
		t.Error("taken without recipients")
	}
	w.Route = func(mail.Origin, mail.Envelope, mail.Recipient) []mail.Lane { return nil }
	if err := w.Batch().Add(t.Context(), message("1", "", "x@a.example")); !errors.Is(err, errNoRoute) {
		t.Errorf("%v", err)
	}
	if w.mem.staged != 0 {
		t.Error("something is staged")
	}
}

// One recipient may have several lanes; each gets a copy.
func TestSeveralLanes(t *testing.T) {
	w := newWorld(t)
	w.Route = func(mail.Origin, mail.Envelope, mail.Recipient) []mail.Lane { return []mail.Lane{"one", "two"} }
	w.put(message("1", "", "x@a.example"))
	if a, b := w.pass("one", always(yes)), w.pass("two", always(yes)); a != 1 || b != 1 {
		t.Errorf("%d and %d messages", a, b)
	}
}

// What a crash leaves is due at once, and nothing is lost or there twice.
func TestCrash(t *testing.T) {
	w := newWorld(t)
	id := w.put(message("1", "", "x@a.example"))
	d := w.session("main")
	for range d.Messages(t.Context(), nil) {
		break // leased, and then the process dies
	}
	if n := w.pass("main", always(yes)); n != 0 {
		t.Fatal("leased twice")
	}
	w.use(w.mem.reopen())
	if n := w.pass("main", func(m *mail.Message) mail.Report {
		if m.ID != id {
			t.Error("another id")
		}
		return mail.Report{later}
	}); n != 1 {
		t.Fatal("not due after a crash")
	}
	if n := w.pass("main", always(yes)); n != 0 {
		t.Error("due before its time")
	}
	w.clock.add(time.Minute)
	if n := w.pass("main", always(yes)); n != 1 {
		t.Error("not due")
	}
}

// A body that could not be made durable is not taken; the others of its batch are.
func TestSealFails(t *testing.T) {
	w := newWorld(t)
	b := w.Batch()
	for i, unsound := range []bool{false, true, false} {
		w.mem.unsound = unsound
		if err := b.Add(t.Context(), message(fmt.Sprint(i), "", "x@a.example")); err != nil {
			t.Fatal(err)
		}
		b.(*batch).in[i].sealing.Wait()
	}
	var trouble *mail.Trouble
	r := b.Commit(t.Context())
	if !r[0].Done(1) || r[1][0].Outcome != mail.Deferred || !errors.As(r[1][0].Err, &trouble) || !r[2].Done(1) {
		t.Errorf("reports %v", r)
	}
	if n := len(w.records()); n != 2 || w.mem.staged != 2 {
		t.Errorf("%d records, %d bodies", n, w.mem.staged)
	}
}

// Many at once: batches, sessions, verbs; each message is delivered once.
func TestConcurrent(t *testing.T) {
	w := newWorld(t)
	const senders, each = 8, 40
	var in, out sync.WaitGroup
	for s := range senders {
		in.Go(func() {
			b := w.Batch()
			for i := range each {
				if err := b.Add(t.Context(), message(fmt.Sprintf("%d.%d", s, i), "a@example.org",
					"x@a.example")); err != nil {
					t.Error(err)
				}
				if i%7 == 0 {
					b.Commit(t.Context())
				}
			}
			b.Commit(t.Context())
		})
	}
	var mu sync.Mutex
	got := map[mail.UID]int{}
	done := make(chan struct{})
	for range 4 {
		out.Go(func() {
			for last := false; !last; {
				select {
				case <-done:
					last = true
				default:
				}
				d, err := w.Lane("main").Open(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				for m, err := range d.Messages(t.Context(), nil) {
					if err != nil {
						t.Error(err)
						return
					}
					read(t, m)
					mu.Lock()
					got[m.Origin.UID]++
					mu.Unlock()
					if err := d.Settle(t.Context(), m, mail.Report{yes}); err != nil {
						t.Error(err)
					}
				}
				d.Close()
			}
		})
	}
	in.Wait()
	close(done)
	out.Wait()
	for u, n := range got {
		if n != 1 {
			t.Errorf("%s was delivered %d times", u, n)
		}
	}
	if len(got) != senders*each || len(w.records()) != 0 {
		t.Errorf("%d were delivered, %d are left", len(got), len(w.records()))
	}
}

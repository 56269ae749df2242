package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// trusting returns a world whose lane has just had a success, so that refusals are believed.
func trusting(t *testing.T) *world {
	w := newWorld(t)
	w.Guard = Guard{Wait: -1, Alike: -1}
	return w
}

// The end of a failed recipient and the birth of its report are one commit.
func TestOneCommit(t *testing.T) {
	w := trusting(t)
	id := w.put(message("1", "a@b.example", "x@a.example", "y@a.example"))
	var last *Batch
	w.mem.fault = func(_ int, b *Batch) (error, bool) { last = b; return nil, false }
	w.clock.add(time.Second)
	d := w.session("main")
	for m := range d.Messages(t.Context(), nil) {
		before := w.mem.commits
		if err := d.Settle(t.Context(), m, mail.Report{no, later}); err != nil {
			t.Fatal(err)
		}
		if n := w.mem.commits - before; n != 1 || len(last.Fence) != 1 || len(last.Put) != 2 {
			t.Errorf("%d commits, %+v", n, last)
		}
	}
	all := w.records()
	if len(all) != 2 || letters(&all[0]) != "y@a.example" || all[1].Parent != id || all[1].Lane != "b.example" ||
		all[1].ParentOrigin.UID != "1" || all[1].Origin.UID != "" || !all[1].Reverse.Null() {
		t.Fatalf("records %+v", all)
	}
	w.pass("b.example", func(m *mail.Message) mail.Report {
		if m.Parent != id || !strings.Contains(string(read(t, m)), "550 no such user") {
			t.Errorf("report %+v", m)
		}
		return mail.Report{yes}
	})
	e := w.events.of(mail.OpDSN)
	if len(e) != 1 || e[0].To != "a@b.example" || e[0].Origin.UID != "1" {
		t.Errorf("events %+v", e)
	}
}

// S14: a report that cannot be staged, made or committed stays owed; the recipient is not attempted again,
// and those who were served are not served twice.
func TestS14_ReportOwed(t *testing.T) {
	for name, break_ := range map[string]func(*world) (mend func()){
		"staging": func(w *world) func() {
			w.mem.full = true
			return func() { w.mem.full = false }
		},
		"making": func(w *world) func() {
			w.report.err = errors.New("template")
			return func() { w.report.err = nil }
		},
		"committing": func(w *world) func() {
			w.mem.fault = func(_ int, b *Batch) (error, bool) {
				if len(b.Put) > 1 || len(b.Put) == 1 && !b.Put[0].Parent.Zero() {
					return ErrFull, false
				}
				return nil, false
			}
			return func() { w.mem.fault = nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := trusting(t)
			w.put(message("1", "a@b.example", "x@a.example", "y@a.example"))
			mend := break_(w)
			w.pass("main", func(*mail.Message) mail.Report { return mail.Report{no, yes} })
			r := w.records()
			if len(r) != 1 || letters(&r[0]) != "X@A.EXAMPLE" || w.mem.staged != 1 {
				t.Fatalf("records %+v, %d bodies", r, w.mem.staged)
			}
			w.clock.add(owedPause)
			w.pass("main", always(yes)) // still broken
			if r := w.records(); len(r) != 1 || letters(&r[0]) != "X@A.EXAMPLE" {
				t.Fatalf("records %+v", r)
			}
			mend()
			w.use(w.mem.reopen())
			w.Guard = Guard{Wait: -1, Alike: -1}
			w.clock.add(owedPause)
			if n := w.pass("main", always(yes)); n != 0 {
				t.Errorf("%d attempted", n)
			}
			if n := w.pass("b.example", always(yes)); n != 1 || len(w.records()) != 0 {
				t.Errorf("%d reports, left %v", n, w.records())
			}
			if n := w.events.of(mail.OpDSN); len(n) != 3 || !n[0].Alarm || n[2].Alarm {
				t.Errorf("events %+v", n)
			}
		})
	}
}

// S11: where nobody may be told, nothing is dropped: it is held, whole. Reports that fail end. There are
// never more reports than failures.
func TestS11_NobodyToTell(t *testing.T) {
	w := trusting(t)
	w.put(message("1", "", "x@a.example", "y@a.example"))
	w.pass("main", func(*mail.Message) mail.Report { return mail.Report{no, later} })
	if r := w.records(); len(r) != 1 || r[0].Held() || letters(&r[0]) != "X@A.EXAMPLEy@a.example" {
		t.Fatalf("records %+v", r)
	}
	w.clock.add(10 * time.Minute)
	w.pass("main", func(m *mail.Message) mail.Report {
		if len(m.Envelope.Recipients) != 1 {
			t.Error("a failed recipient was attempted again")
		}
		return mail.Report{yes}
	})
	r := w.records()
	if len(r) != 1 || r[0].Hold != HoldMute || letters(&r[0]) != "X@A.EXAMPLE" ||
		w.mem.disk.bodies[r[0].Body] == nil {
		t.Fatalf("records %+v", r)
	}
	w.clock.add(1000 * time.Hour)
	if w.pass("main", always(yes)); len(w.records()) != 1 {
		t.Error("what is held has ended")
	}
	w.put(message("2", "a@example.org", "x@a.example"))
	for range 5 {
		w.pass("main", always(no))
		w.clock.add(24 * time.Hour)
	}
	if len(w.report.told) != 1 || len(w.records()) != 1 {
		t.Errorf("told %v, left %d", w.report.told, len(w.records()))
	}
}

// S11: what went whole to the postmaster, who refuses it, is held: it is nowhere else.
func TestS11_PostmasterRefuses(t *testing.T) {
	w := trusting(t)
	w.Reporter = toPostmaster{w.report}
	id := w.put(message("1", "", "x@a.example"))
	w.pass("main", always(no))
	w.pass("c.example", always(no))
	w.clock.add(1000 * time.Hour)
	w.pass("c.example", always(no))
	r := w.records()
	if len(r) != 1 || r[0].Parent != id || r[0].Hold != HoldMute || !r[0].Whole {
		t.Fatalf("records %+v", r)
	}
	w.put(message("2", "a@example.org", "x@a.example")) // a report that fails, and then the postmaster: it ends
	for range 5 {
		w.pass("main", always(no))
		w.pass("c.example", always(no))
	}
	if n := len(w.records()); n != 1 {
		t.Errorf("%d records", n)
	}
}

// toPostmaster tells the sender, else the postmaster, unless it was he who failed.
type toPostmaster struct{ *reporter }

func (p toPostmaster) Report(ctx context.Context, m *mail.Message, r mail.Report) ([]*mail.Message, error) {
	if !m.Envelope.Reverse.Null() || m.Envelope.Recipients[0].Forward == "postmaster@c.example" {
		return p.reporter.Report(ctx, m, r)
	}
	return []*mail.Message{{
		Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: "postmaster@c.example"}}}, Whole: true,
		Content: m.Content,
	}}, nil
}

func TestNotify(t *testing.T) {
	for notify, told := range map[string]int{"": 1, "NEVER": 0, "never": 0, "SUCCESS": 0, "DELAY, Failure": 1,
		"SUCCESS,DELAY": 0} {
		w := trusting(t)
		m := message("1", "a@example.org", "x@a.example")
		m.Envelope.Recipients[0].Notify = notify
		w.put(m)
		w.pass("main", always(no))
		w.pass("main", always(yes))
		if len(w.report.told) != told || len(w.records()) != 0 {
			t.Errorf("NOTIFY=%s: told %v, left %v", notify, w.report.told, w.records())
		}
	}
}

func TestDiscard(t *testing.T) {
	w := trusting(t)
	w.Fate = func(_ *Record, r mail.Result) Fate {
		if strings.HasPrefix(r.Reply, "550") {
			return Fate{Act: Discard}
		}
		return Fate{}
	}
	w.put(message("1", "a@example.org", "x@a.example"))
	w.pass("main", always(no))
	if len(w.records()) != 0 || len(w.report.told) != 0 || len(w.events.of(mail.OpDiscard)) != 1 {
		t.Errorf("told %v, left %v", w.report.told, w.records())
	}
}

// One typo in a maildrop's own recipient must not bounce its mail: it is held.
func TestMisconfigured(t *testing.T) {
	w := trusting(t)
	w.Misconfigured = func(_ context.Context, r *Record, x mail.Result) bool {
		return r.Origin.Maildrop == "jaco" && strings.HasPrefix(x.Reply, "550") && x.After == mail.OpRcpt
	}
	id := w.put(message("1", "a@example.org", "x@a.example"))
	atRcpt := no
	atRcpt.After = mail.OpRcpt
	w.pass("main", always(atRcpt))
	r := w.records()
	if len(r) != 1 || r[0].Hold != HoldRcpt || letters(&r[0]) != "x@a.example" || len(w.report.told) != 0 {
		t.Fatalf("records %+v", r)
	}
	if err := w.Release(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	if w.pass("main", always(yes)); len(w.records()) != 0 {
		t.Error("not delivered once it was mended")
	}
}

// Expiry: one attempt after the age, then a report with the last reply.
func TestExpiry(t *testing.T) {
	w := newWorld(t)
	w.Schedule = func(mail.Lane) Schedule { return Schedule{Expire: 2 * time.Hour} }
	w.put(message("1", "a@b.example", "x@a.example"))
	n := 0
	for range 200 {
		n += w.pass("main", always(later))
		if len(w.report.told) > 0 {
			break
		}
		w.clock.add(time.Minute)
	}
	e := w.events.of(mail.OpExpire)
	if len(e) != 1 || e[0].Delay != 2*time.Hour || e[0].Alarm || n != 7 { // 0, 1m, 6m, 21m, 51m, 111m, 2h
		t.Errorf("%d attempts, %+v", n, e)
	}
	w.pass("b.example", func(m *mail.Message) mail.Report {
		if b := read(t, m); !strings.Contains(string(b), "Zip module failure") {
			t.Errorf("report %q", b)
		}
		return mail.Report{yes}
	})
	if len(w.records()) != 0 {
		t.Error("something is left")
	}
}

// A sick lane costs no attempt, touches no due time, and its time does not count; when it is well
// everything is due.
func TestSickLane(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.put(message(fmt.Sprint(i), "a@b.example", "x@a.example"))
		w.clock.add(time.Second)
	}
	first := w.records()[0].ID
	for range 4 * 24 * 6 { // six days, four tries an hour
		if n := w.pass("main", func(m *mail.Message) mail.Report {
			if m.ID != first || m.Attempts != 0 {
				t.Fatal("not the oldest, or attempts count")
			}
			return mail.Report{away}
		}); n != 1 {
			t.Fatalf("%d messages were tried in a sick lane", n)
		}
		w.clock.add(15 * time.Minute)
	}
	w.use(w.mem.reopen()) // the spell is remembered
	if err := w.DueNow(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	if n := w.pass("main", always(later)); n != 3 || len(w.report.told) != 0 {
		t.Errorf("%d tried, told %v", n, w.report.told)
	}
	r := w.records()[0]
	tried := w.events.of(mail.OpDeliver)
	if last := tried[len(tried)-1]; tried[0].Saved != 0 || last.Saved != r.Size {
		t.Errorf("a refused connection saved %d, an attempt %d of %d", tried[0].Saved, last.Saved, r.Size)
	}
	if r.Attempts != 1 || r.Sick < 5*24*time.Hour || r.Tries != 4*24*6+1 {
		t.Errorf("record %+v", r)
	}
	for range 4 * 24 * 6 { // and away again: at twice the age it ends, with an alarm
		w.clock.add(15 * time.Minute)
		w.pass("main", always(away))
	}
	if e := w.events.of(mail.OpExpire); len(e) != 3 || !e[0].Alarm {
		t.Errorf("events %+v", e)
	}
}

// A lease that ran out while the attempt went on: the other one counts, and an admin hears of it.
func TestFenced(t *testing.T) {
	w := newWorld(t)
	w.put(message("1", "a@b.example", "x@a.example"))
	d := w.session("main")
	for m := range d.Messages(t.Context(), nil) {
		w.clock.add(time.Hour) // nobody renewed
		if n := w.pass("main", always(later)); n != 1 {
			t.Fatal("the lease did not run out")
		}
		if err := d.Settle(t.Context(), m, mail.Report{yes}); err != nil {
			t.Error(err)
		}
		break
	}
	if r := w.records(); len(r) != 1 || r[0].Attempts != 1 {
		t.Errorf("records %+v", r)
	}
	if e := w.events.of(mail.OpStore); len(e) != 1 || !e[0].Alarm || !errors.Is(e[0].Err, ErrFenced) {
		t.Errorf("events %+v", e)
	}
}

// A settlement that cannot be committed says so; the message is due as before.
func TestSettleFails(t *testing.T) {
	w := newWorld(t)
	w.put(message("1", "a@b.example", "x@a.example"))
	w.mem.fault = func(int, *Batch) (error, bool) { return errors.New("disk"), false }
	d := w.session("main")
	for m, err := range d.Messages(t.Context(), nil) {
		if err != nil {
			break
		}
		if err := d.Settle(t.Context(), m, mail.Report{yes}); err == nil {
			t.Error("no error")
		}
		break
	}
	w.mem.fault = nil
	if n := w.pass("main", always(yes)); n != 1 {
		t.Errorf("%d are due", n)
	}
}

type mourner struct{ *reporter }

func (m mourner) Lost(_ context.Context, about *mail.Message, cause error) ([]*mail.Message, error) {
	return []*mail.Message{{
		Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: "postmaster@b.example"}}},
		Content:  &text{b: []byte("Subject: lost\r\n\r\n" + about.ID.String() + ": " + cause.Error() + "\r\n")},
	}}, nil
}

// S6: what has lost its body is held and reported to the postmaster at once; the others flow.
func TestLost(t *testing.T) {
	w := newWorld(t)
	w.Reporter = mourner{w.report}
	id := w.put(message("1", "a@b.example", "x@a.example"))
	w.put(message("2", "a@b.example", "x@a.example"))
	r, _ := w.Show(t.Context(), id)
	delete(w.mem.disk.bodies, r.Record.Body)
	if n := w.pass("main", always(yes)); n != 1 {
		t.Errorf("%d were attempted", n)
	}
	if n := w.pass("b.example", always(yes)); n != 1 {
		t.Errorf("%d reports", n)
	}
	all := w.records()
	if len(all) != 1 || all[0].ID != id || all[0].Hold != HoldLost || len(w.events.of(mail.OpHold)) != 1 {
		t.Errorf("records %+v", all)
	}
}

// A body that is only out of reach now loses nothing.
func TestOutOfReach(t *testing.T) {
	w := newWorld(t)
	w.put(message("1", "a@b.example", "x@a.example"))
	w.Engine = &unreachable{w.mem}
	d := w.session("main")
	n := 0
	for m, err := range d.Messages(t.Context(), nil) {
		if n++; m != nil || err == nil {
			t.Error("yielded")
		}
	}
	if n != 1 {
		t.Errorf("%d times", n)
	}
	w.Engine = w.mem
	if n := w.pass("main", always(yes)); n != 1 {
		t.Errorf("%d are due", n)
	}
}

type unreachable struct{ *mem }

func (unreachable) OpenBody(context.Context, BodyRef) (io.ReadSeekCloser, error) {
	return nil, errors.New("too many open files")
}

// A shorter file than the record says is never taken for the whole message.
func TestTruncated(t *testing.T) {
	w := newWorld(t)
	w.put(message("1", "a@b.example", "x@a.example"))
	for k, b := range w.mem.disk.bodies {
		w.mem.disk.bodies[k] = b[:len(b)-1]
	}
	w.pass("main", func(m *mail.Message) mail.Report {
		r, err := m.Content.Open(t.Context())
		if err != nil {
			return nil
		}
		defer r.Close()
		for err == nil {
			_, err = r.Read(make([]byte, 10))
		}
		if err.Error() != "unexpected EOF" {
			t.Errorf("ended with %v", err)
		}
		return nil
	})
}

// A clock that was wrong leaves nothing due in ten years.
func TestRecover(t *testing.T) {
	w := newWorld(t)
	w.clock.add(10 * 365 * 24 * time.Hour)
	w.put(message("1", "a@b.example", "x@a.example"))
	w.clock.add(-10 * 365 * 24 * time.Hour)
	w.put(message("2", "a@b.example", "x@a.example"))
	if n, err := w.Recover(t.Context()); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n := w.pass("main", always(yes)); n != 2 {
		t.Errorf("%d are due", n)
	}
}

// When the lane is well the time counts again.
func TestWellAgain(t *testing.T) {
	w := newWorld(t)
	w.Schedule = func(mail.Lane) Schedule { return Schedule{Expire: 10 * time.Hour} }
	w.put(message("1", "a@b.example", "x@a.example"))
	w.pass("main", always(away))
	w.clock.add(5 * time.Hour)
	w.pass("main", always(later)) // an answer: the spell ends by itself
	w.use(w.mem.reopen())
	w.clock.add(10*time.Hour - 1)
	w.pass("main", always(later))
	if r := w.records()[0]; r.Sick != 5*time.Hour || len(w.report.told) != 0 {
		t.Errorf("record %+v, told %v", r, w.report.told)
	}
	w.clock.add(1)
	w.pass("main", always(later))
	if len(w.report.told) != 1 {
		t.Error("not given up")
	}
}

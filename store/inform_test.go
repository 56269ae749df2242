package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"mailretr/store/mail"
)

// informer is a reporter that tells of delays and successes too, and can bring mail to somebody else.
type informer struct {
	*reporter
	until    time.Time
	delayed  []mail.Path
	success  []string // address and custody
	redirect []string // address, and to whom
	broken   error
}

// note makes one message for each recipient.
func (r *informer) note(m *mail.Message, to mail.Path, what string) (all []*mail.Message, err error) {
	if r.broken != nil {
		return nil, r.broken
	}
	for _, x := range m.Envelope.Recipients {
		what := what
		if what == "failed" && x.Notify == "NEVER" {
			what = "copy"
		}
		all = append(all, &mail.Message{
			Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: to}}},
			Content:  &text{b: fmt.Appendf(nil, "Subject: %s %s\r\n\r\n%v\r\n", what, string(x.Forward), m.ID)},
		})
	}
	return all, nil
}

func (r *informer) Delayed(_ context.Context, m *mail.Message, rep mail.Report, until time.Time) ([]*mail.Message, error) {
	for i, x := range m.Envelope.Recipients {
		if rep[i].Outcome != mail.Deferred {
			return nil, errors.New("a delay that is none")
		}
		r.delayed = append(r.delayed, x.Forward)
	}
	r.until = until
	return r.note(m, m.Envelope.Reverse, "delayed")
}

func (r *informer) Succeeded(_ context.Context, m *mail.Message, rep mail.Report) ([]*mail.Message, error) {
	for i, x := range m.Envelope.Recipients {
		r.success = append(r.success, string(x.Forward)+" "+rep[i].Custody.String())
	}
	return r.note(m, m.Envelope.Reverse, "success")
}

func (r *informer) Redirect(_ context.Context, m *mail.Message, _ mail.Report, to mail.Path) ([]*mail.Message, error) {
	if to == "nobody@b.example" {
		return nil, nil
	}
	if to.Null() {
		to = "postmaster@b.example"
	}
	for _, x := range m.Envelope.Recipients {
		r.redirect = append(r.redirect, string(x.Forward)+" "+string(to))
	}
	all, err := r.note(m, to, "failed")
	for _, x := range all {
		x.Whole = true
	}
	return all, err
}

// informed is a world in which refusals are believed.
func informed(t *testing.T) (*world, *informer) {
	w := trusting(t)
	r := &informer{reporter: w.report}
	w.Reporter = r
	return w, r
}

func notify(m *mail.Message, words string) *mail.Message {
	for i := range m.Envelope.Recipients {
		m.Envelope.Recipients[i].Notify = words
	}
	return m
}

// The report of a success is in the commit that ends its recipients.
func TestSuccess(t *testing.T) {
	w, r := informed(t)
	id := w.put(notify(message("1", "a@b.example", "x@a.example", "y@a.example", "z@a.example"), "SUCCESS,FAILURE"))
	w.put(message("2", "a@b.example", "x@a.example")) // nobody has asked
	w.put(notify(message("3", "", "x@a.example"), "SUCCESS"))
	w.clock.add(time.Second)
	final, told := yes, yes
	final.Custody, told.Custody = mail.Final, mail.Reports
	commits := w.mem.commits
	w.pass("main", func(m *mail.Message) mail.Report { return mail.Report{yes, final, told}[:len(m.Envelope.Recipients)] })
	if !slices.Equal(r.success, []string{"x@a.example relayed", "y@a.example delivered"}) {
		t.Errorf("told of %v", r.success)
	}
	left := w.records()
	if w.mem.commits-commits != 3 || len(left) != 2 || left[0].Parent != id || left[0].Whole {
		t.Errorf("%d commits, %+v", w.mem.commits-commits, left)
	}
}

// A report of success that cannot be made or queued keeps no message from ending; an admin is told.
func TestS14_SuccessIsACourtesy(t *testing.T) {
	for name, break_ := range map[string]func(*world, *informer){
		"making":  func(_ *world, r *informer) { r.broken = errors.New("template") },
		"staging": func(w *world, _ *informer) { w.mem.full = true },
		"committing": func(w *world, _ *informer) {
			w.mem.fault = func(_ int, b *Batch) (error, bool) {
				if len(b.Put) > 0 {
					return ErrFull, false
				}
				return nil, false
			}
		},
	} {
		w, r := informed(t)
		w.put(notify(message("1", "a@b.example", "x@a.example"), "SUCCESS"))
		break_(w, r)
		w.pass("main", always(yes))
		if e := w.events.of(mail.OpDSN); len(w.records()) != 0 || len(e) != 1 || !e[0].Alarm || e[0].Err == nil {
			t.Errorf("%s: %d records, %+v", name, len(w.records()), e)
		}
	}
}

// A delay is told once per message and recipient, whatever happens in between.
func TestWarnOnce(t *testing.T) {
	w, r := informed(t)
	w.Late = func() time.Duration { return 4 * time.Hour }
	id := w.put(message("1", "a@b.example", "x@a.example", "y@a.example"))
	w.put(message("2", "", "x@a.example"))
	queued := w.clock.now()
	w.pass("main", always(later))
	w.clock.add(4*time.Hour - time.Second)
	young := w.put(message("3", "a@b.example", "x@a.example"))
	if n, err := w.Warn(t.Context()); n != 0 || err != nil {
		t.Fatalf("%d told too early, %v", n, err)
	}
	w.clock.add(time.Second)
	due := w.records()[0].Due
	for range 3 {
		n, err := w.Warn(t.Context())
		if want := len(r.delayed) == 2; err != nil || n > 1 || !want {
			t.Fatalf("%d told: %v, %v", n, r.delayed, err)
		}
	}
	w.use(w.mem.reopen())
	w.Reporter, w.Late = r, func() time.Duration { return 4 * time.Hour }
	if n, err := w.Warn(t.Context()); n != 0 || err != nil {
		t.Errorf("told again after a restart: %d, %v", n, err)
	}
	all := w.records()
	if len(all) != 5 || !all[0].Due.Equal(due) || all[3].Parent != id || all[4].Parent != id || all[2].ID != young {
		t.Errorf("%+v", all)
	}
	if want := queued.Add(5 * 24 * time.Hour); !r.until.Equal(want) {
		t.Errorf("will be tried until %v, want %v", r.until, want)
	}
	// What is refused later is told as a failure all the same.
	w.pass("main", func(m *mail.Message) mail.Report { return mail.Same(len(m.Envelope.Recipients), no) })
	if len(r.told) != 3 {
		t.Errorf("failures told: %v", r.told)
	}
}

// While the next hop of the report is away itself, nobody is told: it would come with the message.
func TestWarnWaitsForTheWay(t *testing.T) {
	w, r := informed(t)
	w.Late = func() time.Duration { return time.Hour }
	w.put(message("1", "a@a.example", "x@a.example")) // its report takes the same way
	w.put(message("2", "a@b.example", "x@a.example")) // and this one another
	w.pass("main", always(away))
	w.clock.add(2 * time.Hour)
	if n, err := w.Warn(t.Context()); n != 1 || err != nil || !slices.Equal(r.delayed, []mail.Path{"x@a.example"}) {
		t.Fatalf("%d, %v, %v", n, err, r.delayed)
	}
	if err := w.DueNow(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	w.clock.add(time.Hour) // it should have been delivered by now
	if n, err := w.Warn(t.Context()); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// A delay that cannot be told is tried again; held and leased mail is left alone.
func TestS14_WarnAgain(t *testing.T) {
	w, r := informed(t)
	w.Late = func() time.Duration { return time.Hour }
	w.put(message("1", "a@b.example", "x@a.example"))
	held := w.put(message("2", "a@b.example", "x@a.example"))
	w.clock.add(2 * time.Hour)
	if err := w.Hold(t.Context(), held, "no", nil); err != nil {
		t.Fatal(err)
	}
	for name, break_ := range map[string]func() (mend func()){
		"making":  func() func() { r.broken = errors.New("template"); return func() { r.broken = nil } },
		"staging": func() func() { w.mem.full = true; return func() { w.mem.full = false } },
		"committing": func() func() {
			w.mem.fault = func(int, *Batch) (error, bool) { return ErrFull, false }
			return func() { w.mem.fault = nil }
		},
	} {
		mend := break_()
		if n, err := w.Warn(t.Context()); n != 0 && err == nil {
			t.Errorf("%s: %d told", name, n)
		}
		mend()
	}
	d := w.session("main")
	for range d.Messages(t.Context(), nil) {
		if n, err := w.Warn(t.Context()); n != 0 || err != nil {
			t.Errorf("told while it is attempted: %d, %v", n, err)
		}
		break
	}
	d.Close()
	if n, err := w.Warn(t.Context()); n != 1 || err != nil {
		t.Errorf("%d told, %v", n, err)
	}
}

// When a next hop comes back after hours, nobody is told of a delay of what is being delivered at last, but of what it
// defers, and of what is still there an hour later.
func TestWarnNotWhileTheBacklogDrains(t *testing.T) {
	w, r := informed(t)
	w.Late = func() time.Duration { return time.Hour }
	w.put(message("1", "a@c.example", "x@a.example"))
	w.put(message("2", "b@c.example", "x@a.example"))
	d := w.session("main")
	for m, err := range d.Messages(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Settle(t.Context(), m, always(away)(m)); err != nil {
			t.Fatal(err)
		}
	}
	d.Close()
	w.clock.add(12 * time.Hour)
	if err := w.DueNow(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	w.clock.add(time.Minute)
	warned := func(when string, want int) {
		t.Helper()
		if n, err := w.Warn(t.Context()); n != want || err != nil {
			t.Errorf("%s: %d were told, %v", when, n, err)
		}
	}
	warned("while it drains", 0)
	d = w.session("main")
	for m, err := range d.Messages(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Settle(t.Context(), m, always(later)(m)); err != nil {
			t.Fatal(err)
		}
		break
	}
	d.Close()
	warned("when one was deferred", 1)
	w.clock.add(time.Hour)
	warned("an hour later", 1)
	if len(r.delayed) != 2 {
		t.Errorf("told of %v", r.delayed)
	}
}

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// fates is a policy by the first word of the reply's text.
func fates(_ *Record, x mail.Result) Fate {
	var e interface{ Expired() bool }
	switch {
	case errors.As(x.Err, &e) && e.Expired():
		return Fate{Redirect, "rescue@b.example"}
	case strings.Contains(x.Reply, "keep"):
		return Fate{Act: Keep}
	case strings.Contains(x.Reply, "postmaster"):
		return Fate{Act: Redirect}
	case strings.Contains(x.Reply, "nobody"):
		return Fate{Redirect, "nobody@b.example"}
	case strings.Contains(x.Reply, "discard"):
		return Fate{Act: Discard}
	}
	return Fate{}
}

func refusal(word string) mail.Result {
	return mail.Result{Outcome: mail.Failed, Reply: "550 5.7.1 " + word, Enhanced: "5.7.1", RemoteMTA: "mta:25"}
}

// Each recipient has the fate that its failure has, in one commit.
func TestFates(t *testing.T) {
	w, r := informed(t)
	w.Fate = fates
	id := w.put(message("1", "a@b.example", "bounce@a.example", "keep@a.example", "postmaster@a.example",
		"discard@a.example", "nobody@a.example", "yes@a.example"))
	w.pass("main", func(*mail.Message) mail.Report {
		return mail.Report{refusal("bounce"), refusal("keep"), refusal("postmaster"), refusal("discard"), refusal("nobody"), yes}
	})
	if !slices.Equal(r.told, []mail.Path{"bounce@a.example"}) ||
		!slices.Equal(r.redirect, []string{"postmaster@a.example postmaster@b.example"}) {
		t.Errorf("told %v, redirected %v", r.told, r.redirect)
	}
	all := w.records()
	var whole int
	for _, x := range all {
		switch {
		case x.ID == id && (letters(&x) != "keep@a.exampleNOBODY@A.EXAMPLE" || x.Hold != HoldMute):
			t.Errorf("%+v", x)
		case x.Whole:
			whole++
		}
	}
	if len(all) != 3 {
		t.Errorf("%d records", len(all))
	}
	if whole != 1 {
		t.Errorf("%d of the reports have the message whole", whole)
	}
	discarded := slices.ContainsFunc(w.events.of(mail.OpDiscard), func(e mail.Event) bool {
		return e.To == "discard@a.example" && e.Messages == 1 && strings.Contains(e.Text, "discarded")
	})
	if !discarded {
		t.Error("what was discarded is not told")
	}
}

// What is kept is held once nothing else is left, is attempted again when it is let go, and kept again.
func TestFateKeep(t *testing.T) {
	w, _ := informed(t)
	w.Fate = fates
	id := w.put(message("1", "a@b.example", "k@a.example", "l@a.example"))
	w.pass("main", func(*mail.Message) mail.Report { return mail.Report{refusal("keep"), later} })
	if r := w.records(); len(r) != 1 || r[0].Held() {
		t.Fatalf("held while somebody waits: %+v", r)
	}
	w.clock.add(time.Hour)
	w.pass("main", func(m *mail.Message) mail.Report {
		if len(m.Envelope.Recipients) != 1 || m.Envelope.Recipients[0].Forward != "l@a.example" {
			t.Errorf("attempted for %v", m.Envelope.Recipients)
		}
		return mail.Report{yes}
	})
	for range 2 {
		r := w.records()
		if len(r) != 1 || r[0].Hold != HoldKept || !strings.Contains(r[0].HoldWhy, "5.7.1 keep") {
			t.Fatalf("%+v", r)
		}
		if err := w.Release(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
		w.pass("main", always(refusal("keep")))
	}
	if e := w.events.of(mail.OpHold); len(e) == 0 || !e[0].Alarm {
		t.Errorf("%+v", e)
	}
	if err := w.Bounce(t.Context(), id, "enough", nil); err != nil {
		t.Fatal(err)
	}
	if r := w.records(); len(r) != 1 || r[0].Parent != id {
		t.Errorf("what is kept cannot be given up: %+v", r)
	}
}

// What could not be delivered in time goes where the admin wants it.
func TestFateExpired(t *testing.T) {
	w, r := informed(t)
	w.Fate = fates
	w.put(message("1", "a@b.example", "x@a.example"))
	w.clock.add(6 * 24 * time.Hour)
	w.pass("main", always(later))
	if !slices.Equal(r.redirect, []string{"x@a.example rescue@b.example"}) || len(r.told) != 0 {
		t.Errorf("%v, %v", r.redirect, r.told)
	}
	// A report that fails has its own rule.
	rescued := w.records()[0]
	w.pass("b.example", always(refusal("discard")))
	if all := w.records(); len(all) != 1 || all[0].ID != rescued.ID || all[0].Hold != HoldMute {
		t.Errorf("%+v", all)
	}
}

// S11: one sender gets so many reports in an hour; what is above waits, across a restart, and nothing is lost.
func TestS11_Flood(t *testing.T) {
	w, r := informed(t)
	w.Flood = func() int { return 3 }
	w.clock.t = w.clock.t.Truncate(time.Hour)
	for i := range 10 {
		w.put(message(fmt.Sprint(i), "Forged@b.example", "x@a.example"))
	}
	w.put(message("other", "honest@b.example", "x@a.example"))
	w.pass("main", always(no))
	if len(r.told) != 4 || len(w.records()) != 7+4 {
		t.Fatalf("%d told, %d records", len(r.told), len(w.records()))
	}
	w.use(w.mem.reopen())
	w.Reporter, w.Flood = r, func() int { return 3 }
	w.clock.add(59 * time.Minute)
	if w.pass("main", always(yes)); len(r.told) != 4 {
		t.Fatalf("%d told within the hour after a restart", len(r.told))
	}
	for hour := 1; hour <= 3; hour++ {
		w.clock.add(time.Hour)
		w.pass("main", always(yes))
		if want := min(4+3*hour, 11); len(r.told) != want {
			t.Errorf("%d told after hour %d, want %d", len(r.told), hour, want)
		}
	}
	for n := range w.Engine.Notes(t.Context(), spaceFlood, "") {
		if n.Key == "honest@b.example" {
			t.Error("counts of hours that are over stay")
		}
	}
}

// S11: senders of mail that waits are looked for again and again; who is not told for want of room takes no room from
// reports of failure by that.
func TestS11_FloodIsNotMadeOfLooking(t *testing.T) {
	w, r := informed(t)
	w.Flood, w.Late = func() int { return 10 }, func() time.Duration { return time.Hour }
	w.clock.t = w.clock.t.Truncate(time.Hour)
	for i := range 20 {
		w.put(message(fmt.Sprint(i), "a@b.example", "x@a.example"))
	}
	w.pass("main", always(later))
	w.clock.add(2 * time.Hour)
	for range 50 {
		if _, err := w.Warn(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.clock.add(time.Minute)
	}
	w.pass("main", always(no))
	for range 3 {
		w.clock.add(time.Hour)
		w.pass("main", always(no))
	}
	if len(r.told) != 20 {
		t.Errorf("%d told", len(r.told))
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

// S11: where there is no room for a day, the rest is held.
func TestS11_FloodIsHeld(t *testing.T) {
	w, r := informed(t)
	w.Flood = func() int { return 1 }
	for i := range 30 {
		w.put(message(fmt.Sprint(i), "forged@b.example", "x@a.example"))
	}
	for range 40 {
		w.pass("main", always(no))
		w.clock.add(time.Hour)
	}
	held := 0
	for _, x := range w.records() {
		if x.Hold == HoldFlood {
			held++
		}
	}
	if held == 0 || held+len(r.told) != 30 {
		t.Errorf("%d held, %d told", held, len(r.told))
	}
	// What is let go waits for room again, for a day.
	if n, err := w.ReleaseAll(t.Context(), Filter{}, HoldFlood); n != held || err != nil {
		t.Fatal(n, err)
	}
	for hour := range 40 {
		w.pass("main", always(no))
		left := w.records()
		if now := heldIn(left); hour < 20 && now != 0 {
			t.Fatalf("%d hours later %d of %d are held again", hour, now, len(left))
		}
		w.clock.add(time.Hour)
	}
	if n := heldIn(w.records()); n != 0 || len(r.told) != 30 {
		t.Errorf("in the end %d held, %d told", n, len(r.told))
	}
}

func heldIn(all []Record) (n int) {
	for i := range all {
		if all[i].Held() {
			n++
		}
	}
	return n
}

// A message is held by a rule when it is queued, and not again when it was let go.
func TestHoldByRule(t *testing.T) {
	w, _ := informed(t)
	w.Rule = func(r *Record) string {
		if r.Reverse == "big@b.example" && r.Size > 10 {
			return "above 10"
		}
		return ""
	}
	id := w.put(message("1", "big@b.example", "x@a.example"))
	w.put(message("2", "a@b.example", "x@a.example"))
	if n := w.pass("main", always(yes)); n != 1 {
		t.Errorf("%d attempted", n)
	}
	r := w.records()
	if e := w.events.of(mail.OpHold); len(r) != 1 || r[0].ID != id || r[0].Hold != HoldRule || r[0].HoldWhy != "above 10" ||
		len(e) != 1 {
		t.Fatalf("%+v, %+v", r, e)
	}
	if err := w.Release(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	if n := w.pass("main", always(yes)); n != 1 || len(w.records()) != 0 {
		t.Errorf("%d attempted", n)
	}
}

// What a probe refused has its fate too.
func TestRefuseFates(t *testing.T) {
	for word, want := range map[string]string{"keep": "kept", "postmaster": "fetch", "discard": "", "bounce": ""} {
		w, r := informed(t)
		w.Fate = fates
		m := message("1", "a@b.example", "x@a.example", "y@a.example")
		err := w.Refuse(t.Context(), m, mail.Same(2, refusal(word)))
		var u *Untold
		got := ""
		if errors.As(err, &u) {
			got = map[bool]string{u.Kept(): "kept", u.Fetch(): "fetch"}[true]
		}
		if got != want || (err != nil) != (want != "") {
			t.Errorf("%s: %v", word, err)
		}
		marks, _ := w.Engine.Marks(t.Context(), "acc", []mail.UID{"1"})
		if taken := marks[0].Mark == Taken; taken != (want == "") {
			t.Errorf("%s: mark %v", word, marks[0].Mark)
		}
		if told := len(r.told) == 2; told != (word == "bounce") {
			t.Errorf("%s: told %v", word, r.told)
		}
	}
}

// S11: after as many reports as one may get, refused mail stays upstream.
func TestS11_RefuseFlood(t *testing.T) {
	w, _ := informed(t)
	w.Flood = func() int { return 1 }
	for i := range 3 {
		err := w.Refuse(t.Context(), message(fmt.Sprint(i), "a@b.example", "x@a.example"), mail.Report{no})
		var u *Untold
		if (i == 0) != (err == nil) || err != nil && (!errors.As(err, &u) || !u.Aside()) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"mailretr/store/mail"
)

// ReportCopy reports to the postmaster.
func (r *reporter) ReportCopy(ctx context.Context, m *mail.Message, rep mail.Report) ([]*mail.Message, error) {
	if r.mute {
		return nil, nil
	}
	var all []*mail.Message
	for _, x := range m.Envelope.Recipients {
		all = append(all, &mail.Message{
			Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: "postmaster@here.example"}}},
			Content:  &text{b: []byte("Subject: copy " + string(x.Forward) + "\r\n\r\nbody\r\n")},
		})
	}
	return all, nil
}

// lanesOf is a route that is the same for everybody.
func lanesOf(l ...mail.Lane) mail.Route {
	return func(mail.Origin, mail.Envelope, mail.Recipient) []mail.Lane { return l }
}

// toSenders is lanesOf for mail that was collected; reports go to "out".
func toSenders(l ...mail.Lane) mail.Route {
	return func(o mail.Origin, _ mail.Envelope, _ mail.Recipient) []mail.Lane {
		if o.UID == "" {
			return []mail.Lane{"out"}
		}
		return l
	}
}

// where says which lanes have a record, in order.
func (w *world) where() (lanes []mail.Lane) {
	for _, r := range w.records() {
		lanes = append(lanes, r.Lane)
	}
	slices.Sort(lanes)
	return lanes
}

// S11: a recipient with two destinations of which both refuse leads to one report to the sender, and the other is told
// to the postmaster, not swallowed.
func TestS11_TwoLanesOneReport(t *testing.T) {
	w := newWorld(t)
	w.Route = toSenders("one", "two")
	w.put(message("1", "a@b.example", "x@a.example"))
	for _, l := range []mail.Lane{"two", "one"} {
		w.pass(l, func(m *mail.Message) mail.Report {
			if got, want := m.Envelope.Recipients[0].Notify, map[mail.Lane]string{"two": "NEVER"}[l]; got != want {
				t.Errorf("lane %s is asked for reports %q", l, got)
			}
			return mail.Report{no}
		})
	}
	w.clock.add(20 * time.Minute)
	w.pass("one", always(yes))
	w.pass("two", always(yes))
	var to []mail.Path
	w.pass("out", func(m *mail.Message) mail.Report {
		to = append(to, m.Envelope.Recipients[0].Forward)
		return mail.Report{yes}
	})
	if slices.Sort(to); !slices.Equal(to, []mail.Path{"a@b.example", "postmaster@here.example"}) {
		t.Errorf("reports went to %v", to)
	}
	if len(w.records()) != 0 {
		t.Errorf("left: %v", w.records())
	}
}

// Where nobody may be told of a copy it is held, and the sender's report goes out all the same.
func TestCopyIsHeldWhereNobodyMayBeTold(t *testing.T) {
	w := newWorld(t)
	w.Route = toSenders("one", "two")
	w.put(message("1", "a@b.example", "x@a.example"))
	w.report.mute = true
	w.pass("two", always(no))
	w.clock.add(20 * time.Minute)
	w.pass("two", always(yes))
	w.report.mute = false
	w.pass("one", always(no))
	w.clock.add(20 * time.Minute)
	w.pass("one", always(yes))
	if n := w.pass("out", always(yes)); n != 1 || len(w.report.told) != 1 {
		t.Errorf("%d reports, told %v", n, w.report.told)
	}
	if r := w.records(); len(r) != 1 || r[0].Hold != HoldMute || r[0].Lane != "two" {
		t.Errorf("left: %+v", r)
	}
}

// Retry finds the destinations anew, and multiplies nothing that is in two already, however often it is said.
func TestRetryDoesNotMultiply(t *testing.T) {
	w := newWorld(t)
	w.Route = lanesOf("one", "two")
	w.put(message("1", "a@b.example", "x@a.example", "y@a.example"))
	for range 3 {
		for _, r := range w.records() {
			if err := w.Retry(t.Context(), r.ID, nil); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.where(); !slices.Equal(got, []mail.Lane{"one", "two"}) {
			t.Fatalf("records in %v", got)
		}
	}
	if a, b := w.pass("one", always(yes)), w.pass("two", always(yes)); a != 1 || b != 1 {
		t.Errorf("%d and %d messages", a, b)
	}
}

// What was queued for one lane gets another one when somebody retries it and the route has two by now; once.
func TestRetryAddsADestinationOnce(t *testing.T) {
	w := newWorld(t)
	w.Route = lanesOf("one")
	id := w.put(message("1", "a@b.example", "x@a.example"))
	w.Route = lanesOf("one", "two")
	for range 2 {
		if err := w.Retry(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.where(); !slices.Equal(got, []mail.Lane{"one", "two"}) {
		t.Fatalf("records in %v", got)
	}
	for _, r := range w.records() {
		if x := r.Recipients[0]; x.Copy != (r.Lane == "two") || len(x.Beside) != 1 {
			t.Errorf("lane %s: %+v", r.Lane, x)
		}
	}
}

// A lane leaves the configuration: its record moves, the one beside it does not, and neither is multiplied; a second
// time nothing moves.
func TestRerouteOfTwoLanes(t *testing.T) {
	for _, c := range []struct{ now, want []mail.Lane }{
		{[]mail.Lane{"one", "two"}, []mail.Lane{"one", "two"}},
		{[]mail.Lane{"new", "two"}, []mail.Lane{"new", "two"}},
		{[]mail.Lane{"two", "new"}, []mail.Lane{"new", "two"}},
		{[]mail.Lane{"one", "new"}, []mail.Lane{"new", "one"}},
		{[]mail.Lane{"new", "newer", "newest"}, []mail.Lane{"new", "new"}}, // two records, and no third
		{[]mail.Lane{"two"}, []mail.Lane{"two", "two"}},                    // nothing is dropped
	} {
		w := newWorld(t)
		w.Route = lanesOf("one", "two")
		w.put(message("1", "a@b.example", "x@a.example"))
		w.Route = lanesOf(c.now...)
		for range 2 {
			if _, err := w.Reroute(t.Context(), func(l mail.Lane) bool { return slices.Contains(c.now, l) }); err != nil {
				t.Fatal(err)
			}
			if got := w.where(); !slices.Equal(got, c.want) {
				t.Errorf("route %v: records in %v, want %v", c.now, got, c.want)
			}
		}
		copies := 0
		for _, r := range w.records() {
			if r.Recipients[0].Copy {
				copies++
			}
		}
		if copies != 1 {
			t.Errorf("route %v: %d records answer to nobody", c.now, copies)
		}
	}
}

// Each recipient is in exactly the lanes of its route, in one commit, with one mark; no record is too large.
func TestEachRecipientGetsItsLanes(t *testing.T) {
	names := []mail.Lane{"a", "b", "c", "d"}
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t)
		m := message("1", "a@b.example")
		want := map[mail.Path][]mail.Lane{}
		for i := range 1 + random.IntN(2500) {
			p := mail.Path(fmt.Sprintf("user%d@a.example", i))
			m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: p})
			for _, k := range random.Perm(len(names))[:1+random.IntN(len(names))] {
				want[p] = append(want[p], names[k])
			}
		}
		w.Route = func(_ mail.Origin, _ mail.Envelope, r mail.Recipient) []mail.Lane { return want[r.Forward] }
		before := w.mem.commits
		w.put(m)
		if n := w.mem.commits - before; n != 1 {
			t.Errorf("%d commits", n)
		}
		got := map[mail.Path][]mail.Lane{}
		answers := map[mail.Path]int{}
		for _, r := range w.records() {
			if len(r.Recipients) > maxRecipients {
				t.Errorf("a record with %d recipients", len(r.Recipients))
			}
			for _, x := range r.Recipients {
				got[x.Forward] = append(got[x.Forward], r.Lane)
				if !x.Copy {
					answers[x.Forward]++
					if r.Lane != want[x.Forward][0] {
						t.Fatalf("%s answers for %s, whose route is %v", r.Lane, x.Forward, want[x.Forward])
					}
				}
			}
		}
		for p, lanes := range want {
			slices.Sort(lanes)
			slices.Sort(got[p])
			if !slices.Equal(lanes, got[p]) || answers[p] != 1 {
				t.Fatalf("%s is in %v, not %v; %d answer to the sender", p, got[p], lanes, answers[p])
			}
		}
	}
}

// countedCommits counts them.
type countedCommits struct {
	Engine
	n int
}

func (c *countedCommits) Commit(ctx context.Context, b *Batch) error {
	c.n++
	return c.Engine.Commit(ctx, b)
}

// A destination with a new name does not make a start, or a reload, wait for a commit for each message.
func TestRerouteOfMany(t *testing.T) {
	w := newWorld(t)
	for i := range 250 {
		w.put(message(fmt.Sprint(i), "a@b.example", "x@a.example"))
	}
	w.put(message("both", "a@b.example", "x@a.example", "y@a.example"))
	w.Route = func(_ mail.Origin, _ mail.Envelope, r mail.Recipient) []mail.Lane {
		if r.Forward == "y@a.example" {
			return []mail.Lane{"other"}
		}
		return []mail.Lane{"new"}
	}
	e := &countedCommits{Engine: w.Engine}
	w.Engine = e
	n, err := w.Reroute(t.Context(), func(l mail.Lane) bool { return l != "main" })
	if n != 251 || err != nil || e.n > 5 {
		t.Errorf("%d, %v, in %d commits", n, err, e.n)
	}
	if a, b := w.pass("new", always(yes)), w.pass("other", always(yes)); a != 251 || b != 1 || len(w.records()) != 0 {
		t.Errorf("%d and %d attempted", a, b)
	}
}

package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mailretr/store/mail"
)

// machine is a maildrop, a queue over an engine that lies and crashes, and an MTA that answers at random.
// Whatever happens, each recipient of each message is served once, or told of once, or still waits; in one
// place.
type machine struct {
	w *world
	t *rapid.T

	upstream map[mail.UID]*mail.Message // what the maildrop still has
	all      map[mail.UID]*mail.Message
	served   map[string]int // uid/recipient
	told     map[string]int
	unsure   map[string]bool // a settlement was lost: the next attempt may serve twice
	dropped  map[string]bool // refused in a way for which the admin wants it discarded
	next     int
	ask      func() int // 0..99
	parted   bool       // the routes of x and y lead to different destinations
	doubled  bool       // x has two destinations
}

func newMachine(t *rapid.T, tt *testing.T) *machine {
	m := &machine{
		w: newWorld(tt), t: t, upstream: map[mail.UID]*mail.Message{}, all: map[mail.UID]*mail.Message{},
		served: map[string]int{}, told: map[string]int{}, unsure: map[string]bool{}, dropped: map[string]bool{},
	}
	m.w.Guard = Guard{Wait: 10 * time.Minute, Alike: 5}
	m.w.Reporter = &informer{reporter: m.w.report}
	m.w.Fate, m.w.Late, m.w.Flood = fates, func() time.Duration { return 20 * time.Minute }, func() int { return 2 }
	m.w.Route = func(_ mail.Origin, _ mail.Envelope, r mail.Recipient) []mail.Lane {
		switch d := r.Forward.Domain(); {
		case d == "b.example" || d == "c.example":
			return []mail.Lane{mail.Lane(d)}
		case m.doubled && r.Forward == "x@a.example":
			return []mail.Lane{"main", "copies"}
		case m.parted && r.Forward == "y@a.example":
			return []mail.Lane{"other"}
		}
		return []mail.Lane{"main"}
	}
	m.doubled = rapid.Bool().Draw(t, "doubled")
	m.spares()
	m.w.Schedule = func(mail.Lane) Schedule {
		return Schedule{Retry: []time.Duration{time.Minute},
			Expire: time.Hour}
	}
	m.faults()
	return m
}

// spares lets mail for main and other fall back.
func (m *machine) spares() {
	m.w.Fallback = func(l mail.Lane) Fallback {
		switch l {
		case "main":
			return Fallback{To: "spare", After: 15 * time.Minute}
		case "other":
			return Fallback{To: "main", After: 25 * time.Minute}
		}
		return Fallback{}
	}
}

// lanes are all there are.
var machineLanes = []mail.Lane{"main", "other", "spare", "copies", "b.example", "c.example"}

// FallBack moves what has waited too long.
func (m *machine) FallBack(*rapid.T) {
	for _, l := range machineLanes {
		_, _ = m.w.FallBack(m.w.Context(), l)
	}
}

// Reload changes the routes, and perhaps one of the destinations is not there any more.
func (m *machine) Reload(t *rapid.T) {
	m.parted = rapid.Bool().Draw(t, "parted")
	gone := rapid.SampledFrom(append(machineLanes, "")).Draw(t, "gone")
	_, _ = m.w.Reroute(m.w.Context(), func(l mail.Lane) bool { return l != gone && (m.parted || l != "other") })
}

func (m *machine) Flush(*rapid.T) { _, _ = m.w.Flush(m.w.Context(), "") }

// Edit changes one thing that says nothing of who gets the mail; it is routed anew.
func (m *machine) Edit(t *rapid.T) {
	all := m.w.records()
	if len(all) == 0 {
		t.Skip("nothing is queued")
	}
	r := all[rapid.IntRange(0, len(all)-1).Draw(t, "which")]
	_ = m.w.Edit(m.w.Context(), r.ID, Edit{Add: []mail.Path{r.Recipients[0].Forward}}, nil)
}

// faults makes one commit in four fail, in all the ways that it may.
func (m *machine) faults() {
	m.ask = func() int { return rapid.IntRange(0, 99).Draw(m.t, "chance") }
	m.w.mem.fault = func(int, *Batch) (error, bool) {
		switch n := m.ask(); {
		case n < 8:
			return ErrUnknown, true
		case n < 16:
			return ErrUnknown, false
		case n < 20:
			return errors.New("disk"), false
		}
		return nil, false
	}
}

func (m *machine) Arrive(*rapid.T) {
	m.next++
	u := mail.UID(fmt.Sprintf("%d", m.next))
	sender := mail.Path(fmt.Sprintf("s%d@b.example", m.next))
	if m.next%3 == 0 {
		sender = "often@b.example"
	}
	msg := message(string(u), sender, "x@a.example", "y@a.example", "z@c.example")
	msg.Envelope.Recipients[0].Notify = []string{"", "SUCCESS,FAILURE", "SUCCESS,FAILURE,DELAY"}[m.next%3]
	m.upstream[u], m.all[u] = msg, msg
}

// Collect is one session: list, choose, batch, settle, let go; the answer of the server may be lost.
func (m *machine) Collect(t *rapid.T) {
	ctx := m.w.Context()
	listed := slices.Sorted(maps.Keys(m.upstream))
	c, err := m.w.Choose(ctx, Listing{Maildrop: "jaco", Account: "acc", UIDs: listed, Complete: true,
		Lets: true})
	if err != nil {
		return
	}
	var gone []mail.UID
	b := m.w.Batch()
	var in []mail.UID
	for _, u := range c.Fetch {
		if err := b.Add(ctx, m.upstream[u]); err == nil {
			in = append(in, u)
		}
	}
	for i, r := range b.Commit(ctx) {
		if r.Done(3) {
			gone = append(gone, in[i])
		}
	}
	if len(c.Release) > 0 && m.w.Confirm(ctx) == nil {
		gone = append(gone, c.Release...)
	}
	if rapid.Bool().Draw(t, "cut before the deletion") {
		return
	}
	for _, u := range gone {
		delete(m.upstream, u)
	}
	if !rapid.Bool().Draw(t, "confirmation lost") {
		_ = m.w.Gone(ctx, "acc", gone)
	}
}

// Attempt is one session of a lane.
func (m *machine) Attempt(t *rapid.T) {
	lane := rapid.SampledFrom(machineLanes).Draw(t, "lane")
	d, err := m.w.Lane(lane).Open(m.w.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	left := rapid.IntRange(1, 5).Draw(t, "messages")
	for msg, err := range d.Messages(m.w.Context(), nil) {
		if err != nil {
			return
		}
		report := m.answer(t, msg)
		if rapid.IntRange(0, 19).Draw(t, "dies") == 0 {
			m.doubt(msg)
			return // the answer was not committed
		}
		if err := d.Settle(m.w.Context(), msg, report); err != nil {
			m.doubt(msg)
			return
		}
		if left--; left == 0 {
			return
		}
	}
}

// answer is what the MTA does and says.
func (m *machine) answer(t *rapid.T, msg *mail.Message) mail.Report {
	if !msg.Parent.Zero() {
		return mail.Report{yes}
	}
	if rapid.IntRange(0, 9).Draw(t, "away") == 0 {
		return mail.Same(len(msg.Envelope.Recipients), away)
	}
	var r mail.Report
	for _, x := range msg.Envelope.Recipients {
		one := rapid.SampledFrom([]mail.Result{yes, yes, no, later, {}, refusal("keep"), refusal("postmaster"), refusal("discard"),
			refusal("nobody")}).Draw(t, "answer")
		if strings.HasSuffix(one.Reply, "discard") {
			m.dropped[key(msg, x)] = true
		}
		if one.Outcome == mail.Delivered {
			m.served[key(msg, x)]++
		}
		r = append(r, one)
	}
	if n := rapid.IntRange(0, 9).Draw(t, "short"); n == 0 {
		for _, x := range msg.Envelope.Recipients[1:] { // the answer to these was not seen
			m.unsure[key(msg, x)] = true
		}
		r = r[:1]
	}
	return r
}

func (m *machine) doubt(msg *mail.Message) {
	for _, x := range msg.Envelope.Recipients {
		m.unsure[key(msg, x)] = true
	}
}

// key is the name of a recipient of a message; one that is a copy has its own.
func key(msg *mail.Message, x mail.Recipient) string {
	return keyOf(msg.Origin.UID, x.Forward, x.Notify == "NEVER")
}

func keyOf(u mail.UID, p mail.Path, isCopy bool) string {
	if isCopy {
		return string(u) + " copy " + string(p)
	}
	return string(u) + " " + string(p)
}

func (m *machine) Later(t *rapid.T) {
	m.w.clock.add(time.Duration(rapid.IntRange(1, 30).Draw(t, "minutes")) * time.Minute)
}

// Warn tells of delays; each is told once, whatever happens.
func (m *machine) Warn(*rapid.T) { _, _ = m.w.Warn(m.w.Context()) }

func (m *machine) Crash(*rapid.T) {
	m.w.use(m.w.mem.reopen())
	m.spares()
	m.faults()
}

func (m *machine) Verb(t *rapid.T) {
	all := m.w.records()
	if len(all) == 0 {
		t.Skip("nothing is queued")
	}
	id := all[rapid.IntRange(0, len(all)-1).Draw(t, "which")].ID
	ctx := m.w.Context()
	switch rapid.IntRange(0, 3).Draw(t, "verb") {
	case 0:
		_ = m.w.Hold(ctx, id, "for now", nil)
	case 1:
		_ = m.w.Release(ctx, id, nil)
	case 2:
		_ = m.w.Retry(ctx, id, nil)
	case 3:
		_, _ = m.w.ReleaseAll(ctx, Filter{}, HoldKept)
		_, _ = m.w.ReleaseAll(ctx, Filter{}, HoldAlike)
	}
}

// Check holds after each step.
func (m *machine) Check(t *rapid.T) {
	waits := map[string]int{}
	reports := map[string]int{}
	for _, r := range m.w.records() {
		if !r.Parent.Zero() {
			reports[string(r.ParentOrigin.UID)]++
			continue
		}
		if m.w.mem.disk.bodies[r.Body] == nil {
			t.Fatalf("record %v has no body", r.ID)
		}
		for _, x := range r.Recipients {
			waits[keyOf(r.Origin.UID, x.Forward, x.Copy)]++
		}
	}
	for u, msg := range m.all {
		_, there := m.upstream[u]
		expected := msg.Envelope.Recipients
		if m.doubled {
			expected = append(slices.Clone(expected), mail.Recipient{Forward: "x@a.example", Notify: "NEVER"})
		}
		for _, x := range expected {
			k := key(msg, x)
			if n := waits[k]; n > 1 {
				t.Fatalf("%s is queued %d times", k, n)
			}
			if m.served[k] > 1 && !m.unsure[k] {
				t.Fatalf("%s was served %d times", k, m.served[k])
			}
			if waits[k] == 0 && m.served[k] == 0 && !there && !m.reported(k) && !m.dropped[k] {
				t.Fatalf("%s is lost: not upstream, not queued, not served, nobody told", k)
			}
			if m.reported(k) && m.served[k] > 0 && !m.unsure[k] {
				t.Fatalf("%s was served, and reported as failed", k)
			}
		}
	}
}

// reported says whether a report on this recipient was queued, by the commits that the engine has made.
func (m *machine) reported(k string) bool { return m.w.mem.told(k) }

func TestMachine(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newMachine(rt, t)
		rt.Repeat(rapid.StateMachineActions(m))
		m.settleDown(rt)
	})
}

// settleDown lets everything work again, and sees each recipient to an end.
func (m *machine) settleDown(t *rapid.T) {
	m.w.mem.fault = nil
	for range 200 {
		for _, r := range m.w.records() {
			if r.Hold == HoldMute { // as long as nobody may be told, only another attempt ends it
				_ = m.w.Retry(m.w.Context(), r.ID, nil)
			} else if r.Held() {
				_ = m.w.Release(m.w.Context(), r.ID, nil)
			}
		}
		c := m.w.choose(words(slices.Collect(maps.Keys(m.upstream))))
		for _, u := range c.Fetch {
			m.w.put(m.upstream[u])
		}
		for _, u := range append(c.Fetch, c.Release...) {
			delete(m.upstream, u)
		}
		for _, l := range machineLanes {
			m.w.pass(l, func(msg *mail.Message) mail.Report {
				for _, x := range msg.Envelope.Recipients {
					m.served[key(msg, x)]++
				}
				return mail.Same(len(msg.Envelope.Recipients), yes)
			})
		}
		if len(m.w.records()) == 0 && len(m.upstream) == 0 {
			break
		}
		m.w.clock.add(10 * time.Minute)
	}
	if n := len(m.w.records()); n > 0 || len(m.upstream) > 0 {
		t.Fatalf("%d records and %d messages upstream never end", n, len(m.upstream))
	}
	m.Check(t)
	for k, n := range m.w.mem.disk.reports {
		success := strings.Contains(k, " Subject: success ") // one for each time that it was served
		if n > 1 && !success {
			t.Fatalf("%d reports on %s", n, k)
		}
	}
}

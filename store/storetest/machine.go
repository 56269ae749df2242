package storetest

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mailretr/store"
	"mailretr/store/mail"
)

// A model is what an engine should hold, in the plainest form.
type model struct {
	s       *state
	account mail.Account
	lane    mail.Lane
	records map[mail.ID]store.Record
	bodies  map[mail.ID]string
	leases  map[mail.ID]store.Lease
	marks   map[mail.UID]store.Seen
	notes   map[string]string
}

// machine does random operations, and compares the engine with the model after each. One state serves all
// runs; each has an account and a lane of its own.
func machine(t *testing.T, s *state) {
	fewer(t)
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		m := &model{
			s: s, account: mail.Account(fmt.Sprint("acc", run)), lane: mail.Lane(fmt.Sprint("lane", run)),
			records: make(map[mail.ID]store.Record), bodies: make(map[mail.ID]string),
			leases: make(map[mail.ID]store.Lease), marks: make(map[mail.UID]store.Seen),
			notes: make(map[string]string),
		}
		reopened := false
		r.Repeat(map[string]func(*rapid.T){
			"":        m.check,
			"put":     m.put,
			"refused": m.refused,
			"lease":   m.lease,
			"defer":   m.deferOne,
			"done":    m.done,
			"fenced":  m.fenced,
			"release": m.release,
			"mark":    m.mark,
			"forget":  m.forget,
			"note":    m.note,
			"clock":   m.tick,
			"reopen": func(*rapid.T) {
				if !reopened { // once in a run: it is slow
					reopened = true
					s.reopen()
					clear(m.leases)
				}
			},
		})
	})
}

// fewer lets rapid make 25 runs where nobody has asked for a number: each step of a run is a sync.
func fewer(t *testing.T) {
	f := flag.Lookup("rapid.checks")
	if f == nil || f.Value.String() != f.DefValue {
		return
	}
	if err := f.Value.Set("25"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Value.Set(f.DefValue); err != nil {
			t.Error(err)
		}
	})
}

func (m *model) tick(r *rapid.T) {
	m.s.clock.Add(time.Duration(rapid.IntRange(1, 90).Draw(r, "seconds")) * time.Second)
}

func (m *model) uid(r *rapid.T) mail.UID {
	if rapid.Bool().Draw(r, "imap") {
		return mail.UID(fmt.Sprintf("INBOX/1/%d", rapid.IntRange(1, 9).Draw(r, "uid")))
	}
	return mail.UID(fmt.Sprintf("pop%d", rapid.IntRange(1, 9).Draw(r, "uid")))
}

func (m *model) seen(r *rapid.T) store.Seen {
	x := store.Seen{
		Account: m.account, UID: m.uid(r), Day: int32(rapid.IntRange(0, 3).Draw(r, "day")),
		Mark: store.Mark(rapid.IntRange(1, 4).Draw(r, "mark")),
	}
	if rapid.Bool().Draw(r, "dear") {
		x.Size = rapid.Int64Range(0, 9).Draw(r, "size")
		x.Key[1] = byte(rapid.IntRange(0, 3).Draw(r, "key"))
	}
	return x
}

func (m *model) put(r *rapid.T) {
	x := m.s.record(string(m.account))
	x.Lane, x.Due = m.lane, x.Due.Add(time.Duration(rapid.IntRange(-5, 60).Draw(r, "due"))*time.Second)
	if rapid.IntRange(0, 3).Draw(r, "held") == 0 {
		x.Hold = store.HoldAdmin
	}
	text := rapid.StringN(0, 50, 200).Draw(r, "text")
	m.s.stage(&x, text)
	seen := m.seen(r)
	seen.New = true
	err := m.s.e.Commit(ctx, &store.Batch{Put: []store.Record{x}, Seen: []store.Seen{seen}})
	if old := m.marks[seen.UID].Mark; old != store.Unseen && old != store.LetGo {
		var refused *store.ErrSeen
		if !errors.As(err, &refused) {
			r.Fatalf("UID %q is %v and was taken again: %v", seen.UID, old, err)
		}
		return
	}
	if err != nil {
		r.Fatal(err)
	}
	seen.New = false
	m.records[x.ID], m.bodies[x.ID], m.marks[seen.UID] = x, text, seen
}

// refused is a batch that changes everything, and that has to change nothing.
func (m *model) refused(r *rapid.T) {
	nobody := store.Lease{Key: mail.NewID(epoch, nil).String()}
	b := &store.Batch{Seen: []store.Seen{m.seen(r)}, Fence: []store.Lease{nobody}}
	for id := range m.records {
		b.Remove = append(b.Remove, id)
	}
	b.Notes = []store.Note{{Space: string(m.account), Key: "k1", Value: []byte("no")}}
	if err := m.s.e.Commit(ctx, b); !errors.Is(err, store.ErrFenced) {
		r.Fatal("a lease of nobody:", err)
	}
}

func (m *model) due(now time.Time) (ids []mail.ID) {
	for id, x := range m.records {
		l, leased := m.leases[id]
		if !x.Held() && !x.Due.After(now) && (!leased || !now.Before(l.Until)) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b mail.ID) int {
		if c := m.records[a].Due.Compare(m.records[b].Due); c != 0 {
			return c
		}
		return a.Compare(b)
	})
	return ids
}

func (m *model) lease(r *rapid.T) {
	n := rapid.IntRange(1, 3).Draw(r, "n")
	got, next, err := m.s.e.LeaseMessages(ctx, store.Filter{Lane: m.lane}, n, time.Minute)
	if err != nil {
		r.Fatal(err)
	}
	now := m.s.clock.Now()
	want := m.due(now)
	for i, x := range got {
		if i >= len(want) || x.Record.ID != want[i] {
			r.Fatalf("leased %v, due are %v", x.Record.ID, want)
		}
		if old := m.leases[want[i]]; x.Lease.Epoch <= old.Epoch {
			r.Fatalf("epoch %d after %d", x.Lease.Epoch, old.Epoch)
		}
		m.leases[want[i]] = x.Lease
	}
	if len(got) != min(n, len(want)) {
		r.Fatalf("leased %d, due are %d", len(got), len(want))
	}
	if waiting := len(m.waiting()); (waiting > len(got)) != !next.IsZero() && waiting > len(got) {
		r.Fatalf("%d wait and next is %v", waiting-len(got), next)
	}
}

func (m *model) waiting() (ids []mail.ID) {
	for id, x := range m.records {
		if !x.Held() {
			ids = append(ids, id)
		}
	}
	return ids
}

// some picks a key of a map, in an order that does not change.
func some[V any](r *rapid.T, x map[mail.ID]V) mail.ID {
	ids := slices.SortedFunc(maps.Keys(x), mail.ID.Compare)
	if len(ids) == 0 {
		r.Skip("none")
	}
	return ids[rapid.IntRange(0, len(ids)-1).Draw(r, "which")]
}

func (m *model) deferOne(r *rapid.T) {
	id := some(r, m.leases)
	x := m.records[id]
	x.Attempts++
	x.Due = m.s.clock.Now().Add(time.Duration(rapid.IntRange(0, 90).Draw(r, "due")) * time.Second)
	x.Hold = store.Hold(rapid.IntRange(0, 1).Draw(r, "hold"))
	err := m.s.e.Commit(ctx, &store.Batch{Put: []store.Record{x}, Fence: []store.Lease{m.leases[id]}})
	if err != nil {
		r.Fatal(err)
	}
	m.records[id] = x
	delete(m.leases, id)
}

func (m *model) done(r *rapid.T) {
	id := some(r, m.leases)
	seen := m.seen(r)
	b := &store.Batch{Remove: []mail.ID{id}, Fence: []store.Lease{m.leases[id]}, Seen: []store.Seen{seen}}
	for range rapid.IntRange(1, 2).Draw(r, "times") {
		if err := m.s.e.Commit(ctx, b); err != nil {
			r.Fatal(err)
		}
	}
	delete(m.records, id)
	delete(m.leases, id)
	m.marks[seen.UID] = seen
}

func (m *model) fenced(r *rapid.T) {
	id := some(r, m.leases)
	l := m.leases[id]
	l.Epoch--
	err := m.s.e.Commit(ctx, &store.Batch{Remove: []mail.ID{id}, Fence: []store.Lease{m.leases[id], l}})
	if !errors.Is(err, store.ErrFenced) {
		r.Fatal("an old epoch:", err)
	}
}

func (m *model) release(r *rapid.T) {
	id := some(r, m.leases)
	m.s.e.Release(m.leases[id])
	delete(m.leases, id)
}

func (m *model) mark(r *rapid.T) {
	b := new(store.Batch)
	for range rapid.IntRange(1, 4).Draw(r, "n") {
		x := m.seen(r)
		b.Seen = append(b.Seen, x)
		m.marks[x.UID] = x
	}
	m.s.commit(b)
}

func (m *model) forget(r *rapid.T) {
	u := m.uid(r)
	m.s.commit(&store.Batch{Forget: []store.Seen{{Account: m.account, UID: u}}})
	delete(m.marks, u)
}

func (m *model) note(r *rapid.T) {
	k := fmt.Sprint("k", rapid.IntRange(1, 3).Draw(r, "key"))
	n := store.Note{Space: string(m.account), Owner: "o", Key: k}
	if rapid.Bool().Draw(r, "set") {
		n.Value = []byte(rapid.String().Draw(r, "value"))
		m.notes[k] = string(n.Value)
	} else {
		delete(m.notes, k)
	}
	m.s.commit(&store.Batch{Notes: []store.Note{n}})
}

func (m *model) check(r *rapid.T) {
	m.checkRecords(r)
	m.checkMarks(r)
	n := 0
	for x, err := range m.s.e.Notes(ctx, string(m.account), "o") {
		if v, ok := m.notes[x.Key]; err != nil || !ok || v != string(x.Value) {
			r.Fatalf("note %+v, want %q; %v", x, v, err)
		}
		n++
	}
	if n != len(m.notes) {
		r.Fatalf("%d notes, want %d", n, len(m.notes))
	}
}

func (m *model) checkRecords(r *rapid.T) {
	n := 0
	now := m.s.clock.Now()
	for x, err := range m.s.e.List(ctx, store.Filter{Lane: m.lane}) {
		want, ok := m.records[x.Record.ID]
		if err != nil || !ok || !equal(x.Record, want) {
			r.Fatalf("listed %+v, %v\nwant %+v", x.Record, err, want)
		}
		if l, ok := m.leases[x.Record.ID]; x.Leased != (ok && now.Before(l.Until)) {
			r.Fatalf("%s is leased: %v", x.Record.ID, x.Leased)
		}
		if got := m.s.octets(x.Record.Body); got != m.bodies[x.Record.ID] {
			r.Fatalf("octets %q, want %q", got, m.bodies[x.Record.ID])
		}
		n++
	}
	if n != len(m.records) {
		r.Fatalf("listed %d, want %d", n, len(m.records))
	}
	lanes, err := m.s.e.Lanes(ctx)
	if _, ok := lanes[m.lane]; err != nil || ok != (len(m.waiting()) > 0) {
		r.Fatalf("lane is there: %v, %d wait; %v", ok, len(m.waiting()), err)
	}
}

func (m *model) checkMarks(r *rapid.T) {
	var uids []mail.UID
	for i := range 10 {
		uids = append(uids, mail.UID(fmt.Sprintf("INBOX/1/%d", i)), mail.UID(fmt.Sprintf("pop%d", i)))
	}
	spots := make(map[[16]byte]mail.UID)
	for _, x := range m.s.marks(m.account, uids...) {
		want := m.marks[x.UID]
		if want.Mark == store.Unseen {
			want = store.Seen{Account: m.account, UID: x.UID}
		}
		spots[x.Spot] = x.UID
		x.Spot = [16]byte{}
		if x != want {
			r.Fatalf("mark %+v, want %+v", x, want)
		}
	}
	n := 0
	for _, x := range m.s.all(m.account) {
		want := m.marks[spots[x.Spot]]
		if x.Mark != want.Mark || x.Day != want.Day || x.Size != want.Size || x.Key != want.Key ||
			x.UID != "" && x.UID != want.UID {
			r.Fatalf("of all marks %+v, want %+v", x, want)
		}
		n++
	}
	if n != len(m.marks) {
		r.Fatalf("%d marks, want %d", n, len(m.marks))
	}
	m.checkContent(r)
}

func (m *model) checkContent(r *rapid.T) {
	for i := range 3 {
		key := [16]byte{1: byte(i + 1)}
		best := store.Unseen
		for _, x := range m.marks {
			if x.Key == key && (best == store.Unseen || best == store.LetGo) {
				best = x.Mark
			}
		}
		got, err := m.s.e.Same(ctx, m.account, [][16]byte{key})
		if err != nil || (got[0].Mark == store.Unseen) != (best == store.Unseen) ||
			(got[0].Mark == store.LetGo) != (best == store.LetGo) {
			r.Fatalf("by content: %+v, %v, want one that is %v", got, err, best)
		}
	}
}

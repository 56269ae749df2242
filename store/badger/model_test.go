package badger

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

// A model is what an engine has acknowledged. Its engine is killed again and again, and has to be what the model
// is.
type model struct {
	*rig
	rand   *rand.Rand
	there  map[mail.ID]store.Record
	ended  []mail.ID
	leases map[mail.ID]store.Lease
	stale  []store.Lease
	spent  []store.Lease // by the group that is being made: stale afterwards
	notes  int
	boots  int
}

// TestModel makes random commits, one alone or some at once, of which most end records, and kills the process in
// between: no end that was answered is undone, and nothing else ends.
func TestModel(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := &model{rig: openRig(t, newDir(t)), rand: rand.New(rand.NewPCG(seed, 1)),
				there: make(map[mail.ID]store.Record), leases: make(map[mail.ID]store.Lease)}
			for step := range 90 {
				m.step(step)
			}
			m.kill()
			m.compare()
		})
	}
}

func (m *model) step(step int) {
	m.t.Helper()
	switch n := m.rand.IntN(40); {
	case n == 0:
		m.kill()
	case n == 1:
		must(m.t, m.Close())
		m.reopen(m.dir)
	case n == 2:
		m.lose()
	case n == 3:
		m.inside(func(c *committer) { c.endings.close() }) // it cannot be written any more
	case n == 4:
		must(m.t, m.Reconcile(ctx))
	case n == 5:
		m.committer.late() // time has passed
	case n == 7:
		m.bringBack()
	case n == 6:
		m.fill(400)
		for range 4 { // more than a turn of the file
			m.group(1+m.rand.IntN(100), m.end)
		}
		m.kill()
	case n < 12 || len(m.there) < 20:
		m.fill(1 + m.rand.IntN(40))
	case n < 20:
		m.lease(1 + m.rand.IntN(20))
	default:
		m.group(1+m.rand.IntN(12), m.batch)
	}
	m.compare()
	if s := m.saw.alarms(); s != "" {
		m.t.Fatalf("alarms at step %d: %s", step, s)
	}
}

// reopen goes on with the state in dir, of which no process remembers anything.
func (m *model) reopen(dir string) {
	m.t.Helper()
	old := m.rig
	m.boots++
	m.rig = openRig(m.t, dir, func(o *Options) { o.BootID = fmt.Sprint(m.boots) })
	must(m.t, old.Close())
	clear(m.leases)
	m.stale = nil
}

func (m *model) kill() { m.t.Helper(); m.reopen(m.crash()) }

// lose looks what would become of it if the database were lost: nothing that has a file is.
func (m *model) lose() {
	m.t.Helper()
	dir := m.crash()
	must(m.t, os.RemoveAll(filepath.Join(dir, "db")))
	d := openRig(m.t, dir)
	there := make(map[mail.ID]bool)
	for x, err := range d.List(ctx, store.Filter{}) {
		must(m.t, err)
		there[x.Record.ID] = true
	}
	for id, x := range m.there {
		if x.Body != "" && !there[id] {
			m.t.Fatal(id, "is lost in a rebuild")
		}
	}
	must(m.t, d.Close())
}

// bringBack looks whether a backup has all that is acknowledged, and nothing that has ended.
func (m *model) bringBack() {
	m.t.Helper()
	dir := newDir(m.t)
	_, err := restore(m.backup(), dir, true)
	must(m.t, err)
	d := openRig(m.t, dir)
	n := 0
	for x, err := range d.List(ctx, store.Filter{}) {
		must(m.t, err)
		m.equal(x.Record)
		n++
	}
	if n != len(m.there) {
		m.t.Fatalf("a backup has %d records, want %d", n, len(m.there))
	}
	must(m.t, d.Close())
}

// fill queues records; a few have a file.
func (m *model) fill(n int) {
	m.t.Helper()
	b := new(store.Batch)
	for i := range n {
		x := m.record("")
		x.Origin = mail.Origin{}
		x.Lane = mail.Lane(fmt.Sprint("lane", m.rand.IntN(3)))
		if i%16 == 0 {
			m.stage(&x, octets(i))
		}
		b.Put = append(b.Put, x)
	}
	m.commit(b)
	for _, x := range b.Put {
		m.there[x.ID] = x
	}
}

func (m *model) lease(n int) {
	m.t.Helper()
	l, _, err := m.LeaseMessages(ctx, store.Filter{Due: start.Add(time.Hour)}, n, time.Hour)
	must(m.t, err)
	for _, x := range l {
		id := x.Record.ID
		if _, twice := m.leases[id]; twice {
			m.t.Fatal(id, "is leased twice")
		}
		m.equal(x.Record)
		m.leases[id] = x.Lease
	}
}

func (m *model) equal(x store.Record) {
	m.t.Helper()
	want, ok := m.there[x.ID]
	if !ok {
		m.t.Fatal(x.ID, "has ended and is shown")
	}
	if x.Lane != want.Lane || !x.Due.Equal(want.Due) || x.Hold != want.Hold || x.Size != want.Size {
		m.t.Fatalf("got %+v\nwant %+v", x, want)
	}
}

// pick takes a record, leased or not.
func (m *model) pick(leased bool) (x store.Record, ok bool) {
	var ids []mail.ID
	for id := range m.there {
		if _, l := m.leases[id]; l == leased {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return x, false
	}
	slices.SortFunc(ids, mail.ID.Compare)
	return m.there[ids[m.rand.IntN(len(ids))]], true
}

// batch makes one commit, its outcome, and what the model becomes by it.
func (m *model) batch() (b *store.Batch, want error) {
	b = new(store.Batch)
	leased := m.rand.IntN(3) > 0
	x, ok := m.pick(leased)
	n := m.rand.IntN(20)
	fence := func() {
		if leased {
			b.Fence = append(b.Fence, m.leases[x.ID])
			m.spent = append(m.spent, m.leases[x.ID])
			delete(m.leases, x.ID)
		}
	}
	switch {
	case n == 0 || !ok:
		m.notes++
		n := fmt.Sprint(m.notes)
		b.Notes = []store.Note{{Space: "s", Owner: "o", Key: n[len(n)-1:], Value: []byte(n)}}
	case n == 1 && len(m.stale) > 0:
		l := m.stale[m.rand.IntN(len(m.stale))]
		id, _ := mail.ParseID(l.Key)
		b.Remove, b.Fence = []mail.ID{id}, []store.Lease{l}
		want = store.ErrFenced
	case n == 2 && len(m.ended) > 0:
		b.Remove = []mail.ID{m.ended[m.rand.IntN(len(m.ended))]}
	case n < 6:
		fence()
		x.Due = start.Add(time.Duration(m.rand.IntN(7200)) * time.Second)
		x.Lane = mail.Lane(fmt.Sprint("lane", m.rand.IntN(3)))
		x.Hold = 0
		if m.rand.IntN(4) == 0 {
			x.Hold = store.HoldAdmin
		}
		b.Put = []store.Record{x}
		m.there[x.ID] = x
	default:
		fence()
		b.Remove = []mail.ID{x.ID}
		m.gone(x.ID)
	}
	return b, want
}

// end makes a commit that ends a record, without a lease.
func (m *model) end() (b *store.Batch, want error) {
	b = new(store.Batch)
	if x, ok := m.pick(false); ok {
		b.Remove = []mail.ID{x.ID}
		m.gone(x.ID)
	}
	return b, nil
}

func (m *model) gone(id mail.ID) {
	delete(m.there, id)
	m.ended = append(m.ended, id)
}

// group makes commits of which the committer finds all at once.
func (m *model) group(n int, batch func() (*store.Batch, error)) {
	m.t.Helper()
	var reqs []*request
	var want []error
	for range n {
		b, err := batch()
		r, perr := m.prepare(b)
		must(m.t, perr)
		reqs, want = append(reqs, r), append(want, err)
	}
	m.committer.mu.Lock()
	for _, r := range reqs {
		m.reqs <- r
	}
	m.committer.mu.Unlock()
	m.committer.lead()
	for i, r := range reqs {
		if err := <-r.answer; !errors.Is(err, want[i]) {
			m.t.Fatalf("commit %d of %d: %v, want %v", i, n, err, want[i])
		}
	}
	m.stale, m.spent = append(m.stale, m.spent...), nil
}

// compare looks at everything as readers see it.
func (m *model) compare() {
	m.t.Helper()
	var last mail.ID
	n, held, octets := 0, 0, int64(0)
	for x, err := range m.List(ctx, store.Filter{}) {
		must(m.t, err)
		if m.equal(x.Record); last.Compare(x.Record.ID) >= 0 {
			m.t.Fatal(x.Record.ID, "is listed twice")
		}
		if _, leased := m.leases[x.Record.ID]; leased != x.Leased {
			m.t.Fatal(x.Record.ID, "is leased:", x.Leased)
		}
		last, n, octets = x.Record.ID, n+1, octets+x.Record.Size
		if x.Record.Held() {
			held++
		}
	}
	if n != len(m.there) {
		m.t.Fatalf("%d are listed, want %d", n, len(m.there))
	}
	tot, err := m.Totals(ctx)
	if err != nil || tot.Messages != n || tot.Held != held || tot.Octets != octets {
		m.t.Fatalf("%+v, %v; want %d, %d held, %d octets", tot, err, n, held, octets)
	}
	m.compareDue()
}

// compareDue looks whether each lane is where the model has it.
func (m *model) compareDue() {
	m.t.Helper()
	lanes, err := m.Lanes(ctx)
	must(m.t, err)
	want := make(map[mail.Lane]time.Time)
	for id, x := range m.there {
		at := x.Due
		if l, leased := m.leases[id]; leased {
			at = l.Until
		}
		if old, ok := want[x.Lane]; !x.Held() && (!ok || at.Before(old)) {
			want[x.Lane] = at
		}
	}
	for lane := range want {
		if got, ok := lanes[lane]; !ok || got.After(want[lane]) {
			m.t.Fatalf("%s is due at %v, want %v", lane, got, want[lane])
		}
	}
	if len(lanes) != len(want) {
		m.t.Fatalf("lanes %v, want %v", lanes, want)
	}
}

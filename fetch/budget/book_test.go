package budget

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mailretr/store/mail"
)

// memory is a Store in memory.
type memory struct {
	mu      sync.Mutex
	notes   map[[2]string]string
	commits int
	err     error
	after   error // the commit is made, and fails all the same
}

func (m *memory) Notes(_ context.Context, owner string) iter.Seq2[Note, error] {
	return func(yield func(Note, error) bool) {
		m.mu.Lock()
		all := maps.Clone(m.notes)
		m.mu.Unlock()
		for k, v := range all {
			if (owner == "" || owner == k[0]) && !yield(Note{Owner: k[0], Key: k[1], Value: []byte(v)}, nil) {
				return
			}
		}
	}
}

func (m *memory) Save(_ context.Context, notes []Note) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.commits++
	for _, n := range notes {
		if n.Value == nil {
			delete(m.notes, [2]string{n.Owner, n.Key})
		} else {
			m.notes[[2]string{n.Owner, n.Key}] = string(n.Value)
		}
	}
	return m.after
}

// world is a book with a clock and the meters of two maildrops.
type world struct {
	*testing.T
	*Book
	store *memory
	now   time.Time
	line  map[string]int64
}

func newWorld(t *testing.T, r Rules) *world {
	t.Helper()
	if r.Calendar.Zone == nil {
		r.Calendar.Zone = time.UTC
	}
	w := &world{T: t, store: &memory{notes: map[[2]string]string{}}, now: time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)}
	w.restart(r)
	return w
}

// restart is a new life of the program: what is not in the store is forgotten.
func (w *world) restart(r Rules) {
	w.Helper()
	w.Book = &Book{Store: w.store, Now: func() time.Time { return w.now }}
	w.line = map[string]int64{}
	if err := errors.Join(w.Set(w.Context(), r), w.Load(w.Context())); err != nil {
		w.Fatal(err)
	}
	for _, name := range []string{"jaco", "anna"} {
		w.Meter(name, func() (up, down int64) { return 0, w.line[name] })
	}
}

func (w *world) open(maildrop string) *Purse {
	w.Helper()
	p, err := w.Open(w.Context(), maildrop, false)
	if err != nil {
		w.Fatal(err)
	}
	return p
}

func (w *world) sheet(maildrop string) Sheet {
	w.Helper()
	for _, s := range w.Sheets() {
		if s.Maildrop == maildrop {
			return s
		}
	}
	w.Fatalf("no sheet of %q", maildrop)
	return Sheet{}
}

const mega = 1 << 20

func wants(t *testing.T, got *mail.Trouble, until time.Time, now time.Time) {
	t.Helper()
	if got == nil || got.Kind != mail.Spent || !now.Add(got.After).Equal(until) {
		t.Errorf("%v (after %v); want spent until %s", got, got, until)
	}
}

// What sessions side by side have taken counts for each other before any of it has come.
func TestTaken(t *testing.T) {
	w := newWorld(t, Rules{Line: Limit{Month: 20 * mega}, Reserve: Share{Percent: 10}})
	a, b := w.open("jaco"), w.open("anna")
	if tr := a.Take(12*mega, true); tr != nil {
		t.Fatal(tr)
	}
	feb := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	wants(t, b.Take(7*mega, true), w.now, w.now) // 20 less 12 less the reserve of 2, until a has ended
	if tr := b.Take(7*mega, false); tr != nil {
		t.Errorf("small mail has the reserve: %v", tr)
	}
	wants(t, b.Take(mega, false), w.now, w.now)
	w.line["jaco"] += 3 * mega // it was cut, or compressed
	a.Close()
	if tr := b.Take(9*mega, false); tr != nil {
		t.Errorf("what was taken is corrected when the session ends: %v", tr)
	}
	b.Close()
	if s := w.sheet(""); s.Today.Down != 3*mega || s.Asked != 0 || s.Left != 17*mega || !s.LeftUntil.Equal(feb) {
		t.Errorf("%+v", s)
	}
}

// The budgets of the line and of the maildrop hold side by side, those of the day and of the month too;
// what lasts longest is told.
func TestLimits(t *testing.T) {
	w := newWorld(t, Rules{
		Line:  Limit{Day: 5 * mega, Month: 100 * mega},
		Drops: map[string]Limit{"jaco": {Day: 2 * mega, Month: 3 * mega}},
	})
	tomorrow, feb := time.Date(2026, 1, 11, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	spend := func(name string, n int64) {
		p := w.open(name)
		defer p.Close()
		w.line[name] += n
	}
	p := w.open("jaco")
	wants(t, p.Take(2*mega+1, false), tomorrow, w.now)
	p.Close()
	spend("jaco", 2*mega-leastOpening/2)
	_, err := w.Open(t.Context(), "jaco", false)
	wants(t, mail.TroubleOf(mail.OpPoll, "", err), tomorrow, w.now)
	w.open("anna").Close()
	spend("anna", 3*mega)
	wants(t, w.Spent("anna"), tomorrow, w.now)

	w.now = tomorrow
	if tr := w.Spent("anna"); tr != nil {
		t.Errorf("it goes on on the next day: %v", tr)
	}
	spend("jaco", 3*mega)
	wants(t, w.Spent("jaco"), feb, w.now)
	if w.now = feb; w.Spent("jaco") != nil {
		t.Error("it goes on in the next month")
	}
}

// What a person has said may pass the budget is counted.
func TestAnyway(t *testing.T) {
	w := newWorld(t, Rules{Line: Limit{Month: mega}})
	w.line["jaco"] = 2 * mega
	if _, err := w.Open(t.Context(), "jaco", false); err == nil {
		t.Fatal("it is spent")
	}
	p, err := w.Open(t.Context(), "jaco", true)
	if err != nil {
		t.Fatal(err)
	}
	if tr := p.Take(50*mega, true); tr != nil {
		t.Error(tr)
	}
	w.line["jaco"] += 50 * mega
	p.Close()
	if s := w.sheet(""); s.Month.Line() != 52*mega || s.Left != 0 || !s.Spent {
		t.Errorf("%+v", s)
	}
}

// A message that no month has room for is named so: waiting does not help.
func TestNeverFits(t *testing.T) {
	w := newWorld(t, Rules{Line: Limit{Month: 20 * mega}, Reserve: Share{Octets: 4 * mega}})
	p := w.open("jaco")
	defer p.Close()
	tr := p.Take(17*mega, true)
	if tr == nil || !strings.Contains(tr.Error(), "larger than") || !strings.Contains(tr.Hint, "--over-budget jaco") {
		t.Errorf("%v; %s", tr, tr.Hint)
	}
}

// A crash between the reservation and its correction makes nothing of a budget: what was asked for
// counts, once.
func TestCrashBetweenReservationAndCorrection(t *testing.T) {
	r := Rules{Line: Limit{Month: 20 * mega}}
	w := newWorld(t, r)
	p := w.open("jaco")
	w.line["jaco"] += 4000
	if tr := p.Take(10*mega, true); tr != nil {
		t.Fatal(tr)
	}
	if err := p.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.line["jaco"] += 9 * mega // and then the power fails
	least := int64(4000 + 9*mega)
	for life := range 3 {
		w.restart(r)
		s := w.sheet("")
		if s.Month.Line() < least || s.Month.Line() > least+2*mega || s.Month.Assumed == 0 {
			t.Errorf("life %d: %+v", life+1, s.Month)
		}
		least = s.Month.Line() // each life of which nothing was saved is the same
	}
	if s := w.sheet("jaco"); s.Month.Assumed != 0 {
		t.Errorf("a maildrop without a budget reserves nothing: %+v", s.Month)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.restart(r)
	if s := w.sheet(""); s.Month.Line() != least {
		t.Errorf("after a good end: %+v, want %d", s.Month, least)
	}
}

// A good end gives back what was reserved; what was counted is there again.
func TestGoodEnd(t *testing.T) {
	r := Rules{Line: Limit{Month: 20 * mega}, Drops: map[string]Limit{"jaco": {Day: mega}}}
	w := newWorld(t, r)
	p := w.open("jaco")
	w.line["jaco"] += 5000
	p.Close()
	w.Observe(mail.Event{Op: mail.OpPoll, Origin: mail.Origin{Maildrop: "jaco"}, Messages: 2, Octets: 800, Saved: 7, Wasted: 3})
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.restart(r)
	want := Counts{Messages: 2, Octets: 800, Down: 5000, Saved: 7, Wasted: 3}
	for _, name := range []string{"", "jaco"} {
		if s := w.sheet(name); s.Today != want || s.Month != want {
			t.Errorf("%q: %+v", name, s)
		}
	}
}

// Empty polls of a hundred maildrops need few commits, and their octets are reserved before they are
// asked for all the same; without a budget they need none.
func TestCommits(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit Limit
		most  int
	}{{"with a cap", Limit{Month: 1 << 30}, 8}, {"without", Limit{}, 0}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, Rules{Line: c.limit})
			for range 100 {
				p := w.open("jaco")
				w.line["jaco"] += 3000
				p.Close()
				if held := w.pages[ownerLine].held; c.limit.any() && w.pages[ownerLine].now.Line()-w.pages[ownerLine].kept > held {
					t.Fatal("more was asked for than is reserved")
				}
			}
			if w.store.commits > c.most {
				t.Errorf("%d commits", w.store.commits)
			}
			before := w.store.commits
			for range 3 {
				if err := w.Save(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if w.store.commits != before+1 {
				t.Errorf("%d commits for what was counted once", w.store.commits-before)
			}
		})
	}
}

// The days are kept: 13 months of them, each once, also when a commit fails after it was made.
func TestDays(t *testing.T) {
	w := newWorld(t, Rules{})
	first := w.now
	for day := range 500 {
		w.now = first.AddDate(0, 0, day)
		w.line["jaco"] += 1000 + int64(day)
		if day%50 == 7 {
			w.store.after = errors.New("unknown")
		}
		err := w.Save(t.Context())
		if w.store.after != nil && err == nil {
			t.Fatal("a failure is told")
		}
		w.store.after = nil
	}
	w.line["anna"] += 5
	if err := w.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.restart(Rules{})
	days, err := w.Days(t.Context(), "jaco")
	if err != nil {
		t.Fatal(err)
	}
	if len(days) < 395 || len(days) > 430 {
		t.Errorf("%d days are kept", len(days))
	}
	for i, d := range days {
		back := len(days) - 1 - i
		at := first.AddDate(0, 0, 499-back)
		if d.Day != at.Format(time.DateOnly) || d.Down != int64(1000+499-back) {
			t.Fatalf("%d days ago: %+v", back, d)
		}
	}
	months := 0
	for k := range w.store.notes {
		if k[0] == ownerDrop+"jaco" {
			months++
		}
	}
	if months > kept+1 {
		t.Errorf("%d notes of a maildrop", months)
	}
	begin, _ := w.rules.Calendar.Month(w.now)
	sum := int64(0)
	for _, d := range days {
		if d.Day >= begin.Format(time.DateOnly) {
			sum += d.Down
		}
	}
	if s := w.sheet("jaco"); s.Month.Down != sum {
		t.Errorf("this month %d, its days %d", s.Month.Down, sum)
	}
}

// A maildrop that is configured no more is forgotten with its months.
func TestOldNotesOfOthers(t *testing.T) {
	w := newWorld(t, Rules{})
	w.store.notes[[2]string{ownerLine, "month/2026-01"}] = `{"2026-01-09":[1,2,3,4,5,6,7]}`
	w.store.notes[[2]string{ownerDrop + "gone", "month/2024-01"}] = `{"2024-01-31":[1,2,3,4,5,6,7]}`
	w.store.notes[[2]string{ownerDrop + "gone", "month/2025-01"}] = `{"2025-01-31":[1,2,3,4,5,6,7]}`
	w.restart(Rules{})
	w.line["jaco"]++
	if err := w.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := w.store.notes[[2]string{ownerDrop + "gone", "month/2024-01"}]; ok {
		t.Error("two years old, and kept")
	}
	if _, ok := w.store.notes[[2]string{ownerDrop + "gone", "month/2025-01"}]; !ok {
		t.Error("a year old, and gone")
	}
}

// Another reset day, or zone, adds the same days up otherwise.
func TestResetChanges(t *testing.T) {
	w := newWorld(t, Rules{})
	first := w.now
	for day := range 20 { // the 10th to the 29th of January
		w.now = first.AddDate(0, 0, day)
		w.line["jaco"] += 100
		w.Sheets()
	}
	if err := w.Set(t.Context(), Rules{Calendar: Calendar{Zone: time.UTC, Reset: 25}}); err != nil {
		t.Fatal(err)
	}
	if s := w.sheet("jaco"); s.Month.Down != 500 {
		t.Errorf("since the 25th: %+v", s.Month)
	}
	if err := w.Set(t.Context(), Rules{Calendar: Calendar{Zone: time.UTC, Reset: 15}}); err != nil {
		t.Fatal(err)
	}
	if s := w.sheet(""); s.Month.Down != 1500 {
		t.Errorf("since the 15th: %+v", s.Month)
	}
	w.restart(Rules{Calendar: Calendar{Zone: time.UTC, Reset: 31}})
	if s := w.sheet(""); s.Month.Down != 2000 || s.Today.Down != 100 {
		t.Errorf("since the 31st of December: %+v", s)
	}
}

// The note of a day that was damaged costs that day only, and is named.
func TestDamagedNotes(t *testing.T) {
	w := newWorld(t, Rules{})
	w.store.notes[[2]string{ownerLine, keyToday}] = `{"day":"2026-13-40"}`
	w.store.notes[[2]string{ownerDrop + "jaco", "month/2026-01"}] = `{"nonsense":[1]}`
	w.store.notes[[2]string{ownerDrop + "anna", "month/2026-01"}] = `{"2026-01-02":[1,2,3,4,5,6,7]}`
	b := &Book{Store: w.store, Now: w.Now, rules: w.rules}
	err := b.Load(t.Context())
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v", err)
	}
	i := slices.IndexFunc(b.Sheets(), func(s Sheet) bool { return s.Maildrop == "anna" && s.Month.Octets == 2 })
	if i < 0 {
		t.Errorf("%+v", b.Sheets())
	}
}

// A meter that begins anew at zero is another one.
func TestMeterBeginsAnew(t *testing.T) {
	w := newWorld(t, Rules{})
	w.line["jaco"] = 700
	w.Sheets()
	w.line["jaco"] = 30
	if s := w.sheet("jaco"); s.Today.Down != 730 {
		t.Errorf("%+v", s.Today)
	}
}

// What cannot be kept is not asked for.
func TestStoreFails(t *testing.T) {
	w := newWorld(t, Rules{Line: Limit{Month: 20 * mega}})
	w.store.err = errors.New("disk")
	if _, err := w.Open(t.Context(), "jaco", false); err == nil || len(w.purses) != 0 {
		t.Errorf("%v, %d purses", err, len(w.purses))
	}
	w.store.err = nil
	w.open("jaco").Close()
}

// An attempt that did not deliver saves a download, once for all its recipients; a connection that was refused saves none.
func TestSavedAttempts(t *testing.T) {
	w := newWorld(t, Rules{})
	id := mail.NewID(w.now, nil)
	for i, attempt := range []int{1, 1, 1, 2} {
		e := mail.Event{Op: mail.OpDeliver, ID: id, Attempt: attempt, Octets: 4000,
			Origin: mail.Origin{Maildrop: "jaco"}, Outcome: mail.Deferred, Saved: 4000}
		if i == 0 {
			e.Saved = 0 // the connection was refused
		}
		w.Observe(e)
	}
	if s := w.sheet("jaco"); s.Today.Saved != 8000 {
		t.Errorf("%+v", s.Today)
	}
}

// Sessions side by side, counts and saves: whatever happens first, no limit is passed, and nothing is
// counted twice.
func TestSideBySide(t *testing.T) {
	w := newWorld(t, Rules{Line: Limit{Month: 20 * mega}})
	var line, took atomic.Int64
	var all sync.WaitGroup
	for i := range 20 {
		name := fmt.Sprint("drop", i)
		var mine atomic.Int64
		w.Meter(name, func() (up, down int64) { return 0, mine.Load() })
		all.Go(func() {
			for range 50 {
				p, err := w.Open(t.Context(), name, false)
				if err != nil {
					return
				}
				if p.Take(100<<10, false) == nil {
					mine.Add(100 << 10)
					line.Add(100 << 10)
					took.Add(1)
				}
				p.Close()
			}
		})
		all.Go(func() {
			if err := w.Save(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s := w.sheet("")
	if n := line.Load(); s.Month.Down != n || n > 20*mega || n < 19*mega {
		t.Errorf("%d counted, %d on the line in %d messages", s.Month.Down, n, took.Load())
	}
}

// What crosses the line beyond what was taken is taken while there is room, whatever else has asked for it.
func TestCover(t *testing.T) {
	w := newWorld(t, Rules{Line: Limit{Month: 40 << 10}})
	p := w.open("jaco")
	defer p.Close()
	if n, tr := p.Cover(); tr != nil || n != leastOpening {
		t.Errorf("before anything came: %d, %v", n, tr)
	}
	w.line["jaco"] = 20 << 10
	n, tr := p.Cover()
	if tr != nil || n != unforeseen || p.taken != 20<<10+unforeseen || p.bodies != 0 {
		t.Errorf("in the middle: %d, %v", n, tr)
	}
	w.line["jaco"] += n - 1
	if n, tr := p.Cover(); tr != nil || n != 1 {
		t.Errorf("one octet before: %d, %v", n, tr)
	}
	w.line["jaco"] = 31 << 10
	anna := w.open("anna")
	if _, tr := p.Cover(); tr == nil {
		t.Error("what another session has reserved was taken")
	}
	anna.Close()
	w.line["jaco"] = 37 << 10
	if _, tr := p.Cover(); tr == nil || tr.Kind != mail.Spent || tr.Alone || tr.After <= 0 {
		t.Errorf("at the end: %v", tr)
	}
	over, err := w.Open(t.Context(), "jaco", true)
	if err != nil {
		t.Fatal(err)
	}
	defer over.Close()
	w.line["jaco"] = 1 << 20
	if n, tr := over.Cover(); tr != nil || n != mostOpening {
		t.Errorf("somebody has said that it may be passed: %d, %v", n, tr)
	}
	free := newWorld(t, Rules{Drops: map[string]Limit{"anna": {Day: 1}}})
	p = free.open("jaco")
	defer p.Close()
	free.line["jaco"] = 1 << 30
	if n, tr := p.Cover(); tr != nil || n != mostOpening {
		t.Errorf("without a budget: %d, %v", n, tr)
	}
}

package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"mailretr/store/mail"
)

// mem is an honest engine in memory: what is committed survives reopen, what is staged does not.
type mem struct {
	now func() time.Time

	mu     sync.Mutex
	disk   *disk
	leases map[mail.ID]Lease
	epoch  uint64
	wake   chan struct{}
	staged int // bodies staged and not yet named or discarded
	closed bool

	// Faults, asked before each commit: an error is returned instead, after the commit was made where lie
	// is true.
	fault   func(n int, b *Batch) (err error, lie bool)
	commits int
	full    bool
	unsound bool // bodies cannot be sealed
}

// disk is what survives.
type disk struct {
	records map[mail.ID]Record
	marks   map[mail.Account]map[mail.UID]Seen
	notes   map[[3]string][]byte
	bodies  map[BodyRef][]byte
	partial map[mail.ID][]byte // synced, not sealed
	done    map[[16]byte]bool
	n       int
	misused []string       // what nobody may do
	reports map[string]int // reports ever committed, by UID and recipient reported on
}

func newMem(now func() time.Time) *mem {
	return (&disk{
		records: map[mail.ID]Record{}, marks: map[mail.Account]map[mail.UID]Seen{}, notes: map[[3]string][]byte{},
		bodies: map[BodyRef][]byte{}, partial: map[mail.ID][]byte{}, done: map[[16]byte]bool{}, reports: map[string]int{},
	}).open(now)
}

func (d *disk) open(now func() time.Time) *mem {
	return &mem{now: now, disk: d, leases: map[mail.ID]Lease{}, wake: make(chan struct{}, 1)}
}

// reopen is a crash: leases and bodies that no record names are gone, the old engine is dead.
func (e *mem) reopen() *mem {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	named := map[BodyRef]bool{}
	for _, r := range e.disk.records {
		named[r.Body] = true
	}
	for ref := range e.disk.bodies {
		if !named[ref] {
			delete(e.disk.bodies, ref)
		}
	}
	begun := map[mail.ID]bool{}
	for k, v := range e.disk.notes {
		if k[0] == SpacePartial {
			if p, err := ReadPartial(Note{Value: v}); err == nil {
				begun[p.ID] = true
			}
		}
	}
	for id := range e.disk.partial {
		if !begun[id] {
			delete(e.disk.partial, id)
		}
	}
	return e.disk.open(e.now)
}

func (e *mem) Commit(ctx context.Context, b *Batch) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.ID == [16]byte{} {
		e.disk.n++
		b.ID = [16]byte{1, byte(e.disk.n >> 16), byte(e.disk.n >> 8), byte(e.disk.n)}
	}
	e.commits++
	var fault error
	lie := false
	if e.fault != nil {
		fault, lie = e.fault(e.commits, b)
	}
	if fault != nil && !lie {
		return fault
	}
	if e.disk.done[b.ID] {
		return fault
	}
	if err := e.check(b); err != nil {
		return err
	}
	e.apply(b)
	e.disk.done[b.ID] = true
	e.hint()
	return fault
}

func (e *mem) hint() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *mem) check(b *Batch) error {
	for _, l := range b.Fence {
		if have, ok := e.leases[e.id(l.Key)]; !ok || have.Epoch != l.Epoch {
			return ErrFenced
		}
	}
	var seen ErrSeen
	twice := map[place]bool{}
	for _, n := range b.Notes {
		if len(n.Value) > 256<<10 {
			return errTooBig
		}
	}
	for _, s := range b.Seen {
		if s.UID == "" {
			return errors.New("an empty UID is nobody's")
		}
		m := e.disk.marks[s.Account][s.UID].Mark
		k := place{s.Account, s.UID}
		if s.New && (m != Unseen && m != LetGo || twice[k]) {
			seen.UIDs = append(seen.UIDs, s.UID)
		}
		twice[k] = true
	}
	if len(seen.UIDs) > 0 {
		return &seen
	}
	for _, r := range b.Put {
		_, ok := e.disk.bodies[r.Body]
		_, there := e.disk.records[r.ID]
		if r.Body != "" && (!ok && !there || !strings.HasPrefix(string(r.Body), r.ID.String())) {
			e.disk.misused = append(e.disk.misused, "a commit names a body that is not sealed, or another's")
			return errors.New("no such body")
		}
		if tooBig(&r) {
			return errTooBig
		}
	}
	return nil
}

func (e *mem) apply(b *Batch) {
	for _, l := range b.Fence {
		delete(e.leases, e.id(l.Key))
	}
	for _, r := range b.Put {
		if _, old := e.disk.records[r.ID]; !old && !r.Parent.Zero() {
			e.disk.reports[string(r.ParentOrigin.UID)+" "+failedOf(e.disk.bodies[r.Body])]++
		}
		r.Recipients = slices.Clone(r.Recipients)
		e.disk.records[r.ID] = r
	}
	for _, id := range b.Remove {
		delete(e.disk.bodies, e.disk.records[id].Body)
		delete(e.disk.records, id)
	}
	for _, s := range b.Seen {
		if e.disk.marks[s.Account] == nil {
			e.disk.marks[s.Account] = map[mail.UID]Seen{}
		}
		s.New = false
		e.disk.marks[s.Account][s.UID] = s
	}
	for _, s := range b.Forget {
		for u := range e.disk.marks[s.Account] {
			if u == s.UID || s.UID == "" && spot(u) == s.Spot {
				delete(e.disk.marks[s.Account], u)
			}
		}
	}
	for _, n := range b.Notes {
		k := [3]string{n.Space, n.Owner, n.Key}
		if n.Value == nil {
			delete(e.disk.notes, k)
		} else {
			e.disk.notes[k] = bytes.Clone(n.Value)
		}
	}
}

// failedOf is the recipient that a report of the tests is on.
func failedOf(b []byte) string {
	s, _ := strings.CutPrefix(string(b), "Subject: failed ")
	if c, ok := strings.CutPrefix(s, "Subject: copy "); ok {
		s = "copy " + c
	}
	s, _, _ = strings.Cut(s, "\r\n")
	return s
}

// told says whether a report was ever committed on a recipient of a message.
func (e *mem) told(key string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.disk.reports[key] > 0
}

func spot(u mail.UID) [16]byte {
	s := sha256.Sum256([]byte(u))
	return [16]byte(s[:16])
}

func (e *mem) Marks(_ context.Context, a mail.Account, us []mail.UID) ([]Seen, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]Seen, len(us))
	for i, u := range us {
		all[i] = e.disk.marks[a][u]
		all[i].Account, all[i].UID, all[i].Spot = a, u, spot(u)
	}
	return all, nil
}

func (e *mem) AllMarks(_ context.Context, a mail.Account) iter.Seq2[Seen, error] {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []Seen
	for u, s := range e.disk.marks[a] {
		s.Spot = spot(u)
		if !strings.Contains(string(u), "/") {
			s.UID = "" // as an engine that keeps hashes
		}
		all = append(all, s)
	}
	return each(all)
}

func each[T any](all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, x := range all {
			if !yield(x, nil) {
				return
			}
		}
	}
}

func (e *mem) Same(_ context.Context, a mail.Account, keys [][16]byte) ([]Seen, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]Seen, len(keys))
	for i, k := range keys {
		for _, s := range e.disk.marks[a] {
			better := all[i].Mark == Unseen || all[i].Mark == LetGo || s.Mark > all[i].Mark && s.Mark != LetGo
			if k != [16]byte{} && s.Key == k && better {
				all[i] = s
			}
		}
	}
	return all, nil
}

var errTooBig = errors.New("more than 256 KiB")

func tooBig(r *Record) bool { return len(pack(r)) > 256<<10 }

func (e *mem) id(key string) mail.ID { return mail.ID([]byte(key)) }

func (e *mem) leased(id mail.ID) bool {
	l, ok := e.leases[id]
	return ok && l.Until.After(e.now())
}

func (e *mem) LeaseMessages(_ context.Context, f Filter, n int, ttl time.Duration) (l []Leased,
	next time.Time, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, next, ErrClosed
	}
	now := e.now()
	if !f.Due.IsZero() {
		now = f.Due
	}
	soon := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for _, r := range e.select_(f, true) {
		switch {
		case f.IDs == nil && r.Held():
		case e.leased(r.ID):
			soon(e.leases[r.ID].Until)
		case f.IDs == nil && r.Due.After(now), len(l) == n:
			soon(r.Due)
		default:
			e.epoch++
			lease := Lease{Key: string(r.ID[:]), Epoch: e.epoch, Until: e.now().Add(ttl)}
			e.leases[r.ID] = lease
			l = append(l, Leased{Record: r, Lease: lease})
		}
	}
	return l, next, nil
}

// select_ returns what a filter selects, but for Due.
func (e *mem) select_(f Filter, byDue bool) (all []Record) {
	for _, r := range e.disk.records {
		if (f.IDs == nil || slices.Contains(f.IDs, r.ID)) && (f.Lane == "" || f.Lane == r.Lane) &&
			(f.Maildrop == "" || f.Maildrop == r.Origin.Maildrop) && (f.Held == nil || *f.Held == r.Held()) {
			r.Recipients = slices.Clone(r.Recipients)
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Record) int {
		if byDue && !a.Due.Equal(b.Due) {
			return a.Due.Compare(b.Due)
		}
		return a.ID.Compare(b.ID)
	})
	return all
}

func (e *mem) LeaseSlots(context.Context, time.Duration) ([]Lease, error) {
	return nil, errors.New("no slots here")
}

func (e *mem) Renew(_ context.Context, ttl time.Duration, ls ...Lease) (kept []Lease, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range ls {
		if have, ok := e.leases[e.id(l.Key)]; ok && have.Epoch == l.Epoch {
			have.Until = e.now().Add(ttl)
			e.leases[e.id(l.Key)] = have
			kept = append(kept, have)
		}
	}
	return kept, nil
}

func (e *mem) Release(ls ...Lease) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hint()
	for _, l := range ls {
		if have, ok := e.leases[e.id(l.Key)]; ok && have.Epoch == l.Epoch {
			delete(e.leases, e.id(l.Key))
		}
	}
}

func (e *mem) Get(_ context.Context, id mail.ID) (Record, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, ok := e.disk.records[id]
	switch {
	case e.closed:
		return r, ErrClosed
	case !ok:
		return r, ErrNotFound
	}
	return r, nil
}

func (e *mem) Find(_ context.Context, s string, max int) (ids []mail.ID, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s = strings.ToUpper(s)
	for id := range e.disk.records {
		if t := id.String(); (strings.HasPrefix(t, s) || strings.HasSuffix(t, s)) && len(ids) < max {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (e *mem) List(_ context.Context, f Filter) iter.Seq2[Listed, error] {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []Listed
	for _, r := range e.select_(f, false) {
		if f.Due.IsZero() || !r.Due.After(f.Due) {
			all = append(all, Listed{Record: r, Leased: e.leased(r.ID)})
		}
	}
	return each(all)
}

func (e *mem) Note(_ context.Context, space, owner, key string) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.disk.notes[[3]string{space, owner, key}], nil
}

func (e *mem) Notes(_ context.Context, space, owner string) iter.Seq2[Note, error] {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []Note
	for k, v := range e.disk.notes {
		if k[0] == space && (owner == "" || k[1] == owner) {
			all = append(all, Note{k[0], k[1], k[2], v})
		}
	}
	return each(all)
}

func (e *mem) Lanes(context.Context) (map[mail.Lane]time.Time, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := map[mail.Lane]time.Time{}
	for _, r := range e.disk.records {
		due := r.Due
		if e.leased(r.ID) {
			due = e.leases[r.ID].Until
		}
		if at, ok := all[r.Lane]; !r.Held() && (!ok || due.Before(at)) {
			all[r.Lane] = due
		}
	}
	return all, nil
}

func (e *mem) Totals(context.Context) (t Totals, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t.Free = 1 << 40
	for _, r := range e.disk.records {
		if t.Oldest.IsZero() || r.Queued.Before(t.Oldest) {
			t.Oldest = r.Queued
		}
		t.Messages++
		t.Octets += r.Size
		if r.Held() {
			t.Held++
		}
	}
	return t, nil
}

func (e *mem) Wake() <-chan struct{} { return e.wake }

func (e *mem) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	return nil
}

package status

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"mailretr/store/mail"
)

// A Store keeps records between two lives of the program. Safe for concurrent use.
type Store interface {
	// Load returns all that was saved, by key.
	Load(context.Context) (map[string][]byte, error)
	// Save keeps records, all in one commit; a nil value removes one.
	Save(context.Context, map[string][]byte) error
}

// A Folder folds events into records and keeps them. The zero value with a Store is ready; without one
// nothing outlives it. Safe for concurrent use.
type Folder struct {
	Store Store
	Every time.Duration    // between two saves; 0: 30 s
	Now   func() time.Time // nil: time.Now

	mu    sync.Mutex
	drops map[string]Status
	lanes map[string]Lane
	dirty map[string]bool // keys
	known map[string]bool // keys of what is configured; nil: everything counts

	followers map[*Follower]bool
	changes   uint64 // see Changes
}

// Keys of records.
const (
	dropKey = "maildrop/"
	laneKey = "lane/"
)

// record is a Status as it is saved.
type record struct {
	Status
	Folding folding `json:"folding"`
}

// Load reads what was saved. What cannot be read is left out, and named in the error; the rest is there.
func (f *Folder) Load(ctx context.Context) error {
	if f.Store == nil {
		return nil
	}
	all, err := f.Store.Load(ctx)
	if err != nil {
		return fmt.Errorf("reading status records: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.init()
	var bad []string
	for key, b := range all {
		if err := f.restore(key, b); err != nil {
			bad = append(bad, printable(key))
		}
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		return fmt.Errorf("status records that cannot be read: %s", strings.Join(bad, ", "))
	}
	return nil
}

func (f *Folder) restore(key string, b []byte) error {
	if name, ok := strings.CutPrefix(key, dropKey); ok {
		var r record
		if err := json.Unmarshal(b, &r); err != nil {
			return err
		}
		r.Status.Maildrop, r.Status.fold = name, r.Folding
		f.drops[name] = r.Status
		return nil
	}
	name, ok := strings.CutPrefix(key, laneKey)
	if !ok {
		return fmt.Errorf("unknown key %q", key)
	}
	var l Lane
	if err := json.Unmarshal(b, &l); err != nil {
		return err
	}
	l.Lane = name
	f.lanes[name] = l
	return nil
}

// Observe folds one event in. It takes a lock that is never held while anything is waited for.
func (f *Folder) Observe(e mail.Event) {
	name, lane := e.Origin.Maildrop, string(e.Lane)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.init()
	if key := dropKey + name; name != "" && f.counts(key) {
		s, ok := f.drops[name]
		if !ok {
			s = fresh(name)
		}
		s = Fold(s, e)
		s.fold.version++
		f.drops[name] = s
		f.changed(name)
	}
	if key := laneKey + lane; lane != "" && f.counts(key) && (e.Op == mail.OpLane || e.Op == mail.OpDeliver) {
		l, ok := f.lanes[lane]
		if !ok {
			l = Lane{Lane: lane, State: Never}
		}
		f.lanes[lane] = FoldLane(l, e)
		f.dirty[key] = true
		f.changes++
	}
}

func fresh(name string) Status { return Status{Maildrop: name, State: Never} }

func (f *Folder) counts(key string) bool { return f.known == nil || f.known[key] }

func (f *Folder) init() {
	if f.drops == nil {
		f.drops, f.lanes, f.dirty = map[string]Status{}, map[string]Lane{}, map[string]bool{}
	}
}

// Keep says what is configured: new ones are there with state "never", others are forgotten.
func (f *Folder) Keep(maildrops, lanes []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.init()
	f.known = map[string]bool{}
	for _, name := range maildrops {
		f.known[dropKey+name] = true
		if _, ok := f.drops[name]; !ok {
			f.drops[name] = fresh(name)
			f.followed(name)
		}
	}
	for _, name := range lanes {
		f.known[laneKey+name] = true
		if _, ok := f.lanes[name]; !ok {
			f.lanes[name] = Lane{Lane: name, State: Never}
		}
	}
	for name := range f.drops {
		if !f.known[dropKey+name] {
			delete(f.drops, name)
			f.changed(name)
		}
	}
	for name := range f.lanes {
		if !f.known[laneKey+name] {
			delete(f.lanes, name)
			f.dirty[laneKey+name] = true
		}
	}
}

// List returns the maildrops as they are now, worst first, then by name.
func (f *Folder) List() []Status {
	now := f.now()
	f.mu.Lock()
	all := slices.Collect(maps.Values(f.drops))
	f.mu.Unlock()
	for i := range all {
		all[i] = all[i].At(now)
	}
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(a.State.Compare(b.State), strings.Compare(a.Maildrop, b.Maildrop))
	})
	return all
}

// Of returns one maildrop as it is now.
func (f *Folder) Of(maildrop string) (Status, bool) {
	now := f.now()
	f.mu.Lock()
	s, ok := f.drops[maildrop]
	f.mu.Unlock()
	return s.At(now), ok
}

// Lanes returns the lanes, worst first, then by name.
func (f *Folder) Lanes() []Lane {
	f.mu.Lock()
	all := slices.Collect(maps.Values(f.lanes))
	f.mu.Unlock()
	slices.SortFunc(all, func(a, b Lane) int {
		return cmp.Or(a.State.Compare(b.State), strings.Compare(a.Lane, b.Lane))
	})
	return all
}

// Run saves what has changed at each interval, and once more when ctx ends. What could not be saved is
// saved the next time; failed, which may be nil, is told of it.
func (f *Folder) Run(ctx context.Context, failed func(error)) {
	every := f.Every
	if every <= 0 {
		every = 30 * time.Second
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		if err := f.Save(context.WithoutCancel(ctx)); err != nil && failed != nil {
			failed(err)
		}
	}
}

// Save saves what has changed since the last time.
func (f *Folder) Save(ctx context.Context) error {
	if f.Store == nil {
		return nil
	}
	f.mu.Lock()
	dirty := f.dirty
	f.dirty = map[string]bool{}
	changed, err := f.records(dirty)
	f.mu.Unlock()
	if err == nil && len(changed) > 0 {
		err = f.Store.Save(ctx, changed)
	}
	if err == nil {
		return nil
	}
	f.mu.Lock()
	f.init()
	maps.Copy(f.dirty, dirty)
	f.mu.Unlock()
	return fmt.Errorf("saving status records: %w", err)
}

// records returns the records of these keys, nil for what is gone.
func (f *Folder) records(keys map[string]bool) (map[string][]byte, error) {
	all := make(map[string][]byte, len(keys))
	for key := range keys {
		var v any
		if name, ok := strings.CutPrefix(key, dropKey); ok {
			if s, ok := f.drops[name]; ok {
				v = record{s, s.fold}
			}
		} else if l, ok := f.lanes[strings.TrimPrefix(key, laneKey)]; ok {
			v = l
		}
		all[key] = nil
		if v == nil {
			continue
		}
		b, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		all[key] = b
	}
	return all, nil
}

func (f *Folder) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

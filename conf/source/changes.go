package source

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"mailretr/conf"
)

// A Changer is a Reader that can be asked for what has changed. It is found by assertion.
type Changer interface {
	Reader
	// Changes says whether it can.
	Changes() bool
	// Changed returns the rows whose version is later than since, and how many rows there are in all.
	Changed(ctx context.Context, since string) (some []*conf.Row, total int, err error)
}

// overlap is how long a row may take from getting its version to being seen: who changes rows in one long transaction lets
// others overtake him. What takes longer is found with all rows.
const overlap = 2 * time.Minute

// A mark is the greatest version that was there at an instant. Nothing is asked for after it until something was asked for
// before it once more, since rows with the same version, a time in seconds, may have come a moment later.
type mark struct {
	version string
	at      time.Time
}

// gather reads what has changed and joins it with the set in use, or reads all rows where that would not be the same.
func (k *Keeper) gather(ctx context.Context, version string) (rows []*conf.Row, whole bool, err error) {
	if c, ok := k.Reader.(Changer); ok && c.Changes() {
		if since := k.since(); since != "" {
			limited, cancel := context.WithTimeout(ctx, timeout)
			some, total, err := c.Changed(limited, since)
			cancel()
			if err != nil {
				return nil, false, err
			}
			if rows, ok := joined(k.Rows(), some); ok && len(rows) == total && k.explained(version, some) {
				return rows, false, nil
			}
		}
	}
	rows, err = k.read(ctx)
	return rows, true, err
}

// Try asks for what has changed since now, so that a mistake in the query for it shows at once. Look comes before.
func (k *Keeper) Try(ctx context.Context) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	c, ok := k.Reader.(Changer)
	if !ok || !c.Changes() || len(k.marks) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, _, err := c.Changed(limited, k.marks[len(k.marks)-1].version)
	if err != nil {
		return fmt.Errorf("asking for what has changed: %w", err)
	}
	return nil
}

// explained says whether the rows are why the version is another one. Where it is not, one has changed whose own version did
// not.
func (k *Keeper) explained(version string, some []*conf.Row) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	newest := k.marks[len(k.marks)-1].version
	return version == k.set.Version || slices.ContainsFunc(some, func(r *conf.Row) bool { return less(newest, r.Version) })
}

// since is the version from which on rows are asked for; "": all are.
func (k *Keeper) since() (version string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.Now()
	if !k.set.Good || k.alike || k.few || k.set.State.Fewer > 0 || k.full.IsZero() || now.Sub(k.full) >= fullEvery {
		return ""
	}
	for _, m := range k.marks {
		if m.past(now, k.asked) {
			version = m.version
		}
	}
	return version
}

// past says whether rows after a mark are all that can be new, where rows were asked for last at an instant.
func (m mark) past(now, asked time.Time) bool { return now.Sub(m.at) >= overlap && m.at.Before(asked) }

// marked takes in the versions of rows that were read at an instant. Marks that are not needed any more are forgotten.
func (k *Keeper) marked(rows []*conf.Row, at time.Time) {
	greatest := ""
	for _, r := range rows {
		if greatest == "" || less(greatest, r.Version) {
			greatest = r.Version
		}
	}
	k.asked = at
	for len(k.marks) > 1 && k.marks[1].past(at, at) {
		k.marks = k.marks[1:]
	}
	if n := len(k.marks); n == 0 || k.marks[n-1].version != greatest {
		k.marks = append(k.marks, mark{greatest, at})
	}
}

// less compares versions: numbers, times as drivers write them, or texts.
func less(a, b string) bool {
	x, err := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err == nil && err2 == nil {
		return x < y
	}
	s, err := time.Parse(time.RFC3339Nano, a)
	t, err2 := time.Parse(time.RFC3339Nano, b)
	if err == nil && err2 == nil {
		return s.Before(t)
	}
	return a < b
}

// joined are the rows with those of them replaced that have changed. New ones come last, if that is where they would be:
// their order decides which of two that cannot both be is left out. ok is false where all rows have to be read.
func joined(rows, some []*conf.Row) (all []*conf.Row, ok bool) {
	at := make(map[string]int, len(rows))
	for i, r := range rows {
		at[r.ID] = i
	}
	all = append(make([]*conf.Row, 0, len(rows)+len(some)), rows...)
	seen := make(map[string]bool, len(some))
	for _, r := range some {
		if seen[r.ID] || anonymous(r) {
			return nil, false
		}
		seen[r.ID] = true
		if i, known := at[r.ID]; known {
			all[i] = r
			continue
		}
		if n := len(all); n > 0 && !follows(all[n-1].ID, r.ID) {
			return nil, false
		}
		all = append(all, r)
	}
	return all, true
}

// anonymous says whether the ID of a row is not its own.
func anonymous(r *conf.Row) bool { return r.Columns["id"] == "" && r.Columns["name"] == "" }

// follows says whether one ID is the number after another.
func follows(before, id string) bool {
	a, err := strconv.ParseUint(before, 10, 64)
	b, err2 := strconv.ParseUint(id, 10, 64)
	return err == nil && err2 == nil && a < b
}

package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"mailretr/store/mail"
)

// Marks are forgotten when complete listings have not named them for 30 days: never because one listing was
// short, and never because a maildrop stood empty for a moment. What is missing is noted by the day on
// which it was missed first.

const (
	spaceMissing = "missing" // owner: account; key: day, part; value: spots
	spotsANote   = 8000      // 128 KB
	forgetAtOnce = 20_000    // what is left is forgotten tomorrow
)

// sweep adds to b what a complete listing shows to be gone.
func (q *Queue) sweep(ctx context.Context, l *Listing, marks []Seen, b *Batch) error {
	named := make(map[[16]byte]bool, len(marks))
	for i := range marks {
		named[marks[i].Spot] = true
	}
	since, old, err := q.missing(ctx, l.Account)
	if err != nil {
		return err
	}
	today, now := day(q.now()), map[int32][][16]byte{}
	for s, err := range q.Engine.AllMarks(ctx, l.Account) {
		if err != nil {
			return err
		}
		if named[s.Spot] || !covered(s.UID, l.Folders) {
			if first, ok := since[s.Spot]; ok && !named[s.Spot] {
				now[first] = append(now[first], s.Spot) // another folder's: as it was
			}
			continue
		}
		first, ok := since[s.Spot]
		switch {
		case s.Mark == LetGo:
			first = s.Day
		case !ok:
			first = today
		}
		if int(today-first) >= int(forgetAfter.Hours()/24) && len(b.Forget) < forgetAtOnce {
			s.Account = l.Account
			b.Forget = append(b.Forget, s)
		} else if s.Mark != LetGo {
			now[first] = append(now[first], s.Spot)
		}
	}
	b.Notes = append(b.Notes, missingNotes(l.Account, now, old)...)
	return nil
}

// covered says whether a listing of these folders would name the UID, were it there.
func covered(u mail.UID, folders []string) bool {
	if folders == nil || u == "" {
		return true
	}
	s := spaceOf(u, folders)
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '/' {
			return slices.Contains(folders, s[:i])
		}
	}
	return false
}

// missing loads since when marks are missing, and the notes that say so.
func (q *Queue) missing(ctx context.Context, a mail.Account) (map[[16]byte]int32, map[string][]byte, error) {
	since, old := map[[16]byte]int32{}, map[string][]byte{}
	for n, err := range q.Engine.Notes(ctx, spaceMissing, string(a)) {
		if err != nil {
			return nil, nil, err
		}
		var first int32
		var part int
		if _, err := fmt.Sscanf(n.Key, "%d/%d", &first, &part); err != nil {
			return nil, nil, fmt.Errorf("store: a note of missing marks has the key %q: %w", n.Key, err)
		}
		old[n.Key] = n.Value
		for v := n.Value; len(v) >= 16; v = v[16:] {
			since[[16]byte(v)] = first
		}
	}
	return since, old, nil
}

// missingNotes are the changes from the old notes to what is missing now.
func missingNotes(a mail.Account, now map[int32][][16]byte, old map[string][]byte) (all []Note) {
	for first, spots := range now {
		slices.SortFunc(spots, func(x, y [16]byte) int { return cmp.Compare(string(x[:]), string(y[:])) })
		part := 0
		for some := range slices.Chunk(spots, spotsANote) {
			key := fmt.Sprintf("%d/%d", first, part)
			part++
			value := make([]byte, 0, 16*len(some))
			for _, s := range some {
				value = append(value, s[:]...)
			}
			if string(old[key]) != string(value) {
				all = append(all, Note{Space: spaceMissing, Owner: string(a), Key: key, Value: value})
			}
			delete(old, key)
		}
	}
	for key := range old {
		all = append(all, Note{Space: spaceMissing, Owner: string(a), Key: key})
	}
	return all
}

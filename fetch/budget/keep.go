package budget

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ahead is what is reserved in the notes beyond what was asked for, octets, so that small sessions need
// no commit of their own. A crash costs so much of a budget.
const ahead = 64 << 10

// Load reads what was kept. Rules are set before. What cannot be read is left out, and named in the
// error; the rest is there.
func (b *Book) Load(ctx context.Context) error {
	failed, err := b.load(ctx)
	return errors.Join(append(failed, err)...)
}

// load is Load; failed are the errors of what was left out.
func (b *Book) load(ctx context.Context) (failed []error, err error) {
	b.saving.Lock()
	defer b.saving.Unlock()
	found := map[string]*page{}
	days := map[string]month{}
	var remove []Note
	all, newest, err := b.all(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		if old(n.Key, newest) {
			remove = append(remove, Note{Owner: n.Owner, Key: n.Key})
			continue
		}
		if found[n.Owner] == nil {
			found[n.Owner], days[n.Owner] = &page{owner: n.Owner}, month{}
		}
		if err := found[n.Owner].read(n, days[n.Owner]); err != nil {
			failed = append(failed, err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.init()
	b.remove = append(b.remove, remove...)
	for owner, p := range found {
		b.take(p, days[owner])
	}
	return failed, nil
}

// all returns the notes, and the day from which their age is counted: today, or the newest month that is kept, if the
// clock says that this was long ago. It may be wrong, and the notes of this month have to outlive that.
func (b *Book) all(ctx context.Context) (all []Note, newest string, err error) {
	for n, err := range b.Store.Notes(ctx, "") {
		if err != nil {
			return nil, "", fmt.Errorf("budget: reading notes: %w", err)
		}
		all = append(all, n)
		if month, ok := strings.CutPrefix(n.Key, keyMonth); ok {
			newest = max(newest, month+"-01")
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return all, min(newest, b.rules.Calendar.Day(b.time())), nil
}

// read takes one note in.
func (p *page) read(n Note, days month) error {
	if strings.HasPrefix(n.Key, keyMonth) {
		m, err := daysOf(n.Value)
		for day, r := range m {
			days[day] = r
		}
		return err
	}
	var t today
	err := json.Unmarshal(n.Value, &t)
	if err == nil {
		_, err = time.Parse(time.DateOnly, t.Day)
	}
	if err != nil {
		return fmt.Errorf("budget: the note of a day cannot be read: %w", err)
	}
	p.day, p.now, p.held, p.twice = t.Day, t.Counts.counts(), t.Reserved, t.Twice
	p.kept = p.now.Line()
	return nil
}

// take makes what was read the page of its owner. What was reserved by a program that was ended hard
// counts as spent; of one that runs nothing is reserved by others.
func (b *Book) take(p *page, days month) {
	if mine := b.pages[p.owner]; mine != nil {
		p.day, p.now, p.kept, p.held = mine.day, mine.now, mine.kept, mine.held
		p.over, p.dirty, p.id, p.attempt, p.twice = mine.over, mine.dirty, mine.id, mine.attempt, mine.twice
	} else if p.held > 0 {
		p.now.Assumed += p.held
		p.held, p.dirty = 0, true
	}
	if p.twice {
		p.now, p.twice, p.dirty = p.now.Plus(days[p.day].counts()), false, true
	}
	if p.day == "" {
		p.day = b.rules.Calendar.Day(b.time())
	}
	p.begin = b.rules.Calendar.Day(b.month(p.day))
	for day, r := range days {
		if p.begin <= day && day < p.day { // a later one was never
			p.before = p.before.Plus(r.counts())
		}
	}
	for day, c := range p.over {
		if _, kept := days[day]; p.begin <= day && !kept {
			p.before = p.before.Plus(c)
		}
	}
	b.pages[p.owner] = p
	b.turn(p)
}

// Save makes durable what was counted, in one commit; none where nothing has changed.
func (b *Book) Save(ctx context.Context) error {
	b.saving.Lock()
	defer b.saving.Unlock()
	b.mu.Lock()
	dirty, notes := b.written()
	b.mu.Unlock()
	if len(notes) == 0 {
		return nil
	}
	more, err := b.finished(ctx, dirty)
	if err == nil {
		err = b.Store.Save(context.WithoutCancel(ctx), append(notes, more...))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range dirty {
		b.wrote(w, err == nil)
	}
	if err != nil {
		return fmt.Errorf("budget: what was counted cannot be kept: %w", err)
	}
	b.remove = nil
	return nil
}

// A writing is a page as it is being kept.
type writing struct {
	page *page
	today
	over map[string]Counts
}

// written reads all meters and returns the pages that changed, with the notes of their days.
func (b *Book) written() (dirty []writing, notes []Note) {
	b.init()
	for _, name := range sorted(b.meters) {
		b.sample(name)
	}
	for _, owner := range sorted(b.pages) {
		p := b.page(owner)
		reserved := b.reserved(p)
		if !p.dirty && reserved == p.held {
			continue
		}
		w := writing{page: p, today: today{Day: p.day, Counts: p.now.row(), Reserved: reserved, Twice: p.twice},
			over: p.over}
		p.over, p.dirty = nil, false
		dirty = append(dirty, w)
		notes = append(notes, Note{Owner: owner, Key: keyToday, Value: encode(w.today)})
	}
	if len(notes) > 0 {
		notes = append(notes, b.remove...)
	}
	return dirty, notes
}

// reserved is what is reserved beyond what was counted.
func (b *Book) reserved(p *page) int64 {
	if b.closed || !b.limits(p.owner).any() {
		return 0
	}
	return b.asked(p.owner) + ahead
}

// finished are the notes of months in which days are over now, and the removal of old ones.
func (b *Book) finished(ctx context.Context, dirty []writing) (notes []Note, err error) {
	for _, w := range dirty {
		if len(w.over) == 0 {
			continue
		}
		months := map[string]month{}
		for n, err := range b.Store.Notes(ctx, w.page.owner) {
			switch {
			case err != nil:
				return nil, err
			case n.Owner != w.page.owner || !strings.HasPrefix(n.Key, keyMonth):
			case old(n.Key, slices.Max(sorted(w.over))): // the clock need not be right today
				notes = append(notes, Note{Owner: n.Owner, Key: n.Key})
			default:
				// One that cannot be read was named when it was loaded; it is written anew.
				if months[n.Key], err = daysOf(n.Value); err != nil {
					months[n.Key] = month{}
				}
			}
		}
		changed := map[string]bool{}
		for day, c := range w.over {
			key := monthOf(day)
			if months[key] == nil {
				months[key] = month{}
			}
			// The commit may be a repetition of one that was made although it failed.
			months[key][day] = months[key][day].counts().most(c).row()
			changed[key] = true
		}
		for _, key := range sorted(changed) {
			notes = append(notes, Note{Owner: w.page.owner, Key: key, Value: encode(months[key])})
		}
	}
	return notes, nil
}

// wrote takes in that a page was kept, or not.
func (b *Book) wrote(w writing, ok bool) {
	p := w.page
	if !ok {
		p.dirty = true
		for day, c := range w.over {
			p.close(day, c)
		}
		return
	}
	if p.day == w.Day {
		p.kept, p.held = w.Counts.counts().Line(), w.Reserved
	}
}

// Run saves each minute until ctx ends. What could not be saved is saved the next time; failed, which may
// be nil, is told of it.
func (b *Book) Run(ctx context.Context, failed func(error)) {
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := b.Save(ctx); err != nil && failed != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}

// Close saves, and gives back what was reserved. Nothing may be asked for afterwards.
func (b *Book) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	return b.Save(ctx)
}

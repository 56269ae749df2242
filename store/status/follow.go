package status

import (
	"maps"
	"time"
)

// A Follower knows which maildrops have changed since it was asked last, for who copies their status elsewhere. Whoever is
// slow, or cannot be reached for days, costs no more than a name for each maildrop. Safe for concurrent use.
type Follower struct {
	f       *Folder
	changed map[string]bool
	taken   map[string]State // as it was taken last
	looked  time.Time        // for what has become late
}

// lookLate is how often is looked for maildrops that have become late: that is no event.
const lookLate = time.Minute

// Follow returns a follower, to which all maildrops have changed. It ends with Unfollow.
func (f *Folder) Follow() *Follower {
	w := &Follower{f: f, changed: map[string]bool{}, taken: map[string]State{}}
	f.mu.Lock()
	if f.followers == nil {
		f.followers = map[*Follower]bool{}
	}
	f.followers[w] = true
	f.mu.Unlock()
	w.All()
	return w
}

// Unfollow ends a follower.
func (f *Folder) Unfollow(w *Follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.followers, w)
}

// changed notes that a maildrop has to be saved, and tells the followers. The lock is held.
func (f *Folder) changed(maildrop string) {
	f.dirty[dropKey+maildrop] = true
	f.changes++
	f.followed(maildrop)
}

func (f *Folder) followed(maildrop string) {
	for w := range f.followers {
		w.changed[maildrop] = true
	}
}

// All makes all maildrops changed.
func (w *Follower) All() {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	for name := range w.f.drops {
		w.changed[name] = true
	}
}

// Take returns at most n that have changed, as they are now, and the names of those that are gone; both none: nothing has
// changed. What could not be copied is given back by Return.
func (w *Follower) Take(n int) (now []Status, gone []string) {
	at := w.f.now()
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	if at.Sub(w.looked).Abs() >= lookLate {
		w.looked = at
		for name, s := range w.f.drops {
			if s.State == OK && w.taken[name] != s.At(at).State {
				w.changed[name] = true
			}
		}
	}
	for name := range w.changed {
		if len(now)+len(gone) == n {
			break
		}
		delete(w.changed, name)
		s, there := w.f.drops[name]
		if !there {
			delete(w.taken, name)
			gone = append(gone, name)
			continue
		}
		s = s.At(at)
		w.taken[name] = s.State
		now = append(now, s)
	}
	return now, gone
}

// Return gives back what Take returned.
func (w *Follower) Return(now []Status, gone []string) {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	for i := range now {
		w.changed[now[i].Maildrop] = true
	}
	for _, name := range gone {
		w.changed[name] = true
	}
}

// Len is how many have changed.
func (w *Follower) Len() int {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	return len(w.changed)
}

// Names are the maildrops that there are.
func (f *Folder) Names() map[string]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := make(map[string]bool, len(f.drops))
	for name := range maps.Keys(f.drops) {
		names[name] = true
	}
	return names
}

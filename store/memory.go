package store

import (
	"context"
	"maps"
	"sync"

	"mailretr/store/mail"
)

// memory is what Choose has found out and Commit has to know: it lives no longer than the process, and a
// poll fills it again before anything is fetched.
type memory struct {
	mu     sync.Mutex
	asides map[place]bool  // messages with an aside note, which ends when they are taken
	doubt  map[place]int64 // listed under a UID that does not prove that they are new; the size of its mark
	former map[mail.Account][]mail.Account
	keys   map[mail.Account]map[[16]byte]mail.UID // content keys of what is new, since the last listing
	once   map[mail.Account]map[string]bool       // folders that had one UIDVALIDITY only, and are no labels
	left   map[mail.Account]leaving               // what was left, and is known by its UID alone
	piles  map[mail.Account]pile                  // of aside notes, where there are any
}

// A place is a message in its account.
type place struct {
	account mail.Account
	uid     mail.UID
}

// reset forgets what is known of an account, as far as a listing of these folders finds it out again: another
// maildrop may have other folders of it, and be under way.
func (m *memory) reset(a mail.Account, former []mail.Account, folders []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.make()
	covers := func(p place) bool { return p.account == a && covered(p.uid, folders) }
	maps.DeleteFunc(m.asides, func(p place, _ bool) bool { return covers(p) })
	maps.DeleteFunc(m.doubt, func(p place, _ int64) bool { return covers(p) })
	m.former[a] = former
	delete(m.keys, a)
}

// met notes which folders were never renumbered; of labels that means nothing.
func (m *memory) met(a mail.Account, once map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.once == nil {
		m.once = map[mail.Account]map[string]bool{}
	}
	m.once[a] = once
}

// leaves notes what was left.
func (m *memory) leaves(a mail.Account, x leaving) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left == nil {
		m.left = map[mail.Account]leaving{}
	}
	m.left[a] = x
}

func (m *memory) leaving(a mail.Account) leaving {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.left[a]
}

// elsewhere says whether a message that was here before was so in another folder: somebody has moved it to
// where it is now, mailretr itself perhaps, so it is not ours to remove without a word.
func (m *memory) elsewhere(o mail.Origin) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.once[o.Account][folderOf(spaceOf(o.UID, []string{}))]
}

// twice says whether another new message of the account has this content key; the first one has not.
func (m *memory) twice(o mail.Origin, key [16]byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if key == [16]byte{} {
		return false
	}
	if m.keys == nil {
		m.keys = map[mail.Account]map[[16]byte]mail.UID{}
	}
	if m.keys[o.Account] == nil {
		m.keys[o.Account] = map[[16]byte]mail.UID{}
	}
	first, known := m.keys[o.Account][key]
	if !known {
		m.keys[o.Account][key] = o.UID
	}
	return known && first != o.UID
}

// piled notes how much is kept of what an account leaves.
func (m *memory) piled(a mail.Account, c pile) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.notes == 0 {
		delete(m.piles, a) // which is what most have
		return
	}
	if m.piles == nil {
		m.piles = map[mail.Account]pile{}
	}
	m.piles[a] = c
}

func (m *memory) pileOf(a mail.Account) (c pile, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok = m.piles[a]
	return c, ok
}

func (m *memory) make() {
	if m.asides == nil {
		m.asides, m.doubt, m.former = map[place]bool{}, map[place]int64{}, map[mail.Account][]mail.Account{}
	}
}

func (m *memory) aside(a mail.Account, u mail.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.make()
	m.asides[place{a, u}] = true
}

// doubts notes that a UID proves nothing; size is that of its mark, 0 where there is none.
func (m *memory) doubts(a mail.Account, u mail.UID, size int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.doubt[place{a, u}] = size
}

// formerSize is the size that a message whose UID proves nothing was announced with when it got its mark.
func (m *memory) formerSize(o mail.Origin) (size int64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	size = m.doubt[place{o.Account, o.UID}]
	return size, size > 0
}

// asideNote returns the removal of the aside note of a message that is being taken.
func (m *memory) asideNote(o mail.Origin) (Note, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.asides[place{o.Account, o.UID}] {
		return Note{}, false
	}
	return Note{Space: spaceAside, Owner: string(o.Account), Key: string(o.UID)}, true
}

// took forgets a message that is ours.
func (m *memory) took(o mail.Origin) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.asides, place{o.Account, o.UID})
	delete(m.doubt, place{o.Account, o.UID})
}

func (m *memory) doubtful(o mail.Origin) (former []mail.Account, yes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, yes = m.doubt[place{o.Account, o.UID}]
	return m.former[o.Account], yes
}

// forewarned looks at messages whose UID does not prove that they are new: let go of and listed again,
// under a new UIDVALIDITY, or in an account that was called otherwise before. Where their content says that
// they were here, they are not queued again.
func (q *Queue) forewarned(ctx context.Context, live []*entry) ([]*entry, error) {
	left := live[:0:0]
	here := map[place]Mark{} // content keys of this batch
	for _, e := range live {
		former, yes := q.memory.doubtful(e.m.Origin)
		if !yes || e.mark.Mark == Unseen {
			left = append(left, e)
			continue
		}
		have, err := q.Engine.Marks(ctx, e.mark.Account, []mail.UID{e.mark.UID})
		if err != nil {
			return live, err
		}
		if have[0].Mark != Unseen {
			if !e.against(have[0]) {
				left = append(left, e)
			}
			continue
		}
		mark, err := q.known(ctx, []mail.Account{e.mark.Account}, e.mark.Key)
		if err == nil && mark == Unseen {
			mark, err = q.known(ctx, former, e.mark.Key)
		} else if q.memory.elsewhere(e.m.Origin) {
			mark = min(mark, Kept)
		}
		if err != nil {
			return live, err
		}
		key := place{e.mark.Account, mail.UID(e.mark.Key[:])}
		if mark == Unseen && e.mark.Key != [16]byte{} {
			mark, here[key] = here[key], e.mark.Mark
		}
		e.alias(mark)
		left = append(left, e)
	}
	return left, nil
}

// alias turns an entry into a second name of a message that is marked already. Nothing is queued, only the
// mark is set. What was not collected, or was collected and is kept, is reported as Deferred: it stays
// upstream. What was let go of and is back, as after a backup was restored, is ours as before.
func (e *entry) alias(have Mark) {
	switch have {
	case Unseen:
		return
	case LetGo:
		have = Taken
	}
	e.discard()
	e.parts, e.mark.Mark, e.second = nil, have, true
	if have != Taken {
		e.err = errKnown
	}
}

package badger

import (
	"sync"

	"mailretr/store/mail"
)

// A staged set knows the bodies of this process that no commit has named yet. A body is protected here
// against the sweep, and against being discarded while a commit that names it is under way, whose answer
// nobody knows.
type staged struct {
	mu sync.Mutex
	m  map[mail.ID]*stage
}

type stage struct {
	sealed  bool
	claims  int  // commits under way that name it
	discard bool // to be removed when they are refused
}

// begin says false if there is a body of this ID already.
func (s *staged) begin(id mail.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m[id] != nil {
		return false
	}
	s.m[id] = new(stage)
	return true
}

func (s *staged) seal(id mail.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.m[id]; x != nil {
		x.sealed = true
	}
}

// claim protects the body while a commit names it. ours says that it was staged by this process and not yet
// named, so there can be no record of it; ok is false if it is not sealed.
func (s *staged) claim(id mail.ID) (ours, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.m[id]
	if x == nil {
		return false, true
	}
	if !x.sealed || x.discard {
		return true, false
	}
	x.claims++
	return true, true
}

// settle ends a claim. It says true if the body has to be removed now, and then forgotten.
func (s *staged) settle(id mail.ID, named bool) (remove bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.m[id]
	if x == nil {
		return false
	}
	x.claims--
	switch {
	case named:
		delete(s.m, id)
	case x.discard && x.claims == 0:
		return true
	}
	return false
}

// discard gives a body up. It says true if the file has to be removed now, and then forgotten: not if a
// commit has named it or may do so.
func (s *staged) discard(id mail.ID) (remove bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.m[id]
	switch {
	case x == nil:
		return false
	case x.claims > 0:
		x.discard = true
		return false
	}
	x.discard = true
	return true
}

// forget ends the protection of a body that was removed.
func (s *staged) forget(id mail.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, id)
}

// has says whether the body is being staged.
func (s *staged) has(id mail.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[id] != nil
}

package badger

import (
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Making a file durable costs a trip to the disk, and a file system can take many on one. So seals are
// gathered in rounds: while one round is being synced, those that come wait for the next, which makes all of
// them durable together. One alone waits for nothing.

const (
	// syncsAtOnce is how many fsync calls run side by side; more than eight were slower in all measurements.
	syncsAtOnce = 8
	// wholeFrom is the number of files from which one syncfs is cheaper than as many fsyncs.
	wholeFrom = 6
	// tooLong ends the use of syncfs for a while: somebody else is writing much on this file system.
	tooLong  = 300 * time.Millisecond
	restTime = time.Minute
)

// A syncer makes files and their directories durable.
type syncer struct {
	now   func() time.Time
	whole *os.File // for syncfs; nil where it may not be used
	rest  atomic.Int64

	mu      sync.Mutex
	running bool
	next    *round
}

// A round is a group of files that become durable together.
type round struct {
	seals []seal
	done  chan struct{}
}

type seal struct {
	file *os.File
	dir  *shard
	err  *error
}

// sync returns when the file and the entry in its directory are durable.
func (s *syncer) sync(f *os.File, dir *shard) error {
	var err error
	s.mu.Lock()
	if s.next == nil {
		s.next = &round{done: make(chan struct{})}
	}
	r := s.next
	r.seals = append(r.seals, seal{f, dir, &err})
	lead := !s.running
	s.running = true
	s.mu.Unlock()
	if lead {
		s.lead()
	}
	<-r.done
	return err
}

// lead runs one round; whoever waits for the next gets a leader of its own.
func (s *syncer) lead() {
	s.mu.Lock()
	r := s.next
	s.next = nil
	s.mu.Unlock()

	s.run(r.seals)
	close(r.done)

	s.mu.Lock()
	more := s.next != nil
	s.running = more
	s.mu.Unlock()
	if more {
		go s.lead()
	}
}

func (s *syncer) run(seals []seal) {
	if len(seals) >= wholeFrom && s.runWhole() {
		return
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, syncsAtOnce)
	start := func(f func()) {
		slots <- struct{}{}
		wg.Go(func() {
			f()
			<-slots
		})
	}
	dirs := make(map[*shard]*error)
	for _, x := range seals {
		if dirs[x.dir] == nil {
			err := new(error)
			dirs[x.dir] = err
			start(func() { *err = x.dir.sync() })
		}
		start(func() { *x.err = x.file.Sync() })
	}
	wg.Wait()
	for _, x := range seals {
		if err := *dirs[x.dir]; *x.err == nil {
			*x.err = err
		}
	}
}

// runWhole syncs the file system. False means that it was not done, or that something failed on it: then each
// file is asked for its own error.
func (s *syncer) runWhole() bool {
	if s.whole == nil || s.now().UnixNano() < s.rest.Load() {
		return false
	}
	begin := time.Now() // of the machine, not of the mail
	err := syncAll(s.whole)
	if err != nil || time.Since(begin) > tooLong {
		s.rest.Store(s.now().Add(restTime).UnixNano())
	}
	return err == nil
}

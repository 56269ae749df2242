package badger

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"mailretr/store"
	"mailretr/store/mail"
)

// An Engine is the store. Safe for concurrent use.
type Engine struct {
	opt    Options
	codec  codec
	hash   hasher
	lock   *os.File
	state  *os.Root
	spool  *shards
	sync   syncer
	staged staged

	promised promises

	db *badger.DB

	// gate is held for reading by whoever gives work to the committer, and for writing to end that.
	gate   sync.RWMutex
	closed bool
	reqs   chan *request
	dead   atomic.Pointer[error] // set when the database failed: nothing works afterwards
	work   sync.WaitGroup        // goroutines that commit what callers have left

	committer committer
	remover   remover

	mu    sync.Mutex // of what follows
	live  live
	tells chan struct{}

	tending sync.Mutex // one reconciliation at a time
	rebuilt time.Time
	older   bool // the state was written by an older version, and becomes one of this
	// rebuilding keeps marks fresh until the saved ones, which may be packed, are there.
	rebuilding atomic.Bool
	marked     atomic.Int64 // commits that changed marks
	saved      int64        // the value of marked in the snapshot; under tending
	// flattened is when tables were merged last; under tending
	flattened time.Time
}

var _ store.Engine = (*Engine)(nil)

// alarm tells an admin.
func (e *Engine) alarm(op mail.Op, text string, err error) {
	e.opt.Observe.Observe(mail.Event{At: e.opt.Now(), Op: op, Text: text, Err: err, Alarm: true})
}

// usable returns nil as long as the store is open and its database is well.
func (e *Engine) usable() error {
	if p := e.dead.Load(); p != nil {
		return fmt.Errorf("%w: the database failed: %w", store.ErrClosed, *p)
	}
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.closed {
		return store.ErrClosed
	}
	return nil
}

// fail ends the store: what a failed commit left behind is half visible, so nothing may be concluded from it.
func (e *Engine) fail(err error) {
	if e.dead.CompareAndSwap(nil, &err) {
		e.alarm(mail.OpStore, "the database failed; the program has to end and to be started again", err)
		go e.opt.Fatal(err)
	}
}

// Wake carries a hint that something may have become due.
func (e *Engine) Wake() <-chan struct{} { return e.tells }

func (e *Engine) wake() {
	select {
	case e.tells <- struct{}{}:
	default: // one hint is enough
	}
}

// Rebuilt says whether this state was ever built again from the spool, and when. Marks may be missing since:
// who keeps mail upstream asks before collecting again.
func (e *Engine) Rebuilt() (at time.Time, ok bool) { return e.rebuilt, !e.rebuilt.IsZero() }

// Close waits for commits under way, removes what is finished, writes the snapshot of the marks and closes
// the database. It is idempotent. A state that failed is closed without touching the database.
func (e *Engine) Close() error {
	e.gate.Lock()
	if e.closed {
		e.gate.Unlock()
		return nil
	}
	e.closed = true
	e.gate.Unlock()

	var first error
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	if e.dead.Load() == nil {
		keep(e.settled())
	}
	e.remover.stop() // its last marks go through the committer
	e.committer.stop()

	if e.dead.Load() == nil {
		e.tending.Lock()
		keep(e.snapshot(context.Background()))
		e.tending.Unlock()
		keep(e.live.flight.end())
	}
	keep(e.closeDB())
	keep(e.closeFiles())
	return first
}

// closeDB closes Badger. After a failure it may hang or panic in doing so, and the process ends anyway.
func (e *Engine) closeDB() error {
	if e.db == nil || e.dead.Load() != nil {
		return nil
	}
	return e.db.Close()
}

func (e *Engine) closeFiles() error {
	if e.spool != nil {
		e.spool.close()
	}
	if e.sync.whole != nil {
		e.sync.whole.Close()
	}
	e.live.flight.close()
	e.committer.endings.close()
	if e.state != nil {
		e.state.Close()
	}
	if e.lock != nil && e.dead.Load() == nil {
		return e.lock.Close() // a failed database still has its files open: the lock goes with the process
	}
	return nil
}

func sprintf(f string, a []any) string { return fmt.Sprintf(f, a...) }

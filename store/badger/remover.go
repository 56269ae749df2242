package badger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"mailretr/store/mail"
)

// A remover unlinks the files of finished records. Only when the directory is durable without them are their
// removal marks cleared: a file that comes back after a power cut would be taken for mail that lost its
// record. It gathers them for a second: a wake-up for each would cost more than the removal.
type remover struct {
	e *Engine

	mu    sync.Mutex
	todo  []mail.ID
	held  int         // backups that still read the files
	timer *time.Timer // runs while there is something to do
	full  chan struct{}
	quit  chan struct{}
	done  chan struct{}
}

const (
	clearAtOnce = 1024
	clearAfter  = time.Second
)

func (r *remover) start(e *Engine) {
	r.e = e
	r.full, r.quit, r.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	r.timer = time.NewTimer(clearAfter)
	r.timer.Stop()
	go r.run()
}

// add takes files that have a removal mark.
func (r *remover) add(ids []mail.ID) {
	if len(ids) == 0 {
		return
	}
	r.mu.Lock()
	if len(r.todo) == 0 {
		r.timer.Reset(clearAfter)
	}
	r.todo = append(r.todo, ids...)
	full := len(r.todo) >= clearAtOnce
	r.mu.Unlock()
	if !full {
		return
	}
	select {
	case r.full <- struct{}{}:
	default:
	}
}

// hold keeps all files until release is called: those of records that end meanwhile, too.
func (r *remover) hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held++
}

func (r *remover) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held--; r.held == 0 && len(r.todo) > 0 {
		r.timer.Reset(clearAfter)
	}
}

func (r *remover) take() (ids []mail.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held > 0 {
		return nil // a process that ends now leaves the removal marks
	}
	ids, r.todo = r.todo, nil
	r.timer.Stop()
	return ids
}

// stop removes what is left and ends.
func (r *remover) stop() {
	if r.quit == nil {
		return
	}
	close(r.quit)
	<-r.done
}

func (r *remover) run() {
	defer close(r.done)
	for {
		select {
		case <-r.full:
		case <-r.timer.C:
		case <-r.quit:
			r.clear(r.unlink(r.take()))
			return
		}
		r.clear(r.unlink(r.take()))
	}
}

// unlink returns those that are gone.
func (r *remover) unlink(ids []mail.ID) []mail.ID {
	gone := ids[:0]
	for _, id := range ids {
		if err := r.e.unlink(id); err != nil {
			r.e.alarm(mail.OpStore, fmt.Sprintf("the file of %s, which is finished, could not be removed", id), err)
			continue
		}
		gone = append(gone, id)
	}
	return gone
}

// clear makes the directories durable and clears the marks. What fails is done again by the next
// reconciliation.
func (r *remover) clear(ids []mail.ID) {
	if len(ids) == 0 {
		return
	}
	synced := make(map[byte]error)
	var ok []mail.ID
	for _, id := range ids {
		n := shardOf(id)
		err, did := synced[n]
		if !did {
			if err = r.e.syncShard(n); err != nil {
				r.e.alarm(mail.OpStore, fmt.Sprintf("directory %02x of the spool could not be synced", n), err)
			}
			synced[n] = err
		}
		if err == nil {
			ok = append(ok, id)
		}
	}
	if err := r.e.sendLast(&request{clear: ok, answer: make(chan error, 1)}); err != nil {
		r.e.tidy(err)
	}
}

// Ending says whether the file of a record that has ended is still to be removed.
func (e *Engine) Ending(ctx context.Context, id mail.ID) (bool, error) {
	if err := e.usable(); err != nil {
		return false, err
	}
	e.mu.Lock()
	hidden := e.live.hidden(id)
	e.mu.Unlock()
	if hidden {
		return true, ctx.Err() // the mark comes when the database is told
	}
	there, err := e.there(idKey('x', id))
	return there, errors.Join(err, ctx.Err())
}

func (e *Engine) syncShard(n byte) error {
	d, err := e.spool.get(n)
	if err != nil {
		return err
	}
	defer e.spool.put(d)
	return d.sync()
}

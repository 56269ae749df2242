package badger

import (
	"fmt"
	"sync"
	"time"

	"mailretr/store/mail"
)

// A remover unlinks the files of finished records. Only when the directory is durable without them are their
// removal marks cleared: a file that comes back after a power cut would be taken for mail that lost its
// record.
type remover struct {
	e *Engine

	mu   sync.Mutex
	todo []mail.ID
	wake chan struct{}
	quit chan struct{}
	done chan struct{}
}

const (
	clearAtOnce = 1024
	clearAfter  = time.Second
)

func (r *remover) start(e *Engine) {
	r.e = e
	r.wake, r.quit, r.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go r.run()
}

// add takes files that have a removal mark.
func (r *remover) add(ids []mail.ID) {
	if len(ids) == 0 {
		return
	}
	r.mu.Lock()
	r.todo = append(r.todo, ids...)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *remover) take() (ids []mail.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids, r.todo = r.todo, nil
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
	var gone []mail.ID // unlinked, marks not yet cleared
	timer := time.NewTimer(clearAfter)
	timer.Stop()
	for {
		select {
		case <-r.wake:
			if len(gone) == 0 {
				timer.Reset(clearAfter)
			}
			gone = r.unlink(r.take(), gone)
			if len(gone) < clearAtOnce {
				continue
			}
		case <-timer.C:
		case <-r.quit:
			r.clear(r.unlink(r.take(), gone))
			return
		}
		r.clear(gone)
		gone = gone[:0]
	}
}

func (r *remover) unlink(ids, gone []mail.ID) []mail.ID {
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

func (e *Engine) syncShard(n byte) error {
	d, err := e.spool.get(n)
	if err != nil {
		return err
	}
	defer e.spool.put(d)
	return d.sync()
}

package badger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

// A commit goes this way: the caller's goroutine encodes the batch (prepare) and queues it; whoever holds the
// committer takes all that waits, judges each batch against the state that the ones before it leave (plan.go),
// puts those that pass into one transaction, syncs it once, and answers. So a sync serves everybody who waited
// for the last one, and read-modify-write needs no locks. The holder is the first who comes, so that one alone
// wakes nobody up; those who come meanwhile are served by a goroutine of their own. What only ends records
// takes a shorter way: see endings.go.

const (
	// mergeMost is how many batches become one transaction at most.
	mergeMost = 256
	// waiting is how many batches may wait before a caller has to.
	waiting = 256
)

// A request is a batch on its way through the committer.
type request struct {
	id     [16]byte
	fence  []store.Lease
	puts   []put
	remove []mail.ID
	seen   []seenOp
	notes  []op
	clear  []mail.ID    // removal marks that have done their duty
	raw    []op         // written as they are
	sweep  [][]byte     // keys of the schedule, removed if no record agrees with them
	inside func() error // done by the committer, between commits
	answer chan error

	effect effect // filled by plan
}

// lone says that a request ends one record and does nothing else.
func (r *request) lone() bool {
	return len(r.remove) == 1 &&
		len(r.puts)+len(r.seen)+len(r.notes)+len(r.clear)+len(r.raw)+len(r.sweep) == 0
}

// A put is one encoded record.
type put struct {
	id    mail.ID
	value []byte
	stub  stub
	fresh bool // staged here and never named: there is no record of it
}

// A seenOp sets or removes one mark.
type seenOp struct {
	uid     mail.UID
	account [16]byte
	spot    spot
	folder  string
	mark    mark
	fresh   bool // has to be unmarked
	forget  bool
}

// An op is one key with its new value; nil removes it.
type op struct{ key, value []byte }

// Commit makes a batch durable, all of it or nothing.
func (e *Engine) Commit(ctx context.Context, b *store.Batch) error {
	if err := e.usable(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.ID == ([16]byte{}) {
		if _, err := io.ReadFull(e.opt.Random, b.ID[:]); err != nil {
			return err
		}
	}
	r, err := e.prepare(b)
	if err != nil {
		return err
	}
	if err := e.send(ctx, r); err != nil {
		return errors.Join(err, e.unclaim(r, false))
	}
	select {
	case err := <-r.answer: // it was made by this goroutine, or just now
		return err
	default:
	}
	select {
	case err := <-r.answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", store.ErrUnknown, ctx.Err())
	}
}

// send gives a request to the committer, and is the committer where nobody else is.
func (e *Engine) send(ctx context.Context, r *request) error {
	if err := e.queue(ctx, r); err != nil {
		return err
	}
	e.committer.lead()
	return nil
}

func (e *Engine) queue(ctx context.Context, r *request) error {
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.closed {
		return store.ErrClosed
	}
	select {
	case e.reqs <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sendLast is send for who still works while the store is being closed; it waits for the answer.
func (e *Engine) sendLast(r *request) error {
	e.reqs <- r
	e.committer.lead()
	return <-r.answer
}

// prepare encodes a batch. The batch is not looked at afterwards, so its owner may change it once Commit has
// returned, whatever it returned.
func (e *Engine) prepare(b *store.Batch) (*request, error) {
	r := &request{
		id:     b.ID,
		fence:  append([]store.Lease(nil), b.Fence...),
		puts:   make([]put, 0, len(b.Put)),
		remove: append([]mail.ID(nil), b.Remove...),
		answer: make(chan error, 1),
	}
	if err := e.prepareSeen(r, b); err != nil {
		return nil, err
	}
	for i := range b.Notes {
		o, err := noteOp(&b.Notes[i])
		if err != nil {
			return nil, err
		}
		r.notes = append(r.notes, o)
	}
	if err := e.preparePuts(r, b); err != nil {
		return nil, errors.Join(err, e.unclaim(r, false))
	}
	return r, nil
}

func (e *Engine) preparePuts(r *request, b *store.Batch) error {
	var ids map[mail.ID]bool
	if len(b.Put)+len(b.Remove) > 1 {
		ids = make(map[mail.ID]bool, len(b.Put)+len(b.Remove))
	}
	once := func(id mail.ID) error {
		switch {
		case id.Zero():
			return errors.New("store: a record without an ID")
		case ids[id]:
			return fmt.Errorf("store: the batch names %s twice", id)
		case ids != nil:
			ids[id] = true
		}
		return nil
	}
	for _, id := range b.Remove {
		if err := once(id); err != nil {
			return err
		}
	}
	for i := range b.Put {
		x := &b.Put[i]
		if err := once(x.ID); err != nil {
			return err
		}
		if x.Body != "" && x.Body != refOf(x.ID) {
			return fmt.Errorf("%w: %q for %s", errRef, mail.Printable(string(x.Body), 64), x.ID)
		}
		v, err := e.codec.record(x)
		if err != nil {
			return err
		}
		p := put{id: x.ID, value: v, stub: stubOf(x)}
		if x.Body != "" {
			ours, ok := e.staged.claim(x.ID)
			if !ok {
				return fmt.Errorf("store: the body of %s is not sealed, or was discarded", x.ID)
			}
			p.fresh = ours
		}
		r.puts = append(r.puts, p)
	}
	return nil
}

func (e *Engine) prepareSeen(r *request, b *store.Batch) error {
	r.seen = make([]seenOp, 0, len(b.Seen)+len(b.Forget))
	var last mail.Account
	var account [16]byte
	add := func(s *store.Seen, forget bool) error {
		if s.Account != last || len(r.seen) == 0 {
			last, account = s.Account, e.hash.account(s.Account)
		}
		o := seenOp{uid: s.UID, account: account, mark: markOf(s), fresh: s.New && !forget, forget: forget}
		switch {
		case s.UID != "":
			o.spot, o.folder = e.hash.spot(s.UID)
		case forget && s.Spot != [16]byte{}:
			o.spot = s.Spot
		default:
			return errors.New("store: a mark without a UID")
		}
		if !forget && (s.Mark == store.Unseen || s.Mark > store.LetGo) {
			return fmt.Errorf("store: a mark that is %q cannot be set", s.Mark)
		}
		r.seen = append(r.seen, o)
		return nil
	}
	for i := range b.Seen {
		if err := add(&b.Seen[i], false); err != nil {
			return err
		}
	}
	for i := range b.Forget {
		if err := add(&b.Forget[i], true); err != nil {
			return err
		}
	}
	return nil
}

// unclaim ends the protection of the bodies of a request, and removes those that were discarded meanwhile.
func (e *Engine) unclaim(r *request, named bool) (err error) {
	for i := range r.puts {
		p := &r.puts[i]
		if p.stub.body && p.fresh && e.staged.settle(p.id, named) {
			if uerr := e.unlink(p.id); uerr != nil {
				err = uerr
				continue
			}
			e.staged.forget(p.id)
		}
	}
	return err
}

// A committer is what commits know. It belongs to the goroutine that holds it.
type committer struct {
	mu       sync.Mutex
	e        *Engine
	merge    merge
	endings  endings
	timer    *time.Timer   // runs while there are endings that Badger was not told of
	patience time.Duration // how long there may be
	closed   bool
	recent   recent
	accounts map[[16]byte]*account
	folders  map[[28]byte]bool // folders whose text is known to be written
	fold     [][16]byte        // accounts whose fresh marks should be packed
}

// start prepares the committer, whose endings were read already.
func (c *committer) start(e *Engine) {
	c.e, c.merge.c = e, c
	c.accounts, c.folders = make(map[[16]byte]*account), make(map[[28]byte]bool)
	c.patience = tellAfter
	c.timer = time.AfterFunc(tellAfter, c.late)
	c.timer.Stop()
}

// lead commits what waits, unless somebody else is at it, who will then find it. More than one group is left to a
// goroutine of its own: the caller has something else to do.
func (c *committer) lead() {
	for len(c.e.reqs) > 0 && c.mu.TryLock() {
		c.packAll() // if it came before who follows
		c.commit(c.group())
		more := !c.closed && len(c.e.reqs)+len(c.fold) > 0
		if more {
			c.e.work.Go(c.follow)
		}
		c.mu.Unlock()
		if more {
			return
		}
	}
}

// follow goes on where a leader has left something.
func (c *committer) follow() {
	c.mu.Lock()
	c.packAll()
	c.mu.Unlock()
	c.lead()
}

// late tells Badger of what it does not know because nothing else was committed.
func (c *committer) late() {
	c.mu.Lock()
	c.tell()
	c.mu.Unlock()
	c.lead()
}

// stop commits what is left. Nobody sends any more, and what waits for the committer finds nothing to do.
func (c *committer) stop() {
	c.mu.Lock()
	for len(c.e.reqs) > 0 {
		c.commit(c.group())
	}
	c.tell()
	c.timer.Stop()
	c.closed = true
	c.mu.Unlock()
	c.e.work.Wait()
}

// group takes what waits.
func (c *committer) group() []*request {
	group := make([]*request, 0, min(len(c.e.reqs), mergeMost))
	for len(group) < mergeMost {
		select {
		case r := <-c.e.reqs:
			group = append(group, r)
		default:
			return group
		}
	}
	return group
}

// packAll packs the marks of accounts that have many fresh ones.
func (c *committer) packAll() {
	if len(c.fold) > 0 && !c.closed && !c.e.rebuilding.Load() {
		c.tell()
		for _, a := range c.fold {
			c.pack(a)
		}
	}
	c.fold = c.fold[:0]
}

// commit judges and commits a group of requests.
func (c *committer) commit(group []*request) {
	m := &c.merge
	m.begin()
	for _, r := range group {
		if err := c.e.usableDB(); err != nil {
			c.answer(r, err)
			continue
		}
		if r.inside != nil {
			m.commit()
			r.answer <- r.inside()
			continue
		}
		if c.recent.has(r.id) {
			c.answer(r, nil)
			continue
		}
		if m.hasID(r.id) { // the same batch again, before its first answer
			m.flush()
			c.answer(r, nil)
			continue
		}
		ops, err := m.plan(r)
		switch {
		case err != nil:
			c.refuse(r, err)
		case m.tooBig(ops):
			m.commit()
			m.discard() // it would not see what follows
			c.journaled(r, ops)
			m.begin()
		default:
			if !m.fits(ops) {
				m.commit()
			}
			m.take(r, ops)
		}
	}
	m.flush()
	m.rest()
}

// tell tells Badger of what it does not know yet.
func (c *committer) tell() {
	if len(c.merge.owed) > 0 {
		c.merge.commit()
	}
	c.merge.rest()
}

// usableDB is usable without the question whether the store is being closed: what was sent before is still
// made.
func (e *Engine) usableDB() error {
	if p := e.dead.Load(); p != nil {
		return fmt.Errorf("%w: the database failed: %w", store.ErrClosed, *p)
	}
	return nil
}

// answer tells the caller of a request that was not made now.
func (c *committer) answer(r *request, err error) {
	if err == nil {
		if err := c.e.usableDB(); err != nil {
			r.answer <- fmt.Errorf("%w: %w", store.ErrUnknown, err)
			return
		}
	}
	c.e.tidy(c.e.unclaim(r, err == nil))
	r.answer <- err
}

// refuse tells the caller that nothing happened.
func (c *committer) refuse(r *request, err error) {
	c.e.mu.Lock()
	c.e.live.unsettle(r.effect.fenced)
	c.e.mu.Unlock()
	c.answer(r, err)
}

// made does what follows a commit that is durable. owed says that Badger does not know of it yet: its
// records are hidden from readers meanwhile, and its files stay.
func (c *committer) made(r *request, owed bool) {
	e := c.e
	c.recent.add(r.id, e.opt.Now())
	e.mu.Lock()
	wake := e.live.apply(r)
	if owed {
		e.live.hide(r.effect.ended)
	}
	e.mu.Unlock()
	if len(r.seen) > 0 {
		e.marked.Add(1)
		c.countMarks(r)
	}
	if len(r.raw) > 0 {
		clear(c.accounts) // may have been marks
	}
	e.tidy(e.unclaim(r, true))
	if !owed {
		e.remover.add(r.effect.files)
	}
	r.answer <- nil
	if wake {
		e.wake()
	}
}

// told does what follows a commit by which Badger has learned of endings.
func (c *committer) told(owed []*request) {
	if len(owed) == 0 {
		return
	}
	c.timer.Stop()
	c.e.mu.Lock()
	for _, r := range owed {
		c.e.live.show(r.effect.ended)
	}
	c.e.mu.Unlock()
	for _, r := range owed {
		c.e.remover.add(r.effect.files)
	}
}

// lost does what follows a commit whose outcome is unknown because the database failed: the bodies stay, in
// case it was made.
func (c *committer) lost(r *request, err error) {
	r.answer <- fmt.Errorf("%w: %w", store.ErrUnknown, err)
}

// tidy says what went wrong in removing a body that nobody needs: it is found by the next reconciliation.
func (e *Engine) tidy(err error) {
	if err != nil {
		e.alarm(mail.OpStore, "a body that was given up could not be removed", err)
	}
}

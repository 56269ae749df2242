package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"mailretr/store"
	"mailretr/store/mail"
)

// batchOf is how many records one commit of a reconciliation puts.
const batchOf = 128

// repairLease is how long a reconciliation holds a record that it mends.
const repairLease = time.Minute

// A census is one comparison of records, schedule and files.
type census struct {
	start   bool // nothing else is going on
	rebuild bool // the database was lost: files without a record are the rule

	ids     []mail.ID // of records that have a body, in order
	seen    []bool    // whether its file is there
	late    []mail.ID // due too far in the future
	planned tally     // of the schedule as the records have it
	actual  tally     // as it is
	orphans []mail.ID // files without a record
	strange []string

	byContent map[contentID][]mail.ID // records by where they came from and what they are; nil: not yet made
	adopted   int
	damaged   int
}

// A tally identifies a set of keys, however it is ordered.
type tally struct{ n, sum uint64 }

var tallySeed = maphash.MakeSeed()

func (t *tally) add(key []byte) {
	if key != nil {
		t.n++
		t.sum += maphash.Bytes(tallySeed, key)
	}
}

// Reconcile compares records, schedule and files, and mends what disagrees: for use about once an hour.
// Bodies that are being staged and records that are leased are left alone.
func (e *Engine) Reconcile(ctx context.Context) error {
	if err := e.usable(); err != nil {
		return err
	}
	e.tending.Lock()
	defer e.tending.Unlock()
	return e.reconcile(ctx, new(census))
}

func (e *Engine) reconcile(ctx context.Context, c *census) error {
	if err := e.count(ctx, c); err != nil {
		return err
	}
	if c.planned != c.actual {
		if err := e.mendSchedule(ctx); err != nil {
			return err
		}
	}
	if err := e.bringForward(ctx, c.late); err != nil {
		return err
	}
	if err := e.walkSpool(ctx, c); err != nil {
		return err
	}
	if err := e.removeFinished(ctx); err != nil {
		return err
	}
	if err := e.judgeAll(ctx, c); err != nil {
		return err
	}
	if err := e.holdLost(ctx, c); err != nil {
		return err
	}
	e.tell(c)
	if c.adopted > 0 && !c.start {
		return e.recount(ctx)
	}
	return nil
}

// recount makes counts and lanes anew from the records, where some were lost without a commit. Between two
// commits, so that they agree with what is there.
func (e *Engine) recount(ctx context.Context) error {
	r := &request{answer: make(chan error, 1), inside: func() error {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.live.lanes, e.live.oldest = make(map[mail.Lane]*lane), lastID
		e.live.totals.messages, e.live.totals.held, e.live.totals.octets = 0, 0, 0
		txn := e.db.NewTransaction(false)
		defer txn.Discard()
		return eachStub(ctx, txn, e.live.enter)
	}}
	if err := e.send(ctx, r); err != nil {
		return err
	}
	return <-r.answer
}

// tell says what a reconciliation found, in one event a kind.
func (e *Engine) tell(c *census) {
	if c.adopted > 0 {
		e.alarm(mail.OpAdopt, fmt.Sprintf("%d messages in the spool had no record and were taken in again; "+
			"some may be delivered twice", c.adopted), nil)
	}
	if c.damaged > 0 {
		e.alarm(mail.OpStore, fmt.Sprintf("%d files in the spool are damaged and have no record; their names "+
			"now end with %s", c.damaged, damagedSuffix), nil)
	}
	if n := len(c.strange); n > 0 && c.start {
		e.alarm(mail.OpStore, fmt.Sprintf("%d files in the spool are not of this program, the first is %s; "+
			"they are left alone", n, mail.Printable(c.strange[0], 128)), nil)
	}
}

// count reads the fixed parts of all records. At start it makes the counts and lanes of the live part.
func (e *Engine) count(ctx context.Context, c *census) error {
	limit := uint64(1<<64 - 1)
	if e.opt.LongestRetry > 0 && c.start {
		limit = stamp(e.opt.Now().Add(e.opt.LongestRetry))
	}
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	err := eachStub(ctx, txn, func(id mail.ID, s stub) {
		c.planned.add(s.key(id))
		if s.body {
			c.ids = append(c.ids, id)
		}
		if !s.held && s.due > limit {
			c.late = append(c.late, id)
		}
		if c.start {
			e.mu.Lock()
			e.live.enter(id, s)
			e.mu.Unlock()
		}
	})
	if err != nil {
		return err
	}
	c.seen = make([]bool, len(c.ids))
	countSchedule(txn, &c.actual)
	return nil
}

// eachStub reads the fixed parts of all records, in order.
func eachStub(ctx context.Context, txn *badger.Txn, f func(mail.ID, stub)) error {
	it := txn.NewIterator(keysOnly([]byte("m/")))
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		id := idOf(it.Item().Key())
		err := it.Item().Value(func(v []byte) error {
			s, _, err := parseStub(v)
			if err == nil {
				f(id, s)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("the record of %s: %w", id, err)
		}
	}
	return nil
}

func countSchedule(txn *badger.Txn, t *tally) {
	it := txn.NewIterator(keysOnly([]byte("s/")))
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		t.add(it.Item().Key())
	}
}

// enter counts a record that was there at start.
func (l *live) enter(id mail.ID, s stub) {
	l.totals.messages++
	l.totals.octets += s.size
	if l.oldest.Compare(id) > 0 {
		l.oldest = id
	}
	if s.held {
		l.totals.held++
		return
	}
	l.come(place{s.lane, s.due, id})
}

// mendSchedule gives each record its entry in the schedule, and removes entries without a record.
func (e *Engine) mendSchedule(ctx context.Context) error {
	var missing []mail.ID
	var stray [][]byte
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	if err := e.records(ctx, txn, &store.Filter{}, func(r *store.Record) bool {
		if k := stubOf(r).key(r.ID); k != nil {
			if _, err := txn.Get(k); err != nil {
				missing = append(missing, r.ID)
			}
		}
		return true
	}); err != nil {
		return err
	}
	it := txn.NewIterator(keysOnly([]byte("s/")))
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		k := it.Item().KeyCopy(nil)
		item, err := txn.Get(idKey('m', idOf(k)))
		if err == nil {
			err = item.Value(func(v []byte) error {
				s, _, err := parseStub(v)
				if err == nil && !bytes.Equal(s.key(idOf(k)), k) {
					err = badger.ErrKeyNotFound
				}
				return err
			})
		}
		if errors.Is(err, badger.ErrKeyNotFound) {
			stray = append(stray, k)
		} else if err != nil {
			return err
		}
	}
	if len(missing)+len(stray) == 0 {
		return nil
	}
	e.alarm(mail.OpStore, fmt.Sprintf("the schedule was mended: %d entries were missing, %d had no record",
		len(missing), len(stray)), nil)
	for part := range slices.Chunk(stray, 1024) {
		r := &request{sweep: part, answer: make(chan error, 1)}
		if err := e.send(ctx, r); err != nil {
			return err
		}
		if err := <-r.answer; err != nil {
			return err
		}
	}
	return e.change(ctx, missing, func(*store.Record) bool { return true })
}

// change writes records anew, those that nobody has leased and that f does not refuse.
func (e *Engine) change(ctx context.Context, ids []mail.ID, f func(*store.Record) bool) error {
	for part := range slices.Chunk(ids, batchOf) {
		leased, _, err := e.LeaseMessages(ctx, store.Filter{IDs: part}, len(part), repairLease)
		if err != nil {
			return err
		}
		b := new(store.Batch)
		for i := range leased {
			if f(&leased[i].Record) {
				b.Put = append(b.Put, leased[i].Record)
			}
			b.Fence = append(b.Fence, leased[i].Lease)
		}
		if len(b.Fence) == 0 {
			continue
		}
		if err := e.Commit(ctx, b); err != nil {
			e.Release(b.Fence...)
			return err
		}
	}
	return nil
}

// bringForward makes due what would not be for longer than any schedule says: the clock has jumped.
func (e *Engine) bringForward(ctx context.Context, ids []mail.ID) error {
	now := e.opt.Now()
	return e.change(ctx, ids, func(r *store.Record) bool {
		r.Due = now
		return true
	})
}

// walkSpool finds files without a record, and notes the records that have one.
func (e *Engine) walkSpool(ctx context.Context, c *census) error {
	for n := range 256 {
		if err := ctx.Err(); err != nil {
			return err
		}
		ids, strange, err := e.spool.names(byte(n))
		if err != nil {
			return fmt.Errorf("reading the spool: %w", err)
		}
		for _, id := range ids {
			if i, ok := slices.BinarySearchFunc(c.ids, id, mail.ID.Compare); ok {
				c.seen[i] = true
			} else {
				c.orphans = append(c.orphans, id)
			}
		}
		for _, name := range strange {
			if !bytes.HasSuffix([]byte(name), []byte(damagedSuffix)) {
				c.strange = append(c.strange, name)
			}
		}
	}
	return nil
}

// removeFinished goes on with what a crash, or an error, has interrupted.
func (e *Engine) removeFinished(ctx context.Context) error {
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	it := txn.NewIterator(keysOnly([]byte("x/")))
	defer it.Close()
	var ids []mail.ID
	for it.Rewind(); it.Valid(); it.Next() {
		ids = append(ids, idOf(it.Item().Key()))
	}
	e.remover.add(ids)
	return ctx.Err()
}

// holdLost holds records whose file is missing (state S6).
func (e *Engine) holdLost(ctx context.Context, c *census) error {
	var lost []mail.ID
	for i, id := range c.ids {
		if !c.seen[i] && !e.staged.has(id) && !e.spool.exists(id) {
			lost = append(lost, id)
		}
	}
	return e.change(ctx, lost, func(r *store.Record) bool {
		if r.Hold == store.HoldLost {
			return false
		}
		r.Hold = store.HoldLost
		r.HoldWhy = "its file is missing from the spool, so there is nothing to deliver"
		e.opt.Observe.Observe(mail.Event{
			At: e.opt.Now(), Op: mail.OpHold, ID: r.ID, Origin: r.Origin, Lane: r.Lane, From: r.Reverse,
			Octets: r.Size, Text: r.HoldWhy, Alarm: true,
		})
		return true
	})
}

// holdCrashed holds records that were being attempted at two ends of the process, or more: see flight.
func (e *Engine) holdCrashed(ctx context.Context, ids []mail.ID) error {
	return e.change(ctx, ids, func(r *store.Record) bool {
		if r.Held() {
			return false
		}
		r.Hold = store.HoldCrash
		r.HoldWhy = "the process ended again and again while it was being attempted"
		e.opt.Observe.Observe(mail.Event{
			At: e.opt.Now(), Op: mail.OpHold, ID: r.ID, Origin: r.Origin, Lane: r.Lane, From: r.Reverse,
			Octets: r.Size, Text: r.HoldWhy, Alarm: true,
		})
		return true
	})
}

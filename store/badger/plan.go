package badger

import (
	"bytes"
	"errors"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"mailretr/store"
	"mailretr/store/mail"
)

// An effect is what a commit changes in memory once it is durable.
type effect struct {
	gone, come []place // of the schedule
	messages   int
	held       int
	octets     int64
	fenced     []mail.ID   // leases that it had to have, and ends
	ended      []mail.ID   // other leases that it ends
	files      []mail.ID   // bodies to be removed
	accounts   []markCount // fresh marks
}

// A place is one entry of the schedule.
type place struct {
	lane mail.Lane
	due  uint64
	id   mail.ID
}

// plan judges a request against the state that the requests before it leave, and returns what has to be
// written. An error means that nothing of it happens.
func (m *merge) plan(r *request) ([]op, error) {
	r.effect = effect{}
	e := m.c.e
	e.mu.Lock()
	fenced, ok := e.live.settle(r.fence)
	e.mu.Unlock()
	if !ok {
		return nil, store.ErrFenced
	}
	r.effect.fenced = fenced
	ops := make([]op, 0, 2*len(r.puts)+3*len(r.remove)+2*len(r.seen)+len(r.notes)+len(r.clear)+len(r.raw))
	ops, err := m.planSeen(r, ops)
	if err != nil {
		return nil, err
	}
	for i := range r.puts {
		if ops, err = m.planPut(r, &r.puts[i], ops); err != nil {
			return nil, err
		}
	}
	for _, id := range r.remove {
		if ops, err = m.planRemove(r, id, ops); err != nil {
			return nil, err
		}
	}
	ops = append(ops, r.notes...)
	for _, id := range r.clear {
		ops = append(ops, op{key: idKey('x', id)})
	}
	for _, k := range r.sweep {
		s, ok, err := m.stub(idOf(k))
		if err != nil {
			return nil, err
		}
		if !ok || !bytes.Equal(s.key(idOf(k)), k) {
			ops = append(ops, op{key: k})
		}
	}
	return append(ops, r.raw...), nil
}

// stub reads the fixed part of a record; ok is false if there is none.
func (m *merge) stub(id mail.ID) (s stub, ok bool, err error) { return stubIn(m.txn, id) }

func stubIn(txn *badger.Txn, id mail.ID) (s stub, ok bool, err error) {
	item, err := txn.Get(idKey('m', id))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return stub{}, false, nil
	}
	if err != nil {
		return stub{}, false, err
	}
	err = item.Value(func(v []byte) (err error) {
		s, _, err = parseStub(v)
		return err
	})
	return s, err == nil, err
}

// leave takes a record that is replaced or removed out of the schedule and the counts.
func (x *effect) leave(s stub, id mail.ID, ops []op) []op {
	x.messages--
	x.octets -= s.size
	if s.held {
		x.held--
		return ops
	}
	x.gone = append(x.gone, place{s.lane, s.due, id})
	return append(ops, op{key: s.key(id)})
}

func (m *merge) planPut(r *request, p *put, ops []op) ([]op, error) {
	x := &r.effect
	// A record can be leased once its transaction is made, which is before its body ceases to be a staged
	// one. What its lease puts is no longer fresh.
	if !p.fresh || slices.Contains(x.fenced, p.id) {
		old, ok, err := m.stub(p.id)
		if err != nil {
			return nil, err
		}
		if ok {
			ops = x.leave(old, p.id, ops)
		}
	}
	x.messages++
	x.octets += p.stub.size
	ops = append(ops, op{idKey('m', p.id), p.value})
	if p.stub.held {
		x.held++
		return ops, nil
	}
	x.come = append(x.come, place{p.stub.lane, p.stub.due, p.id})
	return append(ops, op{p.stub.key(p.id), []byte{}}), nil
}

// planRemove ends a record. The removal mark says that its file is finished and not one that lost its record.
// One that is not there is no error: it has ended already.
func (m *merge) planRemove(r *request, id mail.ID, ops []op) ([]op, error) {
	old, ok, err := m.ending(r, id)
	if err != nil || !ok {
		return ops, err
	}
	if old.body {
		r.effect.files = append(r.effect.files, id)
		ops = append(ops, op{idKey('x', id), []byte{}})
	}
	ops = r.effect.leave(old, id, ops)
	r.effect.ended = append(r.effect.ended, id)
	return append(ops, op{key: idKey('m', id)}), nil
}

// ending is stub for a record that is to end. That of a leased one is known, unless something before it in
// the same transaction may have changed it.
func (m *merge) ending(r *request, id mail.ID) (s stub, ok bool, err error) {
	if len(m.members) > 0 || !slices.Contains(r.effect.fenced, id) {
		return m.stub(id)
	}
	e := m.c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.live.leases[id].stub, true, nil
}

// A markCount counts the fresh marks that a commit added to an account.
type markCount struct {
	account [16]byte
	n       int
}

// A place of a mark.
type markPlace struct {
	account [16]byte
	spot    spot
}

// planSeen judges and writes marks.
func (m *merge) planSeen(r *request, ops []op) ([]op, error) {
	if len(r.seen) == 0 {
		return ops, nil
	}
	var refused []mail.UID
	olds, err := m.lookupAll(r.seen)
	if err != nil {
		return nil, err
	}
	same := make(map[markPlace]int, len(r.seen)) // the last one of this batch at a place
	for i := range r.seen {
		s := &r.seen[i]
		at := markPlace{s.account, s.spot}
		if j, ok := same[at]; ok {
			olds[i] = found{mark: r.seen[j].mark, fresh: true}
			if r.seen[j].forget {
				olds[i].mark = mark{}
			}
		}
		same[at] = i
		if old := olds[i].mark.mark; s.fresh && old != store.Unseen && old != store.LetGo {
			refused = append(refused, s.uid)
		}
	}
	if len(refused) > 0 {
		return nil, &store.ErrSeen{UIDs: refused}
	}
	for i := range r.seen {
		ops = m.writeMark(r, &r.seen[i], olds[i], ops)
	}
	return ops, nil
}

// lookupAll finds the marks as they are before the batch, in the order of their keys, which is the cheapest.
func (m *merge) lookupAll(seen []seenOp) ([]found, error) {
	order := make([]int, len(seen))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		if c := bytes.Compare(seen[i].account[:], seen[j].account[:]); c != 0 {
			return c
		}
		return seen[i].spot.compare(seen[j].spot)
	})
	olds := make([]found, len(seen))
	for _, i := range order {
		var err error
		if olds[i], err = m.lookup(seen[i].account, seen[i].spot); err != nil {
			return nil, err
		}
	}
	return olds, nil
}

func (m *merge) writeMark(r *request, s *seenOp, old found, ops []op) []op {
	none := [16]byte{}
	if old.mark.key != none && (s.forget || old.mark.key != s.mark.key) {
		ops = append(ops, op{key: contentKey(s.account, old.mark.key, s.spot)})
	}
	key := markKeyOf('u', s.account, s.spot)
	switch {
	case !s.forget:
		ops = append(ops, op{key, s.mark.append(nil)})
		if s.mark.key != none {
			ops = append(ops, op{contentKey(s.account, s.mark.key, s.spot), []byte{}})
		}
	case old.packed:
		ops = append(ops, op{key, mark{}.append(nil)}) // covers the packed one until the next packing
	default:
		ops = append(ops, op{key: key})
	}
	if !old.fresh {
		r.effect.count(s.account)
	}
	if s.folder == "" {
		return ops
	}
	return m.c.writeFolder(s, ops)
}

func (x *effect) count(account [16]byte) {
	if n := len(x.accounts); n == 0 || x.accounts[n-1].account != account {
		x.accounts = append(x.accounts, markCount{account: account})
	}
	x.accounts[len(x.accounts)-1].n++
}

// writeFolder writes the text of a folder, once in a while: the key is the same each time.
func (c *committer) writeFolder(s *seenOp, ops []op) []op {
	var k [28]byte
	copy(k[:], s.account[:])
	copy(k[16:], s.spot[:12])
	if c.folders[k] {
		return ops
	}
	if len(c.folders) >= 4096 {
		clear(c.folders)
	}
	// Set now although the batch may still be refused by what follows in plan only with an error of the
	// database.
	c.folders[k] = true
	return append(ops, op{folderKey(s.account, s.spot), []byte(s.folder)})
}

package badger

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"mailretr/store"
	"mailretr/store/mail"
)

// Marks lie in two layers: fresh ones a key each, and packed ones below. A fresh one covers the packed one of
// its spot; a fresh one that is Unseen says that the packed one is forgotten. The committing goroutine packs
// when an account has many fresh ones, chunk by chunk, so that each transaction in between reads the same.

// packFrom is the number of fresh marks of an account from which they are packed, and packPer how many more
// for each chunk there is, so that rewriting chunks costs a mark no more than a few hundred octets.
const (
	packFrom = 2048
	packPer  = 16
)

// An account is what the committer counts of one.
type account struct {
	fresh  int
	chunks int
}

// A found is what a look-up found: fresh says in the upper layer, packed that there is one in the lower
// layer.
type found struct {
	mark          mark
	fresh, packed bool
}

func keysOnly(prefix []byte) badger.IteratorOptions {
	return badger.IteratorOptions{PrefetchValues: false, Prefix: prefix}
}

// account returns the counts of an account, counted when it is first asked for.
func (c *committer) account(a [16]byte) *account {
	if x := c.accounts[a]; x != nil {
		return x
	}
	if len(c.accounts) >= 1<<14 {
		clear(c.accounts)
	}
	x := new(account)
	txn := c.e.db.NewTransaction(false)
	defer txn.Discard()
	x.fresh = countKeys(txn, accountPrefix('u', a))
	x.chunks = countKeys(txn, accountPrefix('v', a))
	c.accounts[a] = x
	return x
}

func countKeys(txn *badger.Txn, prefix []byte) (n int) {
	it := txn.NewIterator(keysOnly(prefix))
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		n++
	}
	return n
}

// countMarks adds the fresh marks of a commit, and says which accounts should be packed.
func (c *committer) countMarks(r *request) {
	for _, x := range r.effect.accounts {
		a := c.account(x.account)
		a.fresh += x.n
		if a.fresh >= packFrom+packPer*a.chunks && !slices.Contains(c.fold, x.account) {
			c.fold = append(c.fold, x.account)
		}
	}
}

// lookup finds one mark, for the committer.
func (m *merge) lookup(a [16]byte, s spot) (found, error) {
	var f found
	var err error
	if m.c.account(a).chunks > 0 {
		if err := m.marks.open(m.c.e, a); err != nil {
			return f, err
		}
		if f.mark, err = m.marks.find(s); err != nil {
			return f, err
		}
		f.packed = f.mark.mark != store.Unseen
	}
	item, err := m.txn.Get(markKeyOf('u', a, s))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	f.fresh = true
	return f, item.Value(func(v []byte) (err error) {
		f.mark, err = parseMark(v)
		return err
	})
}

// A markReader looks spots up in the packed marks of one account, best in order.
type markReader struct {
	account [16]byte
	txn     *badger.Txn
	it      *badger.Iterator
	read    bool  // whether runs are those of a chunk
	runs    []run // of the chunk that was read last
	from    spot  // they are all that there is from here
	bound   spot  // to here
}

// open begins reading an account. The reader has a transaction of its own: packed marks change only between
// merges.
func (r *markReader) open(e *Engine, a [16]byte) error {
	if r.txn != nil && r.account == a {
		return nil
	}
	r.close()
	r.account, r.txn = a, e.db.NewTransaction(false)
	r.it = r.txn.NewIterator(keysOnly(accountPrefix('v', a)))
	return nil
}

// on begins reading an account in somebody's transaction.
func (r *markReader) on(txn *badger.Txn, a [16]byte) {
	r.account = a
	r.it = txn.NewIterator(keysOnly(accountPrefix('v', a)))
}

func (r *markReader) close() {
	if r.it != nil {
		r.it.Close()
	}
	if r.txn != nil {
		r.txn.Discard()
	}
	*r = markReader{runs: r.runs[:0]}
}

func (r *markReader) find(s spot) (mark, error) {
	if !r.read || s.compare(r.bound) > 0 || s.compare(r.from) < 0 {
		if err := r.readChunk(s); err != nil {
			return mark{}, err
		}
	}
	i, ok := slices.BinarySearchFunc(r.runs, s, func(x run, s spot) int { return x.last().compare(s) })
	if ok || i < len(r.runs) && r.runs[i].has(s) {
		return r.runs[i].mark, nil
	}
	return mark{}, nil
}

// readChunk reads the chunk that takes s.
func (r *markReader) readChunk(s spot) error {
	r.it.Seek(markKeyOf('v', r.account, s))
	r.read, r.runs, r.from, r.bound = true, r.runs[:0], s, lastSpot
	if !r.it.Valid() {
		return nil
	}
	item := r.it.Item()
	copy(r.bound[:], item.Key()[2+16:])
	return item.Value(func(v []byte) error {
		return eachRun(v, func(x run) bool {
			r.runs = append(r.runs, x)
			return true
		})
	})
}

// Marks returns the marks of UIDs.
func (e *Engine) Marks(ctx context.Context, acc mail.Account, uids []mail.UID) ([]store.Seen, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	type wanted struct {
		spot spot
		at   int
	}
	want := make([]wanted, len(uids))
	for i, u := range uids {
		s, _ := e.hash.spot(u)
		want[i] = wanted{s, i}
	}
	slices.SortFunc(want, func(a, b wanted) int { return a.spot.compare(b.spot) })
	out := make([]store.Seen, len(uids))
	if len(uids) == 0 {
		return out, nil
	}

	a := e.hash.account(acc)
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	fresh := freshReader{account: a, it: txn.NewIterator(keysOnly(accountPrefix('u', a)))}
	defer fresh.it.Close()
	var packed markReader
	packed.on(txn, a)
	defer packed.close()
	for n, w := range want {
		if n%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		m, ok, err := fresh.find(w.spot)
		if err == nil && !ok {
			m, err = packed.find(w.spot)
		}
		if err != nil {
			return nil, err
		}
		out[w.at] = m.seen(acc, w.spot)
		out[w.at].UID = uids[w.at]
	}
	return out, nil
}

// A freshReader looks up fresh marks of an account, in order.
type freshReader struct {
	account [16]byte
	it      *badger.Iterator
	begun   bool
}

// few is how many keys are stepped over before a seek is cheaper.
const few = 8

func (r *freshReader) find(s spot) (m mark, ok bool, err error) {
	key := markKeyOf('u', r.account, s)
	for i := 0; r.begun && r.it.Valid() && i < few && bytes.Compare(r.it.Item().Key(), key) < 0; i++ {
		r.it.Next()
	}
	if !r.begun || r.it.Valid() && bytes.Compare(r.it.Item().Key(), key) < 0 {
		r.begun = true
		r.it.Seek(key)
	}
	if !r.it.Valid() || !bytes.Equal(r.it.Item().Key(), key) {
		return mark{}, false, nil
	}
	err = r.it.Item().Value(func(v []byte) (err error) {
		m, err = parseMark(v)
		return err
	})
	return m, true, err
}

// Same returns the mark of each content key; where several UIDs have it, one that is still upstream.
func (e *Engine) Same(ctx context.Context, acc mail.Account, keys [][16]byte) ([]store.Seen, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	a := e.hash.account(acc)
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	out := make([]store.Seen, len(keys))
	for i, k := range keys {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out[i] = store.Seen{Account: acc, Key: k}
		if k == ([16]byte{}) {
			continue
		}
		spots, err := spotsOf(txn, a, k)
		if err != nil {
			return nil, err
		}
		for _, s := range spots {
			m, err := e.markAt(txn, a, s)
			if err != nil {
				return nil, err
			}
			if m.key != k || out[i].Mark != store.Unseen && m.mark == store.LetGo {
				continue
			}
			out[i] = m.seen(acc, s)
			if m.mark != store.LetGo {
				break
			}
		}
		if out[i].Mark != store.Unseen {
			out[i].UID = e.uidOf(txn, a, out[i].Spot)
		}
	}
	return out, nil
}

func spotsOf(txn *badger.Txn, a, key [16]byte) (spots []spot, err error) {
	it := txn.NewIterator(keysOnly(append(accountPrefix('c', a), key[:]...)))
	defer it.Close()
	for it.Rewind(); it.Valid() && len(spots) < 64; it.Next() {
		var s spot
		copy(s[:], it.Item().Key()[2+16+16:])
		spots = append(spots, s)
	}
	return spots, nil
}

// markAt finds one mark in a transaction.
func (e *Engine) markAt(txn *badger.Txn, a [16]byte, s spot) (m mark, err error) {
	item, err := txn.Get(markKeyOf('u', a, s))
	if err == nil {
		err = item.Value(func(v []byte) (err error) {
			m, err = parseMark(v)
			return err
		})
		return m, err
	}
	if !errors.Is(err, badger.ErrKeyNotFound) {
		return m, err
	}
	var r markReader
	r.on(txn, a)
	defer r.close()
	return r.find(s)
}

// uidOf returns the UID of a spot where it can be told: only IMAP's are more than a hash.
func (e *Engine) uidOf(txn *badger.Txn, a [16]byte, s spot) mail.UID {
	if !s.numbered() {
		return ""
	}
	item, err := txn.Get(folderKey(a, s))
	if err != nil {
		return ""
	}
	var folder string
	if item.Value(func(v []byte) error { folder = string(v); return nil }) != nil {
		return ""
	}
	return joinUID(folder, s)
}

// AllMarks yields the marks of an account.
func (e *Engine) AllMarks(ctx context.Context, acc mail.Account) iter.Seq2[store.Seen, error] {
	return func(yield func(store.Seen, error) bool) {
		if err := e.usable(); err != nil {
			yield(store.Seen{}, err)
			return
		}
		a := e.hash.account(acc)
		txn := e.db.NewTransaction(false)
		defer txn.Discard()
		w := &markWalk{e: e, txn: txn, acc: acc, a: a, ctx: ctx, yield: yield}
		if err := w.walk(); err != nil {
			yield(store.Seen{}, err)
		}
	}
}

var errStop = errors.New("stop")

// A markWalk merges both layers of an account.
type markWalk struct {
	e      *Engine
	txn    *badger.Txn
	acc    mail.Account
	a      [16]byte
	ctx    context.Context
	yield  func(store.Seen, error) bool
	fresh  *badger.Iterator
	folder spot   // whose text is in name
	name   string // "": unknown
	n      int
}

func (w *markWalk) walk() error {
	w.fresh = w.txn.NewIterator(keysOnly(accountPrefix('u', w.a)))
	defer w.fresh.Close()
	packed := w.txn.NewIterator(keysOnly(accountPrefix('v', w.a)))
	defer packed.Close()
	w.fresh.Rewind()
	var err error
	for packed.Rewind(); packed.Valid() && err == nil; packed.Next() {
		err = packed.Item().Value(func(v []byte) error {
			var inner error
			if err := eachRun(v, func(r run) bool { inner = w.run(r); return inner == nil }); err != nil {
				return err
			}
			return inner
		})
	}
	for ; err == nil && w.fresh.Valid(); w.fresh.Next() {
		err = w.freshMark()
	}
	if err == errStop {
		return nil
	}
	return err
}

// run yields the marks of a run, and the fresh ones before and among them.
func (w *markWalk) run(r run) error {
	for i := uint32(0); i < r.n; i++ {
		s := r.first.plus(i)
		covered := false
		for w.fresh.Valid() && !covered {
			at := w.freshSpot()
			if at.compare(s) > 0 {
				break
			}
			covered = at == s
			if err := w.freshMark(); err != nil {
				return err
			}
			w.fresh.Next()
		}
		if !covered {
			if err := w.give(s, r.mark); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *markWalk) freshSpot() (s spot) {
	copy(s[:], w.fresh.Item().Key()[2+16:])
	return s
}

func (w *markWalk) freshMark() error {
	var m mark
	err := w.fresh.Item().Value(func(v []byte) (err error) {
		m, err = parseMark(v)
		return err
	})
	if err != nil || m.mark == store.Unseen {
		return err
	}
	return w.give(w.freshSpot(), m)
}

func (w *markWalk) give(s spot, m mark) error {
	if w.n++; w.n%1024 == 0 && w.ctx.Err() != nil {
		return w.ctx.Err()
	}
	x := m.seen(w.acc, s)
	if s.numbered() {
		if !bytes.Equal(w.folder[:12], s[:12]) {
			w.folder, w.name = s, ""
			if u := w.e.uidOf(w.txn, w.a, s); u != "" {
				w.name, _, _ = splitUID(string(u))
			}
		}
		if w.name != "" {
			x.UID = joinUID(w.name, s)
		}
	}
	if !w.yield(x, nil) {
		return errStop
	}
	return nil
}

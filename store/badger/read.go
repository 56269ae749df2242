package badger

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"mailretr/store"
	"mailretr/store/mail"
)

// Get returns a record.
func (e *Engine) Get(ctx context.Context, id mail.ID) (store.Record, error) {
	if err := e.usable(); err != nil {
		return store.Record{}, err
	}
	if err := ctx.Err(); err != nil {
		return store.Record{}, err
	}
	e.mu.Lock()
	hidden := e.live.hidden(id)
	e.mu.Unlock()
	if hidden {
		return store.Record{}, store.ErrNotFound
	}
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	return e.get(txn, id)
}

func (e *Engine) get(txn *badger.Txn, id mail.ID) (r store.Record, err error) {
	item, err := txn.Get(idKey('m', id))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return r, store.ErrNotFound
	}
	if err != nil {
		return r, err
	}
	err = item.Value(func(v []byte) (err error) {
		r, _, err = e.codec.parseRecord(v)
		return err
	})
	return r, err
}

// Find returns the IDs that begin or end with s.
func (e *Engine) Find(ctx context.Context, s string, max int) (ids []mail.ID, err error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	s = strings.ToUpper(s)
	if len(s) > mail.IDLen {
		return nil, nil
	}
	ended := e.ended()
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	it := txn.NewIterator(keysOnly([]byte("m/")))
	defer it.Close()
	n := 0
	for it.Rewind(); it.Valid() && len(ids) < max; it.Next() {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		id := idOf(it.Item().Key())
		if _, ok := ended[id]; ok {
			continue
		}
		if s == "" {
			ids = append(ids, id)
		} else if text := id.String(); strings.HasPrefix(text, s) || strings.HasSuffix(text, s) {
			ids = append(ids, id)
		}
	}
	return ids, ctx.Err()
}

// matches says whether a record passes a filter; of says whether due times count.
func matches(f *store.Filter, r *store.Record, due bool) bool {
	switch {
	case f.Lane != "" && r.Lane != f.Lane,
		f.Maildrop != "" && r.Origin.Maildrop != f.Maildrop,
		f.Held != nil && r.Held() != *f.Held,
		due && !f.Due.IsZero() && r.Due.After(f.Due):
		return false
	}
	return true
}

// List yields records in the order of their IDs, from one snapshot.
func (e *Engine) List(ctx context.Context, f store.Filter) iter.Seq2[store.Listed, error] {
	return func(yield func(store.Listed, error) bool) {
		if err := e.usable(); err != nil {
			yield(store.Listed{}, err)
			return
		}
		ended := e.ended()
		txn := e.db.NewTransaction(false)
		defer txn.Discard()
		err := e.records(ctx, txn, &f, func(r *store.Record) bool {
			if _, ok := ended[r.ID]; ok || !matches(&f, r, true) {
				return true
			}
			e.mu.Lock()
			x := store.Listed{Record: *r, Leased: e.live.leased(r.ID, e.opt.Now()) != nil}
			e.mu.Unlock()
			return yield(x, nil)
		})
		if err != nil {
			yield(store.Listed{}, err)
		}
	}
}

// records reads records one after the other: those that are named and there, or all that a filter may let through.
func (e *Engine) records(
	ctx context.Context, txn *badger.Txn, filter *store.Filter, f func(*store.Record) bool,
) error {
	if filter.IDs != nil {
		ids := slices.Clone(filter.IDs)
		slices.SortFunc(ids, mail.ID.Compare)
		for _, id := range slices.Compact(ids) {
			r, err := e.get(txn, id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil || !f(&r) {
				return err
			}
		}
		return ctx.Err()
	}
	sieve, err := e.sieve(filter)
	if err != nil {
		return err
	}
	it := txn.NewIterator(keysOnly([]byte("m/")))
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		var r store.Record
		passes := false
		err := it.Item().Value(func(v []byte) (err error) {
			if passes, err = sieve.passes(v); passes {
				r, _, err = e.codec.parseRecord(v)
			}
			return err
		})
		if err != nil || passes && !f(&r) {
			return err
		}
	}
	return nil
}

// A sieve tells of a stored record that no filter lets it through, without decoding it: that takes ten times as long as
// reading it, and who looks for his own messages in a long queue looks at those of all others.
type sieve struct {
	f        *store.Filter
	maildrop []byte // as it stands in the record
}

func (e *Engine) sieve(f *store.Filter) (s sieve, err error) {
	if s.f = f; f.Maildrop != "" {
		s.maildrop, err = e.codec.text(f.Maildrop)
	}
	return s, err
}

// passes says whether a record may be let through; the filter has the last word.
func (s *sieve) passes(v []byte) (bool, error) {
	x, rest, err := parseStub(v)
	switch {
	case err != nil:
		return false, err
	case s.f.Lane != "" && x.lane != s.f.Lane,
		s.f.Held != nil && x.held != *s.f.Held,
		!s.f.Due.IsZero() && x.due > stamp(s.f.Due):
		return false, nil
	}
	return bytes.Contains(rest, s.maildrop), nil
}

// Lanes returns when each lane has something to do.
func (e *Engine) Lanes(ctx context.Context) (map[mail.Lane]time.Time, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	out := make(map[mail.Lane]time.Time, len(e.live.lanes))
	for name, l := range e.live.lanes {
		s := &search{e: e, txn: txn, now: e.opt.Now(), due: 1<<64 - 1}
		places, err := s.scan(l)
		if err != nil {
			return nil, err
		}
		if len(places) > 0 {
			s.later(unstamp(places[0].due))
		}
		if !s.next.IsZero() {
			out[name] = s.next
		}
	}
	return out, ctx.Err()
}

// Totals counts what is queued.
func (e *Engine) Totals(ctx context.Context) (t store.Totals, err error) {
	if err := e.usable(); err != nil {
		return t, err
	}
	e.mu.Lock()
	t.Messages, t.Held = e.live.totals.messages, e.live.totals.held
	t.Octets = e.live.totals.octets
	oldest, err := e.oldest()
	e.mu.Unlock()
	if err != nil {
		return t, err
	}
	t.Oldest, t.Reserve = oldest, e.opt.Reserve
	if t.Free, err = e.opt.Free(); err != nil {
		return t, err
	}
	return t, ctx.Err()
}

// oldest returns when the first record was queued.
func (e *Engine) oldest() (time.Time, error) {
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	it := txn.NewIterator(keysOnly([]byte("m/")))
	defer it.Close()
	for it.Seek(idKey('m', e.live.oldest)); it.Valid() && e.live.hidden(idOf(it.Item().Key())); it.Next() {
	}
	if !it.Valid() {
		e.live.oldest = lastID
		return time.Time{}, nil
	}
	e.live.oldest = idOf(it.Item().Key())
	var r store.Record
	err := it.Item().Value(func(v []byte) (err error) {
		r, _, err = e.codec.parseRecord(v)
		return err
	})
	return r.Queued, err
}

// lastID is above all IDs.
var lastID = mail.ID(lastSpot)

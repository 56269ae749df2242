package badger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"mailretr/store"
	"mailretr/store/mail"
)

// damagedSuffix ends the name of a file that is damaged, and that no record names: kept for whoever looks.
const damagedSuffix = ".damaged"

// A contentID says where a message came from and what it is.
type contentID [32]byte

func contentOf(o *mail.Origin, sum [32]byte) contentID {
	b := appendPart(nil, string(o.Account))
	b = binary.BigEndian.AppendUint64(b, uint64(len(o.UID)))
	b = append(append(b, o.UID...), sum[:]...)
	return sha256.Sum256(b)
}

// judgeAll judges each file without a record. Only a removal mark, or a record of the same message, removes
// one that is whole: better twice than lost.
func (e *Engine) judgeAll(ctx context.Context, c *census) error {
	slices.SortFunc(c.orphans, mail.ID.Compare)
	b := new(store.Batch)
	for _, id := range c.orphans {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := e.judge(ctx, c, id)
		if err != nil {
			return fmt.Errorf("judging the file of %s: %w", id, err)
		}
		if r == nil {
			continue
		}
		b.Put = append(b.Put, *r)
		b.Seen = append(b.Seen, marksOf(r)...)
		if len(b.Put) >= batchOf || len(r.Recipients) > 100 {
			if err := e.adopt(ctx, c, b); err != nil {
				return err
			}
			b = new(store.Batch)
		}
	}
	return e.adopt(ctx, c, b)
}

// adopt commits records with their marks.
func (e *Engine) adopt(ctx context.Context, c *census, b *store.Batch) error {
	if len(b.Put) == 0 {
		return nil
	}
	if err := e.Commit(ctx, b); err != nil {
		return err
	}
	for i := range b.Put {
		r := &b.Put[i]
		c.adopted++
		e.opt.Observe.Observe(mail.Event{
			At: e.opt.Now(), Op: mail.OpAdopt, ID: r.ID, Origin: r.Origin, Lane: r.Lane, From: r.Reverse,
			Octets: r.Size, Messages: 1,
		})
	}
	return nil
}

// marksOf returns the mark of an adopted message: taken, whatever was there.
func marksOf(r *store.Record) []store.Seen {
	o, size := r.Origin, max(r.Announced, 0)
	if !r.Parent.Zero() {
		o, size = r.ParentOrigin, 0
	}
	if o.UID == "" {
		return nil
	}
	return []store.Seen{{
		Account: o.Account, UID: o.UID, Mark: store.Taken, Day: int32(r.Queued.Unix() / 86400), Size: size,
	}}
}

// judge returns a record for a file that is to be adopted, and nil for one that needs nothing more.
func (e *Engine) judge(ctx context.Context, c *census, id mail.ID) (*store.Record, error) {
	known, err := e.known(id)
	if err != nil || known {
		return nil, err
	}
	s, err := e.openSpooled(id)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil // removed in between
	case errors.Is(err, errTorn):
		return nil, e.dropTorn(ctx, c, id)
	case err != nil:
		return nil, err
	}
	defer s.Close()
	h, err := s.head(&e.codec)
	if errors.Is(err, errTorn) || err == nil && h.ID != id {
		c.damaged++
		return nil, e.setAside(id)
	}
	if err != nil {
		return nil, err
	}
	if again, err := e.again(ctx, c, h); err != nil {
		return nil, err
	} else if again {
		return nil, e.unlink(id)
	}
	r := h.record()
	header, err := s.verify(ctx)
	if err != nil && !errors.Is(err, errTorn) {
		return nil, err
	}
	r.Size, r.Header, r.SHA256, r.Body, r.Due = s.Size(), header, s.sum, refOf(id), e.opt.Now()
	if err != nil {
		r.Hold = store.HoldLost
		r.HoldWhy = "its file in the spool is damaged: the SHA-256 of the octets is wrong"
	}
	twin, err := e.twin(ctx, c, r)
	if err != nil {
		return nil, err
	}
	if twin {
		return nil, e.unlink(id)
	}
	r.Lane = e.opt.Route(r)
	return r, nil
}

// again says whether the commit that would have named a file is made again, with another file: that of a report, as long
// as what it reports on is here, and that of a part of a message, which is still whole. A rebuild knows no notes.
func (e *Engine) again(ctx context.Context, c *census, h *head) (bool, error) {
	if !h.Parent.Zero() {
		here := !c.rebuild
		if !here && e.spool.exists(h.Parent) {
			ended, err := e.has('x', h.Parent) // then the report was queued, or there was none to be
			if err != nil {
				return false, err
			}
			here = !ended
		}
		if here {
			return true, nil
		}
	}
	for _, err := range e.Notes(ctx, store.SpaceSplit, h.ID.String()) {
		return err == nil, err
	}
	return false, nil
}

// has says whether there is a record ('m') or a removal mark ('x') of an ID.
func (e *Engine) has(table byte, id mail.ID) (has bool, err error) {
	err = e.db.View(func(txn *badger.Txn) error {
		_, err := txn.Get(idKey(table, id))
		if has = err == nil; errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		return err
	})
	return has, err
}

// known says whether a file has a record or a removal mark now, or is being staged.
func (e *Engine) known(id mail.ID) (known bool, err error) {
	if e.staged.has(id) {
		return true, nil
	}
	if known, err = e.has('m', id); err != nil || known {
		return known, err
	}
	return e.has('x', id)
}

// dropTorn removes a body that was never sealed, unless a note says that it is gone on with. In a rebuild
// nobody knows whether it was sealed, so it is kept aside.
func (e *Engine) dropTorn(ctx context.Context, c *census, id mail.ID) error {
	if !c.rebuild {
		if begun, err := e.begun(ctx, id); begun || err != nil {
			return err
		}
		return e.unlink(id)
	}
	c.damaged++
	return e.setAside(id)
}

func (e *Engine) setAside(id mail.ID) error {
	d, err := e.spool.get(shardOf(id))
	if err != nil {
		return err
	}
	defer e.spool.put(d)
	return d.root.Rename(id.String(), id.String()+damagedSuffix)
}

// twin says whether another record is of the same message for the same recipients in the same lane: then its file
// was left behind by a try whose outcome nobody knew. A message that did not come from a maildrop has no twin:
// somebody may send the same octets twice.
func (e *Engine) twin(ctx context.Context, c *census, r *store.Record) (bool, error) {
	if r.Origin.UID == "" || !r.Parent.Zero() {
		return false, nil
	}
	if c.byContent == nil {
		c.byContent = make(map[contentID][]mail.ID)
		txn := e.db.NewTransaction(false)
		defer txn.Discard()
		err := e.records(ctx, txn, &store.Filter{}, func(r *store.Record) bool {
			if r.Origin.UID != "" && r.Parent.Zero() {
				k := contentOf(&r.Origin, r.SHA256)
				c.byContent[k] = append(c.byContent[k], r.ID)
			}
			return true
		})
		if err != nil {
			return false, err
		}
	}
	k := contentOf(&r.Origin, r.SHA256)
	for _, id := range c.byContent[k] {
		if id != r.ID && e.sameRecipients(id, r) {
			return true, nil
		}
	}
	c.byContent[k] = append(c.byContent[k], r.ID)
	return false, nil
}

// sameRecipients compares the recipients that a file was made for: those of its record may be served already.
func (e *Engine) sameRecipients(id mail.ID, r *store.Record) bool {
	s, err := e.openSpooled(id)
	if err != nil {
		return false
	}
	defer s.Close()
	h, err := s.head(&e.codec)
	if err != nil {
		return false
	}
	return h.Lane == r.Lane && slices.EqualFunc(h.Recipients, r.Recipients, func(a mail.Recipient, b store.Recipient) bool {
		return a.Forward == b.Forward
	})
}

// exists says whether an ID has a file.
func (s *shards) exists(id mail.ID) bool {
	_, err := s.root.Lstat(fmt.Sprintf("%02x/%s", shardOf(id), id))
	return err == nil
}

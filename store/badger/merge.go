package badger

import (
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// tellAfter is how long Badger may not know of a record that has ended.
const tellAfter = time.Second

// A merge is the transaction that batches are gathered in. Batches that only end a record may be written to
// the file of endings instead of being committed; what they change stays in the transaction, which is kept,
// so that whoever comes next is judged against it and is committed together with it.
type merge struct {
	c       *committer
	txn     *badger.Txn // nil: none was begun
	members []*request  // not yet answered
	more    bool        // members has something else than endings
	owed    []*request  // answered: durable in the file of endings, and unknown to Badger
	size    int64
	count   int64
	marks   markReader
}

// begin makes the transaction, if there is none.
func (m *merge) begin() {
	if m.txn == nil {
		m.txn, m.size, m.count = m.c.e.db.NewTransaction(true), 0, 0
	}
}

// discard ends the transaction: what it has not committed is forgotten.
func (m *merge) discard() {
	m.marks.close()
	if m.txn != nil {
		m.txn.Discard()
		m.txn = nil
	}
}

func (m *merge) hasID(id [16]byte) bool {
	return id != [16]byte{} && slices.ContainsFunc(m.members, func(r *request) bool { return r.id == id })
}

// sizeOf estimates what operations cost in a transaction, from above.
func sizeOf(ops []op) (n int64) {
	for _, o := range ops {
		n += int64(len(o.key)+len(o.value)) + 32
	}
	return n
}

// tooBig says that the operations can never be one transaction.
func (m *merge) tooBig(ops []op) bool {
	db := m.c.e.db
	return sizeOf(ops) > db.MaxBatchSize()/2 || int64(len(ops)) > db.MaxBatchCount()/2
}

func (m *merge) fits(ops []op) bool {
	db := m.c.e.db
	return m.size+sizeOf(ops) <= db.MaxBatchSize()/2 && m.count+int64(len(ops)) <= db.MaxBatchCount()/2
}

// take puts a request into the transaction.
func (m *merge) take(r *request, ops []op) {
	m.members = append(m.members, r)
	m.more = m.more || !r.lone()
	m.size += sizeOf(ops)
	m.count += int64(len(ops))
	if err := write(m.txn, ops); err != nil {
		m.c.e.fail(err) // half of it is in the transaction: no way back
	}
}

func write(txn *badger.Txn, ops []op) (err error) {
	for _, o := range ops {
		if o.value == nil {
			err = txn.Delete(o.key)
		} else {
			err = txn.Set(o.key, o.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// flush makes durable what was gathered, in the cheaper way where there is one, and answers.
func (m *merge) flush() {
	if len(m.members) > 0 && (m.more || !m.note()) {
		m.commit()
	}
}

// note writes members that only end records to the file of endings, and answers. False: it cannot take them.
func (m *merge) note() bool {
	if m.c.e.usableDB() != nil || !m.c.note(m.members) {
		return false
	}
	for _, r := range m.members {
		m.c.made(r, true)
	}
	m.owed = append(m.owed, m.members...)
	m.members = m.members[:0]
	return true
}

// commit commits what was gathered, and what Badger was not yet told of, and answers. Then it begins anew.
func (m *merge) commit() {
	if len(m.members)+len(m.owed) > 0 {
		err := m.c.e.usableDB()
		if err == nil {
			if err = m.c.commitTold(m.txn); err != nil {
				m.c.e.fail(err)
			}
		}
		if err == nil {
			m.c.told(m.owed)
		}
		for _, r := range m.members {
			if err != nil {
				m.c.lost(r, err)
			} else {
				m.c.made(r, false)
			}
		}
		clear(m.members)
		m.members, m.owed, m.more = m.members[:0], m.owed[:0], false
	}
	m.discard()
	m.begin()
}

// rest ends the transaction between two groups, unless it holds what Badger was not told of.
func (m *merge) rest() {
	m.marks.close()
	if len(m.owed) == 0 {
		m.discard()
	}
}

package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"

	"mailretr/store/mail"
)

// Most commits do one thing: they end the record of a message that was delivered, and the connection waits
// for each before its next message is sent. A commit of Badger costs two syncs and four goroutines,
// whatever is in it. So such an ending is written to a small file of its own, which is made
// durable by one sync of one page, and Badger is told of it later, together with others: at the next commit
// with anything else in it, after a second, or when the file is full.
//
// The file has a fixed number of entries, all of them written when it is made: nothing is allocated by
// writing one, so the file system has nothing else to make durable, and a disk that is full cannot refuse it.
// Entries are numbered, and the number says where an entry stands. The commit that tells Badger also writes
// up to which number it was told, so that it can be said at any instant, with no further write, which entries
// count. An entry lies within one sector: a power cut leaves it as it was or as it should be.

const (
	endingLen = 32 // octets of an entry: ID, number, place in its group, check sum
	// mostEndings is how many Badger may not have been told of.
	mostEndings = 256
)

var endingTable = crc32.MakeTable(crc32.Castagnoli)

// endings is the file of records that have ended. It belongs to the committing goroutine.
type endings struct {
	file *os.File // nil: there is none, and Badger is told of everything at once
	next uint64   // number of the next entry; the first is 1
	told uint64   // Badger knows of all up to this one
}

// An ending is one entry. Those that were made durable together are a group, and know their place in it.
type ending struct {
	id     mail.ID
	number uint64
	place  uint16
}

func (x ending) append(b []byte) []byte {
	at := len(b)
	b = append(b, x.id[:]...)
	b = binary.BigEndian.AppendUint64(b, x.number)
	b = binary.BigEndian.AppendUint16(b, x.place)
	b = append(b, 0, 0)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[at:], endingTable))
}

// parseEnding reads one entry; ok is false where none was written, or it is damaged.
func parseEnding(b []byte) (x ending, ok bool) {
	sum := crc32.Checksum(b[:endingLen-4], endingTable)
	copy(x.id[:], b)
	x.number, x.place = binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint16(b[24:])
	return x, sum == binary.BigEndian.Uint32(b[28:]) && x.number > uint64(x.place)
}

// slotOf is where an entry stands.
func slotOf(number uint64) int64 { return int64((number - 1) % mostEndings) }

// room says whether n more entries overwrite none that Badger has not been told of.
func (x *endings) room(n int) bool {
	return x.file != nil && x.next-1-x.told+uint64(n) <= mostEndings
}

// write makes a group of entries durable. After an error the file is not used again: what a sync that failed
// has left cannot be told, and the next one may call it good.
func (x *endings) write(ids []mail.ID) error {
	b := make([]byte, 0, len(ids)*endingLen)
	for i, id := range ids {
		b = ending{id, x.next + uint64(i), uint16(i)}.append(b)
	}
	slot := slotOf(x.next)
	x.next += uint64(len(ids)) // even if it fails: they may be there
	n := min(int64(len(b)), (mostEndings-slot)*endingLen)
	_, err := x.file.WriteAt(b[:n], slot*endingLen)
	if err == nil && n < int64(len(b)) {
		_, err = x.file.WriteAt(b[n:], 0)
	}
	if err == nil {
		err = syncData(x.file)
	}
	if err != nil {
		x.close()
	}
	return err
}

func (x *endings) close() {
	if x.file != nil {
		x.file.Close()
		x.file = nil
	}
}

func (e *Engine) endingsName() string { return filepath.Join(e.opt.Dir, "endings") }

// openEndings opens the file, or makes it, and returns its entries. Where it cannot be made, f is nil: there
// is none. missed says that there was one, and that what it may have said matters.
func (e *Engine) openEndings(missed bool) (f *os.File, all []ending, err error) {
	f, err = os.OpenFile(e.endingsName(), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if missed {
			e.alarm(mail.OpStore, e.endingsName()+" is missing; messages that were delivered within a second before "+
				"the last end of the process may be delivered again", nil)
		}
		err = e.replace(e.endingsName(), func(w io.Writer) error {
			_, err := w.Write(make([]byte, mostEndings*endingLen))
			return err
		})
		if err != nil {
			e.alarm(mail.OpStore, e.endingsName()+" cannot be made; the queue works without it, more slowly", err)
			return nil, nil, nil
		}
		f, err = os.OpenFile(e.endingsName(), os.O_RDWR, 0)
	}
	if err != nil {
		return nil, nil, err
	}
	b := make([]byte, mostEndings*endingLen)
	n, err := f.ReadAt(b, 0)
	if err == io.EOF { // cut short by somebody, who has cut nothing off that could be read now
		_, err = f.WriteAt(b[n:], int64(n))
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	for slot := range int64(mostEndings) {
		x, ok := parseEnding(b[slot*endingLen:][:endingLen])
		if ok && slotOf(x.number) == slot {
			all = append(all, x)
		}
	}
	return f, all, nil
}

// lost counts the entries after told that were durable and cannot be read. Those of the last group are not
// counted: its sync may never have returned, so nobody was told of them.
func lost(all []ending, told uint64) (n uint64) {
	last := told + 1 // where the last group begins
	for _, x := range all {
		last = max(last, x.number-uint64(x.place))
	}
	n = last - told - 1
	for _, x := range all {
		if x.number > told && x.number < last {
			n--
		}
	}
	return n
}

// replayEndings tells Badger what the last process could not. In a rebuild it knows nothing, so the whole
// file counts: what is named there is not to be taken for mail that has lost its record.
func (e *Engine) replayEndings(rebuild bool) error {
	x := &e.committer.endings
	txn := e.db.NewTransaction(true)
	defer txn.Discard()
	var all []ending
	var err error
	if x.told, err = toldOf(txn); err != nil {
		return err
	}
	if x.file, all, err = e.openEndings(x.told > 0 && !rebuild); err != nil {
		return err
	}
	if n := lost(all, x.told); n > 0 && !rebuild {
		e.alarm(mail.OpStore, fmt.Sprintf("the file %s is damaged: of %d messages it is not known that they were "+
			"delivered; they will be delivered again", e.endingsName(), n), nil)
	}
	end := x.told
	for _, y := range all {
		if y.number <= x.told {
			continue
		}
		end = max(end, y.number)
		if err := e.endIn(txn, y.id); err != nil {
			return err
		}
	}
	x.next = end + 1
	if end == x.told {
		return nil
	}
	x.told = end
	if err := write(txn, []op{toldOp(end)}); err != nil {
		return err
	}
	return txn.Commit()
}

// endIn ends a record as a commit that removes it does. Where the record is lost but the file is there, the
// removal mark says that the file is finished.
func (e *Engine) endIn(txn *badger.Txn, id mail.ID) error {
	old, ok, err := stubIn(txn, id)
	if err != nil {
		return err
	}
	var ops []op
	if ok {
		ops = append(ops, op{key: idKey('m', id)})
		if k := old.key(id); k != nil {
			ops = append(ops, op{key: k})
		}
	}
	if ok && old.body || !ok && e.spool.exists(id) {
		ops = append(ops, op{idKey('x', id), []byte{}})
	}
	return write(txn, ops)
}

// toldOp writes up to which entry Badger was told.
func toldOp(number uint64) op {
	return op{[]byte(keyTold), binary.BigEndian.AppendUint64(nil, number)}
}

func toldOf(txn *badger.Txn) (uint64, error) {
	b, err := getCopy(txn, keyTold)
	if err != nil || b == nil {
		return 0, err
	}
	if len(b) != 8 {
		return 0, fmt.Errorf("the value of %s has %d octets", keyTold, len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}

// note writes the records that a group has ended to the file. False: Badger has to be told at once.
func (c *committer) note(group []*request) bool {
	x := &c.endings
	var ids []mail.ID
	for _, r := range group {
		ids = append(ids, r.effect.ended...) // one, or none where it had ended already
	}
	if !x.room(len(ids)) {
		return false
	}
	if len(ids) == 0 {
		return true
	}
	if x.next-1 == x.told {
		c.timer.Reset(c.patience)
	}
	if err := x.write(ids); err != nil {
		c.e.alarm(mail.OpStore, fmt.Sprintf("%s cannot be written; the queue works on without it, more slowly",
			c.e.endingsName()), err)
		return false
	}
	return true
}

// commitTold commits a transaction of the committer, and tells Badger with it of all endings so far.
func (c *committer) commitTold(txn *badger.Txn) error {
	last := c.endings.next - 1
	if last == c.endings.told {
		return txn.Commit()
	}
	if err := write(txn, []op{toldOp(last)}); err != nil {
		return err
	}
	if err := txn.Commit(); err != nil {
		return err
	}
	c.endings.told = last
	return nil
}

// settled returns when Badger knows of all commits that were made before the call.
func (e *Engine) settled() error {
	return e.sendLast(&request{inside: func() error { return nil }, answer: make(chan error, 1)})
}

package badger

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"mailretr/store"
	"mailretr/store/mail"
)

// TestEndingsDamaged damages the entries of three ends, one after the other. Nothing else is lost, and what
// may be delivered again for it is told, unless nobody was ever answered.
func TestEndingsDamaged(t *testing.T) {
	r := openRig(t, newDir(t))
	still(r)
	all := r.fill(4)
	r.end(all[:3]...)
	for at := range int64(3 * endingLen) {
		if at%7 > 0 && at%endingLen > 0 {
			continue // some of the octets will do
		}
		dir := r.crash()
		flip(t, filepath.Join(dir, "endings"), at)
		d := openRig(t, dir)
		n := at / endingLen
		d.wantAll([]store.Record{all[n], all[3]})
		if n < 2 {
			d.wantAlarm("of 1 messages it is not known that they were delivered")
		} else if s := d.saw.alarms(); s != "" {
			t.Fatal("an alarm for an entry that nobody was answered for:", s)
		}
		must(t, d.Close())
	}
	for _, size := range []int64{0, endingLen + 5, mostEndings * endingLen / 2} {
		dir := r.crash()
		must(t, os.Truncate(filepath.Join(dir, "endings"), size))
		d := openRig(t, dir)
		n := min(size/endingLen, 3)
		d.wantAll(all[n:])
		d.end(all[3])
		d = openRig(t, d.crash())
		d.wantAll(all[n:3])
	}
}

// TestEndingsTorn: of a group that a power cut has torn, what is there counts, and what is not was not
// answered.
func TestEndingsTorn(t *testing.T) {
	r := openRig(t, newDir(t))
	still(r)
	all := r.fill(4)
	r.end(all[0])
	dir := r.crash()
	b := ending{all[1].ID, 2, 0}.append(nil)
	b = append(b, make([]byte, endingLen)...)
	b = ending{all[3].ID, 4, 2}.append(b)
	f, err := os.OpenFile(filepath.Join(dir, "endings"), os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt(b, endingLen)
	must(t, err)
	must(t, f.Close())
	d := openRig(t, dir)
	d.wantAll(all[2:3])
	if s := d.saw.alarms(); s != "" {
		t.Fatal(s)
	}
	d.end(all[2])
	openRig(t, d.crash()).wantAll(nil)
}

// TestEndingsDiskFull: where the file cannot be written, Badger is told at once.
func TestEndingsDiskFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no file that is always full: ", err)
	}
	r := openRig(t, newDir(t))
	still(r)
	all := r.fill(5)
	r.end(all[0])
	r.inside(func(c *committer) {
		c.endings.close()
		c.endings.file = full
	})
	r.end(all[1])
	r.wantAlarm("cannot be written")
	r.end(all[2])
	r.wantAll(all[3:])
	d := openRig(t, r.crash())
	d.wantAll(all[3:])
	d.end(all[3])
	openRig(t, d.crash()).wantAll(all[4:])
	openRig(t, r.without()).wantAll(all[3:])
}

// TestEndingsGone: entries of records that are not there do no harm, and keep a finished file from being
// adopted.
func TestEndingsGone(t *testing.T) {
	r := openRig(t, newDir(t))
	still(r)
	all := r.fill(3)
	r.end(all[0], all[1])
	must(t, r.db.Update(func(txn *badger.Txn) error { // as a damage does
		return write(txn, []op{{key: idKey('m', all[0].ID)}, {key: stubOf(&all[0]).key(all[0].ID)}})
	}))
	dir := r.crash()
	must(t, os.Remove(spoolFile(dir, all[1].ID)))
	d := openRig(t, dir)
	d.wantAll(all[2:])
	must(t, d.Close())
	d.wantFile(all[0].ID, false)
	if s := d.saw.alarms(); s != "" {
		t.Fatal(s)
	}
}

// TestEndingsRebuild loses the database: what is in the file of endings is not adopted, however old.
func TestEndingsRebuild(t *testing.T) {
	r := openRig(t, newDir(t))
	still(r)
	all := r.fill(4)
	r.end(all[0])
	r.commit(&store.Batch{Notes: []store.Note{{Space: "s", Owner: "o", Key: "k", Value: []byte("v")}}})
	r.end(all[1])
	dir := r.crash()
	must(t, os.RemoveAll(filepath.Join(dir, "db")))
	d := openRig(t, dir)
	d.wantAll(all[2:])
	d.end(all[2])
	d = openRig(t, d.crash())
	d.wantAll(all[3:])
	if got := d.told(t); got != 3 {
		t.Fatal("the numbers do not go on:", got)
	}
}

func (r *rig) told(t *testing.T) (n uint64) {
	must(t, r.db.View(func(txn *badger.Txn) (err error) {
		n, err = toldOf(txn)
		return err
	}))
	return n
}

// TestEndingsNoFile: a file that cannot be had is an error where it may name messages, and else a warning.
func TestEndingsNoFile(t *testing.T) {
	dir := newDir(t)
	must(t, os.MkdirAll(filepath.Join(dir, "endings"), 0o700))
	if _, err := tryRig(t, dir); err == nil {
		t.Fatal("a directory was taken for the file")
	}
	must(t, os.Remove(filepath.Join(dir, "endings")))
	must(t, os.Mkdir(filepath.Join(dir, "endings.new"), 0o700)) // so that it cannot be made
	must(t, os.WriteFile(filepath.Join(dir, "endings.new", "x"), nil, 0o600))
	r := openRig(t, dir)
	r.wantAlarm("cannot be made")
	all := r.fill(2)
	r.end(all[0])
	r.wantAll(all[1:])
	if r.inBadger(all[0].ID) {
		t.Fatal("nobody knows of an end that was answered")
	}
}

// TestEndingOctets: an entry is what it was, and with any bit wrong it is none.
func TestEndingOctets(t *testing.T) {
	x := ending{mail.NewID(start, nil), 1 << 40, 7}
	b := x.append(nil)
	if got, ok := parseEnding(b); !ok || got != x || len(b) != endingLen {
		t.Fatal(got, ok, len(b))
	}
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			if _, ok := parseEnding(b); ok {
				t.Fatalf("bit %d of octet %d is not looked at", bit, i)
			}
			b[i] ^= 1 << bit
		}
	}
	if _, ok := parseEnding(make([]byte, endingLen)); ok {
		t.Fatal("an empty place is an entry")
	}
	binary.BigEndian.PutUint64(b[16:], 3)
	if _, ok := parseEnding(b); ok {
		t.Fatal("an entry whose group began before the first")
	}
}

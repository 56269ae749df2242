package badger

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"mailretr/store"
	"mailretr/store/mail"
)

// pairsOf are the pairs that a state has, of each table.
func pairsOf(t *testing.T) (all []op) {
	r := openRig(t, newDir(t))
	r.fill(3)
	r.commit(&store.Batch{
		Seen: []store.Seen{{Account: "acc", UID: "INBOX/1/5", Mark: store.Taken, Key: [16]byte{7}, Size: 9},
			{Account: "acc", UID: "INBOX/1/6", Mark: store.Taken}, {Account: "acc", UID: "pop", Mark: store.Kept}},
		Notes: []store.Note{{Space: "status", Owner: "jaco", Key: "k", Value: []byte("v")},
			{Space: "status", Owner: "jaco", Key: strings.Repeat("k", 1000), Value: []byte("v")}},
	})
	r.committer.pack(r.hash.account("acc"))
	r.commit(&store.Batch{Seen: []store.Seen{{Account: "acc", UID: "INBOX/1/7", Mark: store.Taken}}})
	txn := r.db.NewTransaction(false)
	defer txn.Discard()
	it := txn.NewIterator(keysOnly(nil))
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		v, err := it.Item().ValueCopy(nil)
		must(t, err)
		all = append(all, op{it.Item().KeyCopy(nil), v})
	}
	return all
}

// H1: a pair that was cut, or made longer, or belongs to another table, is refused in words; what a state has is not.
func TestH1_PairsOfABackup(t *testing.T) {
	in := &incoming{e: &Engine{}, x: &Restore{Release: true}}
	var err error
	if in.e.codec, err = newCodec(); err != nil {
		t.Fatal(err)
	}
	tables := map[string]int{}
	for _, o := range pairsOf(t) {
		table := string(o.key[:2])
		if table == "k/" || table == "m/" {
			continue
		}
		tables[table]++
		if _, err := in.restored(o); err != nil {
			t.Errorf("%q = %q: %v", o.key, o.value, err)
		}
		for n := 2; n < len(o.key); n++ {
			short := op{slices.Clone(o.key[:n]), o.value}
			if got, err := in.restored(short); table != "n/" && err == nil {
				t.Errorf("a key of %s with %d octets of %d is taken: %q", table, n, len(o.key), got.key)
			}
		}
		if _, err := in.restored(op{append(slices.Clone(o.key), 0), o.value}); table != "n/" && err == nil {
			t.Errorf("a longer key of %s is taken", table)
		}
		if table == "u/" || table == "v/" {
			for n := range o.value {
				_, _ = in.restored(op{o.key, o.value[:n]}) // does not panic
			}
		}
	}
	if len(tables) != 6 {
		t.Errorf("only the tables %v were looked at", tables)
	}
	id := mail.NewID(start, nil)
	for _, o := range []op{{key: []byte("u/")}, {key: []byte("n/")}, {key: []byte("n/\xff\xff")}, {key: idKey('x', id)},
		{key: []byte("m/short")}, {key: idKey('m', id)}, {key: []byte("q/")}, {key: bytes.Repeat([]byte("n/"), 40_000)}} {
		if _, err := in.restored(o); err == nil {
			t.Errorf("%.40q is taken", o.key)
		}
	}
}

// A state that was restored from pairs which are all well-formed can pack its marks.
func TestRestoredMarksCanBePacked(t *testing.T) {
	r := openRig(t, newDir(t))
	r.fill(30)
	dir := newDir(t)
	_, err := restore(r.backup(), dir, true)
	must(t, err)
	d := openRig(t, dir)
	d.committer.mu.Lock()
	d.committer.pack(d.hash.account("acc"))
	d.committer.mu.Unlock()
	n := 0
	for _, err := range d.AllMarks(ctx, "acc") {
		must(t, err)
		n++
	}
	if n != 30 {
		t.Errorf("%d marks", n)
	}
}

package badger

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"mailretr/store"
	"mailretr/store/mail"
)

// TestPacker merges random changes into random chunks and compares with a map.
func TestPacker(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := hasher{1}
		draw := func(what string) (c change) {
			uid := mail.UID(fmt.Sprintf("INBOX/1/%d", rapid.IntRange(1, 60).Draw(r, what)))
			if rapid.IntRange(0, 3).Draw(r, "kind") == 0 {
				uid = mail.UID(fmt.Sprintf("pop%d", rapid.IntRange(1, 20).Draw(r, what)))
			}
			c.spot, _ = h.spot(uid)
			c.mark.mark = store.Mark(rapid.IntRange(0, 4).Draw(r, "mark"))
			c.mark.day = int32(rapid.IntRange(-1, 1).Draw(r, "day"))
			if rapid.IntRange(0, 4).Draw(r, "dear") == 0 {
				c.mark.size = rapid.Int64Range(0, 3).Draw(r, "size")
				c.mark.key[3] = byte(rapid.IntRange(0, 2).Draw(r, "key"))
			}
			return c
		}
		want := make(map[spot]mark)
		var chunk []byte
		for range rapid.IntRange(1, 4).Draw(r, "rounds") {
			changes := make(map[spot]mark)
			for range rapid.IntRange(0, 60).Draw(r, "n") {
				c := draw("uid")
				changes[c.spot] = c.mark
			}
			var sorted []change
			for _, s := range slices.SortedFunc(maps.Keys(changes), spot.compare) {
				m := changes[s]
				sorted = append(sorted, change{s, m})
				if want[s] = m; m.mark == store.Unseen {
					delete(want, s)
				}
			}
			var out []byte
			p := packer{done: func(last spot, b []byte) { out = b }}
			if err := mergeInto(&p, chunk, sorted); err != nil {
				r.Fatal(err)
			}
			p.close(lastSpot)
			chunk = out
		}
		got := make(map[spot]mark)
		var prev spot
		err := eachRun(chunk, func(x run) bool {
			for i := range x.n {
				s := x.first.plus(i)
				if s.compare(prev) <= 0 {
					r.Fatal("not in order")
				}
				got[s], prev = x.mark, s
			}
			return true
		})
		if len(chunk) > 0 && err != nil || !maps.Equal(got, want) {
			r.Fatalf("got %v\nwant %v\n%v", got, want, err)
		}
	})
}

// TestFold has so many marks that they are packed, splits chunks, and changes marks above and below.
func TestFold(t *testing.T) {
	dir := newDir(t)
	r := openRig(t, dir)
	want := make(map[mail.UID]store.Seen)
	uid := func(i int) mail.UID {
		if i%2 == 0 {
			return mail.UID(fmt.Sprintf("INBOX/7/%d", i/2+1))
		}
		return mail.UID(fmt.Sprintf("unique-id-%d", i))
	}
	set := func(from, to int, m store.Mark, key bool) {
		t.Helper()
		b := new(store.Batch)
		for i := from; i < to; i++ {
			x := store.Seen{Account: "acc", UID: uid(i), Mark: m, Day: int32(i / 1000)}
			if key {
				x.Size, x.Key = int64(i+1), [16]byte{byte(i), byte(i >> 8), 1}
			}
			b.Seen = append(b.Seen, x)
			want[x.UID] = x
		}
		r.commit(b)
	}
	check := func(when string) {
		t.Helper()
		// Packing follows the answer to a commit and comes before the next one: after this it is over.
		r.commit(&store.Batch{Notes: []store.Note{{Space: "test", Key: "after", Value: []byte(when)}}})
		var uids []mail.UID
		for i := range 6000 {
			uids = append(uids, uid(i))
		}
		got, err := r.Marks(ctx, "acc", uids)
		must(t, err)
		spots := make(map[[16]byte]mail.UID)
		for _, x := range got {
			spots[x.Spot] = x.UID
			x.Spot = [16]byte{}
			w, ok := want[x.UID]
			if !ok {
				w = store.Seen{Account: "acc", UID: x.UID}
			}
			if x != w {
				t.Fatalf("%s: %+v, want %+v", when, x, w)
			}
		}
		n := 0
		for x, err := range r.AllMarks(ctx, "acc") {
			must(t, err)
			if w := want[spots[x.Spot]]; w.Mark != x.Mark || w.Size != x.Size || x.UID != "" && x.UID != w.UID {
				t.Fatalf("%s: of all %+v, want %+v", when, x, w)
			}
			n++
		}
		if n != len(want) {
			t.Fatalf("%s: %d marks, want %d", when, n, len(want))
		}
	}
	set(0, 5000, store.Known, false)
	check("known")
	a := r.hash.account("acc")
	if c := r.countOf('v', a); c < 2 {
		t.Fatalf("%d chunks: nothing was packed or split", c)
	}
	set(100, 200, store.Taken, true)
	check("some taken above packed ones")
	new1 := &store.Batch{Seen: []store.Seen{{Account: "acc", UID: uid(3000), Mark: store.Taken, New: true}}}
	if err := r.Commit(ctx, new1); err == nil {
		t.Fatal("a packed mark was not seen")
	}
	forget := new(store.Batch)
	for i := 150; i < 1150; i++ {
		forget.Forget = append(forget.Forget, store.Seen{Account: "acc", UID: uid(i)})
		delete(want, uid(i))
	}
	r.commit(forget)
	check("some forgotten")
	set(150, 160, store.Kept, true)
	must(t, r.Close())
	r = openRig(t, dir)
	check("after reopening")
	set(4000, 6000, store.LetGo, true)
	set(1000, 2500, store.Kept, true)
	check("packed again")
	if n := r.countOf('u', a); n > packFrom+packPer*r.countOf('v', a) {
		t.Fatalf("%d are still fresh", n)
	}
	same, err := r.Same(ctx, "acc", [][16]byte{{byte(1200 & 255), byte(1200 >> 8), 1}})
	if err != nil || same[0].UID != uid(1200) {
		t.Fatal(same, err)
	}
	all := new(store.Batch)
	for u := range want {
		all.Forget = append(all.Forget, store.Seen{Account: "acc", UID: u})
	}
	r.commit(all)
	clear(want)
	check("all forgotten")
	if n := r.countOf('v', a) + r.countOf('u', a) + r.countOf('c', a); n != 0 {
		t.Fatalf("%d keys are left of nothing", n)
	}
}

func (r *rig) countOf(table byte, a [16]byte) int {
	txn := r.db.NewTransaction(false)
	defer txn.Discard()
	return countKeys(txn, accountPrefix(table, a))
}

// BenchmarkKept marks 100,000 UIDs of one maildrop as kept, in batches of a session, and looks all of them
// up.
func BenchmarkKept(b *testing.B) {
	for _, kind := range []string{"imap", "pop3", "imap with content keys", "pop3 with content keys"} {
		b.Run(kind, func(b *testing.B) {
			for range b.N {
				benchKept(b, kind)
			}
		})
	}
}

func benchKept(b *testing.B, kind string) {
	const total = 100_000
	dir := newDir(b)
	r := openRig(b, dir)
	var uids []mail.UID
	batch := new(store.Batch)
	begin, used := r.wall(), cpu()
	for i := range total {
		u := mail.UID(fmt.Sprintf("UID%d-%d", 1714000000+i*7, i))
		if kind[0] == 'i' {
			u = mail.UID(fmt.Sprintf("INBOX/1714/%d", i+1))
		}
		uids = append(uids, u)
		x := store.Seen{Account: "acc", UID: u, Mark: store.Kept, Day: int32(20000 + i/3000), New: true}
		if len(kind) > 4 {
			x.Key = hasher{9}.account(mail.Account(u))
		}
		batch.Seen = append(batch.Seen, x)
		if len(batch.Seen) == 128 || i == total-1 {
			r.commit(batch)
			batch = new(store.Batch)
		}
	}
	took, used := r.wall().Sub(begin), cpu()-used
	begin = r.wall()
	if _, err := r.Marks(ctx, "acc", uids); err != nil {
		b.Fatal(err)
	}
	look := r.wall().Sub(begin)
	rss := peakRSS()
	must(b, r.Close())
	b.ReportMetric(float64(took.Milliseconds()), "mark-ms")
	b.ReportMetric(float64(used.Microseconds())/total, "cpu-us/mark")
	b.ReportMetric(float64(look.Milliseconds()), "look-ms")
	b.ReportMetric(float64(rss)/(1<<20), "peak-MB")
	b.ReportMetric(float64(diskOf(b, dir+"/db"))/(1<<10), "db-KB")
}

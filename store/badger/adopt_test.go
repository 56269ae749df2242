package badger

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

// TestAdopt leaves a sealed body whose commit never was.
func TestAdopt(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(2)
	x := r.record("INBOX/1/77")
	x.Origin.Flags, x.EnvID, x.Ret = []string{`\Seen`}, "env", "HDRS"
	x.Recipients[0].Notify = "NEVER"
	r.stage(&x, octets(77))
	smtp := r.record("")
	smtp.Origin = mail.Origin{}
	r.stage(&smtp, "no empty line")
	smtp.Header = smtp.Size
	half := r.record("INBOX/1/78")
	b, err := r.Stage(ctx, &half)
	must(t, err)
	_, err = b.Write(make([]byte, 200<<10))
	must(t, err)
	r.wantFile(half.ID, true)

	d := openRig(t, r.crash())
	d.wantFile(half.ID, false)
	d.wantAlarm("2 messages in the spool had no record and were taken in again")
	got, err := d.Get(ctx, x.ID)
	if err != nil || got.Lane != "adopted" || !got.Due.Equal(start) || got.EnvID != "env" || got.Ret != "HDRS" ||
		got.Recipients[0].Notify != "NEVER" || len(got.Origin.Flags) != 1 || !got.Queued.Equal(x.Queued) {
		t.Fatalf("got %+v, %v", got, err)
	}
	got, err = d.Get(ctx, smtp.ID)
	if err != nil || got.Header != smtp.Size {
		t.Fatalf("got %+v, %v", got, err)
	}
	must(t, d.Commit(ctx, &store.Batch{Remove: []mail.ID{smtp.ID}}))
	d.wantAll(append(all, x))
}

// TestAdoptedWhileStaged: a reconciliation that comes in between leaves bodies alone that a commit is about
// to name.
func TestAdoptNotWhileStaged(t *testing.T) {
	r := openRig(t, newDir(t))
	x, y := r.record("1"), r.record("2")
	r.stage(&x, octets(1))
	b, err := r.Stage(ctx, &y)
	must(t, err)
	_, err = b.Write(make([]byte, 100<<10))
	must(t, err)
	must(t, r.Reconcile(ctx))
	tot, err := r.Totals(ctx)
	if err != nil || tot.Messages != 0 {
		t.Fatal(tot, err)
	}
	r.wantFile(x.ID, true)
	r.wantFile(y.ID, true)
	r.commit(&store.Batch{
		Put: []store.Record{x}, Seen: []store.Seen{{Account: "acc", UID: "1", Mark: store.Taken}},
	})
	must(t, b.Discard())
	r.wantFile(y.ID, false)
	must(t, r.Reconcile(ctx))
	r.wantAll([]store.Record{x})
}

// TestD1_KeysGone takes keys away as a failed compaction does, without a word.
func TestD1_KeysGone(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(6)
	var ops []op
	for _, x := range all[:4] {
		ops = append(ops, op{key: idKey('m', x.ID)}, op{key: stubOf(&x).key(x.ID)})
	}
	ops = append(ops, op{key: stubOf(&all[4]).key(all[4].ID)}) // and one entry of the schedule alone
	must(t, r.sendRaw(ctx, ops))
	must(t, r.Tend(ctx))
	r.wantAlarm("4 messages in the spool had no record")
	r.wantAlarm("the schedule was mended")
	r.wantAll(all)
	l, _, err := r.LeaseMessages(ctx, store.Filter{}, 10, time.Minute)
	if err != nil || len(l) != 6 {
		t.Fatal(len(l), err)
	}
}

// TestTwin leaves a second file of a message that was queued by another try.
func TestTwin(t *testing.T) {
	r := openRig(t, newDir(t))
	first := r.record("1")
	r.stage(&first, octets(1))
	second := r.record("1")
	r.stage(&second, octets(1))
	other := r.record("1") // same message, another recipient: a part of its own
	other.Recipients[0].Forward = "other@kroon.co.za"
	r.stage(&other, octets(1))
	r.commit(&store.Batch{
		Put: []store.Record{second}, Seen: []store.Seen{{Account: "acc", UID: "1", Mark: store.Taken}},
	})
	d := openRig(t, r.crash())
	d.wantAll([]store.Record{second, other})
	d.wantFile(first.ID, false)
}

// TestFinished leaves a record that has ended and whose file is still there.
func TestFinished(t *testing.T) {
	r := openRig(t, newDir(t))
	x := r.fill(1)[0]
	must(t, r.Close())
	r = openRig(t, r.dir)
	octets, err := os.ReadFile(r.file(x.ID))
	must(t, err)
	r.remover.stop() // so that the mark stays
	r.remover.quit = nil
	r.commit(&store.Batch{Remove: []mail.ID{x.ID}})
	dir := r.crash()
	must(t, os.WriteFile(spoolFile(dir, x.ID), octets, 0o600))
	d := openRig(t, dir)
	d.wantAll(nil)
	must(t, d.Close()) // waits for the removal
	d.wantFile(x.ID, false)
	d = openRig(t, dir)
	if known, err := d.known(x.ID); err != nil || known {
		t.Fatal("the removal mark is still there:", known, err)
	}
}

// TestDSN: one whose commit never was is not adopted, because the settlement is made again; in a rebuild it
// is, unless its parent is there.
func TestDSN(t *testing.T) {
	dsn := func(r *rig, parent store.Record) store.Record {
		x := r.record("")
		x.Origin, x.Parent, x.Reverse = mail.Origin{}, parent.ID, ""
		r.stage(&x, octets(9))
		return x
	}
	t.Run("intact", func(t *testing.T) {
		r := openRig(t, newDir(t))
		all := r.fill(1)
		x := dsn(r, all[0])
		d := openRig(t, r.crash())
		d.wantAll(all)
		d.wantFile(x.ID, false)
	})
	t.Run("rebuild, parent there", func(t *testing.T) {
		r := openRig(t, newDir(t))
		all := r.fill(1)
		x := dsn(r, all[0])
		dir := r.crash()
		must(t, os.RemoveAll(filepath.Join(dir, "db")))
		d := openRig(t, dir)
		d.wantAll(all)
		d.wantFile(x.ID, false)
	})
	t.Run("rebuild, parent gone", func(t *testing.T) {
		r := openRig(t, newDir(t))
		all := r.fill(2)
		x := dsn(r, all[0])
		if x.ParentOrigin.UID != all[0].Origin.UID {
			t.Fatal("the parent's UID was not looked up:", x.ParentOrigin)
		}
		r.commit(&store.Batch{Put: []store.Record{x}, Remove: []mail.ID{all[0].ID}})
		must(t, r.Close())
		must(t, os.RemoveAll(filepath.Join(r.dir, "db")))
		must(t, os.Remove(filepath.Join(r.dir, "seen.snapshot")))
		d := openRig(t, r.dir)
		got, err := d.Get(ctx, x.ID)
		if err != nil || got.Parent != all[0].ID || got.ParentOrigin.UID != all[0].Origin.UID {
			t.Fatal(got, err)
		}
		m, err := d.Marks(ctx, "acc", []mail.UID{all[0].Origin.UID})
		if err != nil || m[0].Mark != store.Taken {
			t.Fatal("the parent would be collected again:", m, err)
		}
	})
}

// TestDamagedOrphan: a file without a record that is damaged is kept, and held where its head is whole.
func TestDamagedOrphan(t *testing.T) {
	r := openRig(t, newDir(t))
	x, y, z := r.record("1"), r.record("2"), r.record("3")
	r.stage(&x, octets(1))
	r.stage(&y, octets(2))
	r.stage(&z, octets(3))
	dir := r.crash()
	flip(t, spoolFile(dir, x.ID), int64(-trailerLen-3)) // an octet of the message
	flip(t, spoolFile(dir, y.ID), int64(beginLen+3))    // of the head
	must(t, os.RemoveAll(filepath.Join(dir, "db")))
	must(t, os.Truncate(spoolFile(dir, z.ID), 80)) // in a rebuild nobody knows what it was
	d := openRig(t, dir)
	got, err := d.Get(ctx, x.ID)
	if err != nil || got.Hold != store.HoldLost {
		t.Fatal(got, err)
	}
	d.wantAlarm("2 files in the spool are damaged")
	for _, id := range []mail.ID{y.ID, z.ID} {
		if _, err := os.Stat(d.file(id) + damagedSuffix); err != nil {
			t.Fatal(err)
		}
	}
	must(t, d.Reconcile(ctx))
	if _, err := os.Stat(d.file(y.ID) + damagedSuffix); err != nil {
		t.Fatal(err)
	}
}

// TestJournal interrupts a large commit between its journal and the database, and leaves one that is not
// whole.
func TestJournal(t *testing.T) {
	r := openRig(t, newDir(t))
	x := r.record("1")
	r.stage(&x, octets(1))
	v, err := r.codec.record(&x)
	must(t, err)
	ops := []op{{idKey('m', x.ID), v}, {stubOf(&x).key(x.ID), []byte{}}}
	for i := range 10000 {
		ops = append(ops, op{notePrefix("s", fmt.Sprint(i), true), []byte{0, 1}})
	}
	dir := r.crash()
	e := &Engine{opt: Options{Dir: dir}}
	must(t, e.writeJournal(ops))
	torn := r.crash()
	b, err := os.ReadFile(filepath.Join(dir, "journal"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(torn, "journal"), b[:len(b)-1], 0o600))

	d := openRig(t, dir)
	if l, _, err := d.LeaseMessages(ctx, store.Filter{Lane: "mta"}, 5, time.Minute); err != nil || len(l) != 1 {
		t.Fatal("the journal was not finished:", l, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "journal")); err == nil {
		t.Fatal("the journal is still there")
	}
	d = openRig(t, torn)
	if l, _, err := d.LeaseMessages(ctx, store.Filter{Lane: "mta"}, 5, time.Minute); err != nil || len(l) != 0 {
		t.Fatal("a torn journal was believed:", l, err)
	}
	d.wantAlarm("1 messages in the spool had no record") // its body was sealed
}

// TestDiscardWhileCommitting discards a body whose commit is under way: the outcome decides.
func TestDiscardWhileCommitting(t *testing.T) {
	r := openRig(t, newDir(t))
	x := r.record("1")
	b := r.stage(&x, octets(1))
	req, err := r.prepare(&store.Batch{ID: [16]byte{1}, Put: []store.Record{x}})
	must(t, err)
	must(t, b.Discard())
	r.wantFile(x.ID, true)
	must(t, r.sendLast(req))
	r.wantFile(x.ID, true)
	if got := r.octets(x.Body); got != octets(1) {
		t.Fatal(got)
	}
	y := r.record("2")
	b = r.stage(&y, octets(2))
	req, err = r.prepare(&store.Batch{
		ID: [16]byte{2}, Put: []store.Record{y}, Fence: []store.Lease{{Key: y.ID.String()}},
	})
	must(t, err)
	must(t, b.Discard())
	r.wantFile(y.ID, true)
	if err := r.sendLast(req); err == nil {
		t.Fatal("fenced by nobody's lease and made")
	}
	r.wantFile(y.ID, false)
}

// TestFatal makes the database fail under a commit.
func TestFatal(t *testing.T) {
	ended := make(chan error, 1)
	r := openRig(t, newDir(t), func(o *Options) { o.Fatal = func(err error) { ended <- err } })
	x := r.record("1")
	b := r.stage(&x, octets(1))
	r.fail(io.ErrUnexpectedEOF)
	<-ended
	r.wantAlarm("the database failed")
	if err := r.Commit(ctx, &store.Batch{Put: []store.Record{x}}); err == nil {
		t.Fatal("a commit after the failure")
	}
	if _, err := r.Stage(ctx, &x); err == nil {
		t.Fatal("staging after the failure")
	}
	must(t, b.Discard())
	must(t, r.Close())
}

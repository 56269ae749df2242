package badger

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailretr/store"
	"mailretr/store/mail"
)

// A damage is one way in which files of the database get damaged.
type damage struct {
	name    string
	do      func(t *testing.T, db string)
	rebuild bool // whether Badger cannot be opened afterwards
}

var damages = []damage{
	{"mem flipped", newest("*.mem", flipped(3000)), false},
	{"mem flipped early", newest("*.mem", flipped(200)), false},
	{"mem deleted", newest("*.mem", deleted), false},
	{"mem zeroed", newest("*.mem", emptied), false},
	{"sst flipped", newest("*.sst", flipped(500)), true},
	{"sst cut", newest("*.sst", halved), true},
	{"sst empty", newest("*.sst", emptied), true},
	{"sst deleted", newest("*.sst", deleted), true},
	{"MANIFEST flipped", newest("MANIFEST", flipped(20)), true},
	{"MANIFEST empty", newest("MANIFEST", emptied), true},
	{"D9 MANIFEST deleted", newest("MANIFEST", deleted), true},
	{"KEYREGISTRY empty", newest("KEYREGISTRY", emptied), true},
	{"KEYREGISTRY deleted", newest("KEYREGISTRY", deleted), false},
	{"vlog head flipped", newest("*.vlog", flipped(3)), true},
	{"vlog flipped", newest("*.vlog", flipped(30)), false},
	{"db deleted", func(t *testing.T, db string) { os.RemoveAll(db) }, true},
	{"db emptied", func(t *testing.T, db string) { os.RemoveAll(db); os.Mkdir(db, 0o700) }, true},
}

// newest damages the newest file of a kind.
func newest(pattern string, do func(t *testing.T, name string)) func(*testing.T, string) {
	return func(t *testing.T, db string) {
		names := glob(t, filepath.Join(db, pattern))
		if len(names) == 0 {
			t.Fatal("there is no", pattern)
		}
		do(t, names[len(names)-1])
	}
}

func deleted(t *testing.T, name string) { must(t, os.Remove(name)) }

func emptied(t *testing.T, name string) { must(t, os.Truncate(name, 0)) }

func halved(t *testing.T, name string) {
	fi, err := os.Stat(name)
	must(t, err)
	must(t, os.Truncate(name, fi.Size()/2))
}

func flipped(at int64) func(*testing.T, string) {
	return func(t *testing.T, name string) { flip(t, name, at) }
}

// TestDamage damages the files of the database in the ways that files get damaged. All mail must be there
// afterwards.
func TestDamage(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(15)
	if err := r.Close(); err != nil { // so that there is a table
		t.Fatal(err)
	}
	r = openRig(t, r.dir)
	for i := range 10 {
		x := r.record(mail.UID(fmt.Sprintf("late%d", i)))
		r.stage(&x, octets(100+i))
		all = append(all, x)
		r.commit(&store.Batch{Put: []store.Record{x}, Seen: []store.Seen{{
			Account: "acc", UID: x.Origin.UID, Mark: store.Taken, Size: x.Size,
		}}})
	}
	for _, x := range damages {
		t.Run(x.name, func(t *testing.T) {
			dir := r.crash()
			x.do(t, filepath.Join(dir, "db"))
			d := openRig(t, dir)
			d.t = t
			d.wantAll(all)
			if _, rebuilt := d.Rebuilt(); rebuilt != x.rebuild {
				t.Fatalf("rebuilt: %v, want %v; alarms:\n%s", rebuilt, x.rebuild, d.saw.alarms())
			}
			if x.rebuild {
				d.wantAlarm("is built again from the spool")
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			d = openRig(t, dir)
			d.wantAll(all)
			if at, rebuilt := d.Rebuilt(); rebuilt != x.rebuild || rebuilt && !at.Equal(start) {
				t.Fatal("after one more start:", at, rebuilt)
			}
			if strings.Contains(d.saw.alarms(), "taken in again") {
				t.Fatal("adopted twice:", d.saw.alarms())
			}
		})
	}
}

// TestDiesOpening: a damage that ends the process each time the database is opened is given up on.
func TestDiesOpening(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(3)
	dir := r.crash()
	must(t, os.WriteFile(filepath.Join(dir, "opening"), []byte("3\n"), 0o600))
	d := openRig(t, dir)
	if _, rebuilt := d.Rebuilt(); rebuilt {
		t.Fatal("given up too early")
	}
	d.wantAll(all)
	dir = d.crash()
	if _, err := os.Stat(filepath.Join(dir, "opening")); err == nil {
		t.Fatal("the count goes on after a success")
	}
	must(t, os.WriteFile(filepath.Join(dir, "opening"), []byte("4\n"), 0o600))
	d = openRig(t, dir)
	d.wantAlarm("the process died each time")
	d.wantAll(all)
	if names := glob(t, filepath.Join(dir, "db.damaged-*")); len(names) != 1 {
		t.Fatal("the old database is not kept:", names)
	}
}

// TestRebuildKeepsMarks loses the database; marks of mail that is long delivered come from the snapshot.
func TestRebuildKeepsMarks(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(3)
	var b store.Batch
	for i := range 3000 { // enough to be packed
		b.Seen = append(b.Seen,
			store.Seen{Account: "kept", UID: mail.UID(fmt.Sprintf("INBOX/1/%d", i+1)), Mark: store.Kept, Day: 7},
			store.Seen{
				Account: "pop", UID: mail.UID(fmt.Sprint("u", i)), Mark: store.Kept, Size: 5,
				Key: [16]byte{1, byte(i), byte(i >> 8)},
			})
	}
	b.Seen = append(b.Seen, store.Seen{Account: "acc", UID: "gone", Mark: store.LetGo})
	// The snapshot knows this one as known; adoption knows better.
	b.Seen = append(b.Seen, store.Seen{Account: "acc", UID: all[0].Origin.UID, Mark: store.Known})
	r.commit(&b)
	if err := r.Tend(ctx); err != nil {
		t.Fatal(err)
	}
	dir := r.crash()
	if err := os.RemoveAll(filepath.Join(dir, "db")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "format")); err != nil { // the key is in the snapshot as well
		t.Fatal(err)
	}
	d := openRig(t, dir)
	d.wantAll(all)
	n := 0
	for x, err := range d.AllMarks(ctx, "kept") {
		if err != nil || x.Mark != store.Kept || x.Day != 7 || x.UID == "" {
			t.Fatal(x, err)
		}
		n++
	}
	if n != 3000 {
		t.Fatalf("%d marks, want 3000; alarms:\n%s", n, d.saw.alarms())
	}
	same, err := d.Same(ctx, "pop", [][16]byte{{1, 7, 1}})
	if err != nil || same[0].Mark != store.Kept {
		t.Fatal("by content:", same, err)
	}
	if m, err := d.Marks(ctx, "acc", []mail.UID{"gone"}); err != nil || m[0].Mark != store.LetGo {
		t.Fatal("a mark that only the snapshot has:", m, err)
	}
}

// TestRebuildInterrupted ends the process in the middle of a rebuild.
func TestRebuildInterrupted(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(5)
	r.commit(&store.Batch{Seen: []store.Seen{{Account: "acc", UID: "gone", Mark: store.LetGo}}})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	// What a rebuild has made at once, and nothing more: an empty database that says so.
	if err := os.RemoveAll(filepath.Join(r.dir, "db")); err != nil {
		t.Fatal(err)
	}
	e := &Engine{opt: r.opt.withDefaults()}
	if err := e.tryOpen(); err != nil {
		t.Fatal(err)
	}
	known, err := e.readFormat()
	rebuild := true
	if err == nil {
		err = e.settings(known, &rebuild)
	}
	if err != nil || e.db.Close() != nil {
		t.Fatal(err)
	}
	d := openRig(t, r.dir)
	d.wantAll(all)
	if _, ok := d.Rebuilt(); !ok {
		t.Fatal("the second start does not know that it rebuilds")
	}
	if m, err := d.Marks(ctx, "acc", []mail.UID{"gone"}); err != nil || m[0].Mark != store.LetGo {
		t.Fatal("the snapshot was not loaded:", m, err)
	}
}

// TestS6_FileMissing and damaged: held, said, never attempted, never silent.
func TestS6_FileMissing(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(3)
	dir := r.crash()
	if err := os.Remove(spoolFile(dir, all[1].ID)); err != nil {
		t.Fatal(err)
	}
	d := openRig(t, dir)
	d.wantAlarm("its file is missing")
	x, err := d.Get(ctx, all[1].ID)
	if err != nil || x.Hold != store.HoldLost || x.HoldWhy == "" {
		t.Fatal(x, err)
	}
	tot, err := d.Totals(ctx)
	if err != nil || tot.Held != 1 || tot.Messages != 3 {
		t.Fatal(tot, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openRig(t, dir)
	if s := d.saw.alarms(); s != "" {
		t.Fatal("said again:", s)
	}
	// While it runs, too.
	if err := os.Truncate(d.file(all[0].ID), 50); err != nil {
		t.Fatal(err)
	}
	if _, err := d.OpenBody(ctx, all[0].Body); err == nil {
		t.Fatal("a body that was cut can be opened")
	}
	if err := os.Remove(d.file(all[2].ID)); err != nil {
		t.Fatal(err)
	}
	if err := d.Reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	if x, err := d.Get(ctx, all[2].ID); err != nil || x.Hold != store.HoldLost {
		t.Fatal(x, err)
	}
}

// TestBodyDamaged flips each octet of a spool file in turn: opening or verifying notices every one.
func TestBodyDamaged(t *testing.T) {
	r := openRig(t, newDir(t))
	x := r.record("1")
	r.stage(&x, octets(1))
	r.commit(&store.Batch{Put: []store.Record{x}})
	fi, err := os.Stat(r.file(x.ID))
	if err != nil {
		t.Fatal(err)
	}
	for at := range fi.Size() {
		flip(t, r.file(x.ID), at)
		if err := r.VerifyBody(ctx, x.Body); err == nil {
			t.Fatalf("octet %d of %d is wrong and nobody notices", at, fi.Size())
		}
		flip(t, r.file(x.ID), at)
	}
	if err := r.VerifyBody(ctx, x.Body); err != nil {
		t.Fatal(err)
	}
	for n := range fi.Size() {
		if err := os.Truncate(r.file(x.ID), fi.Size()-1-n); err != nil {
			t.Fatal(err)
		}
		if _, err := r.OpenBody(ctx, x.Body); err == nil {
			t.Fatalf("a file that is %d octets too short can be opened", n+1)
		}
	}
}

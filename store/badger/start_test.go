package badger

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

func wantRefusal(t *testing.T, dir, words string, change ...func(*Options)) {
	t.Helper()
	_, err := tryRig(t, dir, change...)
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Fatalf("Open: %v, want a refusal that says %q", err, words)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestH1_SpoolRefused(t *testing.T) {
	for _, part := range []string{"", "spool", "spool/%"} {
		t.Run(part, func(t *testing.T) {
			r := openRig(t, newDir(t))
			x := r.fill(1)[0]
			must(t, r.Close())
			dir := filepath.Join(r.dir, strings.ReplaceAll(part, "%", string(refOf(x.ID)[:2])))
			aside := filepath.Join(t.TempDir(), "elsewhere")
			must(t, os.Rename(dir, aside))
			must(t, os.Symlink(aside, dir))
			wantRefusal(t, r.dir, "is a symbolic link")
			must(t, os.Remove(dir))
			must(t, os.Rename(aside, dir))
			must(t, os.Chmod(dir, 0o750))
			wantRefusal(t, r.dir, "may be entered by others")
			must(t, os.Chmod(dir, 0o700))
			if os.Geteuid() == 0 {
				must(t, os.Chown(dir, 4711, -1))
				wantRefusal(t, r.dir, "belongs to user 4711")
				must(t, os.Chown(dir, 0, -1))
			}
			openRig(t, r.dir)
		})
	}
}

// TestH1_NameTaken puts a link where a body is to be made.
func TestH1_NameTaken(t *testing.T) {
	r := openRig(t, newDir(t))
	r.fill(1) // makes the directory
	x := r.record("1")
	victim := filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(victim, []byte("precious"), 0o600))
	must(t, os.Symlink(victim, r.file(x.ID)))
	b, err := r.Stage(ctx, &x)
	must(t, err)
	if _, _, err := b.Seal(ctx); err == nil {
		t.Fatal("a body was written through a link")
	}
	if got, _ := os.ReadFile(victim); string(got) != "precious" {
		t.Fatalf("the victim holds %q", got)
	}
}

func TestH2_Modes(t *testing.T) {
	r := openRig(t, newDir(t), func(o *Options) { o.Ballast = 1 << 20; o.Reserve = 1 })
	r.fill(3)
	must(t, r.Tend(ctx))
	err := filepath.Walk(r.dir, func(p string, fi os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		inDB := strings.HasPrefix(p, filepath.Join(r.dir, "db")+"/")
		if fi.Mode().Perm()&0o077 != 0 && !inDB {
			t.Errorf("%s has mode %v", p, fi.Mode())
		}
		return nil
	})
	must(t, err)
}

func TestNewerVersionRefused(t *testing.T) {
	r := openRig(t, newDir(t))
	must(t, r.Close())
	name := filepath.Join(r.dir, "format")
	b, err := os.ReadFile(name)
	must(t, err)
	must(t, os.WriteFile(name, []byte(strings.Replace(string(b), "state 2", "state 3", 1)), 0o600))
	wantRefusal(t, r.dir, "written by a newer version (format 3, this one knows up to 2)")
	if _, err := tryRig(t, r.dir); !errors.Is(err, ErrNewer) {
		t.Errorf("nobody can know it by itself: %v", err)
	}
	must(t, os.WriteFile(name, []byte("hello"), 0o600))
	wantRefusal(t, r.dir, "not a file of this program")
}

// What an older version has written is the newer one's from then on, with the key that it has.
func TestOlderVersionRaised(t *testing.T) {
	r := openRig(t, newDir(t))
	x := r.fill(1)
	must(t, r.Close())
	name := filepath.Join(r.dir, "format")
	want, err := os.ReadFile(name)
	must(t, err)
	must(t, os.WriteFile(name, []byte(strings.Replace(string(want), "state 2", "state 1", 1)), 0o600))
	r = openRig(t, r.dir)
	if got, err := os.ReadFile(name); err != nil || string(got) != string(want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	r.wantAll(x)
}

func TestOneOwner(t *testing.T) {
	r := openRig(t, newDir(t))
	_, err := tryRig(t, r.dir)
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "pid") {
		t.Fatal("a second owner:", err)
	}
	r.fill(1) // unharmed
}

// TestD4_EmptyFiles leaves what a kill leaves between the creation of a file of Badger's and its first
// length.
func TestD4_EmptyFiles(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(5)
	dir := r.crash()
	for _, name := range []string{"99999.mem", "000999.vlog"} {
		must(t, os.WriteFile(filepath.Join(dir, "db", name), nil, 0o600))
	}
	d := openRig(t, dir)
	d.wantAll(all)
	if _, ok := d.Rebuilt(); ok {
		t.Fatal("it was rebuilt:", d.saw.alarms())
	}
}

// TestD5_Reserve refuses bodies before the disk is full, and before one of announced size would fill it.
func TestR25_D5_Reserve(t *testing.T) {
	free := int64(200 << 20)
	r := openRig(t, newDir(t), func(o *Options) {
		o.Reserve = 100 << 20
		o.Free = func() (int64, error) { return free, nil }
	})
	all := r.fill(2)
	big := r.record("big")
	big.Size = 101 << 20
	if _, err := r.Stage(ctx, &big); !errors.Is(err, store.ErrFull) {
		t.Fatal("a body of known size:", err)
	}
	big.Size, big.Announced = 0, 101<<20
	if _, err := r.Stage(ctx, &big); !errors.Is(err, store.ErrFull) {
		t.Fatal("a body of announced size:", err)
	}
	big.Size, big.Announced = -1, 0
	b, err := r.Stage(ctx, &big)
	must(t, err)
	free = 99 << 20 // somebody else fills the disk
	buf := make([]byte, 1<<20)
	n := 0
	for ; err == nil && n < 20; n++ {
		_, err = b.Write(buf)
	}
	if !errors.Is(err, store.ErrFull) || n > 6 {
		t.Fatalf("after %d MiB: %v", n, err)
	}
	must(t, b.Discard())
	r.wantFile(big.ID, false)
	small := r.record("small")
	if _, err := r.Stage(ctx, &small); !errors.Is(err, store.ErrFull) {
		t.Fatal("below the reserve:", err)
	}
	// Delivering goes on.
	l, _, err := r.LeaseMessages(ctx, store.Filter{}, 1, time.Minute)
	if err != nil || len(l) != 1 {
		t.Fatal(l, err)
	}
	r.commit(&store.Batch{Remove: []mail.ID{l[0].Record.ID}, Fence: []store.Lease{l[0].Lease}})
	free = 200 << 20
	r.wantAll(slices.DeleteFunc(all, func(x store.Record) bool { return x.ID == l[0].Record.ID }))
}

// TestD5_Ballast finds the disk full at start.
func TestD5_Ballast(t *testing.T) {
	free := int64(1 << 30)
	dir := newDir(t)
	ballast := filepath.Join(dir, "ballast")
	opt := func(o *Options) {
		o.Ballast = 20 << 20
		o.Free = func() (int64, error) {
			if _, err := os.Stat(ballast); err != nil {
				return free + 20<<20, nil
			}
			return free, nil
		}
	}
	r := openRig(t, dir, opt)
	all := r.fill(2)
	if fi, err := os.Stat(ballast); err != nil || fi.Size() != 20<<20 {
		t.Fatal(fi, err)
	}
	must(t, r.Close())
	free = 4 << 20
	r = openRig(t, dir, opt)
	r.wantAlarm("the ballast was given back")
	r.wantAll(all)
	x := r.record("x")
	if _, err := r.Stage(ctx, &x); !errors.Is(err, store.ErrFull) {
		t.Fatal("staging on the ballast:", err)
	}
	free = 1 << 30
	must(t, r.Tend(ctx))
	if _, err := os.Stat(ballast); err != nil {
		t.Fatal("the ballast was not restored:", err)
	}
	must(t, r.Close())
	free = 0
	must(t, os.Remove(ballast))
	free = -20 << 20
	wantRefusal(t, dir, "make space", opt)
}

// TestD8_D2_D10: what the options have to be for the defects that cannot be provoked from outside.
func TestD2_D8_Options(t *testing.T) {
	r := openRig(t, newDir(t))
	o := r.db.Opts()
	if !o.SyncWrites {
		t.Error("D8: SyncWrites is off")
	}
	if o.ValueThreshold <= maxRecord+1024 || o.ValueThreshold <= maxNote+maxKeyPart {
		t.Error("D2, D3: a value could reach the value log, whose errors are swallowed")
	}
	if r.db.MaxBatchSize()/2 < maxRecord+1024 {
		t.Error("the largest record does not fit into a transaction")
	}
	if o.MetricsEnabled { // D10 would make Size 0: nothing here asks for it
		t.Error("metrics are on")
	}
}

// TestTendDaily runs the daily part while there is something to merge.
func TestTendDaily(t *testing.T) {
	now := start
	r := openRig(t, newDir(t), func(o *Options) { o.Now = func() time.Time { return now } })
	all := r.fill(3)
	must(t, r.Tend(ctx))
	now = now.Add(25 * time.Hour)
	must(t, r.Tend(ctx))
	if !r.flattened.Equal(now) {
		t.Fatal("not done")
	}
	r.wantAll(all)
}

func TestDueTooFar(t *testing.T) {
	dir := newDir(t)
	r := openRig(t, dir)
	x, y := r.record("1"), r.record("2")
	x.Due, y.Due = start.Add(5*time.Hour), start.Add(3*time.Hour)
	r.commit(&store.Batch{Put: []store.Record{x, y}})
	must(t, r.Close())
	r = openRig(t, dir, func(o *Options) { o.LongestRetry = 4 * time.Hour })
	got, err := r.Get(ctx, x.ID)
	if err != nil || !got.Due.Equal(start) {
		t.Fatal("a due time that no schedule makes:", got.Due, err)
	}
	if got, err = r.Get(ctx, y.ID); err != nil || !got.Due.Equal(y.Due) {
		t.Fatal("one that a schedule makes:", got.Due, err)
	}
	lanes, err := r.Lanes(ctx)
	if err != nil || !lanes["mta"].Equal(start) {
		t.Fatal(lanes, err)
	}
}

// TestScheduleMended removes one entry of the schedule and adds one that belongs to nobody.
func TestScheduleMended(t *testing.T) {
	dir := newDir(t)
	r := openRig(t, dir)
	all := r.fill(3)
	s := stubOf(&all[1])
	must(t, r.sendRaw(ctx, []op{{key: s.key(all[1].ID)}, {dueKey("mta", 5, mail.NewID(start, nil)), []byte{}}}))
	must(t, r.Close())
	for range 2 {
		r = openRig(t, dir)
		r.wantAlarm("1 entries were missing, 1 had no record")
		break
	}
	l, _, err := r.LeaseMessages(ctx, store.Filter{}, 10, time.Minute)
	if err != nil || len(l) != 3 {
		t.Fatal(l, err)
	}
	must(t, r.Close())
	r = openRig(t, dir)
	if s := r.saw.alarms(); s != "" {
		t.Fatal(s)
	}
}

// TestInFlightTogether ends the process again and again while several messages are attempted side by side, as by a kill
// that has nothing to do with them: none is held soon. One that is the cause is held in the end.
func TestInFlightTogether(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(4)
	for end := 1; end <= mostEnds; end++ {
		r.wantAll(all)
		for n := range all {
			l, _, err := r.LeaseMessages(ctx, store.Filter{}, 1, time.Minute)
			if err != nil || len(l) != 1 {
				t.Fatalf("life %d, lease %d: %v, %v", end, n, l, err)
			}
		}
		r = openRig(t, r.crash())
		held := 0
		yes := true
		for range r.List(ctx, store.Filter{Held: &yes}) {
			held++
		}
		if want := len(all); end < mostEnds && held != 0 || end == mostEnds && held != want {
			t.Fatalf("after %d ends %d are held", end, held)
		}
	}
}

// TestInFlight ends the process twice while a message is being attempted.
func TestInFlight(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(4)
	l, _, err := r.LeaseMessages(ctx, store.Filter{}, 2, time.Minute)
	if err != nil || len(l) != 2 {
		t.Fatal(l, err)
	}
	d := openRig(t, r.crash())
	d.wantAll(all)
	l, _, err = d.LeaseMessages(ctx, store.Filter{}, 10, time.Minute)
	if err != nil || len(l) != 1 {
		t.Fatalf("a suspect comes with others: %d, %v", len(l), err)
	}
	poison := l[0].Record.ID
	dir := d.crash()
	otherBoot := d.crash()
	d = openRig(t, dir)
	d.wantAlarm("ended again and again")
	x, err := d.Get(ctx, poison)
	if err != nil || x.Hold != store.HoldCrash {
		t.Fatal(x, err)
	}
	yes := true
	for x := range d.List(ctx, store.Filter{Held: &yes}) {
		if x.Record.ID != poison {
			t.Fatal("an innocent is held:", x.Record.ID)
		}
	}
	d = openRig(t, otherBoot, func(o *Options) { o.BootID = "another boot" })
	if x, err := d.Get(ctx, poison); err != nil || x.Held() {
		t.Fatal("held although the machine went down:", x, err)
	}
	l, _, err = d.LeaseMessages(ctx, store.Filter{}, 10, time.Minute)
	if err != nil || len(l) != 4 {
		t.Fatal(l, err)
	}
	must(t, d.Close()) // in order: nobody is suspect
	d = openRig(t, otherBoot, func(o *Options) { o.BootID = "another boot" })
	if l, _, err = d.LeaseMessages(ctx, store.Filter{}, 10, time.Minute); err != nil || len(l) != 4 {
		t.Fatal(l, err)
	}
}

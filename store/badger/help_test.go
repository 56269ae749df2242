package badger

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

var ctx = context.Background()

var start = time.Date(2024, 5, 17, 10, 0, 0, 0, time.UTC)

// A witness remembers events.
type witness struct {
	mu     sync.Mutex
	events []mail.Event
}

func (w *witness) Observe(e mail.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// alarms returns the texts of the alarms so far, one a line.
func (w *witness) alarms() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, e := range w.events {
		if e.Alarm {
			fmt.Fprintf(&b, "%s: %s %v\n", e.Op, e.Text, e.Err)
		}
	}
	return b.String()
}

// A rig is one engine in a test.
type rig struct {
	*Engine
	t   testing.TB
	dir string
	saw *witness
	opt Options
}

func newDir(t testing.TB) string { return filepath.Join(t.TempDir(), "state") }

// openRig opens a state with options of a test; Close is called at its end.
func openRig(t testing.TB, dir string, change ...func(*Options)) *rig {
	t.Helper()
	r, err := tryRig(t, dir, change...)
	if err != nil {
		t.Fatal("Open:", err)
	}
	return r
}

func tryRig(t testing.TB, dir string, change ...func(*Options)) (*rig, error) {
	saw := new(witness)
	opt := Options{
		Dir: dir, Ballast: -1, BootID: "boot", Observe: saw, Now: func() time.Time { return start },
		Route: func(*store.Record) mail.Lane { return "adopted" },
	}
	for _, f := range change {
		f(&opt)
	}
	e, err := Open(ctx, opt)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { e.Close() })
	return &rig{Engine: e, t: t, dir: dir, saw: saw, opt: opt}, nil
}

// crash returns a copy of the state as a kill at this instant would leave it.
func (r *rig) crash() string {
	r.t.Helper()
	to := newDir(r.t)
	for tries := 0; ; tries++ { // until Badger has changed no file meanwhile
		before := glob(r.t, filepath.Join(r.dir, "db", "*"))
		err := os.CopyFS(to, os.DirFS(r.dir))
		if slices.Equal(before, glob(r.t, filepath.Join(r.dir, "db", "*"))) && err == nil {
			break
		}
		if tries == 100 {
			r.t.Fatal("the state is never still: ", err)
		}
		if err := os.RemoveAll(to); err != nil {
			r.t.Fatal(err)
		}
	}
	err := filepath.Walk(to, func(p string, fi os.FileInfo, err error) error {
		if err == nil && fi.IsDir() {
			err = os.Chmod(p, 0o700)
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return to
}

func (r *rig) record(uid mail.UID) store.Record {
	return store.Record{
		ID: mail.NewID(start, nil), Lane: "mta", Queued: start, Due: start, Reverse: "a@example.org",
		Origin:     mail.Origin{Maildrop: "jaco", Account: "acc", UID: uid},
		Recipients: []store.Recipient{{Recipient: mail.Recipient{Forward: "jaco@kroon.co.za"}}},
	}
}

func (r *rig) stage(x *store.Record, octets string) store.Body {
	r.t.Helper()
	b, err := r.Stage(ctx, x)
	if err != nil {
		r.t.Fatal("Stage:", err)
	}
	if _, err := io.WriteString(b, octets); err != nil {
		r.t.Fatal("Write:", err)
	}
	if x.Body, x.SHA256, err = b.Seal(ctx); err != nil {
		r.t.Fatal("Seal:", err)
	}
	x.Size, x.Header = b.Size(), int64(strings.Index(octets, "\r\n\r\n")+4)
	return b
}

func (r *rig) commit(b *store.Batch) {
	r.t.Helper()
	if err := r.Commit(ctx, b); err != nil {
		r.t.Fatal("Commit:", err)
	}
}

func octets(i int) string { return fmt.Sprintf("Subject: %d\r\n\r\nbody of %d\r\n", i, i) }

// fill queues n messages, each with its mark.
func (r *rig) fill(n int) (all []store.Record) {
	r.t.Helper()
	for i := range n {
		x := r.record(mail.UID(fmt.Sprintf("INBOX/1/%d", i+1)))
		r.stage(&x, octets(i))
		all = append(all, x)
		r.commit(&store.Batch{Put: []store.Record{x}, Seen: []store.Seen{{
			Account: "acc", UID: x.Origin.UID, Mark: store.Taken, Size: x.Size, New: true,
		}}})
	}
	return all
}

// wantAll reads every message back and compares it octet for octet, and its mark.
func (r *rig) wantAll(all []store.Record) {
	r.t.Helper()
	got := make(map[mail.ID]store.Record)
	for x, err := range r.List(ctx, store.Filter{}) {
		if err != nil {
			r.t.Fatal("List:", err)
		}
		got[x.Record.ID] = x.Record
	}
	for _, want := range all {
		x, ok := got[want.ID]
		if !ok {
			r.t.Fatalf("%s (%s) is lost; alarms:\n%s", want.ID, want.Origin.UID, r.saw.alarms())
		}
		if x.SHA256 != want.SHA256 || x.Size != want.Size || x.Header != want.Header || x.Body != want.Body ||
			x.Origin.UID != want.Origin.UID || x.Reverse != want.Reverse ||
			!slices.EqualFunc(x.Recipients, want.Recipients, sameForward) {
			r.t.Fatalf("got %+v\nwant %+v", x, want)
		}
		if sha256.Sum256([]byte(r.octets(x.Body))) != x.SHA256 {
			r.t.Fatalf("the octets of %s differ", x.ID)
		}
		m, err := r.Marks(ctx, "acc", []mail.UID{want.Origin.UID})
		if err != nil || m[0].Mark != store.Taken {
			r.t.Fatalf("UID %s is marked %v: %v", want.Origin.UID, m[0].Mark, err)
		}
	}
	if len(got) != len(all) {
		r.t.Fatalf("%d messages, want %d", len(got), len(all))
	}
	tot, err := r.Totals(ctx)
	if err != nil || tot.Messages != len(all) {
		r.t.Fatalf("counted %d, want %d: %v", tot.Messages, len(all), err)
	}
}

func sameForward(a, b store.Recipient) bool { return a.Forward == b.Forward }

func (r *rig) octets(ref store.BodyRef) string {
	r.t.Helper()
	f, err := r.OpenBody(ctx, ref)
	if err != nil {
		r.t.Fatal("OpenBody:", err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

func (r *rig) wantAlarm(words string) {
	r.t.Helper()
	if !strings.Contains(r.saw.alarms(), words) {
		r.t.Fatalf("no alarm says %q; they are:\n%s", words, r.saw.alarms())
	}
}

func (r *rig) file(id mail.ID) string { return filepath.Join(r.dir, "spool", string(refOf(id))) }

func (r *rig) wantFile(id mail.ID, want bool) {
	r.t.Helper()
	if _, err := os.Lstat(r.file(id)); (err == nil) != want {
		r.t.Fatalf("the file of %s is there: %v, want %v", id, err == nil, want)
	}
}

// spool returns the path of a body in another copy of the state.
func spoolFile(dir string, id mail.ID) string { return filepath.Join(dir, "spool", string(refOf(id))) }

func flip(t testing.TB, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if at < 0 {
		fi, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		at += fi.Size()
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x55
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

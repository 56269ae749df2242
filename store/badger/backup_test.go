package badger

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailretr/store"
	"mailretr/store/mail"
)

// backup is a backup of what there is.
func (r *rig) backup() []byte {
	r.t.Helper()
	var b bytes.Buffer
	if _, err := r.Backup(ctx, &b, []string{"content.key", "none"}, nil); err != nil {
		r.t.Fatal("Backup:", err)
	}
	return b.Bytes()
}

func restore(b []byte, dir string, release bool) (Manifest, error) {
	return Restore{Dir: dir, Files: []string{"content.key"}, Release: release}.Restore(ctx, bytes.NewReader(b))
}

func TestBackupAndRestore(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(20)
	r.commit(&store.Batch{Notes: []store.Note{{Space: "status", Owner: "jaco", Key: "k", Value: []byte("v")},
		{Space: store.SpacePartial, Owner: "acc", Key: "u", Value: []byte("x")}}})
	r.end(all[0], all[1]) // the database is not told of these yet
	all = all[2:]
	held := all[0]
	held.Hold, held.HoldWhy = store.HoldAdmin, "by hand"
	r.commit(&store.Batch{Put: []store.Record{held}})
	if err := os.WriteFile(filepath.Join(r.dir, "content.key"), []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(r.file(all[5].ID)); err != nil {
		t.Fatal(err)
	}
	b := r.backup()

	for _, release := range []bool{false, true} {
		dir := newDir(t)
		m, err := restore(b, dir, release)
		if err != nil || m.Messages != 18 || m.Missing != 1 {
			t.Fatalf("%+v %v", m, err)
		}
		n := openRig(t, dir)
		if at, ok := n.Rebuilt(); !ok || at.IsZero() {
			t.Error("maildrops that keep their mail do not wait")
		}
		for x, err := range n.List(ctx, store.Filter{}) {
			want := store.HoldRestored
			switch {
			case x.Record.ID == held.ID:
				want = store.HoldAdmin
			case x.Record.ID == all[5].ID:
				want = store.HoldLost
			case release:
				want = store.NotHeld
			}
			if err != nil || x.Record.Hold != want {
				t.Errorf("%v: %+v %v", release, x.Record, err)
			}
		}
		due, err := n.Lanes(ctx)
		if err != nil || (len(due) == 1) != release {
			t.Errorf("%v: due %v %v", release, due, err)
		}
		for note, err := range n.Notes(ctx, store.SpacePartial, "") {
			t.Error("a note of a body that is not there: ", note, err)
		}
		count := 0
		for note, err := range n.Notes(ctx, "status", "jaco") {
			if count++; err != nil || string(note.Value) != "v" {
				t.Errorf("%+v %v", note, err)
			}
		}
		if key, err := os.ReadFile(filepath.Join(dir, "content.key")); count != 1 || err != nil || string(key) != "key" {
			t.Errorf("%d notes, key %q %v", count, key, err)
		}
		if alarms := n.saw.alarms(); strings.Contains(alarms, "endings") || strings.Contains(alarms, "taken in again") {
			t.Error(alarms)
		}
		wantModes(t, dir)
		if err := os.WriteFile(n.file(all[5].ID), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := restore(b, dir, false); !errors.Is(err, ErrNotEmpty) {
			t.Errorf("over a state: %v", err)
		}
	}
	if err := os.RemoveAll(filepath.Join(r.dir, "spool")); err != nil {
		t.Fatal(err)
	}
	if m, err := r.Backup(ctx, io.Discard, nil, nil); err != nil || m.Missing != 18 {
		t.Errorf("%+v %v", m, err)
	}
}

// H2: nothing that a restore makes is for others.
func wantModes(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if fi, err := d.Info(); err != nil || fi.Mode().Perm()&0o077 != 0 && !strings.Contains(path, "/db/") {
			t.Errorf("%s: %v %v", path, fi.Mode(), err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// What is queued before a backup and not ended before its end is in it, whole, whatever happens meanwhile; and whatever is
// in it is whole.
func TestBackupWhileTheQueueWorks(t *testing.T) {
	r := openRig(t, newDir(t))
	stay := r.fill(30)
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			x := r.record(mail.UID(fmt.Sprintf("other/1/%d", i)))
			r.stage(&x, octets(i))
			err := r.Commit(ctx, &store.Batch{Put: []store.Record{x}})
			if err == nil {
				err = r.Commit(ctx, &store.Batch{Remove: []mail.ID{x.ID}})
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	var all [][]byte
	for range 5 {
		all = append(all, r.backup())
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		dir := newDir(t)
		if m, err := restore(b, dir, true); err != nil || m.Missing > 0 {
			t.Fatalf("%+v %v", m, err)
		}
		n := openRig(t, dir)
		left := map[mail.ID]bool{}
		for x, err := range n.List(ctx, store.Filter{}) {
			if err != nil || x.Record.Held() || n.VerifyBody(ctx, x.Record.Body) != nil {
				t.Errorf("%+v %v", x.Record, err)
			}
			left[x.Record.ID] = true
		}
		for _, x := range stay {
			if !left[x.ID] {
				t.Errorf("%s is not in the backup", x.ID)
			}
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Files that a backup still reads stay, and go afterwards.
func TestBackupKeepsFiles(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(3)
	w := &slow{begun: make(chan struct{}), leave: make(chan struct{})}
	done := make(chan error, 1)
	go func() { _, err := r.Backup(ctx, w, nil, nil); done <- err }()
	<-w.begun
	r.end(all...)
	if err := r.settled(); err != nil {
		t.Fatal(err)
	}
	r.remover.clear(r.remover.unlink(r.remover.take()))
	r.wantFile(all[0].ID, true)
	close(w.leave)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := r.settled(); err != nil {
		t.Fatal(err)
	}
	r.remover.clear(r.remover.unlink(r.remover.take()))
	r.wantFile(all[0].ID, false)
	dir := newDir(t)
	if m, err := restore(w.Bytes(), dir, true); err != nil || m.Messages != 3 || m.Missing != 0 {
		t.Errorf("%+v %v", m, err)
	}
}

// slow waits at its first octet.
type slow struct {
	bytes.Buffer
	begun, leave chan struct{}
	waited       bool
}

func (s *slow) Write(b []byte) (int, error) {
	if !s.waited {
		s.waited = true
		close(s.begun)
		<-s.leave
	}
	return s.Buffer.Write(b)
}

// Nothing but a whole backup becomes a state, and what was refused, or killed, leaves the place for another try.
func TestRestoreOfADamagedBackup(t *testing.T) {
	r := openRig(t, newDir(t))
	all := r.fill(3)
	good := r.backup()
	dir := newDir(t)
	for n := 0; n < len(good)-2048; n += 512 {
		if _, err := restore(good[:n], dir, false); err == nil {
			t.Fatalf("cut at %d of %d octets: restored", n, len(good))
		}
	}
	for n := 256; n < len(good); n += 511 {
		bad := bytes.Clone(good)
		bad[n] ^= 0x20
		// Padding and times of the archive mean nothing; then it is restored as it was.
		if m, err := restore(bad, dir, true); err == nil {
			if m.Messages != 3 {
				t.Errorf("octet %d: %+v", n, m)
			}
			n := openRig(t, dir)
			n.wantAll(all)
			if err := errors.Join(n.Close(), os.RemoveAll(dir)); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A kill.
	if err := os.MkdirAll(filepath.Join(dir, "spool", "00"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, restoringName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tryRig(t, dir); err == nil || !strings.Contains(err.Error(), "restore it again") {
		t.Errorf("half a state was opened: %v", err)
	}
	if _, err := restore(good, dir, true); err != nil {
		t.Fatal(err)
	}
	openRig(t, dir).wantAll(all)
}

// H1: a backup that somebody has made up writes nothing outside of the state, and nothing unexpected inside.
func TestH1_RestoreOfAHostileBackup(t *testing.T) {
	const head = `{"version":1,"format":1}`
	id := mail.NewID(start, nil)
	for name, f := range map[string]func(*tar.Writer) error{
		"newer":       tarred(backupHead, `{"version":2,"format":1}`),
		"newer state": tarred(backupHead, `{"version":1,"format":3}`),
		"odd":         tarred("etc/passwd", "x"),
		"nothing":     func(*tar.Writer) error { return nil },
		"above":       twoOf(tarred(backupHead, head), tarred("spool/../../x", "x")),
		"absolute":    twoOf(tarred(backupHead, head), tarred("/tmp/x", "x")),
		"shard":       twoOf(tarred(backupHead, head), tarred("spool/zz/"+id.String(), "x")),
		"other shard": twoOf(tarred(backupHead, head), tarred(fmt.Sprintf("spool/%02x/%s", shardOf(id)+1, id), "x")),
		"lock":        twoOf(tarred(backupHead, head), tarred("lock", "x")),
		"piece":       twoOf(tarred(backupHead, head), tarred("db/000002", "x")),
		"large":       twoOf(tarred(backupHead, head), tarred("content.key", strings.Repeat("x", backupSmall+1))),
		"link": twoOf(tarred(backupHead, head), func(t *tar.Writer) error {
			return t.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "format", Linkname: "/etc/passwd"})
		}),
		"no end": twoOf(tarred(backupHead, head), tarred("content.key", "x")),
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := errors.Join(f(w), w.Close()); err != nil {
			t.Fatal(err)
		}
		dir := newDir(t)
		_, err := restore(b.Bytes(), dir, false)
		if err == nil || strings.HasPrefix(name, "newer") && !strings.Contains(err.Error(), "made by a newer version") {
			t.Errorf("%s: %v", name, err)
		}
		if left := glob(t, filepath.Join(dir, "*")); len(left) > 1 {
			t.Errorf("%s: %v", name, left)
		}
	}
	dir := newDir(t)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "spool")); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(openRig(t, newDir(t)).backup(), dir, false); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("beside a link: %v", err)
	}
}

func tarred(name, text string) func(*tar.Writer) error {
	return func(t *tar.Writer) error {
		err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(text)), Mode: 0o600})
		_, werr := io.WriteString(t, text)
		return errors.Join(err, werr)
	}
}

func twoOf(a, b func(*tar.Writer) error) func(*tar.Writer) error {
	return func(t *tar.Writer) error { return errors.Join(a(t), b(t)) }
}

func TestBackupEndsWithItsContext(t *testing.T) {
	r := openRig(t, newDir(t))
	r.fill(3)
	c, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := r.Backup(c, io.Discard, nil, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if r.remover.held != 0 {
		t.Error("files are kept for good")
	}
}

package store

import (
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// exported is a message of another queue, with its octets.
func exported(t *testing.T, w *world, id mail.ID) (Record, string) {
	t.Helper()
	for x, err := range w.Export(t.Context(), Filter{IDs: []mail.ID{id}}) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := x.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return x.Record, string(b)
	}
	t.Fatal("it is not there")
	return Record{}, ""
}

func TestImport(t *testing.T) {
	from := newWorld(t)
	id := from.put(message("1", "a@example.org", "x@a.example", "y@a.example"))
	from.pass("main", always(later))
	if err := from.Hold(t.Context(), id, "until Monday", nil); err != nil {
		t.Fatal(err)
	}
	r, octets := exported(t, from, id)

	w := newWorld(t)
	take := func(octets string, again bool, want Imported) {
		t.Helper()
		if x, err := w.Import(t.Context(), r, strings.NewReader(octets), again); x != want || err != nil {
			t.Fatalf("%v %v", x, err)
		}
	}
	take(octets, false, ImportTaken)
	got, same := exported(t, w, id)
	if same != octets || got.ID != id || got.Hold != HoldAdmin || got.HoldWhy != "until Monday" || got.Attempts != r.Attempts ||
		!got.Queued.Equal(r.Queued) || got.Origin.UID != r.Origin.UID || got.Header != r.Header || got.Lane != r.Lane ||
		!slices.EqualFunc(got.Recipients, r.Recipients, func(a, b Recipient) bool {
			return a.Forward == b.Forward && a.Last == b.Last && a.Times == b.Times && a.Since.Equal(b.Since)
		}) {
		t.Errorf("%+v\n%+v", got, r)
	}
	if m, err := w.Engine.Marks(t.Context(), r.Origin.Account, []mail.UID{r.Origin.UID}); err != nil || r.Origin.UID != "" && m[0].Mark != Kept {
		t.Errorf("%v %v", m, err)
	}
	take(octets, false, ImportThere)
	take("nothing", true, ImportThere)
	if err := w.Release(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	if n := w.pass("main", always(yes)); n != 1 {
		t.Fatalf("%d attempts", n)
	}
	take(octets, false, ImportKnown) // none twice
	take(octets, true, ImportTaken)
}

func TestImportRefuses(t *testing.T) {
	from := newWorld(t)
	id := from.put(message("1", "a@example.org", "x@a.example"))
	good, octets := exported(t, from, id)
	w := newWorld(t)
	for name, f := range map[string]func(*Record, *string){
		"other octets":      func(_ *Record, s *string) { *s = strings.Replace(*s, "S", "s", 1) },
		"short":             func(_ *Record, s *string) { *s = (*s)[:len(*s)-2] },
		"size":              func(r *Record, _ *string) { r.Size++ },
		"bare LF":           func(r *Record, s *string) { *s += ".\n"; r.Size += 2; r.SHA256 = sha256.Sum256([]byte(*s)) },
		"S15 recipient":     func(r *Record, _ *string) { r.Recipients[0].Forward = "a@b>\r\nDATA" },
		"S15 sender":        func(r *Record, _ *string) { r.Reverse = "a\x00@b.example" },
		"nobody":            func(r *Record, _ *string) { r.Recipients = nil },
		"twice":             func(r *Record, _ *string) { r.Recipients = append(r.Recipients, r.Recipients[0]) },
		"no id":             func(r *Record, _ *string) { r.ID = mail.ID{} },
		"too many to count": func(r *Record, _ *string) { r.Recipients = make([]Recipient, 100_000) },
	} {
		r, s := good, octets
		r.Recipients = slices.Clone(good.Recipients)
		f(&r, &s)
		if _, err := w.Import(t.Context(), r, strings.NewReader(s), false); !errors.Is(err, ErrImport) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for l := range w.List(t.Context(), Filter{}) {
		t.Errorf("%+v", l)
	}
	r := good
	r.Queued, r.Due, r.HoldWhy = w.clock.now().Add(1e6*time.Hour), w.clock.now().Add(1e6*time.Hour), strings.Repeat("\x1b", 1e5)
	r.Recipients[0].Last.Reply = strings.Repeat("x", 1<<20)
	if _, err := w.Import(t.Context(), r, strings.NewReader(octets), false); err != nil {
		t.Fatal(err)
	}
	got, _ := exported(t, w, id)
	if got.Queued.After(w.clock.now()) || got.Due.After(w.clock.now()) || len(got.HoldWhy) > 2500 || len(got.Recipients[0].Last.Reply) > 1<<16 {
		t.Errorf("%+v", got)
	}
}

// A crash leaves a whole file, or none; the start finishes what was adopted, and does not take it again once it has left.
func TestImportAfterACrash(t *testing.T) {
	for _, adopted := range []bool{true, false} {
		w := newWorld(t)
		w.Route = func(_ mail.Origin, _ mail.Envelope, r mail.Recipient) []mail.Lane {
			return []mail.Lane{mail.Lane(r.Forward.Domain())}
		}
		from := newWorld(t)
		id := from.put(message("1", "a@example.org", "x@main", "y@other"))
		r, octets := exported(t, from, id)
		r.Hold, r.HoldWhy = HoldAdmin, "until Monday"
		parts := w.importParts(&r)
		if len(parts) != 2 || parts[0].rec.ID != id || parts[1].rec.ID != w.importParts(&r)[1].rec.ID {
			t.Fatalf("%+v", parts)
		}
		left, err := w.beginImport(t.Context(), &r, parts)
		if err != nil || len(left) != 2 {
			t.Fatal(left, err)
		}
		e := &entry{parts: left[1:]} // the other one was not whole yet
		if err := w.stageImport(t.Context(), e, &r, strings.NewReader(octets)); err != nil {
			t.Fatal(err)
		}
		second := e.parts[0].rec
		if second.Hold, second.HoldWhy = NotHeld, ""; adopted {
			err = w.Engine.Commit(t.Context(), &Batch{Put: []Record{second}})
		} else {
			e.discard()
		}
		if err := errors.Join(err, w.Resume(t.Context())); err != nil {
			t.Fatal(err)
		}
		if adopted {
			if l, err := w.Show(t.Context(), second.ID); err != nil || l.Record.HoldWhy != "until Monday" {
				t.Errorf("%+v %v", l, err)
			}
			if err := w.Remove(t.Context(), second.ID, nil); err != nil {
				t.Fatal(err)
			}
		}
		if x, err := w.Import(t.Context(), r, strings.NewReader(octets), false); x != ImportTaken || err != nil {
			t.Fatal(x, err)
		}
		n := 0
		for range w.List(t.Context(), Filter{}) {
			n++
		}
		if want := 2; adopted && n != 1 || !adopted && n != want {
			t.Errorf("adopted %v: %d messages", adopted, n)
		}
		if x, err := w.Import(t.Context(), r, strings.NewReader(octets), false); x != ImportThere || err != nil {
			t.Error(x, err)
		}
		w.clock.add(importedFor + time.Hour)
		if err := errors.Join(w.Remove(t.Context(), id, nil), w.Resume(t.Context())); err != nil {
			t.Fatal(err)
		}
		for note, err := range w.Engine.Notes(t.Context(), spaceImported, "") {
			t.Error("an old note is kept: ", note, err)
		}
	}
}

// H1: what is said of an import is bounded, whoever has written it, and the answer says that it is the import's fault.
func TestH1_ImportOfTooMuch(t *testing.T) {
	from := newWorld(t)
	r, octets := exported(t, from, from.put(message("1", "a@example.org", "x@a.example")))
	long := strings.Repeat("x", 300<<10)
	for what, f := range map[string]func(*Record){
		"uid": func(r *Record) { r.Origin.UID = mail.UID(long) }, "maildrop": func(r *Record) { r.Origin.Maildrop = long },
		"envid": func(r *Record) { r.EnvID = long }, "ret": func(r *Record) { r.Ret = long },
		"orcpt": func(r *Record) { r.Recipients[0].Original = long }, "notify": func(r *Record) { r.Recipients[0].Notify = long },
		"beside":    func(r *Record) { r.Recipients[0].Beside = []mail.Lane{mail.Lane(long)} },
		"parent":    func(r *Record) { r.ParentOrigin.Account = mail.Account(long) },
		"announced": func(r *Record) { r.Announced = 1 << 62 },
		"size":      func(r *Record) { r.Size = 1 << 62 },
	} {
		w := newWorld(t)
		x := r
		x.Recipients = slices.Clone(r.Recipients)
		f(&x)
		if _, err := w.Import(t.Context(), x, strings.NewReader(octets), false); !errors.Is(err, ErrImport) {
			t.Errorf("%s: %v", what, err)
		}
		if n := len(w.records()); n != 0 {
			t.Errorf("%s: %d records", what, n)
		}
	}
	w := newWorld(t)
	x := r
	x.Recipients = slices.Clone(r.Recipients)
	x.Recipients[0].Last.Reply, x.Recipients[0].Last.RemoteMTA = long, long // what next hops say is cut, as ever
	if _, err := w.Import(t.Context(), x, strings.NewReader(octets), false); err != nil {
		t.Error(err)
	}
}

package badger

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mailretr/store"
	"mailretr/store/mail"
)

// before calls a function before each commit.
type before struct {
	store.Engine
	f func(*store.Batch)
}

func (e before) Commit(ctx context.Context, b *store.Batch) error {
	e.f(b)
	return e.Engine.Commit(ctx, b)
}

// queueOver is a queue in which people of b.example have a lane of their own.
func queueOver(e store.Engine) *store.Queue {
	return &store.Queue{Engine: e, Route: func(_ mail.Origin, _ mail.Envelope, r mail.Recipient) []mail.Lane {
		return []mail.Lane{mail.Lane(r.Forward.Domain())}
	}}
}

// everybody lists the recipients of all records, in order.
func everybody(t *testing.T, e store.Engine) (all []string) {
	t.Helper()
	for l, err := range e.List(ctx, store.Filter{}) {
		must(t, err)
		for _, x := range l.Record.Recipients {
			all = append(all, string(x.Forward))
		}
	}
	slices.Sort(all)
	return all
}

// A kill at any instant of an edit that parts the recipients of a message leaves it as it was, or as it should be: a file
// that was made for the part is not taken for a message that came by a listener and has lost its record.
func TestKilledWhileParting(t *testing.T) {
	r := openRig(t, newDir(t))
	var states []string
	crash := func(*store.Batch) { states = append(states, r.crash()) }
	q := queueOver(before{r.Engine, func(b *store.Batch) { crash(b) }})
	m := &mail.Message{Content: mail.Text("Subject: x\r\n\r\nx\r\n"), Envelope: mail.Envelope{Reverse: "a@example.org",
		Recipients: []mail.Recipient{{Forward: "x@a.example"}, {Forward: "y@a.example"}}}}
	if rep := q.Deliver(ctx, m); !rep.Done(2) {
		t.Fatal(rep)
	}
	states = nil
	e := store.Edit{Replace: []store.Replacement{{Old: "y@a.example", New: "z@b.example"}}}
	must(t, q.Edit(ctx, m.ID, e, nil))
	crash(nil)
	if len(states) != 3 { // the note, the commit, and the end
		t.Fatal(len(states))
	}
	old, edited := []string{"x@a.example", "y@a.example"}, []string{"x@a.example", "z@b.example"}
	for i, dir := range states {
		want := old
		if i == len(states)-1 {
			want = edited
		}
		d := openRig(t, dir)
		if got := everybody(t, d); !slices.Equal(got, want) {
			t.Errorf("killed before commit %d: %v", i+1, got)
		}
		q := queueOver(d.Engine)
		must(t, q.Resume(ctx))
		for n := range d.Notes(ctx, store.SpaceSplit, "") {
			t.Errorf("killed before commit %d: a note is left: %v", i+1, n)
		}
		if i < len(states)-1 {
			must(t, q.Edit(ctx, m.ID, e, nil))
		}
		if got := everybody(t, d); !slices.Equal(got, edited) {
			t.Errorf("killed before commit %d, and edited again: %v", i+1, got)
		}
		files := glob(t, filepath.Join(dir, "spool", "*", "*"))
		if len(files) != 2 {
			t.Errorf("killed before commit %d: %d files", i+1, len(files))
		}
	}
}

// A kill at any instant of a fall-back that not all recipients take part in leaves each of them in one lane, and the fall-back
// that is made again after it brings nobody to the other lane twice.
func TestKilledWhileFallingBack(t *testing.T) {
	r := openRig(t, newDir(t))
	var states []string
	over := func(e store.Engine) *store.Queue {
		return &store.Queue{Engine: e,
			Route: func(_ mail.Origin, _ mail.Envelope, r mail.Recipient) []mail.Lane {
				if r.Forward == "x@a.example" {
					return []mail.Lane{"away", "spare"}
				}
				return []mail.Lane{"away"}
			},
			Fallback: func(l mail.Lane) store.Fallback {
				if l == "away" {
					return store.Fallback{To: "spare"}
				}
				return store.Fallback{}
			}}
	}
	q := over(before{r.Engine, func(*store.Batch) { states = append(states, r.crash()) }})
	m := &mail.Message{Content: mail.Text("Subject: x\r\n\r\nx\r\n"), Envelope: mail.Envelope{Reverse: "a@example.org",
		Recipients: []mail.Recipient{{Forward: "x@a.example"}, {Forward: "y@a.example"}}}}
	if rep := q.Deliver(ctx, m); !rep.Done(2) {
		t.Fatal(rep)
	}
	d, err := q.Lane("away").Open(ctx)
	must(t, err)
	for m, err := range d.Messages(ctx, nil) {
		must(t, err)
		must(t, d.Settle(ctx, m, mail.Report{{Reply: "451 later"}, {Reply: "451 later"}}))
	}
	must(t, d.Close())
	states = nil
	if n, err := q.FallBack(ctx, "away"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	states = append(states, r.crash())
	if len(states) != 3 { // the note, the commit, and the end
		t.Fatal(len(states))
	}
	for i, dir := range states {
		e := openRig(t, dir)
		q := over(e.Engine)
		must(t, q.Resume(ctx))
		for range 2 {
			_, err := q.FallBack(ctx, "away")
			must(t, err)
		}
		var all []string
		for l, err := range e.List(ctx, store.Filter{}) {
			must(t, err)
			for _, x := range l.Record.Recipients {
				all = append(all, fmt.Sprint(l.Record.Lane, " ", x.Forward))
			}
		}
		if slices.Sort(all); fmt.Sprint(all) != "[away <x@a.example> spare <x@a.example> spare <y@a.example>]" {
			t.Errorf("killed before commit %d: %v", i+1, all)
		}
		if files := glob(t, filepath.Join(dir, "spool", "*", "*")); len(files) != 3 {
			t.Errorf("killed before commit %d: %d files", i+1, len(files))
		}
	}
}

// In a rebuild the file of a report is removed only if what it reports on is attempted again, not if that has ended.
func TestReportOfWhatHasEnded(t *testing.T) {
	r := openRig(t, newDir(t))
	parent := r.fill(1)[0]
	x := r.record("")
	x.Origin, x.Parent, x.Reverse = mail.Origin{}, parent.ID, ""
	r.stage(&x, octets(9))
	parent.Recipients = append(parent.Recipients, store.Recipient{Recipient: mail.Recipient{Forward: "b@kroon.co.za"}})
	r.commit(&store.Batch{Put: []store.Record{x, parent}})
	r.commit(&store.Batch{Remove: []mail.ID{parent.ID}}) // only in the file of endings, yet
	dir := r.crash()
	if _, err := os.Stat(spoolFile(dir, parent.ID)); err != nil {
		t.Fatal(err)
	}
	must(t, os.RemoveAll(filepath.Join(dir, "db")))
	d := openRig(t, dir)
	if got := fmt.Sprint(everybody(t, d)); got != "[jaco@kroon.co.za]" {
		t.Error(got)
	}
	if _, err := d.Get(ctx, x.ID); err != nil {
		t.Error("the report:", err)
	}
}

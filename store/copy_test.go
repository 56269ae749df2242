package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"mailretr/store/mail"
)

// twins are messages of one body, each with its own header, for the recipients of the same place.
func twins(to ...mail.Path) (all []*mail.Message) {
	for i, p := range to {
		m := message(fmt.Sprint(i+1), "a@b.example", p)
		m.Content = &text{b: fmt.Appendf(nil, "Envelope-To: %s\r\nSubject: one\r\n\r\nthe body of all\r\n", p)}
		all = append(all, m)
	}
	return all
}

func to(m *mail.Message) []mail.Recipient { return m.Envelope.Recipients }

// Copies are committed with the first, or nobody is.
func TestCopy(t *testing.T) {
	w := newWorld(t)
	all := twins("x@a.example", "y@a.example", "z@b.example")
	b := w.Batch().(mail.Copier)
	if err := b.Add(t.Context(), all[0]); err != nil {
		t.Fatal(err)
	}
	for _, m := range all[1:] {
		if err := b.Copy(t.Context(), m, all[0], to(m)); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range b.Commit(t.Context()) {
		if !r.Done(1) || all[i].ID.Zero() {
			t.Errorf("%d: %v", i, r)
		}
	}
	for i, m := range all {
		if n := m.Content.(*text).read; n != 1-min(i, 1) {
			t.Errorf("the content of %d was opened %d times", i, n)
		}
		if mark := w.mem.disk.marks["acc"][m.Origin.UID]; mark.Mark != Taken || mark.Size != m.Content.Size() {
			t.Errorf("mark of %d: %+v", i, mark)
		}
	}
	var got [][]byte
	collect := func(m *mail.Message) mail.Report { got = append(got, read(t, m)); return mail.Report{yes} }
	w.pass("main", collect)
	w.pass("b.example", collect)
	for _, m := range all {
		if !slices.ContainsFunc(got, func(b []byte) bool { return bytes.Equal(b, m.Content.(*text).b) }) {
			t.Errorf("%s was not delivered as it is: %q", m.Origin.UID, got)
		}
	}
	// What has a mark under one name is known by its content under another one, copies too.
	w.choose("INBOX/2/1", func(l *Listing) { l.Folders = []string{"INBOX"} })
	key := w.ContentKey(all[1].Content.(*text).b[:len("Envelope-To: y@a.example\r\nSubject: one\r\n\r\n")], all[1].Content.Size())
	if have, err := w.Known(t.Context(), "acc", key); have != Taken || err != nil {
		t.Errorf("the copy is %v by its content, %v", have, err)
	}
}

// A copy that adds nobody is only marked; one after the commit takes the octets out of the queue.
func TestCopyLater(t *testing.T) {
	w := newWorld(t)
	all := twins("x@a.example", "x@a.example", "y@a.example", "y@a.example")
	w.put(all[0])
	b := w.Batch().(mail.Copier)
	for i, some := range [][]mail.Recipient{nil, to(all[2])} {
		if err := b.Copy(t.Context(), all[i+1], all[0], some); err != nil {
			t.Fatal(err)
		}
	}
	if r := b.Commit(t.Context()); len(r) != 2 || !r[0].Done(1) || !r[1].Done(1) {
		t.Error(r)
	}
	if n := len(w.records()); n != 2 {
		t.Errorf("%d records", n)
	}
	w.chosen(w.choose("1 2 3 4"), "4", "1 2 3")
	if n := w.pass("main", always(yes)); n != 2 {
		t.Errorf("%d deliveries", n)
	}
	if err := b.Copy(t.Context(), all[3], all[0], to(all[3])); !errors.Is(err, errFirstGone) {
		t.Errorf("of what was delivered: %v", err)
	}
	if err := b.Copy(t.Context(), all[3], message("9", "a@b.example", "x@a.example"), nil); !errors.Is(err, errFirstGone) {
		t.Errorf("of what was never here: %v", err)
	}
	if r := b.Commit(t.Context()); len(r) != 0 {
		t.Error(r)
	}
	if err := b.Copy(t.Context(), all[3], all[0], nil); err != nil {
		t.Errorf("of what was delivered, for nobody else: %v", err)
	}
	if r := b.Commit(t.Context()); len(r) != 1 || !r[0].Done(1) || len(w.records()) != 0 {
		t.Error(r)
	}
	w.chosen(w.choose("1 2 3 4"), "", "1 2 3 4")
}

// What does not agree is no copy.
func TestCopyOfAnotherSize(t *testing.T) {
	w := newWorld(t)
	all := twins("x@a.example", "y@a.example")
	all[1].Content.(*text).size = int64(len(all[1].Content.(*text).b)) + 1
	b := w.Batch().(mail.Copier)
	if err := b.Add(t.Context(), all[0]); err != nil {
		t.Fatal(err)
	}
	if err := b.Copy(t.Context(), all[1], all[0], to(all[1])); !errors.Is(err, errOtherSize) {
		t.Error(err)
	}
	if err := b.Copy(t.Context(), all[1], all[0], nil); !errors.Is(err, errOtherSize) {
		t.Error(err)
	}
	if r := b.Commit(t.Context()); len(r) != 1 || !r[0].Done(1) {
		t.Error(r)
	}
}

// Where the first is not taken, a copy is not either: its recipients may be those whom the first leaves out.
func TestCopyOfWhatIsNotTaken(t *testing.T) {
	for name, keep := range map[string]func(*world){
		"it is known": func(w *world) {
			if err := w.Skip(w.Context(), "acc", uids("1")); err != nil {
				w.Fatal(err)
			}
		},
		"its body is not durable": func(w *world) { w.mem.unsound = true },
	} {
		for _, some := range []bool{false, true} {
			w := newWorld(t)
			all := twins("x@a.example", "y@a.example")
			b := w.Batch().(mail.Copier)
			keep(w)
			if err := b.Add(t.Context(), all[0]); err != nil {
				t.Fatal(err)
			}
			list := to(all[1])
			if !some {
				list = nil
			}
			err := b.Copy(t.Context(), all[1], all[0], list)
			for _, r := range b.Commit(t.Context()) {
				if r.Done(1) {
					t.Errorf("%s: taken all the same", name)
				}
			}
			if mark := w.mem.disk.marks["acc"]["2"]; mark.Mark != Unseen || len(w.records()) != 0 {
				t.Errorf("%s: %v: mark %v, %d records", name, err, mark, len(w.records()))
			}
		}
	}
}

// The same where its content says that it was here before, and is kept.
func TestR13_CopyOfWhatIsKnownByItsContent(t *testing.T) {
	w := newWorld(t)
	w.Keeps = func(mail.Origin, int64) bool { return true }
	inbox := func(l *Listing) { l.Folders, l.Lets = []string{"INBOX"}, false }
	w.choose("INBOX/7/1", inbox)
	all := twins("x@a.example", "x@a.example", "y@a.example")
	all[0].Origin.UID = "INBOX/7/1"
	w.put(all[0])
	w.choose("INBOX/8/1 INBOX/8/2 INBOX/8/3", inbox)
	for i, m := range all {
		m.Origin.UID = mail.UID(fmt.Sprintf("INBOX/8/%d", i+1))
		m.ID = mail.ID{}
	}
	b := w.Batch().(mail.Copier)
	if err := b.Add(t.Context(), all[0]); err != nil {
		t.Fatal(err)
	}
	for i, some := range [][]mail.Recipient{nil, to(all[2])} {
		if err := b.Copy(t.Context(), all[i+1], all[0], some); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range b.Commit(t.Context()) {
		if r.Done(1) {
			t.Errorf("%d was taken", i)
		}
	}
	marks := w.mem.disk.marks["acc"]
	if marks["INBOX/8/1"].Mark != Kept || marks["INBOX/8/3"].Mark != Unseen || len(w.records()) != 1 {
		t.Errorf("%+v, %d records", marks, len(w.records()))
	}
}

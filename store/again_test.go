package store

import (
	"strings"
	"testing"

	"mailretr/store/mail"
)

// A refusal is not told twice because the server has numbered its messages anew, or lists again what it said
// was gone.
func TestR13_RefusedUnderNewNumbers(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		w := newWorld(t)
		w.Keeps = func(mail.Origin, int64) bool { return keeps }
		inbox := func(l *Listing) { l.Folders, l.Lets = []string{"INBOX"}, !keeps }
		w.choose("INBOX/7/1 INBOX/7/2", inbox)
		one, two := message("INBOX/7/1", "a@b.example", "x@a.example"), message("INBOX/7/2", "a@b.example", "x@a.example")
		w.put(two)
		if err := w.Refuse(t.Context(), one, mail.Report{no}); err != nil {
			t.Fatal(err)
		}
		told := len(w.report.told)
		w.choose("INBOX/8/1 INBOX/8/2 INBOX/8/3", inbox)
		for uid, m := range map[mail.UID]*mail.Message{"INBOX/8/1": one, "INBOX/8/2": two} {
			again := message(string(uid), "a@b.example", "x@a.example")
			again.Content = m.Content
			if err := w.Refuse(t.Context(), again, mail.Report{no}); (err != nil) != keeps {
				t.Errorf("keeps %v, %s: %v", keeps, uid, err)
			}
			if n := len(w.report.told); n != told {
				t.Errorf("keeps %v, %s: told %d times, before %d", keeps, uid, n, told)
			}
		}
		want := Taken
		if keeps {
			want = Kept
		}
		if m := w.mem.disk.marks["acc"]; m["INBOX/8/1"].Mark != want || m["INBOX/8/2"].Mark != want {
			t.Errorf("keeps %v: marks %v", keeps, m)
		}
		fresh := message("INBOX/8/3", "a@b.example", "x@a.example")
		if err := w.Refuse(t.Context(), fresh, mail.Report{no}); err != nil || len(w.report.told) != told+1 {
			t.Errorf("keeps %v: what is new: %v, told %d times", keeps, err, len(w.report.told))
		}
	}
}

func TestRefusedListedAgain(t *testing.T) {
	w := newWorld(t)
	w.choose("1")
	m := message("1", "a@b.example", "x@a.example")
	if err := w.Refuse(t.Context(), m, mail.Report{no}); err != nil {
		t.Fatal(err)
	}
	if err := w.Gone(t.Context(), "acc", []mail.UID{"1"}); err != nil {
		t.Fatal(err)
	}
	w.choose("1")
	if err := w.Refuse(t.Context(), m, mail.Report{no}); err != nil || len(w.report.told) != 1 {
		t.Errorf("%v, told %d times", err, len(w.report.told))
	}
}

// R13: a server whose backup was restored has new numbers and old mail, of which we had let go.
func TestR13_RestoredUnderNewNumbers(t *testing.T) {
	w := newWorld(t)
	inbox := func(l *Listing) { l.Folders = []string{"INBOX"} }
	w.choose("INBOX/7/1", inbox)
	m := message("INBOX/7/1", "", "x@a.example")
	w.put(m)
	w.pass("main", always(yes))
	if err := w.Gone(t.Context(), "acc", []mail.UID{"INBOX/7/1"}); err != nil {
		t.Fatal(err)
	}
	w.choose("INBOX/8/1", inbox)
	again := message("INBOX/8/1", "", "x@a.example")
	again.Content = m.Content
	w.put(again) // Delivered, so that it is let go of
	if n := len(w.records()); n != 0 {
		t.Errorf("%d records: it is delivered twice", n)
	}
}

// Two maildrops may have different folders of one account: what one has found out is not forgotten because the
// other begins.
func TestDoubtsOfAnotherFolder(t *testing.T) {
	w := newWorld(t)
	in := func(f string) func(*Listing) { return func(l *Listing) { l.Folders = []string{f} } }
	w.choose("INBOX/7/1", in("INBOX"))
	m := message("INBOX/7/1", "", "x@a.example")
	w.put(m)
	w.choose("INBOX/8/1", in("INBOX"))
	w.choose("Junk/5/1", in("Junk"))
	again := message("INBOX/8/1", "", "x@a.example")
	again.Content = m.Content
	w.put(again)
	if n := len(w.records()); n != 1 {
		t.Errorf("%d records", n)
	}
}

// Each maildrop says for its own folders what happens to mail that is there, also where another maildrop has met
// the account with others.
func TestFirstOfAnotherFolder(t *testing.T) {
	w := newWorld(t)
	in := func(f string, first First) func(*Listing) {
		return func(l *Listing) { l.Folders, l.First, l.Complete = []string{f}, first, true }
	}
	w.chosen(w.choose("INBOX/7/1", in("INBOX", FirstAll)), "INBOX/7/1", "")
	c := w.choose("Junk/a/5/1 Junk/a/5/2", in("Junk/a", FirstNew))
	if w.chosen(c, "", ""); c.Known != 2 {
		t.Errorf("%+v", c)
	}
	w.chosen(w.choose("Junk/a/5/1 Junk/a/5/2 Junk/a/5/3", in("Junk/a", FirstAll)), "Junk/a/5/3", "")
	// A new numbering is no new folder.
	w.chosen(w.choose("INBOX/8/1", in("INBOX", FirstNew)), "INBOX/8/1", "")
}

// R6: a header section that was within the limit at the door can be delivered, although its bare LFs made it longer.
func TestR6_HeaderThatGrew(t *testing.T) {
	w := newWorld(t)
	m := message("1", "a@b.example", "x@a.example")
	m.Content = &text{b: []byte(strings.Repeat("X: y\n", mail.MaxHeader/5) + "\nbody\n")}
	w.put(m)
	n := 0
	w.pass("main", func(m *mail.Message) mail.Report {
		h, err := m.Content.Header(t.Context())
		if n = len(h); err != nil {
			t.Error(err)
		}
		return mail.Same(1, yes)
	})
	if n <= mail.MaxHeader {
		t.Errorf("a header of %d octets", n)
	}
}

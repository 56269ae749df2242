package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// grown is a message that is announced with another size than it had.
func grown(uid string, size int64) *mail.Message {
	m := message(uid, "", "x@a.example")
	m.Content = &resized{m.Content, size}
	return m
}

type resized struct {
	mail.Content
	size int64
}

func (r *resized) Size() int64 { return r.size }

// R24: a server announces another size in the session after a deletion was lost. The message is known by its header and let
// go of; its body does not cross the line, and it is not queued again, not even where headers cannot be had. Another
// message under the same UID is collected.
func TestR24_SizeChanges(t *testing.T) {
	for _, c := range []struct {
		name   string
		header bool // Recognize can be asked
		other  bool
	}{{"by header", true, false}, {"whole", false, false}, {"another one", true, true}, {"another one, whole", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.choose("1")
			w.put(grown("1", 1000))
			again := grown("1", 1017)
			if c.other {
				again.Content = &resized{message("2", "", "x@a.example").Content, 1017}
			}
			size := func(l *Listing) { l.Size = func(mail.UID) int64 { return 1017 } }
			got := w.choose("1", size)
			if w.chosen(got, "1", ""); words(got.Check) != "1" {
				t.Fatalf("check %v", got.Check)
			}
			if c.header {
				known, release, err := w.Recognize(t.Context(), []*mail.Message{{Origin: again.Origin, Content: headerOnly{again.Content}}})
				if err != nil || (len(known) == 1) == c.other || len(release) != len(known) {
					t.Errorf("recognized %v, to be let go of %v, %v", known, release, err)
				}
			}
			if !c.header || c.other {
				if r := w.Deliver(t.Context(), again); !r.Done(1) {
					t.Errorf("%v", r)
				}
			}
			if n := len(w.records()); n != map[bool]int{false: 1, true: 2}[c.other] {
				t.Errorf("%d records", n)
			}
		})
	}
}

// R13: a server that gives new unique-ids to mail that is kept: headers are looked at, and none of it is collected again.
func TestR13_Renumbered(t *testing.T) {
	w := newWorld(t)
	w.Keeps = func(mail.Origin, int64) bool { return true }
	w.choose("a b", keeps)
	w.put(message("a", "", "x@a.example"))
	w.put(message("b", "", "x@a.example"))
	c := w.choose("a b new", keeps)
	if w.chosen(c, "new", ""); len(c.Check) > 0 {
		t.Errorf("one of three is new, check %v", c.Check)
	}
	for _, list := range []string{"c d e", "f g h"} { // again and again
		if c = w.choose(list, keeps); len(c.Check) != 3 {
			t.Fatalf("check %v", c.Check)
		}
		u := uids(list)
		old, fresh := message("a", "", "x@a.example"), message("new", "", "x@a.example")
		m, n := message(string(u[0]), "", "x@a.example"), message(string(u[2]), "", "x@a.example")
		m.Content, n.Content = old.Content, fresh.Content
		known, release, err := w.Recognize(t.Context(), []*mail.Message{m, n})
		if err != nil || !slices.Contains(known, u[0]) || len(release) > 0 {
			t.Errorf("recognized %v, to be let go of %v, %v", known, release, err)
		}
		w.Deliver(t.Context(), n)
		if n := len(w.records()); n != 3 {
			t.Errorf("%d records", n)
		}
	}
	w.clock.add(time.Hour)
	if c = w.choose("f g h i", keeps); len(c.Check) > 0 {
		t.Errorf("some are known, check %v", c.Check)
	}
}

// R12: a unique-id that another message has got as well is an identity no more, and the message that had it is known by
// its content.
func TestR12_TwiceLater(t *testing.T) {
	w := newWorld(t)
	w.Keeps = func(mail.Origin, int64) bool { return true }
	w.choose("x", keeps)
	w.put(message("x", "", "x@a.example"))
	c := w.choose("=1 =2 =2.2", keeps)
	if words(c.Check) != "=1 =2 =2.2" { // nothing of what is kept is named at all
		t.Errorf("check %v", c.Check)
	}
	w.put(message("y", "", "x@a.example"))
	c = w.choose("y =1 =2 =2.2", keeps)
	if w.chosen(c, "=1 =2 =2.2", ""); words(c.Check) != "=1 =2" {
		t.Errorf("check %v", c.Check)
	}
	m := message("=1", "", "x@a.example")
	m.Content = message("x", "", "x@a.example").Content
	known, release, err := w.Recognize(t.Context(), []*mail.Message{m})
	if fmt.Sprint(known, release, err) != "[=1] [] <nil>" {
		t.Errorf("recognized %v, to be let go of %v, %v", known, release, err)
	}
}

// cameAt reads the field X-Came, as Queue.Came.
func cameAt(header []byte) time.Time {
	_, s, _ := strings.Cut(string(header), "X-Came: ")
	s, _, _ = strings.Cut(s, "\r\n")
	at, _ := time.Parse(time.RFC3339, s)
	return at
}

// R13: what was left at first contact is left when it gets new names; of such mail nothing but the name is known, so what
// counts is when it came. What came since is collected.
func TestR13_LeftUnderNewNames(t *testing.T) {
	list := func(prefix string, n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprint(prefix, i+1))
		}
		return all
	}
	folder := func(l *Listing) { l.Folders = []string{"INBOX"} }
	labels := func(l *Listing) { l.Folders, l.Copies = []string{"INBOX", "Lists"}, true }
	for _, c := range []struct {
		name   string
		before string // what UIDs begin with
		behind [2]string
		how    func(*Listing)
	}{
		{"IMAP, deleted", "INBOX/7/", [2]string{"INBOX/8/", "INBOX/9/"}, folder},
		{"IMAP, kept", "INBOX/7/", [2]string{"INBOX/8/", "INBOX/9/"}, func(l *Listing) { folder(l); keeps(l) }},
		{"labels, deleted", "INBOX/7/", [2]string{"INBOX/8/", "INBOX/9/"}, labels},
		{"labels, kept", "INBOX/7/", [2]string{"INBOX/8/", "INBOX/9/"}, func(l *Listing) { labels(l); keeps(l) }},
		{"a label that is new", "INBOX/7/", [2]string{"Lists/1/", "Lists/2/"}, labels},
		{"POP3, deleted", "a", [2]string{"b", "c"}, func(*Listing) {}},
		{"POP3, kept", "a", [2]string{"b", "c"}, keeps},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.Came = cameAt
			met := w.clock.now()
			w.choose(strings.Join(list(c.before, 30), " "), c.how, func(l *Listing) { l.First = FirstNew })
			w.clock.add(time.Hour)
			for _, prefix := range c.behind { // once, and once more
				names := list(prefix, 31)
				got := w.choose(strings.Join(names, " "), c.how)
				if len(got.Check) != 31 {
					t.Fatalf("%d are checked", len(got.Check))
				}
				var all []*mail.Message
				for i, u := range names {
					m, came := message(u, "", "x@a.example"), met.Add(time.Duration(i-30)*time.Hour)
					if i == 30 {
						came = met.Add(time.Minute)
					}
					m.Content = &text{b: fmt.Appendf(nil, "X-Came: %s\r\nSubject: %d\r\n\r\n", came.Format(time.RFC3339), i)}
					all = append(all, m)
				}
				known, release, err := w.Recognize(t.Context(), all)
				if err != nil || len(known) != 30 || slices.Contains(known, mail.UID(names[30])) || len(release) > 0 {
					t.Fatalf("known are %v, to be let go of %v, %v", known, release, err)
				}
			}
		})
	}
}

// R13: under labels, old mail that is left is collected when somebody gives it one that was there before, and new mail under
// whatever label; old mail is left under a label that was made since, also when nothing is marked any more under the names
// that it had at first contact. Who has all marks forgotten gets it.
func TestR13_LabelsOfWhatWasLeft(t *testing.T) {
	w := newWorld(t)
	w.Came = cameAt
	labels := func(l *Listing) { l.Folders, l.Copies = []string{"INBOX", "Lists", "New"}, true }
	met := w.clock.now()
	w.choose("INBOX/7/1 INBOX/7/2 Lists/3/1", labels, func(l *Listing) { l.First = FirstNew })
	w.clock.add(time.Hour)
	recognized := func(all string, came ...time.Time) (known []mail.UID) {
		t.Helper()
		var ms []*mail.Message
		for i, u := range uids(all) {
			m := message(string(u), "", "x@a.example")
			m.Content = &text{b: fmt.Appendf(nil, "X-Came: %s\r\nSubject: %d\r\n\r\n", came[i].Format(time.RFC3339), came[i].Unix())}
			ms = append(ms, m)
		}
		known, release, err := w.Recognize(t.Context(), ms)
		if err != nil || len(release) > 0 {
			t.Errorf("to be let go of %v, %v", release, err)
		}
		return known
	}
	old, later := met.Add(-time.Hour), met.Add(time.Minute)
	c := w.choose("INBOX/7/1 INBOX/7/2 Lists/3/1 Lists/3/2 New/1/1 New/1/2", labels)
	if words(c.Check) != "Lists/3/2 New/1/1 New/1/2" {
		t.Fatalf("check %v", c.Check)
	}
	if known := recognized("Lists/3/2 New/1/1 New/1/2", old.Add(time.Second), old, later); words(known) != "New/1/1" {
		t.Errorf("left is %v", known)
	}
	// INBOX is made anew, and what it was called is forgotten.
	w.choose("INBOX/8/1 INBOX/8/2 New/1/1", labels)
	if known := recognized("INBOX/8/1 INBOX/8/2", old.Add(2*time.Second), old.Add(3*time.Second)); len(known) != 2 {
		t.Errorf("left is %v", known)
	}
	w.Forget(t.Context(), "acc", uids("INBOX/7/1 INBOX/7/2 Lists/3/1"))
	w.choose("INBOX/8/1 INBOX/8/2 New/9/1", labels)
	if known := recognized("New/9/1", old.Add(4*time.Second)); len(known) != 1 {
		t.Errorf("left is %v", known)
	}
	w.Forget(t.Context(), "acc", uids("INBOX/8/1 INBOX/8/2 New/1/1 New/9/1"))
	w.choose("INBOX/8/1 INBOX/8/2 New/9/1", labels)
	if known := recognized("New/9/1", old.Add(4*time.Second)); len(known) != 0 {
		t.Errorf("somebody wants it, and left is %v", known)
	}
}

// INTERNALDATE tells what a header does not.
func TestR13_LeftByInternalDate(t *testing.T) {
	w := newWorld(t)
	w.Came = cameAt
	folder := func(l *Listing) { l.Folders = []string{"INBOX"} }
	w.choose("INBOX/7/1", folder, func(l *Listing) { l.First = FirstNew })
	met := w.clock.now()
	w.clock.add(time.Hour)
	w.choose("INBOX/8/1 INBOX/8/2", folder)
	old, later := message("INBOX/8/1", "", "x@a.example"), message("INBOX/8/2", "", "x@a.example")
	old.Origin.Date, later.Origin.Date = met.Add(-time.Hour), met.Add(time.Minute)
	known, _, err := w.Recognize(t.Context(), []*mail.Message{old, later})
	if words(known) != "INBOX/8/1" || err != nil {
		t.Errorf("left is %v, %v", known, err)
	}
}

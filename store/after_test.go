package store

import (
	"slices"
	"testing"
	"time"

	"mailretr/store/mail"
)

// after is a policy in a listing.
func after(lets, stays bool, days int, above int64) func(*Listing) {
	return func(l *Listing) { l.Lets, l.Stays, l.Days, l.Above = lets, stays, days, above }
}

// What was collected and kept does not follow a later policy that lets go before somebody says so, and it is
// told how many these are; under whatever policy it was kept.
func TestKeptDoesNotFollow(t *testing.T) {
	for name, x := range map[string]struct {
		then    func(*Listing)
		confirm int
		follows string
	}{
		"delete":             {after(true, false, 0, 0), 1, "1"},
		"delete after days":  {after(true, false, 14, 0), 1, ""}, // its days are not over
		"delete above less":  {after(true, false, 0, 10), 1, "1"},
		"delete above more":  {after(true, false, 0, 1<<20), 0, ""},
		"seen":               {after(true, true, 0, 0), 0, ""},
		"keep":               {after(false, false, 0, 0), 0, ""},
		"seen, in that case": {after(true, true, 0, 10), 0, ""},
	} {
		w := newWorld(t)
		w.Keeps = func(mail.Origin, int64) bool { return true }
		w.choose("1")
		w.put(message("1", "", "x@a.example"))
		c := w.choose("1", x.then)
		w.chosen(c, "", "")
		if c.Kept != 1 || c.Confirm != x.confirm {
			t.Errorf("%s: %+v", name, c)
		}
		if err := w.Follow(t.Context(), "acc"); err != nil {
			t.Fatal(err)
		}
		if c = w.choose("1", x.then); words(c.Release) != x.follows || c.Confirm != 0 {
			t.Errorf("%s, after it was said: %+v", name, c)
		}
	}
}

// Somebody's word holds for one change of the policy: what is kept by the next one is kept.
func TestFollowEnds(t *testing.T) {
	for _, back := range []func(*Listing){after(false, false, 0, 0), after(true, true, 0, 0)} {
		w := newWorld(t)
		w.Keeps = func(mail.Origin, int64) bool { return true }
		w.choose("1")
		w.put(message("1", "", "x@a.example"))
		if err := w.Follow(t.Context(), "acc"); err != nil {
			t.Fatal(err)
		}
		w.chosen(w.choose("1"), "", "1")
		w.choose("1", back)
		w.chosen(w.choose("1"), "", "")
	}
}

// Under seen a message is taken until it is marked there, and kept from then on.
func TestStay(t *testing.T) {
	w := newWorld(t)
	seen := after(true, true, 0, 0)
	w.choose("1 2", seen)
	w.put(message("1", "", "x@a.example"))
	w.chosen(w.choose("1", seen), "", "1") // the session broke before it was marked
	if err := w.Stay(t.Context(), "acc", uids("1 2")); err != nil {
		t.Fatal(err)
	}
	w.chosen(w.choose("1 2", seen), "2", "")
	if c := w.choose("1 2"); c.Confirm != 1 || len(c.Release) > 0 {
		t.Errorf("%+v", c)
	}
}

// What is below the size stays, also what was taken before the size was configured.
func TestAbove(t *testing.T) {
	w := newWorld(t)
	m := message("1", "", "x@a.example")
	w.put(m)
	w.chosen(w.choose("1", after(true, false, 0, m.Content.Size())), "", "1")
	c := w.choose("1", after(true, false, 0, m.Content.Size()+1))
	if w.chosen(c, "", ""); c.Kept != 1 || c.Confirm != 0 {
		t.Errorf("%+v", c)
	}
}

// The first day on which something is to be let go of is told, and then it is.
func TestNextIsTheFirstRipe(t *testing.T) {
	w := newWorld(t)
	fortnight := after(true, false, 14, 0)
	if c := w.choose("1 2", fortnight); !c.Next.IsZero() {
		t.Errorf("nothing waits, and next is %v", c.Next)
	}
	w.put(message("1", "", "x@a.example"))
	w.clock.add(3 * 24 * time.Hour)
	w.put(message("2", "", "x@a.example"))
	c := w.choose("1 2", fortnight)
	if c.Later != 2 || c.Next.Sub(w.clock.now()) > 12*24*time.Hour || c.Next.Sub(w.clock.now()) < 11*24*time.Hour {
		t.Errorf("%+v", c)
	}
	w.clock.add(c.Next.Sub(w.clock.now()))
	w.chosen(w.choose("1 2", fortnight), "", "1")
}

// Where folders are labels, one message with two names is queued once, in one batch or in two, and each name
// is let go of.
func TestOneMessageUnderTwoLabels(t *testing.T) {
	labels := func(l *Listing) { l.Folders, l.Copies = []string{"INBOX", "Lists"}, true }
	for _, together := range []bool{true, false} {
		w := newWorld(t)
		c := w.choose("INBOX/7/1 Lists/9/4", labels)
		if slices.Sort(c.Check); words(c.Check) != "INBOX/7/1 Lists/9/4" {
			t.Errorf("check %v", c.Check)
		}
		a := message("INBOX/7/1", "", "x@a.example")
		b := message("Lists/9/4", "", "x@a.example")
		b.Content = a.Content
		batch := w.Batch()
		for _, m := range []*mail.Message{a, b} {
			if err := batch.Add(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if !together {
				batch.Commit(t.Context())
			}
		}
		for _, r := range batch.Commit(t.Context()) {
			if !r.Done(1) {
				t.Errorf("report %v", r)
			}
		}
		if n := len(w.records()); n != 1 {
			t.Errorf("together %v: %d records", together, n)
		}
		w.chosen(w.choose("INBOX/7/1 Lists/9/4", labels), "", "INBOX/7/1 Lists/9/4")
	}
}

// Of two labels on one message only one body is asked for; the other name is told by it in the next session.
func TestOneBodyUnderTwoLabels(t *testing.T) {
	labels := func(l *Listing) { l.Folders, l.Copies = []string{"INBOX", "Lists"}, true }
	w := newWorld(t)
	w.choose("INBOX/7/1 Lists/9/4 Lists/9/5", labels)
	a, b, other := message("INBOX/7/1", "", "x@a.example"), message("Lists/9/4", "", "x@a.example"),
		message("Lists/9/5", "", "x@a.example")
	b.Content = a.Content
	for range 2 { // asked twice in one session
		known, release, err := w.Recognize(t.Context(), []*mail.Message{a, b, other})
		if err != nil || words(known) != "Lists/9/4" || len(release) > 0 {
			t.Fatal(known, release, err)
		}
	}
	w.put(a)
	c := w.choose("INBOX/7/1 Lists/9/4 Lists/9/5", labels)
	w.chosen(c, "Lists/9/4 Lists/9/5", "INBOX/7/1")
	known, release, err := w.Recognize(t.Context(), []*mail.Message{b, other})
	if err != nil || words(known) != "Lists/9/4" || words(release) != "Lists/9/4" {
		t.Error(known, release, err)
	}
}

// What was let go of, or is to be, and turns up in another folder was put there by somebody: it stays there
// until somebody says otherwise. Under a new UIDVALIDITY it is ours as before.
func TestMovedElsewhere(t *testing.T) {
	in := func(f ...string) func(*Listing) { return func(l *Listing) { l.Folders = f } }
	for _, gone := range []bool{true, false} {
		w := newWorld(t)
		w.choose("INBOX/7/1 INBOX/7/2", in("INBOX"))
		a, b := message("INBOX/7/1", "", "x@a.example"), message("INBOX/7/2", "", "x@a.example")
		w.put(a)
		w.put(b)
		if gone {
			if err := w.Gone(t.Context(), "acc", uids("INBOX/7/1 INBOX/7/2")); err != nil {
				t.Fatal(err)
			}
		}
		moved, renumbered := message("Old/3/1", "", "x@a.example"), message("INBOX/8/9", "", "x@a.example")
		moved.Content, renumbered.Content = a.Content, b.Content
		w.choose("Old/3/1 INBOX/8/9", in("INBOX", "Old"))
		known, release, err := w.Recognize(t.Context(), []*mail.Message{moved, renumbered})
		if err != nil || words(known) != "INBOX/8/9 Old/3/1" || words(release) != "INBOX/8/9" {
			t.Errorf("%v: known %v, release %v, %v", gone, known, release, err)
		}
		c := w.choose("Old/3/1 INBOX/8/9", in("INBOX", "Old"))
		if w.chosen(c, "", "INBOX/8/9"); c.Confirm != 1 {
			t.Errorf("%v: %+v", gone, c)
		}
	}
}

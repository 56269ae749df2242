package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

func uids(s string) (all []mail.UID) {
	for _, x := range strings.Fields(s) {
		all = append(all, mail.UID(x))
	}
	return all
}

func words(all []mail.UID) string {
	s := make([]string, len(all))
	for i, u := range all {
		s[i] = string(u)
	}
	slices.Sort(s)
	return strings.Join(s, " ")
}

// choose asks about a complete listing of the account "acc", deleting what was taken.
func (w *world) choose(list string, change ...func(*Listing)) Chosen {
	w.Helper()
	l := Listing{Maildrop: "jaco", Account: "acc", UIDs: uids(list), Complete: true, Lets: true}
	for _, f := range change {
		f(&l)
	}
	c, err := w.Choose(w.Context(), l)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) chosen(c Chosen, fetch, release string) {
	w.Helper()
	if words(c.Fetch) != fetch || words(c.Release) != release {
		w.Errorf("fetch %q, release %q; want %q, %q", words(c.Fetch), words(c.Release), fetch, release)
	}
}

func keeps(l *Listing) { l.Lets = false }

// Each mark has its consequence.
func TestChoose(t *testing.T) {
	w := newWorld(t)
	if c := w.choose("1 2 3"); !c.Fresh || len(c.Check) != 0 {
		t.Errorf("%+v", c)
	} else {
		w.chosen(c, "1 2 3", "")
	}
	w.put(message("1", "", "x@a.example"))
	w.Keeps = func(o mail.Origin, _ int64) bool { return o.UID == "2" }
	w.put(message("2", "", "x@a.example"))
	if err := w.Skip(t.Context(), "acc", uids("3")); err != nil {
		t.Fatal(err)
	}
	c := w.choose("1 2 3 4")
	w.chosen(c, "4", "1")
	if c.Known != 1 || c.Kept != 1 || c.Fresh {
		t.Errorf("%+v", c)
	}
	c = w.choose("1 2 3 4", keeps)
	w.chosen(c, "4", "")
	if c.Kept != 2 || c.Known != 1 {
		t.Errorf("%+v", c)
	}
	if err := w.Follow(t.Context(), "acc"); err != nil {
		t.Fatal(err)
	}
	w.chosen(w.choose("1 2 3 4"), "4", "1 2")
}

// R24: what is confirmed gone and listed again is new, unless its content says otherwise.
func TestR24_LetGo(t *testing.T) {
	w := newWorld(t)
	w.put(message("1", "", "x@a.example"))
	w.put(message("=d", "", "x@a.example"))
	if err := w.Gone(t.Context(), "acc", uids("1 =d 9")); err != nil {
		t.Fatal(err)
	}
	if len(w.mem.disk.marks["acc"]) != 2 {
		t.Error("a mark was made of nothing")
	}
	c := w.choose("1 =d")
	w.chosen(c, "1", "=d") // a derived UID is the content
	if words(c.Check) != "1" {
		t.Errorf("check %v", c.Check)
	}
	w.put(message("1", "", "x@a.example")) // the same: Delivered, and not queued again
	if n := len(w.records()); n != 2 {
		t.Errorf("%d records", n)
	}
	if err := w.Gone(t.Context(), "acc", uids("1")); err != nil {
		t.Fatal(err)
	}
	w.choose("1")
	other := message("1", "", "x@a.example")
	other.Content = &text{b: []byte("Subject: new\r\n\r\n")}
	w.put(other)
	if n := len(w.records()); n != 3 {
		t.Errorf("%d records", n)
	}
}

// Only a size that is the one of the mark leads to a deletion.
func TestReleaseNeedsSize(t *testing.T) {
	w := newWorld(t)
	m := message("1", "", "x@a.example")
	w.put(m)
	size := m.Content.Size()
	of := func(n int64) func(*Listing) {
		return func(l *Listing) { l.Size = func(mail.UID) int64 { return n } }
	}
	w.chosen(w.choose("1", of(size)), "", "1")
	w.chosen(w.choose("1", of(-1)), "", "1")
	w.chosen(w.choose("1", of(size+1)), "1", "")
}

func TestDeleteAfterDays(t *testing.T) {
	w := newWorld(t)
	w.put(message("1", "", "x@a.example"))
	days := func(l *Listing) { l.Days = 14 }
	if c := w.choose("1", days); c.Later != 1 || len(c.Release) > 0 {
		t.Errorf("%+v", c)
	}
	w.clock.add(14*24*time.Hour - time.Second)
	if c := w.choose("1", days); c.Later != 1 || len(c.Release) > 0 {
		t.Errorf("too early: %+v", c)
	}
	w.clock.add(24 * time.Hour)
	w.chosen(w.choose("1", days), "", "1")
}

// A mark knows the day and not the hour: what was taken a minute before midnight stays for its day all the same.
func TestDeleteAfterADay(t *testing.T) {
	w := newWorld(t)
	w.clock.add(24*time.Hour - w.clock.now().Sub(w.clock.now().UTC().Truncate(24*time.Hour)) - time.Minute)
	w.put(message("1", "", "x@a.example"))
	day := func(l *Listing) { l.Days = 1 }
	w.clock.add(2 * time.Minute)
	c := w.choose("1", day)
	if c.Later != 1 || len(c.Release) > 0 {
		t.Fatalf("two minutes later: %+v", c)
	}
	w.clock.add(c.Next.Sub(w.clock.now()))
	w.chosen(w.choose("1", day), "", "1")
}

// first: new is for the first contact only, and atomic.
func TestFirstNew(t *testing.T) {
	w := newWorld(t)
	first := func(l *Listing) { l.First = FirstNew }
	w.mem.fault = func(int, *Batch) (error, bool) { return errors.New("disk"), false }
	if _, err := w.Choose(t.Context(), Listing{Maildrop: "jaco", Account: "acc", UIDs: uids("1 2"),
		Complete: true, First: FirstNew}); err == nil {
		t.Fatal("no error")
	}
	w.mem.fault = nil
	w.mem.commits = 0
	c := w.choose("1 2", first)
	w.chosen(c, "", "")
	if c.Known != 2 || !c.Fresh || w.mem.commits != 2 { // the contact; the listing of the day
		t.Errorf("%+v, %d commits", c, w.mem.commits)
	}
	w.chosen(w.choose("1 2 3", first), "3", "")
	w.use(w.mem.reopen())
	w.chosen(w.choose("1 2 3 4", first), "3 4", "")

	w = newWorld(t) // a listing that is short is waited out, three times
	short := func(l *Listing) { l.First, l.Complete = FirstNew, false }
	for range shortTries {
		if c := w.choose("1", short); c.Ask != AskAgain || c.Pause == "" || len(c.Fetch) > 0 {
			t.Errorf("%+v", c)
		}
	}
	w.chosen(w.choose("1 2", short), "", "")
	w.chosen(w.choose("1 2 3", short), "3", "")

	w = newWorld(t)
	some := func(l *Listing) { l.First, l.Old = FirstSome, func(u mail.UID) bool { return u < "3" } }
	w.chosen(w.choose("1 2 3 4", some), "3 4", "")
	w.chosen(w.choose("1 2 3 4", some), "3 4", "")
}

// Marks are forgotten after 30 days of complete listings without them: not for a short one, not for an
// empty moment.
func TestForget(t *testing.T) {
	w := newWorld(t)
	w.choose("1 2")
	for _, u := range []string{"1", "2", "3"} {
		w.put(message(u, "", "x@a.example"))
	}
	if err := w.Gone(t.Context(), "acc", uids("3")); err != nil {
		t.Fatal(err)
	}
	marks := func() int { return len(w.mem.disk.marks["acc"]) }
	const day = 24 * time.Hour
	for range 29 {
		w.clock.add(day)
		w.choose("1")
	}
	if marks() != 3 {
		t.Fatalf("%d marks after 29 days", marks())
	}
	w.clock.add(day)
	w.choose("1", func(l *Listing) { l.Complete = false })
	if marks() != 3 {
		t.Fatal("an incomplete listing has forgotten marks")
	}
	w.choose("1")
	if marks() != 2 { // 3 was let go of 30 days ago; 2 is missing since yesterday 29 days ago
		t.Fatalf("%d marks after 30 days", marks())
	}
	w.clock.add(day)
	w.choose("1")
	if m := w.mem.disk.marks["acc"]; len(m) != 1 || m["1"].Mark != Taken {
		t.Fatalf("marks %v", m)
	}
	for k := range w.mem.disk.notes {
		if k[0] == spaceMissing {
			t.Errorf("note %v is left", k)
		}
	}
	w.clock.add(day)
	w.choose("") // empty for a moment
	w.clock.add(20 * day)
	w.choose("1")
	w.clock.add(15 * day)
	w.choose("")
	if marks() != 1 {
		t.Error("a mark was forgotten that was listed in between")
	}
}

// A listing of one folder says nothing about another.
func TestForgetFolders(t *testing.T) {
	w := newWorld(t)
	in := func(f string) func(*Listing) { return func(l *Listing) { l.Folders = []string{f} } }
	w.choose("INBOX/7/1", in("INBOX"))
	w.put(message("INBOX/7/1", "", "x@a.example"))
	w.put(message("a/b/9/1", "", "x@a.example"))
	w.choose("", in("INBOX"))
	for range 40 {
		w.clock.add(24 * time.Hour)
		w.choose("", in("INBOX"))
	}
	if m := w.mem.disk.marks["acc"]; len(m) != 1 || m["a/b/9/1"].Mark != Taken {
		t.Errorf("marks %v", m)
	}
}

// R13: under a new UIDVALIDITY what was collected is known by its content.
func TestR13_NewUIDValidity(t *testing.T) {
	w := newWorld(t)
	inbox := func(l *Listing) { l.Folders = []string{"INBOX"} }
	if c := w.choose("INBOX/7/1 INBOX/7/2", inbox); len(c.Check) != 0 {
		t.Errorf("%+v", c)
	}
	one, two := message("INBOX/7/1", "", "x@a.example"), message("INBOX/7/2", "", "x@a.example")
	w.put(one)
	w.put(two)
	c := w.choose("INBOX/8/1 INBOX/8/2 INBOX/8/3", inbox)
	w.chosen(c, "INBOX/8/1 INBOX/8/2 INBOX/8/3", "")
	if len(c.Check) != 3 {
		t.Errorf("check %v", c.Check)
	}
	header, _ := one.Content.Header(t.Context())
	if m, err := w.Known(t.Context(), "acc", w.ContentKey(header, one.Content.Size())); m != Taken ||
		err != nil {
		t.Errorf("%v, %v", m, err)
	}
	again, fresh := message("INBOX/8/1", "", "x@a.example"), message("INBOX/8/3", "", "x@a.example")
	again.Content = one.Content
	headers := &headerOnly{one.Content}
	known, release, err := w.Recognize(t.Context(), []*mail.Message{
		{Origin: again.Origin, Content: headers}, {Origin: fresh.Origin, Content: fresh.Content},
	})
	if fmt.Sprint(known, release, err) != "[INBOX/8/1] [INBOX/8/1] <nil>" {
		t.Errorf("recognized %v, to be let go of %v, %v", known, release, err)
	}
	w.put(again) // Delivered, so that it is let go of
	w.put(fresh)
	if n := len(w.records()); n != 3 {
		t.Errorf("%d records", n)
	}
	c = w.choose("INBOX/8/1 INBOX/8/2 INBOX/8/3", inbox)
	w.chosen(c, "INBOX/8/2", "INBOX/8/1 INBOX/8/3")
	w.clock.add(31 * 24 * time.Hour)
	if c := w.choose("INBOX/8/2 INBOX/8/4", inbox); len(c.Check) != 0 {
		t.Errorf("check %v", c.Check)
	}
}

// headerOnly is a content whose body nobody may ask for.
type headerOnly struct{ mail.Content }

func (headerOnly) Open(context.Context) (io.ReadCloser, error) { panic("the body was asked for") }

// What was kept under the old numbering stays kept: it is neither queued nor reported as ours.
func TestR13_KeptUnderNewNumbers(t *testing.T) {
	w := newWorld(t)
	w.Keeps = func(mail.Origin, int64) bool { return true }
	inbox := func(l *Listing) { l.Folders, l.Lets = []string{"INBOX"}, false }
	w.choose("INBOX/7/1", inbox)
	w.put(message("INBOX/7/1", "", "x@a.example"))
	w.choose("INBOX/8/1", inbox)
	m := message("INBOX/8/1", "", "x@a.example")
	m.Content = message("INBOX/7/1", "", "x@a.example").Content
	here, release, err := w.Recognize(t.Context(), []*mail.Message{m})
	if fmt.Sprint(here, release, err) != "[INBOX/8/1] [] <nil>" {
		t.Errorf("recognized %v, to be let go of %v, %v", here, release, err)
	}
	r := w.Deliver(t.Context(), m)
	var known interface{ Known() bool }
	if r[0].Outcome != mail.Deferred || !errors.As(r[0].Err, &known) || !known.Known() {
		t.Errorf("report %v", r)
	}
	if n := len(w.records()); n != 1 {
		t.Errorf("%d records", n)
	}
	if c := w.choose("INBOX/8/1", inbox); c.Kept != 1 {
		t.Errorf("%+v", c)
	}
}

// Another server under the name of a known maildrop: nothing is collected before somebody has decided.
func TestAdopt(t *testing.T) {
	w := newWorld(t)
	w.choose("1")
	m := message("1", "", "x@a.example")
	w.put(m)
	moved := func(l *Listing) { l.Account = "new" }
	if c := w.choose("A B", moved); c.Ask != AskAdopt || !strings.Contains(c.Pause, "seen adopt jaco") ||
		len(c.Fetch) > 0 {
		t.Fatalf("%+v", c)
	}
	if err := w.Adopt(t.Context(), "nobody", "new"); err == nil {
		t.Error("something was adopted from nothing")
	}
	for range 2 {
		if err := w.Adopt(t.Context(), "jaco", "new"); err != nil {
			t.Fatal(err)
		}
	}
	c := w.choose("A B", moved)
	w.chosen(c, "A B", "")
	if len(c.Check) != 2 {
		t.Errorf("check %v", c.Check)
	}
	a := message("A", "", "x@a.example")
	a.Origin.Account, a.Content = "new", m.Content
	b := message("B", "", "x@a.example")
	b.Origin.Account = "new"
	w.put(a)
	w.put(b)
	if n := len(w.records()); n != 2 {
		t.Errorf("%d records", n)
	}
	w.chosen(w.choose("A B", moved), "", "A B")
}

type rebuiltEngine struct {
	*mem
	at time.Time
}

func (r rebuiltEngine) Rebuilt() (time.Time, bool) { return r.at, true }

// After a rebuild, maildrops that keep mail upstream wait for somebody's word.
func TestAccept(t *testing.T) {
	w := newWorld(t)
	w.Engine = rebuiltEngine{w.mem, w.clock.now()}
	w.clock.add(time.Hour)
	if c := w.choose("1 2", keeps); c.Ask != AskAccept || len(c.Fetch) > 0 {
		t.Fatalf("%+v", c)
	}
	w.chosen(w.choose("1 2", func(l *Listing) { l.Account, l.Maildrop = "other", "other" }), "1 2", "")
	if c := w.choose("1 2", func(l *Listing) {
		l.Account, l.Maildrop, l.First = "third", "third",
			FirstNew
	}); c.Ask != AskAccept {
		t.Errorf("%+v", c)
	}
	if err := w.Accept(t.Context(), "acc"); err != nil {
		t.Fatal(err)
	}
	w.chosen(w.choose("1 2", keeps), "1 2", "")
	w.clock.add(365 * 24 * time.Hour)
	w.chosen(w.choose("1 2", keeps, func(l *Listing) { l.Account, l.Maildrop = "new", "new" }), "1 2", "")
}

// Aside notes: tried again when their time comes or the settings change; ended when the message is taken or
// gone.
func TestAside(t *testing.T) {
	w := newWorld(t)
	w.choose("1 2 3")
	for i, u := range uids("1 2 2") {
		a, err := w.Aside(t.Context(), Aside{
			Account: "acc", UID: u, Maildrop: "jaco", Kind: "envelope", Why: "no header X-Envelope-To",
			Header: []byte("A: b\r\n\r\n"), Size: 700,
			Settings: "s1", Next: w.clock.now().Add(24 * time.Hour),
		})
		if err != nil || a.Tries != 1+i/2 || a.Since.Sub(newClock().t) != time.Duration(min(i, 1))*time.Minute {
			t.Errorf("%+v, %v", a, err)
		}
		w.clock.add(time.Minute)
	}
	s1 := func(l *Listing) { l.Settings = "s1" }
	c := w.choose("1 2 3", s1)
	w.chosen(c, "3", "")
	if len(c.Aside) != 2 || c.Aside[0].Why != "no header X-Envelope-To" || len(c.Aside[0].Header) != 8 {
		t.Errorf("%+v", c.Aside)
	}
	w.chosen(w.choose("1 2 3", func(l *Listing) { l.Settings = "s2" }), "1 2 3", "")
	if len(c.Headers) > 0 {
		t.Errorf("headers of what is not fetched: %v", c.Headers)
	}
	w.clock.add(25 * time.Hour)
	c = w.choose("1 2 3", s1)
	w.chosen(c, "1 2 3", "")
	if len(c.Headers) != 2 || string(c.Headers["2"].Octets) != "A: b\r\n\r\n" || c.Headers["2"].Size != 700 {
		t.Errorf("what was paid for: %v", c.Headers)
	}
	w.put(message("1", "", "x@a.example"))
	if _, ok, err := w.AsideOf(t.Context(), "acc", "1"); ok || err != nil {
		t.Errorf("the note outlives its message: %v", err)
	}
	w.choose("1 3", s1, func(l *Listing) { l.Complete = false })
	if _, ok, _ := w.AsideOf(t.Context(), "acc", "2"); !ok {
		t.Error("an incomplete listing ended a note")
	}
	w.choose("1 3", s1)
	if _, ok, _ := w.AsideOf(t.Context(), "acc", "2"); ok {
		t.Error("the note outlives its message")
	}
	for i := range 3 {
		if _, err := w.Aside(t.Context(), Aside{Account: "acc", UID: mail.UID(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Unaside(t.Context(), "acc", "1"); err != nil {
		t.Fatal(err)
	}
	if err := w.Unaside(t.Context(), "acc"); err != nil {
		t.Fatal(err)
	}
	for a := range w.Asides(t.Context(), "") {
		t.Errorf("left: %+v", a)
	}
}

// R12: whatever a UID looks like, it is its own.
func TestR12_OddUIDs(t *testing.T) {
	w := newWorld(t)
	odd := []mail.UID{"../../etc/passwd", "a:b", "\xff\xfe", "a\x00b", "a", mail.UID(strings.Repeat("x",
		1000)), "A"}
	l := Listing{Maildrop: "jaco", Account: "acc", UIDs: append(slices.Clone(odd), "", "a"), Complete: true,
		Lets: true}
	c, err := w.Choose(t.Context(), l)
	if err != nil || len(c.Fetch) != len(odd) {
		t.Fatalf("%q, %v", c.Fetch, err)
	}
	for _, u := range odd {
		w.put(message(string(u), "", "x@a.example"))
		if _, err := w.Aside(t.Context(), Aside{Account: "acc", UID: u}); err != nil {
			t.Fatal(err)
		}
	}
	if c, err = w.Choose(t.Context(), l); err != nil || len(c.Release) != len(odd) || len(c.Fetch) != 0 {
		t.Errorf("%q, %q, %v", c.Fetch, c.Release, err)
	}
	if met, err := w.Met(t.Context(), "acc"); !met || err != nil {
		t.Errorf("%v, %v", met, err)
	}
	if met, _ := w.Met(t.Context(), "other"); met {
		t.Error("an account that nobody knows")
	}
	if err := w.Forget(t.Context(), "acc", odd[:2]); err != nil {
		t.Fatal(err)
	}
	if c, _ = w.Choose(t.Context(), l); len(c.Fetch) != 2 {
		t.Errorf("%q", c.Fetch)
	}
}

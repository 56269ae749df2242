package status

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"mailretr/store/mail"
)

func taken(w *Follower, n int) (words []string) {
	now, gone := w.Take(n)
	for _, s := range now {
		words = append(words, s.Maildrop+" "+string(s.State))
	}
	for _, name := range gone {
		words = append(words, name+" gone")
	}
	slices.Sort(words)
	return words
}

func wantTaken(t *testing.T, w *Follower, want ...string) {
	t.Helper()
	if got := taken(w, 100); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A follower has each maildrop once, however often it has changed, and gets back what it gives back.
func TestFollow(t *testing.T) {
	now := start
	f := &Folder{Now: func() time.Time { return now }}
	f.Keep([]string{"a", "b"}, nil)
	w, other := f.Follow(), f.Follow()
	wantTaken(t, w, "a never", "b never")
	wantTaken(t, w)
	for range 1000 {
		f.Observe(of("a", well))
	}
	f.Observe(of("b", poll(mail.Auth, 1)))
	if w.Len() != 2 {
		t.Errorf("%d have changed", w.Len())
	}
	drops, gone := w.Take(1)
	w.Return(drops, gone)
	wantTaken(t, w, "a ok", "b login")
	f.Keep([]string{"a", "c"}, nil)
	wantTaken(t, w, "b gone", "c never")
	w.Return(nil, []string{"b"})
	f.Keep([]string{"a", "b", "c"}, nil) // it came back meanwhile
	wantTaken(t, w, "b never")
	w.All()
	wantTaken(t, w, "a ok", "b never", "c never")
	f.Unfollow(w)
	f.Observe(of("a", well))
	wantTaken(t, w)
	wantTaken(t, other, "a ok", "b never", "c never")
	if names := f.Names(); len(names) != 3 || !names["c"] {
		t.Errorf("%v", names)
	}
}

// What nobody has visited becomes late without an event, and is seen within a minute, once.
func TestFollowSeesLate(t *testing.T) {
	now := start
	f := &Folder{Now: func() time.Time { return now }}
	e := well
	e.Next = start.Add(5 * time.Minute)
	f.Observe(of("a", e))
	w := f.Follow()
	wantTaken(t, w, "a ok")
	now = start.Add(19 * time.Minute)
	wantTaken(t, w)
	now = start.Add(21 * time.Minute)
	wantTaken(t, w, "a late")
	now = start.Add(30 * time.Minute)
	wantTaken(t, w)
	e = of("a", e)
	e.At, e.Next = now, now.Add(5*time.Minute)
	f.Observe(e)
	wantTaken(t, w, "a ok")
}

// Each state has a sentence, and a trouble its class, also while it is too young to be more than late.
func TestWordsAndClass(t *testing.T) {
	for _, x := range []struct {
		e            mail.Event
		words, class string
	}{
		{well, wordsOK, ""},
		{poll(mail.Auth, 1), meanings[mail.Auth].wrong, "auth"},
		{poll(mail.Unreachable, 1), meanings[mail.Unreachable].wrong, "unreachable"},
		{poll(mail.Insecure, 1), meanings[mail.Insecure].wrong, "tls"},
		{poll(mail.Busy, 1), wordsOK, "busy"},
		{mail.Event{Op: mail.OpVerb, Text: paused}, wordsPause, ""},
		{mail.Event{Op: mail.OpVerb, Text: pausedByOwner}, wordsOwner, ""},
		{mail.Event{Op: mail.OpConfig, Err: errors.New("x")}, wrongEntry, "local"},
		{mail.Event{Op: mail.OpList}, wordsNever, ""},
	} {
		x.e.At = start
		if s := Fold(fresh("a"), x.e).At(start); s.Words != x.words || s.Class != x.class {
			t.Errorf("%s %v: %q, class %q", x.e.Op, x.e.Err, s.Words, s.Class)
		}
	}
	s := Fold(Fold(fresh("a"), of("a", poll(mail.Auth, 1))), of("a", well))
	if s.Class != "" {
		t.Errorf("class %q of one that is well", s.Class)
	}
}

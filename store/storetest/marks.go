package storetest

import (
	"slices"
	"strings"
	"testing"

	"mailretr/store"
	"mailretr/store/mail"
)

// all reads all marks of an account.
func (s *state) all(a mail.Account) (m []store.Seen) {
	s.t.Helper()
	for x, err := range s.e.AllMarks(ctx, a) {
		if err != nil {
			s.t.Fatal("AllMarks:", err)
		}
		m = append(m, x)
	}
	return m
}

func marks(t *testing.T, s *state) {
	want := []store.Seen{
		{Account: "a", UID: "INBOX/7/1", Mark: store.Known, Day: 19000},
		{Account: "a", UID: "INBOX/7/2", Mark: store.Kept, Day: 19001},
		{Account: "a", UID: "INBOX/7/3", Mark: store.Taken, Day: 19002, Size: 1 << 40, Key: [16]byte{1}},
		{Account: "a", UID: "pop1", Mark: store.LetGo, Day: -1},
		{Account: "a", UID: "pop2", Mark: store.Taken, Size: 5, Key: [16]byte{15: 9}},
	}
	s.commit(&store.Batch{Seen: want})
	uids := []mail.UID{"pop2", "INBOX/7/3", "none", "INBOX/7/1", "pop1", "INBOX/7/2", "pop2"}
	for range 2 {
		for i, m := range s.marks("a", uids...) {
			if m.UID != uids[i] || m.Spot == ([16]byte{}) {
				t.Fatalf("UID %q came as %q, spot %x", uids[i], m.UID, m.Spot)
			}
			j := slices.IndexFunc(want, func(x store.Seen) bool { return x.UID == m.UID })
			m.Spot = [16]byte{}
			if j < 0 {
				if m.Mark != store.Unseen {
					t.Fatalf("%q is marked %v", m.UID, m.Mark)
				}
			} else if m != want[j] {
				t.Fatalf("got %+v, want %+v", m, want[j])
			}
		}
		if got := s.all("a"); len(got) != len(want) {
			t.Fatalf("AllMarks: %+v", got)
		}
		if got := s.all("b"); len(got) != 0 {
			t.Fatalf("AllMarks of another account: %+v", got)
		}
		s.reopen()
	}
	forgetBySpot(t, s, len(want))
}

// forgetBySpot does what forgetting does: what a listing does not name goes, by the spot that AllMarks gives.
func forgetBySpot(t *testing.T, s *state, n int) {
	listed := make(map[[16]byte]bool)
	for _, m := range s.marks("a", "pop2", "INBOX/7/1") {
		listed[m.Spot] = true
	}
	var b store.Batch
	for _, m := range s.all("a") {
		if !listed[m.Spot] {
			b.Forget = append(b.Forget, store.Seen{Account: "a", Spot: m.Spot})
		}
	}
	if len(b.Forget) != n-2 {
		t.Fatalf("%d are not listed, want %d", len(b.Forget), n-2)
	}
	s.commit(&b)
	s.wantMark("a", "pop2", store.Taken)
	s.wantMark("a", "INBOX/7/1", store.Known)
	s.wantMark("a", "pop1", store.Unseen)
	s.wantMark("a", "INBOX/7/2", store.Unseen)
}

func contentKeys(t *testing.T, s *state) {
	k1, k2 := [16]byte{1}, [16]byte{2}
	s.commit(&store.Batch{Seen: []store.Seen{
		{Account: "a", UID: "f/1/1", Mark: store.Taken, Size: 10, Key: k1},
		{Account: "a", UID: "f/1/2", Mark: store.LetGo, Size: 10, Key: k1},
		{Account: "b", UID: "x", Mark: store.Kept, Key: k2},
	}})
	sames := func(a mail.Account) (out []store.Mark) {
		t.Helper()
		m, err := s.e.Same(ctx, a, [][16]byte{k1, {}, k2})
		if err != nil || len(m) != 3 {
			t.Fatal("Same:", m, err)
		}
		for _, x := range m {
			out = append(out, x.Mark)
		}
		return out
	}
	want := func(a mail.Account, marks ...store.Mark) {
		t.Helper()
		if got := sames(a); !slices.Equal(got, marks) {
			t.Fatalf("by content in %s: %v, want %v", a, got, marks)
		}
	}
	want("a", store.Taken, store.Unseen, store.Unseen)
	want("b", store.Unseen, store.Unseen, store.Kept)
	s.commit(&store.Batch{Seen: []store.Seen{
		{Account: "a", UID: "f/1/1", Mark: store.Taken, Size: 10, Key: k2},
	}})
	want("a", store.LetGo, store.Unseen, store.Taken)
	s.commit(&store.Batch{Forget: []store.Seen{{Account: "a", UID: "f/1/1"}, {Account: "a", UID: "f/1/2"}}})
	want("a", store.Unseen, store.Unseen, store.Unseen)
	s.reopen()
	want("b", store.Unseen, store.Unseen, store.Kept)
}

// strangeUIDs has UIDs that break whoever puts them into keys or paths as they are.
func strangeUIDs(t *testing.T, s *state) {
	uids := []mail.UID{
		"0", "1", "01", " 1", "../../etc/passwd", "a/b", "a\x00b", "a\x00", "a", "\xff", "\xff\xff", ":", "::",
		"INBOX/1/1", "INBOX/1/01", "INBOX/01/1", "INBOX/1/4294967295", "INBOX/1/4294967296", "INBOX/1/0",
		"INBOX//1",
		"/1/1", "//", "a/b/1/1", "a/b/1/2", "1/1", "INBOX/1/1 ", "INBOX/1/+1", "m/1/1",
		mail.UID(strings.Repeat("x", 71)), mail.UID(strings.Repeat("x", 1000)),
		mail.UID(strings.Repeat("x", 1_000_000)), mail.UID(strings.Repeat("x", 1_000_001)),
		mail.UID(strings.Repeat("x", 1_000_000) + "/1/1"), mail.UID(strings.Repeat("x", 1_000_001) + "/1/1"),
	}
	b := new(store.Batch)
	for i, a := range []mail.Account{"a", "a\x00", "", "aa"} {
		for j, u := range uids {
			m := store.Seen{Account: a, UID: u, Mark: store.Taken, Size: int64(100*i + j + 1), New: true}
			b.Seen = append(b.Seen, m)
		}
	}
	s.commit(b) // New: a collision would be ErrSeen
	s.reopen()
	for i, a := range []mail.Account{"a", "a\x00", "", "aa"} {
		for j, m := range s.marks(a, uids...) {
			if m.Size != int64(100*i+j+1) {
				t.Fatalf("account %q, UID %.20q: size %d", a, uids[j], m.Size)
			}
		}
	}
	if err := s.e.Commit(ctx, &store.Batch{Seen: []store.Seen{{Account: "a", Mark: store.Taken}}}); err == nil {
		t.Fatal("an empty UID was marked")
	}
}

// noNotes asks for notes that are not there.
func noNotes(t *testing.T, s *state, all []store.Note) {
	for _, n := range all {
		if v, err := s.e.Note(ctx, n.Space, n.Owner, n.Key); v != nil || err != nil {
			t.Fatalf("a note that is not there: %q, %v", v, err)
		}
	}
}

func notes(t *testing.T, s *state) {
	long := strings.Repeat("k", 100_000)
	all := []store.Note{
		{Space: "s", Owner: "o", Key: "k", Value: []byte("1")},
		{Space: "s", Owner: "ok", Key: "", Value: []byte("2")},
		{Space: "s", Owner: "", Key: "ok", Value: []byte{}},
		{Space: "so", Owner: "", Key: "k", Value: []byte("4")},
		{Space: "", Owner: "so", Key: "k", Value: []byte("5")},
		{Space: "s", Owner: "o", Key: long, Value: []byte("6")},
		{Space: "s", Owner: "o", Key: long + "k", Value: []byte("7")},
		{Space: "s", Owner: "o\x00\xff", Key: "\x00", Value: []byte("8")},
	}
	s.commit(&store.Batch{Notes: all})
	got := func(space, owner string) (v string) {
		t.Helper()
		var all []string
		for n, err := range s.e.Notes(ctx, space, owner) {
			if err != nil {
				t.Fatal(err)
			}
			if v, err := s.e.Note(ctx, n.Space, n.Owner, n.Key); err != nil || string(v) != string(n.Value) {
				t.Fatalf("asked for alone: %q, %v", v, err)
			}
			if n.Space != space || owner != "" && n.Owner != owner || n.Value == nil {
				t.Fatalf("got %+v", n)
			}
			all = append(all, string(n.Value))
		}
		slices.Sort(all)
		return strings.Join(all, "")
	}
	for range 2 {
		all := []string{got("s", ""), got("s", "o"), got("s", "ok"), got("", "")}
		if !slices.Equal(all, []string{"12678", "167", "2", "5"}) {
			t.Fatal("notes:", all)
		}
		s.reopen()
	}
	noNotes(t, s, []store.Note{{Owner: "so", Key: "none"}, {Space: "s", Owner: "o", Key: long + "x"}, {Space: "s", Key: "k"}})
	for n := range s.e.Notes(ctx, "s", "o") {
		if len(n.Key) > 10 && n.Key != long && n.Key != long+"k" {
			t.Fatal("a long key came back changed")
		}
	}
	s.commit(&store.Batch{Notes: []store.Note{
		{Space: "s", Owner: "o", Key: long}, {Space: "s", Owner: "o", Key: "none"},
	}})
	if v := got("s", "o"); v != "17" {
		t.Fatal("after removal:", v)
	}
	big := store.Note{Space: "s", Key: "big", Value: make([]byte, 256<<10+1)}
	if err := s.e.Commit(ctx, &store.Batch{Notes: []store.Note{big}}); err == nil {
		t.Fatal("a note of more than 256 KiB was taken")
	}
	big.Value = big.Value[:255<<10]
	s.commit(&store.Batch{Notes: []store.Note{big}})
}

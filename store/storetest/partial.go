package storetest

import (
	"errors"
	"io"
	"testing"

	"mailretr/store"
	"mailretr/store/mail"
)

// begin stages the beginning of a body, synced and, where noted, named by a note.
func (s *state) begin(text string, noted bool) (store.Record, store.Body) {
	s.t.Helper()
	r := s.record("jaco")
	b, err := s.e.Stage(ctx, &r)
	if err == nil {
		_, err = io.WriteString(b, text)
	}
	if err == nil {
		err = b.Sync(ctx)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if noted {
		p := store.Partial{
			Account: r.Origin.Account, UID: "INBOX/1/7", ID: r.ID, Size: int64(len(text)), At: s.clock.Now(),
		}
		s.commit(&store.Batch{Notes: []store.Note{p.Note()}})
	}
	return r, b
}

// wantPartial compares the first octets of a body that was left.
func (s *state) wantPartial(id mail.ID, want string) {
	s.t.Helper()
	r, err := s.e.OpenPartial(ctx, id, int64(len(want)))
	if err != nil {
		s.t.Fatal("OpenPartial:", err)
	}
	defer r.Close()
	if got := string(readAll(r)); got != want {
		s.t.Fatalf("the partial body has %d octets, or others than the %d that were synced", len(got), len(want))
	}
}

func (s *state) noPartial(why string, id mail.ID, size int64) {
	s.t.Helper()
	r, err := s.e.OpenPartial(ctx, id, size)
	if err == nil {
		r.Close()
	}
	if !errors.Is(err, store.ErrNotFound) {
		s.t.Fatalf("%s: OpenPartial says %v, want ErrNotFound", why, err)
	}
}

func partialKept(t *testing.T, s *state) {
	want := text(300 << 10)
	left, b := s.begin(want, true)
	if _, err := io.WriteString(b, text(100<<10)); err != nil { // what comes after the sync does not count
		t.Fatal(err)
	}
	if err := b.Leave(); err != nil {
		t.Fatal(err)
	}
	cut, _ := s.begin(want, true) // its process dies
	for range 2 {
		s.reopen()
		s.wantIDs("a body that was begun was adopted")
	}
	// Both notes have one key, so only the last is there.
	s.wantPartial(cut.ID, want)
	s.noPartial("the note names another one now", left.ID, 10)
	s.noPartial("longer than it is", cut.ID, 10<<20)

	r := s.record("jaco")
	s.stage(&r, want)
	s.commit(&store.Batch{Put: []store.Record{r}, Notes: []store.Note{
		{Space: store.SpacePartial, Owner: string(r.Origin.Account), Key: "INBOX/1/7"},
	}})
	for _, id := range []mail.ID{cut.ID, cut.ID, r.ID} { // twice is no error, and a record keeps its body
		if err := s.e.DropPartial(ctx, id); err != nil {
			t.Fatal("DropPartial:", err)
		}
	}
	s.noPartial("dropped", cut.ID, 10)
	if s.octets(r.Body) != want {
		t.Fatal("the body of a record was dropped")
	}
}

func partialWithoutNote(t *testing.T, s *state) {
	r, b := s.begin("one\r\ntwo\r\n", false)
	if err := b.Leave(); err != nil {
		t.Fatal(err)
	}
	s.reopen()
	s.noPartial("nobody names it", r.ID, 3)
	s.wantIDs("a body that was left")
}

// Package storetest is the contract of a store.Engine as a suite, and a wrapper that loses answers.
//
// Every engine passes Run; whoever is written against the interface is tested over Flaky as well. Read Run
// first: its list is the contract in one line each.
package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/mail"
)

// An Opener opens one state, again each time it is called; the engine before must be closed. Routing of
// adopted records is to the lane "adopted".
type Opener func(t testing.TB, now func() time.Time) store.Engine

// Run tests an engine. fresh makes an empty state.
func Run(t *testing.T, fresh func(t testing.TB) Opener) {
	for _, x := range []struct {
		name string
		test func(*testing.T, *state)
	}{
		{"RoundTrip", roundTrip},
		{"AllOrNothing", allOrNothing},
		{"SeenLeavesNothing", seenLeavesNothing},
		{"LetGoIsNew", letGoIsNew},
		{"FencedChangesNothing", fencedChangesNothing},
		{"LeaseRunsOut", leaseRunsOut},
		{"LeaseInDueOrder", leaseInDueOrder},
		{"LeaseByID", leaseByID},
		{"HeldIsNotDue", heldIsNotDue},
		{"RenewAndRelease", renewAndRelease},
		{"SameBatchOnce", sameBatchOnce},
		{"FlakyOnce", flakyOnce},
		{"ContextEnded", contextEnded},
		{"UnnamedBodySwept", unnamedBodySwept},
		{"Discard", discard},
		{"PartialKept", partialKept},
		{"PartialWithoutNote", partialWithoutNote},
		{"BodyOctets", bodyOctets},
		{"S15_AnyOctets", anyOctets},
		{"ListIsStable", listIsStable},
		{"Find", find},
		{"Marks", marks},
		{"ContentKeys", contentKeys},
		{"R12_UIDs", strangeUIDs},
		{"Notes", notes},
		{"LanesAndTotals", lanesAndTotals},
		{"LargeBatch", largeBatch},
		{"TooManyRecipients", tooManyRecipients},
		{"Wake", wake},
		{"Closed", closed},
		{"Parallel", parallel},
		{"Machine", machine},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := &state{t: t, opener: fresh(t), clock: &Clock{at: epoch}}
			s.open()
			defer func() {
				if s.e != nil {
					s.close()
				}
			}()
			x.test(t, s)
		})
	}
}

var epoch = time.Date(2024, 5, 17, 10, 0, 0, 123456789, time.UTC)

// A Clock is set by the test.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// Now returns what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Add moves the clock on.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// A state is one engine under test.
type state struct {
	t      testing.TB
	opener Opener
	clock  *Clock
	e      store.Engine
	serial int
}

func (s *state) open() {
	s.t.Helper()
	s.e = s.opener(s.t, s.clock.Now)
}

func (s *state) close() {
	s.t.Helper()
	if err := s.e.Close(); err != nil {
		s.t.Fatal("Close:", err)
	}
	s.e = nil
}

func (s *state) reopen() {
	s.t.Helper()
	s.close()
	s.open()
}

var ctx = context.Background()

// record makes a record that is due, without a body.
func (s *state) record(maildrop string) store.Record {
	now := s.clock.Now()
	s.serial++
	return store.Record{
		ID: mail.NewID(now.Add(time.Duration(s.serial)), nil), Lane: "mta", Queued: now, Due: now,
		Origin:  mail.Origin{Maildrop: maildrop, Account: mail.Account("acc-" + maildrop)},
		Reverse: "from@example.org", Recipients: []store.Recipient{rcpt("to@example.net")},
	}
}

func rcpt(p mail.Path) store.Recipient { return store.Recipient{Recipient: mail.Recipient{Forward: p}} }

// stage seals a body for a record.
func (s *state) stage(r *store.Record, text string) store.Body {
	s.t.Helper()
	b, err := s.e.Stage(ctx, r)
	if err != nil {
		s.t.Fatal("Stage:", err)
	}
	if _, err := io.WriteString(b, text); err != nil {
		s.t.Fatal("Write:", err)
	}
	if r.Body, r.SHA256, err = b.Seal(ctx); err != nil {
		s.t.Fatal("Seal:", err)
	}
	if r.Size = b.Size(); r.Size != int64(len(text)) || r.SHA256 != sha256.Sum256([]byte(text)) {
		s.t.Fatalf("Seal: %d octets with a wrong hash, or not %d", r.Size, len(text))
	}
	return b
}

func (s *state) commit(b *store.Batch) {
	s.t.Helper()
	if err := s.e.Commit(ctx, b); err != nil {
		s.t.Fatal("Commit:", err)
	}
}

// put commits a record with a body.
func (s *state) put(maildrop, text string) store.Record {
	s.t.Helper()
	r := s.record(maildrop)
	s.stage(&r, text)
	s.commit(&store.Batch{Put: []store.Record{r}})
	return r
}

func (s *state) lease(f store.Filter, n int, ttl time.Duration) []store.Leased {
	s.t.Helper()
	l, _, err := s.e.LeaseMessages(ctx, f, n, ttl)
	if err != nil {
		s.t.Fatal("LeaseMessages:", err)
	}
	return l
}

// ids lists what is queued.
func (s *state) ids(f store.Filter) (ids []mail.ID) {
	s.t.Helper()
	for x, err := range s.e.List(ctx, f) {
		if err != nil {
			s.t.Fatal("List:", err)
		}
		ids = append(ids, x.Record.ID)
	}
	return ids
}

func (s *state) wantIDs(what string, want ...mail.ID) {
	s.t.Helper()
	if got := s.ids(store.Filter{}); !slices.Equal(got, want) {
		s.t.Fatalf("%s: queued are %v, want %v", what, got, want)
	}
}

func (s *state) marks(a mail.Account, uids ...mail.UID) []store.Seen {
	s.t.Helper()
	m, err := s.e.Marks(ctx, a, uids)
	if err != nil || len(m) != len(uids) {
		s.t.Fatalf("Marks of %d: %d, %v", len(uids), len(m), err)
	}
	return m
}

func (s *state) wantMark(a mail.Account, u mail.UID, want store.Mark) {
	s.t.Helper()
	if m := s.marks(a, u)[0]; m.Mark != want || m.UID != u || m.Account != a {
		s.t.Fatalf("mark of %q is %v (%q), want %v", u, m.Mark, m.UID, want)
	}
}

func (s *state) octets(ref store.BodyRef) string {
	s.t.Helper()
	f, err := s.e.OpenBody(ctx, ref)
	if err != nil {
		s.t.Fatal("OpenBody:", err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		s.t.Fatal("reading a body:", err)
	}
	return string(b)
}

// equal compares records by what they say; times by instant.
func equal(a, b store.Record) bool {
	norm := func(r store.Record) store.Record {
		for _, t := range []*time.Time{&r.Queued, &r.Due, &r.Last, &r.Origin.Date, &r.ParentOrigin.Date} {
			*t = instant(*t)
		}
		r.Recipients = slices.Clone(r.Recipients)
		for i := range r.Recipients {
			r.Recipients[i].Since = instant(r.Recipients[i].Since)
			r.Recipients[i].Last.At = instant(r.Recipients[i].Last.At)
		}
		return r
	}
	return same(norm(a), norm(b))
}

func instant(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}

// Flaky loses answers: of each n commits that were made, one is said to be unknown. It is for testing whoever
// has to ask again.
type Flaky struct {
	store.Engine
	N int // 0 and 1: every one; the first is lost, so that a test with one commit meets it

	mu    sync.Mutex
	count int
	Lost  int // answers that were lost; read it when no commit is under way
}

// Commit makes the batch and may deny it.
func (f *Flaky) Commit(ctx context.Context, b *store.Batch) error {
	if err := f.Engine.Commit(ctx, b); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	if f.N > 1 && f.count%f.N != 1 {
		return nil
	}
	f.Lost++
	return store.ErrUnknown
}

// commitSurely is what a caller does with ErrUnknown: the same batch again.
func commitSurely(e store.Engine, b *store.Batch) (tries int, err error) {
	for tries = 1; tries <= 3; tries++ {
		if err = e.Commit(ctx, b); !errors.Is(err, store.ErrUnknown) {
			return tries, err
		}
	}
	return tries, err
}

func text(n int) string { return strings.Repeat("0123456789abcdef\r\n", n/18+1)[:n] }

func readAll(r io.Reader) []byte {
	var b bytes.Buffer
	b.ReadFrom(r)
	return b.Bytes()
}

package notes

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"mailretr/fetch/budget"
	"mailretr/fetch/pop3"
	"mailretr/relay/wire"
	"mailretr/store"
	"mailretr/store/mail"
	"mailretr/store/status"
)

// What each of them is for.
var (
	_ status.Store = Status{}
	_ budget.Store = Traffic{}
	_ pop3.Memory  = &Server{}
	_ wire.Memory  = &Tickets{}
	_ Engine       = store.Engine(nil)
)

// held is an engine that has notes only.
type held struct {
	notes   map[[3]string][]byte
	commits []int // how many notes each had
	fails   error
}

func (h *held) Notes(_ context.Context, space, owner string) iter.Seq2[store.Note, error] {
	return func(yield func(store.Note, error) bool) {
		if h.fails != nil {
			yield(store.Note{}, h.fails)
			return
		}
		for k, v := range h.notes {
			if k[0] == space && (owner == "" || k[1] == owner) &&
				!yield(store.Note{Space: k[0], Owner: k[1], Key: k[2], Value: v}, nil) {
				return
			}
		}
	}
}

func (h *held) Commit(_ context.Context, b *store.Batch) error {
	if h.fails != nil {
		return h.fails
	}
	if h.notes == nil {
		h.notes = map[[3]string][]byte{}
	}
	for _, n := range b.Notes {
		if k := [3]string{n.Space, n.Owner, n.Key}; n.Value == nil {
			delete(h.notes, k)
		} else {
			h.notes[k] = n.Value
		}
	}
	h.commits = append(h.commits, len(b.Notes))
	return nil
}

// names are all notes.
func (h *held) names() (all []string) {
	for k := range h.notes {
		all = append(all, fmt.Sprintf("%s/%s/%s", k[0], k[1], k[2]))
	}
	slices.Sort(all)
	return all
}

// told is an observer that counts.
type told int

func (t *told) Observe(mail.Event) { *t++ }

// The names of notes stand in the states of people: a newer program that called them otherwise would have forgotten all.
func TestNames(t *testing.T) {
	h, ctx := &held{}, t.Context()
	for _, err := range []error{
		Values{h, Poller}.Save(ctx, "jaco", []byte("x")),
		Values{h, Consent}.Save(ctx, "jaco", []byte("x")),
		Status{h}.Save(ctx, map[string][]byte{"jaco": []byte("x")}),
		Traffic{h}.Save(ctx, []budget.Note{{Owner: "jaco", Key: "day", Value: []byte("x")}}),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	Servers{Engine: h}.Of("pop3").Save("mail:110", []byte("x"))
	(&Tickets{Engine: h}).Save("account", []byte("x"))
	want := []string{"oauth/jaco/state", "poller/jaco/state", "server/pop3 mail:110/can", "status/jaco/record",
		"tls/account/session", "traffic/jaco/day"}
	if got := h.names(); !slices.Equal(got, want) {
		t.Errorf("%q\nwant\n%q", got, want)
	}
}

func TestValues(t *testing.T) {
	h, ctx := &held{}, t.Context()
	v, other := Values{h, Poller}, Values{h, Consent}
	if b, err := v.Load(ctx, "jaco"); b != nil || err != nil {
		t.Errorf("nothing was saved: %q %v", b, err)
	}
	if err := v.Save(ctx, "jaco", []byte("a")); err != nil {
		t.Fatal(err)
	}
	if b, err := v.Load(ctx, "jaco"); string(b) != "a" || err != nil {
		t.Errorf("%q %v", b, err)
	}
	if b, err := other.Load(ctx, "jaco"); b != nil || err != nil {
		t.Errorf("another space has it too: %q %v", b, err)
	}
	if err := v.Save(ctx, "jaco", nil); err != nil || len(h.notes) > 0 {
		t.Errorf("%v %q", err, h.names())
	}
	h.fails = errors.New("the disk is gone")
	if _, err := v.Load(ctx, "jaco"); !errors.Is(err, h.fails) {
		t.Error(err)
	}
	if err := v.Save(ctx, "jaco", []byte("b")); !errors.Is(err, h.fails) {
		t.Error(err)
	}
}

// What has not changed is not written, and what cannot be read or written costs turns only.
func TestServers(t *testing.T) {
	h, seen := &held{}, told(0)
	s := Servers{Engine: h, Observe: &seen}
	m := s.Of("pop3")
	m.Save("a", []byte("x"))
	m.Save("a", []byte("x"))
	if len(h.commits) != 1 {
		t.Errorf("%d commits", len(h.commits))
	}
	if b, ok := s.Of("pop3").Load("a"); string(b) != "x" || !ok {
		t.Errorf("%q %v", b, ok)
	}
	if b, ok := s.Of("imap").Load("a"); ok {
		t.Errorf("another protocol has %q", b)
	}
	m.Save("a", []byte{})
	if _, ok := m.Load("a"); ok || len(h.notes) > 0 {
		t.Error("it is not forgotten")
	}
	h.fails = errors.New("the disk is gone")
	if _, ok := m.Load("b"); ok {
		t.Error("it knows what it cannot read")
	}
	if m.Save("b", []byte("x")); seen != 1 {
		t.Errorf("%d events", seen)
	}
	none := Servers{}.Of("pop3") // as check --connect has it
	none.Save("a", []byte("x"))
	if _, ok := none.Load("a"); ok {
		t.Error("there is nowhere to remember it")
	}
}

// Sessions of accounts that nobody names any more are forgotten, however many, in commits of a bounded size.
func TestTicketsKept(t *testing.T) {
	h := &held{}
	tickets := &Tickets{Engine: h}
	for i := range 1000 {
		tickets.Save(fmt.Sprint(i), make([]byte, 8<<10))
	}
	h.commits = nil
	tickets.Keep(map[mail.Account]bool{"7": true})
	if got := h.names(); !slices.Equal(got, []string{"tls/7/session"}) {
		t.Errorf("%d are left, such as %q", len(got), got[:min(3, len(got))])
	}
	if len(h.commits) == 0 || slices.Max(h.commits) > 64 {
		t.Errorf("commits of %d notes", h.commits)
	}
	if _, ok := tickets.Load("7"); !ok {
		t.Error("what is named is forgotten")
	}
	if (*Tickets)(nil).Of("7") == nil {
		t.Error("without a store there are no sessions at all")
	}
}

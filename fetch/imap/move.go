package imap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/store/mail"
)

// copiesAtOnce is how many messages one COPY names: so many may be copied a second time if the process is
// killed at the wrong moment, where the copies cannot be told by their content.
const copiesAtOnce = 100

// letGo does what was configured to the settled messages of a folder, and returns those of which the server
// confirmed it.
func (s *session) letGo(ctx context.Context, f *folder) ([]mail.UID, error) {
	if err := s.enter(f); err != nil {
		return nil, err
	}
	uids := slices.Sorted(maps.Keys(f.settled))
	switch s.o.After {
	case Mark:
		return s.mark(f, uids)
	case Move:
		return s.move(ctx, f, uids)
	}
	return s.expunge(f, uids)
}

// mark sets the flag.
func (s *session) mark(f *folder, uids []goimap.UID) (marked []mail.UID, err error) {
	if err := s.storeFlag(uids, goimap.Flag(s.o.Flag)); err != nil {
		return nil, err
	}
	for _, u := range uids {
		marked = append(marked, f.uid(u))
	}
	return marked, nil
}

// storeFlag adds a flag and waits until the server has done it.
func (s *session) storeFlag(uids []goimap.UID, flag goimap.Flag) error {
	add := &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Silent: true, Flags: []goimap.Flag{flag}}
	for set := range sets(uids) {
		done := s.line.begin(int64(len(uids))*64 + chatter)
		err := s.c.Store(set, add, nil).Close()
		done()
		if err != nil {
			return s.unsettled(err)
		}
	}
	return nil
}

// move puts messages into the target: in one step where the server has MOVE (RFC 6851), else as copies whose
// originals are expunged.
func (s *session) move(ctx context.Context, f *folder, uids []goimap.UID) ([]mail.UID, error) {
	to, err := s.target(ctx)
	if err != nil {
		return nil, err
	}
	if to == f.name {
		return nil, s.odd(f, mail.Local, "mail is to be moved to the folder from which it is collected")
	}
	if !s.caps.Has(goimap.CapMove) {
		if err := s.copyAll(ctx, f, uids, to); err != nil {
			return nil, err
		}
		return s.expunge(f, uids)
	}
	moved := 0
	for set := range sets(uids) {
		err := s.creating(to, func() error {
			data, err := s.c.Move(set, to).Wait()
			if err == nil && data != nil {
				moved += count(data.SourceUIDs, len(uids))
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return s.confirm(f, uids, moved)
}

// count is how many UIDs a set of the server names, 0 where it makes no sense.
func count(set goimap.NumSet, limit int) int {
	s, _ := set.(goimap.UIDSet)
	uids, _ := spread(s, limit)
	return len(uids)
}

// creating sends a command that needs the target, and makes the target where it is missing (RFC 9051, 6.4.7:
// TRYCREATE; some servers say NONEXISTENT).
func (s *session) creating(to string, do func() error) error {
	err := s.answered(do)
	var said *goimap.Error
	if !errors.As(err, &said) || said.Code != goimap.ResponseCodeTryCreate &&
		said.Code != goimap.ResponseCodeNonExistent {
		return s.unsettledOr(err)
	}
	err = s.answered(func() error { return s.c.Create(to, nil).Wait() })
	var refused *goimap.Error
	if errors.As(err, &refused) && refused.Code != goimap.ResponseCodeAlreadyExists {
		t := s.unsettled(err)
		t.Hint = fmt.Sprintf("Make the folder %q there, or name another one.", to)
		return t
	}
	if err != nil && !status(err) {
		return s.unsettled(err)
	}
	// Programs show what is subscribed. Whether they show this folder is not ours to insist on.
	if err := s.answered(func() error { return s.c.Subscribe(to).Wait() }); err != nil && !status(err) {
		return s.unsettled(err)
	}
	return s.unsettledOr(s.answered(do))
}

func (s *session) unsettledOr(err error) error {
	if err == nil {
		return nil
	}
	return s.unsettled(err)
}

// answered runs a command of which the server's answer is short.
func (s *session) answered(do func() error) error {
	defer s.line.begin(16*maxSet + chatter)()
	return do()
}

// copyAll copies what has no copy yet, and marks each original as deleted as soon as its copy is there, together with the
// next copies. So what an earlier session has begun is told by that mark; where it broke just before, by the copy itself.
func (s *session) copyAll(ctx context.Context, f *folder, uids []goimap.UID, to string) error {
	have, err := s.copied(ctx, f, to)
	if err != nil {
		return err
	}
	uids = slices.DeleteFunc(slices.Clone(uids), func(u goimap.UID) bool { return have[u] })
	mark := func() error { return nil }
	for some := range slices.Chunk(uids, copiesAtOnce) {
		marked := make(chan error, 1)
		go func() { marked <- mark() }()
		for set := range sets(some) { // one: there are not more ranges than messages
			err = s.creating(to, func() error {
				data, err := s.c.Copy(set, to).Wait()
				if err == nil {
					s.copiedTo(data)
				}
				return err
			})
		}
		if e := <-marked; e != nil {
			return e
		}
		if err != nil {
			return err
		}
		mark = func() error { return s.storeFlag(some, goimap.FlagDeleted) }
	}
	return mark()
}

// copiedTo notes how far the target is known.
func (s *session) copiedTo(data *goimap.CopyData) {
	t := s.moved
	if data == nil || t == nil || len(data.DestUIDs) == 0 || t.UIDValidity != 0 && t.UIDValidity != data.UIDValidity {
		return
	}
	t.UIDValidity = data.UIDValidity
	for _, r := range data.DestUIDs {
		t.UIDNext = max(t.UIDNext, uint32(r.Stop)+1)
	}
}

package imap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/store/mail"
)

// Settle notes what may be let go of; Close does it, because a message that is gone and whose expunging is
// reported would have its number in the folder's count while others are fetched.
func (s *session) Settle(ctx context.Context, m *mail.Message, r mail.Report) error {
	c, ok := m.Content.(*content)
	if !ok || c.s != s {
		return &mail.Trouble{Op: mail.OpSettle, Kind: mail.Local, Server: s.server(),
			Err: errors.New("a message of another session was settled")}
	}
	c.Forget()
	if err := s.ready(context.WithoutCancel(ctx), mail.OpSettle); err != nil {
		return err
	}
	if s.o.After != Keep && r.Done(len(m.Envelope.Recipients)) {
		c.f.settled[c.uid] = true
	}
	return nil
}

// Release notes what an earlier session took. UIDs that are not in the snapshot are gone already.
func (s *session) Release(ctx context.Context, uids []mail.UID) error {
	if err := s.ready(ctx, mail.OpSettle); err != nil {
		return err
	}
	if s.o.After == Keep && len(uids) > 0 {
		return &mail.Trouble{Op: mail.OpSettle, Kind: mail.Local, Server: s.server(),
			Err: errors.New("nothing may be deleted here: the configuration says keep")}
	}
	for _, u := range uids {
		if f, uid, ok := s.find(u); ok && !f.left {
			f.settled[uid], f.again[uid] = true, true
		}
	}
	return nil
}

// Gone names what the server confirmed to have expunged, moved or marked, by Options.After.
func (s *session) Gone() []mail.UID { return s.gone }

// Close deletes, moves or marks what was settled, says goodbye, and takes everything down. nil means that each answer came
// and was good; what could be flagged but not expunged, because other mail would have gone with it, is not
// in Gone and is told to Observe.
func (s *session) Close() error {
	s.mu.Lock()
	if s.closed {
		defer s.mu.Unlock()
		return s.result
	}
	s.mu.Unlock()
	limit := s.limits.Close
	for _, f := range s.folders {
		limit += time.Duration(len(f.settled)) * settling
	}
	ctx, cancel := s.line.Within(context.Background(), limit)
	defer cancel()
	stop := s.watch(ctx, mail.OpQuit)
	gone, err := s.finish(ctx)
	stop()
	s.mu.Lock()
	s.closed, s.result = true, err
	s.mu.Unlock()
	s.end()
	s.remark()
	if err == nil {
		s.gone = gone
		s.remember()
	}
	return err
}

// finish does what Close has to do while the connection is good.
func (s *session) finish(ctx context.Context) ([]mail.UID, error) {
	if err := s.forget(mail.OpQuit); err != nil {
		return nil, err
	}
	var gone []mail.UID
	var trouble error
	rest := slices.DeleteFunc(slices.Clone(s.folders), func(f *folder) bool { return len(f.settled) == 0 })
	for i, f := range rest {
		s.final = i == len(rest)-1
		went, err := s.letGo(ctx, f)
		gone = append(gone, went...)
		if err != nil && trouble == nil {
			trouble = err
		}
		if s.broken() {
			return nil, trouble
		}
	}
	if err := s.logout(); err != nil && trouble == nil {
		trouble = err
	}
	return gone, trouble
}

// settling is what each message that is let go of may take beside Limits.Close, on a line that is slow or shared.
const settling = time.Second / 2

func (s *session) broken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}

// depart sends the LOGOUT, behind which nothing can be asked.
func (s *session) depart() {
	done := s.line.begin(chatter)
	cmd := s.c.Logout()
	s.leaving = func() error {
		defer done()
		return cmd.Wait()
	}
}

// logout waits for the answer. A server that says BYE and closes without one is forgiven.
func (s *session) logout() error {
	if s.leaving == nil {
		s.depart()
	}
	err := s.leaving()
	if err == nil || status(err) {
		return nil
	}
	if bye, first := s.line.end(); bye != "" && first == io.EOF {
		return nil
	}
	return s.fail(mail.OpQuit, err)
}

// expunge removes settled messages of a folder, and only these.
func (s *session) expunge(f *folder, uids []goimap.UID) ([]mail.UID, error) {
	if s.caps.Has(goimap.CapUIDPlus) {
		return s.expungeByUID(f, uids)
	}
	return s.expungeAll(f, uids)
}

// A removal is one STORE with its UID EXPUNGE.
type removal struct {
	store    error
	expunge  error
	expunged int
}

// expungeByUID sends everything at once, and the LOGOUT with it where nothing else is to be done: a round trip less. A
// STORE that fails makes its EXPUNGE harmless: it removes only what is flagged.
func (s *session) expungeByUID(f *folder, uids []goimap.UID) ([]mail.UID, error) {
	var wg sync.WaitGroup
	var all []*removal
	s.together(func() {
		for set := range sets(uids) {
			r := &removal{}
			all = append(all, r)
			done := s.line.begin(int64(len(uids))*64 + chatter)
			store := s.c.Store(set, deleted, nil)
			expunge := s.c.UIDExpunge(set)
			wg.Go(func() {
				defer done()
				wg.Go(func() { r.store = store.Close() })
				for expunge.Next() != 0 {
					r.expunged++
				}
				r.expunge = expunge.Close()
			})
		}
		if s.final {
			s.depart()
		}
	})
	wg.Wait()
	expunged := 0
	for _, r := range all {
		if err := cmp.Or(r.expunge, r.store); err != nil {
			return nil, s.unsettled(err)
		}
		expunged += r.expunged // which command one belongs to cannot be told
	}
	return s.confirm(f, uids, expunged)
}

// confirm names the messages if at least as many were expunged. Otherwise somebody else was faster with
// some, or the server was late with telling: it is asked which of them are still there. Behind a LOGOUT that
// is for the next session, in which what is gone is not in the snapshot.
func (s *session) confirm(f *folder, uids []goimap.UID, expunged int) ([]mail.UID, error) {
	there := map[goimap.UID]bool{}
	if expunged < len(uids) {
		if s.leaving != nil {
			return nil, nil
		}
		for set := range sets(uids) {
			left, err := s.uidSearch(&goimap.SearchCriteria{UID: []goimap.UIDSet{set}})
			if err != nil {
				return nil, err
			}
			for _, u := range left {
				there[u] = true
			}
		}
	}
	var gone []mail.UID
	for _, u := range uids {
		if !there[u] {
			gone = append(gone, f.uid(u))
		}
	}
	return gone, nil
}

// unsettled is the trouble of a deletion that was refused, or of which nothing is known.
func (s *session) unsettled(err error) *mail.Trouble {
	if status(err) {
		return s.trouble(mail.OpSettle, err)
	}
	return s.fail(mail.OpSettle, err)
}

var deleted = &goimap.StoreFlags{Op: goimap.StoreFlagsAdd, Silent: true,
	Flags: []goimap.Flag{goimap.FlagDeleted}}

// expungeAll is for a server without UIDPLUS, whose EXPUNGE removes everything that is flagged \Deleted,
// whoever flagged it. It is sent only if that is ours; otherwise ours stay flagged and are tried again in
// the next session. What somebody flags in the one round trip between the answer to the SEARCH and the EXPUNGE, the last
// commands but LOGOUT, goes too: the protocol has no way to close that, so it is told.
func (s *session) expungeAll(f *folder, uids []goimap.UID) ([]mail.UID, error) {
	if err := s.storeFlag(uids, goimap.FlagDeleted); err != nil {
		return nil, err
	}
	flagged, err := s.uidSearch(&goimap.SearchCriteria{Flag: []goimap.Flag{goimap.FlagDeleted}})
	if err != nil {
		return nil, err
	}
	foreign := slices.ContainsFunc(flagged, func(u goimap.UID) bool { return !f.settled[u] })
	if foreign || len(flagged) == 0 {
		if foreign {
			s.stuck = append(s.stuck, fmt.Sprintf(
				"%d messages in %q are marked as deleted and stay: the server could only remove them "+
					"together with mail that somebody else has marked", len(uids), f.name))
		}
		return nil, nil
	}
	done := s.line.begin(int64(len(flagged))*64 + chatter)
	defer done()
	cmd := s.c.Expunge()
	n := 0
	for cmd.Next() != 0 {
		n++
	}
	if err := cmd.Close(); err != nil {
		return nil, s.unsettled(err)
	}
	if more := n - len(flagged); more > 0 {
		s.stuck = append(s.stuck, fmt.Sprintf("%d messages in %q went that somebody else marked as deleted, or removed, "+
			"in the very moment in which ours were: the server can only remove all that is marked", more, f.name))
	}
	return s.confirm(f, flagged, n)
}

// uidSearch asks which messages there are of a kind.
func (s *session) uidSearch(criteria *goimap.SearchCriteria) ([]goimap.UID, error) {
	s.line.wide.Store(24 * searchChunk)
	defer s.line.wide.Store(0)
	defer s.line.begin(24 * searchChunk)()
	found, err := s.c.UIDSearch(criteria, nil).Wait()
	if err != nil {
		return nil, s.unsettled(err)
	}
	set, ok := found.All.(goimap.UIDSet)
	uids, good := spread(set, s.limits.Messages)
	if !ok || !good {
		return nil, s.fail(mail.OpSettle, &mail.Trouble{Op: mail.OpSettle, Kind: mail.Protocol,
			Server: s.server(), Err: errors.New("the server's answer to SEARCH makes no sense")})
	}
	return uids, nil
}

// settledAll says whether all was known that earlier sessions have begun to let go of.
func (s *session) settledAll() bool {
	return s.settling && !slices.ContainsFunc(s.folders, func(f *folder) bool { return f.left || !f.listed || !f.complete })
}

// remember fills Memory.
func (s *session) remember() {
	m := s.o.Memory
	if m == nil {
		return
	}
	caps := make([]string, 0, len(s.caps))
	for c := range s.caps {
		caps = append(caps, string(c))
	}
	slices.Sort(caps)
	if len(m.Caps) > 0 && !slices.Equal(m.Caps, caps) {
		m.Unfit, m.Uncompressed = false, false // another version of it, perhaps
	}
	m.Introduce = s.introduced
	if s.moved != nil && s.moved.UIDValidity != 0 && s.settledAll() {
		m.Target = *s.moved
	}
	before := m.Folders
	m.Caps, m.Busy, m.Folders = caps, s.busy, map[string]State{}
	for _, f := range s.folders {
		if f.left {
			continue
		}
		was, now := before[f.name], State{UIDValidity: f.validity, UIDNext: f.next, Exists: f.exists}
		if now.Came = was.Came; was.UIDValidity == now.UIDValidity && was.UIDNext < now.UIDNext {
			now.Came = s.o.now().Unix()
		}
		m.Folders[f.name] = now
	}
	s.came.learn(m)
}

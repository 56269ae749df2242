package imap

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"strings"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailretr/store/mail"
)

// Where a server cannot MOVE, a session that breaks between a copy and the mark on its original leaves both.
// The next one looks for the copy before it makes another. As a rule there is none, which two questions say, however many
// messages are to be moved: none of the originals is marked, and nothing has come into the target since this was asked
// last. Only what has come since is compared with the originals: by its size, and then by its header section.

// An original is what its copy is told by: the size and the header section. The Message-ID is for the search.
type original struct {
	size   int64
	hits   []goimap.UID // messages of the target with its size
	id     string
	header [32]byte // SHA-256
}

const (
	// mostHits is how many messages of the target are compared with one original.
	mostHits = 20
	// sizeCost and searchCost are about the octets of asking for the size of a message, and for messages of a size.
	sizeCost, searchCost = 45, 140
	// searchesAtOnce is how many searches leave together.
	searchesAtOnce = 50
)

// copied finds those of the released messages that an earlier session has copied.
func (s *session) copied(ctx context.Context, f *folder, to string) (map[goimap.UID]bool, error) {
	have := map[goimap.UID]bool{}
	again := slices.Sorted(maps.Keys(f.again))
	if len(again) == 0 {
		return have, nil
	}
	target := &folder{name: to}
	state := s.state(target)
	marked, err := s.marked(again)
	refused, e := state.wait()
	if err = cmp.Or(err, e); err != nil {
		return nil, err
	}
	for _, u := range marked {
		have[u] = f.again[u]
	}
	low := s.looked(target, refused)
	if refused == nil && (target.exists == 0 || target.next == low) {
		return have, nil
	}
	again = slices.DeleteFunc(again, func(u goimap.UID) bool { return have[u] })
	if len(again) == 0 {
		return have, nil
	}
	ask, err := s.originals(ctx, f, again)
	if err != nil {
		return nil, err
	}
	if err := s.lookUp(ctx, f, target, low, ask, have); err != nil {
		return nil, err
	}
	return have, s.enter(f)
}

// marked returns those that are marked as deleted.
func (s *session) marked(again []goimap.UID) (marked []goimap.UID, err error) {
	for set := range sets(again) {
		some, err := s.uidSearch(&goimap.SearchCriteria{UID: []goimap.UIDSet{set}, Flag: []goimap.Flag{goimap.FlagDeleted}})
		if err != nil {
			return nil, err
		}
		marked = append(marked, some...)
	}
	return marked, nil
}

// looked returns from which UID on the target may have copies of an earlier session, and notes what will have been looked
// at when this session has ended.
func (s *session) looked(target *folder, refused *mail.Trouble) (low uint32) {
	s.moved = &Target{Name: target.name, UIDValidity: target.validity, UIDNext: max(target.next, 1)}
	if refused != nil {
		return 1
	}
	if m := s.o.Memory; m != nil && m.Target.Name == target.name && m.Target.UIDValidity == target.validity &&
		m.Target.UIDNext <= target.next {
		return max(m.Target.UIDNext, 1)
	}
	return 1
}

// originals asks for the sizes of messages.
func (s *session) originals(ctx context.Context, f *folder, uids []goimap.UID) (map[goimap.UID]*original, error) {
	all := map[goimap.UID]*original{}
	for some := range slices.Chunk(uids, sizesAtOnce) {
		infos, err := s.infos(ctx, f, some, &goimap.FetchOptions{UID: true, RFC822Size: true})
		if err != nil {
			return nil, err
		}
		for u, i := range infos {
			all[u] = &original{size: i.size}
		}
	}
	return all, nil
}

// identify reads the headers. A message of which none can be had has no copy.
func (s *session) identify(ctx context.Context, f *folder, ask map[goimap.UID]*original) error {
	return s.headers(ctx, f, slices.Sorted(maps.Keys(ask)), func(u goimap.UID, header []byte) {
		ask[u].id, ask[u].header = messageID(header), sha256.Sum256(header)
	})
}

// headers reads headers of the selected folder.
func (s *session) headers(ctx context.Context, f *folder, uids []goimap.UID,
	do func(goimap.UID, []byte)) error {
	var ms []*mail.Message
	for _, u := range uids {
		m, _ := s.message(f, u, info{size: -1})
		ms = append(ms, m)
	}
	if err := s.Ahead(ctx, mail.Header, ms); err != nil {
		return err
	}
	for i, m := range ms {
		header, err := m.Content.Header(ctx)
		switch {
		case err == nil:
			do(uids[i], header)
		case s.broken():
			return err
		}
	}
	return s.forget(mail.OpSettle)
}

// messageID returns the Message-ID if it may stand in a command and is enough to tell a message by.
func messageID(header []byte) string {
	const name = "message-id:"
	for line := range bytes.Lines(header) {
		if len(line) < len(name) || !strings.EqualFold(string(line[:len(name)]), name) {
			continue
		}
		id := strings.TrimSpace(string(line[len(name):]))
		odd := func(r rune) bool { return r <= ' ' || r > '~' }
		if len(id) < 8 || len(id) > 250 || strings.ContainsFunc(id, odd) {
			return ""
		}
		return id
	}
	return ""
}

// lookUp looks for the copies in the target, from a UID on. Where that does not exist there are none.
func (s *session) lookUp(ctx context.Context, f, target *folder, low uint32, ask map[goimap.UID]*original,
	have map[goimap.UID]bool) error {
	there, err := s.examine(target)
	if err != nil || !there {
		return err
	}
	if err := s.hits(ctx, target, low, ask); err != nil {
		return err
	}
	maps.DeleteFunc(ask, func(_ goimap.UID, o *original) bool { return len(o.hits) == 0 })
	if len(ask) == 0 {
		return nil
	}
	if err := s.enter(f); err != nil {
		return err
	}
	if err := s.identify(ctx, f, ask); err != nil {
		return err
	}
	if _, err := s.examine(target); err != nil {
		return err
	}
	if err := s.narrow(ask); err != nil {
		return err
	}
	return s.compare(ctx, target, ask, have)
}

// examine selects the target, to be read only.
func (s *session) examine(target *folder) (there bool, err error) {
	s.choose(nil)
	defer s.line.begin(chatter)()
	data, err := s.c.Select(target.name, &goimap.SelectOptions{ReadOnly: true}).Wait()
	switch {
	case err == nil:
	case status(err):
		return false, nil
	default:
		return false, s.fail(mail.OpSettle, err)
	}
	target.validity, target.exists = data.UIDValidity, data.NumMessages
	s.choose(target)
	return true, nil
}

// hits finds messages of the target, from a UID on, that have the size of an original. They are asked for their sizes, or
// searched by the sizes of the originals: which is less.
func (s *session) hits(ctx context.Context, target *folder, low uint32, ask map[goimap.UID]*original) error {
	some, err := s.ofSizes(target, low, ask)
	if err != nil {
		return err
	}
	bySize := map[int64][]goimap.UID{}
	for part := range slices.Chunk(some, sizesAtOnce) {
		infos, err := s.infos(ctx, target, part, &goimap.FetchOptions{UID: true, RFC822Size: true})
		if err != nil {
			return err
		}
		for _, u := range slices.Sorted(maps.Keys(infos)) {
			bySize[infos[u].size] = append(bySize[infos[u].size], u)
		}
	}
	for _, o := range ask {
		o.hits = bySize[o.size]
	}
	return nil
}

// ofSizes returns what may have the size of an original.
func (s *session) ofSizes(target *folder, low uint32, ask map[goimap.UID]*original) (all []goimap.UID, err error) {
	most := target.exists
	if target.next > low {
		most = min(most, target.next-low)
	}
	criteria := []*goimap.SearchCriteria{{UID: []goimap.UIDSet{{{Start: goimap.UID(low), Stop: 0}}}}}
	if int64(most)*sizeCost > int64(len(ask))*searchCost {
		criteria = nil
		sizes := map[int64]bool{}
		for _, o := range ask {
			sizes[o.size] = true
		}
		for size := range sizes {
			criteria = append(criteria, &goimap.SearchCriteria{Larger: size - 1, Smaller: size + 1})
		}
	}
	found, err := s.searches(criteria)
	all = slices.Concat(found...)
	slices.Sort(all)
	// "n:*" names the last message, whatever n is (RFC 9051, 9)
	return slices.DeleteFunc(slices.Compact(all), func(u goimap.UID) bool { return uint32(u) < low }), err
}

// among says whether sorted UIDs have one.
func among(uids []goimap.UID, u goimap.UID) bool {
	_, found := slices.BinarySearch(uids, u)
	return found
}

// narrow leaves of each original's hits those with its Message-ID, if it has one, and of these the newest.
func (s *session) narrow(ask map[goimap.UID]*original) error {
	var criteria []*goimap.SearchCriteria
	var of []*original
	for _, o := range ask {
		if len(o.hits) < 2 || o.id == "" {
			continue
		}
		criteria = append(criteria, &goimap.SearchCriteria{Larger: o.size - 1, Smaller: o.size + 1,
			Header: []goimap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: o.id}}})
		of = append(of, o)
	}
	found, err := s.searches(criteria)
	for i, some := range found {
		of[i].hits = slices.DeleteFunc(some, func(u goimap.UID) bool { return !among(of[i].hits, u) })
	}
	for _, o := range ask {
		o.hits = o.hits[max(len(o.hits)-mostHits, 0):] // a copy is among the newest
	}
	return err
}

// compare reads the headers of what is left.
func (s *session) compare(ctx context.Context, target *folder, ask map[goimap.UID]*original,
	have map[goimap.UID]bool) error {
	var all []goimap.UID
	for _, o := range ask {
		all = append(all, o.hits...)
	}
	slices.Sort(all)
	headers := map[goimap.UID][32]byte{}
	err := s.headers(ctx, target, slices.Compact(all), func(u goimap.UID, header []byte) {
		headers[u] = sha256.Sum256(header)
	})
	for u, o := range ask {
		have[u] = slices.ContainsFunc(o.hits, func(hit goimap.UID) bool { return headers[hit] == o.header })
	}
	return err
}

// searches makes many searches in the selected folder. They leave together where each answer names its question (RFC 4731);
// elsewhere one after the other.
func (s *session) searches(criteria []*goimap.SearchCriteria) (found [][]goimap.UID, err error) {
	if !s.caps.Has(goimap.CapESearch) {
		for _, c := range criteria {
			some, err := s.uidSearch(c)
			if err != nil {
				return nil, err
			}
			found = append(found, some)
		}
		return found, nil
	}
	for part := range slices.Chunk(criteria, searchesAtOnce) {
		some, err := s.searchTogether(part)
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	return found, nil
}

func (s *session) searchTogether(criteria []*goimap.SearchCriteria) (found [][]goimap.UID, err error) {
	s.line.wide.Store(24 * searchChunk)
	defer s.line.wide.Store(0)
	defer s.line.begin(24 * searchChunk)()
	var all []*imapclient.SearchCommand
	s.together(func() {
		for _, c := range criteria {
			all = append(all, s.c.UIDSearch(c, &goimap.SearchOptions{ReturnAll: true}))
		}
	})
	for _, cmd := range all {
		data, e := cmd.Wait()
		if e != nil {
			err = cmp.Or(err, e)
			continue
		}
		set, _ := data.All.(goimap.UIDSet)
		uids, ok := spread(set, s.limits.Messages)
		if !ok {
			return nil, s.fail(mail.OpSettle, &mail.Trouble{Op: mail.OpSettle, Kind: mail.Protocol,
				Server: s.server(), Err: errors.New("the server's answer to SEARCH makes no sense")})
		}
		found = append(found, uids)
	}
	if err != nil {
		return nil, s.unsettled(err)
	}
	return found, nil
}

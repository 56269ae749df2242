package imap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/store/mail"
)

// Where a server cannot MOVE, a session that breaks between a copy and the mark on its original leaves both.
// The next one looks for the copy before it makes another.

// An original is what its copy is told by: the size and the header section. The Message-ID is for the search.
type original struct {
	info
	id     string
	header [32]byte // SHA-256
}

// mostHits is how many messages of the target are compared with one original.
const mostHits = 20

// copied finds those of the released messages that an earlier session has copied.
func (s *session) copied(ctx context.Context, f *folder, to string) (map[goimap.UID]bool, error) {
	have, ask := map[goimap.UID]bool{}, map[goimap.UID]original{}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(f.again)), sizesAtOnce) {
		infos, err := s.infos(ctx, f, some, &goimap.FetchOptions{UID: true, RFC822Size: true, Flags: true})
		if err != nil {
			return nil, err
		}
		for u, i := range infos {
			if slices.ContainsFunc(i.flags, isDeleted) {
				have[u] = true
			} else {
				ask[u] = original{info: i}
			}
		}
	}
	if len(ask) == 0 {
		return have, nil
	}
	if err := s.identify(ctx, f, ask); err != nil {
		return nil, err
	}
	if err := s.lookUp(ctx, to, ask, have); err != nil {
		return nil, err
	}
	return have, s.enter(f)
}

func isDeleted(flag string) bool { return strings.EqualFold(flag, string(goimap.FlagDeleted)) }

// identify reads the headers. A message of which none can be had has no copy.
func (s *session) identify(ctx context.Context, f *folder, ask map[goimap.UID]original) error {
	return s.headers(ctx, f, slices.Sorted(maps.Keys(ask)), func(u goimap.UID, header []byte) {
		o := ask[u]
		o.id, o.header = messageID(header), sha256.Sum256(header)
		ask[u] = o
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

// lookUp looks for the copies in the target. Where that does not exist there are none.
func (s *session) lookUp(ctx context.Context, to string, ask map[goimap.UID]original,
	have map[goimap.UID]bool) error {
	s.choose(nil)
	done := s.line.begin(chatter)
	data, err := s.c.Select(to, &goimap.SelectOptions{ReadOnly: true}).Wait()
	done()
	if err != nil {
		if status(err) {
			return nil
		}
		return s.fail(mail.OpSettle, err)
	}
	target := &folder{name: to, validity: data.UIDValidity}
	s.choose(target)
	for u, o := range ask {
		criteria := &goimap.SearchCriteria{Larger: o.size - 1, Smaller: o.size + 1}
		if o.id != "" {
			criteria.Header = []goimap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: o.id}}
		}
		hits, err := s.uidSearch(criteria)
		if err != nil {
			return err
		}
		hits = hits[max(len(hits)-mostHits, 0):] // a copy is among the newest
		err = s.headers(ctx, target, hits, func(_ goimap.UID, header []byte) {
			have[u] = have[u] || sha256.Sum256(header) == o.header
		})
		if err != nil {
			return err
		}
	}
	return nil
}

package imap

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/store/mail"
)

// Where a server cannot MOVE, a session that breaks between a copy and the mark on its original leaves both. The
// next one looks for the copy before it makes another.

// An original is what its copy is told by: Message-ID and size, or date and size where it has no Message-ID. A COPY
// changes none of them (RFC 9051, 6.4.7).
type original struct {
	info
	id string
}

// copied finds those of the released messages that an earlier session has copied.
func (s *session) copied(ctx context.Context, f *folder, to string) (map[goimap.UID]bool, error) {
	have, ask := map[goimap.UID]bool{}, map[goimap.UID]original{}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(f.again)), sizesAtOnce) {
		infos, err := s.sizes(ctx, f, some)
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

// identify reads the Message-IDs. A message of which no header can be had has none.
func (s *session) identify(ctx context.Context, f *folder, ask map[goimap.UID]original) error {
	all := map[goimap.UID]*mail.Message{}
	var ms []*mail.Message
	for _, u := range slices.Sorted(maps.Keys(ask)) {
		m, _ := s.message(f, u, ask[u].info)
		all[u], ms = m, append(ms, m)
	}
	if err := s.Ahead(ctx, mail.Header, ms); err != nil {
		return err
	}
	for u, m := range all {
		header, err := m.Content.Header(ctx)
		if err != nil && s.broken() {
			return err
		}
		o := ask[u]
		o.id = messageID(header)
		ask[u] = o
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
func (s *session) lookUp(ctx context.Context, to string, ask map[goimap.UID]original, have map[goimap.UID]bool) error {
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
		if have[u] = len(hits) > 0; have[u] && o.id == "" {
			if have[u], err = s.dated(ctx, target, hits, o.info); err != nil {
				return err
			}
		}
	}
	return nil
}

// dated says whether one of the messages came into the account at the same time.
func (s *session) dated(ctx context.Context, f *folder, uids []goimap.UID, o info) (bool, error) {
	infos, err := s.sizes(ctx, f, uids[:min(len(uids), sizesAtOnce)])
	for _, i := range infos {
		if !o.date.IsZero() && i.date.Equal(o.date) && i.size == o.size {
			return true, err
		}
	}
	return false, err
}

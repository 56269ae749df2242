package imap

import (
	"context"
	"fmt"
	"slices"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailretr/store/mail"
)

// searchChunk is how many messages one SEARCH speaks of. The library sorts an answer by insertion; a
// hostile order costs it the square of what is in one answer, so an answer has to be short.
const searchChunk = 10_000

// A folder is a mailbox in the sense of IMAP, and what was in it when the session was opened.
type folder struct {
	name     string
	validity uint32
	next     uint32 // UIDNEXT, 0 where the server did not say
	exists   uint32
	uids     []goimap.UID // ascending
	complete bool
	left     bool // left out of this session
	infos    map[goimap.UID]info
	settled  map[goimap.UID]bool // to be let go of
}

// info is what is known of a message before its content.
type info struct {
	size  int64 // -1: not said
	date  time.Time
	flags []string
}

// A listing is a SELECT, and a SEARCH sent behind it where that is safe.
type listing struct {
	s      *session
	f      *folder
	sel    *imapclient.SelectCommand
	search *imapclient.SearchCommand // nil: the folder may be too large to ask at once
	done   func()
}

// ask sends a SELECT. The SEARCH goes with it if the server is known to answer in ranges and the folder to
// be small: it then costs a few octets and saves a round trip.
func (s *session) ask(f *folder, m *Memory) *listing {
	l := &listing{s: s, f: f, done: s.line.begin(16*searchChunk + chatter)}
	l.sel = s.c.Select(f.name, &goimap.SelectOptions{ReadOnly: s.o.After == Keep})
	if m == nil {
		return l
	}
	esearch := slices.Contains(m.Caps, string(goimap.CapESearch))
	if st, known := m.Folders[f.name]; known && esearch && st.Exists <= searchChunk {
		s.line.wide.Store(16 * searchChunk)
		l.search = s.c.UIDSearch(&goimap.SearchCriteria{}, &goimap.SearchOptions{ReturnAll: true})
	}
	return l
}

// wait returns when both were answered. The error is that of the SELECT.
func (l *listing) wait() (*goimap.SelectData, *goimap.SearchData, error) {
	defer l.done()
	defer l.s.line.wide.Store(0)
	data, err := l.sel.Wait()
	if l.search == nil {
		return data, nil, err
	}
	found, e := l.search.Wait()
	if e != nil {
		found = nil // asked again in the plain way, if the SELECT was good
	}
	return data, found, err
}

// snapshot opens and lists each folder.
func (s *session) snapshot(ctx context.Context) error {
	var first *mail.Trouble
	good := 0
	for i, f := range s.folders {
		l := s.early
		if i > 0 || l == nil {
			l = s.ask(f, s.o.Memory)
		}
		t, err := s.take(ctx, l)
		if err != nil {
			return err
		}
		if t == nil {
			good++
			continue
		}
		f.left, f.uids, f.complete = true, nil, false
		s.observe(mail.OpList, t, fmt.Sprintf("folder %q is left out", f.name))
		if first == nil {
			first = t
		}
	}
	if good == 0 {
		return first
	}
	return nil
}

// take reads the answers. A trouble concerns this folder only, an error is the session's end.
func (s *session) take(ctx context.Context, l *listing) (*mail.Trouble, error) {
	f := l.f
	data, found, err := l.wait()
	if err != nil {
		s.choose(nil) // RFC 9051, 6.3.2: after a failed SELECT no folder is selected
		t := s.trouble(mail.OpList, err)
		if !status(err) {
			return nil, t
		}
		t.Err = fmt.Errorf("folder %q: %w", f.name, err)
		return t, nil
	}
	s.choose(f)
	f.validity, f.next, f.exists = data.UIDValidity, uint32(data.UIDNext), data.NumMessages
	f.settled = map[goimap.UID]bool{}
	switch {
	case f.validity == 0:
		return s.odd(f, mail.Protocol, "the server gives no UIDVALIDITY, so its UIDs mean nothing"), nil
	case uint64(f.exists) > uint64(s.limits.Messages):
		return s.odd(f, mail.Local, fmt.Sprintf("there are %d messages in it, more than the limit of %d",
			f.exists, s.limits.Messages)), nil
	}
	if found != nil && s.enlist(f, found, int(f.exists)+searchChunk) {
		return nil, nil
	}
	return s.search(ctx, f)
}

func (s *session) odd(f *folder, k mail.Kind, why string) *mail.Trouble {
	return &mail.Trouble{Op: mail.OpList, Kind: k, Server: s.server(),
		Err: fmt.Errorf("folder %q: %s", f.name, why)}
}

// search lists a folder that is selected: in ranges where the server can (RFC 4731), which is a few octets
// for a folder without gaps.
func (s *session) search(ctx context.Context, f *folder) (*mail.Trouble, error) {
	defer s.line.wide.Store(0)
	for _, ranges := range []bool{true, false} {
		if ranges && !s.caps.Has(goimap.CapESearch) {
			continue
		}
		f.uids, f.complete = nil, f.exists == 0
		for low := uint32(1); low <= f.exists; low += searchChunk {
			found, err := s.searchPart(f, low, ranges)
			if err != nil && !status(err) {
				return nil, s.trouble(mail.OpList, err)
			}
			if err != nil {
				return s.trouble(mail.OpList, err), nil
			}
			if !s.enlist(f, found, int(f.exists)+searchChunk) {
				break
			}
		}
		if f.complete || !ranges {
			break // a range may run over a gap; the plain answer may not
		}
	}
	return nil, ctx.Err()
}

func (s *session) searchPart(f *folder, low uint32, ranges bool) (*goimap.SearchData, error) {
	criteria := &goimap.SearchCriteria{}
	if f.exists > searchChunk {
		var part goimap.SeqSet
		part.AddRange(low, min(low+searchChunk-1, f.exists))
		criteria.SeqNum = []goimap.SeqSet{part}
	}
	var options *goimap.SearchOptions
	if ranges {
		options = &goimap.SearchOptions{ReturnAll: true}
	}
	s.line.wide.Store(24 * searchChunk)
	defer s.line.begin(24 * searchChunk)()
	return s.c.UIDSearch(criteria, options).Wait()
}

// enlist adds what a SEARCH found; no if it makes no sense.
func (s *session) enlist(f *folder, found *goimap.SearchData, limit int) bool {
	set, ok := found.All.(goimap.UIDSet)
	if !ok && found.All != nil {
		return false
	}
	uids, ok := spread(set, limit)
	if !ok {
		return false
	}
	f.uids = append(f.uids, uids...)
	slices.Sort(f.uids)
	f.uids = slices.Compact(f.uids)
	now := f.exists
	if m := s.c.Mailbox(); m != nil {
		now = m.NumMessages // mail may come and go meanwhile
	}
	f.complete = len(f.uids) == int(f.exists) || len(f.uids) == int(now)
	return true
}

// enter makes f the selected folder. Everything that was announced must be through or forgotten.
func (s *session) enter(f *folder) error {
	if s.selected == f { // only this goroutine changes it
		return nil
	}
	defer s.line.begin(chatter)()
	s.choose(nil)
	data, err := s.c.Select(f.name, &goimap.SelectOptions{ReadOnly: s.o.After == Keep}).Wait()
	if err != nil {
		t := s.trouble(mail.OpList, err)
		if status(err) {
			t.Alone = true
			return t
		}
		return s.fail(mail.OpList, err)
	}
	if data.UIDValidity != f.validity {
		t := s.odd(f, mail.Busy, "it was made anew during the session")
		t.Alone = true
		f.uids, f.settled = nil, map[goimap.UID]bool{}
		return t
	}
	s.choose(f)
	return nil
}

func (s *session) choose(f *folder) {
	s.mu.Lock()
	s.selected = f
	s.mu.Unlock()
}

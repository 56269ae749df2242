package imap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/store/mail"
)

// A glance is the state of each folder, separated by blanks: a digest of its name, UIDVALIDITY and UIDNEXT
// with colons between them, the numbers to base 36. UIDNEXT grows with each message that is added (RFC 9051,
// 2.3.1.1). A folder that was left out is not in it. With a filter that looks at flags HIGHESTMODSEQ stands behind
// them, and Since, which does not know what matches now, cannot tell.
type glance map[string]seen

// seen is a folder in a glance.
type seen struct{ validity, next uint32 }

// Glance costs nothing: the folders' states came with the login.
func (s *session) Glance(ctx context.Context) (string, error) {
	if err := s.ready(ctx, mail.OpList); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, f := range s.folders {
		if f.left {
			continue
		}
		if f.next == 0 || s.o.wavers() && f.modseq == 0 {
			return "", nil
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(f.digest() + ":" + base36(f.validity) + ":" + base36(f.next))
		if s.o.wavers() { // what was there may match now, which changes a flag, and so this (RFC 7162, 3.1)
			b.WriteString(":" + strconv.FormatUint(f.modseq, 36))
		}
	}
	if b.Len() > mail.MaxGlance {
		return "", nil
	}
	return b.String(), nil
}

// digest stands for the name: short, and without blanks.
func (f *folder) digest() string {
	sum := sha256.Sum256([]byte(f.name))
	return hex.EncodeToString(sum[:6])
}

func base36(n uint32) string { return strconv.FormatUint(uint64(n), 36) }

// parseGlance reads what Glance makes, and nothing else.
func parseGlance(text string) (glance, bool) {
	g := glance{}
	for word := range strings.SplitSeq(text, " ") {
		name, rest, _ := strings.Cut(word, ":")
		v, n, _ := strings.Cut(rest, ":")
		validity, ok := parse36(v)
		next, good := parse36(n)
		if _, twice := g[name]; twice || !ok || !good || len(name) != 12 {
			return nil, false
		}
		g[name] = seen{validity, next}
	}
	return g, true
}

func parse36(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 36, 32)
	return uint32(n), err == nil && n > 0 && base36(uint32(n)) == s
}

// Since asks only the folders that have changed, and of these only for what is behind the UIDNEXT of the
// glance. A folder that was not in it, or was made anew, is listed whole.
func (s *session) Since(ctx context.Context, text string) (uids []mail.UID, ok bool, err error) {
	old, ok := parseGlance(text)
	if !ok {
		return nil, false, s.ready(ctx, mail.OpList)
	}
	err = s.each(ctx, func(f *folder) error {
		was, known := old[f.digest()]
		var some []goimap.UID
		var err error
		switch {
		case !ok:
			return nil
		case f.next == 0 || known && was.validity == f.validity && f.next < was.next:
			ok = false // it does not count as it should
			return nil
		case known && was.validity == f.validity && f.next == was.next:
			return nil
		case known && was.validity == f.validity:
			some, err = s.behind(ctx, f, was.next)
		case f.listed:
			some = f.uids
		default:
			err = s.list(f)
			some = f.uids
		}
		slices.Sort(some)
		for _, u := range some {
			uids = append(uids, f.uid(u))
		}
		return err
	})
	if err != nil || !ok {
		return nil, false, err
	}
	return uids, true, nil
}

// behind returns the UIDs from low on.
func (s *session) behind(ctx context.Context, f *folder, low uint32) ([]goimap.UID, error) {
	if f.next-low <= mostNew && !f.reaches(low) {
		if err := s.askNewest(ctx, f, low); err != nil {
			return nil, err
		}
	}
	var some []goimap.UID
	if f.reaches(low) {
		for u := range f.ahead {
			if uint32(u) >= low && uint32(u) < f.high {
				some = append(some, u)
			}
		}
	} else {
		var err error
		if some, err = s.searchBehind(f, low); err != nil {
			return nil, err
		}
	}
	if !f.listed {
		f.add(some...)
	}
	return some, nil
}

// reaches says whether all messages from low on were asked about ahead.
func (f *folder) reaches(low uint32) bool {
	return f.ahead != nil && low >= f.low && f.next <= f.high
}

// askNewest asks for the sizes of all messages from low on, behind a SELECT if that is still to be done; what
// was said of the first of them already is not asked again.
func (s *session) askNewest(ctx context.Context, f *folder, low uint32) error {
	if f.ahead != nil && f.low <= low && low < f.high {
		low = f.high
	}
	if err := s.compress(ctx, int64(f.next-low)*aboutSize); err != nil {
		return err
	}
	q := &question{s: s, f: f, done: s.line.begin(chatter)}
	if s.selected != f {
		q = s.sel(f)
	}
	q.andSizes(low, max(f.next, low+1))
	validity := f.validity
	t, err := q.wait()
	switch {
	case err != nil:
		return err
	case t != nil:
		return t
	case f.validity != validity:
		return s.odd(f, mail.Busy, "it was made anew during the session")
	}
	return nil
}

// searchBehind asks for UIDs only, in ranges where the server can.
func (s *session) searchBehind(f *folder, low uint32) ([]goimap.UID, error) {
	if err := s.enter(f); err != nil {
		return nil, err
	}
	criteria := &goimap.SearchCriteria{UID: []goimap.UIDSet{{{Start: goimap.UID(low), Stop: 0}}}}
	found, err := s.searchOnce(criteria, s.caps.Has(goimap.CapESearch))
	if err != nil {
		return nil, err
	}
	set, ok := found.All.(goimap.UIDSet)
	all, good := spread(set, s.limits.Messages)
	if !good || !ok && found.All != nil {
		return nil, s.odd(f, mail.Protocol, "the server's answer to SEARCH makes no sense")
	}
	var some []goimap.UID
	for _, u := range all {
		if uint32(u) >= low { // "n:*" names the last message, whatever n is (RFC 9051, 9)
			some = append(some, u)
		}
	}
	return some, nil
}

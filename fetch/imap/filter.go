package imap

import (
	"context"
	"errors"
	"slices"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/store/mail"
)

// Filter asks the server which of these messages Options.Search lets through, folder by folder; of a list
// that is all of a folder that is one range, however long. What it does not let through stays, and may come
// another time. A folder that cannot be asked lets nothing through this time, and is remarked.
func (s *session) Filter(ctx context.Context, uids []mail.UID) (through []mail.UID, err error) {
	if s.o.Search == nil || len(uids) == 0 {
		return uids, nil
	}
	wanted := s.sort(uids)
	err = s.each(ctx, func(f *folder) error {
		some := wanted(f)
		if len(some) == 0 {
			return nil
		}
		if err := s.enter(f); err != nil {
			return err
		}
		for set := range sets(some) {
			found, err := s.searched(f, set)
			if err != nil {
				return err
			}
			for _, u := range found {
				if _, asked := slices.BinarySearch(some, u); asked {
					through = append(through, f.uid(u))
				}
			}
		}
		return nil
	})
	return through, err
}

// wavers says whether there is a filter that may let through another time what it does not let through now: one that
// looks at flags. All else that can be searched for stays as it is for as long as the message has its UID (RFC 9051,
// 2.3.1.1 and 2.3.3), so that what is new is all there is to be filtered.
func (o *Options) wavers() bool { return o.Search != nil && flagged(o.Search) }

func flagged(c *goimap.SearchCriteria) bool {
	if len(c.Flag) > 0 || len(c.NotFlag) > 0 || c.ModSeq != nil {
		return true
	}
	for _, x := range c.Or {
		if flagged(&x[0]) || flagged(&x[1]) {
			return true
		}
	}
	return slices.ContainsFunc(c.Not, func(x goimap.SearchCriteria) bool { return flagged(&x) })
}

// searched makes one SEARCH of a set with the filter; in ranges where the server can.
func (s *session) searched(f *folder, set goimap.UIDSet) ([]goimap.UID, error) {
	criteria := *s.o.Search
	criteria.UID = []goimap.UIDSet{set}
	found, err := s.searchOnce(&criteria, s.caps.Has(goimap.CapESearch))
	if err != nil {
		return nil, err
	}
	all, ok := found.All.(goimap.UIDSet)
	if !ok && found.All != nil {
		return nil, s.odd(f, mail.Protocol, "its answer to the filter makes no sense")
	}
	uids, ok := spread(all, int(f.exists)+searchChunk)
	if !ok {
		return nil, s.fail(mail.OpList, &mail.Trouble{Op: mail.OpList, Kind: mail.Protocol, Server: s.server(),
			Err: errors.New("the server's answer to the filter makes no sense")})
	}
	return uids, nil
}

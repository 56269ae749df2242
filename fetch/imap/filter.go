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

package imap

import (
	"iter"
	"strconv"
	"strings"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/store/mail"
)

// uid names a message of the folder for ever: a UID means something only with its UIDVALIDITY (RFC 9051,
// 2.3.1.1).
func (f *folder) uid(u goimap.UID) mail.UID {
	return mail.UID(f.name + "/" + number(f.validity) + "/" + number(uint32(u)))
}

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// parseUID reads what uid makes, and nothing else. The folder may hold "/".
func parseUID(u mail.UID) (folder string, validity uint32, uid goimap.UID, ok bool) {
	s := string(u)
	j := strings.LastIndexByte(s, '/')
	if j < 0 {
		return "", 0, 0, false
	}
	i := strings.LastIndexByte(s[:j], '/')
	if i <= 0 {
		return "", 0, 0, false
	}
	v, ok := parseNumber(s[i+1 : j])
	n, good := parseNumber(s[j+1:])
	return s[:i], v, goimap.UID(n), ok && good
}

// parseNumber reads an nz-number of RFC 9051: no sign, no leading zero, 32 bits.
func parseNumber(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n > 0 && s[0] != '0' && s[0] != '+'
}

// spread lists the numbers of a set that the server sent, at most limit of them: "1:4294967295" is a short
// text.
func spread(set goimap.UIDSet, limit int) (uids []goimap.UID, ok bool) {
	total := uint64(0)
	for _, r := range set {
		if r.Start == 0 || r.Stop < r.Start {
			return nil, false
		}
		if total += uint64(r.Stop-r.Start) + 1; total > uint64(limit) {
			return nil, false
		}
	}
	uids = make([]goimap.UID, 0, total)
	for _, r := range set {
		for u := uint64(r.Start); u <= uint64(r.Stop); u++ {
			uids = append(uids, goimap.UID(u))
		}
	}
	return uids, true
}

// maxSet is how many UIDs or ranges one command names: with at most 22 octets each it stays below the 8,192
// octets that a server has to take (RFC 7162, 4).
const maxSet = 350

// sets cuts ascending UIDs into sets that fit into commands; what has no gaps is one range, however long.
func sets(uids []goimap.UID) iter.Seq[goimap.UIDSet] {
	return func(yield func(goimap.UIDSet) bool) {
		var set goimap.UIDSet
		for i, u := range uids {
			if i > 0 && u == uids[i-1]+1 {
				set[len(set)-1].Stop = u
				continue
			}
			if len(set) == maxSet {
				if !yield(set) {
					return
				}
				set = nil
			}
			set = append(set, goimap.UIDRange{Start: u, Stop: u})
		}
		if len(set) > 0 {
			yield(set)
		}
	}
}

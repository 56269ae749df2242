package control

import (
	"cmp"
	"context"
	"math/bits"
	"slices"

	"mailretr/store"
	"mailretr/store/mail"
)

// least is how many characters of an id are shown at least: what was unique yesterday shall be tomorrow.
const least = 8

// most bounds how many ids are compared; a queue that holds more shows them whole.
const most = 2 << 20

// shorts say how many characters at the end of an id name it alone. Eight random ones nearly always do, so
// only those that need more are kept; nil means that whole ids are to be shown.
type shorts map[mail.ID]int

// shortsOf compares all ids that there are.
func shortsOf(ctx context.Context, e store.Engine) (shorts, error) {
	ids, err := e.Find(ctx, "", most+1)
	if err != nil || len(ids) > most {
		return nil, err
	}
	return shorten(ids), nil
}

// shorten sorts the ids by their bits, the last one first: then those that share the longest ending are
// neighbours.
func shorten(ids []mail.ID) shorts {
	slices.SortFunc(ids, func(a, b mail.ID) int {
		for i := len(a) - 1; i >= 0; i-- {
			if c := cmp.Compare(bits.Reverse8(a[i]), bits.Reverse8(b[i])); c != 0 {
				return c
			}
		}
		return 0
	})
	s := shorts{}
	for i := range ids[:max(len(ids)-1, 0)] {
		if n := common(ids[i].String(), ids[i+1].String()) + 1; n > least {
			s[ids[i]], s[ids[i+1]] = max(s[ids[i]], n), n
		}
	}
	return s
}

// common is how many characters two ids share at their ends.
func common(a, b string) (n int) {
	for n < len(a) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

// of returns the shortest unique ending.
func (s shorts) of(id mail.ID) string {
	text := id.String()
	if s == nil {
		return text
	}
	return text[len(text)-min(max(s[id], least), len(text)):]
}

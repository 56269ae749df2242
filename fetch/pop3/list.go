package pop3

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"

	"mailretr/store/mail"
)

// An item is a message of the snapshot.
type item struct {
	num  int
	size int64    // as announced
	uid  mail.UID // "" until it is known, or derived
	seen bool     // UIDL named it
	gone bool     // to be deleted, or deleted
}

// maxUID is the longest unique-id that is used as it is. RFC 1939, 7 says 70; a longer one than this is
// none.
const maxUID = 128

// listing returns the turns of the snapshot. In an empty maildrop only STAT is asked, unless all leave
// together, which costs less than finding out.
func (s *session) listing(k *known) []turn {
	empty := func() bool { return s.count == 0 }
	var turns []turn
	if k.After == nil && len(k.Before) > 0 {
		turns = append(turns, s.capa(&k.After))
	}
	turns = append(turns, turn{"STAT", false, s.stat, nil}, turn{"LIST", false, s.list, empty})
	if len(k.After) == 0 || k.After.has("UIDL", "") {
		turns = append(turns, turn{"UIDL", false, s.uidl, empty})
	}
	return turns
}

// stat reads the count; the sum of the sizes is not used.
func (s *session) stat() error {
	s.op = mail.OpList
	st, err := s.link.status()
	if err != nil {
		return err
	}
	if !st.ok {
		return refused(mail.OpList, s.server, st, nil)
	}
	var fields []string
	for f := range bytes.FieldsSeq([]byte(st.text)) {
		if fields = append(fields, string(f)); len(fields) == 2 {
			break
		}
	}
	if len(fields) == 2 {
		if s.count, err = number(fields[0]); err == nil {
			if s.count > s.opts.maxMessages() {
				return nonsensef("STAT counts %d messages, more than the %d that are allowed", s.count,
					s.opts.maxMessages())
			}
			return nil
		}
	}
	return &nonsense{"malformed reply to STAT: " + st.text}
}

// number reads digits and nothing else.
func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, &nonsense{"not a number: " + s}
	}
	return int(n), nil
}

// list reads numbers and sizes. One malformed line and the listing is worth nothing: a short one must never
// mean that messages are gone.
func (s *session) list() error {
	s.op = mail.OpList
	st, err := s.link.status()
	if err != nil {
		return err
	}
	if !st.ok {
		if s.count == 0 {
			return nil // there are servers that say so of nothing
		}
		return refused(mail.OpList, s.server, st, nil)
	}
	err = s.whole(func(l []byte) error {
		n, size, err := parseList(l)
		if err != nil {
			return err
		}
		if n > s.count {
			return nonsensef("LIST names message %d of %d", n, s.count)
		}
		if len(s.items) >= s.count { // more lines than messages: some number twice
			return &nonsense{"LIST has more lines than STAT counts"}
		}
		s.items = append(s.items, item{num: n, size: size})
		return nil
	})
	if err != nil {
		return err
	}
	byNum := func(a, b item) int { return cmp.Compare(a.num, b.num) }
	if !slices.IsSortedFunc(s.items, byNum) {
		slices.SortFunc(s.items, byNum)
	}
	for i := range s.items[min(1, len(s.items)):] {
		if s.items[i].num == s.items[i+1].num {
			return nonsensef("LIST names message %d twice", s.items[i].num)
		}
	}
	s.complete = len(s.items) == s.count
	return nil
}

// parseList reads a scan listing (RFC 1939, 5, LIST): a number and a size, and behind a blank whatever the
// server likes to add.
func parseList(l []byte) (n int, size int64, err error) {
	num, rest, ok := bytes.Cut(l, []byte(" "))
	word, _, _ := bytes.Cut(rest, []byte(" "))
	n, err = number(string(num))
	if !ok || err != nil || n == 0 {
		return 0, 0, malformed("LIST", l)
	}
	u, err := strconv.ParseUint(string(word), 10, 63)
	if err != nil {
		return 0, 0, malformed("LIST", l)
	}
	return n, int64(u), nil
}

func malformed(verb string, l []byte) error {
	return nonsensef("malformed line of %s: %s", verb, mail.Printable(string(l), 100))
}

// uidl reads the unique-ids. What is no identity (empty, too long, odd octets, twice) is left out; it is
// derived from the content when somebody asks. A server that does not know UIDL leaves out all.
func (s *session) uidl() error {
	s.op = mail.OpList
	st, err := s.link.status()
	if err != nil || !st.ok {
		return err
	}
	s.byUID = make(map[mail.UID]*item, len(s.items))
	next := 0 // servers keep the order of LIST
	err = s.whole(func(l []byte) error {
		n, uid, err := parseUIDL(l)
		if err != nil {
			return err
		}
		if next >= len(s.items) || s.items[next].num != n {
			byNum := func(x item, n int) int { return cmp.Compare(x.num, n) }
			i, found := slices.BinarySearchFunc(s.items, n, byNum)
			if !found {
				return nonsensef("UIDL names message %d, which LIST does not", n)
			}
			next = i
		}
		x := &s.items[next]
		next++
		return s.identity(x, uid)
	})
	for i := range s.items {
		if x := &s.items[i]; x.uid != "" && s.byUID[x.uid] == nil {
			x.uid = "" // the first of several with this one
		}
	}
	return err
}

// identity sets the unique-id of an item. Where two have the same, neither keeps it.
func (s *session) identity(x *item, uid mail.UID) error {
	if x.seen {
		return nonsensef("UIDL names message %d twice", x.num)
	}
	x.seen = true
	if uid == "" {
		return nil
	}
	if _, twice := s.byUID[uid]; twice {
		s.byUID[uid] = nil
		return nil
	}
	x.uid, s.byUID[uid] = uid, x
	return nil
}

// parseUIDL reads a line of UIDL (RFC 1939, 7). uid is empty where it is none that can be used. One that
// begins like ours (see mail.UID) is not used either.
func parseUIDL(l []byte) (n int, uid mail.UID, err error) {
	num, rest, _ := bytes.Cut(l, []byte(" "))
	if n, err = number(string(num)); err != nil || n == 0 {
		return 0, "", malformed("UIDL", l)
	}
	rest = bytes.TrimRight(rest, " ")
	if len(rest) == 0 || len(rest) > maxUID || rest[0] == '=' {
		return n, "", nil
	}
	for _, c := range rest {
		if c <= ' ' || c >= 0x7f {
			return n, "", nil
		}
	}
	return n, mail.UID(rest), nil
}

package pop3

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"mailretr/store/mail"
)

// An item is a message of the snapshot.
type item struct {
	num   int
	size  int64    // as announced; -1: nobody has asked
	uid   mail.UID // "" until it is known, or derived
	seen  bool     // UIDL named it
	gone  bool     // to be deleted, or deleted
	asked bool     // RETR was sent, and nobody has taken it yet
}

// What is asked and answered takes so many octets, about.
const (
	aboutListed = 64 // of a message, in LIST and UIDL
	aboutSingle = 48 // one question about one message
)

// mostBlind is how long a maildrop may be, in messages, which is listed before it is known how long it is.
const mostBlind = 8192

// maxUID is the longest unique-id that is used as it is. RFC 1939, 7 says 70.
const maxUID = 128

// opening returns the turns that leave together with the login: STAT, and the unique-id of the message that
// was the last one when the maildrop was left. Of a maildrop in which nothing has changed nothing else needs
// to be asked. One that had mail last time and was left empty is listed at once where that saves a turn: should it
// have none now, the two empty listings are some 50 octets.
func (s *session) opening(k *known, pipe bool) []turn {
	var turns []turn
	if k.After == nil && len(k.Before) > 0 && !k.Before.enough() {
		turns = append(turns, s.capa(&k.After))
	}
	turns = append(turns, turn{"STAT", false, s.stat, nil})
	if e := s.past.End; e != nil && s.alone() && s.hasUIDL(k) {
		x := s.one(e.Count)
		turns = append(turns, turn{s.uidlOf(x), false, func() error { return s.readUID(x) },
			func() bool { return s.count < x.num }})
	} else if pipe && s.past.Busy && s.opts.After == Delete && k.After != nil && s.hasUIDL(k) &&
		(s.opts.Blind == nil || s.opts.Blind(mostBlind*aboutListed)) {
		turns = append(turns, s.listing()...)
		s.early = true
	}
	return turns
}

// listing asks for everything.
func (s *session) listing() []turn {
	turns := []turn{{"LIST", false, s.list, nil}}
	if s.hasUIDL(s.known) {
		turns = append(turns, turn{"UIDL", false, s.uidl, nil})
	}
	return turns
}

// hasUIDL says whether it is worth asking for unique-ids.
func (s *session) hasUIDL(k *known) bool { return len(k.After) == 0 || k.After.has("UIDL", "") }

// all takes the listing, and gives each message an identity. In an empty maildrop nothing is asked.
func (s *session) all(ctx context.Context) error {
	switch {
	case s.broken != nil:
		return s.broken
	case s.listed:
		return s.identify(ctx)
	}
	defer s.link.watch(ctx)()
	if s.count == 0 {
		s.complete = true
	} else if !s.early {
		if err := s.talk(s.listing()); err != nil {
			return err
		}
	}
	s.listed = true
	if err := s.identify(ctx); err != nil {
		return err
	}
	s.vanished()
	return nil
}

// Listing is how many octets LIST and UIDL will take, about, and the headers that stand for unique-ids where there are
// none; 0 where they were asked for already.
func (s *session) Listing() int64 {
	if s.listed || s.early {
		return 0
	}
	nameless := len(s.past.Odd) // as many as there were
	if nameless >= mostOdd || !s.hasUIDL(s.known) {
		nameless = s.count
	}
	if s.known.NoTop {
		nameless = 0
	}
	return int64(s.count)*aboutListed + int64(min(nameless, s.count))*headerGuess
}

// Added is how many octets the questions of Since about one message each bring, about; 0 where it asks none.
func (s *session) Added(glance string) int64 {
	base := s.base(s.before(glance))
	if base == 0 || s.listed {
		return 0
	}
	return int64(s.count-base) * 2 * aboutSingle
}

// Sizes is 0: they come with the listing.
func (s *session) Sizes([]mail.UID) int64 { return 0 }

// talk makes turns in the middle of a session, where nothing else may be under way.
func (s *session) talk(turns []turn) error {
	s.op, s.plan = mail.OpList, nil
	err := s.quiet()
	if err == nil {
		err = s.take(s.pipelining, turns...)
	}
	switch t := (*mail.Trouble)(nil); {
	case err == nil:
		return nil
	case errors.As(err, &t):
		return s.fail(s.op, err)
	}
	if s.broken == nil {
		s.disbelieve(err)
	}
	return s.fail(s.op, err)
}

// stat reads the count, and the sum of the sizes, without which a server can be lived with.
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
			if s.sum, err = strconv.ParseInt(fields[1], 10, 64); err != nil || s.sum < 0 {
				s.sum = -1
			}
			return s.overlooked()
		}
	}
	return &nonsense{"malformed reply to STAT: " + st.text}
}

// overlooked ends a session which has asked for more than it would have, had it known how much there is. The next one
// finds that out first.
func (s *session) overlooked() error {
	if !s.early || s.count <= mostBlind || s.opts.Blind == nil {
		return nil
	}
	s.past.Busy = false
	s.retain()
	return &mail.Trouble{Op: mail.OpList, Kind: mail.Busy, Server: s.server, After: time.Second, Err: fmt.Errorf(
		"there are %d messages now, many more than before; the next visit asks what they cost", s.count)}
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
	if !st.ok && s.early && s.count == 0 {
		return nil // there is nothing to list
	}
	if !st.ok {
		return refused(mail.OpList, s.server, st, nil)
	}
	var block []item // one allocation for many
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
		x := s.single[n]
		if x == nil {
			if len(block) == 0 {
				block = make([]item, min(256, s.count-len(s.items)))
			}
			x, block = &block[0], block[1:]
		}
		x.num, x.size, x.seen = n, size, false
		s.items = append(s.items, x)
		return nil
	})
	if err != nil {
		return err
	}
	byNum := func(a, b *item) int { return cmp.Compare(a.num, b.num) }
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
// derived from the content when somebody asks. A server that does not know UIDL leaves out all, see nameless.
func (s *session) uidl() error {
	s.op = mail.OpList
	st, err := s.link.status()
	switch {
	case err != nil:
		return err
	case !st.ok:
		return s.nameless(st)
	}
	s.past.Nameless = 0
	s.byUID = make(map[mail.UID]*item, len(s.items))
	next := 0 // servers keep the order of LIST
	err = s.whole(func(l []byte) error {
		n, uid, err := parseUIDL(l)
		if err != nil {
			return err
		}
		if next >= len(s.items) || s.items[next].num != n {
			byNum := func(x *item, n int) int { return cmp.Compare(x.num, n) }
			i, found := slices.BinarySearchFunc(s.items, n, byNum)
			if !found {
				return nonsensef("UIDL names message %d, which LIST does not", n)
			}
			next = i
		}
		x := s.items[next]
		next++
		return s.identity(x, uid)
	})
	for _, x := range s.items {
		if x.uid != "" && s.byUID[x.uid] == nil {
			s.past.void(x.uid)
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
	x.seen, x.uid = true, ""
	if uid == "" || s.past.voided(uid) {
		return nil
	}
	if _, twice := s.byUID[uid]; twice {
		s.byUID[uid] = nil
		return nil
	}
	x.uid, s.byUID[uid] = uid, x
	return nil
}

// parseUIDL reads a line of UIDL (RFC 1939, 7). uid is empty where the server gives none.
func parseUIDL(l []byte) (n int, uid mail.UID, err error) {
	num, rest, _ := bytes.Cut(l, []byte(" "))
	if n, err = number(string(num)); err != nil || n == 0 {
		return 0, "", malformed("UIDL", l)
	}
	return n, UIDOf(bytes.Trim(rest, " \t")), nil
}

// UIDOf is what a unique-id is called that a server gives. One that is not as RFC 1939, 7 wants it (too long, with
// blanks or other odd octets), or begins like ours, is an identity all the same: what stands for it is a hash.
func UIDOf(id []byte) mail.UID {
	odd := len(id) > maxUID
	for i, c := range id {
		odd = odd || c <= ' ' || c >= 0x7f || i == 0 && (c == '=' || c == '%')
	}
	if odd {
		h := sha256.Sum256(id)
		return mail.UID("%" + hex.EncodeToString(h[:20]))
	}
	return mail.UID(id)
}

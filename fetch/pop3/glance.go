package pop3

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"mailretr/store/mail"
)

// How it is found out, for next to nothing, whether something was added. RFC 1939, 8 lets message numbers be
// the order of arrival, and servers keep to it. So where the message with the number of the former last one
// still has its unique-id, and the sizes of the ones behind it make up for all of the difference of the sums,
// what is before it is what was there, and what is behind it is new: a maildrop of 10,000 messages that are
// kept costs 40 octets more than an empty one, and a new message in it 80. Where any of it does not fit,
// everything is listed.
//
// Where the last one has no unique-id, or cannot be asked about alone, a change is told by count and sum, and everything is listed
// then: else each look at a maildrop that keeps its mail would cost the listing, or on servers without unique-ids the headers of
// all that is in it.
//
// A server that puts new mail in front never fits. If in such a maildrop a message is deleted by somebody and
// one of the very same size comes before the next look, it is found by the next listing only.

// mostSingle bounds what is asked about message by message.
const mostSingle = 200

// emptyGlance is what is said of an empty maildrop.
const emptyGlance = "0"

// Glance says how many messages there are, how long all are together, and which one is the last: that is left out where the
// server has no unique-ids, or is not to be asked for one alone. "" where it does not say how long they are.
func (s *session) Glance(ctx context.Context) (string, error) {
	switch {
	case s.broken != nil:
		return "", s.broken
	case s.count == 0:
		s.glance = emptyGlance
	case s.sum < 0:
		return "", nil
	case s.opts.After == Delete && s.past.End == nil && len(s.past.Odd) == 0: // nothing was left: all is new, and it will not stay
		return "", nil
	}
	if s.glance == "" && s.alone() && s.hasUIDL(s.known) {
		defer s.link.watch(ctx)()
		if err := s.look(s.base(s.past.End)); err != nil {
			return "", err
		}
		if last := s.single[s.count].uid; last != "" && !s.past.voided(last) {
			s.glance = fmt.Sprintf("%d %d %s", s.count, s.sum, brief(last))
		}
	}
	if s.glance == "" {
		s.glance = fmt.Sprintf("%d %d", s.count, s.sum)
	}
	return s.glance, nil
}

// Since names what was added to what an earlier session saw at its glance, or left behind.
func (s *session) Since(ctx context.Context, glance string) (uids []mail.UID, ok bool, err error) {
	switch old := s.before(glance); {
	case s.broken != nil:
		return nil, false, s.broken
	case glance == "" || s.listed || old == nil:
		return nil, false, nil
	case s.count == 0:
		return nil, true, nil
	case s.base(old) == 0 || strings.Count(s.glance, " ") < 2:
		return nil, false, nil
	default:
		defer s.link.watch(ctx)()
		return s.since(old)
	}
}

// before returns what a session that had this glance has left. nil: it is not understood.
func (s *session) before(glance string) *end {
	if e := s.past.End; e != nil && e.Glance == glance {
		return e
	}
	if glance == emptyGlance {
		return &end{}
	}
	f := strings.Split(glance, " ")
	if len(f) != 3 || len(f[2]) != 16 {
		return nil
	}
	count, err := number(f[0])
	sum, err2 := strconv.ParseInt(f[1], 10, 64)
	if err != nil || err2 != nil || count == 0 || sum < 0 {
		return nil
	}
	return &end{Glance: glance, Count: count, Sum: sum, Last: f[2]}
}

// base is the number of the former last message, where asking about those behind it is cheaper than listing
// all: in octets, or in turns where the server takes one command at a time. 0: it is not.
func (s *session) base(e *end) int {
	if e == nil || e.Count < 1 || e.Count > s.count {
		return 0
	}
	dear := 3
	if !s.pipelining {
		dear = 24
	}
	if n := s.count - e.Count; n > mostSingle || n*dear > s.count {
		return 0
	}
	return e.Count
}

// since looks at what is behind the former last message.
func (s *session) since(old *end) (uids []mail.UID, ok bool, err error) {
	if err := s.look(old.Count); err != nil {
		return nil, false, err
	}
	before := s.single[old.Count].uid
	if before == "" || brief(before) != old.Last {
		return nil, false, nil
	}
	have := map[mail.UID]*item{before: s.single[old.Count]}
	sum := old.Sum
	var fresh []*item
	for n := old.Count + 1; n <= s.count; n++ {
		x := s.single[n]
		if x.uid == "" || x.size < 0 || have[x.uid] != nil || s.past.voided(x.uid) {
			return nil, false, nil
		}
		sum += min(x.size, 1<<62-sum) // a liar's sizes must not overflow
		have[x.uid], uids, fresh = x, append(uids, x.uid), append(fresh, x)
	}
	if sum != s.sum {
		return nil, false, nil
	}
	delete(have, before) // it is no business of this session
	s.byUID, s.fresh, s.proven, s.proof = have, fresh, old.Count, before
	return uids, true, nil
}

// look finds out the unique-id of message from, unique-ids and sizes of all behind it; of the last one at
// least.
func (s *session) look(from int) error {
	if from == 0 {
		from = s.count
	}
	var turns []turn
	for n := from; n <= s.count; n++ {
		x := s.one(n)
		if !x.seen {
			turns = append(turns, turn{s.uidlOf(x), false, func() error { return s.readUID(x) }, nil})
		}
		if x.size < 0 && n > from {
			turns = append(turns, turn{"LIST " + strconv.Itoa(n), false, func() error { return s.readSize(x) }, nil})
		}
	}
	for len(turns) > 0 { // few enough that they fit into any buffer
		k := min(len(turns), maxSingle)
		if err := s.talk(turns[:k]); err != nil {
			return err
		}
		turns = turns[k:]
	}
	return nil
}

// maxSingle is how many single questions are on the line at once.
const maxSingle = maxAlone / 16

// one returns message n, which is asked about by itself.
func (s *session) one(n int) *item {
	if s.single == nil {
		s.single = map[int]*item{}
	}
	x := s.single[n]
	if x == nil {
		x = &item{num: n, size: -1}
		s.single[n] = x
	}
	return x
}

func (s *session) uidlOf(x *item) string { return "UIDL " + strconv.Itoa(x.num) }

// readUID reads the answer to UIDL with a number. There are servers that take it for UIDL without one: they
// are not asked in this way again. Nor is one that answers with nonsense, see disbelieve.
func (s *session) readUID(x *item) error {
	s.op = mail.OpList
	st, err := s.link.status()
	x.seen = true
	if err != nil || !st.ok {
		return err
	}
	n, uid, err := parseUIDL([]byte(st.text))
	if err != nil {
		s.past.Multi = s.opts.now().Unix()
		s.retain()
		return s.whole(func([]byte) error { return nil })
	}
	if n != x.num {
		err = nonsensef("UIDL %d is answered with message %d", x.num, n)
	}
	if err != nil {
		return err
	}
	x.uid = uid
	return nil
}

// readSize reads the answer to LIST with a number.
func (s *session) readSize(x *item) error {
	st, err := s.link.status()
	if err != nil || !st.ok {
		return err
	}
	n, size, err := parseList([]byte(st.text))
	if err == nil && n != x.num {
		err = nonsensef("LIST %d is answered with message %d", x.num, n)
	}
	if err != nil {
		return err
	}
	x.size = size
	return nil
}

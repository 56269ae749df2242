package imap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailretr/store/mail"
)

const (
	// searchChunk is how many messages one SEARCH speaks of. The library sorts an answer by insertion; a
	// hostile order costs it the square of what is in one answer, so an answer has to be short.
	searchChunk = 10_000
	// newest is how many UIDs from the last known UIDNEXT on are asked about before it is known whether there
	// are any, and later in one command: a bound for the answer, which nobody can stop. Without "*" nothing
	// comes where nothing is new.
	newest = 2000
	// mostNew is how many UIDs are asked about in this way in all. Where more are new they are searched for.
	mostNew = 20_000
)

// info is what is known of a message before its content.
type info struct {
	size  int64 // -1: not said
	date  time.Time
	flags []string
}

// A question is what was asked about one folder in one flight: STATUS, which costs a fifth of a SELECT; or
// SELECT, and what was asked of its messages behind it.
type question struct {
	s      *session
	f      *folder
	enable *imapclient.EnableCommand // nil: nothing is to be enabled
	status *imapclient.StatusCommand // nil: it is a SELECT
	sel    *imapclient.SelectCommand // nil as well: it is selected
	search *imapclient.SearchCommand // nil: not asked
	sizes  []chan error              // how each UID FETCH behind it ended; none: not asked
	low    uint32                    // first of their UIDs
	high   uint32                    // behind the last of them
	done   func()

	found *goimap.SearchData // nil: the answer was none
}

// A flight is questions that leave together.
type flight []*question

// wait waits for all answers, which nobody wants to know any more.
func (l flight) wait() {
	for _, q := range l {
		q.wait()
	}
}

// outset asks what the snapshot takes. One folder in which the last session found something is opened at
// once, and its newest messages are asked about; of others the state is enough, which often says that
// nothing is new.
func (s *session) outset(m *Memory) (all flight) {
	known := m != nil && len(m.Caps) > 0
	if len(s.folders) > 1 || known && !m.Busy {
		for _, f := range s.folders {
			all = append(all, s.state(f))
		}
		return all
	}
	q := s.sel(s.folders[0])
	if known && s.blind(newest) {
		low := m.Folders[q.f.name].UIDNext
		q.andSizes(low, low+newest) // a sum that overflows asks nothing
	}
	return flight{q}
}

// state asks with STATUS.
func (s *session) state(f *folder) *question {
	q := &question{s: s, f: f, done: s.line.begin(chatter)}
	q.status = s.c.Status(f.name, &goimap.StatusOptions{NumMessages: true, UIDNext: true, UIDValidity: true,
		HighestModSeq: s.o.wavers() && s.can(goimap.CapCondStore)})
	return q
}

// sel asks with SELECT, or EXAMINE.
func (s *session) sel(f *folder) *question {
	q := &question{s: s, f: f, done: s.line.begin(16*searchChunk + chatter)}
	q.enable = s.accept()
	q.sel = s.c.Select(f.name, &goimap.SelectOptions{ReadOnly: s.o.After == Keep})
	return q
}

// andSearch asks for the whole listing too, in ranges: a few octets that save a round trip.
func (q *question) andSearch() {
	q.s.line.wide.Store(16 * searchChunk)
	q.search = q.s.c.UIDSearch(&goimap.SearchCriteria{}, &goimap.SearchOptions{ReturnAll: true})
}

// andSizes asks for sizes of messages from low on and before high, if there are any.
func (q *question) andSizes(low, high uint32) {
	if low == 0 || high < low {
		return
	}
	s, f := q.s, q.f
	s.mu.Lock()
	f.infos, s.learning = map[goimap.UID]info{}, f
	s.mu.Unlock()
	q.low, q.high = low, low
	q.andMore(high)
}

// andMore goes on asking up to high.
func (q *question) andMore(high uint32) {
	s := q.s
	for q.high < high {
		n := min(high-q.high, newest)
		s.line.allow.Add(int64(n) << 10)
		set := goimap.UIDSet{{Start: goimap.UID(q.high), Stop: goimap.UID(q.high + n - 1)}}
		cmd, end := s.c.Fetch(set, s.sizesOf()), make(chan error, 1)
		s.wg.Go(func() { end <- s.through(cmd) })
		q.sizes, q.high = append(q.sizes, end), q.high+n
	}
}

// andRest asks about whatever else is new as soon as it is known that there is more than was asked about,
// while the answer is still coming. Where the line is about to be compressed this waits for it.
func (q *question) andRest(next uint32) {
	if len(q.sizes) > 0 && next > q.high && next-q.low <= mostNew && !q.s.compressible() && q.s.blind(next-q.high) {
		q.andMore(next)
	}
}

// wait returns when everything was answered. A trouble concerns the folder only, an error is the session's
// end.
func (q *question) wait() (*mail.Trouble, error) {
	defer q.done()
	if q.status != nil {
		return q.stated()
	}
	if q.sel == nil {
		q.takeSizes()
		return nil, nil
	}
	if q.enable != nil {
		q.s.accepted(q.enable)
	}
	data, err := q.sel.Wait()
	if err == nil {
		q.andRest(uint32(data.UIDNext))
	}
	if q.search != nil {
		var e error
		if q.found, e = q.search.Wait(); e != nil {
			q.found = nil // asked again in the plain way, if the SELECT was good
		}
		q.s.line.wide.Store(0)
	}
	q.takeSizes()
	if err != nil {
		q.s.choose(nil) // RFC 9051, 6.3.2: after a failed SELECT no folder is selected
		return q.refused(err)
	}
	q.s.choose(q.f)
	return q.opened(data)
}

// stated takes the answer to a STATUS.
func (q *question) stated() (*mail.Trouble, error) {
	data, err := q.status.Wait()
	if err != nil {
		return q.refused(err)
	}
	f := q.f
	if data.UIDValidity == 0 || data.UIDNext == 0 || data.NumMessages == nil {
		return q.s.odd(f, mail.Protocol, "the server does not say its state"), nil
	}
	f.validity, f.next, f.exists = data.UIDValidity, uint32(data.UIDNext), *data.NumMessages
	f.modseq = data.HighestModSeq
	return q.s.tooMany(f), nil
}

// opened takes the answer to a SELECT. What UIDNEXT was when the session began stays: mail that came
// meanwhile is the next session's. Of a folder that was made anew meanwhile nothing stays.
func (q *question) opened(data *goimap.SelectData) (*mail.Trouble, error) {
	f := q.f
	if f.validity != 0 && f.validity != data.UIDValidity {
		f.forget()
		f.next, f.modseq = 0, 0
	}
	f.validity, f.exists = data.UIDValidity, data.NumMessages
	if f.next == 0 {
		f.next, f.modseq = uint32(data.UIDNext), data.HighestModSeq
	}
	if f.validity == 0 {
		return q.s.odd(f, mail.Protocol, "the server gives no UIDVALIDITY, so its UIDs mean nothing"), nil
	}
	return q.s.tooMany(f), nil
}

func (s *session) tooMany(f *folder) *mail.Trouble {
	if uint64(f.exists) <= uint64(s.limits.Messages) {
		return nil
	}
	return s.odd(f, mail.Local, fmt.Sprintf("there are %d messages in it, more than the limit of %d",
		f.exists, s.limits.Messages))
}

// takeSizes takes over what was said of the newest messages, if all of it was; what is known of those before
// them already stays.
func (q *question) takeSizes() {
	if q.sizes == nil {
		return
	}
	s, f := q.s, q.f
	var err error
	for _, end := range q.sizes {
		if e := <-end; e != nil {
			err = e
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
	case f.ahead != nil && f.high == q.low:
		maps.Copy(f.ahead, f.infos)
		f.high = q.high
	default:
		f.ahead, f.low, f.high = f.infos, q.low, q.high
	}
	f.infos, s.learning = nil, nil
}

func (q *question) refused(err error) (*mail.Trouble, error) {
	s := q.s
	if !status(err) {
		return nil, s.fail(mail.OpList, err)
	}
	t := s.trouble(mail.OpList, err)
	t.Err = fmt.Errorf("folder %q: %w", q.f.name, err)
	return t, nil
}

func (s *session) odd(f *folder, k mail.Kind, why string) *mail.Trouble {
	return &mail.Trouble{Op: mail.OpList, Kind: k, Server: s.server(),
		Err: fmt.Errorf("folder %q: %s", f.name, why)}
}

// snapshot learns the state of each folder.
func (s *session) snapshot(ctx context.Context) error {
	m := s.o.Memory
	if m != nil && m.Introduce {
		if err := s.introduce(); err != nil {
			return err
		}
	}
	asked := s.early
	if asked == nil {
		asked = s.outset(m)
	}
	troubles := make([]*mail.Trouble, len(asked))
	for i, q := range asked {
		var err error
		if troubles[i], err = q.wait(); err != nil {
			return err
		}
	}
	good := 0
	for i, q := range asked {
		t, err := s.again(q, troubles[i])
		if err != nil {
			return err
		}
		if troubles[i] = t; t == nil {
			good++
		} else {
			s.leave(q.f, t)
		}
	}
	if good == 0 && len(troubles) > 0 {
		return troubles[0]
	}
	return ctx.Err()
}

// again asks about a folder in another way, where the first one brought trouble: some know no STATUS, or answer
// it under another name, and some want to know first who asks.
func (s *session) again(q *question, t *mail.Trouble) (*mail.Trouble, error) {
	if t != nil && q.status != nil {
		var err error
		if t, err = s.sel(q.f).wait(); err != nil {
			return nil, err
		}
	}
	if t == nil || !s.asksWho(t) {
		return t, nil
	}
	if err := s.introduce(); err != nil {
		return nil, err
	}
	return s.sel(q.f).wait()
}

// leave leaves a folder out of this session.
func (s *session) leave(f *folder, t *mail.Trouble) {
	f.left, f.complete = true, false
	f.why = t
	f.forget()
}

// List asks for the UIDs of each folder that is not empty. complete is false when one does not add up to its
// EXISTS. One that is left out is no matter of the listing (see [session.Covers]): else a single folder that
// is missing would make each visit list the others whole.
func (s *session) List(ctx context.Context) (uids []mail.UID, complete bool, err error) {
	complete, s.settling = true, true
	if err := s.each(ctx, func(f *folder) error {
		var err error
		if !f.listed {
			err = s.list(f)
		}
		complete = complete && f.complete
		for _, u := range f.uids {
			uids = append(uids, f.uid(u))
		}
		return err
	}); err != nil {
		return nil, false, err
	}
	return uids, complete, nil
}

// each does something with each folder that is not left out, while nothing else is on its way. A trouble of one
// leaves it out; of all, it is the error.
func (s *session) each(ctx context.Context, do func(*folder) error) error {
	if err := s.ready(ctx, mail.OpList); err != nil {
		return err
	}
	defer s.watch(ctx, mail.OpList)()
	if err := s.forget(mail.OpList); err != nil {
		return err
	}
	var first *mail.Trouble
	good := 0
	for _, f := range s.folders {
		if f.left {
			continue
		}
		err := do(f)
		var t *mail.Trouble
		switch {
		case err == nil:
			good++
		case s.broken() || !errors.As(err, &t):
			return err
		default:
			s.leave(f, t)
			if first == nil {
				first = t
			}
		}
	}
	if good == 0 && first != nil {
		return first
	}
	return nil
}

// list lists a folder. A *mail.Trouble concerns it alone unless the session is broken.
func (s *session) list(f *folder) error {
	f.uids, f.complete = nil, true
	if f.exists == 0 {
		f.listed = true
		return nil
	}
	if s.selected != f {
		q := s.sel(f)
		if f.exists <= searchChunk && s.caps.Has(goimap.CapESearch) {
			q.andSearch()
		}
		if t, err := q.wait(); err != nil {
			return err
		} else if t != nil {
			return t
		}
		if q.found != nil && s.enlist(f, q.found, int(f.exists)+searchChunk) && f.complete {
			f.listed = true
			return nil
		}
	}
	if err := s.search(f); err != nil {
		return err
	}
	f.listed = true
	return nil
}

// search lists a folder that is selected: in ranges where the server can (RFC 4731), which is a few octets
// for a folder without gaps.
func (s *session) search(f *folder) error {
	for _, ranges := range []bool{true, false} {
		if ranges && !s.caps.Has(goimap.CapESearch) {
			continue
		}
		f.uids, f.complete = nil, f.exists == 0
		for low := uint32(1); low <= f.exists; low += searchChunk {
			criteria := &goimap.SearchCriteria{}
			if f.exists > searchChunk {
				var part goimap.SeqSet
				part.AddRange(low, min(low+searchChunk-1, f.exists))
				criteria.SeqNum = []goimap.SeqSet{part}
			}
			found, err := s.searchOnce(criteria, ranges)
			if err != nil {
				return err
			}
			if !s.enlist(f, found, int(f.exists)+searchChunk) {
				break
			}
		}
		if f.complete || !ranges {
			break // a range may run over a gap; the plain answer may not
		}
	}
	return nil
}

// searchOnce makes one SEARCH in the selected folder.
func (s *session) searchOnce(criteria *goimap.SearchCriteria, ranges bool) (*goimap.SearchData, error) {
	var options *goimap.SearchOptions
	if ranges {
		options = &goimap.SearchOptions{ReturnAll: true}
	}
	s.line.wide.Store(24 * searchChunk)
	defer s.line.wide.Store(0)
	defer s.line.begin(24 * searchChunk)()
	found, err := s.c.UIDSearch(criteria, options).Wait()
	switch {
	case err == nil:
		return found, nil
	case status(err):
		return nil, s.trouble(mail.OpList, err)
	}
	return nil, s.fail(mail.OpList, err)
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
	f.add(uids...)
	now := f.exists
	if m := s.c.Mailbox(); m != nil {
		now = m.NumMessages // mail may come and go meanwhile
	}
	f.complete = len(f.uids) == int(f.exists) || len(f.uids) == int(now)
	return true
}

// add adds UIDs to the listing.
func (f *folder) add(uids ...goimap.UID) {
	f.uids = append(f.uids, uids...)
	slices.Sort(f.uids)
	f.uids = slices.Compact(f.uids)
}

// forget drops what was known of messages: their numbers mean nothing any more.
func (f *folder) forget() {
	f.uids, f.listed, f.ahead, f.low, f.high = nil, false, nil, 0, 0
	f.settled, f.again = map[goimap.UID]bool{}, map[goimap.UID]bool{}
}

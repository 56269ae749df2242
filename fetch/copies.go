package fetch

import (
	"context"
	"io"
	"slices"
	"time"

	"mailretr/relay"
	"mailretr/store/mail"
)

// A provider may store one mail once for each of its recipients. Its body then crosses the line once, with the
// first copy; of the others only the header is fetched, for which the MTA is asked anyway. Each copy is queued
// with its own header, octet for octet as it is upstream, and each recipient gets the mail once.

// A kin is what is known of the copies of one mail. It belongs to the goroutine that reads, but for the second part,
// which is under the session's lock.
type kin struct {
	first  *mail.Message
	in     *gauged            // the batch that the first was added to; nil: it was not in this session
	served map[mail.Path]bool // who gets the mail by one of them
	copies []*mail.Message    // that wait for the first's body
	bodies int                // that were made of the first's, or will be
	old    bool               // from an earlier session

	open   int  // commits that are waited for
	taken  bool // the first is the queue's, for certain
	failed bool // no body is to be had: each copy is fetched
	spoilt bool // one was not taken, so who is served is not certain
	uids   []mail.UID
	at     time.Time // the last one was taken
}

// How long copies are remembered after their session, for those that are stored later, and how much of that.
const (
	remembered     = 24 * time.Hour
	mostRemembered = 1000
	// mostCopies bounds what a server can fill our disk with at the price of headers: as many as a transaction
	// has recipients at the most, with most MTAs (RFC 5321, 4.5.3.1.8).
	mostCopies = 100
)

// keep returns what the next session has to know: mails of which everything is certain.
func (s *session) keep(now time.Time) map[Identity]*kin {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, k := range s.kin {
		if !k.taken || k.spoilt || k.open != 0 || now.Sub(k.at) > remembered || len(s.kin) > mostRemembered {
			delete(s.kin, id)
			continue
		}
		k.first = &mail.Message{ID: k.first.ID, Origin: k.first.Origin}
		k.in, k.copies, k.old, k.failed = nil, nil, true, false
	}
	return s.kin
}

// kinOf returns what is known of a message's copies, itself included; nil where nothing can be said.
func (s *session) kinOf(ctx context.Context, m *mail.Message) (k *kin, id Identity) {
	if s.drop.Identity == nil {
		return nil, id
	}
	header, err := m.Content.Header(ctx)
	if err != nil {
		return nil, id // who reads it next tells
	}
	id, ok := s.drop.Identity(header, m.Content.Size())
	if !ok {
		return nil, id
	}
	if k = s.kin[id]; k == nil || s.comesAgain(k, m.Origin.UID) {
		k = &kin{first: m, served: map[mail.Path]bool{}}
		if s.kin == nil {
			s.kin = map[Identity]*kin{}
		}
		s.kin[id] = k
	}
	return k, id
}

// comesAgain says whether this very message was taken in an earlier session: then somebody wants it once more.
func (s *session) comesAgain(k *kin, uid mail.UID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return k.old && slices.Contains(k.uids, uid)
}

// sift decides about a message that the queue wants, before its body is asked for.
func (b *gauged) sift(ctx context.Context, m *mail.Message) relay.Verdict {
	s := b.s
	k, id := s.kinOf(ctx, m)
	other := k != nil && k.first != m
	switch {
	case other && k.in == nil && len(k.copies) < mostCopies && s.expected(k):
		k.copies = append(k.copies, m)
	case other && b.copy(ctx, k, m, true):
	case s.alone && s.went:
		// It came along because of its size, and is another mail: that has a session of its own.
		if k != nil && !other {
			delete(s.kin, id)
		}
		s.later(m, id)
	default:
		s.went = true
		return relay.Fetch
	}
	s.withheld++
	return relay.Leave
}

// later leaves a message for a session of its own, beside its copies. The zero id says that it has none.
func (s *session) later(m *mail.Message, id Identity) {
	for i := range s.left {
		if x := &s.left[i]; id != (Identity{}) && x.id == id && len(x.with) < company {
			x.with = append(x.with, m.Origin.UID)
			return
		}
	}
	s.left = append(s.left, part{uid: m.Origin.UID, large: m.Content.Size() >= s.drop.largeFrom(), id: id})
}

// expected says whether the body of the first is still to come.
func (s *session) expected(k *kin) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !k.taken && !k.failed
}

// certain says whether all who are served have the mail, whatever becomes of what is under way.
func (s *session) certain(k *kin) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return k.taken && !k.spoilt && k.open == 0
}

func (s *session) fail(k *kin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.failed = true
}

// can says whether a message can be taken as a copy: the first is in this batch, or was committed, and its body is
// to be had or not needed.
func (b *gauged) can(k *kin, needed bool) bool {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	return !k.spoilt && (k.taken || k.in == b) && !(needed && (k.failed || k.bodies >= mostCopies))
}

// rest are those recipients who have not got the mail by another copy.
func (k *kin) rest(m *mail.Message) (to []mail.Recipient) {
	for _, r := range m.Envelope.Recipients {
		if !k.served[r.Forward] {
			to = append(to, r)
		}
	}
	return to
}

// serve notes who gets the mail by this message, if it is taken.
func (b *gauged) serve(k *kin, m *mail.Message) {
	b.s.mu.Lock()
	k.open++
	b.s.mu.Unlock()
	for _, r := range m.Envelope.Recipients {
		k.served[r.Forward] = true
	}
}

// copy queues a message with the body of the first, and says whether that could be done. own: the transfer
// knows nothing of it, so it is settled here.
func (b *gauged) copy(ctx context.Context, k *kin, m *mail.Message, own bool) bool {
	to := k.rest(m)
	c, ok := b.Batch.(mail.Copier)
	if !ok || !b.can(k, len(to) > 0) {
		return false
	}
	header, err := m.Content.Header(ctx)
	if err == nil {
		err = c.Copy(ctx, m, k.first, to)
	}
	if err != nil {
		b.s.fail(k)
		return false
	}
	if b.serve(k, m); len(to) > 0 {
		k.bodies++
	}
	b.in = append(b.in, added{m: m, kin: k, own: own, saved: m.Content.Size() - int64(len(header))})
	return true
}

// again takes a message whose body comes in any case, if it goes to somebody who gets that already. It says
// whether it was taken so.
func (b *gauged) again(ctx context.Context, k *kin, m *mail.Message) bool {
	if k == nil || k.first == m {
		return false
	}
	rest := k.rest(m)
	if len(rest) == len(m.Envelope.Recipients) {
		return false
	}
	if !b.copy(ctx, k, m, false) {
		if len(rest) > 0 && b.s.certain(k) {
			m.Envelope.Recipients = rest // its own body, for those who have not got it
		}
		return false
	}
	r, err := m.Content.Open(ctx)
	if err != nil {
		return true // it is here; what is wrong with the line shows at the next message
	}
	n, _ := io.Copy(io.Discard, r)
	r.Close()
	b.s.waste(n)
	return true
}

// follow takes the copies of a message that is in this batch now.
func (b *gauged) follow(ctx context.Context, k *kin, m *mail.Message) {
	if k == nil {
		return
	}
	if b.serve(k, m); k.first != m {
		return
	}
	k.in = b
	for _, c := range k.copies {
		if !b.copy(ctx, k, c, true) {
			b.s.later(c, Identity{})
		}
	}
	k.copies = nil
}

// lose is told that a message could not be had. Its copies are fetched by themselves.
func (s *session) lose(k *kin, m *mail.Message) {
	if k == nil || k.first != m {
		return
	}
	s.fail(k)
	for _, c := range k.copies {
		s.later(c, Identity{})
	}
	k.copies = nil
}

// took is told what became of a message.
func (s *session) took(k *kin, m *mail.Message, done bool) {
	if k == nil {
		return
	}
	now := s.p.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.open--; !done {
		k.failed, k.spoilt = true, true
		return
	}
	k.taken = k.taken || k.first == m
	k.uids, k.at = append(k.uids, m.Origin.UID), now
}

// copied is told that a copy is ours. It is let go of at the session's end: until then the maildrop belongs to
// whoever reads from it.
func (s *session) copied(x added, r mail.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settles = append(s.settles, settled{x, r})
}

// settled is a copy with its report.
type settled struct {
	added
	r mail.Report
}

// Close commits copies that came after the last body, lets go of copies, and ends the session.
func (l *listing) Close() error {
	s := l.s
	for _, b := range s.batches {
		if len(b.in) > 0 {
			b.Commit(context.Background())
		}
	}
	s.mu.Lock()
	all := s.settles
	s.settles = nil
	s.mu.Unlock()
	for _, x := range all {
		s.spared.Messages++
		s.spared.Octets += max(x.m.Content.Size(), 0)
		s.spared.Saved += x.saved
		if err := l.Maildrop.Settle(context.Background(), x.m, x.r); err != nil {
			s.unsettle()
			s.p.observe(mail.Event{Op: mail.OpSettle, Origin: x.m.Origin, Err: err,
				Text: "a copy is let go of in the next session"})
		}
	}
	defer s.p.hangUp(s) // from here on it needs no slot
	return l.Maildrop.Close()
}

// company is how many messages go into one session with a large one because they may be copies of it, and
// resembling how much their sizes may differ: by the names of recipients and hosts, each of which may stand in
// the header several times.
const (
	company    = 15
	resembling = 1000
)

// together returns how many of the messages, by size, go into one session: one, and what may be copies of it.
func (s *session) together(large []found) int {
	d := &s.drop
	first := large[0].m.Content.Size()
	if d.Identity == nil || d.Ask == nil || s.state.bare(s.p.now()) || d.Above <= 0 || first < d.Above {
		return 1
	}
	n := 1
	for n < len(large) && n <= company && large[n].m.Content.Size()-first <= resembling {
		n++
	}
	return n
}

// uids are those of all but the first.
func uids(some []found) (all []mail.UID) {
	for _, x := range some[1:] {
		all = append(all, x.m.Origin.UID)
	}
	return all
}

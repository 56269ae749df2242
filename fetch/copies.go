package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"iter"
	"strings"

	"mailretr/relay"
	"mailretr/store/mail"
)

// A provider may store one mail once for each of its recipients. Its body then crosses the line once, with the
// first copy; of the others only the header is fetched, for which the MTA is asked anyway. Each copy is queued
// with its own header, octet for octet as it is upstream, and each recipient gets the mail once.

// An Identity is the same for two messages that are copies of one mail, and for no others.
type Identity [sha256.Size]byte

// Identity tells copies of one mail from other mail. Two messages are copies if all of this is equal:
//
//   - the field Copies, a Received which the provider has written and which has an id of its own, octet for octet;
//   - every octet of the header below it, but for the fields in which the recipients are looked for; a
//     Message-ID is among them;
//   - the announced size, less what stands above that Received, and less those fields.
//
// The id is the provider's, so nobody else can make a message that looks like a copy of another one; and one
// acceptance by one host has one body. Where anything is missing, or is not as it should be, there is no
// identity, and the message is collected by itself: better twice than lost.
func (d Multi) Identity(header []byte, size int64) (id Identity, ok bool) {
	if d.Copies.Name == "" || size < int64(len(header)) || !bytes.HasSuffix(header, []byte("\n\r\n")) {
		return id, false
	}
	h := sha256.New()
	n, named := d.Copies.Nth, false
	begun := false
	rest := size - int64(len(header)) // octets that count, of the message
	for name, field := range parts(header) {
		if !begun {
			if !strings.EqualFold(name, "Received") {
				continue
			}
			r := readReceived(unfold(field))
			if d.Copies.By != "" && !within(d.Copies.By, r.by) {
				continue
			}
			if n--; n > 0 && d.Copies.By == "" {
				continue
			}
			if begun = true; r.odd || r.by == "" || r.id == "" {
				return id, false
			}
		}
		if d.reads(name) {
			continue
		}
		named = named || strings.EqualFold(name, "Message-ID") && len(unfold(field)) > 2
		h.Write(field)
		rest += int64(len(field))
	}
	if !begun || !named {
		return id, false
	}
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(rest)))
	return Identity(h.Sum(nil)), true
}

// reads says whether recipients are looked for in the field. Received is not left out: there each counts.
func (d Multi) reads(name string) bool {
	for _, f := range d.Fields {
		if strings.EqualFold(f.Name, name) && !strings.EqualFold(name, "Received") {
			return true
		}
	}
	return false
}

// parts yields the fields of a header as they came, with their line ends, and what stands between them under
// the name "".
func parts(header []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		begin, at, name := 0, 0, ""
		for line := range bytes.Lines(header) {
			folded := line[0] == ' ' || line[0] == '\t'
			if !folded && at > begin {
				if !yield(name, header[begin:at]) {
					return
				}
				begin = at
			}
			if !folded {
				name = ""
				if i := bytes.IndexByte(line, ':'); i > 0 {
					name = string(bytes.TrimRight(line[:i], " \t"))
				}
			}
			at += len(line)
		}
		if at > begin {
			yield(name, header[begin:at])
		}
	}
}

// unfold returns the body of a field.
func unfold(field []byte) string {
	_, body, _ := bytes.Cut(field, []byte(":"))
	return strings.NewReplacer("\r", "", "\n", "").Replace(string(body))
}

// A kin is what a session knows of the copies of one mail. It belongs to the goroutine that reads, but for taken
// and failed, which are under the session's lock.
type kin struct {
	first  *mail.Message
	in     *gauged // the batch that the first was added to; nil: it waits for its body
	served map[mail.Path]bool
	copies []*mail.Message // that wait for its body

	taken  bool // by the queue, for certain
	failed bool // it cannot be copied: each is fetched
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
	if k = s.kin[id]; k == nil {
		k = &kin{first: m, served: map[mail.Path]bool{}}
		if s.kin == nil {
			s.kin = map[Identity]*kin{}
		}
		s.kin[id] = k
	}
	return k, id
}

// sift decides about a message that the queue wants, before its body is asked for.
func (b *gauged) sift(ctx context.Context, m *mail.Message) relay.Verdict {
	s := b.s
	k, id := s.kinOf(ctx, m)
	other := k != nil && k.first != m
	switch {
	case other && k.in == nil && !s.failed(k):
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

func (s *session) failed(k *kin) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return k.failed
}

func (s *session) fail(k *kin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.failed = true
}

// can says whether the first's body is to be had: it is in this batch, or was committed.
func (b *gauged) can(k *kin) bool {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	return !k.failed && (k.taken || k.in == b)
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

// serve notes who gets the mail by this message.
func (k *kin) serve(m *mail.Message) {
	for _, r := range m.Envelope.Recipients {
		k.served[r.Forward] = true
	}
}

// copy queues a message with the body of the first, and says whether that could be done. own: the transfer
// knows nothing of it, so it is settled here.
func (b *gauged) copy(ctx context.Context, k *kin, m *mail.Message, own bool) bool {
	c, ok := b.Batch.(mail.Copier)
	if !ok || !b.can(k) {
		return false
	}
	header, err := m.Content.Header(ctx)
	if err == nil {
		err = c.Copy(ctx, m, k.first, k.rest(m))
	}
	if err != nil {
		b.s.fail(k)
		return false
	}
	k.serve(m)
	b.in = append(b.in, added{m: m, own: own, saved: m.Content.Size() - int64(len(header))})
	return true
}

// again takes a message whose body comes in any case, if it goes to somebody who gets that already. It says
// whether it was taken so.
func (b *gauged) again(ctx context.Context, k *kin, m *mail.Message) bool {
	if k == nil || k.first == m || len(k.rest(m)) == len(m.Envelope.Recipients) || !b.copy(ctx, k, m, false) {
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
	if k.serve(m); k.first != m {
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

// took is told what became of a first message.
func (s *session) took(k *kin, m *mail.Message, done bool) {
	if k == nil || k.first != m {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k.taken, k.failed = done, k.failed || !done
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

// Close lets go of copies, and ends the session.
func (l *listing) Close() error {
	s := l.s
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

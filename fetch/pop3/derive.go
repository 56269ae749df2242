package pop3

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"mailretr/store/mail"
)

// topAhead is how many TOP leave before the first answer is read, when identities are derived.
const topAhead = 32

// identify gives an identity to each message whose unique-id is none: "=", a hash of header section and
// size, and an ordinal among equal ones. It costs a header each, so only these pay it, once a session.
func (s *session) identify(ctx context.Context) error {
	switch {
	case s.broken != nil:
		return s.broken
	case s.identified:
		return nil
	case s.byUID == nil:
		s.byUID = make(map[mail.UID]*item)
	}
	var odd []*item
	for _, x := range s.items {
		if x.uid == "" || s.late(x) {
			odd = append(odd, x)
		}
	}
	if len(odd) > 0 {
		defer s.link.watch(ctx)()
		if err := s.derive(odd); err != nil {
			return err
		}
	}
	s.identified = true
	return nil
}

// late says whether a message has a unique-id that it may not have had before: one of this size was known by
// its content. There are servers that give a unique-id only to what was retrieved once.
func (s *session) late(x *item) bool {
	return !s.known.NoTop && slices.ContainsFunc(s.past.Odd, func(o odd) bool { return o.Size == x.size })
}

func (s *session) derive(odd []*item) error {
	for asked, i := 0, 0; i < len(odd); i++ {
		for asked < len(odd) && !s.known.NoTop && (asked <= i || s.pipelining && asked-i < topAhead) {
			if err := s.link.send(s.topOf(odd[asked])); err != nil {
				return s.fail(mail.OpList, err)
			}
			asked++
		}
		var key string
		var err error
		if i < asked { // else the server has no TOP
			if key, err = s.topKey(odd[i]); err != nil {
				return s.fail(mail.OpList, err)
			}
		}
		if odd[i].uid != "" {
			s.rename(odd[i], key)
			continue
		}
		if key == "" {
			if err := s.unknowable(); err != nil {
				return err
			}
			key = rand.Text()
		}
		s.name(odd[i], key)
	}
	return nil
}

// rename gives a message its former identity back, if it had another one.
func (s *session) rename(x *item, key string) {
	had := func(o odd) bool { return key != "" && o.Size == x.size && strings.HasPrefix(string(o.UID), "="+key) }
	if slices.ContainsFunc(s.past.Odd, had) {
		s.past.void(x.uid)
		delete(s.byUID, x.uid)
		s.name(x, key)
	}
}

// topKey reads the answer to TOP and makes a key of it; "" where there is no header to be had.
func (s *session) topKey(x *item) (string, error) {
	st, err := s.link.status()
	if err != nil {
		return "", err
	}
	if !st.ok {
		if !s.known.After.has("TOP", "") {
			s.learnNoTop("does not know TOP")
		}
		return "", nil
	}
	h := sha256.New()
	m := s.link.multi()
	scan, done := scanner{}, false
	var head []byte
	for {
		b, err := m.next()
		if err == io.EOF {
			s.keep(x, head)
			fmt.Fprintf(h, "\x00%d", x.size)
			return hex.EncodeToString(h.Sum(nil)[:16]), nil
		}
		if err == nil && m.raw > 2*mail.MaxHeader {
			err = &nonsense{"the answer to TOP is too long"}
		}
		if err != nil {
			return "", err
		}
		if !done {
			h.Write(b)
			head = append(head, b[:min(len(b), maxKept+1-len(head))]...)
			done = scan.end(b)
		}
	}
}

// What is kept of headers that were read for an identity, in octets: of one, and of all.
const (
	maxKept = 16 << 10
	allKept = 4 << 20
)

// keep keeps a header for Content.Header.
func (s *session) keep(x *item, head []byte) {
	if len(head) > maxKept || len(head) == 0 || s.kept+len(head) > allKept || s.heads[x] != nil {
		return
	}
	if s.heads == nil {
		s.heads = map[*item][]byte{}
	}
	s.heads[x] = head
	s.kept += len(head)
}

// convinced is how long a server that has given unique-ids has to refuse them before it is believed that it gives none.
const convinced = 24 * time.Hour

// nameless says what a refusal of UIDL means: nil where the server gives no unique-ids. One that gave them to what is there now,
// or says that it is not well, will give them again: without them each message would be another one, known by its header at best,
// in this session and, because it may be given its unique-id only late, in all that follow.
func (s *session) nameless(st status) error {
	t, now := refused(mail.OpList, s.server, st, nil), s.opts.now()
	since := time.Unix(s.past.Nameless, 0)
	switch {
	case s.count == 0, s.past.End == nil && t.Kind != mail.Busy:
		return nil
	case s.past.Nameless == 0 || since.After(now):
		s.past.Nameless = now.Unix()
	case now.Sub(since) > convinced:
		return nil
	}
	s.retain()
	t.Kind = mail.Busy
	return t
}

// unknowable refuses what can only go wrong: a message without any identity that stays upstream would be
// collected at each poll. Where it is deleted afterwards, a name for this session is enough; it may come
// twice after a cut.
func (s *session) unknowable() error {
	if s.opts.After == Delete && !s.opts.Stays {
		return nil
	}
	return &mail.Trouble{Op: mail.OpList, Kind: mail.Protocol, Server: s.server,
		Err:  errors.New("messages cannot be told apart: the server has neither UIDL nor TOP"),
		Hint: "Such a maildrop can only be emptied: set after: delete, at once and whatever the size, or use IMAP."}
}

// name sets a derived identity; equal keys are counted.
func (s *session) name(x *item, key string) {
	uid := mail.UID("=" + key)
	for n := 2; s.byUID[uid] != nil; n++ {
		uid = mail.UID("=" + key + "." + strconv.Itoa(n))
	}
	x.uid, s.byUID[uid] = uid, x
}

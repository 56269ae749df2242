package imap

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/store/mail"
)

const (
	sizesAtOnce = 2000 // messages that one round trip asks about
	aboutSize   = 100  // octets of each answer
	aboutNumber = 7    // octets of a number in an answer to SEARCH
)

// Messages asks for sizes, dates and flags of what is wanted, some thousand at a time, and yields folder by
// folder in the order of UIDs. What is no longer there does not come. Announcements made before are
// forgotten.
func (s *session) Messages(ctx context.Context, want []mail.UID) iter.Seq2[*mail.Message, error] {
	return func(yield func(*mail.Message, error) bool) {
		if want == nil {
			if _, _, err := s.List(ctx); err != nil {
				yield(nil, err)
				return
			}
		}
		wanted := s.sort(want)
		for _, f := range s.folders {
			for part := range slices.Chunk(wanted(f), sizesAtOnce) {
				infos, err := s.sizes(ctx, f, part)
				if t, is := err.(*mail.Trouble); is && t.Alone {
					s.leave(f, t)
					break
				}
				if err != nil {
					yield(nil, err)
					return
				}
				for _, u := range part {
					i, there := infos[u]
					if there && !yield(s.message(f, u, i)) {
						return
					}
				}
			}
		}
	}
}

// sort returns which UIDs of a folder are wanted.
func (s *session) sort(want []mail.UID) func(*folder) []goimap.UID {
	if want == nil {
		return func(f *folder) []goimap.UID { return slices.Clone(f.uids) }
	}
	found := map[*folder][]goimap.UID{}
	for _, u := range want {
		if f, uid, ok := s.find(u); ok {
			found[f] = append(found[f], uid)
		}
	}
	return func(f *folder) []goimap.UID {
		slices.Sort(found[f])
		return slices.Compact(found[f])
	}
}

// message makes one, with an error beside it if it is larger than the configured limit.
func (s *session) message(f *folder, u goimap.UID, i info) (*mail.Message, error) {
	s.busy = true
	c := &content{s: s, f: f, uid: u, size: i.size}
	c.m = &mail.Message{Content: c, Origin: mail.Origin{Maildrop: s.o.Name, Account: s.o.Account, UID: f.uid(u),
		Date: i.date, Flags: i.flags}}
	c.m.To = f.to
	if max := s.limits.Message; max > 0 && i.size > max {
		t := s.alone(mail.Local, "", fmt.Sprintf("it has %d octets, more than the limit of %d", i.size, max))
		t.Hint = "Raise the limit, or fetch it by other means."
		return c.m, t
	}
	return c.m, nil
}

// sizes asks about some messages, unless all were asked about already.
func (s *session) sizes(ctx context.Context, f *folder, uids []goimap.UID) (map[goimap.UID]info, error) {
	if err := s.ready(ctx, mail.OpList); err != nil {
		return nil, err
	}
	if f.knows(uids) {
		return f.ahead, nil
	}
	return s.infos(ctx, f, uids, s.sizesOf())
}

// infos asks about some messages. What is said of them by an unasked flag update on the way counts as well.
func (s *session) infos(
	ctx context.Context, f *folder, uids []goimap.UID, what *goimap.FetchOptions,
) (map[goimap.UID]info, error) {
	if err := s.ready(ctx, mail.OpList); err != nil {
		return nil, err
	}
	defer s.watch(ctx, mail.OpList)()
	if err := s.forget(mail.OpList); err != nil {
		return nil, err
	}
	if err := s.enter(f); err != nil {
		return nil, err
	}
	if err := s.compress(ctx, int64(len(uids))*aboutSize); err != nil {
		return nil, err
	}
	s.mu.Lock()
	f.infos, s.learning = map[goimap.UID]info{}, f
	s.mu.Unlock()
	defer s.line.begin(int64(len(uids))<<10 + chatter)()
	err := s.askInfos(uids, what)
	if err != nil && !status(err) { // NO: some are gone, the others came (RFC 9051, 7.1 on NO to FETCH)
		return nil, s.fail(mail.OpList, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	infos := f.infos
	f.infos, s.learning = nil, nil
	if err != nil && len(infos) == 0 {
		t := s.trouble(mail.OpList, err)
		t.Alone = true
		return nil, t
	}
	return infos, nil
}

// sizesOf is what is asked about a message before its content: dates and flags are two thirds of an answer.
func (s *session) sizesOf() *goimap.FetchOptions {
	return &goimap.FetchOptions{UID: true, RFC822Size: true, InternalDate: s.o.Details, Flags: s.o.Details}
}

// knows says whether all of these were spoken of when the newest messages were asked about.
func (f *folder) knows(uids []goimap.UID) bool {
	return f.ahead != nil && !slices.ContainsFunc(uids, func(u goimap.UID) bool {
		_, said := f.ahead[u]
		return !said
	})
}

// askInfos asks in as many commands as it takes, all at once. An error of the line counts more than an
// answer.
func (s *session) askInfos(uids []goimap.UID, what *goimap.FetchOptions) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var worst error
	for set := range sets(uids) {
		cmd := s.c.Fetch(set, what)
		wg.Go(func() {
			err := s.through(cmd)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && (worst == nil || status(worst)) {
				worst = err
			}
		})
	}
	wg.Wait()
	return worst
}

package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"mailretr/store/mail"
)

// stock is a maildrop in memory: what it holds, what it was told, and where its line breaks.
type stock struct {
	forgot   []mail.UID // whose header was dropped
	held     map[mail.UID]string
	order    []mail.UID
	cutAt    mail.UID // reading this one breaks the session
	badAlone mail.UID // this one cannot be had, the others can
	log      []string // ahead, open, settle, close, in order

	settled map[mail.UID]bool
	dead    bool
	gone    []mail.UID
}

func newStock(bodies ...string) *stock {
	s := &stock{held: map[mail.UID]string{}, settled: map[mail.UID]bool{}}
	for i, b := range bodies {
		uid := mail.UID(fmt.Sprintf("u%d", i+1))
		s.held[uid] = b
		s.order = append(s.order, uid)
	}
	return s
}

func (s *stock) note(format string, args ...any) { s.log = append(s.log, fmt.Sprintf(format, args...)) }

func (s *stock) Open(context.Context) (mail.Maildrop, error) {
	s.settled, s.dead, s.gone = map[mail.UID]bool{}, false, nil
	return s, nil
}

func (s *stock) List(context.Context) ([]mail.UID, bool, error) { return s.order, true, nil }

func (s *stock) Messages(_ context.Context, want []mail.UID) iter.Seq2[*mail.Message, error] {
	return func(yield func(*mail.Message, error) bool) {
		if want == nil {
			want = s.order
		}
		for _, uid := range want {
			if _, ok := s.held[uid]; !ok {
				continue
			}
			m := &mail.Message{
				Origin:   mail.Origin{Maildrop: "jaco", UID: uid},
				Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: "jaco@kroon.co.za"}}},
				Content:  &held{s: s, uid: uid},
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (s *stock) Ahead(_ context.Context, part mail.Part, some []*mail.Message) error {
	var uids []string
	for _, m := range some {
		uids = append(uids, string(m.Origin.UID))
	}
	s.note("ahead %d %s", part, strings.Join(uids, ","))
	return nil
}

func (s *stock) Settle(_ context.Context, m *mail.Message, r mail.Report) error {
	if s.dead {
		return &mail.Trouble{Op: mail.OpSettle, Err: errors.New("line is cut")}
	}
	if r.Done(len(m.Envelope.Recipients)) {
		s.settled[m.Origin.UID] = true
	}
	s.note("settle %s %v", m.Origin.UID, r.Done(len(m.Envelope.Recipients)))
	return nil
}

func (s *stock) Release(_ context.Context, uids []mail.UID) error {
	for _, u := range uids {
		s.settled[u] = true
		s.note("release %s", u)
	}
	return nil
}

func (s *stock) Close() error {
	s.note("close")
	if s.dead {
		return &mail.Trouble{Op: mail.OpQuit, Err: errors.New("line is cut")}
	}
	for uid := range s.settled {
		delete(s.held, uid)
		s.gone = append(s.gone, uid)
	}
	return nil
}

func (s *stock) Gone() []mail.UID { return s.gone }

// held is the content of one message of a stock.
type held struct {
	s   *stock
	uid mail.UID
}

func (h *held) Size() int64 { return int64(len(h.s.held[h.uid])) }

func (h *held) Header(context.Context) ([]byte, error) {
	h.s.note("header %s", h.uid)
	head, _, _ := strings.Cut(h.s.held[h.uid], "\r\n\r\n")
	return []byte(head + "\r\n\r\n"), nil
}

func (h *held) Forget() { h.s.forgot = append(h.s.forgot, h.uid) }

func (h *held) Open(context.Context) (io.ReadCloser, error) {
	h.s.note("open %s", h.uid)
	switch h.uid {
	case h.s.cutAt:
		h.s.dead = true
		return nil, &mail.Trouble{Op: mail.OpFetch, Err: errors.New("line is cut")}
	case h.s.badAlone:
		return nil, &mail.Trouble{Op: mail.OpFetch, Kind: mail.Protocol, Alone: true, Reply: "-ERR no such message"}
	}
	return io.NopCloser(strings.NewReader(h.s.held[h.uid])), nil
}

// tray is a queue in memory: it takes octets in Add and responsibility in Commit.
type tray struct {
	mu      sync.Mutex
	got     map[mail.UID]string
	refused map[mail.UID]mail.Report
	commits []int
	begun   atomic.Int32 // commits
	mute    bool
	block   chan struct{} // Commit waits for it
}

func newTray() *tray {
	return &tray{got: map[mail.UID]string{}, refused: map[mail.UID]mail.Report{}}
}

func (t *tray) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	b := t.Batch()
	if b.Add(ctx, m) != nil {
		return nil
	}
	return b.Commit(ctx)[0]
}

func (t *tray) Batch() mail.Batch { return &trayBatch{t: t} }

func (t *tray) Refuse(_ context.Context, m *mail.Message, r mail.Report) error {
	if t.mute {
		return mute{}
	}
	t.refused[m.Origin.UID] = r
	return nil
}

// mute is the error of a refusal that nobody may be told of.
type mute struct{}

func (mute) Error() string { return "nobody may be told" }
func (mute) Aside() bool   { return true }

type trayBatch struct {
	t  *tray
	in []*mail.Message
	b  []string
}

func (b *trayBatch) Add(ctx context.Context, m *mail.Message) error {
	r, err := m.Content.Open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	octets, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	b.in, b.b = append(b.in, m), append(b.b, string(octets))
	return nil
}

func (b *trayBatch) Commit(context.Context) []mail.Report {
	b.t.begun.Add(1)
	if b.t.block != nil {
		<-b.t.block
	}
	b.t.mu.Lock()
	defer b.t.mu.Unlock()
	var reports []mail.Report
	for i, m := range b.in {
		b.t.got[m.Origin.UID] = b.b[i]
		reports = append(reports, mail.Same(1, mail.Result{Outcome: mail.Delivered}))
	}
	if len(b.in) > 0 {
		b.t.commits = append(b.t.commits, len(b.in))
	}
	b.in, b.b = nil, nil
	return reports
}

// letter makes a message of about n octets.
func letter(subject string, n int) string {
	h := "From: a@example.org\r\nSubject: " + subject + "\r\n\r\n"
	return h + string(bytes.Repeat([]byte("x"), max(n-len(h)-2, 0))) + "\r\n"
}

// asker answers probes from a table.
type asker map[mail.UID]mail.Result

func (a asker) Probe(_ context.Context, m *mail.Message) mail.Report {
	return mail.Same(len(m.Envelope.Recipients), a[m.Origin.UID])
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

package fetch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"mailretr/relay"
	"mailretr/store/mail"
)

// queue is a Refuser in memory.
type queue struct {
	copying error // of copies
	kept    error // of their commit
	copies  []mail.UID
	marked  []mail.UID // and nothing else

	mu      sync.Mutex
	got     map[mail.UID][]byte
	twice   []mail.UID
	add     error // of the queue's own
	commit  error
	spurns  mail.UID // is not taken, though others are
	refused []mail.UID

	now  func() time.Duration // nil: when nobody wants to know
	when map[mail.UID]time.Duration
}

func (q *queue) Batch() mail.Batch { return &pending{q: q} }

func (q *queue) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	b := q.Batch()
	if err := b.Add(ctx, m); err != nil {
		return mail.Report{{Err: err}}
	}
	return b.Commit(ctx)[0]
}

func (q *queue) Refuse(_ context.Context, m *mail.Message, _ mail.Report) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused = append(q.refused, m.Origin.UID)
	return nil
}

func (q *queue) size(uid mail.UID) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if b, ok := q.got[uid]; ok {
		return int64(len(b))
	}
	return -1
}

func (q *queue) has(uid mail.UID) bool { return q.size(uid) >= 0 }

// at is when a message was taken.
func (q *queue) at(uid mail.UID) time.Duration { q.mu.Lock(); defer q.mu.Unlock(); return q.when[uid] }

func (q *queue) refusals() int { q.mu.Lock(); defer q.mu.Unlock(); return len(q.refused) }

func (q *queue) count() int { q.mu.Lock(); defer q.mu.Unlock(); return len(q.got) }

type pending struct {
	q    *queue
	in   []*mail.Message
	data [][]byte
	own  []bool // it has a body of its own
}

func (b *pending) Add(ctx context.Context, m *mail.Message) error {
	if b.q.add != nil {
		return b.q.add
	}
	r, err := m.Content.Open(ctx)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := r.Close(); err != nil {
		return err
	}
	b.in, b.data, b.own = append(b.in, m), append(b.data, data), append(b.own, true)
	return nil
}

// Copy takes what was added to this batch; or is for nobody, and of what the queue has.
func (b *pending) Copy(ctx context.Context, m, of *mail.Message, to []mail.Recipient) error {
	i := slices.Index(b.in, of)
	if i < 0 && len(to) == 0 && b.q.has(of.Origin.UID) {
		b.in, b.own, b.data = append(b.in, m), append(b.own, false), append(b.data, nil)
		return b.q.copying
	}
	if i < 0 || b.q.copying != nil {
		return cmpOr(b.q.copying, errors.New("it is not here"))
	}
	header, err := m.Content.Header(ctx)
	_, body, _ := bytes.Cut(b.data[i], []byte("\r\n\r\n"))
	b.in, b.own = append(b.in, m), append(b.own, false)
	b.data = append(b.data, slices.Concat(header, body))
	return err
}

func (b *pending) Commit(context.Context) (all []mail.Report) {
	b.q.mu.Lock()
	defer b.q.mu.Unlock()
	for i, m := range b.in {
		if m.Origin.UID == b.q.spurns {
			all = append(all, mail.Same(len(m.Envelope.Recipients), mail.Result{Err: errors.New("not this one")}))
			continue
		}
		err := b.q.commit
		if !b.own[i] {
			err = cmpOr(err, b.q.kept)
		}
		if err != nil {
			all = append(all, mail.Same(len(m.Envelope.Recipients), mail.Result{Err: err}))
			continue
		}
		if !b.own[i] && b.data[i] != nil {
			b.q.copies = append(b.q.copies, m.Origin.UID)
		} else if !b.own[i] {
			b.q.marked = append(b.q.marked, m.Origin.UID)
		}
		if _, ok := b.q.got[m.Origin.UID]; ok {
			b.q.twice = append(b.q.twice, m.Origin.UID)
		}
		b.q.got[m.Origin.UID] = b.data[i]
		if b.q.now != nil {
			b.q.when[m.Origin.UID] = b.q.now()
		}
		all = append(all, mail.Same(len(m.Envelope.Recipients), mail.Result{Outcome: mail.Delivered}))
	}
	b.in, b.data, b.own = nil, nil, nil
	return all
}

// ledger is a Ledger in memory: what the queue has is taken.
type ledger struct {
	mu     sync.Mutex
	queue  *queue
	met    map[mail.Account]bool
	known  map[string]bool
	asides map[mail.UID]*aside
	gone   []mail.UID
	err    error

	most            int // notes; 0: any number
	noticed, wanted []mail.UID
	refusing        error // of Notice
}

type aside struct {
	Aside
	tries int
	since time.Time
}

func key(d *Drop, uid mail.UID) string { return string(d.Account) + "/" + string(uid) }

func (l *ledger) Choose(_ context.Context, d *Drop, x Listing) (c mail.Choice, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	met := l.met[d.Account]
	for _, uid := range x.UIDs {
		if !met && x.Old != nil && x.Old(uid) {
			l.known[key(d, uid)] = true
		}
		size := l.queue.size(uid)
		switch a := l.asides[uid]; {
		case l.known[key(d, uid)]:
		case size >= 0 && (x.Size == nil || x.Size(uid) < 0 || x.Size(uid) == size):
			c.Release = append(c.Release, uid)
		case a != nil && time.Now().Before(a.Next) && !(x.Over && a.Kind == AsideBudget) &&
			!(x.Mended && a.Kind == AsideCut):
		default:
			c.Fetch = append(c.Fetch, uid)
			if slices.Contains(l.wanted, uid) {
				c.Wanted = append(c.Wanted, uid)
			}
			if a != nil && len(a.Header) > 0 {
				if c.Headers == nil {
					c.Headers = map[mail.UID]mail.Head{}
				}
				c.Headers[uid] = mail.Head{Octets: a.Header, Size: a.Size}
			}
		}
	}
	l.met[d.Account] = true
	return c, l.err
}

// Known is never asked: every UID here proves itself.
func (l *ledger) Known(context.Context, *Drop, []*mail.Message) (known, release []mail.UID, err error) {
	return nil, nil, errors.New("asked about a message that was not doubted")
}

func (l *ledger) Confirm(context.Context) error { return nil }

func (l *ledger) Gone(_ context.Context, _ *Drop, uids []mail.UID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = append(l.gone, uids...)
	return nil
}

func (l *ledger) Aside(_ context.Context, _ *Drop, a Aside) (int, time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.asides[a.Origin.UID]
	if old == nil && l.most > 0 && len(l.asides) >= l.most {
		return 0, time.Time{}, crowd{}
	}
	if old == nil {
		old = &aside{since: time.Now()}
		l.asides[a.Origin.UID] = old
	}
	old.tries++
	old.Aside = a
	return old.tries, old.since, l.err
}

// crowd is what a ledger says that notes no more.
type crowd struct{}

func (crowd) Error() string { return "too many" }
func (crowd) Crowded() bool { return true }

func (l *ledger) Notice(_ context.Context, _ *Drop, m *mail.Message, a Aside) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refusing != nil {
		return l.refusing
	}
	if l.err == nil {
		l.known[string(m.Origin.Account)+"/"+string(m.Origin.UID)] = true
		l.noticed = append(l.noticed, m.Origin.UID)
	}
	return l.err
}

type notes struct {
	mu *sync.Mutex
	m  map[string]string
}

func (n notes) Load(_ context.Context, name string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return []byte(n.m[name]), nil
}

func (n notes) Save(_ context.Context, name string, b []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.m[name] = string(b)
	return nil
}

var _ relay.Refuser = (*queue)(nil)

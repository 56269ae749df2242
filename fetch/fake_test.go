package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/store/mail"
)

// world is a provider with maildrops, a queue with marks, and a poller, all in memory.
type world struct {
	t      *testing.T
	p      *Poller
	queue  *queue
	ledger *ledger
	notes  notes
	events events

	mu      sync.Mutex
	boxes   map[string]*box
	now     map[string]int // sessions by server
	most    map[string]int
	overall int
	peak    int
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, boxes: map[string]*box{}, now: map[string]int{}, most: map[string]int{}}
	w.queue = &queue{got: map[mail.UID][]byte{}}
	w.ledger = &ledger{
		met: map[mail.Account]bool{}, known: map[string]bool{}, asides: map[mail.UID]*aside{}, queue: w.queue,
	}
	w.notes = notes{m: map[string]string{}, mu: &sync.Mutex{}}
	w.p = w.poller()
	return w
}

func (w *world) poller() *Poller {
	return &Poller{
		Ledger: w.ledger, Notes: w.notes, Observe: &w.events,
		Jitter: func(time.Duration) time.Duration { return 0 },
	}
}

// live is how many sessions run.
func (w *world) live() int { w.mu.Lock(); defer w.mu.Unlock(); return w.overall }

// slots is how many large slots are taken.
func (w *world) slots() int { w.p.mu.Lock(); defer w.p.mu.Unlock(); return w.p.large }

// state is what the poller remembers of a maildrop.
func (w *world) state(name string) State {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	return w.p.drops[name].state.clone()
}

// aside is the note of a message; nil where there is none.
func (w *world) aside(uid mail.UID) *aside {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	if a := w.ledger.asides[uid]; a != nil {
		b := *a
		return &b
	}
	return nil
}

// drop adds a maildrop at a server.
func (w *world) drop(name, server string) *box {
	b := &box{w: w, server: server, name: name}
	w.boxes[name] = b
	return b
}

// drops are the maildrops as the configuration has them.
func (w *world) drops(names ...string) []Drop {
	var all []Drop
	for _, name := range names {
		all = append(all, w.boxes[name].config())
	}
	return all
}

// run runs the poller until the test, or stop, ends it.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { w.p.Run(ctx); close(done) }()
	return func() { cancel(); <-done }
}

// box is one maildrop at the provider.
type box struct {
	w      *world
	name   string
	server string
	change func(*Drop) // of the configuration

	mu     sync.Mutex
	msgs   []*letter
	opens  []time.Time
	refuse func(n int) error // of the nth login
	last   time.Duration     // how long a login takes
	closed error
	live   int
	asked  []mail.UID // bodies, in order
	gone   []mail.UID
	sizes  int // how often sizes were asked for

	delay   time.Duration // LOGIN-DELAY, as it is announced
	glances bool          // it says whether something was added
	fickle  bool          // it leaves out its folder
	puts    int
	looks   []string // what was asked of the listing: glance, since N, list
}

type letter struct {
	uid    mail.UID
	seq    int
	data   []byte
	size   int64 // announced; 0: its own
	date   time.Time
	breaks error         // the body ends with it, after its half
	slow   time.Duration // before the body comes
	drips  int           // octets a minute; 0: as fast as it is read
	grows  bool          // with each time that it is asked for: it breaks somewhere else
	header error
	forgot int // how often what was read of it was dropped
}

const head = "Return-Path: <a@example.org>\r\nSubject: x\r\n\r\n"

func (b *box) put(uid mail.UID, size int) *letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	data := []byte(head)
	data = append(data, bytes.Repeat([]byte("x"), max(size-len(data), 0))...)
	b.puts++
	l := &letter{uid: uid, data: data, seq: b.puts}
	b.msgs = append(b.msgs, l)
	return l
}

func (b *box) config() Drop {
	d := Drop{
		Name: b.name, Account: mail.Account(b.name), Server: b.server, From: b, Queue: b.w.queue,
		Resolve: Single{To: []mail.Path{"jaco@kroon.co.za"}}.Resolve, Every: 5 * time.Minute,
	}
	if b.change != nil {
		b.change(&d)
	}
	return d
}

func (b *box) logins() int { b.mu.Lock(); defer b.mu.Unlock(); return len(b.opens) }

// bodies are those that were asked for, in order.
func (b *box) bodies() []mail.UID { b.mu.Lock(); defer b.mu.Unlock(); return slices.Clone(b.asked) }

func (b *box) refuses(f func(n int) error) { b.mu.Lock(); defer b.mu.Unlock(); b.refuse = f }

func (b *box) uids() (all []mail.UID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.msgs {
		all = append(all, l.uid)
	}
	return all
}

func (b *box) Open(ctx context.Context) (mail.Maildrop, error) {
	w := b.w
	w.mu.Lock()
	w.now[b.server]++
	w.overall++
	w.most[b.server] = max(w.most[b.server], w.now[b.server])
	w.peak = max(w.peak, w.overall)
	w.mu.Unlock()
	b.mu.Lock()
	b.opens = append(b.opens, time.Now())
	n, refuse, last := len(b.opens), b.refuse, b.last
	if b.live++; b.live > 1 {
		w.t.Errorf("%s: two sessions at once", b.name)
	}
	b.mu.Unlock()
	err := pause(ctx, last)
	if err == nil && refuse != nil {
		err = refuse(n)
	}
	if err != nil {
		b.leave()
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	d := &dialogue{box: b, msgs: slices.Clone(b.msgs), puts: b.puts}
	if b.fickle {
		return &fickle{glancing{d}, []string{"INBOX"}}, nil
	}
	if b.glances {
		return glancing{d}, nil
	}
	return d, nil
}

// glancing is a session that tells what was added.
type glancing struct{ *dialogue }

func (g glancing) look(s string) { g.mu.Lock(); g.looks = append(g.looks, s); g.mu.Unlock() }

func (g glancing) Glance(context.Context) (string, error) {
	g.look("glance")
	return fmt.Sprint(g.puts), nil
}

func (g glancing) Since(_ context.Context, glance string) (uids []mail.UID, ok bool, err error) {
	g.look("since " + glance)
	n, err := strconv.Atoi(glance)
	for _, l := range g.msgs {
		if l.seq > n {
			uids = append(uids, l.uid)
		}
	}
	return uids, true, err
}

func (g glancing) List(ctx context.Context) ([]mail.UID, bool, error) {
	g.look("list")
	return g.dialogue.List(ctx)
}

// fickle is a session that leaves out its folder as soon as something of it is asked for.
type fickle struct {
	glancing
	folders []string
}

func (f *fickle) Covers() ([]string, bool) { return f.folders, false }

func (f *fickle) Messages(context.Context, []mail.UID) iter.Seq2[*mail.Message, error] {
	f.folders = nil
	return func(func(*mail.Message, error) bool) {}
}

func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return &mail.Trouble{Op: mail.OpFetch, Err: ctx.Err()}
	}
}

func (b *box) leave() {
	b.mu.Lock()
	b.live--
	b.mu.Unlock()
	b.w.mu.Lock()
	b.w.now[b.server]--
	b.w.overall--
	b.w.mu.Unlock()
}

// dialogue is one session of a box; it deletes what is done when it is closed.
type dialogue struct {
	*box
	msgs   []*letter
	puts   int // of the box when it began
	done   []mail.UID
	broken bool
	ended  bool
}

func (d *dialogue) LoginDelay() time.Duration { return d.delay }

func (d *dialogue) List(context.Context) (uids []mail.UID, complete bool, err error) {
	for _, l := range d.msgs {
		uids = append(uids, l.uid)
	}
	return uids, true, nil
}

func (d *dialogue) Messages(_ context.Context, want []mail.UID) iter.Seq2[*mail.Message, error] {
	d.mu.Lock()
	d.sizes++
	d.mu.Unlock()
	return func(yield func(*mail.Message, error) bool) {
		for _, l := range d.msgs {
			if want != nil && !slices.Contains(want, l.uid) {
				continue
			}
			m := &mail.Message{
				Origin:  mail.Origin{Maildrop: d.name, Account: mail.Account(d.name), UID: l.uid, Date: l.date},
				Content: &body{d, l},
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (d *dialogue) Settle(_ context.Context, m *mail.Message, r mail.Report) error {
	if r.Done(len(m.Envelope.Recipients)) {
		d.done = append(d.done, m.Origin.UID)
	}
	return nil
}

func (d *dialogue) Release(_ context.Context, uids []mail.UID) error {
	d.done = append(d.done, uids...)
	return nil
}

func (d *dialogue) Close() error {
	if d.ended {
		return nil
	}
	d.ended = true
	d.leave()
	if d.broken {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.box.msgs = slices.DeleteFunc(d.box.msgs, func(l *letter) bool { return slices.Contains(d.done, l.uid) })
	d.gone = append(d.gone, d.done...)
	return d.closed
}

func (d *dialogue) Gone() []mail.UID {
	if d.broken {
		return nil
	}
	return d.done
}

type body struct {
	d *dialogue
	l *letter
}

func (b *body) Size() int64 {
	if b.l.size != 0 {
		return b.l.size
	}
	return int64(len(b.l.data))
}

func (b *body) Header(context.Context) ([]byte, error) {
	if b.l.header != nil {
		return nil, b.l.header
	}
	i := bytes.Index(b.l.data, []byte("\r\n\r\n"))
	if i < 0 {
		return b.l.data, nil
	}
	return b.l.data[:i+4], nil
}

func (b *body) Forget() { b.l.forgot++ }

func (b *body) Open(ctx context.Context) (io.ReadCloser, error) {
	b.d.mu.Lock()
	b.d.asked = append(b.d.asked, b.l.uid)
	if b.l.grows {
		b.l.data = append(b.l.data, make([]byte, 1000)...)
	}
	breaks := b.l.breaks
	b.d.mu.Unlock()
	if err := pause(ctx, b.l.slow); err != nil {
		b.d.broken = true
		return nil, err
	}
	if b.l.drips > 0 {
		return io.NopCloser(&dripping{ctx: ctx, data: b.l.data, n: b.l.drips}), nil
	}
	if breaks == nil {
		return io.NopCloser(bytes.NewReader(b.l.data)), nil
	}
	var t *mail.Trouble
	if errors.As(breaks, &t) && t.Alone {
		return nil, breaks
	}
	b.d.broken = true
	return io.NopCloser(io.MultiReader(bytes.NewReader(b.l.data[:len(b.l.data)/2]), failing{breaks})), nil
}

// dripping is a body that trickles.
type dripping struct {
	ctx  context.Context
	data []byte
	n    int // a minute
	room int // of this minute
}

func (d *dripping) Read(b []byte) (int, error) {
	if len(d.data) == 0 {
		return 0, io.EOF
	}
	if d.room == 0 {
		if err := pause(d.ctx, time.Minute); err != nil {
			return 0, err
		}
		d.room = d.n
	}
	n := copy(b, d.data[:min(d.room, len(d.data))])
	d.data, d.room = d.data[n:], d.room-n
	return n, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// events keeps what was told.
type events struct {
	mu  sync.Mutex
	all []mail.Event
}

func (x *events) Observe(e mail.Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = append(x.all, e)
}

func (x *events) of(op mail.Op) (some []mail.Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.all {
		if e.Op == op {
			some = append(some, e)
		}
	}
	return some
}

// asker is an MTA that is asked.
type asker struct {
	mu    sync.Mutex
	asked []mail.Envelope
	say   func(from, to mail.Path) mail.Result
}

func (a *asker) Probe(_ context.Context, m *mail.Message) (r mail.Report) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, m.Envelope)
	for _, x := range m.Envelope.Recipients {
		r = append(r, a.say(m.Envelope.Reverse, x.Forward))
	}
	return r
}

// inBubble runs a test with a clock of its own, and says of each goroutine that is left that it is one too
// many: a bubble does not end before its goroutines do.
func inBubble(t *testing.T, f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t)) })
}

func after(d time.Duration) { <-time.After(d); synctest.Wait() }

func refusedLogin(int) error {
	return &mail.Trouble{Op: mail.OpLogin, Kind: mail.Auth, Server: "isp:995", Reply: "-ERR [AUTH] no"}
}

func away(int) error {
	return &mail.Trouble{Op: mail.OpDial, Server: "isp:995", Err: io.ErrUnexpectedEOF}
}

func nonsense() error {
	return &mail.Trouble{Op: mail.OpFetch, Kind: mail.Protocol, Server: "isp:995", Err: errors.New("nonsense")}
}

func names(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("drop%03d", i))
	}
	return all
}

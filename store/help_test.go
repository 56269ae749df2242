package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"mailretr/store/mail"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// text is a content in memory that can break.
type text struct {
	b    []byte
	size int64 // announced; 0: the true one
	cut  int   // > 0: breaks after so many octets
	err  error // what Open says
	read int   // how often it was opened
}

func (c *text) Size() int64 {
	if c.size != 0 {
		return c.size
	}
	return int64(len(c.b))
}

func (c *text) Header(context.Context) ([]byte, error) {
	if i := bytes.Index(c.b, []byte("\r\n\r\n")); i >= 0 {
		return c.b[:i+4], nil
	}
	return c.b, nil
}

func (c *text) Open(context.Context) (io.ReadCloser, error) {
	c.read++
	if c.err != nil {
		return nil, c.err
	}
	if c.cut > 0 {
		return io.NopCloser(io.MultiReader(bytes.NewReader(c.b[:c.cut]), broken{})), nil
	}
	return io.NopCloser(bytes.NewReader(c.b)), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// reporter makes one short report per failed recipient, by the rules that matter here.
type reporter struct {
	err  error
	mute bool
	mu   sync.Mutex
	told []mail.Path // of whom a report was made
}

func (r *reporter) Report(ctx context.Context, m *mail.Message, rep mail.Report) ([]*mail.Message, error) {
	if r.err != nil {
		return nil, r.err
	}
	if _, err := m.Content.Header(ctx); err != nil {
		return nil, err
	}
	if r.mute || m.Envelope.Reverse.Null() {
		return nil, nil
	}
	var all []*mail.Message
	for i, x := range m.Envelope.Recipients {
		r.mu.Lock()
		r.told = append(r.told, x.Forward)
		r.mu.Unlock()
		body := fmt.Sprintf("Subject: failed %s\r\n\r\n%v\r\n%v\r\n", string(x.Forward), rep[i], rep[i].Err)
		all = append(all, &mail.Message{
			Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: m.Envelope.Reverse}}},
			Content:  &text{b: []byte(body)},
		})
	}
	return all, nil
}

// events gathers what is observed.
type events struct {
	mu  sync.Mutex
	all []mail.Event
}

func (e *events) Observe(x mail.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, x)
}

func (e *events) of(op mail.Op) (some []mail.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.all {
		if x.Op == op {
			some = append(some, x)
		}
	}
	return some
}

// world is a queue over an engine in memory.
type world struct {
	*testing.T
	*Queue
	clock  *clock
	mem    *mem
	report *reporter
	events *events
}

func newWorld(t *testing.T) *world {
	c := newClock()
	w := &world{T: t, clock: c, mem: newMem(c.now), report: &reporter{}, events: &events{}}
	w.use(w.mem)
	t.Cleanup(func() {
		for _, s := range w.mem.disk.misused {
			t.Error(s)
		}
	})
	return w
}

// use makes a new queue over an engine, as a restart does.
func (w *world) use(e *mem) {
	old := w.Queue
	w.mem = e
	w.Queue = &Queue{
		Engine: e, Reporter: w.report, Observe: w.events, Now: w.clock.now,
		Route: func(_ mail.Origin, _ mail.Envelope, r mail.Recipient) []mail.Lane {
			if d := r.Forward.Domain(); d == "b.example" || d == "c.example" {
				return []mail.Lane{mail.Lane(d)}
			}
			return []mail.Lane{"main"}
		},
		Wait: func(_ context.Context, d time.Duration) error { w.clock.add(d); return nil },
	}
	if old != nil {
		w.Queue.Route, w.Queue.Guard, w.Queue.Schedule = old.Route, old.Guard, old.Schedule
		w.Queue.Fate, w.Queue.Late, w.Queue.Flood, w.Queue.Reporter = old.Fate, old.Late, old.Flood, old.Reporter
	}
}

// message makes a message of one maildrop; recipients are separated by arguments.
func message(uid string, sender mail.Path, to ...mail.Path) *mail.Message {
	m := &mail.Message{
		Envelope: mail.Envelope{Reverse: sender},
		Content:  &text{b: fmt.Appendf(nil, "From: %s\r\nSubject: %s\r\n\r\nHello %s\r\n", sender, uid, uid)},
	}
	if uid != "" {
		m.Origin = mail.Origin{Maildrop: "jaco", Account: "acc", UID: mail.UID(uid)}
	}
	for _, p := range to {
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: p})
	}
	return m
}

// put queues a message that has to be taken.
func (w *world) put(m *mail.Message) mail.ID {
	w.Helper()
	if r := w.Deliver(w.Context(), m); !r.Done(len(m.Envelope.Recipients)) {
		w.Fatalf("not queued: %+v", r)
	}
	return m.ID
}

// session opens a session of a lane that the test closes with itself.
func (w *world) session(l mail.Lane) mail.Maildrop {
	w.Helper()
	d, err := w.Lane(l).Open(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { d.Close() })
	return d
}

// pass delivers everything due in a lane, as answer says, and returns how many messages that were.
func (w *world) pass(l mail.Lane, answer func(*mail.Message) mail.Report) (n int) {
	w.Helper()
	d := w.session(l)
	for m, err := range d.Messages(w.Context(), nil) {
		if err != nil {
			w.Fatalf("Messages: %v", err)
		}
		n++
		if err := d.Settle(w.Context(), m, answer(m)); err != nil {
			w.Fatalf("Settle: %v", err)
		}
	}
	if err := d.Close(); err != nil {
		w.Fatal(err)
	}
	return n
}

func always(x mail.Result) func(*mail.Message) mail.Report {
	return func(m *mail.Message) mail.Report { return mail.Same(len(m.Envelope.Recipients), x) }
}

var (
	yes     = mail.Result{Outcome: mail.Delivered, Reply: "250 ok", RemoteMTA: "mta:25"}
	no      = mail.Result{Outcome: mail.Failed, Reply: "550 no such user", RemoteMTA: "mta:25"}
	later   = mail.Result{Reply: "451 4.3.0 Zip module failure", Enhanced: "4.3.0", RemoteMTA: "mta:25"}
	away    = mail.Result{Scope: mail.OfLane, Err: io.ErrUnexpectedEOF}
	another = mail.Result{Scope: mail.OfSession, Reply: "452 4.5.3 too many"}
)

// records returns what is queued, in order.
func (w *world) records() (all []Record) {
	w.Helper()
	for l, err := range w.Engine.List(w.Context(), Filter{}) {
		if err != nil {
			w.Fatal(err)
		}
		all = append(all, l.Record)
	}
	return all
}

// read returns the content of a message.
func read(t *testing.T, m *mail.Message) []byte {
	t.Helper()
	r, err := m.Content.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"mailretr/conf"
	"mailretr/fetch"
	"mailretr/store"
	"mailretr/store/badger"
	"mailretr/store/mail"
)

const text = "Subject: hello\r\nFrom: a@example.org\r\n\r\nbody\r\n"

// reports makes one DSN per failure.
type reports struct{}

func (reports) Report(_ context.Context, m *mail.Message, _ mail.Report) ([]*mail.Message, error) {
	dsn := &mail.Message{Content: mail.Text("Subject: failed\r\n\r\nno\r\n"), Parent: m.ID}
	dsn.Envelope.Recipients = []mail.Recipient{{Forward: m.Envelope.Reverse}}
	return []*mail.Message{dsn}, nil
}

// nowhere is a maildrop's server that is away.
type nowhere struct{}

func (nowhere) Open(context.Context) (mail.Maildrop, error) {
	return nil, &mail.Trouble{Op: mail.OpDial, Server: "mail.isp.example:995", Err: errors.New("refused"), Hint: "wait"}
}

type ledger struct{ fetch.Ledger }

// newHouse assembles a house with a queue, and one maildrop jaco whose server is away.
func newHouse(t *testing.T) House {
	t.Helper()
	e, err := badger.Open(t.Context(), badger.Options{Dir: filepath.Join(t.TempDir(), "state"), Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	hub := &Hub{}
	p := &fetch.Poller{Ledger: ledger{}, Observe: hub, Jitter: func(time.Duration) time.Duration { return 0 }}
	p.Set(t.Context(), []fetch.Drop{{Name: "jaco", From: nowhere{}}})
	c := conf.Default()
	c.Maildrops = []*conf.Maildrop{{Name: "jaco", Protocol: "pop3", Host: "mail.isp.example", User: "jaco"}}
	return House{
		Queue:   &store.Queue{Engine: e, Reporter: reports{}, Observe: hub, Guard: store.Guard{Wait: -1}},
		Engine:  e,
		Poller:  p,
		Events:  hub,
		Config:  func() *conf.Config { return &c },
		Expire:  func(string) time.Duration { return 5 * 24 * time.Hour },
		Version: "test",
	}
}

// put queues a message and returns its id.
func put(t *testing.T, h House, uid, from string, to ...string) mail.ID {
	t.Helper()
	m := &mail.Message{Content: mail.Text(text), Line: 100}
	if uid != "" {
		m.Origin = mail.Origin{Maildrop: "jaco", Account: mail.AccountOf("pop3", "mail.isp.example", "jaco"), UID: mail.UID(uid)}
	}
	m.Envelope.Reverse = mail.Path(from)
	for _, x := range to {
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: mail.Path(x)})
	}
	before := known(t, h)
	if r := h.Queue.Deliver(t.Context(), m); !r.Done(len(to)) {
		t.Fatalf("not queued: %v", r)
	}
	for id := range known(t, h) {
		if !before[id] {
			return id
		}
	}
	t.Fatal("it is not in the queue")
	return mail.ID{}
}

func known(t *testing.T, h House) map[mail.ID]bool {
	t.Helper()
	m := map[mail.ID]bool{}
	for l, err := range h.Engine.List(t.Context(), store.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		m[l.Record.ID] = true
	}
	return m
}

// both runs a test with a client in the same process, and with one behind a socket.
func both(t *testing.T, f func(t *testing.T, h House, c *Client)) {
	t.Run("local", func(t *testing.T) {
		h := newHouse(t)
		f(t, h, Local(h))
	})
	t.Run("socket", func(t *testing.T) {
		h := newHouse(t)
		f(t, h, serve(t, h))
	})
}

// serve starts a server on a socket, and returns a client of it.
func serve(t *testing.T, h House) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run", "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, h, l)
	c := Dial(path)
	t.Cleanup(c.Close)
	return c
}

func serveOn(t *testing.T, h House, l net.Listener) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- (&Server{House: h}).Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// all gathers a stream.
func all[T any](t *testing.T, seq func(func(T, error) bool)) (list []T) {
	t.Helper()
	for x, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, x)
	}
	return list
}

// codeOf is the code of an error of a client.
func codeOf(err error) Code {
	var e *Error
	if !errors.As(err, &e) {
		return Code(fmt.Sprint(err))
	}
	return e.Code
}

func last[T any](seq func(func(T, error) bool)) (n int, err error) {
	for _, e := range seq {
		if err = e; err == nil {
			n++
		}
	}
	return n, err
}

func read1(t *testing.T, r io.ReadCloser, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

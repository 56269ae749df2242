package store_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"mailretr/store"
	"mailretr/store/badger"
	"mailretr/store/mail"
	"mailretr/store/storetest"
)

// An engine that loses one answer in three, after having committed: nothing is lost, and nothing is there
// twice.
func TestFlaky(t *testing.T) {
	f := &storetest.Flaky{Engine: engines["badger"](t), N: 3}
	q := &store.Queue{Engine: f, Reporter: telling{}, Guard: store.Guard{Wait: -1, Alike: -1},
		Wait: func(context.Context, time.Duration) error { return nil }}
	const n = 60
	for i := 0; i < n; i += 10 {
		b := q.Batch()
		for k := i; k < i+12 && k < n; k++ { // two of each batch come again with the next one
			m := &mail.Message{
				Origin: mail.Origin{Maildrop: "jaco", Account: account, UID: mail.UID(fmt.Sprint(k))},
				Envelope: mail.Envelope{Reverse: "a@example.org",
					Recipients: []mail.Recipient{{Forward: "x@example.net"}}},
				Content: mail.Text(fmt.Sprintf("Subject: %d\r\n\r\nbody\r\n", k)),
			}
			if err := b.Add(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range b.Commit(t.Context()) {
			if !r.Done(1) {
				t.Fatal(r)
			}
		}
	}
	got, told := map[string]int{}, 0
	d, err := q.Lane("default").Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for m, err := range d.Messages(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		report := mail.Report{{Outcome: mail.Delivered}}
		switch {
		case !m.Parent.Zero():
			told++
		case m.Origin.UID[0] == '3':
			report[0] = mail.Result{Outcome: mail.Failed, Reply: "550 no"}
			fallthrough
		default:
			got[string(m.Origin.UID)]++
		}
		if err := d.Settle(t.Context(), m, report); err != nil {
			t.Fatal(err)
		}
	}
	for k, times := range got {
		if times != 1 {
			t.Errorf("%s came %d times", k, times)
		}
	}
	if len(got) != n || told != 11 || f.Lost == 0 {
		t.Errorf("%d of %d came, %d reports, %d answers lost", len(got), n, told, f.Lost)
	}
	if left, err := q.Engine.Totals(t.Context()); err != nil || left.Messages != 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}

// telling is a reporter that tells the sender of each recipient.
type telling struct{}

func (telling) Report(_ context.Context, m *mail.Message, r mail.Report) (all []*mail.Message, err error) {
	for i := range r {
		all = append(all, &mail.Message{
			Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: m.Envelope.Reverse}}},
			Content:  mail.Text("Subject: failed\r\n\r\n" + r[i].String() + "\r\n"),
		})
	}
	return all, nil
}

const account = "00112233445566778899aabbccddeeff"

// S15: no octet of an envelope, of an origin or of a reply leaves its place in what is stored.
func TestS15_OddOctets(t *testing.T) {
	const odd = "a\nb\r\nX: y\x00\xff\xfe\"<>\\,;\t"
	dir := filepath.Join(t.TempDir(), "state")
	open := func() (*store.Queue, func()) {
		e, err := badger.Open(t.Context(), badger.Options{Dir: dir, Reserve: 1, Ballast: -1})
		if err != nil {
			t.Fatal(err)
		}
		return &store.Queue{Engine: e}, func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	q, end := open()
	m := &mail.Message{
		Origin: mail.Origin{Maildrop: odd, Account: account, UID: odd, Flags: []string{odd}},
		Envelope: mail.Envelope{
			Reverse: "\"a b\"@example.org", EnvID: odd, Ret: odd,
			Recipients: []mail.Recipient{{Forward: "\"x y\"@example.net", Original: odd, Notify: odd}},
		},
		Content: mail.Text("Subject: odd\r\n\r\n" + odd + "\r\n"),
	}
	if r := q.Deliver(t.Context(), m); !r.Done(1) {
		t.Fatal(r)
	}
	pass(t, q, func(got *mail.Message) mail.Report {
		return mail.Report{{Reply: odd, Enhanced: "4.0.0", RemoteMTA: odd, Err: fmt.Errorf("%s", odd)}}
	})
	end()
	q, end = open()
	defer end()
	n := 0
	for l, err := range q.List(t.Context(), store.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		r, x := l.Record, l.Record.Recipients[0]
		if r.Origin.Maildrop != odd || r.Origin.UID != odd || r.Origin.Flags[0] != odd || r.EnvID != odd ||
			r.Ret != odd ||
			x.Original != odd || x.Notify != odd || x.Last.Reply != odd || x.Last.RemoteMTA != odd ||
			x.Last.Err != odd ||
			r.Reverse != m.Envelope.Reverse || x.Forward != m.Envelope.Recipients[0].Forward {
			t.Errorf("%+v", r)
		}
	}
	if n != 1 {
		t.Errorf("%d records", n)
	}
	pass(t, q, func(got *mail.Message) mail.Report { t.Error("due before its time"); return nil })
	id, err := q.Find(t.Context(), m.ID.String())
	if err != nil {
		t.Fatal(err)
	}
	r, err := q.Cat(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	want := []byte("Subject: odd\r\n\r\na\r\nb\r\nX: y\x00\xff\xfe\"<>\\,;\t\r\n")
	if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, want) {
		t.Errorf("%q, %v", b, err)
	}
}

func pass(t *testing.T, q *store.Queue, answer func(*mail.Message) mail.Report) {
	t.Helper()
	d, err := q.Lane("default").Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for m, err := range d.Messages(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Settle(t.Context(), m, answer(m)); err != nil {
			t.Fatal(err)
		}
	}
}

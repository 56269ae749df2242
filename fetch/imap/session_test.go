package imap

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"mailretr/store/mail"
)

// A taken is what a whole session got.
type taken struct {
	octets map[mail.UID]string
	cost   map[mail.UID]int64 // mail.Message.Line
	faults []*mail.Trouble    // of single messages
	uids   []mail.UID
	whole  bool // the listing was complete
	gone   []mail.UID
}

func done(m *mail.Message) mail.Report {
	return mail.Same(len(m.Envelope.Recipients), mail.Result{Outcome: mail.Delivered})
}

// collect is one whole session as relay.Transfer makes it: everything announced, read in order, settled,
// closed.
func collect(ctx context.Context, r mail.Retriever) (x taken, err error) {
	x.octets, x.cost = map[mail.UID]string{}, map[mail.UID]int64{}
	d, err := r.Open(ctx)
	if err != nil {
		return x, err
	}
	defer func() {
		if e := d.Close(); err == nil {
			err = e
		}
		x.gone = d.(mail.Confirmed).Gone()
	}()
	if x.uids, x.whole, err = d.List(ctx); err != nil {
		return x, err
	}
	var ms []*mail.Message
	for m, e := range d.Messages(ctx, x.uids) {
		if m == nil {
			return x, e
		}
		if e != nil {
			x.faults = append(x.faults, e.(*mail.Trouble))
			continue
		}
		m.Envelope.Recipients = []mail.Recipient{{Forward: "jaco@example.org"}}
		ms = append(ms, m)
	}
	if err := d.(mail.Aheader).Ahead(ctx, mail.Whole, ms); err != nil {
		return x, err
	}
	for _, m := range ms {
		b, err := read(ctx, m)
		if t := new(mail.Trouble); errors.As(err, &t) && t.Alone {
			x.faults = append(x.faults, t)
			continue
		}
		if err != nil {
			return x, err
		}
		x.octets[m.Origin.UID], x.cost[m.Origin.UID] = b, m.Line
		if err := d.Settle(ctx, m, done(m)); err != nil {
			return x, err
		}
	}
	return x, nil
}

func read(ctx context.Context, m *mail.Message) (string, error) {
	r, err := m.Content.Open(ctx)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

// open opens a session that is closed at the end of the test.
func open(t *testing.T, r mail.Retriever) mail.Maildrop {
	t.Helper()
	d, err := r.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// messages yields all of a session.
func messages(t *testing.T, d mail.Maildrop) (ms []*mail.Message) {
	t.Helper()
	for m, err := range d.Messages(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		m.Envelope.Recipients = []mail.Recipient{{Forward: "jaco@example.org"}}
		ms = append(ms, m)
	}
	return ms
}

// kind fails unless err is a trouble of this kind.
func kind(t *testing.T, what string, err error, want mail.Kind) *mail.Trouble {
	t.Helper()
	var got *mail.Trouble
	if !errors.As(err, &got) {
		t.Fatalf("%s: error is %v, want a trouble", what, err)
	}
	if got.Kind != want {
		t.Errorf("%s: %v is of kind %v, want %v", what, got, got.Kind, want)
	}
	return got
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func letterOf(n int, body string) []byte {
	return []byte("From: a@example.org\r\nSubject: " + number(uint32(n)) + "\r\n\r\n" + body + "\r\n")
}

// heard says whether the server was told a credential.
func (s *server) heard() bool {
	all := strings.Join(s.said(), "\n")
	return strings.Contains(all, "LOGIN") || strings.Contains(all, "AUTHENTICATE") ||
		strings.Contains(all, "secret-canary")
}

package relay

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

func traceOf(t *testing.T, x Trace, m *mail.Message) (sent string, size int64) {
	t.Helper()
	x.To = deliverFunc(func(ctx context.Context, m *mail.Message) mail.Report {
		r, err := m.Content.Open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		sent, size = string(b), m.Content.Size()
		return nil
	})
	x.Deliver(context.Background(), m)
	return sent, size
}

// TestTraceOfAFront: our listener has written the field of this hop; one that only looks so stays as it is below ours.
func TestTraceOfAFront(t *testing.T) {
	const field = "Received: from c ([192.0.2.7])\r\n\tby h (mailretr) with ESMTP\r\n\tid X; now\r\nSubject: x\r\n\r\n"
	for host, maildrop := range map[string]string{"h": "", "other": "", "h ": "jaco"} {
		m := &mail.Message{Origin: mail.Origin{Maildrop: maildrop}, Content: &held{s: newStock(field), uid: "u1"},
			Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: "b@y.test"}}}}
		sent, _ := traceOf(t, Trace{Host: strings.TrimSpace(host)}, m)
		if ours := host == "h"; ours != (sent == field) || strings.Count(sent, "Received: ") > 2 {
			t.Errorf("%q: %q", host, sent)
		}
	}
}

func TestTrace(t *testing.T) {
	from := newStock("Return-Path: <a@example.org>\r\nReceived: one\r\nreturn-path:\r\n <b@example.org>\r\n" +
		"Subject: Return-Path: stays\r\n\r\nReturn-Path: stays too\r\n")
	m := &mail.Message{
		Origin:   mail.Origin{Maildrop: "ja\r\nBcc: x"},
		Envelope: mail.Envelope{Reverse: "a@example.org", Recipients: []mail.Recipient{{Forward: "jaco@kroon.co.za"}}},
		Queued:   time.Date(2026, 1, 2, 15, 4, 5, 0, time.FixedZone("", 7200)),
		Content:  &held{s: from, uid: "u1"},
	}
	sent, size := traceOf(t, Trace{Host: "mail.kroon.co.za", Protocol: func(string) string { return "POP3" }}, m)
	want := "Received: by mail.kroon.co.za (mailretr, maildrop ja__Bcc:_x) with POP3\r\n" +
		"\tid 00000000000000000000000000\r\n\tfor <jaco@kroon.co.za>; Fri, 2 Jan 2026 15:04:05 +0200\r\n" +
		"Received: one\r\nSubject: Return-Path: stays\r\n\r\nReturn-Path: stays too\r\n"
	if sent != want {
		t.Errorf("got\n%s\nwant\n%s", sent, want)
	}
	if size != int64(len(want)) {
		t.Errorf("size is %d, sent %d", size, len(want))
	}

	m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: "secret@kroon.co.za"})
	m.Envelope.Reverse = "evil>\r\nBcc: x@y"
	sent, _ = traceOf(t, Trace{Host: "h", Final: true}, m)
	if strings.Contains(sent, "secret") || strings.Contains(sent, "Bcc: x@y") {
		t.Errorf("a path left its place:\n%s", sent)
	}
	if !strings.HasPrefix(sent, "Return-Path: <>\r\n") {
		t.Errorf("no Return-Path:\n%s", sent)
	}
}

// A traced message can be read once more where the one below can: a server that goes away in the middle of it is not the
// last that is asked.
func TestTraceReadAgain(t *testing.T) {
	m := &mail.Message{ID: mail.NewID(time.Unix(1, 0), nil), Content: seekable("Subject: x\r\n\r\nbody\r\n")}
	to := &reading{}
	tr := &Trace{To: to, Host: "h"}
	tr.Deliver(t.Context(), m)
	if to.first == "" || to.first != to.again || !strings.HasSuffix(to.again, "Subject: x\r\n\r\nbody\r\n") ||
		!strings.HasPrefix(to.again, "Received: ") {
		t.Errorf("first %q, then %q", to.first, to.again)
	}
}

// reading reads a message twice.
type reading struct{ first, again string }

func (r *reading) Deliver(ctx context.Context, m *mail.Message) mail.Report {
	c, err := m.Content.Open(ctx)
	if err != nil {
		return nil
	}
	defer c.Close()
	half := make([]byte, m.Content.Size()-3)
	if _, err := io.ReadFull(c, half); err != nil {
		return nil
	}
	rest, _ := io.ReadAll(c)
	r.first = string(half) + string(rest)
	if s, ok := c.(io.Seeker); ok {
		if _, err := s.Seek(0, io.SeekStart); err == nil {
			b, _ := io.ReadAll(c)
			r.again = string(b)
		}
		if _, err := s.Seek(1, io.SeekStart); err == nil {
			r.again = "it goes anywhere"
		}
	}
	return nil
}

// seekable is a content as the queue has it.
type seekable string

func (s seekable) Size() int64 { return int64(len(s)) }
func (s seekable) Header(context.Context) ([]byte, error) {
	head, _, _ := strings.Cut(string(s), "\r\n\r\n")
	return []byte(head + "\r\n\r\n"), nil
}
func (s seekable) Open(context.Context) (io.ReadCloser, error) {
	return struct {
		io.ReadSeeker
		io.Closer
	}{strings.NewReader(string(s)), io.NopCloser(nil)}, nil
}

// An invisible hop adds nothing, and still takes a foreign Return-Path out.
func TestTraceInvisible(t *testing.T) {
	m := &mail.Message{Content: &held{s: newStock("Return-Path: <a@x>\r\nSubject: x\r\n\r\nbody\r\n"), uid: "u1"},
		Origin: mail.Origin{Maildrop: "jaco"}, Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: "b@y.test"}}}}
	sent, size := traceOf(t, Trace{Host: "h", Invisible: true}, m)
	if want := "Subject: x\r\n\r\nbody\r\n"; sent != want || size != int64(len(want)) {
		t.Errorf("%d: %q", size, sent)
	}
}

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

// An invisible hop adds nothing, and still takes a foreign Return-Path out.
func TestTraceInvisible(t *testing.T) {
	m := &mail.Message{Content: &held{s: newStock("Return-Path: <a@x>\r\nSubject: x\r\n\r\nbody\r\n"), uid: "u1"},
		Origin: mail.Origin{Maildrop: "jaco"}, Envelope: mail.Envelope{Recipients: []mail.Recipient{{Forward: "b@y.test"}}}}
	sent, size := traceOf(t, Trace{Host: "h", Invisible: true}, m)
	if want := "Subject: x\r\n\r\nbody\r\n"; sent != want || size != int64(len(want)) {
		t.Errorf("%d: %q", size, sent)
	}
}

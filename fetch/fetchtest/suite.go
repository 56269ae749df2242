package fetchtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mailretr/store/mail"
)

// Limit is how long a call may take that has to return at once; it is only there so that a hang fails the
// test.
const Limit = 20 * time.Second

// Run tries the whole contract. fresh makes an empty maildrop; each property gets its own.
func Run(t *testing.T, fresh func(*testing.T) Harness) {
	for _, p := range []struct {
		name string
		run  func(*testing.T, Harness)
		need func(Can) bool
	}{
		{"Empty", empty, nil},
		{"Listed", listed, func(c Can) bool { return c.List }},
		{"Exact", exact, nil},
		{"HeaderThenWhole", headerThenWhole, nil},
		{"OneOctet", oneOctet, nil},
		{"Settled", settled, nil},
		{"Unread", unread, nil},
		{"CloseTwice", closeTwice, nil},
		{"Sizes", sizes, nil},
		{"Ahead", ahead, func(c Can) bool { return c.Ahead }},
		{"AheadHeaders", aheadHeaders, func(c Can) bool { return c.Ahead }},
		{"Release", release, func(c Can) bool { return c.Release && c.List }},
		{"Glance", glance, func(c Can) bool { return c.Glance && c.List && c.Again }},
		{"Resume", resume, func(c Can) bool { return c.Resume && c.Again }},
		{"ResumeCut", resumeCut, func(c Can) bool { return c.Resume && c.Again && c.Line }},
		{"GlanceAfterDeletion", glanceAfterDeletion, func(c Can) bool { return c.Glance && c.Release && c.Deletes }},
		{"Cut", cut, func(c Can) bool { return c.Line }},
		{"CutAhead", cutAhead, func(c Can) bool { return c.Line && c.Ahead }},
		{"Cancel", cancelled, func(c Can) bool { return c.Line }},
		{"CancelledBefore", cancelledBefore, nil},
	} {
		t.Run(p.name, func(t *testing.T) {
			ignore := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, ignore) }) // after the clean-ups of the harness
			h := fresh(t)
			if p.need != nil && !p.need(h.Can) {
				t.Skip("the implementation says it cannot")
			}
			p.run(t, h)
		})
	}
}

// Corpus is a set of messages in normal form that have hit readers of mail: dots, long lines, no header, no
// body, NUL, 8-bit octets, text that looks like replies of a server.
func Corpus() [][]byte {
	long := bytes.Repeat([]byte("x"), 4095)
	lines := []string{"From: a@example.org\r\nSubject: plain\r\n\r\nbody\r\n",
		"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n. \r\n",
		"Subject: replies\r\n\r\n+OK\r\n-ERR no\r\n)\r\n* 1 FETCH (UID 1)\r\nA1 OK done\r\n",
		"Subject: no body\r\n\r\n",
		"Subject: no empty line\r\n",
		"no header at all, only text without a colon\r\nsecond line\r\n",
		"\r\nbegins with an empty line\r\n",
		"Subject: 8-bit \xff\xfe\r\n\r\nNUL \x00 and \xe4\r\n",
		"Subject: folded\r\n and so on\r\n\tagain\r\n\r\n \r\n\r\n\r\n",
	}
	var all [][]byte
	for _, s := range lines {
		all = append(all, []byte(s))
	}
	for n := 4094; n <= 4097; n++ { // buffers end here
		s := fmt.Sprintf("Subject: line of %d\r\n\r\n%s\r\n.%s\r\n.\r\n", n, long[:n-2], long[:n-3])
		all = append(all, []byte(s))
	}
	return append(all, Text(70_000, 7))
}

// Raw is what only a byte-exact protocol passes: bare CR and bare LF. Each ends with CRLF, as POP3 cannot
// do without.
func Raw() [][]byte {
	return [][]byte{
		[]byte("Subject: bare\r\n\r\nlf\n.\nlf\n.\r\ncr\r.\rx\r\n"),
		[]byte("Subject: crcrlf\r\n\r\nx\r\r\n.\r\r\n\n.\n\r\n"),
	}
}

// Text makes a message of about n octets in normal form; equal seeds give equal text.
func Text(n int, seed int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: a@example.org\r\nSubject: %d octets, %d\r\n\r\n", n, seed)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d line %d of %d, .dots. and the like\r\n", i%10, i, seed)
	}
	return b.Bytes()
}

// Opened opens a session, or ends the test.
func opened(t *testing.T, h Harness, l *Line) mail.Maildrop {
	t.Helper()
	d, err := h.Retriever(l).Open(t.Context())
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// all gathers what Messages yields and fails the test on an error.
func all(t *testing.T, d mail.Maildrop, want []mail.UID) []*mail.Message {
	t.Helper()
	var ms []*mail.Message
	for m, err := range d.Messages(t.Context(), want) {
		if err != nil {
			t.Fatalf("Messages: %v", err)
		}
		if len(m.Envelope.Recipients) == 0 {
			m.Envelope.Recipients = []mail.Recipient{{Forward: "jaco@example.org"}}
		}
		ms = append(ms, m)
	}
	return ms
}

// content reads a message whole.
func content(ctx context.Context, m *mail.Message) ([]byte, error) {
	r, err := m.Content.Open(ctx)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	if e := r.Close(); err == nil {
		err = e
	}
	return b, err
}

func done(m *mail.Message) mail.Report {
	return mail.Same(len(m.Envelope.Recipients), mail.Result{Outcome: mail.Delivered})
}

func settle(t *testing.T, d mail.Maildrop, m *mail.Message, r mail.Report) {
	t.Helper()
	if err := d.Settle(t.Context(), m, r); err != nil {
		t.Fatalf("Settle: %v", err)
	}
}

func closed(t *testing.T, d mail.Maildrop) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// still fails unless exactly these messages wait.
func still(t *testing.T, h Harness, want [][]byte) {
	t.Helper()
	got := h.Left()
	if len(got) != len(want) {
		t.Fatalf("%d messages wait, want %d", len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("message %d that waits is %q, want %q", i, clip(got[i]), clip(want[i]))
		}
	}
}

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	t.Fatalf("%s: %d octets, want %d, differ at %d: %q, want %q", what, len(got), len(want), i,
		clip(got[i:]), clip(want[i:]))
}

func clip(b []byte) []byte { return b[:min(len(b), 60)] }

// within runs f and fails when it does not return in time.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	end := make(chan struct{})
	go func() { defer close(end); f() }()
	select {
	case <-end:
	case <-time.After(Limit):
		t.Fatalf("%s did not return within %v", what, Limit)
	}
}

// partial fails when a transfer that was cut looks like a whole one.
func partial(t *testing.T, got []byte, err error, want []byte) bool {
	t.Helper()
	if err == nil {
		same(t, "a content that was read to its end", got, want)
		return true
	}
	if errors.Is(err, io.EOF) {
		t.Fatalf("a cut content ended with io.EOF in its chain: %v", err)
	}
	if len(got) > 0 && !bytes.HasPrefix(want, got) {
		same(t, "the beginning of a cut content", got, want[:min(len(got), len(want))])
	}
	return false
}

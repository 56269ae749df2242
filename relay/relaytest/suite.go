package relaytest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

// Limit is how long a call may take that has to return at once; it is only there so that a hang fails the
// test.
const Limit = 20 * time.Second

// Run tries the whole contract. fresh makes an empty destination; each property gets its own.
func Run(t *testing.T, fresh func(*testing.T) Harness) {
	for _, p := range []struct {
		name string
		run  func(*trial)
		need func(*Harness) bool
	}{
		{"Exact", exact, nil},
		{"Malformed", malformed, nil},
		{"Big", bigMessage, nil},
		{"OneOctet", oneOctet, nil},
		{"Many", many, func(h *Harness) bool { return h.Can.Many }},
		{"Twins", twins, func(h *Harness) bool { return h.Can.Many }},
		{"Mixed", mixed, func(h *Harness) bool { return h.Can.Many && h.Refused+h.Later != "" }},
		{"Refused", refused, func(h *Harness) bool { return h.Refused != "" }},
		{"Later", later, func(h *Harness) bool { return h.Later != "" }},
		{"Null", null, func(h *Harness) bool { return h.Can.Null }},
		{"Sizes", sizes, nil},
		{"Cut", cut, nil},
		{"CutEOF", cutUnexpected, nil},
		{"CancelledBefore", cancelledBefore, nil},
		{"CancelledInTheMiddle", cancelledInside, nil},
		{"Addresses", addresses, nil},
		{"Unreachable", unreachable, func(h *Harness) bool { return h.Unreachable != nil }},
		{"Probe", probe, nil},
		{"Batch", batch, nil},
		{"BatchCut", batchCut, nil},
	} {
		t.Run(p.name, func(t *testing.T) {
			h := fresh(t)
			if p.need != nil && !p.need(&h) {
				t.Skip("the implementation says it cannot")
			}
			x := &trial{T: t, Harness: h, d: h.Deliverer(t)}
			if c, ok := x.d.(io.Closer); ok {
				t.Cleanup(func() { c.Close() })
			}
			p.run(x)
		})
	}
}

// A trial is one property on one destination.
type trial struct {
	*testing.T
	Harness
	d mail.Deliverer
	n int
}

// message makes a message with an id of its own.
func (x *trial) message(c mail.Content, words ...string) *mail.Message {
	x.n++
	m := &mail.Message{Content: c, Queued: time.Unix(1_000_000_000, 0)}
	m.ID = mail.NewID(m.Queued, strings.NewReader(fmt.Sprintf("%08d", x.n)))
	m.Envelope.Reverse = "sender@origin.example"
	for _, w := range words {
		p := mail.Path(w)
		if !strings.Contains(w, "@") {
			p = x.address(w)
		}
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: p})
	}
	return m
}

// deliver delivers, in a bounded time, and checks what holds for every call.
func (x *trial) deliver(ctx context.Context, m *mail.Message) mail.Report {
	x.Helper()
	return x.bounded(ctx, m, x.d.Deliver)
}

func (x *trial) bounded(ctx context.Context, m *mail.Message,
	f func(context.Context, *mail.Message) mail.Report) mail.Report {
	x.Helper()
	done := make(chan mail.Report, 1)
	go func() { done <- f(ctx, m) }()
	var r mail.Report
	select {
	case r = <-done:
	case <-time.After(Limit):
		x.Fatalf("no return within %v", Limit)
	}
	if len(r) != len(m.Envelope.Recipients) {
		x.Fatalf("%d results for %d recipients", len(r), len(m.Envelope.Recipients))
	}
	if c, ok := m.Content.(*Content); ok {
		if err := c.used(); err != nil {
			x.Error(err)
		}
	}
	return r
}

// arrived checks that these texts are at the destination, each once, and nothing else is.
func (x *trial) arrived(want ...[]byte) {
	x.Helper()
	left := x.Arrived(x)
	for i := range left {
		if x.Strip != nil {
			left[i].Data = x.Strip(left[i].Data)
		}
	}
next:
	for _, w := range want {
		for i := range left {
			if bytes.Equal(left[i].Data, w) {
				left = append(left[:i], left[i+1:]...)
				continue next
			}
		}
		x.Errorf("%d octets did not arrive: %.80q", len(w), w)
	}
	for _, a := range left {
		x.Errorf("arrived and should not have, or twice: %d octets for %v: %.200q", len(a.Data), a.To, a.Data)
	}
}

// Corpus is a set of messages in normal form that have hit programs which relay mail.
func Corpus() [][]byte {
	head := "From: a@origin.example\r\nSubject: "
	texts := []string{
		head + "plain\r\n\r\nbody\r\n",
		head + "no body\r\n\r\n",
		head + "header alone\r\n",
		head + "dots\r\n\r\n.\r\n..\r\n.a\r\n\r\n.\r\n",
		head + "998\r\n\r\n" + strings.Repeat("x", 998) + "\r\n",
		head + "1001\r\n\r\n" + strings.Repeat("y", 1001) + "\r\n",
		head + "long\r\n\r\n" + strings.Repeat("z", 1_000_000) + "\r\n",
		head + "NUL and eight bits\r\n\r\n\x00\xff\x80\x00\r\n",
		head + "r\xe9sum\xe9\r\n\r\nbody\r\n",
		head + "From\r\n\r\nFrom here on\r\n>From quoted\r\n",
		head + "commands\r\n\r\nQUIT\r\nMAIL FROM:<>\r\nRSET\r\n250 ok\r\n",
		head + "smuggling\r\n\r\n \r\n.\r\n \r\n.\r\nMAIL FROM:<evil@x.example>\r\n",
		head + "blanks\r\n\r\n  \r\n\t\r\ntrailing \r\n\r\n\r\n",
		"\r\nno header\r\n",
		"not a header at all\r\n",
	}
	for _, n := range []int{4094, 4095, 4096, 32766, 32767, 32768} { // where buffers end
		texts = append(texts, head+fmt.Sprint(n)+"\r\n\r\n"+strings.Repeat("x", n)+"\r\n.\r\n.x\r\n")
	}
	var all [][]byte
	for _, s := range texts {
		all = append(all, []byte(s))
	}
	return all
}

package relaytest

import (
	"bytes"
	"context"
	"io"
	"strings"

	"mailretr/store/mail"
)

var plain = []byte("From: a@origin.example\r\nSubject: plain\r\n\r\nbody\r\n")

// exact: what is delivered arrives once, octet for octet.
func exact(x *trial) {
	for _, text := range Corpus() {
		if r := x.deliver(x.Context(), x.message(Of(text), "one")); !r.Done(1) {
			x.Errorf("%.60q: %v", text, r)
		}
	}
	x.arrived(Corpus()...)
}

func bigMessage(x *trial) {
	text := append([]byte("Subject: big\r\n\r\n"), bytes.Repeat([]byte("a line of it\r\n"), 800_000)...)
	if r := x.deliver(x.Context(), x.message(Of(text), "one")); !r.Done(1) {
		x.Errorf("%v", r)
	}
	x.arrived(text)
}

func oneOctet(x *trial) {
	c := Of([]byte("Subject: slow\r\n\r\n.\r\n..\r\nbody\r\n"))
	c.Step = 1
	if r := x.deliver(x.Context(), x.message(c, "one")); !r.Done(1) {
		x.Errorf("%v", r)
	}
	x.arrived(c.Text)
}

// recipients returns all recipients of all arrivals.
func (x *trial) recipients() map[mail.Path]int {
	all := make(map[mail.Path]int)
	for _, a := range x.Arrived(x) {
		for _, p := range a.To {
			all[p]++
		}
	}
	return all
}

func many(x *trial) {
	words := []string{"one", "two", "three", "four"}
	m := x.message(Of(plain), words...)
	if r := x.deliver(x.Context(), m); !r.Done(4) {
		x.Errorf("%v", r)
	}
	if !x.Can.Envelope {
		return
	}
	got := x.recipients()
	for _, w := range words {
		if got[x.address(w)] != 1 {
			x.Errorf("%s got it %d times", w, got[x.address(w)])
		}
	}
	for _, a := range x.Arrived(x) {
		if a.From != m.Envelope.Reverse {
			x.Errorf("reverse-path %v", a.From)
		}
	}
}

// twins: a recipient that stands twice has two results, and gets one message.
func twins(x *trial) {
	if r := x.deliver(x.Context(), x.message(Of(plain), "one", "two", "one")); !r.Done(3) {
		x.Errorf("%v", r)
	}
	if got := x.recipients(); x.Can.Envelope && got[x.address("one")] != 1 {
		x.Errorf("one got it %d times", got[x.address("one")])
	}
}

// mixed: results stand in the order of the recipients.
func mixed(x *trial) {
	want := map[mail.Path]mail.Outcome{x.address("one"): mail.Delivered, x.address("two"): mail.Delivered}
	var words []string
	if x.Harness.Refused != "" {
		words, want[x.Harness.Refused] = append(words, string(x.Harness.Refused)), mail.Failed
	}
	words = append(words, "one")
	if x.Harness.Later != "" {
		words, want[x.Harness.Later] = append(words, string(x.Harness.Later)), mail.Deferred
	}
	m := x.message(Of(plain), append(words, "two")...)
	for i, r := range x.deliver(x.Context(), m) {
		if to := m.Envelope.Recipients[i].Forward; r.Outcome != want[to] {
			x.Errorf("%v: %v", to, r)
		}
	}
	got := x.recipients()
	if x.Can.Envelope && (len(got) != 2 || got[x.Harness.Refused]+got[x.Harness.Later] > 0) {
		x.Errorf("arrived for %v", got)
	}
}

func refused(x *trial) {
	r := x.deliver(x.Context(), x.message(Of(plain), string(x.Harness.Refused)))
	if !r.All(mail.Failed) || r[0].Reply == "" && r[0].Err == nil {
		x.Errorf("%+v", r)
	}
	x.arrived()
	x.stillWorks()
}

func later(x *trial) {
	r := x.deliver(x.Context(), x.message(Of(plain), string(x.Harness.Later)))
	if !r.All(mail.Deferred) || r[0].Reply == "" && r[0].Err == nil {
		x.Errorf("%+v", r)
	}
	x.arrived()
	x.stillWorks()
}

// stillWorks delivers one more message, and takes nothing else for arrived.
func (x *trial) stillWorks() {
	x.Helper()
	text := []byte("Subject: afterwards\r\n\r\nbody\r\n")
	if r := x.deliver(x.Context(), x.message(Of(text), "one")); !r.Done(1) {
		x.Errorf("afterwards: %v", r)
	}
	x.arrived(text)
}

func null(x *trial) {
	m := x.message(Of(plain), "one")
	m.Envelope.Reverse = ""
	if r := x.deliver(x.Context(), m); !r.Done(1) {
		x.Errorf("%v", r)
	}
	if a := x.Arrived(x); x.Can.Envelope && (len(a) != 1 || a[0].From != "") {
		x.Errorf("%+v", a)
	}
}

// sizes: what is announced is a hint.
func sizes(x *trial) {
	var all [][]byte
	for _, says := range []int64{-1, 1, int64(len(plain)) - 1, int64(len(plain)) + 1, 1 << 20} {
		c := Of(plain)
		c.Says = says
		if r := x.deliver(x.Context(), x.message(c, "one")); !r.Done(1) {
			x.Errorf("announced as %d: %v", says, r)
			continue
		}
		all = append(all, plain)
	}
	x.arrived(all...)
}

// cut: content that ends too early is delivered by nobody, wherever it ends.
func cut(x *trial) { cutWith(x, nil) }

// cutUnexpected: the same with the error that is most easily taken for an end.
func cutUnexpected(x *trial) { cutWith(x, io.ErrUnexpectedEOF) }

func cutWith(x *trial, err error) {
	text := append(bytes.Clone(plain), bytes.Repeat([]byte("more\r\n"), 20_000)...)
	head, all := len(mail.HeaderOf(plain)), len(text)
	for _, n := range []int{0, 1, head, len(plain), 4096, 32 << 10, 64 << 10, all - 2, all} {
		c := Of(text)
		c.Cut, c.Err = n, err
		r := x.deliver(x.Context(), x.message(c, "one"))
		if !r.All(mail.Deferred) {
			x.Errorf("cut after %d octets: %+v", n, r)
		}
	}
	x.arrived()
	x.stillWorks()
}

func cancelledBefore(x *trial) {
	ctx, cancel := context.WithCancel(x.Context())
	cancel()
	if r := x.deliver(ctx, x.message(Of(plain), "one")); !r.All(mail.Deferred) {
		x.Errorf("%+v", r)
	}
	x.arrived()
	x.stillWorks()
}

func cancelledInside(x *trial) {
	ctx, cancel := context.WithCancel(x.Context())
	defer cancel()
	c := Of(append(bytes.Clone(plain), bytes.Repeat([]byte("more\r\n"), 200_000)...))
	c.At = func(n int) {
		if n > 100_000 {
			cancel()
		}
	}
	r := x.deliver(ctx, x.message(c, "one"))
	if a := x.Arrived(x); r.All(mail.Delivered) && len(a) == 1 {
		return // it was done all the same, and says so
	}
	if !r.All(mail.Deferred) {
		x.Errorf("%+v", r)
	}
	x.arrived()
	x.stillWorks()
}

// addresses: a hostile address is nobody's, and harms nobody else.
func addresses(x *trial) {
	for _, bad := range []string{"a\r\nRCPT TO:<b>@x.example", "a@x.example>\r\nDATA", "-oX@x.example",
		"a b@x.example", "@a:b@c.example", "|cmd@x.example", "/etc/passwd@x.example",
		"a@b.example\x00", "<a@b.example>",
		strings.Repeat("x", 10<<10) + "@y.example"} {
		if r := x.deliver(x.Context(), x.message(Of(plain), bad)); r.All(mail.Delivered) {
			x.Errorf("%.60q was delivered", bad)
		}
	}
	x.arrived()
	x.stillWorks()
}

func unreachable(x *trial) {
	x.deliver(x.Context(), x.message(Of(plain), "one"))
	x.Unreachable(x)
	r := x.deliver(x.Context(), x.message(Of(plain), "one", "two"))
	if !r.All(mail.Deferred) || x.Can.Lane != (r.Sick() != nil) {
		x.Errorf("%+v", r)
	}
}

// probe: it answers as delivering would, opens nothing, and delivers nothing.
func probe(x *trial) {
	p, ok := x.d.(mail.Prober)
	if !ok {
		x.Skip("no Prober")
	}
	for range 30 {
		for to, want := range map[string]mail.Outcome{"one": mail.Delivered,
			string(x.Harness.Refused): mail.Failed, string(x.Harness.Later): mail.Deferred} {
			if to == "" {
				continue
			}
			c := Of(plain)
			r := x.bounded(x.Context(), x.message(c, to), p.Probe)
			if !r.All(want) {
				x.Fatalf("%s: %+v", to, r)
			}
			if c.opened > 0 {
				x.Fatal("the content was opened")
			}
		}
	}
	x.arrived()
	x.stillWorks()
}

// malformed: a thousand messages that fit no rule arrive as they are.
func malformed(x *trial) {
	var want [][]byte
	for i, raw := range Malformed(1000) {
		text := Normal(raw)
		if r := x.deliver(x.Context(), x.message(Of(text), "one")); !r.Done(1) {
			x.Errorf("%d: %.60q: %v", i, text, r)
			continue
		}
		want = append(want, text)
	}
	x.arrived(want...)
}

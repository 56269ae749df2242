package relaytest

import (
	"bytes"
	"fmt"

	"mailretr/store/mail"
)

// batch: Commit takes responsibility for all that was added, and gives one report for each, in order.
func batch(x *trial) {
	b, ok := x.d.(mail.Batcher)
	if !ok {
		x.Skip("no Batcher")
	}
	all := b.Batch()
	if r := all.Commit(x.Context()); len(r) != 0 {
		x.Errorf("an empty batch has %d reports", len(r))
	}
	for round := range 2 {
		var want [][]byte
		for n := range 10 {
			text := []byte(fmt.Sprintf("Subject: %d.%d\r\n\r\nbody\r\n", round, n))
			want = append(want, text)
			if err := all.Add(x.Context(), x.message(Of(text), "one")); err != nil {
				x.Fatal(err)
			}
		}
		before := len(x.Arrived(x))
		reports := all.Commit(x.Context())
		if len(reports) != 10 {
			x.Fatalf("%d reports", len(reports))
		}
		for i, r := range reports {
			if !r.Done(1) {
				x.Errorf("%d: %v", i, r)
			}
		}
		if before != 10*round {
			x.Errorf("%d messages had arrived before the commit of round %d", before, round)
		}
		if round == 1 {
			break
		}
		x.arrived(want...)
	}
	if n := len(x.Arrived(x)); n != 20 {
		x.Errorf("%d arrived", n)
	}
}

// batchCut: a message that is cut costs only itself.
func batchCut(x *trial) {
	b, ok := x.d.(mail.Batcher)
	if !ok {
		x.Skip("no Batcher")
	}
	all := b.Batch()
	var want [][]byte
	for n := range 9 {
		text := fmt.Appendf(nil, "Subject: %d\r\n\r\n", n)
		text = append(text, bytes.Repeat([]byte("more\r\n"), 10_000)...)
		c := Of(text)
		if n%3 == 1 {
			c.Cut = n * 5000
		} else {
			want = append(want, text)
		}
		if err := all.Add(x.Context(), x.message(c, "one")); (err != nil) != (n%3 == 1) {
			x.Fatalf("%d: %v", n, err)
		}
		if err := c.used(); err != nil {
			x.Error(err)
		}
	}
	reports := all.Commit(x.Context())
	if len(reports) != len(want) {
		x.Fatalf("%d reports for %d messages", len(reports), len(want))
	}
	for i, r := range reports {
		if !r.Done(1) {
			x.Errorf("%d: %v", i, r)
		}
	}
	x.arrived(want...)
	x.stillWorksAfter(want...)
}

// stillWorksAfter delivers one more message beside what has arrived.
func (x *trial) stillWorksAfter(before ...[]byte) {
	x.Helper()
	text := []byte("Subject: afterwards\r\n\r\nbody\r\n")
	if r := x.deliver(x.Context(), x.message(Of(text), "one")); !r.Done(1) {
		x.Errorf("afterwards: %v", r)
	}
	x.arrived(append(before, text)...)
}

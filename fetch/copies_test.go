package fetch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

const (
	hop = "Received: from out.example.org ([192.0.2.7])\r\n\tby mx.isp.example (Postfix) with ESMTPS id 4XY;\r\n\tWed, 4 Nov 2026\r\n"
	own = "From: a@example.org\r\nMessage-ID: <1@example.org>\r\nSubject: a\r\n b\r\n"
)

var copying = Multi{
	Fields: []Field{{Name: "Delivered-To"}, {Name: "X-Envelope-To"}, {Name: "Received"}}, Copies: Field{Name: "Received"},
}

// TestIdentity: what two messages may differ in and still be copies of one mail, and what not.
func TestIdentity(t *testing.T) {
	const body = 100_000
	id := func(header string, n int64) (Identity, bool) {
		return copying.Identity([]byte(header), int64(len(header))+n)
	}
	first, ok := id("Delivered-To: a@x\r\n"+hop+own+"\r\n", body)
	if !ok {
		t.Fatal("a plain mail has no identity")
	}
	for _, same := range []string{
		hop + own + "\r\n",
		"Return-Path: <s@example.org>\r\nDelivered-To: somebody.else@x\r\nX-Original-To: u@x\r\n" + hop + own + "\r\n",
		"Delivered-To: a@x\r\nReceivedness: 1\r\n" + hop + "X-Envelope-To: a@x\r\n" + own + "\r\n",
		"Delivered-To: a@x\r\n" + hop + own + "X-Envelope-To: a@x,\r\n b@x\r\nDelivered-To: z@x\r\n\r\n",
		">From here\r\n folded\r\n" + hop + own + "\r\n",
	} {
		if got, ok := id(same, body); !ok || got != first {
			t.Errorf("another mail: %q", same)
		}
	}
	for _, other := range []string{
		strings.Replace(hop, "4XY", "4XZ", 1) + own + "\r\n",
		strings.Replace(hop, "with", "With", 1) + own + "\r\n",
		hop + strings.Replace(own, "1@", "2@", 1) + "\r\n",
		hop + own + "X: y\r\n\r\n",
		"Received: by s id 1\r\n" + hop + own + "\r\n",
		hop + ">From here\r\n" + own + "\r\n",
		hop + strings.Replace(own, " b", "\tb", 1) + "\r\n",
		strings.Replace(hop+own, "\r\n", "\n", 1) + "\r\n",
	} {
		if got, ok := id(other, body); ok && got == first {
			t.Errorf("taken for a copy: %q", other)
		}
	}
	if got, ok := id("Delivered-To: a@x\r\n"+hop+own+"\r\n", body+1); ok && got == first {
		t.Error("the size does not count")
	}
	for _, none := range []string{
		"", "\r\n", own + "\r\n", hop + "\r\n", hop + own, // no empty line: it may have been cut
		hop + strings.Replace(own, "<1@example.org>", " ", 1) + "\r\n",
		strings.Replace(hop, " id 4XY", "", 1) + own + "\r\n",
		strings.Replace(hop, "by mx.isp.example", "", 1) + own + "\r\n",
		strings.Replace(hop, "by mx", "by evil id 1 by mx", 1) + own + "\r\n",
	} {
		if _, ok := id(none, body); ok {
			t.Errorf("%q has an identity", none)
		}
	}
	for _, size := range []int64{-1, 0, 10} {
		if _, ok := copying.Identity([]byte(hop+own+"\r\n"), size); ok {
			t.Errorf("a mail of %d octets has an identity", size)
		}
	}
	if _, ok := (Multi{}).Identity([]byte(hop+own+"\r\n"), body); ok {
		t.Error("nobody asked for it")
	}
}

// Which Received counts is the provider's secret, and may be said.
func TestIdentityByWhichReceived(t *testing.T) {
	inner := func(n string) string {
		return "Received: from mx.isp.example by s" + n + ".isp.example with LMTP id " + n + " for <u" + n + "@x>; x\r\n"
	}
	for _, c := range []struct {
		f    Field
		same bool
	}{
		{Field{Name: "Received"}, false}, {Field{Name: "Received", Nth: 1}, false}, {Field{Name: "Received", Nth: 2}, true},
		{Field{Name: "Received", By: "mx.isp.example"}, true}, {Field{Name: "Received", By: "*.isp.example"}, false},
		{Field{Name: "Received", Nth: 3}, false}, {Field{Name: "Received", By: "else.example"}, false},
	} {
		d := copying
		d.Copies = c.f
		a, ok1 := d.Identity([]byte(inner("1")+hop+own+"\r\n"), 5000)
		b, ok2 := d.Identity([]byte(inner("2")+hop+own+"\r\n"), 5000)
		if (ok1 && ok2 && a == b) != c.same {
			t.Errorf("%v: %v %v", c.f, ok1, ok2)
		}
	}
}

// FuzzIdentity: whatever comes, the fields of a header are all of it, and to move the top changes nothing.
func FuzzIdentity(f *testing.F) {
	f.Add("Delivered-To: a@x\r\n"+hop+own+"\r\n", int64(5000))
	f.Add(own+"\n\r\n", int64(-1))
	for _, p := range providers {
		f.Add(strings.ReplaceAll(p.header[1:], "\n", "\r\n")+own+"\r\n", int64(9000))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		var all strings.Builder
		for _, field := range parts([]byte(header)) {
			if len(field) == 0 {
				t.Fatal("an empty field")
			}
			all.Write(field)
		}
		if all.String() != header {
			t.Fatalf("%q became %q", header, all.String())
		}
		id, ok := copying.Identity([]byte(header), size)
		const top = "X-Other: y\r\n"
		moved, again := copying.Identity([]byte(top+header), size+int64(len(top)))
		folded := strings.HasPrefix(header, " ") || strings.HasPrefix(header, "\t")
		if !folded && (ok != again || id != moved) {
			t.Fatalf("%q: %v, below another field %v", header, ok, again)
		}
	})
}

// catchallBox is a maildrop with copies of one mail, of this size.
func catchallBox(w *world, size, copies int) *box {
	b := glancingBox(w)
	d := Multi{Fields: []Field{{Name: "Delivered-To"}}, Local: []string{"x"}, Copies: Field{Name: "Received"}}
	a := &asker{say: func(mail.Path, mail.Path) mail.Result { return yes }}
	b.change = func(c *Drop) {
		c.Resolve, c.Identity, c.Ask, c.Above = d.Resolve, d.Identity, a, 1<<10
	}
	for i := range copies {
		l := b.put(mail.UID(fmt.Sprint(i)), 0)
		l.data = []byte("Delivered-To: u" + fmt.Sprint(i) + "@x\r\n" + hop + own + "\r\n" + strings.Repeat("x", size))
	}
	return b
}

// Whatever goes wrong with a copy, or with the first of them, the others come, at the latest with the next visit.
func TestCopiesThatFail(t *testing.T) {
	cut := &mail.Trouble{Op: mail.OpFetch, Err: errors.New("cut")}
	for name, c := range map[string]struct {
		spoil, mend func(*world, *box)
		bodies      string // that were asked for until all is here
		copies      string
	}{
		"nothing": {func(*world, *box) {}, func(*world, *box) {}, "0", "1 2"},
		"the queue takes no copies": {func(w *world, _ *box) { w.queue.copying = errors.New("no") },
			func(*world, *box) {}, "0 1 2", ""},
		"the commit of copies fails": {func(w *world, _ *box) { w.queue.kept = errors.New("no") },
			func(w *world, _ *box) { w.queue.kept = nil }, "0 1", "2"},
		"the commit fails": {func(w *world, _ *box) { w.queue.commit = errors.New("no") },
			func(w *world, _ *box) { w.queue.commit = nil }, "0 0", "1 2"},
		"the first is cut": {func(_ *world, b *box) { b.msgs[0].breaks = cut },
			func(_ *world, b *box) { b.msgs[0].breaks = nil }, "0 1 0", "2"},
		"the first cannot be had": {func(_ *world, b *box) { b.msgs[0].breaks = &mail.Trouble{Op: mail.OpFetch, Alone: true} },
			func(_ *world, b *box) { b.msgs[0].breaks = nil }, "0 1 2 0", ""},
		"QUIT is lost": {func(_ *world, b *box) { b.closed = cut }, func(_ *world, b *box) { b.closed = nil }, "0", "1 2"},
	} {
		for _, size := range []int{100 << 10, 2 << 20} {
			t.Run(fmt.Sprintf("%s, %d KiB", name, size>>10), func(t *testing.T) {
				inBubble(t, func(t *testing.T, w *world) {
					b := catchallBox(w, size, 3)
					c.spoil(w, b)
					w.p.Set(t.Context(), w.drops("jaco"))
					defer w.run()()
					after(2 * time.Minute)
					w.queue.mu.Lock()
					b.mu.Lock()
					c.mend(w, b)
					b.mu.Unlock()
					w.queue.mu.Unlock()
					after(45 * time.Minute) // before a full listing is due in any case
					if q := w.queue; q.count() != 3 || len(q.twice) != 0 || len(q.marked) != 0 || len(b.uids()) != 0 {
						t.Errorf("%d came, %v twice, %v never, %v are left", q.count(), q.twice, q.marked, b.uids())
					}
					slices.Sort(w.queue.copies)
					bodies, copies := fmt.Sprint(b.bodies()), fmt.Sprint(w.queue.copies)
					if bodies != "["+c.bodies+"]" || copies != "["+c.copies+"]" {
						t.Errorf("bodies %s, copies %s; want %s, %s", bodies, copies, c.bodies, c.copies)
					}
					if w.slots() != 0 {
						t.Error("a large slot is not given back")
					}
				})
			})
		}
	}
}

// The visit says what it took, and what it saved.
func TestCopiesAreCounted(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		catchallBox(w, 100<<10, 3)
		v := w.visit("jaco")
		size := int64(100<<10 + len("Delivered-To: u0@x\r\n"+hop+own+"\r\n"))
		n := v.Tally
		if n.Messages != 3 || n.Octets != 3*size || n.Saved != 2*100<<10 || n.Left != 0 || v.Wasted != 0 || v.Err != nil {
			t.Errorf("%+v", v)
		}
	})
}

// A server that lists one mail for ever fills neither the disk nor the line: the rest is fetched, and paid for.
func TestR7_CopiesWithoutEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		b := catchallBox(w, 10<<10, mostCopies+20)
		w.visit("jaco")
		if n := len(w.queue.copies); n != mostCopies || len(b.bodies()) != 20 || w.queue.count() != mostCopies+20 {
			t.Errorf("%d copies, %d bodies, %d messages", n, len(b.bodies()), w.queue.count())
		}
	})
}

package fetchtest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"mailretr/store/mail"
)

// ahead: announced contents come in order; one that is closed early, or left out, costs the others nothing.
func ahead(t *testing.T, h Harness) {
	c := append(Corpus(), Text(400_000, 3), Text(2000, 4))
	h.Put(c...)
	d := opened(t, h, nil)
	a, ok := d.(mail.Aheader)
	if !ok {
		t.Fatal("the session is no mail.Aheader")
	}
	ms := all(t, d, nil)
	tell := func(ms []*mail.Message) {
		if err := a.Ahead(t.Context(), mail.Whole, ms); err != nil {
			t.Fatalf("Ahead: %v", err)
		}
	}
	tell(ms)
	for i, m := range ms {
		switch {
		case i == 5:
			tell(ms[i:]) // the same again
		case i == 8:
			tell(ms[9:]) // the one that is read next, after all, is left out
		case i == 10:
			tell(nil)
		case i == 11:
			tell(ms[i:])
		}
		if i%4 == 1 {
			b, err := m.Content.Header(t.Context())
			if err != nil {
				t.Fatalf("message %d: Header: %v", i, err)
			}
			same(t, "header", b, mail.HeaderOf(c[i]))
		}
		if i == 3 || i == 7 {
			early(t, m)
			continue
		}
		b, err := content(t.Context(), m)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		same(t, "content", b, c[i])
		settle(t, d, m, done(m))
	}
	closed(t, d)
	if h.Can.Deletes {
		still(t, h, [][]byte{c[3], c[7]})
	}
}

// early opens a content and closes it after one octet.
func early(t *testing.T, m *mail.Message) {
	t.Helper()
	r, err := m.Content.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err = r.Close(); err != nil {
		t.Fatalf("early Close: %v", err)
	}
}

// aheadHeaders: headers of some, then these and others whole.
func aheadHeaders(t *testing.T, h Harness) {
	c := Corpus()
	h.Put(c...)
	d := opened(t, h, nil)
	a, ok := d.(mail.Aheader)
	if !ok {
		t.Fatal("the session is no mail.Aheader")
	}
	ms := all(t, d, nil)
	var no interface{ NoHeaders() bool }
	if err := a.Ahead(t.Context(), mail.Header, ms[:6]); errors.As(err, &no) && no.NoHeaders() {
		return // it says so, as it should: the whole messages are to be asked for
	} else if err != nil {
		t.Fatal(err)
	}
	for i, m := range ms[:6] {
		b, err := m.Content.Header(t.Context())
		if err != nil {
			t.Fatalf("message %d: Header: %v", i, err)
		}
		same(t, "header", b, mail.HeaderOf(c[i]))
	}
	if err := a.Ahead(t.Context(), mail.Whole, ms[2:]); err != nil {
		t.Fatal(err)
	}
	for i, m := range ms[2:] {
		b, err := content(t.Context(), m)
		if err != nil {
			t.Fatalf("message %d: %v", i+2, err)
		}
		same(t, "content", b, c[i+2])
	}
	closed(t, d)
	still(t, h, c)
}

// release lets go of what an earlier session took.
func release(t *testing.T, h Harness) {
	c := Corpus()[:4]
	h.Put(c...)
	d := opened(t, h, nil)
	uids, _, err := d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, ok := d.(mail.Releaser)
	if !ok {
		t.Fatal("the session is no mail.Releaser")
	}
	if err := r.Release(t.Context(), []mail.UID{uids[1], uids[3], "no-such-uid"}); err != nil {
		t.Fatalf("Release: %v", err)
	}
	closed(t, d)
	if h.Can.Deletes {
		still(t, h, [][]byte{c[0], c[2]})
	}
	if g, is := d.(mail.Confirmed); h.Can.Gone {
		if got := g.Gone(); !is || !slices.Contains(got, uids[1]) || len(got) != 2 {
			t.Errorf("Gone is %q, want %q and %q", got, uids[1], uids[3])
		}
	}
}

// session reads and settles everything, as far as the line carries, and returns which contents were whole.
// tell says whether the contents are announced.
func session(ctx context.Context, t *testing.T, h Harness, l *Line, c [][]byte, tell bool) (whole []bool,
	err error) {
	t.Helper()
	whole = make([]bool, len(c))
	d, err := h.Retriever(l).Open(ctx)
	if err != nil {
		return whole, err
	}
	var ms []*mail.Message
	for m, e := range d.Messages(ctx, nil) {
		if e != nil {
			err = e
			break
		}
		m.Envelope.Recipients = []mail.Recipient{{Forward: "jaco@example.org"}}
		ms = append(ms, m)
	}
	if a, ok := d.(mail.Aheader); ok && tell && err == nil {
		err = a.Ahead(ctx, mail.Whole, ms)
	}
	for i, m := range ms {
		var b []byte
		var e error
		if i%2 == 1 {
			if b, e = m.Content.Header(ctx); e == nil {
				same(t, "header on a bad line", b, mail.HeaderOf(c[i]))
			}
		}
		b, e = content(ctx, m)
		if whole[i] = partial(t, b, e, c[i]); !whole[i] {
			err = e
			continue
		}
		if e := d.Settle(ctx, m, done(m)); e != nil {
			err = e
		}
	}
	l.quit()
	if e := d.Close(); e != nil {
		err = e
	} else if err == nil && len(ms) != len(c) {
		t.Fatalf("%d messages of %d and no error", len(ms), len(c))
	}
	d.Close()
	return whole, err
}

// cut ends the line at sampled octets: never io.EOF for a part, never a message let go of that was not
// whole.
func cut(t *testing.T, h Harness)      { everyCut(t, h, false) }
func cutAhead(t *testing.T, h Harness) { everyCut(t, h, true) }

func everyCut(t *testing.T, h Harness, tell bool) {
	c := append(Corpus()[:4:4], Text(600, 2))
	total, _ := measure(t, h, c, tell)
	for n := int64(1); n < total; n += 1 + total/97 { // a hundred places, in each phase
		refill(h, c)
		l := &Line{Cut: n, Reset: n%2 == 0}
		var whole []bool
		var err error
		within(t, "a session on a cut line", func() { whole, err = session(t.Context(), t, h, l, c, tell) })
		if open := l.Open(); open != 0 {
			t.Fatalf("cut at %d: %d connections are open", n, open)
		}
		lost(t, h, c, whole, n)
		if err == nil {
			t.Fatalf("cut at %d of %d octets: no error", n, total)
		}
	}
}

// measure runs a session over a good line and returns what came down, and how much of it before Close.
func measure(t *testing.T, h Harness, c [][]byte, tell bool) (total, open int64) {
	t.Helper()
	refill(h, c)
	l := &Line{}
	if _, err := session(t.Context(), t, h, l, c, tell); err != nil {
		t.Fatalf("on a good line: %v", err)
	}
	if h.Can.Deletes {
		still(t, h, nil)
	}
	_, down := l.Octets()
	return down, l.before
}

func refill(h Harness, c [][]byte) {
	h.Clear()
	h.Put(c...)
}

// lost fails when a message is gone that was not whole here.
func lost(t *testing.T, h Harness, c [][]byte, whole []bool, n int64) {
	t.Helper()
	left := map[string]int{}
	for _, b := range h.Left() {
		left[string(b)]++
	}
	for i, b := range c {
		if left[string(b)] == 0 && !whole[i] {
			t.Fatalf("cut at %d: message %d was let go of and never whole", n, i)
		}
	}
}

// cancelled: a context that ends while nothing arrives ends every call; Close, which has a limit of its
// own, is quick afterwards.
func cancelled(t *testing.T, h Harness) {
	c := append(Corpus()[:3:3], Text(600, 2))
	_, total := measure(t, h, c, false)
	for n := int64(1); n < total; n += 1 + total/23 {
		refill(h, c)
		l := &Line{Hang: n}
		ctx, cancel := context.WithCancel(t.Context())
		hung := l.Hung()
		go func() {
			select {
			case <-hung:
			case <-ctx.Done():
			}
			cancel()
		}()
		var whole []bool
		var err error
		within(t, "a cancelled session", func() { whole, err = session(ctx, t, h, l, c, false) })
		cancel()
		if err == nil {
			t.Fatalf("hung at %d of %d and cancelled: no error", n, total)
		}
		if open := l.Open(); open != 0 {
			t.Fatalf("hung at %d: %d connections are open", n, open)
		}
		lost(t, h, c, whole, n)
	}
}

// cancelledBefore: nothing is done in a context that has ended.
func cancelledBefore(t *testing.T, h Harness) {
	c := Corpus()[:1]
	h.Put(c...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := &Line{}
	within(t, "Open", func() {
		d, err := h.Retriever(l).Open(ctx)
		if err != nil {
			return
		}
		for m, err := range d.Messages(ctx, nil) {
			if err != nil {
				break
			}
			if _, err := content(ctx, m); err == nil && h.Can.Line {
				t.Error("a content was read in a context that had ended")
			}
		}
		d.Close()
	})
	if n := l.Open(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
	still(t, h, c)
}

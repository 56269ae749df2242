package fetchtest

import (
	"io"
	"testing"
	"testing/iotest"

	"mailretr/store/mail"
)

func empty(t *testing.T, h Harness) {
	l := &Line{}
	d := opened(t, h, l)
	if h.Can.List {
		uids, complete, err := d.List(t.Context())
		if err != nil || len(uids) > 0 || !complete {
			t.Fatalf("List of nothing: %v, %v, %v", uids, complete, err)
		}
	}
	if ms := all(t, d, nil); len(ms) > 0 {
		t.Fatalf("Messages of nothing: %d", len(ms))
	}
	closed(t, d)
	if n := l.Open(); n != 0 {
		t.Fatalf("%d connections are open after Close", n)
	}
}

// listed: List and Messages agree; wanted ones come alone; unknown ones do not come.
func listed(t *testing.T, h Harness) {
	c := Corpus()
	h.Put(c...)
	d := opened(t, h, nil)
	uids, complete, err := d.List(t.Context())
	if err != nil || !complete || len(uids) != len(c) {
		t.Fatalf("List: %d UIDs, complete %v, %v; want %d", len(uids), complete, err, len(c))
	}
	have := map[mail.UID]bool{}
	for _, u := range uids {
		if u == "" || have[u] {
			t.Fatalf("UID %q is empty or occurs twice", u)
		}
		have[u] = true
	}
	for i, m := range all(t, d, nil) {
		if !have[m.Origin.UID] {
			t.Errorf("message %d has UID %q, which was not listed", i, m.Origin.UID)
		}
		delete(have, m.Origin.UID)
	}
	if len(have) > 0 {
		t.Errorf("listed and not yielded: %v", have)
	}
	some := all(t, d, []mail.UID{uids[2], "no-such-uid", uids[0]})
	if len(some) != 2 {
		t.Fatalf("two wanted, %d came", len(some))
	}
	for _, m := range some {
		if m.Origin.UID != uids[0] && m.Origin.UID != uids[2] {
			t.Errorf("UID %q came and was not wanted", m.Origin.UID)
		}
	}
	closed(t, d)
	still(t, h, c)
}

// exact: Open gives every octet, in any number of sessions (R14).
func exact(t *testing.T, h Harness) {
	c := Corpus()
	if h.Can.Raw {
		c = append(c, Raw()...)
	}
	h.Put(c...)
	d := opened(t, h, nil)
	ms := all(t, d, nil)
	if len(ms) != len(c) {
		t.Fatalf("%d messages, want %d", len(ms), len(c))
	}
	for i, m := range ms {
		b, err := content(t.Context(), m)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		same(t, "content", b, c[i])
	}
	closed(t, d)
	still(t, h, c)
}

// headerThenWhole: Header is the header section; Open gives the message from its first octet after it.
func headerThenWhole(t *testing.T, h Harness) {
	c := Corpus()
	h.Put(c...)
	d := opened(t, h, nil)
	for i, m := range all(t, d, nil) {
		b, err := m.Content.Header(t.Context())
		if err != nil {
			t.Fatalf("message %d: Header: %v", i, err)
		}
		same(t, "header", b, mail.HeaderOf(c[i]))
		if i%3 == 2 {
			continue // a header alone is enough for a probe
		}
		if b, err = content(t.Context(), m); err != nil {
			t.Fatalf("message %d: Open: %v", i, err)
		}
		same(t, "content after Header", b, c[i])
	}
	closed(t, d)
	still(t, h, c)
}

// oneOctet: neither a reader nor a line that gives one octet at a time changes anything.
func oneOctet(t *testing.T, h Harness) {
	c := append(Corpus()[:9], Text(3000, 1))
	h.Put(c...)
	d := opened(t, h, &Line{Chunk: 1})
	for i, m := range all(t, d, nil) {
		r, err := m.Content.Open(t.Context())
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		b, err := io.ReadAll(iotest.OneByteReader(r))
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("message %d: Read after the end: %d, %v", i, n, err)
		}
		r.Close()
		same(t, "content", b, c[i])
	}
	closed(t, d)
}

// settled: only a report that is Done lets go, and only of its message.
func settled(t *testing.T, h Harness) {
	c := Corpus()[:8]
	h.Put(c...)
	d := opened(t, h, nil)
	ms := all(t, d, nil)
	for _, m := range ms {
		if len(m.Envelope.Recipients) == 1 { // a second recipient, so that a report can be short
			second := mail.Recipient{Forward: "b@example.org"}
			m.Envelope.Recipients = append(m.Envelope.Recipients, second)
		}
	}
	failed, deferred := mail.Result{Outcome: mail.Failed}, mail.Result{}
	ok := mail.Result{Outcome: mail.Delivered}
	reports := []mail.Report{
		{ok, ok}, nil, {ok}, {ok, deferred}, {ok, ok, ok}, {deferred, deferred}, {ok, ok},
	}
	if h.Can.Again { // what a queue does with Failed is its own
		reports[4] = mail.Report{failed, failed}
	} else {
		reports[4] = mail.Report{deferred, ok}
	}
	var left [][]byte
	for i, m := range ms {
		if _, err := content(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if i < len(reports) {
			settle(t, d, m, reports[i])
		}
		if i >= len(reports) || !reports[i].Done(2) || !h.Can.Deletes {
			left = append(left, c[i])
		}
	}
	closed(t, d)
	still(t, h, left)
	if g, is := d.(mail.Confirmed); h.Can.Gone {
		if !is || len(g.Gone()) != len(c)-len(left) {
			t.Errorf("Gone does not name the %d that were let go of", len(c)-len(left))
		}
	}
	if h.Can.Again {
		d = opened(t, h, nil)
		if n := len(all(t, d, nil)); n != len(left) {
			t.Errorf("the next session has %d messages, want %d", n, len(left))
		}
		closed(t, d)
	}
}

// unread: a session that reads or settles nothing lets go of nothing.
func unread(t *testing.T, h Harness) {
	c := Corpus()[:3]
	h.Put(c...)
	closed(t, opened(t, h, nil))
	still(t, h, c)
	d := opened(t, h, nil)
	all(t, d, nil)
	closed(t, d)
	still(t, h, c)
}

// closeTwice: the second Close is harmless, after a good session too.
func closeTwice(t *testing.T, h Harness) {
	c := Corpus()[:2]
	h.Put(c...)
	l := &Line{}
	d := opened(t, h, l)
	m := all(t, d, nil)[0]
	if _, err := content(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	settle(t, d, m, done(m))
	closed(t, d)
	closed(t, d)
	if h.Can.Deletes {
		c = c[1:]
	}
	still(t, h, c)
	if n := l.Open(); n != 0 {
		t.Errorf("%d connections are open after Close", n)
	}
}

// sizes: what is announced is a hint (R8). A message that is announced as absurdly big may be refused by
// itself.
func sizes(t *testing.T, h Harness) {
	if h.Lie == nil {
		t.Skip("the maildrop cannot lie")
	}
	c := Corpus()
	h.Put(c...)
	for _, size := range []int64{0, 1, 50 << 20, 1 << 31, 1<<62 - 1} {
		h.Lie(size)
		d := opened(t, h, nil)
		var ms []*mail.Message
		for m, err := range d.Messages(t.Context(), nil) {
			switch {
			case err == nil:
				ms = append(ms, m)
			case m == nil || size < 1<<30:
				t.Fatalf("size %d: Messages: %v", size, err)
			}
		}
		if a, ok := d.(mail.Aheader); ok {
			if err := a.Ahead(t.Context(), mail.Whole, ms); err != nil {
				t.Fatalf("size %d: Ahead: %v", size, err)
			}
		}
		for i, m := range ms {
			b, err := content(t.Context(), m)
			if err != nil {
				t.Fatalf("size %d, message %d: %v", size, i, err)
			}
			same(t, "content of a message whose size was a lie", b, c[i])
		}
		closed(t, d)
	}
	still(t, h, c)
}

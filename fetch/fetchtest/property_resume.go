package fetchtest

import (
	"context"
	"io"
	"testing"

	"mailretr/store/mail"
)

// rest opens a content behind its first n octets and reads it, and says whether it can be gone on with.
func rest(ctx context.Context, m *mail.Message, n int64) (b []byte, resumes bool, err error) {
	c, ok := m.Content.(mail.Resumer)
	if !ok || !c.Resumes() {
		return nil, false, nil
	}
	r, err := c.OpenAt(ctx, n)
	if err != nil {
		return nil, true, err
	}
	b, err = io.ReadAll(r)
	if e := r.Close(); err == nil {
		err = e
	}
	return b, true, err
}

// resume: behind any number of octets the rest is what it is, however the content was announced, and whatever
// was read of it before.
func resume(t *testing.T, h Harness) {
	c := append(Corpus(), Text(400_000, 3), Text(700_000, 4))
	if h.Can.Raw {
		c = append(c, Raw()...)
	}
	h.Put(c...)
	for way := range 5 {
		d := opened(t, h, nil)
		ms := all(t, d, nil)
		a, can := d.(mail.Aheader)
		tell := func(part mail.Part) {
			if can {
				if err := a.Ahead(t.Context(), part, ms); err != nil {
					t.Fatalf("Ahead: %v", err)
				}
			}
		}
		if way == 1 || way == 3 {
			tell(mail.Whole)
		}
		if way == 4 {
			tell(mail.Header)
		}
		for i, m := range ms {
			if way >= 2 && i%2 == 0 || way == 4 {
				b, err := m.Content.Header(t.Context())
				if err != nil {
					t.Fatalf("way %d, message %d: Header: %v", way, i, err)
				}
				same(t, "header", b, mail.HeaderOf(c[i]))
			}
		}
		if way == 4 {
			tell(mail.Whole)
		}
		for i, m := range ms {
			n := places(c[i])[(i+way)%7]
			b, resumes, err := rest(t.Context(), m, n)
			if err != nil || !resumes {
				t.Fatalf("way %d, message %d behind %d of %d octets: %v, %v", way, i, n, len(c[i]), resumes, err)
			}
			same(t, "the rest", b, c[i][n:])
			settle(t, d, m, mail.Report{})
		}
		closed(t, d)
	}
	still(t, h, c)
}

// places are octets at which a message may have been cut.
func places(b []byte) [7]int64 {
	n, h := int64(len(b)), int64(len(mail.HeaderOf(b)))
	return [7]int64{0, 1, h, min(h+1, n), n / 2, n - 1, n}
}

// resumeCut: a message comes through a line that breaks again and again, each session going on where the one
// before it was cut, and what came before a cut is handed on.
func resumeCut(t *testing.T, h Harness) {
	want := Text(900_000, 5)
	h.Put(want)
	var got []byte
	var down int64
	for try := 0; len(got) < len(want); try++ {
		if try > 20 {
			t.Fatalf("%d octets of %d after %d sessions", len(got), len(want), try)
		}
		l := &Line{Cut: 200_000, Reset: try%2 == 0}
		within(t, "a session on a cut line", func() { got = append(got, resumed(t, h, l, int64(len(got)))...) })
		_, n := l.Octets()
		down += n
		same(t, "the beginning", got, want[:min(len(got), len(want))])
	}
	same(t, "the whole", got, want)
	if down > int64(len(want))*103/100 {
		t.Errorf("%d octets came down for %d", down, len(want))
	}
}

// resumed makes a session that reads as far as the line carries.
func resumed(t *testing.T, h Harness, l *Line, n int64) []byte {
	d, err := h.Retriever(l).Open(t.Context())
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer d.Close()
	ms := all(t, d, nil)
	if len(ms) != 1 {
		t.Fatalf("%d messages", len(ms))
	}
	if a, ok := d.(mail.Aheader); ok {
		if err := a.Ahead(t.Context(), mail.Whole, ms); err != nil {
			t.Fatal(err)
		}
	}
	b, resumes, err := rest(t.Context(), ms[0], n)
	if !resumes {
		t.Fatal("it cannot be gone on with")
	}
	if err == io.EOF {
		t.Fatal("a cut content ended with io.EOF")
	}
	return b
}

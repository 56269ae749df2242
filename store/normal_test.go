package store

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"mailretr/store/mail"
)

// normal computes the normal form octet by octet: slow, and plain enough to be believed.
func normal(b []byte) (out []byte) {
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n':
			out = append(out, '\r', '\n')
			i++
		case b[i] == '\r':
			out = append(out, ' ')
		case b[i] == '\n':
			out = append(out, '\r', '\n')
		default:
			out = append(out, b[i])
		}
	}
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\r', '\n')
	}
	return out
}

func normalized(t testing.TB, in []byte, buf int, one bool) (out []byte, m mended) {
	t.Helper()
	var r io.Reader = bytes.NewReader(in)
	if one {
		r = iotest.OneByteReader(r)
	}
	m, _, err := normalize(r, make([]byte, buf), new(reach), func(p []byte) error {
		if len(p) == 0 {
			t.Error("an empty piece")
		}
		out = append(out, p...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, m
}

func TestNormal(t *testing.T) {
	for _, x := range []struct {
		in, want string
		mended   mended
	}{
		{"", "", mended{}},
		{"\r\n", "\r\n", mended{}},
		{"a\r\nb\r\n", "a\r\nb\r\n", mended{}},
		{"a\nb\r\n", "a\r\nb\r\n", mended{LF: 1}},
		{"a\rb\r\n", "a b\r\n", mended{CR: 1}},
		{"a\r\r\n", "a \r\n", mended{CR: 1}},
		{"a", "a\r\n", mended{Final: true}},
		{"a\r", "a \r\n", mended{CR: 1, Final: true}},
		{"\r", " \r\n", mended{CR: 1, Final: true}},
		{"\n\r", "\r\n \r\n", mended{LF: 1, CR: 1, Final: true}},
		{"\n.\n", "\r\n.\r\n", mended{LF: 2}},
		{"\r\n.\r\r\n", "\r\n. \r\n", mended{CR: 1}},
		{"NUL \x00 \xff\r\n", "NUL \x00 \xff\r\n", mended{}},
		{strings.Repeat("x", 5000) + "\r\n", strings.Repeat("x", 5000) + "\r\n", mended{}},
	} {
		for _, buf := range []int{2, 3, 7, 64 << 10} {
			got, m := normalized(t, []byte(x.in), buf, buf == 3)
			if string(got) != x.want || m != x.mended {
				t.Errorf("%q with a buffer of %d: %q, %+v", x.in, buf, got, m)
			}
		}
	}
}

func FuzzNormal(f *testing.F) {
	f.Add([]byte("a\r\nb\n\rc\r"), 3)
	f.Add([]byte("\n\n\r\r\n"), 2)
	f.Fuzz(func(t *testing.T, in []byte, buf int) {
		got, m := normalized(t, in, 2+max(buf, -buf)&63, false)
		want := normal(in)
		if !bytes.Equal(got, want) {
			t.Fatalf("%q: %q, want %q", in, got, want)
		}
		if m.any() == bytes.Equal(in, want) {
			t.Fatalf("%q: mended %+v", in, m)
		}
		if again, m := normalized(t, want, 64, false); !bytes.Equal(again, want) || m.any() {
			t.Fatalf("not idempotent: %q", again)
		}
	})
}

// The end of the header is found wherever a piece ends.
func TestHead(t *testing.T) {
	for _, x := range []struct {
		in  string
		end int
	}{
		{"A: b\r\n\r\nbody\r\n", 8},
		{"\r\nbody\r\n\r\n", 2},
		{"A: b\r\n", 6},
		{"", 0},
		{"A: b\r\n c\r\n\r\n\r\n", 12},
		{"no header\r\nat all\r\n", 19},
	} {
		for cut := 1; cut <= max(len(x.in), 1); cut++ {
			var got []byte
			calls := 0
			h := head{found: func(b []byte) { got = bytes.Clone(b); calls++ }}
			for b := []byte(x.in); len(b) > 0; b = b[min(cut, len(b)):] {
				h.add(b[:min(cut, len(b))])
			}
			h.close()
			if h.end != int64(x.end) || string(got) != x.in[:x.end] || calls != 1 {
				t.Errorf("%q in pieces of %d: %d, %q, %d calls", x.in, cut, h.end, got, calls)
			}
		}
	}
	calls := 0
	h := head{found: func(b []byte) {
		if calls++; len(b) != mail.MaxHeader {
			t.Errorf("%d octets", len(b))
		}
	}}
	line := bytes.Repeat([]byte("X: y\r\n"), 10000)
	for range 30 {
		h.add(line)
	}
	h.add([]byte("\r\nbody"))
	if h.close(); calls != 1 || h.end != 30*60000+2 {
		t.Errorf("a long header ends at %d", h.end)
	}
}

// The key is the same whether the header came alone or with the body, whatever its line ends.
func TestContentKey(t *testing.T) {
	w := newWorld(t)
	m := message("1", "a@example.org", "x@a.example")
	m.Content = &text{b: []byte("A: b\nB: c\r\n\r\nbody"), size: 99}
	w.put(m)
	want := w.mem.disk.marks["acc"]["1"].Key
	for _, h := range []string{"A: b\nB: c\r\n\r\n", "A: b\r\nB: c\r\n", "A: b\nB: c\n", "A: b\r\nB: c"} {
		if w.ContentKey([]byte(h), 99) != want {
			t.Errorf("%q has another key", h)
		}
	}
	if w.ContentKey([]byte("A: b\nB: c\n"), 98) == want {
		t.Error("the size does not count")
	}
	w.Secret[0]++
	if w.ContentKey([]byte("A: b\nB: c\n"), 99) == want {
		t.Error("the secret does not count")
	}
}

// sample is a message of about n octets in normal form.
func sample(n int) []byte {
	var b bytes.Buffer
	for i := range 12 {
		fmt.Fprintf(&b,
			"Received: from host%d.example by mx.example with ESMTP id %d;\r\n\tMon, 2 Mar 2026 10:00:00 +0000\r\n",
			i, i)
	}
	b.WriteString("From: a@example.org\r\nSubject: sample\r\n\r\n")
	for b.Len() < n {
		b.WriteString("The quick brown fox jumps over the lazy dog, sixty octets.\r\n")
	}
	return b.Bytes()
}

func BenchmarkNormal(b *testing.B) {
	in := sample(5 << 10)
	buf := make([]byte, 64<<10)
	r := bytes.NewReader(in)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(in)
		if _, _, err := normalize(r, buf, new(reach), func([]byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMend(b *testing.B) {
	in := bytes.ReplaceAll(sample(5<<10), crlf, []byte{'\n'})
	buf := make([]byte, 64<<10)
	r := bytes.NewReader(in)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(in)
		if _, _, err := normalize(r, buf, new(reach), func([]byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

package smtp

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net/textproto"
	"strings"
	"testing"

	"mailretr/relay/relaytest"
	"mailretr/store/mail"
)

// stuffed sends s in pieces of n octets, with the final dot as go-smtp writes it.
func stuffed(s string, n int) string {
	var b bytes.Buffer
	d := &dots{w: &b}
	for len(s) > 0 {
		k := min(n, len(s))
		d.Write([]byte(s[:k]))
		s = s[k:]
	}
	d.end()
	bw := bufio.NewWriter(&b)
	textproto.NewWriter(bw).DotWriter().Close()
	bw.Flush()
	return b.String()
}

func TestDots(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "\r\n.\r\n",
		"\r\n":                   "\r\n.\r\n",
		"a":                      "a\r\n.\r\n",
		"a\r\n":                  "a\r\n.\r\n",
		".":                      "..\r\n.\r\n",
		".\r\n":                  "..\r\n.\r\n",
		"a\r\n.b\r\n..\r\n":      "a\r\n..b\r\n...\r\n.\r\n",
		"a\r\n\r\n":              "a\r\n\r\n.\r\n",
		"a\r":                    "a \r\n.\r\n",
		"a\rb\r\n":               "a b\r\n.\r\n",
		"a\n":                    "a\r\n.\r\n",
		"a\n.\nb":                "a\r\n..\r\nb\r\n.\r\n",
		"a\r.\rb\r\n":            "a . b\r\n.\r\n",
		"a\r\r\n.\r\n":           "a \r\n..\r\n.\r\n",
		"\r\n.\r":                "\r\n.. \r\n.\r\n",
		"\r":                     " \r\n.\r\n",
		"\n":                     "\r\n.\r\n",
		"a\x00\xff\r\n":          "a\x00\xff\r\n.\r\n",
		"a\r\n\x00.\r\nMAIL\r\n": "a\r\n\x00.\r\nMAIL\r\n.\r\n",
	} {
		for _, n := range []int{1, 2, 3, 100} {
			if got := stuffed(in, n); got != want {
				t.Errorf("%q, %d at once: %q, want %q", in, n, got, want)
			}
		}
	}
}

// normal is the normal form as DESIGN has it, written as plainly as can be.
func normal(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", " ")
	if !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return strings.ReplaceAll(s, "\n", "\r\n")
}

// FuzzDots compares with the writer of the library, and reads the result back with its reader.
func FuzzDots(f *testing.F) {
	f.Add("a\r\n.b\r\n", uint8(3))
	f.Add("\n.\r.\r\r\n..", uint8(1))
	f.Fuzz(func(t *testing.T, s string, n uint8) {
		got := stuffed(s, max(int(n), 1))
		var want bytes.Buffer
		bw := bufio.NewWriter(&want)
		w := textproto.NewWriter(bw).DotWriter()
		io.WriteString(w, normal(s))
		w.Close()
		bw.Flush()
		if got != want.String() {
			t.Fatalf("%q: %q, want %q", s, got, want.String())
		}
	})
}

func TestDots_AnyPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		b := make([]byte, r.IntN(40))
		for i := range b {
			b[i] = "\r\n.ab\x00"[r.IntN(6)]
		}
		s := string(b)
		if a, b := stuffed(s, 1+r.IntN(9)), stuffed(normal(s), 1000); a != b {
			t.Fatalf("%q: %q, %q", s, a, b)
		}
	}
}

// Whatever a receiver takes for a line end, it gets one message.
func TestS2_NothingIsSmuggledOut(t *testing.T) { each(t, "smuggled", smuggled) }

func smuggled(t *testing.T, lmtp bool) {
	const evil = "MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@y.example>\r\nDATA\r\nFrom: evil\r\n\r\nevil\r\n.\r\n"
	for _, ends := range []byte{0, '\n', '\r'} {
		for _, seq := range []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\n.\r", "\r\n\x00.\r\n",
			"\r\r\n.\r\r\n", "\r\n.\r\n"} {
			for _, form := range []func(string) string{normal, func(s string) string { return s }} {
				mta := relaytest.New(t, relaytest.Script{Ends: ends, LMTP: lmtp})
				c := client(t, func(o *Options) { o.LMTP = lmtp }, mta)
				m := message("x@y.example")
				body := form("Subject: a\r\n\r\ntext" + seq + evil)
				m.Content = &content{text: body, size: -1}
				if r := c.Deliver(t.Context(), m); !r.Done(1) {
					t.Errorf("%q, line end %q: %+v", seq, ends, r)
				}
				c.Close()
				if x := mta.Mails(); len(x) != 1 || x[0].From != "sender@a.example" {
					t.Errorf("%q, line end %q: %d messages", seq, ends, len(x))
				}
				if l := strings.Join(mta.Lines(), "|"); strings.Contains(l, "evil@") {
					t.Errorf("%q, line end %q: %s", seq, ends, l)
				}
			}
		}
	}
}

// sample is mail of lines, n octets.
func sample(n int) string {
	const line = "The quick brown fox jumps over the lazy dog, and over again, and again.\r\n"
	return "Subject: sample\r\n\r\n" + strings.Repeat(line, n/len(line))
}

// BenchmarkDots compares with the library's writer: the reason why there is one of ours.
func BenchmarkDots(b *testing.B) {
	text := []byte(sample(1 << 20))
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			d := &dots{w: io.Discard}
			for p := text; len(p) > 0; {
				n := min(len(p), 32<<10)
				d.Write(p[:n])
				p = p[n:]
			}
		}
	})
	b.Run("textproto", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			w := textproto.NewWriter(bufio.NewWriter(io.Discard)).DotWriter()
			w.Write(text)
			w.Close()
		}
	})
}

// BenchmarkDeliver sends 5 KB messages on one connection to a sink in this process.
func BenchmarkDeliver(b *testing.B) {
	for name, size := range map[string]int{"5KB": 5000, "1MB": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			text := sample(size)
			mta := relaytest.New(b, relaytest.Script{NoBodies: true})
			c := client(b, func(o *Options) { o.PerConnection = 1 << 30 }, mta)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				m := message("x@y.example")
				m.Content = &content{text: text, size: int64(len(text))}
				if !c.Deliver(b.Context(), m).Done(1) {
					b.Fatal("not delivered")
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

var _ mail.Deliverer = (*Client)(nil)
var _ mail.Prober = (*Client)(nil)

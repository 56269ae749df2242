package imap

import (
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// squeezing is a server that compresses, and a retriever with one message of this size before it.
func squeezing(t *testing.T, size int) (*server, *Retriever, *fetchtest.Line, string) {
	s := newServer(t)
	s.caps = goodCaps + " COMPRESS=DEFLATE"
	want := string(fetchtest.Text(size, 1))
	s.put("INBOX", []byte(want))
	l := &fetchtest.Line{}
	r := s.retriever(l)
	r.Memory = &Memory{}
	return s, r, l, want
}

// TestCompress: text costs a fraction of itself; what is not worth the question is not compressed, nor is
// anything where the configuration says no.
func TestCompress(t *testing.T) {
	s, r, l, want := squeezing(t, 100_000)
	m := &wire.Meter{}
	r.Dial.Meter = m
	x, err := collect(t.Context(), r)
	if err != nil || x.octets["INBOX/1714/1"] != want || len(x.gone) != 1 {
		t.Fatal(len(x.octets), x.gone, err)
	}
	if _, down := l.Octets(); down > 34_000 || m.Spared.Load() < 66_000 || !s.saw("COMPRESS DEFLATE") {
		t.Errorf("%d octets came down, %d were spared", down, m.Spared.Load())
	}
	if m := x.cost["INBOX/1714/1"]; m > 34_000 || m < 3000 {
		t.Errorf("it is said to have cost %d", m)
	}
	for name, change := range map[string]func(*server, *Retriever){
		"off":         func(_ *server, r *Retriever) { r.NoCompress = true },
		"not offered": func(s *server, _ *Retriever) { s.caps = goodCaps },
		"little":      func(s *server, _ *Retriever) { s.folders["INBOX"].letters[0].octets = letterOf(1, "one") },
	} {
		s, r, _, _ := squeezing(t, 100_000)
		change(s, r)
		if x, err := collect(t.Context(), r); err != nil || len(x.gone) != 1 || s.saw("COMPRESS") {
			t.Errorf("%s: %v, %v, %q", name, x.gone, err, s.said())
		}
	}
}

// TestCompressAnswers: whatever the server answers, a session goes on or ends, and nothing is misread.
func TestCompressAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(c *client, tag string)
		fails  bool
		never  bool // it is not asked again
	}{
		"NO":  {answer: func(c *client, tag string) { c.say("%s NO [COMPRESSIONACTIVE] twice\r\n", tag) }},
		"BAD": {answer: func(c *client, tag string) { c.say("%s BAD what?\r\n", tag) }, never: true},
		"news first": {answer: func(c *client, tag string) {
			c.say("* 7 EXISTS\r\n* OK [X] hello {3}\r\n")
			c.flush()
			c.say("* 1 FETCH (FLAGS (x y))\r\n")
			c.compress(tag)
		}},
		"its tag in a literal": {answer: func(c *client, tag string) {
			line := tag + " NO refused\r\n"
			c.say("* 1 FETCH (UID 9 BODY[] {%d}\r\n%s)\r\n", len(line), line)
			c.compress(tag)
		}},
		"more at once": {answer: func(c *client, tag string) {
			c.compress(tag)
			c.say("* 8 EXISTS\r\n* 1 EXISTS\r\n")
		}},
		"PREAUTH": {answer: func(c *client, tag string) { c.say("%s PREAUTH x\r\n", tag) }, fails: true},
		"BYE":     {answer: func(c *client, tag string) { c.say("* BYE enough\r\n"); c.flush(); c.conn.Close() }, fails: true},
		"end":     {answer: func(c *client, tag string) { c.conn.Close() }, fails: true},
		"plain": {answer: func(c *client, tag string) {
			c.say("%s OK\r\n* 7 EXISTS and so on, which is not compressed\r\n", tag)
		}, fails: true},
		"half": {answer: func(c *client, tag string) { c.say("%s O", tag); c.flush(); c.conn.Close() }, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, r, _, want := squeezing(t, 100_000)
			s.on = at("COMPRESS", func(cl *client, tag, _ string) { c.answer(cl, tag) })
			x, err := collect(t.Context(), r)
			if c.fails {
				if err == nil || len(x.gone) > 0 {
					t.Errorf("%v are gone, %v", x.gone, err)
				}
				return
			}
			if err != nil || x.octets["INBOX/1714/1"] != want || len(x.gone) != 1 {
				t.Fatal(len(x.octets), x.gone, err)
			}
			equal(t, "Uncompressed", r.Memory.Uncompressed, c.never)
		})
	}
}

// bomb says what a server with compression says instead of a body.
func bomb(t *testing.T, say func(c *client), change func(*Retriever)) (down int64, heap uint64, err error) {
	s, r, l, _ := squeezing(t, 100_000)
	change(r)
	s.on = atBody(func(c *client, _, _ string) { say(c) })
	d := open(t, r)
	ms := messages(t, d)
	announce(t, d, mail.Whole, ms)
	b, err := ms[0].Content.Open(t.Context())
	if err == nil {
		_, err = io.Copy(io.Discard, heapWatch{b, &heap})
		b.Close()
	}
	d.Close()
	_, down = l.Octets()
	return down, heap, err
}

// heapWatch looks at the heap while it is read.
type heapWatch struct {
	io.Reader
	max *uint64
}

func (h heapWatch) Read(b []byte) (int, error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	*h.max = max(*h.max, m.HeapAlloc)
	return h.Reader.Read(b)
}

// TestR22_Line: a megabyte that inflates to a gigabyte within one line ends the session after a few octets of
// it.
func TestR22_Line(t *testing.T) {
	for _, begin := range []string{"* OK ", "* SEARCH ", "* 1 FETCH (FLAGS (", "* 1 FETCH (UID 1 BODY[] \"", "T9"} {
		down, _, err := bomb(t, func(c *client) { c.say("%s", begin); c.gigabyte("1") }, func(*Retriever) {})
		kind(t, begin, err, mail.Protocol)
		if down > 64<<10 {
			t.Errorf("%q: %d octets came down", begin, down)
		}
	}
}

// TestR22_Body: so does a body that inflates beyond the limit of a message. Without a limit it is a large
// message as any other: it is handed on as it comes, and memory stays small.
func TestR22_Body(t *testing.T) {
	large := func(c *client) { c.say("* 1 FETCH (UID 1 BODY[] {1000000000}\r\n"); c.gigabyte("\r\n") }
	down, _, err := bomb(t, large, func(r *Retriever) { r.Limits.Message = 10 << 20 })
	kind(t, "limited", err, mail.Protocol)
	if down > 64<<10 {
		t.Errorf("%d octets came down", down)
	}
	down, heap, err := bomb(t, large, func(*Retriever) {})
	kind(t, "unlimited", err, mail.Unreachable) // the server ends in the middle
	if down > 1<<20 || heap > 64<<20 {
		t.Errorf("%d octets came down, the heap grew to %d MiB", down, heap>>20)
	}
}

// gigabyte says what the gigabyte begins with, as far as it is taken, and ends.
func (c *client) gigabyte(text string) {
	b := []byte(strings.Repeat(text, 64<<10))
	for range 1 << 10 {
		if _, err := c.w.Write(b); err != nil {
			break
		}
	}
	c.flush()
	c.conn.Close()
}

// TestR4_SilenceOfExtensions: a server that falls silent at what not every session asks costs the idle limit and
// no more.
func TestR4_SilenceOfExtensions(t *testing.T) {
	for verb, half := range map[string]string{"COMPRESS": "* OK [X", "STATUS": "* STATUS INBOX (UIDNEXT",
		"ENABLE": "* ENABLED", "ID": "* ID (\"name\" {5}\r\nx"} {
		for _, half := range []string{"", half} {
			synctest.Test(t, func(t *testing.T) {
				s, r, _, _ := squeezing(t, 100_000)
				s.caps += " ENABLE UTF8=ACCEPT ID"
				if r.Memory.Caps = []string{"ENABLE"}; verb == "ID" {
					r.Memory.Introduce = true
				}
				s.on = at(verb, func(c *client, _, _ string) { c.say("%s", half); silent(c) })
				began := time.Now()
				_, err := collect(t.Context(), r)
				kind(t, verb, err, mail.Unreachable)
				if d := time.Since(began); d > 6*time.Minute {
					t.Errorf("%s: it took %v", verb, d)
				}
			})
		}
	}
}

// slowly is a connection that takes 300 octets a second, or as many as it says.
type slowly struct {
	net.Conn
	rate int
}

func (w slowly) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		k := min(w.rate, len(b))
		<-time.After(time.Second)
		_, err = w.Conn.Write(b[:k])
		b, n = b[k:], n+k
	}
	return n, err
}

// TestR5_SlowCompressedLine: what is compressed is handed out a block at a time, which may take longer than the
// idle limit on a line of 300 octets per second. That is no silence; one octet a second is.
func TestR5_SlowCompressedLine(t *testing.T) {
	noise, random := make([]byte, 150_000), rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[random.IntN(64)]
	}
	for _, rate := range []int{300, 1} {
		synctest.Test(t, func(t *testing.T) {
			s, r, _, _ := squeezing(t, 10)
			s.folders["INBOX"].letters[0].octets = noise
			s.on = at("COMPRESS", func(c *client, tag, _ string) {
				c.conn = slowly{c.conn, rate}
				c.compress(tag)
			})
			x, err := collect(t.Context(), r)
			if ok := err == nil && x.octets["INBOX/1714/1"] == string(noise); ok != (rate > 1) {
				t.Errorf("at %d octets per second: %v", rate, err)
			}
		})
	}
}

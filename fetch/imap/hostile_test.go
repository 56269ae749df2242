package imap

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// verbs are the commands of a session, in order, each with the beginning of a good answer.
var verbs = []struct{ verb, half string }{
	{"LOGIN", "* OK hal"},
	{"SELECT", "* 1 EXIS"},
	{"UID SEARCH", "* ESEARCH (TAG"},
	{"UID FETCH", "* 1 FETCH (UID 1 FLAGS ("},
	{"UID STORE", "* OK"},
	{"UID EXPUNGE", "* 1 EXP"},
	{"LOGOUT", "* BYE"},
}

// at makes the server do something at one verb.
func at(verb string, do func(c *client, tag, args string)) func(*client, string, string, string) bool {
	return func(c *client, tag, v, args string) bool {
		if v != verb {
			return false
		}
		do(c, tag, args)
		c.flush()
		return true
	}
}

// silent reads on and never answers.
func silent(c *client) {
	c.flush()
	for {
		if _, err := c.r.ReadString('\n'); err != nil {
			return
		}
	}
}

// TestR4_Silence: a server that falls silent, with or without half an answer, costs the idle limit and no
// more.
func TestR4_Silence(t *testing.T) {
	try := func(t *testing.T, name string, prepare func(*server)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.put("INBOX", letterOf(1, "one"))
				prepare(s)
				began := time.Now()
				_, err := collect(t.Context(), s.retriever(nil))
				kind(t, name, err, mail.Unreachable)
				if d := time.Since(began); d > 6*time.Minute {
					t.Errorf("it took %v", d)
				}
			})
		})
	}
	for _, v := range verbs {
		try(t, v.verb, func(s *server) {
			s.on = at(v.verb, func(c *client, _, _ string) { silent(c) })
		})
		try(t, v.verb+" half", func(s *server) {
			s.on = at(v.verb, func(c *client, _, _ string) { c.say("%s", v.half); silent(c) })
		})
	}
	try(t, "body", func(s *server) {
		s.on = at("UID FETCH", func(c *client, tag, args string) {
			if strings.Contains(args, "SIZE") {
				c.command(tag, "UID FETCH", args)
				return
			}
			c.say("* 1 FETCH (UID 1 BODY[] {1000}\r\nhalf of")
			silent(c)
		})
	})
	try(t, "greeting half", func(s *server) {
		s.greeting = "* OK half"
	})
}

// TestPatience: the caller may be busy for longer than the idle limit while nothing is asked, or while a
// body waits.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.put("INBOX", letterOf(1, "one"), fetchtest.Text(400_000, 1), letterOf(3, "three"))
		d := open(t, s.retriever(nil))
		<-time.After(10 * time.Minute)
		ms := messages(t, d)
		<-time.After(10 * time.Minute)
		if err := d.(mail.Aheader).Ahead(t.Context(), mail.Whole, ms); err != nil {
			t.Fatal(err)
		}
		for _, m := range ms {
			<-time.After(10 * time.Minute) // the next one stands on the line meanwhile
			if _, err := read(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			d.Settle(t.Context(), m, done(m))
		}
		<-time.After(10 * time.Minute)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		equal(t, "left", len(s.left("INBOX")), 0)
	})
}

// TestPatienceOfAShaper: what a rate makes us wait is counted by no limit, neither within a session nor at its end.
func TestPatienceOfAShaper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.put("INBOX", fetchtest.Text(3000, 1), fetchtest.Text(3000, 2))
		r := s.retriever(nil)
		r.Dial.Shapers = []*wire.Shaper{wire.NewShaper(5, 0)} // as many sessions have of a rate that they share
		began := time.Now()
		took, err := collect(t.Context(), r)
		if err != nil || len(took.gone) != 2 {
			t.Errorf("after %v: %d are gone, %v", time.Since(began), len(took.gone), err)
		}
		if d := time.Since(began); d < 10*time.Minute {
			t.Errorf("it took %v only", d)
		}
	})
}

// trickle sends text with a pause before each octet.
func (c *client) trickle(text string, pause time.Duration) {
	for i := range len(text) {
		<-time.After(pause)
		c.w.WriteByte(text[i])
		if c.flush() != nil {
			return
		}
	}
}

// TestR5_SlowLoris: one octet just before each limit ends by the limit of the whole line.
func TestR5_SlowLoris(t *testing.T) {
	for _, v := range verbs {
		t.Run(v.verb, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.put("INBOX", letterOf(1, "one"))
				s.on = at(v.verb, func(c *client, _, _ string) {
					c.trickle("* OK "+strings.Repeat("x", 1000), 59*time.Second)
				})
				began := time.Now()
				_, err := collect(t.Context(), s.retriever(nil))
				kind(t, v.verb, err, mail.Unreachable)
				if d := time.Since(began); d > 10*time.Minute {
					t.Errorf("it took %v", d)
				}
			})
		})
	}
}

// TestR5_SlowLine: 300 octets per second are slow and no attack.
func TestR5_SlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		b := fetchtest.Text(1<<20, 1)
		s.put("INBOX", b)
		s.on = at("UID FETCH", func(c *client, tag, args string) {
			if strings.Contains(args, "SIZE") {
				c.command(tag, "UID FETCH", args)
				return
			}
			c.say("* 1 FETCH (UID 1 BODY[] {%d}\r\n", len(b))
			for i := 0; i < len(b); i += 3000 {
				<-time.After(10 * time.Second)
				c.w.Write(b[i:min(i+3000, len(b))])
				c.flush()
			}
			c.say(")\r\n%s OK done\r\n", tag)
		})
		x, err := collect(t.Context(), s.retriever(nil))
		if err != nil || x.octets["INBOX/1714/1"] != string(b) {
			t.Fatalf("%d messages, %v", len(x.octets), err)
		}
	})
}

// endless writes until the other side gives up, 64 MiB at most, and says how much was taken, and how large
// the heap became.
func (c *client) endless(text string) (n int, heap uint64) {
	b := []byte(strings.Repeat(text, 1+64<<10/len(text)))
	for n < 64<<20 {
		k, err := c.w.Write(b)
		if n += k; err != nil {
			break
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		heap = max(heap, m.HeapAlloc)
	}
	return n, heap
}

// bounded runs a session against a server that never ends, and fails if it takes much of what is sent.
func bounded(t *testing.T, verb, first, text string) {
	t.Helper()
	s := newServer(t)
	s.put("INBOX", letterOf(1, "one"))
	var n int
	var heap uint64
	s.on = at(verb, func(c *client, _, _ string) {
		c.say("%s", first)
		n, heap = c.endless(text)
		c.conn.Close()
	})
	began := worked()
	_, err := collect(t.Context(), s.retriever(nil))
	if err == nil {
		t.Errorf("%s, %.20q: no error", verb, text)
	}
	s.wg.Wait()
	if n > 3<<20 || heap > 64<<20 {
		t.Errorf("%s, %.20q: %d octets were taken, the heap grew to %d MiB", verb, text, n, heap>>20)
	}
	if d := worked() - began; d > 10*time.Second { // it is in fact much less; the race detector is slow
		t.Errorf("%s, %.20q: it took %v", verb, text, d)
	}
}

// TestR6_EndlessLine: in every answer.
func TestR6_EndlessLine(t *testing.T) {
	for _, v := range verbs {
		for _, first := range []string{"* OK ", "* OK [X ", "T", `* FLAGS ("`, "* 1 FETCH (FLAGS (", "* SEARCH ",
			"* ESEARCH (TAG \"T1\") UID ALL ", `* LIST () "/" `} {
			bounded(t, v.verb, first, "1")
		}
	}
	s := newServer(t)
	s.greeting = "* OK " + strings.Repeat("x", 1<<20)
	_, err := collect(t.Context(), s.retriever(nil))
	kind(t, "greeting", err, mail.Protocol)
}

// TestR7_EndlessLines: lines that are each good, without end.
func TestR7_EndlessLines(t *testing.T) {
	for _, v := range verbs[1:4:4] {
		for _, text := range []string{"* CAPABILITY IMAP4rev1\r\n", "* 1 EXPUNGE\r\n", "* 1 EXISTS\r\n",
			"* SEARCH 1 2 3\r\n", "* 1 FETCH (FLAGS ())\r\n", "* 1 FETCH (UID 9 BODY[] \"x\")\r\n", "* OK\r\n",
			"* LIST () \"/\" {100}\r\n" + strings.Repeat("x", 100) + "\r\n"} {
			bounded(t, v.verb, "", text)
		}
	}
}

// worked is the processor time of this process: on a machine that has others to serve, time passes without work.
func worked() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestR7_Listing: more numbers than messages, ranges without bound, the worst order: no crash, no long work.
func TestR7_Listing(t *testing.T) {
	down := func(n int) string {
		var b strings.Builder
		for i := n; i > 0; i-- {
			fmt.Fprintf(&b, " %d", 2*i)
		}
		return b.String()
	}
	for name, answer := range map[string]string{
		"range":        "* ESEARCH (TAG \"TAG\") UID ALL 1:4294967295\r\n",
		"ranges":       "* ESEARCH (TAG \"TAG\") UID ALL 1:4294967295,1:4294967294\r\n",
		"star":         "* ESEARCH (TAG \"TAG\") UID ALL 1:*\r\n",
		"zero":         "* ESEARCH (TAG \"TAG\") UID ALL 0\r\n",
		"not UIDs":     "* ESEARCH (TAG \"TAG\") ALL 1:2\r\n",
		"descending":   "* SEARCH" + down(20_000) + "\r\n",
		"over 32 bits": "* SEARCH 4294967296\r\n",
		"negative":     "* SEARCH -1\r\n",
		"too many":     "* SEARCH" + down(200_000) + "\r\n",
		"none":         "",
	} {
		s := newServer(t)
		s.put("INBOX", letterOf(1, "one"), letterOf(2, "two"))
		s.on = at("UID SEARCH", func(c *client, tag, args string) {
			c.say("%s%s OK done\r\n", strings.ReplaceAll(answer, "TAG", tag), tag)
		})
		began := worked()
		x, err := collect(t.Context(), s.retriever(nil))
		if d := worked() - began; d > 5*time.Second {
			t.Errorf("%s: it took %v", name, d)
		}
		if err == nil && (x.whole || len(x.octets) > 2) {
			t.Errorf("%s: a listing that lies counts as complete: %d", name, len(x.uids))
		}
	}
}

// TestR8_Sizes: numbers that do not fit, wherever they are.
func TestR8_Sizes(t *testing.T) {
	sizes := []string{"-1", "0", "2147483648", "4294967296", "9223372036854775807",
		"18446744073709551616", "1e99", ""}
	for _, size := range sizes {
		s := newServer(t)
		s.put("INBOX", letterOf(1, "one"), letterOf(2, "two"))
		s.on = at("UID FETCH", func(c *client, tag, args string) {
			if !strings.Contains(args, "SIZE") {
				c.command(tag, "UID FETCH", args)
				return
			}
			for i := 1; i <= 2; i++ {
				c.say("* %d FETCH (UID %d RFC822.SIZE %s)\r\n", i, i, size)
			}
			c.say("%s OK done\r\n", tag)
		})
		x, err := collect(t.Context(), s.retriever(nil))
		if err == nil && x.octets["INBOX/1714/1"] != string(letterOf(1, "one")) {
			t.Errorf("RFC822.SIZE %q: %q", size, x.octets)
		}
		if err != nil {
			kind(t, "RFC822.SIZE "+size, err, mail.Protocol)
		}
	}
	for _, size := range sizes {
		s := newServer(t)
		s.put("INBOX", letterOf(1, "one"))
		s.on = atBody(func(c *client, tag, args string) {
			c.say("* 1 FETCH (UID 1 BODY[] {%s}\r\nshort)\r\n%s OK done\r\n", size, tag)
			c.flush()
			c.conn.Close()
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		x, err := collect(t.Context(), s.retriever(nil))
		runtime.ReadMemStats(&after)
		if err == nil || len(x.octets) > 0 {
			t.Errorf("literal %q: %v, %v", size, x.octets, err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
			t.Errorf("literal %q: %d MiB were allocated", size, grown>>20)
		}
		equal(t, "left", len(s.left("INBOX")), 1)
	}
}

// atBody makes the server do something when contents are fetched.
func atBody(do func(c *client, tag, args string)) func(*client, string, string, string) bool {
	return at("UID FETCH", func(c *client, tag, args string) {
		if strings.Contains(args, "SIZE") {
			c.command(tag, "UID FETCH", args)
			return
		}
		do(c, tag, args)
	})
}

// TestR9_Nesting: parentheses without end, asked for or not.
func TestR9_Nesting(t *testing.T) {
	deep := strings.Repeat("(", 1_000_000)
	for _, item := range []string{"BODYSTRUCTURE ", "BODY ", "FLAGS ", "ENVELOPE ", "MODSEQ ", "X "} {
		for _, verb := range []string{"SELECT", "UID FETCH", "UID STORE"} {
			s := newServer(t)
			s.put("INBOX", letterOf(1, "one"))
			s.on = at(verb, func(c *client, tag, _ string) {
				c.say("* 1 FETCH (UID 1 %s%s)\r\n%s OK done\r\n", item, deep, tag)
			})
			_, err := collect(t.Context(), s.retriever(nil))
			kind(t, item+verb, err, mail.Protocol)
		}
	}
}

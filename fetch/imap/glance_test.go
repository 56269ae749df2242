package imap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/store/mail"
)

// glimpse opens a session that only glances, and returns what it said.
func glimpse(t *testing.T, r *Retriever) string {
	t.Helper()
	d := open(t, r)
	text, err := d.(mail.Glancer).Glance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return text
}

// since opens a session and asks what is new.
func since(t *testing.T, r *Retriever, glance string) (uids []mail.UID, ok bool) {
	t.Helper()
	d := open(t, r)
	uids, ok, err := d.(mail.Glancer).Since(t.Context(), glance)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return uids, ok
}

// TestGlanceIsCheap: of a folder in which nothing was new last time, no more than its state is asked.
func TestGlanceIsCheap(t *testing.T) {
	s := newServer(t)
	for i := range 50 {
		s.put("INBOX", letterOf(i, "kept"))
	}
	r := s.retriever(nil)
	r.After, r.Memory = Keep, &Memory{}
	first := glimpse(t, r)
	s.mu.Lock()
	s.log = nil
	s.mu.Unlock()
	equal(t, "glance", glimpse(t, r), first)
	equal(t, "commands", len(s.said()), 3)
	if !s.saw("STATUS INBOX (") {
		t.Errorf("%q", s.said())
	}
	s.put("INBOX", letterOf(50, "new"))
	uids, ok := since(t, r, first)
	if !ok || len(uids) != 1 || uids[0] != "INBOX/1714/51" || s.saw("UID SEARCH") {
		t.Errorf("%q, %v: %q", uids, ok, s.said())
	}
}

// TestSinceRoundTrips: a remembered server in which there was mail last time gives login, listing and sizes
// in one.
func TestSinceRoundTrips(t *testing.T) {
	s := newServer(t)
	r := s.retriever(nil)
	r.Memory = &Memory{}
	s.put("INBOX", letterOf(1, "one"))
	glance := glimpse(t, r)
	r.Memory.Busy = true
	s.put("INBOX", letterOf(2, "two"), letterOf(3, "three"))
	s.mu.Lock()
	s.log = nil
	s.mu.Unlock()
	d := open(t, r)
	uids, ok, err := d.(mail.Glancer).Since(t.Context(), glance)
	if err != nil || !ok || len(uids) != 2 {
		t.Fatal(uids, ok, err)
	}
	n := 0
	for m, err := range d.Messages(t.Context(), uids) {
		if err != nil || m.Content.Size() != int64(len(letterOf(2+n, []string{"two", "three"}[n]))) {
			t.Error(m, err)
		}
		n++
	}
	equal(t, "messages", n, 2)
	if said := s.said(); len(said) != 3 || !strings.HasPrefix(said[2], "UID FETCH 2:2001 ") {
		t.Errorf("%q", said)
	}
}

// TestSinceMany: of thousands of new messages the sizes are asked for at once, and nothing twice: with the login as far
// as the answer may be bounded before it is known how many there are, the rest as soon as it is.
func TestSinceMany(t *testing.T) {
	const n = 2*newest + 7
	for name, c := range map[string]struct {
		caps string
		busy bool
		said []string // beginnings
	}{
		"busy last time": {"", true, []string{"LOGIN", "SELECT INBOX", "UID FETCH 2:2001 ", "UID FETCH 2002:4001 ", "UID FETCH 4002:4008 "}},
		"quiet last time": {"", false, []string{"LOGIN", "STATUS", "SELECT INBOX", "UID FETCH 2:2001 ", "UID FETCH 2002:4001 ",
			"UID FETCH 4002:4008 "}},
		"compressed": {"IMAP4rev1 ESEARCH UIDPLUS COMPRESS=DEFLATE", true, []string{"LOGIN", "SELECT INBOX", "UID FETCH 2:2001 ",
			"COMPRESS DEFLATE", "UID FETCH 2002:4001 ", "UID FETCH 4002:4008 "}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			if c.caps != "" {
				s.caps = c.caps
			}
			r := s.retriever(nil)
			r.Memory = &Memory{}
			s.put("INBOX", letterOf(1, "one"))
			glance := glimpse(t, r)
			r.Memory.Busy = c.busy
			for i := range n {
				s.put("INBOX", letterOf(i, "x"))
			}
			s.mu.Lock()
			s.log = nil
			s.mu.Unlock()
			d := open(t, r)
			uids, ok, err := d.(mail.Glancer).Since(t.Context(), glance)
			if err != nil || !ok || len(uids) != n {
				t.Fatal(len(uids), ok, err)
			}
			got := 0
			for m, err := range d.Messages(t.Context(), uids) {
				if err != nil || m.Content.Size() != int64(len(letterOf(got, "x"))) {
					t.Fatal(m, err)
				}
				got++
			}
			equal(t, "messages", got, n)
			said := s.said()
			equal(t, "commands", len(said), len(c.said))
			for i, want := range c.said {
				if i < len(said) && !strings.HasPrefix(said[i], want) {
					t.Errorf("command %d is %q, want %s", i, said[i], want)
				}
			}
		})
	}
}

// TestSinceManyTurns: the rest is on its way before the answer that says how many there are has ended.
func TestSinceManyTurns(t *testing.T) {
	const rtt = 50 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		r := s.retriever(nil)
		r.Dial.DialContext = s.far(rtt / 2)
		r.Memory = &Memory{}
		s.put("INBOX", letterOf(1, "one"))
		glance := glimpse(t, r)
		r.Memory.Busy = true
		for i := range 2 * newest {
			s.put("INBOX", letterOf(i, "x"))
		}
		s.on = at("UID FETCH", func(c *client, tag, args string) {
			c.flush()
			time.Sleep(rtt) // it takes the time for that many answers
			c.command(tag, "UID FETCH", args)
		})
		began := time.Now()
		if uids, ok := since(t, r, glance); !ok || len(uids) != 2*newest {
			t.Fatal(len(uids), ok)
		}
		// The greeting half a turn, the login one, the second answer the time of two, and LOGOUT one.
		if took := time.Since(began); took > 9*rtt/2 {
			t.Errorf("it took %.1f turns", float64(took)/float64(rtt))
		}
	})
}

// TestSinceOddities: whatever became of the folders, nothing that is new is left out, and where that cannot
// be told, Since says so.
func TestSinceOddities(t *testing.T) {
	many := func(s *server, folder string, n int) {
		for i := range n {
			s.put(folder, letterOf(i, "x"))
		}
	}
	for name, c := range map[string]struct {
		change func(*server, *Retriever)
		uids   int // -1: it cannot be told
	}{
		"nothing":        {func(*server, *Retriever) {}, 0},
		"one":            {func(s *server, _ *Retriever) { many(s, "INBOX", 1) }, 1},
		"many":           {func(s *server, _ *Retriever) { many(s, "b", newest+7) }, newest + 7},
		"in both":        {func(s *server, _ *Retriever) { many(s, "INBOX", 2); many(s, "b", 3) }, 5},
		"made anew":      {func(s *server, _ *Retriever) { s.folders["b"].validity++ }, 3},
		"new folder":     {func(s *server, r *Retriever) { many(s, "c", 4); r.Folders = []string{"b", "c", "INBOX"} }, 4},
		"folder gone":    {func(s *server, _ *Retriever) { delete(s.folders, "b") }, 0},
		"backwards":      {func(s *server, _ *Retriever) { s.folders["b"].next = 2 }, -1},
		"all were moved": {func(s *server, _ *Retriever) { s.folders["b"].next = 90; s.folders["b"].letters = nil }, 0},
		"no STATUS": {func(s *server, _ *Retriever) {
			many(s, "b", 2)
			s.on = at("STATUS", func(c *client, tag, _ string) { c.say("%s BAD what?\r\n", tag) })
		}, 2},
		"STATUS of another": {func(s *server, _ *Retriever) {
			many(s, "b", 2)
			s.on = at("STATUS", func(c *client, tag, _ string) {
				c.say("* STATUS x (MESSAGES 1 UIDNEXT 1 UIDVALIDITY 1)\r\n%s OK\r\n", tag)
			})
		}, 2},
		"no ESEARCH": {func(s *server, r *Retriever) {
			s.caps = "IMAP4rev1"
			many(s, "INBOX", newest+1)
		}, newest + 1},
		"made anew in between": {func(s *server, _ *Retriever) {
			many(s, "b", 2)
			s.on = at("SELECT", func(c *client, tag, args string) {
				c.mu.Lock()
				c.folders["b"].validity = 99
				c.mu.Unlock()
				c.command(tag, "SELECT", args)
			})
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			many(s, "INBOX", 3)
			many(s, "b", 3)
			r := s.retriever(nil)
			r.Folders, r.Memory = []string{"INBOX", "b"}, &Memory{}
			glance := glimpse(t, r)
			c.change(s, r)
			uids, ok := since(t, r, glance)
			if c.uids < 0 && !ok {
				return
			}
			slices.Sort(uids)
			if !ok || len(uids) != c.uids || len(slices.Compact(uids)) != c.uids {
				t.Errorf("%d UIDs (%.5q…), %v, want %d", len(uids), uids, ok, c.uids)
			}
		})
	}
}

// TestFolderLeftOutLater: a folder that nothing can be had of any more, after it was glanced at and listed, is not
// one that the session covers, and the others go on.
func TestFolderLeftOutLater(t *testing.T) {
	for _, verb := range []string{"UID FETCH", "SELECT"} {
		s := newServer(t)
		s.put("INBOX", letterOf(1, "one"))
		s.put("b", letterOf(2, "two"))
		r := s.retriever(nil)
		r.Folders = []string{"b", "INBOX"}
		d := open(t, r)
		all, complete, err := d.List(t.Context())
		if err != nil || !complete || len(all) != 2 {
			t.Fatal(all, complete, err)
		}
		s.on = func(c *client, tag, said, args string) bool {
			if said != verb || said == "SELECT" && args != `"b"` || c.box == c.folders["INBOX"] && said != "SELECT" {
				return false
			}
			c.say("%s NO [UNAVAILABLE] not now\r\n", tag)
			return true
		}
		var got []mail.UID
		for m, err := range d.Messages(t.Context(), all) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, m.Origin.UID)
		}
		equal(t, "messages", fmt.Sprint(got), "[INBOX/1714/1]")
		covers, _ := d.(mail.Coverer).Covers()
		equal(t, "covers", fmt.Sprint(covers), "[INBOX]")
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestNoUIDNEXT: a server that does not count gets a full listing each time.
func TestNoUIDNEXT(t *testing.T) {
	s := newServer(t)
	s.put("INBOX", letterOf(1, "one"))
	s.on = at("SELECT", func(c *client, tag, _ string) {
		c.mu.Lock()
		c.box = c.folders["INBOX"]
		c.mu.Unlock()
		c.say("* 1 EXISTS\r\n* OK [UIDVALIDITY 1714] ok\r\n%s OK\r\n", tag)
	})
	r := s.retriever(nil)
	equal(t, "glance", glimpse(t, r), "")
	x, err := collect(t.Context(), r)
	if err != nil || len(x.octets) != 1 {
		t.Errorf("%d, %v", len(x.octets), err)
	}
}

// TestMailInBetween: what comes between the glance and the listing is the next session's, not lost.
func TestMailInBetween(t *testing.T) {
	s := newServer(t)
	s.put("INBOX", letterOf(1, "one"))
	r := s.retriever(nil)
	r.After, r.Memory = Keep, &Memory{}
	had := map[mail.UID]bool{}
	last := glimpse(t, r)
	for i := range 4 {
		r.Memory.Busy = i%2 == 0
		s.put("INBOX", letterOf(i, "before"))
		d := open(t, r)
		now, err := d.(mail.Glancer).Glance(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.put("INBOX", letterOf(i, "in between"))
		uids, ok, err := d.(mail.Glancer).Since(t.Context(), last)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		for _, u := range uids {
			had[u] = true
		}
		last = now
		d.Close()
	}
	uids, _ := since(t, r, last)
	for _, u := range uids {
		had[u] = true
	}
	equal(t, "new messages that were named", len(had), 8)
}

// TestR10_SizesOfOthers: answers about messages that were not asked about are not taken for new ones.
func TestR10_SizesOfOthers(t *testing.T) {
	s := newServer(t)
	s.put("INBOX", letterOf(1, "one"))
	r := s.retriever(nil)
	r.Memory = &Memory{}
	glance := glimpse(t, r)
	r.Memory.Busy = true
	s.put("INBOX", letterOf(2, "two"))
	s.on = at("UID FETCH", func(c *client, tag, args string) {
		for _, uid := range []uint32{1, 7777, 1<<32 - 1} {
			c.say("* 1 FETCH (UID %d RFC822.SIZE 5 FLAGS ())\r\n", uid)
		}
		c.command(tag, "UID FETCH", args)
	})
	if uids, ok := since(t, r, glance); !ok || fmt.Sprint(uids) != "[INBOX/1714/2]" {
		t.Errorf("%q, %v", uids, ok)
	}
}

// FuzzGlance: a text is a glance only if it is one that would have been made.
func FuzzGlance(f *testing.F) {
	s := newSession(&Options{Folders: []string{"INBOX", "Ordner/ä"}})
	for i, x := range s.folders {
		x.validity, x.next = uint32(1714+i), uint32(99*i+1)
	}
	text, _ := s.Glance(context.Background())
	f.Add(text)
	f.Add("0123456789ab:1:zz 0123456789ac:ff:1")
	f.Add(":::: ")
	f.Fuzz(func(t *testing.T, text string) {
		g, ok := parseGlance(text)
		if !ok {
			return
		}
		for word := range strings.SplitSeq(text, " ") {
			name := word[:12]
			if x := g[name]; word != name+":"+base36(x.validity)+":"+base36(x.next) || x.next == 0 {
				t.Errorf("%q is read as %v", text, g)
			}
		}
	})
}

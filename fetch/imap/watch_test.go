package imap

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/store/mail"
)

const idleCaps = goodCaps + " IDLE"

// idling makes a server wait with its clients: what comes from say is said while they wait.
func idling(s *server, say <-chan string) {
	s.caps = idleCaps
	s.on = at("IDLE", func(c *client, tag, _ string) {
		c.say("+ idling\r\n")
		c.w.Flush()
		done := make(chan error, 1)
		go func() {
			line, err := c.r.ReadString('\n')
			if err == nil && line != "DONE\r\n" {
				err = fmt.Errorf("a client that waits said %q", line)
			}
			done <- err
		}()
		for {
			select {
			case text := <-say:
				c.say("%s", text)
				c.w.Flush()
				if strings.HasPrefix(text, "* BYE") {
					c.conn.Close()
				}
			case err := <-done:
				if err == nil {
					c.say("%s OK done\r\n", tag)
				}
				return
			}
		}
	})
}

// times is how many commands began so.
func (s *server) times(prefix string) (n int) {
	for _, c := range s.said() {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, say := newServer(t), make(chan string)
		idling(s, say)
		s.put("INBOX", letterOf(1, "one"))
		ctx, stop := context.WithCancel(t.Context())
		var news atomic.Int32
		ended := make(chan error)
		r := s.retriever(nil)
		go func() { ended <- r.Watch(ctx, func() { news.Add(1) }) }()
		synctest.Wait()
		equal(t, "news when the wait has begun", news.Load(), 1)
		for _, x := range []struct {
			text string
			want int32
		}{
			{"* 2 EXISTS\r\n", 1},
			{"* 2 EXISTS\r\n", 0},                 // said again
			{"* OK Still here\r\n", 0},            // so that the line lives
			{"* 1 EXPUNGE\r\n", 0},                // one has gone
			{"* 2 EXISTS\r\n", 1},                 // and another has come
			{"* 1 FETCH (FLAGS (\\Seen))\r\n", 0}, // somebody reads
		} {
			before := news.Load()
			say <- x.text
			synctest.Wait()
			equal(t, strings.TrimSpace(x.text), news.Load()-before, x.want)
		}
		before := news.Load()
		time.Sleep(reissue + time.Second) // of the bubble
		synctest.Wait()
		equal(t, "news when it waits anew", news.Load()-before, 0)
		for _, c := range s.said() {
			if strings.HasPrefix(c, "SELECT") || strings.HasPrefix(c, "UID") {
				t.Errorf("a watch said %s", c)
			}
		}
		equal(t, "waits", s.times("IDLE"), 2)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("stopped: %v", err)
		}
	})
}

// What comes between two waits is no less news; that a wait begins anew is none.
func TestWatchBetweenWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.caps = idleCaps
		waits := 0
		s.on = at("IDLE", func(c *client, tag, _ string) {
			if waits++; waits == 3 {
				c.say("* 2 EXISTS\r\n")
			}
			c.say("+ idling\r\n")
			c.w.Flush()
			if _, err := c.r.ReadString('\n'); err != nil {
				return
			}
			if waits == 1 {
				c.say("* 1 EXISTS\r\n")
			}
			c.say("%s OK done\r\n", tag)
		})
		ctx, stop := context.WithCancel(t.Context())
		var news atomic.Int32
		ended := make(chan error)
		go func() { ended <- s.retriever(nil).Watch(ctx, func() { news.Add(1) }) }()
		for i, want := range []int32{1, 2, 3, 3, 3} {
			synctest.Wait()
			equal(t, fmt.Sprintf("news in wait %d", i+1), news.Load(), want)
			time.Sleep(reissue + time.Second) // of the bubble
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("stopped: %v", err)
		}
	})
}

// Each folder has its own connection; the first that ends is the end of the watch, and nothing is left open.
func TestWatchFolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, say := newServer(t), make(chan string)
		idling(s, say)
		s.put("INBOX", letterOf(1, "one"))
		s.put("Lists", letterOf(2, "two"))
		r := s.retriever(nil)
		r.Folders = []string{"INBOX", "Lists"}
		var news atomic.Int32
		ended := make(chan error)
		go func() { ended <- r.Watch(t.Context(), func() { news.Add(1) }) }()
		synctest.Wait()
		equal(t, "news when the waits have begun", news.Load(), 1)
		equal(t, "waits", s.times("IDLE"), 2)
		say <- "* BYE too long\r\n"
		err := <-ended
		if k := kind(t, "watch", err, mail.Busy); !strings.Contains(k.Reply, "too long") {
			t.Errorf("%+v", k)
		}
	})
}

// A folder that cannot be opened is left out, as visits leave it out; where none can be, that is the end.
func TestWatchOfAFolderThatIsMissing(t *testing.T) {
	for _, folders := range [][]string{{"INBOX", "Nowhere"}, {"Nowhere", "INBOX"}, {"Nowhere", "Never"}} {
		synctest.Test(t, func(t *testing.T) {
			s, say := newServer(t), make(chan string)
			idling(s, say)
			r := s.retriever(nil)
			r.Folders = folders
			var news atomic.Int32
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- r.Watch(ctx, func() { news.Add(1) }) }()
			synctest.Wait()
			if folders[1] == "Never" {
				if k := kind(t, "watch", <-ended, mail.Local); k.Op != mail.OpWatch {
					t.Errorf("%+v", k)
				}
				stop()
				return
			}
			equal(t, "waits", news.Load(), 1)
			say <- "* 1 EXISTS\r\n"
			synctest.Wait()
			equal(t, "news", news.Load(), 2)
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWatchTroubles(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*server, *Retriever)
		want  mail.Kind
	}{
		"no IDLE":        {func(s *server, _ *Retriever) { s.caps = goodCaps }, mail.Local},
		"no such folder": {func(_ *server, r *Retriever) { r.Folders = []string{"Nowhere"} }, mail.Local},
		"IDLE refused": {func(s *server, _ *Retriever) {
			s.on = at("IDLE", func(c *client, tag, _ string) { c.say("%s NO not now\r\n", tag) })
		}, mail.Protocol},
		"IDLE that does not wait": {func(s *server, _ *Retriever) {
			s.on = at("IDLE", func(c *client, tag, _ string) { c.say("+ idling\r\n%s OK done\r\n", tag) })
		}, mail.Protocol},
		"silence": {func(s *server, _ *Retriever) {
			s.on = at("IDLE", func(c *client, _, _ string) { silent(c) })
		}, mail.Unreachable},
		"wrong password": {func(s *server, _ *Retriever) {
			s.on = at("LOGIN", func(c *client, tag, _ string) { c.say("%s NO [AUTHENTICATIONFAILED] no\r\n", tag) })
		}, mail.Auth},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				idling(s, nil)
				r := s.retriever(nil)
				r.Auth = Login
				c.spoil(s, r)
				kind(t, name, r.Watch(t.Context(), func() {}), c.want)
			})
		})
	}
}

// R7: a server that babbles while we wait is left; what it says is not gathered.
func TestR7_BabbleWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.caps = idleCaps
		s.on = at("IDLE", func(c *client, _, _ string) {
			c.say("+ idling\r\n")
			for range 100_000 {
				if _, err := c.w.WriteString("* 1 FETCH (FLAGS (\\Seen))\r\n"); err != nil {
					return
				}
			}
			c.w.Flush()
		})
		kind(t, "babble", s.retriever(nil).Watch(t.Context(), func() {}), mail.Protocol)
	})
}

package imap

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"mailretr/store/mail"
)

// crowds makes a server allow so many connections, which it may say at the greeting already.
func crowds(s *server, most int, refusal string) (open func() int) {
	var mu sync.Mutex
	in := map[*client]bool{}
	idles := s.on
	s.gone = func(c *client) { mu.Lock(); delete(in, c); mu.Unlock() }
	s.on = func(c *client, tag, verb, args string) bool {
		if verb != "LOGIN" {
			return idles(c, tag, verb, args)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(in) < most {
			in[c] = true
			return false
		}
		c.say(refusal, tag)
		if strings.HasPrefix(refusal, "* BYE") {
			c.flush()
			c.conn.Close()
		}
		return true
	}
	return func() int { mu.Lock(); defer mu.Unlock(); return len(in) }
}

// A watched is what a watch has said of itself.
type watched struct {
	in, out []string
	news    atomic.Int32
	held    int // calls of holds
	early   bool
	ended   chan error
}

func watchesFolders(ctx context.Context, r *Retriever, most int) *watched {
	w := &watched{ended: make(chan error, 1)}
	go func() {
		w.ended <- r.WatchFolders(ctx, most, func() { w.news.Add(1) }, func(in, out []string) {
			w.in, w.out, w.early = in, out, w.news.Load() > 0
			w.held++
		})
	}()
	synctest.Wait()
	w.news.Load() // comes behind what holds has written
	return w
}

// Where the server allows fewer connections than there are folders, the most important ones have them, and one is left for
// a session.
func TestWatchWithFewerConnectionsThanFolders(t *testing.T) {
	folders := []string{"Lists", "Old", "INBOX", "Work", "Shop"}
	for _, x := range []struct {
		allowed, most int
		refusal       string
		in, out       string
	}{
		{5, 0, "", "INBOX Work Shop Lists Old", ""},
		{4, 0, "%s NO [LIMIT] Maximum number of connections from user+IP exceeded\r\n", "INBOX Work Shop", "Lists Old"},
		{3, 0, "%s NO [ALERT] Too many simultaneous connections. (Failure)\r\n", "INBOX Work", "Shop Lists Old"},
		{2, 0, "* BYE %s too many\r\n", "INBOX", "Work Shop Lists Old"},
		{5, 3, "", "INBOX Work Shop", "Lists Old"},
		{3, 3, "", "INBOX Work Shop", "Lists Old"},
		{3, 4, "%s NO [LIMIT] no more\r\n", "INBOX Work", "Shop Lists Old"},
	} {
		t.Run(fmt.Sprintf("%d allowed, %d wanted", x.allowed, x.most), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, say := newServer(t), make(chan string)
				for _, f := range folders {
					s.put(f, letterOf(1, "one"))
				}
				idling(s, say)
				open := crowds(s, x.allowed, x.refusal)
				r := s.retriever(nil)
				r.Folders = folders
				r.came.learn(&Memory{Folders: map[string]State{"Work": {Came: 20}, "Shop": {Came: 10}, "Gone": {Came: 30}}})
				ctx, stop := context.WithCancel(t.Context())
				w := watchesFolders(ctx, r, x.most)
				equal(t, "in", strings.Join(w.in, " "), x.in)
				equal(t, "out", strings.Join(w.out, " "), x.out)
				equal(t, "open", open(), len(w.in))
				equal(t, "news", w.news.Load(), 1)
				equal(t, "told", w.held, 1)
				equal(t, "news before it was told", w.early, false)
				say <- "* 2 EXISTS\r\n"
				synctest.Wait()
				equal(t, "news", w.news.Load(), 2)
				stop()
				if err := <-w.ended; err != nil {
					t.Error(err)
				}
				synctest.Wait()
				equal(t, "left open", open(), 0)
			})
		})
	}
}

// A server that allows one connection has none to spare: it is not watched. Nor is it where what is refused is not the
// connection.
func TestWatchWithoutRoom(t *testing.T) {
	for name, spoil := range map[string]func(s *server){
		"one connection": func(s *server) { crowds(s, 1, "%s NO [LIMIT] no more\r\n") },
		"a folder is in use": func(s *server) {
			idles := s.on
			s.on = func(c *client, tag, verb, args string) bool {
				if verb != "EXAMINE" || !strings.Contains(args, "Work") {
					return idles(c, tag, verb, args)
				}
				c.say("%s NO [INUSE] later\r\n", tag)
				return true
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				for _, f := range []string{"INBOX", "Lists", "Work"} {
					s.put(f, letterOf(1, "one"))
				}
				idling(s, nil)
				spoil(s)
				r := s.retriever(nil)
				r.Folders = []string{"INBOX", "Lists", "Work"}
				w := watchesFolders(t.Context(), r, 0)
				kind(t, name, <-w.ended, mail.Busy)
				equal(t, "told", w.held, 0)
			})
		})
	}
}

// Into which folders mail has come lately is known from visits, also after a restart.
func TestWatchKnowsWhereMailCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		idling(s, nil)
		m := &Memory{}
		visit := func() *Retriever {
			r := s.retriever(nil)
			r.Folders, r.After, r.Memory = []string{"A", "B", "INBOX"}, Keep, m
			d, err := r.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			return r
		}
		for _, f := range []string{"A", "B"} {
			s.put(f, letterOf(1, "one"))
		}
		r := visit()
		equal(t, "at first", strings.Join(r.came.order([]string{"A", "B", "INBOX"}), " "), "INBOX A B")
		s.put("B", letterOf(2, "two"))
		r = visit()
		equal(t, "then", strings.Join(r.came.order([]string{"A", "B", "INBOX"}), " "), "INBOX B A")
		r = visit()
		equal(t, "later", strings.Join(r.came.order([]string{"A", "B", "INBOX"}), " "), "INBOX B A")
	})
}

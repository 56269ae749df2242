package imap

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/wire"
	"mailretr/store/mail"
)

// fetches returns the commands that asked for contents.
func (s *server) fetches() (all []string) {
	for _, c := range s.said() {
		if strings.HasPrefix(c, "UID FETCH") && strings.Contains(c, "BODY") {
			all = append(all, c)
		}
	}
	return all
}

func (s *server) count(prefix string) (n int) {
	for _, c := range s.said() {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

func announce(t *testing.T, d mail.Maildrop, which mail.Part, ms []*mail.Message) {
	t.Helper()
	if err := d.(mail.Aheader).Ahead(t.Context(), which, ms); err != nil {
		t.Fatal(err)
	}
}

// TestNothingIsMarkedAsRead: every content is asked for with PEEK, and a kept maildrop is only looked at.
func TestNothingIsMarkedAsRead(t *testing.T) {
	s := newServer(t)
	s.put("INBOX", letterOf(1, "one"), letterOf(2, "two"))
	r := s.retriever(nil)
	r.After = Keep
	d := open(t, r)
	ms := messages(t, d)
	if _, err := ms[0].Content.Header(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range ms {
		if _, err := read(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if err := d.Settle(t.Context(), m, done(m)); err != nil {
			t.Fatal(err)
		}
	}
	err := d.(mail.Releaser).Release(t.Context(), []mail.UID{ms[0].Origin.UID})
	kind(t, "Release under keep", err, mail.Local)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	equal(t, "left", len(s.left("INBOX")), 2)
	for _, c := range s.fetches() {
		if !strings.Contains(c, "BODY.PEEK[") {
			t.Errorf("%q marks as read", c)
		}
	}
	if s.saw("SELECT") || s.saw("UID STORE") || !s.saw("EXAMINE") {
		t.Errorf("a kept folder was opened for writing: %q", s.said())
	}
}

// TestHeaderIsPaidOnce: the header by itself, then the rest by itself, announced or not.
func TestHeaderIsPaidOnce(t *testing.T) {
	for _, ahead := range []bool{false, true} {
		s := newServer(t)
		b := fetchtest.Text(50_000, 1)
		s.put("INBOX", b, b)
		l := &fetchtest.Line{}
		d := open(t, s.retriever(l))
		ms := messages(t, d)
		if ahead {
			announce(t, d, mail.Header, ms)
		}
		for _, m := range ms {
			if _, err := m.Content.Header(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if ahead {
			announce(t, d, mail.Whole, ms)
		}
		for _, m := range ms {
			if got, err := read(t.Context(), m); err != nil || got != string(b) {
				t.Fatalf("%d octets, %v", len(got), err)
			}
			equal(t, "Line", m.Line, int64(len(b)))
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if _, down := l.Octets(); down > 103_000 {
			t.Errorf("%d octets crossed the line for 100 kB", down)
		}
		commands := map[bool]int{false: 4, true: 2}[ahead]
		equal(t, fmt.Sprintf("commands, announced %v", ahead), len(s.fetches()), commands)
	}
}

// TestOneMissingOfMany: where an answer to a set lacks a message, it is asked for alone before it is given
// up.
func TestOneMissingOfMany(t *testing.T) {
	s := newServer(t)
	s.put("INBOX", letterOf(1, "one"), letterOf(2, "two"), letterOf(3, "three"))
	s.on = atBody(func(c *client, tag, args string) {
		if strings.HasPrefix(args, "1:3 ") {
			c.fetch(strings.Replace(args, "1:3", "1,3", 1))
			c.say("%s NO [SERVERBUG] some of it\r\n", tag)
			return
		}
		c.command(tag, "UID FETCH", args)
	})
	x, err := collect(t.Context(), s.retriever(nil))
	if err != nil || len(x.octets) != 3 || x.octets["INBOX/1714/2"] != string(letterOf(2, "two")) {
		t.Errorf("%d messages, %v, %v", len(x.octets), x.faults, err)
	}
}

// TestVanished: mail that somebody else removes meanwhile is a trouble of its own; the others flow.
func TestVanished(t *testing.T) {
	s := newServer(t)
	s.put("INBOX", letterOf(1, "one"), letterOf(2, "two"), letterOf(3, "three"))
	s.on = atBody(func(c *client, tag, args string) {
		s.mu.Lock()
		c.box.letters = slices.DeleteFunc(c.box.letters, func(l *letter) bool { return l.uid == 2 })
		s.mu.Unlock()
		c.command(tag, "UID FETCH", args)
	})
	x, err := collect(t.Context(), s.retriever(nil))
	if err != nil || len(x.octets) != 2 || len(x.faults) != 1 || !x.faults[0].Alone {
		t.Errorf("%d messages, %v, %v", len(x.octets), x.faults, err)
	}
	equal(t, "left", len(s.left("INBOX")), 0)
}

// TestFolderMissing: it is named, nothing is concluded about it, the others flow, and are not listed again for it; only when none is
// there it is the session's end.
func TestFolderMissing(t *testing.T) {
	s := newServer(t)
	s.put("INBOX", letterOf(1, "one"))
	var told []error
	r := s.retriever(nil)
	r.Folders = []string{"Nowhere", "INBOX"}
	r.Observe = mail.ObserverFunc(func(e mail.Event) { told = append(told, e.Err) })
	x, err := collect(t.Context(), r)
	if err != nil || len(x.octets) != 1 || !x.whole || len(x.gone) != 1 {
		t.Errorf("%d messages, complete %v, %v", len(x.octets), x.whole, err)
	}
	if len(told) != 1 {
		t.Fatalf("told: %v", told)
	}
	d := open(t, r)
	if folders, _ := d.(mail.Coverer).Covers(); len(folders) != 1 || folders[0] != "INBOX" {
		t.Errorf("the listing speaks of %q", folders)
	}
	if g, err := d.(mail.Glancer).Glance(t.Context()); g == "" || err != nil {
		t.Errorf("no glance: %q, %v", g, err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	told = told[:1]
	if k := kind(t, "the folder", told[0], mail.Local); !strings.Contains(k.Err.Error(), "Nowhere") {
		t.Errorf("the trouble does not name the folder: %v", k.Err)
	}
	r.Folders = []string{"Nowhere"}
	_, err = collect(t.Context(), r)
	kind(t, "no folder at all", err, mail.Local)
}

// TestFoldersInTurn: messages of two folders, announced in turn, are asked for folder by folder and read in
// turn.
func TestFoldersInTurn(t *testing.T) {
	s := newServer(t)
	r := s.retriever(nil)
	r.Folders = []string{"a", "b"}
	for i := range 40 {
		s.put([]string{"a", "b"}[i%2], letterOf(i, "x"))
	}
	d := open(t, r)
	ms := messages(t, d)
	slices.SortStableFunc(ms, func(a, b *mail.Message) int { // a/1, b/1, a/2 …
		return strings.Compare(fmt.Sprintf("%10s", a.Origin.UID[4:]), fmt.Sprintf("%10s", b.Origin.UID[4:]))
	})
	announce(t, d, mail.Whole, ms)
	for i, m := range ms {
		got, err := read(t.Context(), m)
		if err != nil || !strings.Contains(got, "Subject: "+number(uint32(i))+"\r") {
			t.Fatalf("%d, %v: %q, %v", i, m.Origin.UID, got, err)
		}
		d.Settle(t.Context(), m, done(m))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	equal(t, "left", len(s.left("a"))+len(s.left("b")), 0)
	if n := s.count("SELECT"); n > 8 { // listing, sizes, contents, deletions
		t.Errorf("%d times SELECT", n)
	}
}

// TestMergingServer: Dovecot sends the data of the next command before the end of the one before it.
func TestMergingServer(t *testing.T) {
	s := newServer(t)
	for i := range 6 {
		s.put("INBOX", fetchtest.Text(300_000, i)) // each its own command
	}
	held := ""
	s.on = atBody(func(c *client, tag, args string) {
		c.mu.Lock()
		c.fetch(args)
		c.mu.Unlock()
		c.say("%s", held)
		if held = tag + " OK done\r\n"; strings.HasPrefix(args, "6 ") || c.r.Buffered() == 0 {
			c.say("%s", held)
			held = ""
		}
	})
	x, err := collect(t.Context(), s.retriever(nil))
	if err != nil || len(x.octets) != 6 {
		t.Errorf("%d messages, %v", len(x.octets), err)
	}
}

// TestUnaskedBodies: a little is thrown away, much ends the session.
func TestUnaskedBodies(t *testing.T) {
	for size, ends := range map[int]bool{60_000: false, 2 << 20: true} {
		s := newServer(t)
		s.put("INBOX", letterOf(1, "one"))
		s.on = atBody(func(c *client, tag, args string) {
			c.say("* 9 FETCH (UID 9 BODY[] ")
			c.literal(make([]byte, size))
			c.say(")\r\n")
			c.command(tag, "UID FETCH", args)
		})
		_, err := collect(t.Context(), s.retriever(nil))
		if (err != nil) != ends {
			t.Errorf("%d octets: %v", size, err)
		}
	}
}

// TestByeIsTold: what the server says before it hangs up is what the owner reads.
func TestByeIsTold(t *testing.T) {
	s := newServer(t)
	s.put("INBOX", letterOf(1, "one"))
	s.on = atBody(func(c *client, tag, args string) {
		c.say("* BYE [UNAVAILABLE] restart in a minute\r\n")
		c.flush()
		c.conn.Close()
	})
	_, err := collect(t.Context(), s.retriever(nil))
	if x := kind(t, "BYE", err, mail.Busy); !strings.Contains(x.Reply, "restart in a minute") {
		t.Errorf("reply is %q", x.Reply)
	}
}

// TestPreauthInPlain: where no TLS is wanted a server may skip the login.
func TestPreauthInPlain(t *testing.T) {
	s := newServer(t)
	s.greeting = "* PREAUTH [CAPABILITY IMAP4rev1 UIDPLUS] welcome\r\n"
	s.put("INBOX", letterOf(1, "one"))
	x, err := collect(t.Context(), s.retriever(nil)) // Plain was said out loud
	if err != nil || len(x.gone) != 1 || s.heard() {
		t.Errorf("%v, %v, %q", x.gone, err, s.said())
	}
}

// TestImplicitTLS collects over TLS from the first octet.
func TestImplicitTLS(t *testing.T) {
	ca := fetchtest.NewCA(t)
	s := newServer(t)
	s.tls, s.implicit = ca.Server("mail.example", nil), true
	s.put("INBOX", letterOf(1, "one"))
	x, err := collect(t.Context(), s.over(wire.Implicit, ca))
	if err != nil || len(x.gone) != 1 || s.saw("STARTTLS") {
		t.Errorf("%v, %v", x.gone, err)
	}
}

// TestReversingServer: Dovecot answers the newest of several pipelined commands first when its output was
// blocked. Nothing comes twice because of that.
func TestReversingServer(t *testing.T) {
	for _, pool := range []*Pool{nil, {Octets: 1}} {
		synctest.Test(t, func(t *testing.T) { reversing(t, pool) })
	}
}

func reversing(t *testing.T, pool *Pool) {
	s := newServer(t)
	total := 0
	for i := range 60 {
		b := fetchtest.Text([]int{300_000, 2000, 700_000, 40_000}[i%4], i)
		total += len(b)
		s.put("INBOX", b)
	}
	var stack [][2]string
	s.on = atBody(func(c *client, tag, args string) {
		if stack = append(stack, [2]string{tag, args}); c.r.Buffered() > 0 {
			return
		}
		for _, x := range slices.Backward(stack) {
			c.command(x[0], "UID FETCH", x[1])
		}
		stack = nil
	})
	l := &fetchtest.Line{}
	r := s.retriever(nil)
	r.Pool = pool
	r.Dial.DialContext = l.Dialer(s.far(25 * time.Millisecond))
	d := open(t, r)
	ms := messages(t, d)
	for i := range ms {
		j := i * 7919 % len(ms)
		ms[i], ms[j] = ms[j], ms[i]
	}
	announce(t, d, mail.Whole, ms)
	for _, m := range ms {
		if b, err := read(t.Context(), m); err != nil || int64(len(b)) != m.Content.Size() {
			t.Fatal(len(b), err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, down := l.Octets(); down > int64(total)*102/100 {
		t.Errorf("%d octets came down for %d", down, total)
	}
}

// TestHeaderThenAnother: a header that was read of an announced message does not hold its body; when the body
// is wanted after all, it comes again.
func TestHeaderThenAnother(t *testing.T) {
	for _, n := range []int{1000, 400_000} {
		s := newServer(t)
		one, two := fetchtest.Text(n, 1), fetchtest.Text(n, 2)
		s.put("INBOX", one, two)
		d := open(t, s.retriever(nil))
		ms := messages(t, d)
		announce(t, d, mail.Whole, ms)
		if _, err := ms[0].Content.Header(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, i := range []int{1, 0} {
			b, err := read(t.Context(), ms[i])
			if err != nil || b != string([][]byte{one, two}[i]) {
				t.Errorf("message %d: %d octets, %v", i, len(b), err)
			}
		}
		if _, err := ms[0].Content.Open(t.Context()); err == nil {
			t.Error("a content opens twice")
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

package imap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

// restOf reads a message from octet n on.
func restOf(ctx context.Context, m *mail.Message, n int64) (string, error) {
	r, err := m.Content.(mail.Resumer).OpenAt(ctx, n)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

// answer says BODY[] in the given form, for a request "<from.count>".
type answer func(c *client, tag string, octets []byte, from, count int)

// partial makes the server answer requests for a part in another way than it should.
func partial(s *server, a answer) {
	s.on = atBody(func(c *client, tag, args string) {
		var from, count int
		if _, err := fmt.Sscanf(between(args, "<", ">"), "%d.%d", &from, &count); err != nil {
			c.command(tag, "UID FETCH", args)
			return
		}
		c.mu.Lock()
		b := c.folders["INBOX"].letters[0].octets
		c.mu.Unlock()
		a(c, tag, b, from, count)
	})
}

func say(c *client, tag, origin string, b []byte) {
	c.say("* 1 FETCH (UID 1 BODY[]%s ", origin)
	c.literal(b)
	c.say(")\r\n%s OK done\r\n", tag)
}

// TestResumeHonestly: a server that gives something else than what was asked for is found out, and nothing of
// it is taken for the rest of the message.
func TestResumeHonestly(t *testing.T) {
	for name, c := range map[string]struct {
		a     answer
		lie   int64 // added to the announced size
		good  bool
		unfit bool // the next session loads the whole
		over  bool // the session ends, since more than a megabyte would have to be thrown away
	}{
		"whole": {a: func(c *client, tag string, b []byte, _, _ int) { say(c, tag, "", b) }, unfit: true},
		"whole from 0": {a: func(c *client, tag string, b []byte, _, _ int) { say(c, tag, "<0>", b) },
			unfit: true},
		"without origin": {a: func(c *client, tag string, b []byte, n, _ int) { say(c, tag, "", b[n:]) },
			unfit: true},
		"another origin": {a: func(c *client, tag string, b []byte, n, _ int) {
			say(c, tag, fmt.Sprintf("<%d>", n+1), b[n+1:])
		}, unfit: true},
		"too long": {a: func(c *client, tag string, b []byte, n, m int) {
			say(c, tag, fmt.Sprintf("<%d>", n), make([]byte, m+1))
		}, unfit: true, over: true},
		"in pieces": {a: func(c *client, tag string, b []byte, n, _ int) {
			say(c, tag, fmt.Sprintf("<%d>", n), b[n:min(n+7000, len(b))])
		}, good: true},
		"larger than announced": {a: good, lie: -500, good: true},
		"much larger":           {a: good, lie: -50_000, good: true},
		"smaller":               {a: good, lie: 500, good: true},
		"NIL": {a: func(c *client, tag string, b []byte, n, _ int) {
			c.say("* 1 FETCH (UID 1 BODY[]<%d> NIL)\r\n%s OK done\r\n", n, tag)
		}, unfit: true},
		"empty": {a: func(c *client, tag string, b []byte, n, _ int) {
			c.say("* 1 FETCH (UID 1 BODY[]<%d> \"\")\r\n%s OK done\r\n", n, tag)
		}, unfit: true},
		"cut short": {a: func(c *client, tag string, b []byte, n, _ int) {
			if n < len(b)-200 {
				say(c, tag, fmt.Sprintf("<%d>", n), b[n:len(b)-200])
				return
			}
			c.say("%s NO [SERVERBUG] nothing there\r\n", tag)
		}},
		"NO":  {a: func(c *client, tag string, _ []byte, _, _ int) { c.say("%s NO no\r\n", tag) }},
		"BAD": {a: func(c *client, tag string, _ []byte, _, _ int) { c.say("%s BAD what?\r\n", tag) }, unfit: true},
		"nothing": {a: func(c *client, tag string, _ []byte, _, _ int) {
			c.say("%s OK done\r\n", tag)
		}},
		"another message": {a: func(c *client, tag string, b []byte, n, _ int) {
			c.say("* 1 FETCH (UID 2 BODY[]<%d> {3}\r\nabc)\r\n%s OK done\r\n", n, tag)
		}},
		"twice": {a: func(c *client, tag string, b []byte, n, _ int) {
			c.say("* 1 FETCH (UID 1 BODY[]<%d> {%d}\r\n%s)\r\n", n, len(b)-n, b[n:])
			say(c, tag, fmt.Sprintf("<%d>", n), b[n:])
		}, good: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			want := string(fetchtest.Text(60_000, 1))
			s.put("INBOX", []byte(want))
			s.size = func(l *letter) int64 { return int64(len(l.octets)) + c.lie }
			partial(s, c.a)
			r := s.retriever(nil)
			r.Memory = &Memory{}
			d := open(t, r)
			m := messages(t, d)[0]
			got, err := restOf(t.Context(), m, 5000)
			if c.good && (err != nil || got != want[5000:]) {
				t.Errorf("%d octets of %d, %v", len(got), len(want)-5000, err)
			}
			if !c.good {
				if x := kind(t, "rest", err, mail.Protocol); x.Alone == c.over {
					t.Errorf("alone: %v, %v", x.Alone, err)
				}
			}
			if err := d.Close(); (err != nil) != c.over {
				t.Fatal(err)
			}
			d = open(t, r)
			m = messages(t, d)[0]
			equal(t, "Resumes afterwards", m.Content.(mail.Resumer).Resumes(), !c.unfit)
			if got, err := read(t.Context(), m); err != nil || got != want {
				t.Errorf("the whole: %d octets, %v", len(got), err)
			}
		})
	}
}

func good(c *client, tag string, b []byte, n, m int) {
	b = b[min(n, len(b)):]
	say(c, tag, fmt.Sprintf("<%d>", n), b[:min(m, len(b))])
}

// TestResumeOfALarge: a server that sends a large message whole instead of its rest is not listened to for
// long, and not asked again.
func TestResumeOfALarge(t *testing.T) {
	s := newServer(t)
	want := string(fetchtest.Text(5<<20, 1))
	s.put("INBOX", []byte(want))
	partial(s, func(c *client, tag string, b []byte, _, _ int) { say(c, tag, "", b) })
	l := &fetchtest.Line{}
	r := s.retriever(l)
	r.Memory = &Memory{}
	d := open(t, r)
	_, err := restOf(t.Context(), messages(t, d)[0], 3<<20)
	kind(t, "rest", err, mail.Protocol)
	if !strings.Contains(err.Error(), errPart.Error()) {
		t.Errorf("it says %v", err)
	}
	d.Close()
	if _, down := l.Octets(); down > 1<<20 {
		t.Errorf("%d octets were taken", down)
	}
	m := messages(t, open(t, r))[0]
	if got, err := read(t.Context(), m); m.Content.(mail.Resumer).Resumes() || err != nil || got != want {
		t.Errorf("the next session: %d octets, %v", len(got), err)
	}
}

// TestResumeOverTheLimit: what comes behind what is here counts with it.
func TestResumeOverTheLimit(t *testing.T) {
	s := newServer(t)
	s.put("INBOX", fetchtest.Text(300_000, 1))
	s.size = func(*letter) int64 { return 1000 }
	r := s.retriever(nil)
	r.Limits.Message = 250_000
	_, err := restOf(t.Context(), messages(t, open(t, r))[0], 100_000)
	if err != nil && errors.Is(err, io.EOF) || err == nil {
		t.Errorf("rest: %v", err)
	}
}

// TestResumeCosts: what was announced is not asked for from its beginning if it is large, and a header that
// is here already is not asked for again.
func TestResumeCosts(t *testing.T) {
	s := newServer(t)
	want := string(fetchtest.Text(900_000, 1))
	s.put("INBOX", []byte(want))
	l := &fetchtest.Line{}
	d := open(t, s.retriever(l))
	ms := messages(t, d)
	announce(t, d, mail.Header, ms)
	head, err := ms[0].Content.Header(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	announce(t, d, mail.Whole, ms)
	got, err := restOf(t.Context(), ms[0], 800_000)
	if err != nil || got != want[800_000:] {
		t.Errorf("%d octets, %v", len(got), err)
	}
	equal(t, "Line", ms[0].Line, int64(len(head)+len(want)-800_000))
	if _, down := l.Octets(); down > 103_000 {
		t.Errorf("%d octets came down", down)
	}
	equal(t, "commands", len(s.fetches()), 2)
}

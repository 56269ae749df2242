package imap

import (
	"errors"
	"strings"
	"testing"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/store/mail"
)

// FuzzUID: a text is a UID only if it is the one that would have been made of its parts.
func FuzzUID(f *testing.F) {
	for _, s := range []string{"INBOX/1/1", "a/b/1714/88", "/1/1", "INBOX/01/1", "x/4294967295/4294967295",
		"x/1/4294967296"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, v, u, ok := parseUID(mail.UID(s))
		if !ok {
			return
		}
		if back := (&folder{name: name, validity: v}).uid(u); string(back) != s {
			t.Errorf("%q is read as %q", s, back)
		}
	})
}

// FuzzScanner: in whatever pieces octets come, the scanner sees the same, and holds little.
func FuzzScanner(f *testing.F) {
	for _, s := range []string{"* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\n* BYE x\r\n", "* OK (((({5}\r\n((",
		`* LIST "(\"(" (`,
		strings.Repeat("(", 100), "* X {99999999999999999999}\r\n", "{1}\r\n{2}\r\n\n\n"} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		var whole, pieces scanner
		want := whole.feed(b)
		var got error
		for rest := b; len(rest) > 0 && got == nil; {
			n := min(max(step, 1), len(rest))
			got = pieces.feed(rest[:n])
			rest = rest[n:]
		}
		if got != want || want == nil && (whole.literal != pieces.literal || whole.bye != pieces.bye) {
			t.Errorf("%v, %v; %+v, %+v", want, got, whole, pieces)
		}
		if cap(whole.head) > 2*maxHead {
			t.Errorf("%d octets are kept", cap(whole.head))
		}
	})
}

// FuzzSession: a server that says anything, in place of any answer.
func FuzzSession(f *testing.F) {
	for i, v := range verbs {
		f.Add(i, v.half+"\r\n")
	}
	f.Add(3, "* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\nT4 OK\r\n")
	f.Add(3, "* 1 FETCH (UID 1 RFC822.SIZE 5)\r\nT4 OK\r\n* 1 FETCH (UID 1 BODY[] NIL)\r\nT5 OK\r\n")
	f.Fuzz(func(t *testing.T, which int, answer string) {
		v := verbs[uint(which)%uint(len(verbs))].verb
		s := newServer(t)
		s.put("INBOX", letterOf(1, "one"))
		s.on = at(v, func(c *client, _, _ string) {
			c.say("%s", answer)
			c.w.Flush()
			c.conn.Close()
		})
		if x, err := collect(t.Context(), s.retriever(nil)); err == nil && len(x.gone) > 1 {
			t.Errorf("%q are gone of one", x.gone)
		}
	})
}

func TestScanner(t *testing.T) {
	feed := func(s string) (scanner, error) {
		var x scanner
		err := x.feed([]byte(s))
		return x, err
	}
	deep := strings.Repeat("(", maxNesting)
	for s, want := range map[string]error{
		"* 1 FETCH " + deep:                          nil,
		"* 1 FETCH (" + deep:                         errNested,
		"* 1 FETCH (FLAGS \"((" + deep + "\")\r\n":   nil,
		"* OK (" + deep + "\r\n":                     nil,
		"T1 no (" + deep + "\r\n":                    nil,
		"* 1 FETCH (BODY[] {70}\r\n(" + deep:         nil,
		"* 1 FETCH (BODY[] {1}\r\n((" + deep:         errNested,
		"* " + strings.Repeat("x", maxLogical) + "y": errLong,
		strings.Repeat("* OK fine\r\n", maxLogical):  nil,
	} {
		if _, err := feed(s); err != want {
			t.Errorf("%.30q: %v, want %v", s, err, want)
		}
	}
	for s, want := range map[string]string{
		"* BYE later\r\n":            "* BYE later",
		"* BYE later\r\n* ":          "",
		"* BYE lat":                  "",
		"* X {9}\r\n* BYE x\r\n\r\n": "",
		"* OK {9}\r\n* BYE x\r\n":    "* BYE x",
		"* 1 FETCH (X)\r\n* bye y\n": "* bye y",
	} {
		if x, _ := feed(s); x.bye != want {
			t.Errorf("%q: BYE is %q, want %q", s, x.bye, want)
		}
	}
}

func TestSpread(t *testing.T) {
	for _, x := range []struct {
		set   goimap.UIDSet
		limit int
		n     int
		ok    bool
	}{
		{nil, 5, 0, true},
		{goimap.UIDSet{{Start: 1, Stop: 5}}, 5, 5, true},
		{goimap.UIDSet{{Start: 1, Stop: 5}, {Start: 9, Stop: 9}}, 5, 0, false},
		{goimap.UIDSet{{Start: 1, Stop: 4294967295}}, 1000, 0, false},
		{goimap.UIDSet{{Start: 4294967295, Stop: 4294967295}}, 1, 1, true},
		{goimap.UIDSet{{Start: 5, Stop: 0}}, 5, 0, false},
		{goimap.UIDSet{{Start: 0, Stop: 0}}, 5, 0, false},
	} {
		uids, ok := spread(x.set, x.limit)
		if ok != x.ok || len(uids) != x.n {
			t.Errorf("%v: %d, %v", x.set, len(uids), ok)
		}
	}
}

func TestSets(t *testing.T) {
	var odd []goimap.UID
	for u := range goimap.UID(2000) {
		odd = append(odd, 4294960000+2*u+1)
	}
	n := 0
	for set := range sets(odd) {
		if len(set.String()) > 8000 {
			t.Errorf("a set has %d octets", len(set.String()))
		}
		nums, _ := set.Nums()
		n += len(nums)
	}
	equal(t, "UIDs", n, len(odd))
	for set := range sets([]goimap.UID{1, 2, 3, 5, 6, 9}) {
		equal(t, "set", set.String(), "1:3,5:6,9")
	}
}

// FuzzLogin: a server that says anything in place of the answers to a SCRAM login is never believed.
func FuzzLogin(f *testing.F) {
	f.Add("+ cj1hLHM9UVNYQ1IrUTZzZWs4YmY5MixpPTQwOTY=\r\n", "TAG OK in\r\n")
	f.Add("TAG OK in\r\n", "")
	f.Add("* CAPABILITY\r\n+ !\r\n", "TAG NO [CAPABILITY (] x\r\n")
	f.Add("+\r\n+ \r\n", "* BYE [UNAVAILABLE] x\r\n")
	f.Fuzz(func(t *testing.T, first, second string) {
		s := newServer(t)
		s.auth = "SCRAM-SHA-1"
		s.on = func(c *client, tag, verb, _ string) bool {
			if verb != "AUTHENTICATE" {
				return false
			}
			c.say("%s", strings.ReplaceAll(first+second, "TAG", tag)) // what comes too early is part of it
			c.w.Flush()
			c.conn.Close()
			return true
		}
		_, err := s.retriever(nil).Open(t.Context())
		var tr *mail.Trouble
		if !errors.As(err, &tr) {
			t.Fatalf("%T: %v", err, err)
		}
	})
}

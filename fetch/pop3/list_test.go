package pop3

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

func TestR11_MalformedListings(t *testing.T) {
	for _, x := range []struct {
		verb, lines string
		good        bool
	}{
		{"LIST", "1 10\r\n2 20\r\n", true},
		{"LIST", "2 20\r\n1 10\r\n", true}, // no order is promised
		{"LIST", "1 10 more\r\n2 20 x y\r\n", true},
		{"LIST", "1 10\n2 20\n", false}, // the dot behind a bare LF is no end
		{"LIST", "1\r\n2 20\r\n", false},
		{"LIST", "1 \r\n2 20\r\n", false},
		{"LIST", " \r\n2 20\r\n", false},
		{"LIST", "\r\n", false},
		{"LIST", "0 10\r\n", false},
		{"LIST", "-1 10\r\n", false},
		{"LIST", "+1 10\r\n", false},
		{"LIST", "1 10\r\n1 10\r\n", false},
		{"LIST", "1 10\r\n3 10\r\n", false},
		{"LIST", "1  10\r\n", false},
		{"LIST", "1\t10\r\n", false},
		{"LIST", "1 10\r\n2 20\r\n3 30\r\n", false},
		{"LIST", "99999999999999999999 1\r\n", false},
		{"LIST", "-ERR\r\n", false},
		{"UIDL", "1 a\r\n2 b\r\n", true},
		{"UIDL", "2 b\r\n1 a\r\n", true},
		{"UIDL", "2 b\r\n", true}, // the other one is derived
		{"UIDL", "1\r\n2 b\r\n", true},
		{"UIDL", "1 \r\n2 b\r\n", true},
		{"UIDL", " \r\n", false},
		{"UIDL", "\r\n", false},
		{"UIDL", "x a\r\n", false},
		{"UIDL", "0 a\r\n", false},
		{"UIDL", "1 a\r\n1 b\r\n", false},
		{"UIDL", "1 \r\n1 \r\n", false},
		{"UIDL", "3 a\r\n", false},
	} {
		for i, caps := range [][]string{{"PIPELINING", "USER", "TOP", "UIDL"}, nil, nil} {
			s := fetchtest.NewPOP3(t)
			s.Caps, s.NoUIDL = caps, i == 2 // each listing is judged by itself
			if s.NoUIDL && x.verb == "UIDL" {
				continue
			}
			s.Put(fetchtest.Corpus()[:2]...)
			s.On = map[string]func(*fetchtest.POP3Conn, string) bool{x.verb: says("+OK\r\n" + x.lines + ".\r\n")}
			if !x.good {
				if tr := trouble(t, options(s, nil)); tr.Kind != mail.Protocol || tr.Op != mail.OpList {
					t.Errorf("%s %q: %v while %v: %v", x.verb, x.lines, tr.Kind, tr.Op, tr)
				}
				continue
			}
			if whole, err := collect(t.Context(), options(s, nil), true); err != nil || len(whole) != 2 {
				t.Errorf("%s %q: %d messages, %v", x.verb, x.lines, len(whole), err)
			}
		}
	}
}

// A listing that is shorter than the count is used, and called incomplete: nothing is gone because of it.
func TestR11_ShortListing(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	s.Put(fetchtest.Corpus()[:3]...)
	s.On = map[string]func(*fetchtest.POP3Conn, string) bool{"LIST": says("+OK\r\n1 10\r\n3 10\r\n.\r\n"),
		"UIDL": says("+OK\r\n1 a\r\n3 c\r\n.\r\n")}
	d := open(t, options(s, nil))
	uids, complete, err := d.List(t.Context())
	if err != nil || complete || !slices.Equal(uids, []mail.UID{"a", "c"}) {
		t.Errorf("%q, %v, %v", uids, complete, err)
	}
}

func open(t *testing.T, o Options) mail.Maildrop {
	t.Helper()
	d, err := (&Retriever{o}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestR12_UIDs(t *testing.T) {
	const usual, hashed, derived = 0, 1, 2
	for name, x := range map[string]struct {
		uid string
		how int
	}{
		"usual":      {"whqtswO00WBw418f9t5JxYwZ", usual},
		"70":         {strings.Repeat("u", 70), usual},
		"path":       {"../../etc/passwd", usual}, // text to us; nobody makes a path of it
		"colon":      {"a:b/c|d", usual},
		"empty":      {"", derived},
		"blanks":     {"   ", derived},
		"long":       {strings.Repeat("u", 1000), hashed},
		"8-bit":      {"\xe4\xff", hashed},
		"NUL":        {"a\x00b", hashed},
		"blank":      {"a b", hashed},
		"tab":        {"a\tb", hashed},
		"DEL":        {"a\x7f", hashed},
		"like ours":  {"=abc", hashed},
		"a hash":     {"%501946cfb9bcf01fdf59c55fb014b8e609885d16", hashed},
		"blank ends": {"abc ", usual},
	} {
		t.Run(name, func(t *testing.T) {
			s := fetchtest.NewPOP3(t)
			c := fetchtest.Corpus()[:3]
			s.Put(c[0])
			s.Add(&fetchtest.Mail{Octets: c[1], UID: x.uid, NoUID: x.uid == ""})
			s.Put(c[2])
			o := options(s, nil)
			uids, complete, err := open(t, o).List(t.Context())
			if err != nil || !complete || len(uids) != 3 {
				t.Fatalf("%q, %v, %v", uids, complete, err)
			}
			u := string(uids[1])
			if uids[1].Derived() != (x.how == derived) || (x.how == hashed) != (u[0] == '%' && u != x.uid) ||
				x.how == usual && u != strings.TrimSpace(x.uid) {
				t.Errorf("UID %q became %q", x.uid, u)
			}
			if n := s.Count("TOP"); (n == 1) != (x.how == derived) || n > 1 {
				t.Errorf("%d headers were asked for", n)
			}
			again, _, err := open(t, o).List(t.Context())
			if err != nil || !slices.Equal(again, uids) {
				t.Errorf("the next session says %q, not %q: %v", again, uids, err)
			}
			if whole, err := collect(t.Context(), o, true); err != nil || len(whole) != 3 || len(s.Left()) > 0 {
				t.Errorf("%d whole, %d left, %v", len(whole), len(s.Left()), err)
			}
		})
	}
	s := fetchtest.NewPOP3(t)
	s.Add(&fetchtest.Mail{Octets: fetchtest.Corpus()[0], UID: strings.Repeat("u", 1_000_000)})
	if tr := trouble(t, options(s, nil)); tr.Kind != mail.Protocol {
		t.Errorf("a line of a megabyte: %v: %v", tr.Kind, tr)
	}
}

// Messages with equal unique-ids are all fetched, and each deletion is of the one that was settled.
func TestR12_EqualUIDs(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	c := [][]byte{fetchtest.Text(500, 1), fetchtest.Text(500, 2), fetchtest.Text(500, 1), fetchtest.Text(500, 3)}
	for i, uid := range []string{"same", "same", "same", "other"} {
		s.Add(&fetchtest.Mail{Octets: c[i], UID: uid})
	}
	d := open(t, options(s, nil))
	var ms []*mail.Message
	seen := map[mail.UID]bool{}
	for m, err := range d.Messages(t.Context(), nil) {
		if err != nil || seen[m.Origin.UID] {
			t.Fatalf("%q, %v", m.Origin.UID, err)
		}
		seen[m.Origin.UID] = true
		ms = append(ms, m)
	}
	if len(ms) != 4 || !ms[0].Origin.UID.Derived() || ms[3].Origin.UID != "other" {
		t.Fatalf("%d messages, first %q", len(ms), ms[0].Origin.UID)
	}
	for i, m := range ms {
		if b, err := octets(t.Context(), m); err != nil || !bytes.Equal(b, c[i]) {
			t.Errorf("message %d: %q, %v", i, b, err)
		}
	}
	ms[1].Envelope.Recipients = []mail.Recipient{{}}
	if err := d.Settle(t.Context(), ms[1], mail.Report{{Outcome: mail.Delivered}}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if left := s.Left(); len(left) != 3 || !bytes.Equal(left[0], c[0]) || !bytes.Equal(left[1], c[2]) {
		t.Errorf("the wrong message was deleted: %d are left", len(left))
	}
}

// Without UIDL and TOP nothing tells messages apart: such a maildrop can be emptied, but not kept.
func TestR12_NoIdentity(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	s.Caps, s.NoTOP, s.NoUIDL = nil, true, true
	s.Put(fetchtest.Corpus()[:2]...)
	o := options(s, nil)
	for _, after := range []After{Keep, Delete} { // where something of it stays it would be fetched again by each listing
		o.After, o.Stays = after, after == Delete
		d := open(t, o)
		_, _, err := d.List(t.Context())
		var tr *mail.Trouble
		if !errors.As(err, &tr) || tr.Hint == "" {
			t.Errorf("%v: %v", after, err)
		}
		d.Close()
	}
	o.After, o.Stays = Delete, false
	if whole, err := collect(t.Context(), o, true); err != nil || len(whole) != 2 || len(s.Left()) > 0 {
		t.Errorf("delete: %d whole, %d left, %v", len(whole), len(s.Left()), err)
	}
}

// What a listing will cost is said before it is asked for, with the headers where there are no unique-ids.
func TestListingIsForetold(t *testing.T) {
	for name, caps := range map[string][]string{"CAPA says so": {"TOP", "PIPELINING"}, "the session before knows": nil} {
		s, l := fetchtest.NewPOP3(t), &fetchtest.Line{}
		s.Caps, s.NoUIDL = caps, true
		for i := range 50 {
			s.Put(fetchtest.Text(2000, i))
		}
		o := options(s, l)
		o.After, o.Memory = Keep, &memory{m: map[string][]byte{}}
		if caps == nil {
			d := open(t, o)
			d.List(t.Context())
			d.Close()
		}
		d := open(t, o)
		told := d.(*session).Listing()
		up, down := l.Octets()
		if _, _, err := d.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		if u, n := l.Octets(); u-up+n-down > told || told > 50*(64+headerGuess) {
			t.Errorf("%s: a listing of %d octets was foretold with %d", name, u-up+n-down, told)
		}
		if n := d.(*session).Listing(); n != 0 {
			t.Errorf("%s: %d octets for what is there already", name, n)
		}
	}
}

// Numbers belong to a session; what is let go of is named by UID and found in this session's listing.
func TestR13_NumbersShift(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	c := fetchtest.Corpus()[:4]
	for i, b := range c {
		s.Add(&fetchtest.Mail{Octets: b, UID: string(rune('a' + i))})
	}
	s.Clear() // another client, and the server's own order
	s.Add(&fetchtest.Mail{Octets: c[3], UID: "d"})
	s.Add(&fetchtest.Mail{Octets: c[1], UID: "b"})
	d := open(t, options(s, nil))
	if err := d.(mail.Releaser).Release(t.Context(), []mail.UID{"a", "b", "c"}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if left := s.Left(); len(left) != 1 || !bytes.Equal(left[0], c[3]) {
		t.Errorf("%d messages are left", len(left))
	}
	if n := s.Count("DELE"); n != 1 {
		t.Errorf("%d deletions", n)
	}
}

// A message that vanished between the listing and RETR costs only itself.
func TestVanished(t *testing.T) {
	for _, ahead := range []bool{false, true} {
		s := fetchtest.NewPOP3(t)
		c := fetchtest.Corpus()
		s.Put(c[:3]...)
		s.Add(&fetchtest.Mail{Octets: c[3], Refuse: "[SYS/TEMP] it is away"})
		s.Put(c[4:]...)
		whole, err := collect(t.Context(), options(s, nil), ahead)
		var tr *mail.Trouble
		if !errors.As(err, &tr) || !tr.Alone || tr.Kind != mail.Busy || len(whole) != len(c)-1 {
			t.Errorf("%d whole, %v", len(whole), err)
		}
		if left := s.Left(); len(left) != 1 || !bytes.Equal(left[0], c[3]) {
			t.Errorf("%d are left", len(left))
		}
	}
}

func TestHeaderWithoutTOP(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	s.Caps, s.NoTOP = []string{"UIDL", "USER", "PIPELINING"}, true
	c := fetchtest.Corpus()
	s.Put(c...)
	d := open(t, options(s, nil))
	var ms []*mail.Message
	for m := range d.Messages(context.Background(), nil) {
		ms = append(ms, m)
	}
	err := d.(mail.Aheader).Ahead(t.Context(), mail.Header, ms)
	var no interface{ NoHeaders() bool }
	if !errors.As(err, &no) || !errors.Is(err, ErrNoTop) {
		t.Errorf("Ahead of headers: %v", err)
	}
	if _, err := ms[0].Content.Header(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b, err := octets(t.Context(), ms[0]); err != nil || !bytes.Equal(b, c[0]) {
		t.Errorf("%q, %v", b, err)
	}
	if s.Count("RETR") != 1 || s.Count("TOP") != 0 {
		t.Errorf("commands: %q", s.Log())
	}
}

// Octets of a message are counted as they cross the line.
func TestLine(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	b := []byte("Subject: x\r\n\r\n.dot\r\n")
	s.Put(b)
	d := open(t, options(s, nil))
	for m := range d.Messages(t.Context(), nil) {
		if _, err := octets(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if want := int64(len("+OK\r\n") + len(fetchtest.Stuff(b))); m.Line != want {
			t.Errorf("Line is %d, want %d", m.Line, want)
		}
	}
}

package imap

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

// longLetter is one with a header as long as they are, and a size of its own.
func longLetter(n int) []byte {
	return fmt.Appendf(nil, "Received: %s\r\nMessage-ID: <%d.longer@example.org>\r\nSubject: x\r\n\r\n%s\r\n",
		strings.Repeat("from somewhere by elsewhere ", 50), n, strings.Repeat("y", n))
}

// foreign is one of the same size that is another one.
func foreign(n int) []byte {
	return bytes.Replace(longLetter(n), []byte("longer"), []byte("LONGER"), 1)
}

// moves lists all and lets go of what an earlier session took, with these UIDs of INBOX; it returns the octets of both ways.
func moves(t *testing.T, r *Retriever, l *fetchtest.Line, from, to int) (octets int64, err error) {
	t.Helper()
	up, down := l.Octets()
	d := open(t, r)
	if _, _, err := d.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	var uids []mail.UID
	for i := from; i <= to; i++ {
		uids = append(uids, mail.UID(fmt.Sprintf("INBOX/1714/%d", i)))
	}
	if err := d.(mail.Releaser).Release(t.Context(), uids); err != nil {
		t.Fatal(err)
	}
	err = d.Close()
	upNow, downNow := l.Octets()
	if err == nil && len(d.(mail.Confirmed).Gone()) != len(uids) {
		t.Errorf("%d of %d are gone", len(d.(mail.Confirmed).Gone()), len(uids))
	}
	return upNow - up + downNow - down, err
}

// once wants each letter up to n in the target once.
func once(t *testing.T, s *server, n int) {
	t.Helper()
	have := map[string]int{}
	for _, l := range s.left("Old") {
		id, _, _ := bytes.Cut(l, []byte("Subject"))
		have[string(id)]++
	}
	for i := 1; i <= n; i++ {
		id, _, _ := bytes.Cut(longLetter(i), []byte("Subject"))
		if have[string(id)] != 1 {
			t.Errorf("letter %d is there %d times", i, have[string(id)])
		}
	}
}

// A thousand messages that are due cost few commands and few octets where the server cannot MOVE, into an archive of many;
// and none is copied twice where a session breaks in between.
func TestMoveOfAThousandThatAreDue(t *testing.T) {
	for name, caps := range map[string]string{"UIDPLUS and ESEARCH": goodCaps, "oldest": oldest} {
		t.Run(name, func(t *testing.T) {
			s, r := mover(t, caps, 0)
			l := &fetchtest.Line{}
			r.Dial.DialContext, r.Memory = s.dial(l), &Memory{}
			const n = 1100
			for i := 1; i <= n; i++ {
				s.put("INBOX", longLetter(i))
			}
			for i := range 3000 { // of the size of some original
				s.put("Old", foreign(1+i%n))
			}
			if _, err := moves(t, r, l, 1, 5); err != nil { // nobody knows what is in the archive yet
				t.Fatal(err)
			}
			before := len(s.said())
			octets, err := moves(t, r, l, 6, 1005)
			if err != nil {
				t.Fatal(err)
			}
			commands := len(s.said()) - before
			t.Logf("%d octets, %d commands", octets, commands)
			if commands > 35 || octets > 50_000 {
				t.Errorf("%d octets, %d commands: %q", octets, commands, s.said()[before:])
			}
			stores := 0
			s.on = at("UID STORE", func(c *client, _, _ string) {
				if stores++; stores == 1 {
					c.conn.Close()
				}
			})
			if _, err := moves(t, r, l, 1006, n); err == nil {
				t.Fatal("it did not break")
			}
			s.mu.Lock()
			s.on = nil
			s.mu.Unlock()
			before = len(s.said())
			s.put("Old", foreign(1050), foreign(3))
			if octets, err = moves(t, r, l, 1006, n); err != nil {
				t.Fatal(err)
			}
			t.Logf("after a break: %d octets, %d commands", octets, len(s.said())-before)
			once(t, s, n)
			equal(t, "left", len(s.left("INBOX")), 0)
		})
	}
}

// To delete a thousand that are due takes as much as to delete one, but for what the server says of each.
func TestDeleteOfAThousandThatAreDue(t *testing.T) {
	for name, caps := range map[string]string{"UIDPLUS and ESEARCH": goodCaps, "oldest": oldest} {
		s := newServer(t)
		s.caps = caps
		l := &fetchtest.Line{}
		r := s.retriever(l)
		for i := 1; i <= 1000; i++ {
			s.put("INBOX", longLetter(i))
		}
		octets, err := moves(t, r, l, 1, 1000)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d octets, %d commands", name, octets, len(s.said()))
		if len(s.said()) > 8 || octets > 30_000 || len(s.left("INBOX")) > 0 {
			t.Errorf("%s: %d octets: %q", name, octets, s.said())
		}
	}
}

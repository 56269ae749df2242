package imap

import (
	"slices"
	"strings"
	"testing"

	"mailretr/store/mail"
)

const (
	moving   = goodCaps + " MOVE"
	oldest   = "IMAP4rev1"
	identity = "Message-ID: <one@example.org>\r\nSubject: x\r\n\r\n"
)

// mover collects from a server with these capabilities and moves to Old.
func mover(t *testing.T, caps string, n int) (*server, *Retriever) {
	s := newServer(t)
	s.caps = caps
	for i := range n {
		s.put("INBOX", letterOf(i, "x"))
	}
	r := s.retriever(nil)
	r.After, r.Target = Move, "Old"
	return s, r
}

// release opens a session that lets go of what an earlier one took.
func release(t *testing.T, r *Retriever, uids ...mail.UID) ([]mail.UID, error) {
	t.Helper()
	d := open(t, r)
	if err := d.(mail.Releaser).Release(t.Context(), uids); err != nil {
		t.Fatal(err)
	}
	err := d.Close()
	return d.(mail.Confirmed).Gone(), err
}

// TestMove moves what was collected, into a folder that has to be made first: by MOVE, by COPY and UID
// EXPUNGE, and where there is neither by EXPUNGE. What somebody else does not want any more stays where it
// is.
func TestMove(t *testing.T) {
	for name, caps := range map[string]string{"MOVE": moving, "COPY": goodCaps, "oldest": oldest} {
		s, r := mover(t, caps, 3)
		s.put("Else", letterOf(9, "x"))
		s.folders["Else"].letters[0].flags = []string{`\Deleted`}
		x, err := collect(t.Context(), r)
		if err != nil || len(x.gone) != 3 {
			t.Fatalf("%s: gone %v, %v", name, x.gone, err)
		}
		equal(t, name+": left", len(s.left("INBOX")), 0)
		equal(t, name+": moved", len(s.left("Old")), 3)
		equal(t, name+": foreign", len(s.left("Else")), 1)
		for _, l := range s.folders["Old"].letters {
			if slices.Contains(l.flags, `\Deleted`) {
				t.Errorf("%s: the copy is marked as deleted", name)
			}
		}
		if !s.saw("CREATE") || !s.saw("SUBSCRIBE") || name == "MOVE" && (s.saw("UID STORE") || s.saw("UID COPY")) {
			t.Errorf("%s: %q", name, s.said())
		}
		s.put("INBOX", letterOf(4, "y")) // and now the folder is there
		if x, err = collect(t.Context(), r); err != nil || len(x.gone) != 1 || s.count("CREATE") != 1 {
			t.Errorf("%s: gone %v, %v, %q", name, x.gone, err, s.said())
		}
	}
}

// TestMoveSparesForeignMail: without UIDPLUS, and with foreign mail that is marked as deleted, the copies are
// made once and the originals stay, marked, in however many sessions.
func TestMoveSparesForeignMail(t *testing.T) {
	s, r := mover(t, oldest, 3)
	s.folders["INBOX"].letters[2].flags = []string{`\Deleted`} // not ours
	d := open(t, r)
	for i, m := range messages(t, d) {
		if i < 2 {
			d.Settle(t.Context(), m, done(m))
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		gone, err := release(t, r, "INBOX/1714/1", "INBOX/1714/2")
		if err != nil || len(gone) != 0 || s.saw("EXPUNGE") {
			t.Fatalf("gone %v, %v", gone, err)
		}
	}
	equal(t, "left", len(s.left("INBOX")), 3)
	equal(t, "copies", len(s.left("Old")), 2)
	s.folders["INBOX"].letters[2].flags = nil // somebody has thought better of it
	if gone, err := release(t, r, "INBOX/1714/1", "INBOX/1714/2"); err != nil || len(gone) != 2 {
		t.Fatalf("gone %v, %v", gone, err)
	}
	equal(t, "left", len(s.left("INBOX")), 1)
	equal(t, "copies", len(s.left("Old")), 2)
}

// TestMoveBreaksBehindTheCopy: a session that ends between the copy and the mark on its original, again and
// again, leaves one copy; of messages with a Message-ID and of those without.
func TestMoveBreaksBehindTheCopy(t *testing.T) {
	for name, refusal := range map[string]string{"cut": "", "refused": "NO [NOPERM] you may not"} {
		s, r := mover(t, goodCaps, 1)
		s.put("INBOX", []byte(identity+"body\r\n"), []byte("Subject: other\r\n\r\nof another size\r\n"),
			[]byte(strings.Replace(identity, ": x", ": y", 1)+"body\r\n")) // a twin, but for one field
		s.on = at("UID STORE", func(c *client, tag, _ string) {
			if refusal != "" {
				c.say("%s %s\r\n", tag, refusal)
				return
			}
			c.conn.Close()
		})
		if _, err := collect(t.Context(), r); err == nil {
			t.Fatalf("%s: no error", name)
		}
		all := []mail.UID{"INBOX/1714/1", "INBOX/1714/2", "INBOX/1714/3", "INBOX/1714/4"}
		for range 3 {
			if gone, err := release(t, r, all...); err == nil || len(gone) > 0 {
				t.Fatalf("%s: gone %v, %v", name, gone, err)
			}
		}
		equal(t, name+": copies", len(s.left("Old")), 4)
		s.folders["Old"].letters = s.folders["Old"].letters[:3] // somebody has removed the twin
		s.mu.Lock()
		s.on = nil
		s.mu.Unlock()
		if gone, err := release(t, r, all...); err != nil || len(gone) != 4 {
			t.Fatalf("%s: gone %v, %v", name, gone, err)
		}
		equal(t, name+": left", len(s.left("INBOX")), 0)
		equal(t, name+": copies in the end", len(s.left("Old")), 4)
	}
}

// TestMoveRefused: where mail cannot be moved it stays, with the server's words, and nothing is deleted.
func TestMoveRefused(t *testing.T) {
	for _, verb := range []string{"UID MOVE", "UID COPY", "CREATE"} {
		caps := moving
		if verb == "UID COPY" {
			caps = goodCaps
		}
		s, r := mover(t, caps, 2)
		s.on = at(verb, func(c *client, tag, _ string) { c.say("%s NO [OVERQUOTA] it is full\r\n", tag) })
		x, err := collect(t.Context(), r)
		if t1 := kind(t, verb, err, mail.Busy); !strings.Contains(t1.Reply, "it is full") || len(x.gone) > 0 {
			t.Errorf("%s: %v, gone %v", verb, err, x.gone)
		}
		if len(s.left("INBOX")) != 2 || s.saw("UID STORE") || s.saw("UID EXPUNGE") {
			t.Errorf("%s: %q", verb, s.said())
		}
	}
}

// TestMoveCountsWhatIsGone: a server that moves without saying what is asked what is still there.
func TestMoveCountsWhatIsGone(t *testing.T) {
	s, r := mover(t, moving, 3)
	s.put("Old")
	s.folders["Old"] = &box{validity: 3, next: 1}
	s.on = at("UID MOVE", func(c *client, tag, _ string) {
		c.mu.Lock()
		c.copy("1:2 ", c.folders["Old"])
		c.remove("1:2 ")
		c.mu.Unlock()
		c.say("%s OK some of it\r\n", tag)
	})
	x, err := collect(t.Context(), r)
	if err != nil || !slices.Equal(x.gone, []mail.UID{"INBOX/1714/1", "INBOX/1714/2"}) {
		t.Errorf("gone %v, %v", x.gone, err)
	}
}

// TestMark: what was collected stays, with a flag and nothing else; what an earlier session took as well.
func TestMark(t *testing.T) {
	s, r := mover(t, goodCaps, 3)
	r.After, r.Flag = Mark, `\Seen`
	d := open(t, r)
	for i, m := range messages(t, d) {
		if i < 2 {
			if _, err := read(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		if i == 1 {
			d.Settle(t.Context(), m, done(m))
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := d.(mail.Confirmed).Gone(); !slices.Equal(got, []mail.UID{"INBOX/1714/2"}) {
		t.Errorf("marked %v", got)
	}
	if gone, err := release(t, r, "INBOX/1714/1"); err != nil || len(gone) != 1 {
		t.Errorf("marked %v, %v", gone, err)
	}
	want := [][]string{{`\Seen`}, {`\Seen`}, nil}
	for i, l := range s.folders["INBOX"].letters {
		if !slices.Equal(l.flags, want[i]) {
			t.Errorf("letter %d has %q", i+1, l.flags)
		}
	}
	equal(t, "commands", s.count("UID STORE"), 2)
}

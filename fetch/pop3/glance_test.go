package pop3

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/store/mail"
)

// kept is a maildrop of n messages that stay, and a session that has seen them.
func kept(t *testing.T, n int) (*fetchtest.POP3, Options) {
	s := fetchtest.NewPOP3(t)
	for i := range n {
		s.Add(&fetchtest.Mail{Octets: fetchtest.Text(200, i), UID: fmt.Sprintf("000000%010x", i)})
	}
	o := options(s, nil)
	o.After, o.Memory = Keep, &memory{}
	glances(t, o, "", true)
	s.Forget()
	return s, o
}

// glances makes a session as a caller does that wants to know what is new: the glance, what was added to the
// former one, and the whole listing only where that cannot be said, or is wanted.
func glances(t *testing.T, o Options, before string, list bool) (now string, added []mail.UID, listed bool) {
	t.Helper()
	d := open(t, o).(*session)
	now, err := d.Glance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if now != before || now == "" {
		var ok bool
		if added, ok, err = d.Since(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		listed = !ok
	}
	if listed || list {
		if added, _, err = d.List(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return now, added, listed
}

// Nothing new among 10,000 messages that are kept, and one: neither lists them.
func TestGlanceOfMany(t *testing.T) {
	s, o := kept(t, 10_000)
	l := &fetchtest.Line{}
	o.Dial.DialContext = l.Dialer(s.Dial)
	now, added, _ := glances(t, o, "", true)
	s.Forget()
	_, before := l.Octets()
	if again, _, listed := glances(t, o, now, false); again != now || listed {
		t.Errorf("%q became %q", now, again)
	}
	if got := fmt.Sprint(s.Log()); got != "[USER jaco PASS secret STAT UIDL 10000 QUIT]" {
		t.Errorf("nothing new: %s", got)
	}
	_, down := l.Octets()
	t.Logf("nothing new: %d octets down", down-before)
	if down-before > 120 {
		t.Errorf("nothing new costs %d octets down", down-before)
	}
	s.Forget()
	s.Put(fetchtest.Text(300, 1))
	if _, fresh, listed := glances(t, o, now, false); listed || len(fresh) != 1 || slices.Contains(added, fresh[0]) {
		t.Errorf("one new: %q, listed %v", fresh, listed)
	}
	want := "[USER jaco PASS secret STAT UIDL 10000 UIDL 10001 LIST 10001 QUIT]"
	if got := fmt.Sprint(s.Log()); got != want {
		t.Errorf("one new: %s", got)
	}
}

// What is in a maildrop that is emptied each time is new anyway: nobody asks twice. An empty one costs no
// UIDL, but for the first time: where there was mail at the last visit the listing is asked for with the login.
func TestGlanceOfEmptied(t *testing.T) {
	s := fetchtest.NewPOP3(t)
	o := options(s, nil)
	o.Memory = &memory{}
	for range 3 {
		s.Put(fetchtest.Corpus()[:3]...)
		s.Forget()
		d := open(t, o).(*session)
		if g, err := d.Glance(t.Context()); g != "" || err != nil {
			t.Errorf("%q, %v", g, err)
		}
		uids, _, err := d.List(t.Context())
		if err != nil || d.Release(t.Context(), uids) != nil || d.Close() != nil {
			t.Fatal(err)
		}
		if n := s.Count("UIDL") + s.Count("LIST"); n != 2 {
			t.Errorf("%q", s.Log())
		}
		for i, asked := range []int{2, 0} {
			s.Forget()
			s.On = nil
			if i == 0 { // some say it in this way
				s.On = on("LIST", says("-ERR no messages\r\n"))
			}
			if g, added, listed := glances(t, o, "0", false); g != "0" || len(added) > 0 || listed {
				t.Errorf("empty: %q, %q, %v", g, added, listed)
			}
			if n := s.Count("UIDL") + s.Count("LIST"); n != asked {
				t.Errorf("empty: %q", s.Log())
			}
		}
	}
}

// Where numbers are not the order of arrival, or the sums do not agree, or unique-ids are no identity,
// everything is listed, and nothing is missed.
func TestGlanceDoubts(t *testing.T) {
	for name, change := range map[string]func(*fetchtest.POP3){
		"in front": func(s *fetchtest.POP3) {
			all := s.Left()
			s.Clear()
			s.Add(&fetchtest.Mail{Octets: fetchtest.Text(300, 99), UID: "new"})
			for i, b := range all {
				s.Add(&fetchtest.Mail{Octets: b, UID: fmt.Sprintf("000000%010x", i)})
			}
		},
		"renumbered": func(s *fetchtest.POP3) {
			all := s.Left()
			s.Clear()
			for i, b := range append(all, fetchtest.Text(300, 99)) {
				s.Add(&fetchtest.Mail{Octets: b, UID: fmt.Sprintf("another%d", i)})
			}
		},
		"sum": func(s *fetchtest.POP3) {
			s.Put(fetchtest.Text(300, 99))
			s.On = on("STAT", says("+OK 101 12345\r\n"))
		},
		"no sum": func(s *fetchtest.POP3) { s.On = on("STAT", says("+OK 100 octets\r\n")) },
		"blank":  func(s *fetchtest.POP3) { s.Add(&fetchtest.Mail{Octets: fetchtest.Text(300, 99), NoUID: true}) },
		"same as before": func(s *fetchtest.POP3) {
			s.Add(&fetchtest.Mail{Octets: fetchtest.Text(300, 99), UID: fmt.Sprintf("000000%010x", 99)})
		},
		"twice": func(s *fetchtest.POP3) {
			s.Add(&fetchtest.Mail{Octets: fetchtest.Text(300, 98), UID: "x"})
			s.Add(&fetchtest.Mail{Octets: fetchtest.Text(300, 99), UID: "x"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, o := kept(t, 100)
			now, _, _ := glances(t, o, "", true)
			change(s)
			if _, added, listed := glances(t, o, now, false); !listed || len(added) != len(s.Left()) {
				t.Errorf("listed %v, %d of %d", listed, len(added), len(s.Left()))
			}
		})
	}
}

// A server that takes UIDL with a number for UIDL without, or answers with nonsense, is listed from then on.
// That it does so costs no session where it can be told apart.
func TestGlanceOfManyLines(t *testing.T) {
	for reply, fails := range map[string]bool{
		"+OK\r\n1 a\r\n2 b\r\n.\r\n": false, "+OK unique-ids follow\r\n.\r\n": false,
		"+OK 100 messages\r\n1 a\r\n2 b\r\n.\r\n": true, "+OK 7 x\r\n": true,
	} {
		s, o := kept(t, 100)
		s.On = on("UIDL", func(c *fetchtest.POP3Conn, arg string) bool {
			if arg != "" {
				c.Raw(reply)
			}
			return arg != ""
		})
		d, err := (&Retriever{o}).Open(t.Context())
		if err == nil {
			_, _, err = d.List(t.Context())
			d.Close()
		}
		if (err != nil) != fails {
			t.Fatalf("%q: %v", reply, err)
		}
		g, uids, listed := glances(t, o, "100 1 0123456789abcdef", false)
		if strings.Count(g, " ") != 1 || !listed || len(uids) != 100 {
			t.Errorf("%q: %q, %d, %v", reply, g, len(uids), listed)
		}
		s.On = nil // it may have been a bad day
		o.Now = func() time.Time { return time.Now().Add(8 * 24 * time.Hour) }
		if g, _, _ := glances(t, o, "", true); strings.Count(g, " ") != 2 {
			t.Errorf("%q: a week later it is not asked either", reply)
		}
	}
}

// Where there is no unique-id to ask for, nothing is listed as long as count and sum are what they were, and no header is read; all
// is where they are not.
func TestGlanceWithoutUniqueIDs(t *testing.T) {
	for name, change := range map[string]func(*fetchtest.POP3, *Options){
		"keep":          func(s *fetchtest.POP3, o *Options) { s.NoUIDL, o.After = true, Keep },
		"keep, no CAPA": func(s *fetchtest.POP3, o *Options) { s.NoUIDL, s.Caps, o.After = true, nil, Keep },
		"left":          func(s *fetchtest.POP3, o *Options) { s.NoUIDL, o.After = true, Delete },
		"the last is not alone": func(s *fetchtest.POP3, o *Options) {
			s.Add(&fetchtest.Mail{Octets: fetchtest.Text(300, 8), UID: "x"})
			s.Add(&fetchtest.Mail{Octets: fetchtest.Text(300, 9), UID: "x"})
			o.After = Keep
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := fetchtest.NewPOP3(t)
			s.Put(fetchtest.Corpus()[:4]...)
			o := options(s, nil)
			o.Memory = &memory{}
			change(s, &o)
			glances(t, o, "", true)
			now, _, _ := glances(t, o, "", true)
			s.Forget()
			again, _, listed := glances(t, o, now, false)
			if now == "" || again != now || listed || s.Count("TOP")+s.Count("LIST") > 0 {
				t.Errorf("%q became %q, listed %v: %q", now, again, listed, s.Log())
			}
			s.Put(fetchtest.Text(300, 1))
			if g, uids, listed := glances(t, o, now, false); g == now || !listed || len(uids) != len(s.Left()) {
				t.Errorf("one new: %q became %q, %d listed", now, g, len(uids))
			}
		})
	}
}

// Since is of use to a session that deletes: what it took is gone, and the next one knows where it stands.
func TestSinceOwnDeletions(t *testing.T) {
	s, o := kept(t, 100)
	now, all, _ := glances(t, o, "", true)
	o.After = Delete
	d := open(t, o).(*session)
	if g, err := d.Glance(t.Context()); g != now || err != nil {
		t.Fatalf("%q, %v", g, err)
	}
	if err := d.Release(t.Context(), []mail.UID{all[0], all[17], all[99]}); err != nil || d.Close() != nil {
		t.Fatal(err)
	}
	s.Put(fetchtest.Text(300, 1))
	s.Forget()
	d = open(t, o).(*session)
	after, err := d.Glance(t.Context())
	if err != nil || after == now {
		t.Fatalf("%q, %v", after, err)
	}
	added, ok, err := d.Since(t.Context(), now)
	if !ok || len(added) != 1 || err != nil || s.Count("LIST") != 1 {
		t.Fatalf("%q, %v, %v: %q", added, ok, err, s.Log())
	}
	for m := range d.Messages(t.Context(), added) {
		if b, err := octets(t.Context(), m); err != nil || string(b) != string(fetchtest.Text(300, 1)) {
			t.Errorf("%q, %v", b, err)
		}
		m.Envelope.Recipients = []mail.Recipient{{}}
		if err := d.Settle(t.Context(), m, mail.Report{{Outcome: mail.Delivered}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil || len(s.Left()) != 97 || len(d.Gone()) != 1 {
		t.Errorf("%d left, %v", len(s.Left()), err)
	}
	s.Forget()
	if _, added, listed := glances(t, o, after, false); listed || len(added) > 0 || s.Count("LIST") > 0 {
		t.Errorf("%q, %v: %q", added, listed, s.Log())
	}
}

// What Since has named can be let go of without a listing; what it has not cannot.
func TestSinceRelease(t *testing.T) {
	for _, old := range []bool{false, true} {
		s, o := kept(t, 100)
		now, all, _ := glances(t, o, "", true)
		s.Put(fetchtest.Text(300, 1), fetchtest.Text(400, 2))
		s.Forget()
		d := open(t, o).(*session)
		if _, err := d.Glance(t.Context()); err != nil {
			t.Fatal(err)
		}
		uids, ok, err := d.Since(t.Context(), now)
		if !ok || len(uids) != 2 || err != nil {
			t.Fatalf("%q, %v, %v", uids, ok, err)
		}
		let, listings := uids[:1], 0
		if old {
			let, listings = []mail.UID{all[3], uids[1]}, 1
		}
		if err := d.Release(t.Context(), let); err != nil || d.Close() != nil || len(d.Gone()) != len(let) {
			t.Errorf("%v; gone %q", err, d.Gone())
		}
		bare := 0
		for _, l := range s.Log() {
			if l == "LIST" {
				bare++
			}
		}
		if bare != listings || len(s.Left()) != 102-len(let) {
			t.Errorf("%d listings, %d left: %q", bare, len(s.Left()), s.Log())
		}
		after, _, _ := glances(t, o, "", true)
		if _, added, listed := glances(t, o, after, false); listed || len(added) > 0 {
			t.Errorf("%q, %v", added, listed)
		}
	}
}

// FuzzSince gives answers to single questions any text: nothing is named that was there, and nothing twice.
func FuzzSince(f *testing.F) {
	f.Add("+OK 5 500", "+OK 4 d", "+OK 5 e", "+OK 5 100", "4 400 0123456789abcdef")
	f.Add("+OK 4 400", "-ERR", "+OK", "+OK 5", "0")
	f.Add("+OK 9 9", "+OK 4", "+OK 5 =x", "+OK 5 -1", "x y z")
	f.Fuzz(func(t *testing.T, stat, fourth, fifth, size, glance string) {
		s := fetchtest.NewPOP3(t)
		s.On = map[string]func(*fetchtest.POP3Conn, string) bool{
			"STAT": says(stat + "\r\n"),
			"LIST": says(size + "\r\n"),
			"UIDL": func(c *fetchtest.POP3Conn, arg string) bool {
				c.Raw(map[string]string{"4": fourth, "5": fifth}[arg] + "\r\n")
				return true
			},
		}
		o := impatient(options(s, nil))
		o.After = Keep
		d, err := (&Retriever{o}).Open(t.Context())
		if err != nil {
			return
		}
		defer d.Close()
		now, err := d.(*session).Glance(t.Context())
		if err != nil || len(now) > 100 || strings.ContainsAny(now, "\r\n") {
			return
		}
		uids, ok, _ := d.(*session).Since(t.Context(), glance)
		have := map[mail.UID]bool{}
		for _, u := range uids {
			if !ok || u == "" || have[u] || u.Derived() {
				t.Fatalf("%q, %v", uids, ok)
			}
			have[u] = true
		}
	})
}

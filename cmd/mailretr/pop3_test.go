package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"mailretr/fetch/fetchtest"
)

// newLetters makes a server with n messages of different headers, each with a unique-id, and a journey to it.
func newLetters(t *testing.T, n int) (*fetchtest.POP3, *journey) {
	s := fetchtest.NewPOP3(t)
	for i := range n {
		s.Add(&fetchtest.Mail{Octets: numbered(i), UID: fmt.Sprint("uid", i)})
	}
	return s, newJourney(t, "pop3://jaco@"+s.Listen(t))
}

func numbered(i int) []byte {
	return fmt.Appendf(nil, "Message-ID: <%d@example.org>\r\nSubject: no %d\r\n\r\nbody %d\r\n", i, i, i)
}

// once fails unless each of n messages was delivered once, and asked for once.
func (j *journey) once(s *fetchtest.POP3, n int) {
	j.Helper()
	var all []string
	for _, m := range j.mta.Mails() {
		_, subject, _ := strings.Cut(string(m.Data), "\r\nSubject: ")
		subject, _, _ = strings.Cut(subject, "\r\n")
		all = append(all, subject)
	}
	slices.Sort(all)
	if len(all) != n || len(slices.Compact(slices.Clone(all))) != n {
		j.Errorf("%d were delivered, want %d: %q", len(all), n, all)
	}
	if s.Count("RETR") != n {
		j.Errorf("%d bodies were asked for, want %d", s.Count("RETR"), n)
	}
}

// TestR24_SizeChangesAfterALostDeletion: a message whose deletion the server did not do is announced with another size the
// next time. It is known, deleted, and crosses the line once.
func TestR24_SizeChangesAfterALostDeletion(t *testing.T) {
	s, j := newLetters(t, 3)
	s.Behave(map[string]func(*fetchtest.POP3Conn, string) bool{"DELE": func(c *fetchtest.POP3Conn, arg string) bool {
		if arg == "2" {
			c.Say("-ERR not now")
		}
		return arg == "2"
	}})
	j.visit("after: delete", nil)
	if len(s.Left()) != 1 {
		t.Fatalf("%d are left: nothing is tested", len(s.Left()))
	}
	s.Behave(nil)
	s.Lie(4711)
	j.visit("after: delete", nil)
	j.once(s, 3)
	if len(s.Left()) != 0 {
		t.Error("it is not let go of")
	}
}

// TestR24_OtherMessageUnderTheSameUID: nothing is deleted that was not collected.
func TestR24_OtherMessageUnderTheSameUID(t *testing.T) {
	s, j := newLetters(t, 3)
	s.Behave(map[string]func(*fetchtest.POP3Conn, string) bool{"DELE": func(c *fetchtest.POP3Conn, arg string) bool {
		if arg == "2" {
			c.Say("-ERR not now")
		}
		return arg == "2"
	}})
	j.visit("after: delete", nil)
	s.Behave(nil)
	s.Clear()
	s.Add(&fetchtest.Mail{Octets: append(numbered(7), "more\r\n"...), UID: "uid1"})
	j.visit("after: delete", nil)
	j.once(s, 4)
}

// TestR13_NewUniqueIDs: a server gives new unique-ids to mail that is kept, twice; none of it is collected again, and what
// is new is.
func TestR13_NewUniqueIDs(t *testing.T) {
	s, j := newLetters(t, 5)
	j.visit("after: keep", nil)
	for round := range 2 {
		s.Clear()
		for i := range 6 + round {
			s.Add(&fetchtest.Mail{Octets: numbered(i), UID: fmt.Sprintf("round%d-%d", round, i)})
		}
		j.visit("after: keep", nil)
		j.once(s, 6+round)
	}
	if len(s.Left()) != 7 {
		t.Errorf("%d are left", len(s.Left()))
	}
}

// TestR12_OneUniqueIDForTwo: a second message gets the unique-id of one that is kept, and the first one goes away later.
func TestR12_OneUniqueIDForTwo(t *testing.T) {
	s, j := newLetters(t, 3)
	j.visit("after: keep", nil)
	s.Add(&fetchtest.Mail{Octets: numbered(3), UID: "uid1"})
	j.visit("after: keep", nil)
	j.once(s, 4)
	s.Clear()
	for i, uid := range []string{"uid0", "uid2", "uid1"} {
		s.Add(&fetchtest.Mail{Octets: numbered([]int{0, 2, 3}[i]), UID: uid})
	}
	j.visit("after: keep", nil)
	j.once(s, 4)
}

// TestR12_NoUniqueIDYet: a server gives unique-ids only to what was retrieved.
func TestR12_NoUniqueIDYet(t *testing.T) {
	s, j := newLetters(t, 0)
	for i := range 3 {
		s.Add(&fetchtest.Mail{Octets: numbered(i), NoUID: true})
	}
	j.visit("after: keep", nil)
	s.Clear()
	for i := range 3 {
		s.Add(&fetchtest.Mail{Octets: numbered(i), UID: fmt.Sprint("late", i)})
	}
	s.Add(&fetchtest.Mail{Octets: numbered(3), NoUID: true})
	for range 2 {
		j.visit("after: keep", nil)
		j.once(s, 4)
	}
}

// TestServerIsRemarked: what is odd about a server stands in the status as long as it matters.
func TestServerIsRemarked(t *testing.T) {
	s, j := newLetters(t, 1)
	s.Caps = append(s.Caps, "EXPIRE 30")
	if got := j.visit("after: keep", nil); len(got) != 1 || !strings.Contains(got[0], "after 30 days") {
		t.Errorf("remarked: %q", got)
	}
	if got := j.visit("after: keep", nil); len(got) != 1 {
		t.Errorf("remarked the second time: %q", got)
	}
	s.Put(numbered(1))
	for _, r := range j.visit("after: delete", nil) {
		if strings.Contains(r, "30 days") {
			t.Errorf("remarked though nothing is kept: %q", r)
		}
	}
}

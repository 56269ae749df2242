package imap

import (
	"fmt"
	"slices"
	"testing"

	"mailretr/store/mail"
)

// A folder that is made anew between the question for its state and its opening is that of its opening, whole: its UIDNEXT
// too. If it had the other one's it would look unchanged as soon as so much mail has come.
func TestFolderMadeAnewBeforeItIsOpened(t *testing.T) {
	s := newServer(t)
	s.put("Lists", letterOf(1, "a"), letterOf(2, "b"), letterOf(3, "c"), letterOf(4, "d"))
	s.on = func(c *client, tag, verb, args string) bool {
		if verb == "SELECT" || verb == "EXAMINE" {
			c.mu.Lock()
			if b := c.folders["Lists"]; b.validity == 7 {
				*b = box{validity: 9, next: 3, letters: []*letter{{uid: 1, octets: letterOf(5, "e")}, {uid: 2, octets: letterOf(6, "f")}}}
			}
			c.mu.Unlock()
		}
		return false
	}
	m := &Memory{}
	session := func(since string) (uids []mail.UID, glance string) {
		r := s.retriever(nil)
		r.Folders, r.After, r.Memory = []string{"INBOX", "Lists"}, Keep, m
		d := open(t, r)
		var err error
		if since == "" {
			uids, _, err = d.List(t.Context())
		} else {
			uids, _, err = d.(mail.Glancer).Since(t.Context(), since)
		}
		if err != nil {
			t.Fatal(err)
		}
		if glance, err = d.(mail.Glancer).Glance(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		return uids, glance
	}
	uids, glance := session("")
	equal(t, "listed", fmt.Sprint(uids), "[Lists/9/1 Lists/9/2]")
	if got, want := m.Folders["Lists"], (State{UIDValidity: 9, UIDNext: 3, Exists: 2}); got != want {
		t.Errorf("remembered %+v, want %+v", got, want)
	}
	s.put("Lists", letterOf(7, "g"), letterOf(8, "h"))
	uids, now := session(glance)
	if now == glance || !slices.Equal(uids, []mail.UID{"Lists/9/3", "Lists/9/4"}) {
		t.Errorf("%v came since %s, now %s", uids, glance, now)
	}
}

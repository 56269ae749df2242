package imap

import (
	"strings"
	"testing"
)

// TestUTF8Accept: mail with UTF-8 in its header comes as it is from a server that gives it only to who asks for
// it; it is asked for before a folder is opened, in the flight of the SELECT, and only where the names of folders
// bear it.
func TestUTF8Accept(t *testing.T) {
	want := "From: Jörg <jörg@exämple.org>\r\nSubject: naïve\r\n\r\nbody\r\n"
	for _, c := range []struct {
		name, caps, folder string
		memory             *Memory
		refused, asked     bool
	}{
		{name: "offered", caps: " ENABLE UTF8=ACCEPT", folder: "INBOX", asked: true},
		{name: "offered, remembered", caps: " ENABLE UTF8=ACCEPT", folder: "INBOX", asked: true,
			memory: &Memory{Caps: []string{"ENABLE", "UTF8=ACCEPT"}, Busy: true}},
		{name: "offered, idle", caps: " ENABLE UTF8=ACCEPT", folder: "INBOX", asked: true,
			memory: &Memory{Caps: []string{"ENABLE", "UTF8=ACCEPT"}}},
		{name: "only", caps: " ENABLE UTF8=ONLY", folder: "INBOX", asked: true},
		{name: "refused", caps: " ENABLE UTF8=ACCEPT", folder: "INBOX", refused: true, asked: true},
		{name: "not offered", caps: " ENABLE", folder: "INBOX"},
		{name: "no ENABLE", caps: " UTF8=ACCEPT", folder: "INBOX"},
		{name: "a name in UTF-7", caps: " ENABLE UTF8=ACCEPT", folder: "Entw&APw-rfe"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t)
			s.caps = goodCaps + c.caps
			s.put(c.folder, []byte(want))
			enabled := false
			s.on = func(cl *client, tag, verb, args string) bool {
				switch {
				case verb == "ENABLE" && c.refused:
					cl.say("%s NO not now\r\n", tag)
				case verb == "ENABLE":
					enabled = cl.box == nil
					cl.say("* ENABLED UTF8=ACCEPT\r\n%s OK\r\n", tag)
				case verb == "UID FETCH" && strings.Contains(args, "BODY") && !enabled && c.asked && !c.refused:
					say(cl, tag, "", []byte("Subject: your reader does not support it\r\n\r\n"))
				default:
					return false
				}
				return true
			}
			r := s.retriever(nil)
			r.Folders, r.Memory = []string{strings.ReplaceAll(c.folder, "&APw-", "ü")}, c.memory
			x, err := collect(t.Context(), r)
			if err != nil || len(x.octets) != 1 || len(x.gone) != 1 {
				t.Fatal(x.octets, x.gone, err, s.said())
			}
			for _, b := range x.octets {
				equal(t, "the message", b, want)
			}
			equal(t, "asked", s.saw("ENABLE UTF8=ACCEPT"), c.asked)
		})
	}
}

// TestUTF8NotAccepted: where it is not given, the folder that mail is moved to is called as it was before, not made
// anew under its coded name.
func TestUTF8NotAccepted(t *testing.T) {
	for answer, name := range map[string]string{
		"%[1]s NO not now\r\n": "Entw&APw-rfe", "%[1]s OK\r\n": "Entw&APw-rfe", "* ENABLED UTF8=ACCEPT\r\n%[1]s OK\r\n": "Entwürfe",
	} {
		s := newServer(t)
		s.caps = goodCaps + " ENABLE UTF8=ACCEPT SPECIAL-USE LIST-EXTENDED MOVE"
		s.put("INBOX", letterOf(1, "one"))
		s.put(name)
		s.lines = []string{`(\Archive) "/" "` + name + `"`}
		s.on = at("ENABLE", func(c *client, tag, _ string) { c.say(answer, tag) })
		r := s.retriever(nil)
		r.After, r.Target = Move, `\Archive`
		if x, err := collect(t.Context(), r); err != nil || len(x.gone) != 1 || len(s.left(name)) != 1 || s.saw("CREATE") {
			t.Errorf("%q: %v, %v, %q", answer, x.gone, err, s.said())
		}
	}
}

// TestIntroduction: a server that opens no folder for who has not said who he is, is told, and told at once in
// the next session.
func TestIntroduction(t *testing.T) {
	s := newServer(t)
	s.caps = goodCaps + " ID"
	known := false
	s.on = func(c *client, tag, verb, args string) bool {
		switch {
		case verb == "ID":
			known = args != "NIL"
			c.say("* ID (\"name\" \"Coremail Imap\" \"trans_id\" NIL)\r\n%s OK ID completed\r\n", tag)
		case verb == "LOGIN":
			known = false
			return false
		case !known && (verb == "SELECT" || verb == "STATUS"):
			c.say("%s NO %s Unsafe Login. Please contact kefu@188.com for help\r\n", tag, verb)
		default:
			return false
		}
		return true
	}
	r := s.retriever(nil)
	r.Memory = &Memory{}
	for i := range 3 {
		s.put("INBOX", letterOf(i, "x"))
		if x, err := collect(t.Context(), r); err != nil || len(x.gone) != 1 {
			t.Fatal(x.gone, err)
		}
	}
	equal(t, "refusals", s.count("SELECT")-3, 1)
	s = newServer(t)
	s.put("INBOX", letterOf(1, "x"))
	if x, err := collect(t.Context(), s.retriever(nil)); err != nil || len(x.gone) != 1 || s.saw("ID") {
		t.Error(x.gone, err, s.said())
	}
}

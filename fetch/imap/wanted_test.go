package imap

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/store/mail"
)

const special = goodCaps + " SPECIAL-USE LIST-EXTENDED MOVE"

// provider has the folders that a provider's accounts have, with one message each.
func provider(t *testing.T, caps string) (*server, *Retriever) {
	s := newServer(t)
	s.caps = caps
	s.lines = []string{
		`(\HasNoChildren) "/" INBOX`,
		`(\HasNoChildren \Trash) "/" "Papierkorb"`,
		`(\HasNoChildren \Sent) "/" "Gesendet"`,
		`(\HasNoChildren \Junk) "/" "Werbung"`,
		`(\HasNoChildren \Archive) "/" "Entw&APw-rfe 2025"`,
		`(\Noselect \HasChildren) "/" "Lists"`,
		`(\HasNoChildren) "/" "Lists/a"`,
		`(\HasNoChildren) "/" "Lists/b"`,
		`(\HasNoChildren) "/" "Lists/b/old"`,
		`(\HasNoChildren) "/" "Lists/a"`,
		`(\All \HasNoChildren) "/" "Alles"`,
	}
	for i, l := range s.lines {
		e, ok := parseList([]byte("* LIST " + l + "\r\n"))
		if !ok {
			t.Fatal(l)
		}
		if name := e.raw; s.folders[name] == nil || len(s.folders[name].letters) == 0 {
			s.put(name, letterOf(i, name))
		}
	}
	delete(s.folders, "Lists")
	r := s.retriever(nil)
	r.After = Keep
	return s, r
}

// covered opens a session and returns the folders that it collects from, and what is remarked.
func covered(t *testing.T, r *Retriever) (folders []string, remarks []string) {
	t.Helper()
	r.Observe = mail.ObserverFunc(func(e mail.Event) {
		if e.Op == mail.OpRemark && e.Topic == topicFolders {
			remarks = append(remarks, e.Text)
		}
	})
	d := open(t, r)
	if _, _, err := d.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	folders, _ = d.(mail.Coverer).Covers()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return folders, remarks
}

// TestFoldersMeant: names, patterns and roles, by which a folder is meant, and what they spare.
func TestFoldersMeant(t *testing.T) {
	for _, x := range []struct {
		folders, except, want string
		remark                string
	}{
		{"INBOX", "", "INBOX", ""},
		{"*", "", "INBOX Entwürfe_2025 Lists/a Lists/b Lists/b/old", ""},
		{"Lists/%", "", "Lists/a Lists/b", ""},
		{"Lists/* INBOX", "Lists/a", "Lists/b Lists/b/old INBOX", ""},
		{`\Junk INBOX`, "", "Werbung INBOX", ""},
		{`* \Junk Gesendet`, `\Archive Lists/*`, "INBOX Werbung Gesendet", ""},
		{`INBOX \Drafts x*`, "", "INBOX", `no folder is \Drafts; no folder is x*`},
		{"Entw*", "", "Entwürfe_2025", ""},
		{"INBOX Lists/b", "INBOX Lists/*", "INBOX Lists/b", ""}, // what is named is meant
		{"%", `\Archive INBOX Lists/a`, "", "-"},
	} {
		for _, caps := range []string{special, goodCaps} {
			_, r := provider(t, caps)
			r.Folders, r.Except = strings.Fields(x.folders), strings.Fields(x.except)
			if x.remark == "-" {
				_, err := r.Open(t.Context())
				if k := kind(t, x.folders, err, mail.Local); !strings.Contains(k.Error(), "no folder") || k.Hint == "" {
					t.Errorf("%s: %v", x.folders, err)
				}
				continue
			}
			got, remarks := covered(t, r)
			if s := strings.ReplaceAll(strings.Join(got, "\n"), " ", "_"); s != strings.ReplaceAll(x.want, " ", "\n") {
				t.Errorf("%s without %s, %s: %q", x.folders, x.except, caps, got)
			}
			if strings.Join(remarks, "|") != x.remark {
				t.Errorf("%s: %q", x.folders, remarks)
			}
		}
	}
}

// TestUsesByUsualNames: a server that says nothing of special uses has them under their usual names; one that
// says something of one folder is believed about all.
func TestUsesByUsualNames(t *testing.T) {
	for _, caps := range []string{goodCaps, special} {
		s, _ := provider(t, caps)
		s.folders = map[string]*box{}
		s.lines = nil
		for _, name := range []string{"INBOX", "INBOX/Spam", "Sent Items", "Trash", "Unsent"} {
			s.put(name, letterOf(1, name))
		}
		r := s.retriever(nil)
		r.Folders = []string{"*"}
		if got, _ := covered(t, r); strings.Join(got, " ") != "INBOX Unsent" {
			t.Errorf("%s: %q", caps, got)
		}
		r.Folders = []string{`\Junk`}
		if got, _ := covered(t, r); strings.Join(got, " ") != "INBOX/Spam" {
			t.Errorf("%s: %q", caps, got)
		}
		s.lines = []string{`(\Junk) "/" Odd`, `() "/" INBOX`, `() "/" Trash`}
		s.put("Odd", letterOf(1, "x"))
		r.Folders = []string{"*"}
		if got, _ := covered(t, r); strings.Join(got, " ") != "INBOX Trash" {
			t.Errorf("%s: %q", caps, got)
		}
	}
}

// TestR21_FoldersOfAHostileServer: names that lead upwards, end lines, are endless or not coded as they
// should be are named and left out; nothing of them is sent, and the other folders' mail flows.
func TestR21_FoldersOfAHostileServer(t *testing.T) {
	s, r := provider(t, special)
	long := strings.Repeat("x", 10<<10)
	s.lines = append(s.lines,
		`(\HasNoChildren) "/" "../../x"`,
		"() \"/\" {7}\r\nINBOX\r\n",
		"() \"/\" {18}\r\nINBOX\r\nL1 LOGOUT x",
		`() "/" "`+long+`"`,
		fmt.Sprintf("() \"/\" {%d}\r\n%s", len(long), long),
		`() "/" "&broken"`,
		`() "/" "&AC4ALgAv-etc"`,
		`() "/" "caf`+"\xe9"+`"`,
		`() "/" "`+"`id`"+`"`, // a name like another
		`nonsense`,
		`(\HasNoChildren) "/"`,
	)
	s.put("`id`", letterOf(1, "x"))
	r.Folders, r.Memory = []string{"*"}, &Memory{}
	var remarks []mail.Event
	r.Observe = mail.ObserverFunc(func(e mail.Event) { remarks = append(remarks, e) })
	r.After = Delete
	x, err := collect(t.Context(), r)
	if err != nil || !x.whole || len(x.octets) != 6 || len(x.gone) != 6 {
		t.Errorf("%d messages, complete %v, %v", len(x.octets), x.whole, err)
	}
	if len(remarks) != 1 || strings.ContainsAny(remarks[0].Text, "\r\n") || len(remarks[0].Text) > 1000 ||
		!strings.Contains(remarks[0].Text, `"../../x" is left out`) || !strings.Contains(remarks[0].Text, "and 5 more") {
		t.Errorf("remarks: %+v", remarks)
	}
	for _, c := range s.said() {
		if strings.Contains(c, "..") || strings.Contains(c, "broken") || strings.Contains(c, "LOGOUT x") {
			t.Errorf("it was sent %q", c)
		}
	}
}

// TestR21_EndlessList: an answer without end ends the session at a bound.
func TestR21_EndlessList(t *testing.T) {
	s, r := provider(t, special)
	s.on = at("LIST", func(c *client, _, _ string) {
		for range 100_000 {
			c.say("* LIST () \"/\" %q\r\n", strings.Repeat("x", 200))
		}
	})
	r.Folders = []string{"*"}
	_, err := collect(t.Context(), r)
	kind(t, "an endless list", err, mail.Protocol)
}

// TestListAmongOtherTalk: what comes beside the answer, in pieces of any size, reaches the library; the
// answer does not.
func TestListAmongOtherTalk(t *testing.T) {
	s, r := provider(t, special)
	s.on = at("LIST", func(c *client, tag, args string) {
		text := "* CAPABILITY IMAP4rev1 XYZZY\r\n* OK [ALERT] {7} LIST me\r\n* LIST () \"/\" {5}\r\nINBOX\r\n" +
			"* LIST (\\Junk) \"/\" \"a {3}\"\r\n" + tag + " OK done\r\n* 3 EXISTS\r\n"
		for i := range len(text) {
			c.say("%s", text[i:i+1])
			c.w.Flush()
		}
	})
	r.Folders = []string{"*"}
	got, _ := covered(t, r)
	if strings.Join(got, " ") != "INBOX" {
		t.Errorf("%q", got)
	}
}

// TestListBreaks: silence and an end of the line during LIST end the session as anywhere else.
func TestListBreaks(t *testing.T) {
	for name, do := range map[string]func(c *client, tag, args string){
		"cut":     func(c *client, _, _ string) { c.say("* LIST () \"/\" "); c.w.Flush(); c.conn.Close() },
		"bye":     func(c *client, _, _ string) { c.say("* BYE [UNAVAILABLE] later\r\n"); c.w.Flush(); c.conn.Close() },
		"refused": func(c *client, tag, _ string) { c.say("%s NO [UNAVAILABLE] not now\r\n", tag) },
	} {
		s, r := provider(t, special)
		s.on = at("LIST", do)
		r.Folders = []string{"*"}
		_, err := collect(t.Context(), r)
		want := map[string]mail.Kind{"cut": mail.Unreachable, "bye": mail.Busy, "refused": mail.Busy}[name]
		kind(t, name, err, want)
	}
}

// TestFoldersAreRemembered: for an hour the folders are not listed again, also by another process; when the
// settings change they are. What is left out is told once, and once more when it is well.
func TestFoldersAreRemembered(t *testing.T) {
	s, r := provider(t, special)
	now := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	r.Now = func() time.Time { return now }
	r.Folders, r.Memory = []string{"Lists/*", `\Drafts`}, &Memory{}
	lists := func() int { return s.count("LIST") }
	visit := func(what string, listed bool, want string, remarks int) {
		t.Helper()
		before := lists()
		got, said := covered(t, r)
		if strings.Join(got, " ") != want || (lists() > before) != listed || len(said) != remarks {
			t.Errorf("%s: %q, listed %d, %q", what, got, lists()-before, said)
		}
	}
	visit("first", true, "Lists/a Lists/b Lists/b/old", 1)
	visit("second", false, "Lists/a Lists/b Lists/b/old", 0)
	s.lines = append(s.lines, `() "/" Lists/c`, `(\Drafts) "/" D`)
	s.put("Lists/c", letterOf(1, "x"))
	s.put("D", letterOf(1, "x"))
	now = now.Add(59 * time.Minute)
	visit("within the hour", false, "Lists/a Lists/b Lists/b/old", 0)
	now = now.Add(2 * time.Minute)
	visit("after an hour", true, "Lists/a Lists/b Lists/b/old Lists/c D", 1)
	r.Except = []string{"Lists/b*"}
	visit("other settings", true, "Lists/a Lists/c D", 0)
	now = now.Add(-5 * time.Hour)
	visit("the clock was set back", true, "Lists/a Lists/c D", 0)
	delete(s.folders, "Lists/a")
	visit("a folder is gone", false, "Lists/c D", 1)
	visit("and still is", false, "Lists/c D", 0)
}

// TestFolderRecipients: mail of a folder goes to whom the entry says by which the folder was meant first.
func TestFolderRecipients(t *testing.T) {
	_, r := provider(t, special)
	r.Folders = []string{"INBOX", "Lists/a", "Lists/*", `\Junk`}
	r.To = map[string][]mail.Path{"Lists/*": {"lists@kroon.co.za", "b@kroon.co.za"}, `\Junk`: {"spam@kroon.co.za"}}
	d := open(t, r)
	got := map[string]string{}
	for m, err := range d.Messages(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		folder, _, _, _ := parseUID(m.Origin.UID)
		for _, to := range m.To {
			got[folder] += string(to) + " "
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	const both = "lists@kroon.co.za b@kroon.co.za "
	want := map[string]string{"Lists/b": both, "Lists/b/old": both, "Werbung": "spam@kroon.co.za "}
	if !maps.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestMoveToARole: the folder that has the role is found when something is to be moved, and never collected
// from by a pattern.
func TestMoveToARole(t *testing.T) {
	for _, caps := range []string{special, goodCaps} {
		s, r := provider(t, caps)
		r.After, r.Target, r.Folders = Move, `\Archive`, []string{"*"}
		got, _ := covered(t, r)
		if slices.Contains(got, "Entwürfe 2025") {
			t.Errorf("%q", got)
		}
		r.Folders = []string{"INBOX"}
		before := s.count("LIST")
		covered(t, r)
		equal(t, "LIST for nothing", s.count("LIST"), before)
		x, err := collect(t.Context(), r)
		if err != nil || len(x.gone) != 1 || len(s.left("Entw&APw-rfe 2025")) != 2 {
			t.Errorf("%s: gone %v, %v", caps, x.gone, err)
		}
		s.put("INBOX", letterOf(7, "x"))
		r.Target = `\Drafts`
		_, err = collect(t.Context(), r)
		if k := kind(t, "no such role", err, mail.Local); !strings.Contains(k.Error(), `\Drafts`) {
			t.Error(k)
		}
		equal(t, "left", len(s.left("INBOX")), 1)
	}
}

// TestLabels: at Gmail folders are labels.
func TestLabels(t *testing.T) {
	for caps, want := range map[string]bool{special: false, special + " X-GM-EXT-1": true} {
		for _, folders := range []string{"INBOX", "INBOX Lists/a"} {
			_, r := provider(t, caps)
			r.Folders = strings.Fields(folders)
			d := open(t, r)
			if _, labels := d.(mail.Coverer).Covers(); labels != (want && folders != "INBOX") {
				t.Errorf("%s, %s: %v", caps, folders, labels)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

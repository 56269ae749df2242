package imap

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	goimap "github.com/emersion/go-imap/v2"

	"mailretr/store/mail"
)

// TestFilter: what does not match is listed as before and not let through, folder by folder; it is when it
// matches. Nothing can be said at a glance then.
func TestFilter(t *testing.T) {
	for _, caps := range []string{goodCaps, oldest} {
		s := newServer(t)
		s.caps = caps
		for i := range 1000 {
			s.put([]string{"INBOX", "Lists"}[i%2], letterOf(i, []string{"news", "dull", "dull"}[i%3]))
		}
		asked := ""
		s.filter = func(keys string, l *letter) bool {
			asked = keys
			return bytes.Contains(l.octets, []byte("news")) && !slices.Contains(l.flags, `\Seen`)
		}
		r := s.retriever(nil)
		r.Folders = []string{"INBOX", "Lists"}
		r.Search = &goimap.SearchCriteria{NotFlag: []goimap.Flag{goimap.FlagSeen},
			Not: []goimap.SearchCriteria{{Header: []goimap.SearchCriteriaHeaderField{{Key: "FROM", Value: `a"b{5+}`}}}}}
		d := open(t, r)
		uids, complete, err := d.List(t.Context())
		if err != nil || !complete || len(uids) != 1000 {
			t.Fatal(len(uids), complete, err)
		}
		if g, err := d.(mail.Glancer).Glance(t.Context()); err != nil || g != "" {
			t.Errorf("glance %q, %v", g, err)
		}
		filter := d.(mail.Filterer)
		got, err := filter.Filter(t.Context(), uids)
		if err != nil || len(got) != 334 {
			t.Errorf("%d let through, %v", len(got), err)
		}
		equal(t, "what was asked", asked, `UNSEEN NOT (FROM "a\"b{5+}")`)
		equal(t, "longer lines that are still allowed", d.(*session).line.wide.Load(), int64(0))
		if got, err = filter.Filter(t.Context(), []mail.UID{"INBOX/1714/2", "INBOX/1714/1", "Lists/7/3", "x/1/1"}); err != nil ||
			!slices.Equal(got, []mail.UID{"INBOX/1714/1"}) {
			t.Errorf("%q, %v", got, err)
		}
		s.mu.Lock()
		s.folders["INBOX"].letters[0].flags = []string{`\Seen`}
		s.mu.Unlock()
		if got, err = filter.Filter(t.Context(), []mail.UID{"INBOX/1714/1"}); err != nil || len(got) != 0 {
			t.Errorf("%q, %v", got, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGlanceOfAFilter: a flag that changes is seen at a glance where the server has CONDSTORE, and by nothing
// less than a listing; elsewhere nothing can be said.
func TestGlanceOfAFilter(t *testing.T) {
	s := newServer(t)
	s.caps = goodCaps + " CONDSTORE"
	s.put("INBOX", letterOf(1, "x"))
	s.put("Lists", letterOf(1, "x"))
	modseq := "77"
	s.on = at("STATUS", func(c *client, tag, args string) {
		name, _, _ := strings.Cut(args, " (")
		if !strings.Contains(args, "HIGHESTMODSEQ") {
			t.Errorf("asked %q", args)
		}
		c.say("* STATUS %s (MESSAGES 1 UIDVALIDITY 5 UIDNEXT 2%s)\r\n%s OK done\r\n", name, modseq, tag)
	})
	r := s.retriever(nil)
	r.Folders = []string{"INBOX", "Lists"}
	r.Search = &goimap.SearchCriteria{NotFlag: []goimap.Flag{goimap.FlagSeen}}
	glance := func(m string) string {
		modseq = m
		d := open(t, r)
		g, err := d.(mail.Glancer).Glance(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, ok, err := d.(mail.Glancer).Since(t.Context(), g); ok || err != nil {
			t.Errorf("since %q: %v, %v", g, ok, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		return g
	}
	a, b, c, none := glance(" HIGHESTMODSEQ 7"), glance(" HIGHESTMODSEQ 7"), glance(" HIGHESTMODSEQ 8"), glance("")
	if a == "" || a != b || a == c || none != "" {
		t.Errorf("%q, %q, %q, %q", a, b, c, none)
	}
}

// TestGlanceOfAFirmFilter: one that looks at nothing that changes needs no CONDSTORE: what was there and was not let through
// never will be, so only what is new is asked about.
func TestGlanceOfAFirmFilter(t *testing.T) {
	from := func(who string) goimap.SearchCriteria {
		return goimap.SearchCriteria{Header: []goimap.SearchCriteriaHeaderField{{Key: "FROM", Value: who}}}
	}
	flag := goimap.SearchCriteria{NotFlag: []goimap.Flag{goimap.FlagSeen}}
	for _, c := range []struct {
		search goimap.SearchCriteria
		firm   bool
	}{
		{from("a"), true},
		{goimap.SearchCriteria{Larger: 5, Not: []goimap.SearchCriteria{from("a")}}, true},
		{goimap.SearchCriteria{Or: [][2]goimap.SearchCriteria{{from("a"), from("b")}}}, true},
		{flag, false},
		{goimap.SearchCriteria{Not: []goimap.SearchCriteria{{Flag: []goimap.Flag{"x"}}}}, false},
		{goimap.SearchCriteria{Or: [][2]goimap.SearchCriteria{{from("a"), flag}}}, false},
		{goimap.SearchCriteria{Or: [][2]goimap.SearchCriteria{{flag, from("a")}}}, false},
	} {
		s := newServer(t)
		s.filter = func(_ string, l *letter) bool { return bytes.Contains(l.octets, []byte("news")) }
		s.put("INBOX", letterOf(1, "dull"), letterOf(2, "news"))
		r := s.retriever(nil)
		r.Memory, r.Search = &Memory{}, &c.search
		glance := glimpse(t, r)
		if (glance != "") != c.firm {
			t.Errorf("%+v: glance %q", c.search, glance)
		}
		if !c.firm {
			continue
		}
		s.put("INBOX", letterOf(3, "dull"), letterOf(4, "news"))
		d := open(t, r)
		uids, ok, err := d.(mail.Glancer).Since(t.Context(), glance)
		if err != nil || !ok || len(uids) != 2 {
			t.Fatal(uids, ok, err)
		}
		got, err := d.(mail.Filterer).Filter(t.Context(), uids)
		if err != nil || !slices.Equal(got, []mail.UID{"INBOX/1714/4"}) {
			t.Errorf("let through: %q, %v", got, err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestFilterOfAHostileServer: an answer that was not asked for, is endless, or is a refusal lets nothing
// through that was not listed.
func TestFilterOfAHostileServer(t *testing.T) {
	for name, x := range map[string]struct {
		answer string
		fails  bool
	}{
		"foreign": {"* ESEARCH (TAG %q) UID ALL 2,77\r\n%[1]s OK done\r\n", false},
		"endless": {"* ESEARCH (TAG %q) UID ALL 1:4294967295\r\n%[1]s OK done\r\n", true},
		"refused": {"%[1]s NO [CANNOT] no such key\r\n", true},
	} {
		s := newServer(t)
		s.put("INBOX", letterOf(1, "x"), letterOf(2, "x"), letterOf(3, "x"))
		r := s.retriever(nil)
		r.Search = &goimap.SearchCriteria{NotFlag: []goimap.Flag{goimap.FlagSeen}}
		d := open(t, r)
		uids, _, err := d.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		s.on = at("UID SEARCH", func(c *client, tag, _ string) { c.say("%s", fmt.Sprintf(x.answer, tag)) })
		s.mu.Unlock()
		got, err := d.(mail.Filterer).Filter(t.Context(), uids)
		if (err != nil) != x.fails || !x.fails && !slices.Equal(got, []mail.UID{"INBOX/1714/2"}) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		d.Close()
	}
}

package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// A mailserver is the library's IMAP server, which keeps one account in memory.
type mailserver struct {
	*imapmemserver.User
	t   *testing.T
	url string
	n   int
}

func newMailserver(t *testing.T, caps imap.CapSet, folders ...string) *mailserver {
	all, user := imapmemserver.New(), imapmemserver.NewUser("jaco", "secret")
	all.AddUser(user)
	for _, f := range append([]string{"INBOX"}, folders...) {
		if err := user.Create(f, nil); err != nil {
			t.Fatal(err)
		}
	}
	return &mailserver{User: user, t: t, url: "imap://jaco@" + serveIMAP(t, caps, all.NewSession)}
}

// serveIMAP starts the library's server and returns its address.
func serveIMAP(t *testing.T, caps imap.CapSet, session func() imapserver.Session) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return session(), nil, nil
		},
		Caps: caps, Logger: log.New(io.Discard, "", 0), InsecureAuth: true,
	})
	ended := make(chan error)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-ended })
	return l.Addr().String()
}

// sizedReader is what the library calls a literal.
type sizedReader struct{ *bytes.Reader }

func (s sizedReader) Size() int64 { return s.Reader.Size() }

// put puts a message with a number of its own into a folder, and returns its subject.
func (s *mailserver) put(folder string, flags ...imap.Flag) string {
	s.t.Helper()
	s.n++
	subject := fmt.Sprintf("no %d in %s", s.n, folder)
	b := fmt.Appendf(nil, "Return-Path: <back@example.org>\r\nFrom: a@example.org\r\nMessage-ID: <%d@example.org>\r\nSubject: %s\r\n\r\nbody %d\r\n", s.n, subject, s.n)
	o := &imap.AppendOptions{Time: time.Now(), Flags: flags}
	if _, err := s.Append(folder, sizedReader{bytes.NewReader(b)}, o); err != nil {
		s.t.Fatal(err)
	}
	return subject
}

// count returns how many messages a folder has; -1: there is no such folder.
func (s *mailserver) count(folder string) int {
	d, err := s.Status(folder, &imap.StatusOptions{NumMessages: true})
	if err != nil {
		return -1
	}
	return int(*d.NumMessages)
}

// delivered returns what the MTA has, as "recipient: subject", sorted.
func (j *journey) delivered() (all []string) {
	for _, m := range j.mta.Mails() {
		_, subject, _ := strings.Cut(string(m.Data), "\r\nSubject: ")
		subject, _, _ = strings.Cut(subject, "\r\n")
		for _, to := range m.To {
			local, _, _ := strings.Cut(string(to.Path), "@")
			all = append(all, local+": "+subject)
			if m.From != "back@example.org" {
				j.Errorf("%s came from %q", subject, m.From)
			}
		}
	}
	slices.Sort(all)
	return all
}

var (
	oldServer = imap.CapSet{imap.CapIMAP4rev1: {}}
	newServer = imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}, imap.CapMove: {}, imap.CapListExtended: {},
		imap.CapSpecialUse: {}}
)

// TestFolders: patterns, a use and a folder with another recipient; what was collected is moved to a folder
// that is made for it, and from which nothing comes a second time, whatever the configuration says later.
func TestFolders(t *testing.T) {
	for name, caps := range map[string]imap.CapSet{"old": oldServer, "new": newServer} {
		t.Run(name, func(t *testing.T) {
			s := newMailserver(t, caps, "Lists", "Lists/a", "Lists/Entwürfe", "Junk", "Sent", "Else")
			j := newJourney(t, s.url)
			var want []string
			for folder, to := range map[string]string{"INBOX": "jaco", "Lists/a": "lists", "Lists/Entwürfe": "lists", "Junk": "spam"} {
				for range 3 {
					want = append(want, to+": "+s.put(folder))
				}
			}
			slices.Sort(want)
			s.put("Sent")
			s.put("Else")
			const folders = `folders: [INBOX, {name: "Lists/*", to: lists@kroon.co.za}, {name: \Junk, to: spam@kroon.co.za}]`
			if remarks := j.visit(folders+", after: {move: Old}", nil); len(remarks) > 0 {
				t.Errorf("remarks: %q", remarks)
			}
			check := func(what string) {
				t.Helper()
				if got := j.delivered(); !slices.Equal(got, want) {
					t.Errorf("%s: delivered %q\nwant %q", what, got, want)
				}
				if s.count("Sent") != 1 {
					t.Errorf("%s: a sent message is gone", what)
				}
			}
			check("first")
			if s.count("INBOX")+s.count("Lists/a")+s.count("Junk") != 0 || s.count("Old") != len(want) {
				t.Errorf("%d are in INBOX, %d in Old", s.count("INBOX"), s.count("Old"))
			}
			want = append(want, "jaco: no 14 in Else")
			slices.Sort(want)
			j.visit(`folders: ["*"], after: {move: Old}`, nil)
			check("by a pattern, beside the target")
			j.visit(`folders: ["*"], after: keep`, nil)
			check("from the former target")
			remarks := j.visit(`folders: ["*"], after: delete`, nil)
			if s.count("Old") != 13 || len(remarks) != 1 || !strings.Contains(remarks[0], "13 messages") {
				t.Errorf("%d are in Old; %q", s.count("Old"), remarks)
			}
		})
	}
}

// TestSeenAfterwards: what was collected is marked as read there and nothing else is; what somebody has read
// before is collected all the same; when the configuration comes to delete, it waits for somebody's word.
func TestSeenAfterwards(t *testing.T) {
	s := newMailserver(t, newServer)
	j := newJourney(t, s.url)
	for i := range 3 {
		s.put("INBOX", map[bool][]imap.Flag{true: {imap.FlagSeen}}[i == 1]...)
	}
	for range 2 {
		j.visit("after: seen", nil)
	}
	unseen := func() int {
		d, err := s.Status("INBOX", &imap.StatusOptions{NumUnseen: true})
		if err != nil {
			t.Fatal(err)
		}
		return int(*d.NumUnseen)
	}
	if len(j.delivered()) != 3 || s.count("INBOX") != 3 || unseen() != 0 {
		t.Errorf("%d delivered, %d are there, %d of them unseen", len(j.delivered()), s.count("INBOX"), unseen())
	}
	remarks := j.visit("after: delete", nil)
	if s.count("INBOX") != 3 || len(remarks) != 1 || !strings.Contains(remarks[0], "3 messages") {
		t.Errorf("%d are there; %q", s.count("INBOX"), remarks)
	}
}

// TestFolderIsLeftOut: one folder that cannot be opened is named in the status; the others flow.
func TestFolderIsLeftOut(t *testing.T) {
	s := newMailserver(t, newServer)
	j := newJourney(t, s.url)
	s.put("INBOX")
	remarks := j.visit("folders: [INBOX, Nowhere, \"x*\"]", nil)
	if len(j.delivered()) != 1 || len(remarks) != 1 || !strings.Contains(remarks[0], `folder "Nowhere" is left out`) ||
		!strings.Contains(remarks[0], "no folder is x*") {
		t.Errorf("%d delivered; %q", len(j.delivered()), remarks)
	}
	if err := s.Create("Nowhere", nil); err != nil {
		t.Fatal(err)
	}
	if remarks = j.visit("folders: [INBOX, Nowhere]", nil); len(remarks) > 0 {
		t.Errorf("remarks: %q", remarks)
	}
}

// TestSearch: what a filter does not let through is left as it is, and collected when it matches; marks are
// kept of what is still there.
func TestSearch(t *testing.T) {
	s := newMailserver(t, newServer)
	j := newJourney(t, s.url)
	for range 3 {
		s.put("INBOX", imap.FlagSeen)
	}
	s.put("INBOX")
	const filter = `search: 'UNSEEN NOT FROM "nobody" SINCE 1-Jan-2020 OR LARGER 10 SUBJECT "Rückmeldung"'`
	for range 2 {
		j.visit(filter, nil)
		if got := j.delivered(); len(got) != 1 || got[0] != "jaco: no 4 in INBOX" || s.count("INBOX") != 4 {
			t.Errorf("%q, %d are there", got, s.count("INBOX"))
		}
	}
	j.visit(filter+", after: seen", nil)
	s.put("INBOX", imap.FlagSeen)
	j.visit(`search: SEEN, after: delete`, nil)
	if got := j.delivered(); len(got) != 5 || s.count("INBOX") != 1 { // the first was kept
		t.Errorf("%q, %d are there", got, s.count("INBOX"))
	}
}

// TestCheckNamesFolders: check --connect says which folders a pattern stands for, and what is left out, and collects
// nothing.
func TestCheckNamesFolders(t *testing.T) {
	s := newMailserver(t, newServer, "Lists/a", "Sent")
	s.put("Lists/a")
	j := newJourney(t, s.url)
	j.visit(`folders: [INBOX, "Lists/*", "x*"]`, func(d *serving) {
		x := connectMaildrop(t.Context(), d.house.config.Load().Maildrops[0], nil)
		if x.Err != nil || !strings.Contains(x.Text, "1 message in INBOX, Lists/a,") ||
			!strings.Contains(x.Text, "no folder is x*") {
			t.Errorf("%q, %v", x.Text, x.Err)
		}
		if n := len(j.delivered()); n != 0 {
			t.Errorf("%d delivered", n)
		}
	})
}

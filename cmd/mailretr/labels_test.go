package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// R13: at Gmail, under first: new, what was there at first contact is left, also under a label that is new or was made anew,
// and when all labels are. What came since is collected, once, under whatever label.
func TestR13_LabelsLeaveOldMail(t *testing.T) {
	s := newMailserver(t, newServer, "Lists", "Lists/a", "Lists/b")
	j := newJourney(t, "imap://jaco@"+gmail(t, strings.TrimPrefix(s.url, "imap://jaco@")))
	put := func(folder string, n int, came time.Time) {
		t.Helper()
		b := fmt.Appendf(nil, "Return-Path: <back@example.org>\r\nReceived: by mx.example.org; %s\r\nFrom: a@example.org\r\n"+
			"Message-ID: <%d@example.org>\r\nSubject: %d\r\n\r\nbody %d\r\n", came.Format(time.RFC1123Z), n, n, n)
		if _, err := s.Append(folder, sizedReader{bytes.NewReader(b)}, &imap.AppendOptions{Time: came}); err != nil {
			t.Fatal(err)
		}
	}
	anew := func(folder string) {
		t.Helper()
		if folder != "INBOX" {
			s.Delete(folder)
			if err := s.Create(folder, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	const settings = `first: new, folders: [INBOX, "Lists/*"]`
	old := time.Now().AddDate(0, 0, -1)
	visit := func(want ...string) {
		t.Helper()
		j.visit(settings, nil)
		if got := j.delivered(); !slices.Equal(got, want) {
			t.Errorf("delivered %q, want %q", got, want)
		}
	}
	for n := range 3 {
		put("INBOX", n, old)
		put("Lists/a", n, old)
	}
	visit()
	since := time.Now().Add(time.Minute)
	put("INBOX", 3, since)
	anew("Lists/a")
	for n := range 4 { // the new one has the label as well
		put("Lists/a", n, map[bool]time.Time{true: old, false: since}[n < 3])
	}
	visit("jaco: 3")
	anew("Lists/b")
	put("Lists/b", 0, old)
	put("Lists/b", 4, since)
	visit("jaco: 3", "jaco: 4")
	anew("Lists/a")
	anew("Lists/b")
	for n := range 5 {
		put("Lists/a", n, map[bool]time.Time{true: old, false: since}[n < 3])
		put("Lists/b", n, map[bool]time.Time{true: old, false: since}[n < 3])
	}
	visit("jaco: 3", "jaco: 4")
	put("INBOX", 5, old) // somebody has put the label on it
	visit("jaco: 3", "jaco: 4", "jaco: 5")
}

// gmail stands before a server and says that its folders are labels, which the library's server cannot.
func gmail(t *testing.T, server string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go labelled(c, server)
		}
	}()
	return l.Addr().String()
}

func labelled(c net.Conn, server string) {
	defer c.Close()
	to, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer to.Close()
	go io.Copy(to, c)
	for r := bufio.NewReader(to); ; {
		line, err := r.ReadString('\n')
		line = strings.Replace(line, "CAPABILITY IMAP4rev1", "CAPABILITY IMAP4rev1 X-GM-EXT-1", 1)
		if _, failed := io.WriteString(c, line); err != nil || failed != nil {
			return
		}
	}
}

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/relaytest"
	"mailretr/store"
	"mailretr/store/mail"
)

// A crossing is a maildrop, two destinations, and whatever else a test writes.
type crossing struct {
	*home
	one, two *relaytest.MTA
	pop      *fetchtest.POP3
}

// refuses is an MTA that refuses an address.
func refuses(t *testing.T, address string) *relaytest.MTA {
	return relaytest.New(t, relaytest.Script{Answer: func(s relaytest.Step) relaytest.Answer {
		if s.Verb == "RCPT" && strings.Contains(s.Line, "<"+address) {
			return relaytest.Answer{Reply: "550 5.1.1 no such user"}
		}
		return relaytest.Answer{}
	}})
}

func newCrossing(t *testing.T) *crossing {
	return &crossing{home: newHome(t), one: refuses(t, "nobody@"), two: refuses(t, "nobody@"), pop: fetchtest.NewPOP3(t)}
}

// write writes the configuration; more stands at its left margin.
func (c *crossing) write(to, more string) {
	write(c.T, c.path, fmt.Sprintf(`hostname: mail.kroon.co.za
state: state
socket: run/s
watch: false
queue: {retry: [1s]}
limits: {headers_first: 1K}
deliver: {one: {smtp: "%s"}, two: {smtp: "%s"}}
bounce: {from: "Mail Delivery System <mailer-daemon@kroon.co.za>", postmaster: postmaster@kroon.co.za}
%s
maildrops:
  - {name: jaco, url: "pop3://jaco@%s", password: "secret", to: %s, tls: none, after: delete}
`, c.one.Address(), c.two.Address(), more, c.pop.Listen(c.T), to))
}

func (c *crossing) poll() {
	c.Helper()
	if code, out, talk := call(c.T, "poll", "--config", c.path); code != exOK && code != exTempFail {
		c.Fatalf("poll ended with %d: %s%s", code, out, talk)
	} else if code != exOK {
		c.Logf("poll: %s%s", out, talk)
	}
}

// got are the recipients of the messages of an MTA, in order of the alphabet; reports are left out.
func got(m *relaytest.MTA) (to []string) {
	for _, x := range m.Mails() {
		for _, r := range x.To {
			if x.From != "" {
				to = append(to, string(r.Path))
			}
		}
	}
	slices.Sort(to)
	return to
}

// One message for two destinations is fetched once, is let go of once, and each destination gets it once; a second one
// that goes by another route is not touched by that.
func TestTwoDestinations(t *testing.T) {
	c := newCrossing(t)
	c.write("[jaco@kroon.co.za, anna@lists.kroon.co.za]", `routes:
  - {recipient: "jaco@*", also: two}
  - {recipient: "*@lists.kroon.co.za", to: two}`)
	text := "Return-Path: <a@example.org>\r\nSubject: one\r\n\r\n" + strings.Repeat("large\r\n", 1000)
	c.pop.Put([]byte(text))
	c.poll()
	if a, b := got(c.one), got(c.two); !slices.Equal(a, []string{"jaco@kroon.co.za"}) ||
		!slices.Equal(b, []string{"anna@lists.kroon.co.za", "jaco@kroon.co.za"}) {
		t.Errorf("one got it for %v, two for %v", a, b)
	}
	if n, left := c.pop.Count("RETR"), len(c.pop.Left()); n != 1 || left != 0 {
		t.Errorf("fetched %d times, %d left", n, left)
	}
}

// The queue says of messages that are alike which one goes where, and of which one the sender does not hear.
func TestQueueTellsDestinationsApart(t *testing.T) {
	c := newCrossing(t)
	c.write("jaco@kroon.co.za", `routes: [{to: [one, two]}]`)
	d := c.open()
	c.put(d, "1")
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	code, out, talk := call(t, "queue", "-v", "--config", c.path)
	if code != exOK || strings.Count(out, "  to be delivered to one\n") != 1 || strings.Count(out, "  to be delivered to two\n") != 1 ||
		strings.Count(out, "jaco@kroon.co.za  waiting  (a copy: the sender hears of another message)\n") != 1 {
		t.Errorf("%d %s%s", code, out, talk)
	}
}

// A large message that one destination refuses and the other takes is fetched; the sender hears of it only where it was
// the first that refused.
func TestS11_MixedAnswerOfTwoDestinations(t *testing.T) {
	for first, reports := range map[string]int{"one": 1, "two": 0} {
		c := newCrossing(t)
		c.two = relaytest.New(t, relaytest.Script{})
		c.write("[nobody@kroon.co.za]", "routes: [{to: ["+first+", "+map[string]string{"one": "two", "two": "one"}[first]+"]}]")
		write(t, c.path, strings.Replace(c.text(), "after: delete", "after: delete, check: off", 1))
		c.pop.Put([]byte("Return-Path: <a@example.org>\r\nSubject: one\r\n\r\n" + strings.Repeat("large\r\n", 1000)))
		c.poll()
		if b := got(c.two); !slices.Equal(b, []string{"nobody@kroon.co.za"}) || len(got(c.one)) != 0 {
			t.Errorf("%s first: two got %v", first, b)
		}
		d := c.open()
		told, owed := 0, 0
		for l, err := range d.engine.List(t.Context(), store.Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			if !l.Record.Recipients[0].Copy {
				told++
			}
			owed++
		}
		if owed != 1 || told != reports {
			t.Errorf("%s first: %d wait, of whose failure %d senders hear", first, owed, told)
		}
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}
}

// A destination that refuses the maildrop's own recipient stops collecting where it is the first one, whatever the
// other says.
func TestCheckAsksTheFirstDestination(t *testing.T) {
	for first, taken := range map[string]int{"one": 0, "two": 1} {
		c := newCrossing(t)
		c.two = relaytest.New(t, relaytest.Script{})
		c.write("nobody@kroon.co.za", "routes: [{to: ["+first+", "+map[string]string{"one": "two", "two": "one"}[first]+"]}]")
		c.pop.Put([]byte("Return-Path: <a@example.org>\r\nSubject: one\r\n\r\nsmall\r\n"))
		c.poll()
		if n := c.pop.Count("RETR"); n != taken {
			t.Errorf("%s first: %d fetched", first, n)
		}
	}
}

// A reload moves what waits for a destination that is gone, once, and leaves the copy beside it alone.
func TestReloadOfRoutes(t *testing.T) {
	c := newCrossing(t)
	c.write("jaco@kroon.co.za", "routes: [{to: [one, two]}]")
	d := c.open()
	c.put(d, "1")
	where := func() (lanes []mail.Lane) {
		for l, err := range d.engine.List(t.Context(), store.Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			lanes = append(lanes, l.Record.Lane)
		}
		slices.Sort(lanes)
		return lanes
	}
	if got := where(); !slices.Equal(got, []mail.Lane{"one", "two"}) {
		t.Fatalf("queued for %v", got)
	}
	text := c.text()
	write(t, c.path, strings.NewReplacer("{one: ", "{new: ", "[one, two]", "[new, two]").Replace(text))
	for range 3 {
		if err := d.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := where(); !slices.Equal(got, []mail.Lane{"new", "two"}) {
			t.Errorf("after a reload: %v", got)
		}
	}
	c.deliver(d)()
	d = c.open()
	end := c.deliver(d)
	c.wait(c.one, 1)
	c.wait(c.two, 1)
	end()
	if a, b := len(c.one.Mails()), len(c.two.Mails()); a != 1 || b != 1 {
		t.Errorf("%d and %d came", a, b)
	}
}

// A rule for a folder means the folder that was collected from, and nothing that a POP3 server may call a message.
func TestFolderOf(t *testing.T) {
	c := newCrossing(t)
	c.write("jaco@kroon.co.za", `routes: [{folder: "Lists/*", to: two}]`)
	write(t, c.path, c.text()+`  - {name: anna, url: "imap://a@127.0.0.1:1", password: "x", to: anna@kroon.co.za, tls: none, enabled: false}
`)
	d := c.open()
	defer d.close()
	for _, x := range []struct {
		o    mail.Origin
		want mail.Lane
	}{
		{mail.Origin{Maildrop: "anna", UID: "Lists/go/7/1"}, "two"},
		{mail.Origin{Maildrop: "anna", UID: "INBOX/7/1"}, "one"},
		{mail.Origin{Maildrop: "jaco", UID: "Lists/go/7/1"}, "one"},
		{mail.Origin{Maildrop: "anna", UID: "nonsense"}, "one"},
		{mail.Origin{}, "one"},
	} {
		if got := d.route(x.o, mail.Envelope{}, mail.Recipient{Forward: "x@kroon.co.za"}); len(got) != 1 || got[0] != x.want {
			t.Errorf("%+v goes to %v", x.o, got)
		}
	}
}

// text is the configuration as it is.
func (c *crossing) text() string {
	c.Helper()
	b, err := os.ReadFile(c.path)
	if err != nil {
		c.Fatal(err)
	}
	return string(b)
}

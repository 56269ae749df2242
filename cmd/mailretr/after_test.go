package main

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/relaytest"
	"mailretr/store/mail"
)

// A journey is one maildrop under changing configurations, visited by one house after the other, with a clock
// that the test moves.
type journey struct {
	*home
	mta   *relaytest.MTA
	hop   string // what deliver: says; "": the mta
	url   string
	after time.Duration // since the first visit
}

// visit configures the maildrop (settings are more keys of its entry), collects and delivers once, and
// returns what the status then remarks. do is done in between.
func (j *journey) visit(settings string, do func(*serving)) (remarks []string) {
	j.Helper()
	write(j.T, j.path, fmt.Sprintf(`hostname: mail.kroon.co.za
state: state
socket: run/s
watch: false
queue: {retry: [1s]}
deliver: %s
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
maildrops:
  - {name: jaco, url: %q, password: "secret", to: jaco@kroon.co.za, tls: none, %s}
`, cmp.Or(j.hop, short(j.mta)), j.url, settings))
	d := j.open()
	after := j.after // a session of the house may still end when the test moves the clock
	now := func() time.Time { return time.Now().Add(after) }
	d.queue.Now, d.poller.Now = now, now
	d.poller.Set(j.Context(), d.drops())
	if do != nil {
		do(d)
	}
	for _, v := range d.poller.Poll(j.Context(), "jaco") {
		if v.Err != nil {
			j.Fatal(v.Err)
		}
	}
	if err := d.runner.Pass(j.Context()); err != nil {
		j.Fatal(err)
	}
	s, _ := d.status.Of("jaco")
	for _, r := range s.Remarks {
		remarks = append(remarks, r.Text)
	}
	if err := d.close(); err != nil {
		j.Fatal(err)
	}
	return remarks
}

func newJourney(t *testing.T, url string) *journey {
	return &journey{home: newHome(t), mta: relaytest.New(t, relaytest.Script{}), url: url}
}

// newSmallAndLarge makes a server with two messages, of 100 and of some 3000 octets.
func newSmallAndLarge(t *testing.T) (*fetchtest.POP3, *journey) {
	s := fetchtest.NewPOP3(t)
	s.User = "jaco"
	s.Put([]byte("Subject: small\r\n\r\n"+strings.Repeat("x", 80)+"\r\n"),
		[]byte("Subject: large\r\n\r\n"+strings.Repeat(strings.Repeat("x", 70)+"\r\n", 40)))
	return s, newJourney(t, "pop3://jaco@"+s.Listen(t))
}

// TestDeleteAfterDays: what was collected is let go of when its whole days are over, behind the day on which
// it was collected, and not when the configuration came to say so.
func TestDeleteAfterDays(t *testing.T) {
	s, j := newSmallAndLarge(t)
	const fortnight = "after: delete after 14d"
	j.visit(fortnight, nil)
	for _, x := range []struct{ days, left int }{{1, 2}, {14, 2}, {15, 0}} {
		j.after = time.Duration(x.days) * 24 * time.Hour
		j.visit(fortnight, nil)
		if n := len(s.Left()); n != x.left {
			t.Errorf("after %d days there are %d", x.days, n)
		}
	}
	if n := len(j.mta.Mails()); n != 2 {
		t.Errorf("%d messages were delivered", n)
	}
}

// TestDeleteAbove: only the large one goes, now or later; the small one stays for good.
func TestDeleteAbove(t *testing.T) {
	for settings, at := range map[string][2]int{ // left at once, and a week later
		"after: delete above 1K": {1, 1}, "after: delete above 1K after 3d": {2, 1},
		"after: {delete: , above: 1M}": {2, 2},
	} {
		s, j := newSmallAndLarge(t)
		for i, days := range []int{0, 7} {
			j.after = time.Duration(days) * 24 * time.Hour
			if remarks := j.visit(settings, nil); len(s.Left()) != at[i] || len(remarks) > 0 {
				t.Errorf("%s, after %d days: %d are left; %q", settings, days, len(s.Left()), remarks)
			}
		}
	}
}

// TestKeptIsConfirmed: mail that was collected while it was kept stays when the configuration comes to delete
// it, the status says how to have it deleted, and then it is.
func TestKeptIsConfirmed(t *testing.T) {
	s, j := newSmallAndLarge(t)
	if remarks := j.visit("after: keep", nil); len(remarks) > 0 {
		t.Errorf("remarks: %q", remarks)
	}
	s.Put([]byte("Subject: new\r\n\r\nnew\r\n"))
	for range 2 {
		remarks := j.visit("after: delete", nil)
		if len(remarks) != 1 || !strings.Contains(remarks[0], "2 messages") ||
			!strings.Contains(remarks[0], "mailretr seen accept --kept jaco") {
			t.Errorf("remarks: %q", remarks)
		}
		if n := len(s.Left()); n != 2 {
			t.Fatalf("%d are left", n)
		}
	}
	remarks := j.visit("after: delete", func(d *serving) {
		host, _, _ := net.SplitHostPort(strings.TrimPrefix(j.url, "pop3://jaco@"))
		if err := d.queue.Follow(t.Context(), mail.AccountOf("pop3", host, "jaco")); err != nil {
			t.Fatal(err)
		}
	})
	if len(s.Left()) != 0 || len(remarks) > 0 || len(j.mta.Mails()) != 3 {
		t.Errorf("%d are left, %d delivered, remarks %q", len(s.Left()), len(j.mta.Mails()), remarks)
	}
}

// TestAboveIsConfirmed: so does the small mail that was kept because it was small.
func TestAboveIsConfirmed(t *testing.T) {
	s, j := newSmallAndLarge(t)
	j.visit("after: delete above 1K", nil)
	remarks := j.visit("after: delete", nil)
	if len(s.Left()) != 1 || !slices.ContainsFunc(remarks, func(r string) bool { return strings.Contains(r, "1 message ") }) {
		t.Errorf("%d are left; %q", len(s.Left()), remarks)
	}
}

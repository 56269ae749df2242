//go:build interop

package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mailretr/relay/relaytest"
	"mailretr/relay/utf7"
	"mailretr/test/real"
)

// TestIdle: where the server says when mail comes, it is collected at once, though the next look is an hour away.
func TestIdle(t *testing.T) {
	d := real.StartDovecot(t)
	mta := relaytest.New(t, relaytest.Script{})
	d.Empty("jaco")
	p := newProgram(t, fmt.Sprintf(`
deliver: {smtp: "%s"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
poll: 1h
maildrops:
  - {name: jaco, url: "imap://jaco@localhost:%d", tls: none, password: {file: @DIR@/pass}, to: jaco@kroon.co.za, after: delete, check: off, idle: true}
`, mta.Address(), d.IMAP))
	p.serve()
	for i := range 3 {
		d.Put("jaco", []byte(text(uint64(i), fmt.Sprintf("n%d", i), 4000)))
		began := time.Now()
		eventually(t, time.Minute, "the message at the MTA", func() bool { return len(mta.Mails()) == i+1 })
		t.Logf("message %d was at the MTA %v after it came", i+1, time.Since(began).Round(time.Millisecond))
	}
}

// TestIdleWithFewerConnectionsThanFolders: Dovecot allows a user four connections, and there are seven folders. Three wait,
// with INBOX and one whose name is not ASCII among them, no visit is kept out, and what comes into the others is collected
// at the interval.
func TestIdleWithFewerConnectionsThanFolders(t *testing.T) {
	d := real.StartDovecotAs(t, real.Setup{Extra: "mail_max_userip_connections = 4\n"})
	mta := relaytest.New(t, relaytest.Script{})
	d.Empty("jaco")
	names := []string{"Entwürfe", "F1", "F2", "F3", "F4", "F5"}
	for i, name := range names {
		d.PutIn("jaco", utf7.Encode(name), "", []byte(text(uint64(i), "old", 1000)))
	}
	p := newProgram(t, fmt.Sprintf(`
deliver: {smtp: "%s"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
poll: 3s
maildrops:
  - {name: jaco, url: "imap://jaco@localhost:%d", tls: none, password: {file: @DIR@/pass}, to: jaco@kroon.co.za, after: delete, check: off, idle: true,
     folders: [%s, INBOX]}
`, mta.Address(), d.IMAP, strings.Join(names, ", ")))
	p.serve()
	eventually(t, time.Minute, "what was there", func() bool { return len(mta.Mails()) == len(names) })
	said := func() (texts []string) {
		for _, line := range p.lines("status", "jaco") {
			all, _ := line["remarks"].([]any)
			for _, r := range all {
				texts = append(texts, fmt.Sprint(r.(map[string]any)["text"]))
			}
		}
		return texts
	}
	const want = "the server says when mail comes in 3 of 7 folders, since more connections it does not allow; " +
		"these are looked at every 3s: F2, F3, F4, F5"
	eventually(t, time.Minute, want, func() bool { return slices.Equal(said(), []string{want}) })
	for i, folder := range []string{"", "F5", "Entwürfe"} {
		d.PutIn("jaco", utf7.Encode(folder), "", []byte(text(uint64(i), fmt.Sprintf("n%d", i), 4000)))
		eventually(t, time.Minute, "the message at the MTA", func() bool { return len(mta.Mails()) == len(names)+i+1 })
	}
	if n := strings.Count(p.logged(), "not collected"); n > 0 {
		t.Errorf("%d visits were kept out:\n%s", n, p.logged())
	}
}

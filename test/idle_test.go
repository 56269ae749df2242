//go:build interop

package test

import (
	"fmt"
	"testing"
	"time"

	"mailretr/relay/relaytest"
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

package main

import (
	"strings"
	"testing"

	"mailretr/relay/relaytest"
)

// A destination with invisible: true gets a message as it was collected, octet for octet; the other one gets our trace too.
func TestInvisible(t *testing.T) {
	c := newCrossing(t)
	c.write("jaco@kroon.co.za", "routes: [{to: [one, two]}]")
	write(t, c.path, strings.Replace(c.text(), `"}, two`, `", invisible: true}, two`, 1))
	const letter = "Received: from a.example by mail.isp.example; Wed, 4 Mar 2026 12:00:00 +0000\r\nSubject: hello\r\n\r\nbody\r\n"
	c.pop.Put([]byte(letter))
	c.poll()
	trace := func(m *relaytest.MTA) (before string) {
		t.Helper()
		all := m.Mails()
		if len(all) != 1 {
			t.Fatalf("%d came", len(all))
		}
		before, found := strings.CutSuffix(string(all[0].Data), letter)
		if !found {
			t.Errorf("not what was collected: %q", all[0].Data)
		}
		return before
	}
	if got := trace(c.one); got != "" {
		t.Errorf("the invisible one has %q", got)
	}
	if got := trace(c.two); !strings.HasPrefix(got, "Received: by mail.kroon.co.za (mailretr, maildrop jaco)") {
		t.Errorf("the other one has %q", got)
	}
	code, _, talk := call(t, "check", "--config", c.path)
	if code != exOK {
		t.Error(talk)
	}
}

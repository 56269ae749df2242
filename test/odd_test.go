//go:build interop

package test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"mailretr/relay/smtp"
	"mailretr/test/real"
)

// TestDovecotTakesAThousand: a thousand messages that fit no rule, by LMTP over a unix socket, are in the mailbox octet for
// octet.
func TestDovecotTakesAThousand(t *testing.T) {
	d := real.StartDovecotAs(t, real.Setup{Extra: lmtpSocket})
	d.User("jaco")
	c := connect(t, "unix", d.Dir+"/run/lmtp", func(o *smtp.Options) { o.LMTP = true })
	all := odd(1000)
	for i, text := range all {
		if r := c.Deliver(t.Context(), lettersTo(text, "jaco@kroon.co.za")); !r.Done(1) {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	compare(t, all, withCRLF(files(t, d.Dir+"/mail/jaco/new/*")))
}

// TestEximTakesAThousand: Exim mends headers, and so each is what follows a sound one here; it comes out octet for octet.
func TestEximTakesAThousand(t *testing.T) {
	e := real.StartExim(t, real.Rules{})
	c := connect(t, "tcp", local(e.Port), nil)
	var all [][]byte
	for i, text := range odd(1000) {
		all = append(all, append(fmt.Appendf(nil, "X-Number: in front of %d\r\nSubject: odd\r\n\r\n", i), text...))
		if r := c.Deliver(t.Context(), lettersTo(all[i], "jaco@kroon.co.za")); !r.Done(1) {
			t.Errorf("%d: %+v", i, r)
		}
	}
	real.Wait(t, time.Minute, "all of them", func() bool { return len(e.Delivered("jaco")) == len(all) })
	compare(t, all, withCRLF(e.Delivered("jaco")))
}

// withCRLF are messages with the line ends of the network.
func withCRLF(all []string) (out [][]byte) {
	for _, text := range all {
		out = append(out, bytes.ReplaceAll([]byte(text), []byte("\n"), []byte("\r\n")))
	}
	return out
}

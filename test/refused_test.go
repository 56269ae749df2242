//go:build interop

package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mailretr/test/real"
)

const common = `
deliver: {smtp: "localhost:%d"}
bounce: {from: "Mail Delivery System <mailer-daemon@kroon.co.za>", postmaster: postmaster@kroon.co.za}
queue: {retry: [1s]}
poll: 1s
maildrops:
  - name: jaco
    url: %s
%s    password: {file: @DIR@/pass}
    to: jaco@kroon.co.za
    after: delete
`

// TestRefusedAtRcpt: a plain 550 for this sender only. The body never crosses the line, and one DSN from the configured
// address goes out.
func TestRefusedAtRcpt(t *testing.T) {
	d := real.StartDovecot(t)
	for i, w := range ways(t, d, "jaco") {
		t.Run(w.name, func(t *testing.T) {
			d.Empty("jaco")
			e := real.StartExim(t, real.Rules{Rcpt: "  deny message = not from you\n    senders = sender@example.org\n"})
			d.Put("jaco", []byte(text(uint64(i), "refused", 5<<20)))
			p := newProgram(t, fmt.Sprintf(common, e.Port, w.url, w.extra))
			p.serve()
			eventually(t, time.Minute, "a DSN", func() bool { return len(e.Delivered("sender")) > 0 })
			eventually(t, time.Minute, "an empty maildrop", func() bool { return d.Count("jaco") == 0 })
			line := w.line.Octets()
			if err := p.stop(); err != nil {
				t.Errorf("stopping: %v", err)
			}
			t.Logf("%s: %d octets on the line", w.name, line)
			if line > 16<<10 {
				t.Errorf("%d octets crossed the line", line)
			}
			dsn := e.Delivered("sender")
			if len(dsn) != 1 || len(e.Delivered("jaco")) != 0 {
				t.Fatalf("%d DSNs, %d deliveries", len(dsn), len(e.Delivered("jaco")))
			}
			for _, want := range []string{"Return-path: <>", "From: Mail Delivery System <mailer-daemon@kroon.co.za>",
				"report-type=delivery-status", "Reporting-MTA: dns; mail.kroon.co.za", "Final-Recipient: rfc822; jaco@kroon.co.za",
				"not from you", "Subject: refused"} {
				if !strings.Contains(unquoted(dsn[0]), want) {
					t.Errorf("the DSN lacks %q:\n%s", want, dsn[0])
				}
			}
		})
	}
}

// unquoted lets a test look for a field whether or not its display name stands in quotation marks.
func unquoted(s string) string { return strings.ReplaceAll(s, `"`, "") }

// TestMisconfiguredRecipient: the same refusal whoever sends. It is the maildrop that is wrong, so nothing is fetched,
// bounced or deleted, and the status says what is wrong.
func TestMisconfiguredRecipient(t *testing.T) {
	d := real.StartDovecot(t)
	for i, w := range ways(t, d, "jaco") {
		t.Run(w.name, func(t *testing.T) {
			d.Empty("jaco")
			e := real.StartExim(t, real.Rules{Rcpt: "  deny message = no such user here\n    local_parts = jaco\n"})
			d.Put("jaco", []byte(text(uint64(i), "big", 5<<20)))
			d.Put("jaco", []byte(text(uint64(i), "small", 5<<10)))
			p := newProgram(t, fmt.Sprintf(common, e.Port, w.url, w.extra))
			p.serve()
			said := func() string {
				for _, s := range p.lines("status") {
					if text := fmt.Sprint(s); strings.Contains(text, "no such user here") {
						return text
					}
				}
				return ""
			}
			eventually(t, time.Minute, "a status that says it", func() bool { return said() != "" })
			t.Log(said())
			if err := p.stop(); err != nil {
				t.Errorf("stopping: %v", err)
			}
			if d.Count("jaco") != 2 || len(e.Delivered("sender")) != 0 || len(e.Delivered("postmaster")) != 0 {
				t.Errorf("%d left, %d DSNs, %d at the postmaster", d.Count("jaco"), len(e.Delivered("sender")), len(e.Delivered("postmaster")))
			}
			if n := w.line.Octets(); n > 16<<10 {
				t.Errorf("%d octets crossed the line", n)
			}
		})
	}
}

//go:build interop

package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mailretr/test/real"
)

const catchall = `
deliver: {smtp: "localhost:%d"}
bounce: {from: "Mail Delivery System <mailer-daemon@kroon.co.za>", postmaster: postmaster@kroon.co.za}
queue: {retry: [1s]}
poll: 1s
maildrops:
  - name: catchall
    url: %s
%s    password: {file: @DIR@/pass}
    multidrop:
      envelope: [X-Envelope-To, X-Original-To]
      strip_prefix: kroon-
      domains: [kroon.co.za]
      map: {info@kroon.co.za: [jaco@kroon.co.za, boss@kroon.co.za]}
    after: delete
`

// stored is a mail as a provider files it for one recipient; field names him.
func stored(field, id, mail string) []byte {
	return []byte("Return-Path: <sender@example.org>\r\n" + field + "\r\nDelivered-To: catchall@isp.example\r\n" +
		"Received: from out.example.org (out.example.org [192.0.2.7])\r\n\tby mx.isp.example (Postfix) with ESMTPS id " + id +
		"\r\n\t; Wed,  4 Nov 2026 10:11:12 +0200 (SAST)\r\n" + mail[strings.Index(mail, "From: "):])
}

// TestMultidrop: one mailbox holds the mail of many. A mail of 2 MB that is stored for each of three recipients crosses the
// line once; the MTA refuses one of them, whose sender is told, and the others get it byte for byte. Recipients of one
// field are told apart, an alias leads to two, and what names nobody stays and is named.
func TestMultidrop(t *testing.T) {
	d := real.StartDovecot(t)
	for i, w := range ways(t, d, "catchall") {
		t.Run(w.name, func(t *testing.T) {
			d.Empty("catchall")
			e := real.StartExim(t, real.Rules{Rcpt: "  deny message = no such user here\n    local_parts = gone\n"})
			const size = 2 << 20
			seed := uint64(100 * i)
			large, small, alias := text(seed, "large", size), text(seed+1, "small", 3000), text(seed+2, "alias", 3000)
			for _, to := range []string{"jaco", "gone", "anna"} {
				d.Put("catchall", stored("X-Original-To: kroon-"+to+"@kroon.co.za", "4XL", large))
			}
			d.Put("catchall", stored("X-Envelope-To: <jaco@kroon.co.za>,\r\n <anna@kroon.co.za>, gone@kroon.co.za, a@b.example", "4XS", small))
			d.Put("catchall", stored("X-Envelope-To: info@kroon.co.za", "4XA", alias))
			d.Put("catchall", stored("X-Envelope-To: x@elsewhere.example", "4XN", text(seed+3, "nobody", 3000)))
			p := newProgram(t, fmt.Sprintf(catchall, e.Port, w.url, w.extra))
			p.serve()
			want := map[string]int{"jaco": 3, "anna": 2, "boss": 1, "sender": 2, "gone": 0, "postmaster": 0}
			eventually(t, 2*time.Minute, "all deliveries", func() bool {
				for who, n := range want {
					if len(e.Delivered(who)) < n {
						return false
					}
				}
				return d.Count("catchall") == 1
			})
			line := w.line.Octets()
			status := fmt.Sprint(p.lines("status", "catchall"))
			if err := p.stop(); err != nil {
				t.Errorf("stopping: %v", err)
			}
			t.Logf("%s: %d octets on the line, %.4f of one mail", w.name, line, float64(line)/size)
			if line > size+size/50 {
				t.Errorf("%d octets crossed the line for a mail of %d", line, size)
			}
			if !strings.Contains(status, "names no recipient of ours") {
				t.Errorf("the status does not name what stays: %s", status)
			}
			for who, n := range want {
				if got := len(e.Delivered(who)); got != n {
					t.Errorf("%s has %d messages, want %d", who, got, n)
				}
			}
			delivered(t, e, "jaco", large, small, alias)
			delivered(t, e, "anna", large, small)
			delivered(t, e, "boss", alias)
			for _, dsn := range e.Delivered("sender") {
				if !strings.Contains(dsn, "Final-Recipient: rfc822; gone@kroon.co.za") || !strings.Contains(dsn, "no such user here") {
					t.Errorf("a DSN that does not say what was refused:\n%s", dsn)
				}
			}
		})
	}
}

// delivered checks that somebody has these mails, each once and byte for byte, with the header of his own copy.
func delivered(t *testing.T, e *real.Exim, who string, mails ...string) {
	t.Helper()
	have := map[string]int{}
	for _, m := range e.Delivered(who) {
		have[withoutTrace(t, m)]++
		if i := strings.Index(m, "X-Original-To: "); i >= 0 && !strings.HasPrefix(m[i:], "X-Original-To: kroon-"+who+"@") {
			t.Errorf("%s has somebody else's copy: %.300s", who, m[i:])
		}
	}
	for _, m := range mails {
		if n := have[withoutTrace(t, m)]; n != 1 {
			t.Errorf("%s has a mail %d times: %.200q", who, n, m)
		}
	}
}

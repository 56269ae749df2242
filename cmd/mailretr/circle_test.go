package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/relaytest"
)

// An end is one of two programs that collect each from where the other delivers.
type end struct {
	*testing.T
	pop    *fetchtest.POP3 // it collects here
	mta    *relaytest.MTA  // and delivers here
	taken  int             // of what is there
	config string
}

func newEnd(t *testing.T, host string) *end {
	dir := t.TempDir()
	e := &end{T: t, pop: fetchtest.NewPOP3(t), mta: relaytest.New(t, relaytest.Script{}), config: filepath.Join(dir, "mailretr.yaml")}
	write(t, e.config, `hostname: mail.`+host+`
state: state
socket: run/s
deliver: {smtp: "`+e.mta.Address()+`"}
bounce: {from: "Mail Delivery System <mailer-daemon@`+host+`>", postmaster: postmaster@`+host+`}
maildrops:
  - {name: round, url: "pop3://jaco@`+e.pop.Listen(t)+`", tls: none, password: secret, after: delete, to: round@`+host+`}
`)
	return e
}

// turn collects and delivers once, and returns what came to the MTA meanwhile.
func (e *end) turn() (came []relaytest.Mail) {
	e.Helper()
	if code, out, talk := call(e.T, "poll", "--config", e.config); code != exOK {
		e.Fatalf("poll ended with %d: %s%s", code, out, talk)
	}
	all := e.mta.Mails()
	came, e.taken = all[e.taken:], len(all)
	return came
}

// S13: two that collect each from where the other delivers. The circle ends: at its second turn where the message shows
// that it was here before, within the number of hands that are believed where those between have folded that anew; in
// any case its sender is told once, nobody else is told, and nothing is left.
func TestS13_TwoThatCollectFromEachOther(t *testing.T) {
	plain := func(b []byte) []byte { return b }
	anew := func(b []byte) []byte { // what hands between may do, and the fields that each of them adds
		b = bytes.ReplaceAll(b, []byte("Received: by "), []byte("Received:\r\n\tby "))
		hop := []byte("Received: from one.example by another.example; Wed,  4 Nov 2026 10:11:12 +0200\r\n")
		return append(bytes.Repeat(hop, 5), b...)
	}
	for _, x := range []struct {
		what   string
		sender string
		hands  func([]byte) []byte
		turns  int // at most
	}{
		{"it shows that it was here", "sender@example.org", plain, 3},
		{"between them it is folded anew", "sender@example.org", anew, 10},
		{"its sender is in the circle", "round@b.example", plain, 6},
		{"its sender is in the circle, and it is folded anew", "round@b.example", anew, 20},
	} {
		t.Run(x.what, func(t *testing.T) {
			a, b := newEnd(t, "a.example"), newEnd(t, "b.example")
			a.pop.Put([]byte("Return-Path: <" + x.sender + ">\r\nReceived: from mx.example.org by isp.example; Wed,  4 Nov 2026 10:11:12 +0200\r\n" +
				"From: " + x.sender + "\r\nTo: round@a.example\r\nSubject: round\r\nMessage-ID: <round>\r\n\r\nand round\r\n"))
			var told []relaytest.Mail
			turns := 0
			for from, to := a, b; len(a.pop.Left())+len(b.pop.Left()) > 0; from, to = to, from {
				if turns++; turns > 60 {
					t.Fatal("it goes on for ever")
				}
				for _, m := range from.turn() {
					switch who := string(m.To[0].Path); {
					case len(m.To) != 1:
						t.Errorf("for %v", m.To)
					case strings.HasPrefix(who, "round@"): // into the circle, reports too
						to.pop.Put(append([]byte("Return-Path: <"+string(m.From)+">\r\n"), x.hands(m.Data)...))
					default:
						told = append(told, m)
					}
				}
			}
			if turns > x.turns {
				t.Errorf("it went round for %d turns", turns)
			}
			outside := !strings.HasPrefix(x.sender, "round@")
			switch {
			case len(told) > 1, outside && len(told) != 1:
				t.Fatalf("%d messages left the circle", len(told))
			case outside && (told[0].From != "" || string(told[0].To[0].Path) != x.sender || !bytes.Contains(told[0].Data, []byte("It goes in a circle"))):
				t.Errorf("from %q to %v:\n%.2000s", told[0].From, told[0].To, told[0].Data)
			}
			t.Logf("%d turns, %d messages left the circle", turns, len(told))
			for _, e := range []*end{a, b} {
				if code, out, talk := call(t, "queue", "--config", e.config); code != exOK || strings.Contains(out, "round") {
					t.Errorf("still there: %d %s%s", code, out, talk)
				}
			}
		})
	}
}

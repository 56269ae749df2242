package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"mailretr/fetch/fetchtest"
	"mailretr/relay/relaytest"
)

// A cap holds whatever a server sends: here a header without an end, whose beginning is all that is in the budget.
func TestCapHoldsAgainstAServer(t *testing.T) {
	const cap = 300 << 10
	pop := fetchtest.NewPOP3(t)
	pop.Put([]byte("From: a@example.org\r\n\r\n" + filler("large", 100<<10)))
	pop.On = map[string]func(*fetchtest.POP3Conn, string) bool{"TOP": func(c *fetchtest.POP3Conn, _ string) bool {
		c.Raw("+OK\r\n")
		for c.Raw("X: " + strings.Repeat("x", 900) + "\r\n") {
		}
		return true
	}}
	server := pop.Listen(t)
	mta := relaytest.New(t, relaytest.Script{})
	config := filepath.Join(t.TempDir(), "mailretr.yaml")
	write(t, config, `hostname: mail.kroon.co.za
state: state
socket: run/s
deliver: {smtp: "`+mta.Address()+`"}
bounce: {from: "Mail Delivery System <mailer-daemon@kroon.co.za>", postmaster: postmaster@kroon.co.za}
line: {month: 300K}
limits: {headers_first: 32K}
maildrops:
  - {name: jaco, url: "pop3://jaco@`+server+`", tls: none, password: secret, after: delete, multidrop: {envelope: X-To, domains: [kroon.co.za]}}
`)
	var code int
	var out, talk string
	for range 3 {
		code, out, talk = call(t, "poll", "--config", config)
	}
	if code == exOK || !strings.Contains(out+talk, "no room") {
		t.Errorf("poll ended with %d: %s%s", code, out, talk)
	}
	_, out, _ = call(t, "status", "--traffic", "--json", "--config", config)
	var line struct {
		Month struct {
			Up   int64 `json:"line_up"`
			Down int64 `json:"line_down"`

			Wasted int64 `json:"wasted"` // what had come when the connection was cut
		} `json:"month"`
	}
	first, _, _ := strings.Cut(out, "\n")
	if err := json.Unmarshal([]byte(first), &line); err != nil {
		t.Fatal(err)
	}
	if n := line.Month.Up + line.Month.Down - line.Month.Wasted; n > cap || n < cap-16<<10 {
		t.Errorf("%d octets were read and written, of %d", n, cap)
	}
}

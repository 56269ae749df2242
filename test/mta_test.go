//go:build interop

package test

import (
	"crypto/sha256"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"mailretr/relay/relaytest"
	"mailretr/relay/smtp"
	"mailretr/relay/wire"
	"mailretr/store/mail"
	"mailretr/test/real"
)

// TestMTAFailsAtEachVerb: the MTA refuses, cuts and says 421 at each verb in turn, five times each, and then works. All
// arrives once; a bounce goes out only where it refused a recipient or a message for good, and never for what it says
// of us.
func TestMTAFailsAtEachVerb(t *testing.T) {
	d := real.StartDovecot(t)
	for _, verb := range []string{relaytest.Connect, "EHLO", "MAIL", "RCPT", "DATA", relaytest.Body, relaytest.Dot} {
		for _, a := range []struct {
			name   string
			answer relaytest.Answer
		}{
			{"451", relaytest.Answer{Reply: "451 4.3.0 later"}},
			{"421", relaytest.Answer{Reply: "421 4.3.2 shutting down", Cut: true}},
			{"cut", relaytest.Answer{Cut: true}},
			{"554 of us", relaytest.Answer{Reply: "554 5.7.1 no service for you"}},
		} {
			if a.name == "554 of us" && verb != relaytest.Connect && verb != "EHLO" {
				continue // later it is said of the message: bounce's tests
			}
			if verb == relaytest.Body {
				a.answer.Cut = true // one that goes on, and takes what it has refused, has nobody to blame
			}
			t.Run(verb+" "+a.name, func(t *testing.T) { failingMTA(t, d, verb, a.answer) })
		}
	}
}

func failingMTA(t *testing.T, d *real.Dovecot, verb string, answer relaytest.Answer) {
	var mu sync.Mutex
	failed := 0
	mta := relaytest.New(t, relaytest.Script{Answer: func(s relaytest.Step) relaytest.Answer {
		mu.Lock()
		defer mu.Unlock()
		if s.Verb != verb || failed >= 5 {
			return relaytest.Answer{}
		}
		failed++
		return answer
	}})
	d.Empty("jaco")
	want := map[[32]byte]bool{}
	for i := range 8 {
		octets := text(uint64(i), fmt.Sprintf("n%d", i), 4000)
		want[sha256.Sum256([]byte(body(normal(octets))))] = true
		d.Put("jaco", []byte(octets))
	}
	p := newProgram(t, fmt.Sprintf(`
deliver: {smtp: "%s", connections: 1}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
queue: {retry: [1s]}
maildrops:
  - {name: jaco, url: "pop3://jaco@localhost:%d", tls: none, password: {file: @DIR@/pass}, to: jaco@kroon.co.za, after: delete, check: off}
`, mta.Address(), d.POP3))
	p.serve()
	eventually(t, 10*time.Second, "an empty maildrop", func() bool { return d.Count("jaco") == 0 })
	eventually(t, 2*time.Minute, "all messages at the MTA", func() bool {
		if len(mta.Mails()) >= len(want) {
			return true
		}
		p.run("queue", "retry", "--now", "--all", "--yes") // a sick lane is tried at growing intervals
		return false
	})
	if err := p.stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	for _, m := range mta.Mails() {
		sum := sha256.Sum256([]byte(body(string(m.Data))))
		if !want[sum] {
			t.Errorf("twice, or not what was sent, from %v: %.200q", m.From, m.Data)
		}
		delete(want, sum)
	}
	if len(want) > 0 {
		t.Errorf("%d are lost", len(want))
	}
	if !strings.Contains(p.logged(), "level=WARN") && !strings.Contains(p.logged(), "level=ERROR") {
		t.Error("the log says nothing of it")
	}
}

// TestEximAsDebianShipsIt: a hundred messages and a hundred probes over few connections. Exim delivers each message at once,
// though it only queues the eleventh of a connection, and says 554 to nobody, though it minds the eleventh command that
// is no mail.
func TestEximAsDebianShipsIt(t *testing.T) {
	d, e := real.StartDovecot(t), real.StartExim(t, real.Rules{})
	for i := range 100 {
		d.Put("jaco", []byte(text(uint64(i), fmt.Sprintf("n%d", i), 3000)))
	}
	p := newProgram(t, fmt.Sprintf(common, e.Port, fmt.Sprintf("pop3://jaco@localhost:%d", d.POP3), "    tls: none\n"))
	p.serve()
	eventually(t, time.Minute, "a hundred deliveries", func() bool { return len(e.Delivered("jaco")) == 100 })
	if err := p.stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if strings.Contains(e.Log(), "no immediate delivery") {
		t.Error("Exim left mail in its queue")
	}
	client, err := smtp.New(smtp.Options{Hello: "mail.kroon.co.za", Dial: []wire.Options{{
		Address: net.JoinHostPort("127.0.0.1", fmt.Sprint(e.Port)), TLS: wire.TLS{Mode: wire.Plain}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range 100 {
		m := &mail.Message{Envelope: mail.Envelope{Reverse: "a@example.org", Recipients: []mail.Recipient{{Forward: "jaco@kroon.co.za"}}},
			Content: unasked{}}
		if r := client.Probe(t.Context(), m); !r.All(mail.Delivered) {
			t.Fatalf("probe %d: %+v", i, r)
		}
	}
	if strings.Contains(e.Log(), "554") || strings.Contains(e.Log(), "nonmail") {
		t.Errorf("Exim minded:\n%s", e.Log())
	}
}

// unasked is the content of a probe.
type unasked struct{ mail.Content }

func (unasked) Size() int64 { return 100_000 }

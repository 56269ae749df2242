//go:build interop

package test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailretr/relay/relaytest"
	"mailretr/relay/smtp"
	"mailretr/relay/wire"
	"mailretr/store/mail"
	"mailretr/test/real"
)

// connect makes a client of a server that is here; change alters its options.
func connect(t *testing.T, network, address string, change func(*smtp.Options)) *smtp.Client {
	t.Helper()
	o := smtp.Options{Hello: "mail.kroon.co.za", Dial: []wire.Options{{Network: network, Address: address,
		TLS: wire.TLS{Mode: wire.Plain}}}}
	if change != nil {
		change(&o)
	}
	c, err := smtp.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", fmt.Sprint(port)) }

func lettersTo(octets []byte, to ...mail.Path) *mail.Message {
	m := &mail.Message{Content: relaytest.Of(octets), Queued: time.Now()}
	m.Envelope.Reverse = "a@example.org"
	for _, p := range to {
		m.Envelope.Recipients = append(m.Envelope.Recipients, mail.Recipient{Forward: p})
	}
	return m
}

// stranger is whom the MTA shall judge.
func stranger(context.Context, *mail.Message) mail.Client {
	return mail.Client{Addr: netip.MustParseAddr("192.0.2.7"), Name: "out.a.example", Hello: "mail.a.example"}
}

// TestMTAJudgesTheClient: Postfix by XCLIENT and by both versions of the PROXY protocol, Exim by the latter, take a message as
// from the host that handed it to the provider, and refuse what they refuse from there.
func TestMTAJudgesTheClient(t *testing.T) {
	const refuse = "\nsmtpd_client_restrictions = check_client_access inline:{192.0.2.66=REJECT}"
	listed := func(context.Context, *mail.Message) mail.Client {
		return mail.Client{Addr: netip.MustParseAddr("192.0.2.66"), Hello: "spam.example"}
	}
	postfix := func(settings string) func(t *testing.T) (int, func() []string) {
		return func(t *testing.T) (int, func() []string) {
			p := real.StartPostfix(t, settings+refuse)
			t.Cleanup(func() { tell(t, p.Log()) })
			return p.Port, p.Delivered
		}
	}
	exim := func(t *testing.T) (int, func() []string) {
		e := real.StartExim(t, real.Rules{Heavy: true, Main: "hosts_proxy = 127.0.0.1",
			Rcpt: "  deny hosts = 192.0.2.66\n    message = not from there\n"})
		t.Cleanup(func() { tell(t, e.Log()) })
		return e.Port, func() []string { return files(t, e.Dir+"/spool/input/*-H") }
	}
	for _, x := range []struct {
		name  string
		start func(*testing.T) (int, func() []string)
		how   smtp.Introduction
		want  string
	}{
		{"Postfix XCLIENT", postfix("smtpd_authorized_xclient_hosts = 127.0.0.1"), smtp.XClient, "from mail.a.example (out.a.example [192.0.2.7])"},
		{"Postfix PROXY 1", postfix("smtpd_upstream_proxy_protocol = haproxy"), smtp.ProxyV1, "from mail.a.example (unknown [192.0.2.7])"},
		{"Postfix PROXY 2", postfix("smtpd_upstream_proxy_protocol = haproxy"), smtp.ProxyV2, "from mail.a.example (unknown [192.0.2.7])"},
		{"Exim PROXY 1", exim, smtp.ProxyV1, "from [192.0.2.7] (helo=mail.a.example)"},
		{"Exim PROXY 2", exim, smtp.ProxyV2, "from [192.0.2.7] (helo=mail.a.example)"},
	} {
		t.Run(x.name, func(t *testing.T) {
			port, delivered := x.start(t)
			who := stranger
			c := connect(t, "tcp", local(port), func(o *smtp.Options) {
				o.Introduce, o.Client = x.how, func(ctx context.Context, m *mail.Message) mail.Client { return who(ctx, m) }
			})
			send := func(want mail.Outcome) {
				t.Helper()
				if r := c.Deliver(t.Context(), lettersTo([]byte("Subject: x\r\n\r\nbody\r\n"), "jaco@kroon.co.za")); !r.All(want) {
					t.Fatalf("%+v", r)
				}
			}
			send(mail.Delivered)
			send(mail.Delivered)
			who = listed
			send(mail.Failed)
			who = func(context.Context, *mail.Message) mail.Client { return mail.Client{} }
			send(mail.Delivered)
			real.Wait(t, 10*time.Second, "three deliveries", func() bool { return len(delivered()) == 3 })
			clients := 0
			for _, m := range delivered() {
				if strings.Contains(strings.Join(strings.Fields(m), " "), x.want) {
					clients++
				}
			}
			if clients != 2 {
				t.Errorf("%d of %q", clients, delivered())
			}
		})
	}
}

// files returns what stands in some files.
func files(t *testing.T, pattern string) (all []string) {
	list, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
	return all
}

func tell(t *testing.T, log string) {
	if t.Failed() {
		t.Log(log)
	}
}

// lmtpSocket makes Dovecot listen with LMTP.
const lmtpSocket = `
protocols = pop3 imap lmtp
auth_username_format = %n
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
}
`

// TestRealMTAsTakeAnything: the contract's messages, through Postfix by SMTP and Dovecot by LMTP over a unix socket, are those
// that come out, octet for octet.
func TestRealMTAsTakeAnything(t *testing.T) {
	p := real.StartPostfix(t, "")
	t.Cleanup(func() { tell(t, p.Log()) })
	d := real.StartDovecotAs(t, real.Setup{Extra: lmtpSocket})
	d.User("jaco")
	for name, x := range map[string]struct {
		c   *smtp.Client
		to  mail.Path
		got func() []string
	}{
		"Postfix": {connect(t, "tcp", local(p.Port), nil), "jaco@kroon.co.za", p.Delivered},
		"Dovecot LMTP": {connect(t, "unix", d.Dir+"/run/lmtp", func(o *smtp.Options) { o.LMTP = true }), "jaco@kroon.co.za",
			func() []string { return files(t, d.Dir+"/mail/jaco/new/*") }},
	} {
		t.Run(name, func(t *testing.T) {
			want := map[string]int{}
			for i, octets := range relaytest.Corpus() {
				mark := fmt.Sprintf("X-Mark: %d\r\n", i)
				if r := x.c.Deliver(t.Context(), lettersTo(append([]byte(mark), octets...), x.to)); !r.Done(1) {
					t.Fatalf("%d: %+v", i, r)
				}
				want[strings.ReplaceAll(mark+string(octets), "\r\n", "\n")]++
			}
			n := len(relaytest.Corpus())
			real.Wait(t, 20*time.Second, "all of them", func() bool { return len(x.got()) == n })
			for _, m := range x.got() {
				m = strings.ReplaceAll(m, "\r\n", "\n")
				m = strings.Replace(m, "\n\nnot a header", "\nnot a header", 1) // Postfix puts the empty line where it is due
				_, rest, found := strings.Cut(m, "X-Mark: ")
				if rest = "X-Mark: " + rest; !found || want[rest] == 0 {
					t.Errorf("not what was sent: %.300q", m)
				}
				want[rest]--
			}
		})
	}
}

// TestPostfixRecipientLimit: a message for more than the server takes at once goes in several transactions, without an
// attempt more.
func TestPostfixRecipientLimit(t *testing.T) {
	p := real.StartPostfix(t, "smtpd_recipient_limit = 10\nsmtpd_recipient_overshoot_limit = 5\nsmtpd_error_sleep_time = 0")
	t.Cleanup(func() { tell(t, p.Log()) })
	c := connect(t, "tcp", local(p.Port), nil)
	var left []mail.Path
	for i := range 35 {
		left = append(left, mail.Path(fmt.Sprintf("u%d@kroon.co.za", i)))
	}
	rounds := 0
	for ; len(left) > 0 && rounds < 10; rounds++ {
		var again []mail.Path
		for i, r := range c.Deliver(t.Context(), lettersTo([]byte("Subject: x\r\n\r\nbody\r\n"), left...)) {
			switch {
			case r.Scope == mail.OfSession:
				again = append(again, left[i])
			case r.Outcome != mail.Delivered:
				t.Fatalf("%v: %+v", left[i], r)
			}
		}
		left = again
	}
	if rounds != 4 {
		t.Errorf("%d transactions", rounds)
	}
	real.Wait(t, 20*time.Second, "all of them", func() bool { return len(p.Delivered()) == 35 })
}

// TestIntoPostfix: the whole program, with a list of servers of which the first is away, collects mail and hands it to Postfix as
// from whoever handed it to the provider. While Postfix is away too, nothing is lost and no attempt counts.
func TestIntoPostfix(t *testing.T) {
	d, p := real.StartDovecot(t), real.StartPostfix(t, "smtpd_authorized_xclient_hosts = 127.0.0.1")
	t.Cleanup(func() { tell(t, p.Log()) })
	put := func(from, n int) {
		for i := range n {
			d.Put("jaco", []byte(fmt.Sprintf("Received: from a.example (out.a.example [192.0.2.%d])\r\n\tby mx.isp.example (Postfix);"+
				" Wed, 25 Nov 2026 18:00:00 +0000\r\n", i%3+7)+text(uint64(from+i), fmt.Sprintf("n%d", from+i), 3000)))
		}
	}
	put(0, 20)
	program := newProgram(t, fmt.Sprintf(`
deliver: {smtp: ["127.0.0.1:%d", "127.0.0.1:%d"], client: xclient}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
queue: {retry: [1s]}
maildrops:
  - {name: jaco, url: "pop3://jaco@localhost:%d", tls: none, password: {file: @DIR@/pass}, to: jaco@kroon.co.za, after: delete,
     poll: 1s, client: {by: mx.isp.example}}
`, real.Port(t), p.Port, d.POP3))
	program.serve()
	eventually(t, time.Minute, "twenty deliveries", func() bool { return len(p.Delivered()) == 20 })
	p.Pause(true)
	put(20, 20)
	eventually(t, 20*time.Second, "an empty maildrop", func() bool { return d.Count("jaco") == 0 })
	p.Pause(false)
	program.run("queue", "retry", "--now", "--all") // else it is tried within 15 seconds
	eventually(t, time.Minute, "forty deliveries", func() bool { return len(p.Delivered()) == 40 })
	if err := program.stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	clients := 0
	for _, m := range p.Delivered() {
		if strings.Contains(m, "Received: from a.example (out.a.example [192.0.2.") {
			clients++
		}
	}
	if clients != 40 || strings.Contains(program.logged(), "does not offer XCLIENT") {
		t.Errorf("%d messages came as from their clients", clients)
	}
}

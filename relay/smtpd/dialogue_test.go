package smtpd

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"mailretr/relay/relaytest"
	"mailretr/store/mail"
)

// dialogues are whole sessions. from: the client's address, "" for a unix socket. messages: how many were
// taken in the end.
var dialogues = []struct {
	name     string
	from     string
	change   func(*Options)
	script   string
	messages int
}{
	{name: "a message", script: `
		220 mx.test ESMTP
		> EHLO client.test
		250-mx.test
		> MAIL FROM:<a@x.test> SIZE=10
		250 2.1.0
		> RCPT TO:<b@y.test>
		250 2.1.5
		> DATA
		354
		> Subject: x\r\n\r\n..\r\ntext\r\n.
		250 2.0.0 queued as
		> QUIT
		221
		END`, messages: 1},
	{name: "HELO", script: `
		220
		> HELO client.test
		250 mx.test
		> MAIL FROM:<>
		250
		> RCPT TO:<postmaster>
		250
		> RCPT TO:<Postmaster@y.test>
		250
		> DATA
		354
		> .
		250`, messages: 1},
	{name: "nothing out of order", script: `
		220
		> MAIL FROM:<a@x.test>
		502
		> EHLO c
		250-
		> RCPT TO:<b@y.test>
		502
		> DATA
		502
		> MAIL FROM:<a@x.test>
		250
		> DATA
		502
		> RSET
		250
		> RCPT TO:<b@y.test>
		502
		> STARTTLS
		502
		> AUTH PLAIN AGEAYg==
		502 5.5.1
		> NOOP
		250
		> VRFY a
		252
		> FROB
		500 5.5.2
		> EH
		500`},
	{name: "S5_paths", script: `
		220
		> EHLO c
		250-
		> MAIL FROM:<-oX@x.test>
		553 5.1.7
		> MAIL FROM:<a b@x.test>
		501
		> MAIL FROM:<"a b"@x.test>
		250
		> RCPT TO:<|cmd@x.test>
		553 5.1.3
		> RCPT TO:</etc/passwd@x.test>
		553 5.1.3
		> RCPT TO:<b@x..test>
		553 5.1.3
		> RCPT TO:<b@x.test\r\nRCPT TO:<c@x.test>
		501
		250
		> RCPT TO:<\e[2J@x.test>
		500 5.5.2
		> RCPT TO:<>
		501
		> RCPT TO:<ä@x.test>
		553 5.6.7
		> RCPT TO:<@relay.test:b@x.test>
		250
		> RCPT TO:<"a\\"b"@x.test>
		250`},
	{name: "H11_open_relay", from: "192.0.2.7", script: `
		220
		> EHLO c
		250-
		> MAIL FROM:<a@x.test>
		550 5.7.1
		> RCPT TO:<b@y.test>
		502`},
	{name: "H11_domains", from: "192.0.2.7", change: func(o *Options) {
		o.Domains = []string{"here.test", ".below.test"}
	}, script: `
		220
		> EHLO c
		250-
		> MAIL FROM:<a@x.test>
		250
		> RCPT TO:<b@y.test>
		550 5.7.1
		> RCPT TO:<b@x.here.test>
		550 5.7.1
		> RCPT TO:<b@HERE.test>
		250
		> RCPT TO:<b%y.test@here.test>
		550 5.7.1
		> RCPT TO:<b@x.below.test>
		250
		> RCPT TO:<b@notbelow.test>
		550
		> RCPT TO:<postmaster>
		250
		> DATA
		354
		> .
		250`, messages: 1},
	{name: "networks", from: "192.0.2.7", change: func(o *Options) {
		o.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	}, script: `
		220
		> EHLO c
		250-
		> MAIL FROM:<a@x.test>
		250
		> RCPT TO:<b@y.test>
		250`},
	{name: "login first", from: "192.0.2.7", change: func(o *Options) { o.Users = &Users{} }, script: `
		220
		> EHLO c
		250-
		> MAIL FROM:<a@x.test>
		530 5.7.0
		> AUTH PLAIN AGEAYg==
		538 5.7.11`},
	{name: "no route", change: func(o *Options) {
		o.Routed = func(_ mail.Envelope, r mail.Recipient) bool { return r.Forward.Domain() != "y.test" }
	}, script: `
		220
		> EHLO c
		250-
		> MAIL FROM:<a@x.test>
		250
		> RCPT TO:<b@y.test>
		550 5.1.2
		> RCPT TO:<b@z.test>
		250`},
	{name: "limits", change: func(o *Options) {
		o.Limits = Limits{Recipients: 2, Size: 200, Line: 100, Header: 150, Hops: 2, Errors: 100}
	}, script: `
		220
		> EHLO c
		250-
		> MAIL FROM:<a@x.test> SIZE=201
		552 5.3.4
		> MAIL FROM:<a@x.test> SIZE=200
		250
		> RCPT TO:<b@y.test>
		250
		> RCPT TO:<c@y.test>
		250
		> RCPT TO:<d@y.test>
		452 4.5.3
		> DATA
		354
		> \r\n` + strings.Repeat("x", 90) + `\r\n` + strings.Repeat("x", 90) + `\r\n` + strings.Repeat("x", 20) + `\r\n.
		552 5.3.4
		> MAIL FROM:<a@x.test>
		250
		> RCPT TO:<b@y.test>
		250
		> DATA
		354
		> Received: a\r\nreceived: b\r\nRECEIVED: c\r\n\r\n.
		554 5.4.6
		> MAIL FROM:<a@x.test>
		250
		> RCPT TO:<b@y.test>
		250
		> DATA
		354
		> A: ` + strings.Repeat("x", 80) + `\r\nB: ` + strings.Repeat("x", 80) + `\r\n\r\n.
		552 5.3.4
		> MAIL FROM:<a@x.test>
		250
		> RCPT TO:<b@y.test>
		250
		> BDAT 201 LAST\r\n` + strings.Repeat("x", 201) + `\0\0
		552 5.3.4
		> MAIL FROM:<a@x.test>
		250
		> RCPT TO:<b@y.test>
		250
		> DATA
		354
		> Received: a\r\nReceived: b\r\n\r\n.
		250
		> MAIL FROM:<a@x.test>
		250
		> RCPT TO:<b@y.test>
		250
		> DATA
		354
		> ` + strings.Repeat("x", 101) + `
		500 5.5.2
		END`, messages: 1},
	{name: "errors", change: func(o *Options) { o.Limits.Errors = 3 }, script: `
		220
		> EHLO c
		250-
		> FROB
		500
		> MAIL FROM:<|@x>
		553
		> FROB
		500
		421 4.7.0
		END`},
	{name: "H11_no_way_round_through_the_next_hop", from: "192.0.2.1", change: func(o *Options) { o.Domains = []string{"y.test"} }, script: `
		220
		> EHLO c
		250-
		> MAIL FROM:<a@x.test>
		250
		> RCPT TO:<user%evil.test@y.test>
		550 5.7.1
		> RCPT TO:<evil.test!user@y.test>
		550 5.7.1
		> RCPT TO:<user@evil.test@y.test>
		550 5.7.1
		> RCPT TO:<"user@evil.test"@y.test>
		550 5.7.1
		> RCPT TO:<@evil.test:user@y.test>
		250
		> DATA
		354
		> .
		250`, messages: 1},
	{name: "H11_a_stranger_who_brings_nothing", from: "192.0.2.1", change: func(o *Options) { o.Domains = []string{"y.test"} }, script: `
		220
		> EHLO c
		250-` + strings.Repeat("\n> NOOP\n250", 60) + `
		> MAIL FROM:<a@x.test>
		250
		> RCPT TO:<b@y.test>
		250
		> DATA
		354
		> .
		250` + strings.Repeat("\n> MAIL FROM:<a@x.test>\n250\n> RSET\n250", 100) + `
		> NOOP
		421 4.7.0
		END`, messages: 1},
	{name: "H11_recipients_as_long_as_can_be", script: `
		220
		> EHLO c
		250-
		> MAIL FROM:<a@x.test>
		250` + strings.Repeat("\n> RCPT TO:<b@y.test> ORCPT=rfc822;"+strings.Repeat("x", 3800)+"\n250", 68) + `
		> RCPT TO:<b@y.test> ORCPT=rfc822;` + strings.Repeat("x", 3800) + `
		452 4.5.3
		> DATA
		354
		> .
		250
		> MAIL FROM:<a@x.test>
		250
		> RCPT TO:<b@y.test>
		250`, messages: 1},
	{name: "a friend who waits", script: `
		220
		> EHLO c
		250-` + strings.Repeat("\n> NOOP\n250", 150) + `
		> QUIT
		221
		END`},
	{name: "another protocol", script: `
		220
		> GET / HTTP/1.1
		521
		END`},
	{name: "BDAT", script: `
		220
		> EHLO c
		250-
		> BDAT 5\r\nMAIL \0\0
		502
		> MAIL FROM:<a@x.test> BODY=8BITMIME
		250
		> RCPT TO:<b@y.test>
		250
		> BDAT 13\r\nSubject: x\r\n\r\0\0
		250
		> BDAT 7 LAST\r\n\n.\r\nend\0\0
		250 2.0.0 queued
		> MAIL FROM:<a@x.test>
		250
		> RCPT TO:<b@y.test>
		250
		> BDAT 4\r\na\r\nb\0\0
		250
		> NOOP
		250
		> MAIL FROM:<a@x.test>
		502
		> RSET
		421
		END`, messages: 1},
	{name: "BDAT that is wrong", script: `
		220
		> EHLO c
		250-
		> MAIL FROM:<a@x.test>
		250
		> RCPT TO:<b@y.test>
		250
		> BDAT 3 LAST\r\na\nb\0\0
		550 5.6.0
		> MAIL FROM:<a@x.test>
		250
		> BDAT 99999999999
		501
		END`},
	{name: "S1_bare_LF_in_a_command", script: `
		220
		> EHLO c\n\0\0
		500 5.5.2
		END`},
	{name: "S1_bare_CR_in_a_command", script: `
		220
		> EHLO c\rNOOP
		500 5.5.2
		END`},
	{name: "H11_endless_command", script: `
		220
		> ` + strings.Repeat("x", 20000) + `
		500 5.5.2
		END`},
	{name: "LMTP", change: func(o *Options) { o.LMTP = true }, script: `
		220 mx.test LMTP
		> EHLO c
		500
		> LHLO c
		250-
		> MAIL FROM:<a@x.test>
		250
		> RCPT TO:<b@y.test>
		250
		> RCPT TO:<c@y.test>
		250
		> DATA
		354
		> text\r\n.
		250 2.0.0 <b@y.test> queued
		250 2.0.0 <c@y.test> queued
		> MAIL FROM:<a@x.test>
		250
		> RCPT TO:<b@y.test>
		250
		> BDAT 2 LAST\r\n\r\n\0\0
		250 2.0.0 <b@y.test> queued`, messages: 2},
}

func TestS5_H11_Dialogues(t *testing.T) {
	for _, x := range dialogues {
		t.Run(x.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var o Options
				if x.change != nil {
					x.change(&o)
				}
				w := open(t, o)
				c := w.dial(x.from)
				c.play(x.script)
				c.c.Close()
				w.shut()
				if n := len(w.store.messages()); n != x.messages {
					t.Errorf("%d messages were taken, want %d", n, x.messages)
				}
			})
		})
	}
}

// smuggled are ways to end a message that some server has believed in, each with commands behind it.
var smuggled = map[string]string{
	"LF.LF": "\n.\n", "LF.CRLF": "\n.\r\n", "CRLF.LF": "\r\n.\n", "CR.CR": "\r.\r", "CRLF.CR": "\r\n.\r",
	"CRLF NUL.CRLF": "\r\n\x00.\r\n", "CRCRLF.CRLF": "\r\r\n.\r\n", "CR.LF": "\r.\n", "LF.CR": "\n.\r",
}

// TestS1_Smuggling: one message or none, never two.
func TestS1_Smuggling(t *testing.T) {
	for name, end := range smuggled {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := open(t, Options{})
				c := w.dial("")
				c.play("220\n> EHLO c\n250-\n> MAIL FROM:<a@x.test>\n250\n> RCPT TO:<b@y.test>\n250\n> DATA\n354")
				c.send("text" + end + "MAIL FROM:<evil@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nevil\r\n.\r\n")
				got := c.hear()
				c.c.Close()
				w.shut()
				all := w.store.messages()
				switch {
				case name == "CRLF NUL.CRLF" && len(all) == 1 && strings.Contains(all[0].text, "\r\n\x00.\r\nMAIL FROM:<evil"):
				case len(all) > 0:
					t.Errorf("taken: %+v", all)
				case !strings.HasPrefix(got, "550 5.6.0"):
					t.Errorf("heard %q", got)
				}
			})
		})
	}
}

// TestS3_CommandsBeforeTLS: what came in one segment with STARTTLS ends the connection.
func TestS3_CommandsBeforeTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, config := relaytest.Certificate(t, "mx.test")
		w := open(t, Options{Security: StartTLS, Certificate: fixedCertificate(config)})
		c := w.dial("192.0.2.7")
		c.play("220\n> EHLO c\n250-")
		c.send("STARTTLS\r\nMAIL FROM:<evil@x.test>\r\n")
		c.want("554 5.5.1")
		c.want("")
		w.shut()
	})
}

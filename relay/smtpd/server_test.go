package smtpd

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xdg-go/scram"

	"mailretr/relay/relaytest"
	"mailretr/store/mail"
)

func fixedCertificate(c *tls.Config) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &c.Certificates[0], nil }
}

// users writes a file with some of each kind; the password is "open sesame" everywhere.
func users(t testing.TB) *Users {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	text := "# comment\n\n"
	for name, hash := range hashes {
		text += name + ":" + hash + "\n"
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := NewUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func plain(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

// TestTLSAndLogin: after STARTTLS nothing of before counts, a login is offered, and is not within clear text.
func TestTLSAndLogin(t *testing.T) {
	u := users(t)
	_, config := relaytest.Certificate(t, "mx.test")
	synctest.Test(t, func(t *testing.T) {
		w := open(t, Options{Security: StartTLS, Certificate: fixedCertificate(config), Users: u})
		c := w.dial("192.0.2.7")
		c.want("220")
		c.send("EHLO c\r\n")
		if caps := c.hear(); strings.Contains(caps, "AUTH") || !strings.Contains(caps, "STARTTLS") {
			t.Errorf("offered in clear text: %q", caps)
		}
		c.send("STARTTLS\r\n")
		c.want("220 2.0.0")
		c.secure()
		c.play("> MAIL FROM:<a@x.test>\n502\n> STARTTLS\n503")
		c.send("EHLO c\r\n")
		caps := c.hear()
		for _, want := range []string{"AUTH SCRAM-SHA-256 PLAIN LOGIN", "SIZE 67108864", "8BITMIME", "SMTPUTF8", "DSN",
			"PIPELINING", "CHUNKING", "ENHANCEDSTATUSCODES"} {
			if !strings.Contains(caps, want) {
				t.Errorf("%s is not offered: %q", want, caps)
			}
		}
		if strings.Contains(caps, "STARTTLS") {
			t.Error("STARTTLS is offered twice")
		}
		c.play(`
			> MAIL FROM:<a@x.test>
			530
			> AUTH PLAIN ` + plain("bcrypt", "no") + `
			535 5.7.8
			> AUTH PLAIN ` + plain("nobody", "open sesame") + `
			535
			> AUTH PLAIN *
			454
			> AUTH CRAM-MD5
			504
			> AUTH LOGIN
			334 VXNlcm5hbWU6
			> ` + base64.StdEncoding.EncodeToString([]byte("bcrypt")) + `
			334 UGFzc3dvcmQ6
			> ` + base64.StdEncoding.EncodeToString([]byte("open sesame")) + `
			235
			> AUTH PLAIN x
			503
			> MAIL FROM:<a@x.test>
			250
			> RCPT TO:<b@y.test>
			250
			> DATA
			354
			> text\r\n.
			250`)
		w.shut()
		got := w.store.messages()
		if len(got) != 1 || !strings.HasPrefix(got[0].text, "Received: from c ([192.0.2.7])\r\n\tby mx.test (mailretr) "+
			"with ESMTPSA\r\n\tid "+got[0].id.String()+"\r\n\tfor <b@y.test>; Wed, 4 Mar 2026 05:06:07 +0000\r\ntext\r\n") {
			t.Errorf("taken: %+v", got)
		}
		if s := w.server.Stats(); s.Denied != 2 || s.Messages != 1 {
			t.Errorf("counts: %+v", s)
		}
	})
}

// TestSCRAM logs in against our side of RFC 7677, rightly, wrongly, and as nobody.
func TestSCRAM(t *testing.T) {
	u := users(t)
	synctest.Test(t, func(t *testing.T) {
		w := open(t, Options{Users: u})
		for _, x := range []struct{ user, password, want string }{
			{"scram", "open sesame", "235"}, {"scram", "wrong", "535"}, {"nobody", "open sesame", "535"}, {"bcrypt", "open sesame", "535"},
		} {
			c := w.dial("127.0.0.1")
			c.play("220\n> EHLO c\n250-")
			client, err := scram.SHA256.NewClient(x.user, x.password, "")
			if err != nil {
				t.Fatal(err)
			}
			talk := client.NewConversation()
			first, _ := talk.Step("")
			c.send("AUTH SCRAM-SHA-256 " + base64.StdEncoding.EncodeToString([]byte(first)) + "\r\n")
			reply := c.hear()
			for strings.HasPrefix(reply, "334 ") {
				b, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(reply[4:]))
				say, err := talk.Step(string(b))
				if err != nil && x.want == "235" {
					t.Fatal(err)
				}
				c.send(base64.StdEncoding.EncodeToString([]byte(say)) + "\r\n")
				reply = c.hear()
			}
			if !strings.HasPrefix(reply, x.want) {
				t.Errorf("%s: %q", x.user, reply)
			}
			c.c.Close()
		}
		w.shut()
	})
}

// TestH11_Guessing: the sixth wrong login of an address is not even tried, on whatever connection, until
// ten minutes have passed.
func TestH11_Guessing(t *testing.T) {
	u := users(t)
	synctest.Test(t, func(t *testing.T) {
		w := open(t, Options{Users: u})
		began := time.Now()
		for range mostTries {
			c := w.dial("127.0.0.1")
			c.play("220\n> EHLO c\n250-\n> AUTH PLAIN " + plain("bcrypt", "x") + "\n535")
			c.c.Close()
		}
		if d := time.Since(began); d < mostTries*slow {
			t.Errorf("the tries took only %v", d)
		}
		c := w.dial("127.0.0.1")
		c.play("220\n> EHLO c\n250-\n> AUTH PLAIN " + plain("bcrypt", "open sesame") + "\n454 4.7.0")
		c.c.Close()
		c = w.dial("127.0.0.2")
		c.play("220\n> EHLO c\n250-\n> AUTH PLAIN " + plain("bcrypt", "open sesame") + "\n235")
		w.shut()
	})
}

// TestS5_Envelope: what is asked for with DSN is in the envelope as it was given, and the id in Received is that
// of the record.
func TestS5_Envelope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, Options{Complete: true})
		c := w.dial("")
		c.play(`
			220
			> EHLO Evil)(name<x>
			250-
			> MAIL FROM:<a@x.test> RET=HDRS ENVID=a+2Bb SIZE=6 SMTPUTF8
			250
			> RCPT TO:<b@y.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bc@z.test
			250
			> RCPT TO:<"b b"@y.test> NOTIFY=NEVER
			250
			> RCPT TO:<ä@y.test> ORCPT=utf-8;\\x{E4}@y.test
			250
			> DATA
			354
			> A: b\r\n\r\n.
			250`)
		w.shut()
		got := w.store.messages()
		if len(got) != 1 {
			t.Fatalf("taken: %d", len(got))
		}
		e, want := got[0].envelope, mail.Envelope{Reverse: "a@x.test", EnvID: "a+2Bb", Ret: "HDRS", Recipients: []mail.Recipient{
			{Forward: "b@y.test", Notify: "SUCCESS,DELAY", Original: "rfc822;b+2Bc@z.test"},
			{Forward: `"b b"@y.test`, Notify: "NEVER"}, {Forward: "ä@y.test", Original: "utf-8;ä@y.test"}}}
		if fmt.Sprint(e) != fmt.Sprint(want) {
			t.Errorf("envelope %v, want %v", e, want)
		}
		id := got[0].id.String()
		text := "Received: from evil__name_x_ (unix socket)\r\n\tby mx.test (mailretr) with UTF8SMTP\r\n\tid " + id +
			"; Wed, 4 Mar 2026 05:06:07 +0000\r\nDate: Wed, 4 Mar 2026 05:06:07 +0000\r\nMessage-ID: <" + id +
			"@mx.test>\r\nA: b\r\n\r\n"
		if got[0].text != text {
			t.Errorf("message %q, want %q", got[0].text, text)
		}
		if got[0].size != int64(len(text)-2) { // what was announced is a hint, and was off by two
			t.Errorf("size %d, want %d", got[0].size, len(text)-2)
		}
	})
}

// TestNotDurable: without the queue's word there is no 250, and nothing of its errors is told.
func TestNotDurable(t *testing.T) {
	for _, x := range []struct {
		err  error
		want string
	}{
		{errors.New("secret path /var"), "451 4.3.0 the message could not be stored"},
		{fmt.Errorf("x: %w", errFull), "452 4.3.1 there is no room"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := open(t, Options{})
			w.store.err = x.err
			c := w.dial("")
			c.play("220\n> EHLO c\n250-\n> MAIL FROM:<a@x.test>\n250\n> RCPT TO:<b@y.test>\n250\n> DATA\n354\n" +
				"> text\\r\\n.\n" + x.want + "\n> NOOP\n250")
			c.c.Close()
			w.shut()
		})
	}
}

// TestS9_CutBody: a message whose end did not come is nobody's, at whatever octet it was cut.
func TestS9_CutBody(t *testing.T) {
	const whole = "DATA\r\nSubject: x\r\n\r\ntext\r\n.\r\n"
	for n := range len(whole) {
		synctest.Test(t, func(t *testing.T) {
			w := open(t, Options{})
			c := w.dial("")
			c.play("220\n> EHLO c\n250-\n> MAIL FROM:<a@x.test>\n250\n> RCPT TO:<b@y.test>\n250")
			c.send(whole[:min(n, 6)])
			if n >= 6 {
				c.want("354")
				c.send(whole[6:n])
			}
			synctest.Wait()
			c.c.Close()
			w.shut()
			if got := w.store.messages(); len(got) != 0 {
				t.Errorf("cut after %d octets: %+v was taken", n, got)
			}
		})
	}
}

// TestH11_Connections: more than there may be are turned away with words, and room that is free again is used.
func TestH11_Connections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, Options{Domains: []string{"y.test"}, Limits: Limits{Connections: 4, PerClient: 2, Rate: 1}})
		a, b := w.dial("2001:db8::1"), w.dial("2001:db8::2")
		a.want("220")
		b.want("220")
		w.dial("2001:db8::3").want("421 4.7.0 mx.test has too many connections from your address")
		w.dial("2001:db8:0:1::1").want("220")
		w.dial("").want("220")
		w.dial("").want("421 4.7.0 mx.test has too many connections,")
		a.c.Close()
		synctest.Wait()
		c := w.dial("2001:db8::3")
		c.play("220\n> EHLO c\n250-\n> MAIL FROM:<a@x.test>\n250\n> RSET\n250\n> MAIL FROM:<a@x.test>\n450 4.7.1")
		w.shut()
		if s := w.server.Stats(); s.Now != 0 || s.Total != 5 {
			t.Errorf("counts: %+v", s)
		}
	})
}

// TestH11_Slow: who does nothing, or a little at a time, has a command's time for a command and a message's
// for a message; a slow line that goes on has all of the latter.
func TestH11_Slow(t *testing.T) {
	limits := Limits{Command: time.Minute, Data: 10 * time.Minute}
	begin := "220\n> EHLO c\n250-\n> MAIL FROM:<a@x.test>\n250\n> RCPT TO:<b@y.test>\n250\n> DATA\n354"
	for _, x := range []struct {
		name, script, say string
		every, least      time.Duration
		most              time.Duration
	}{
		{"silent", "220", "", time.Second, time.Minute, time.Minute},
		{"a command by octets", "220", "x", 50 * time.Second, time.Minute, time.Minute},
		{"silent in a message", begin, "", time.Second, time.Minute, time.Minute},
		{"a message by octets", begin, "x", 50 * time.Second, 10 * time.Minute, 10 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := open(t, Options{Limits: limits})
			c := w.dial("")
			c.play(x.script)
			began := time.Now()
			tick := time.NewTicker(x.every)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for x.say != "" {
					if _, err := io.WriteString(c.c, x.say); err != nil {
						return
					}
					<-tick.C
				}
			}()
			c.want("421 4.4.2")
			if d := time.Since(began); d < x.least || d > x.most {
				t.Errorf("%s: ended after %v", x.name, d)
			}
			c.c.Close()
			<-done
			w.shut()
		})
	}
}

// TestH11_EarlyTalker: a stranger who does not wait for the greeting gets none.
func TestH11_EarlyTalker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, Options{Domains: []string{"y.test"}, Limits: Limits{Greeting: time.Second}})
		c := w.dial("192.0.2.7")
		c.send("E")
		c.want("554 5.5.0")
		patient := w.dial("192.0.2.7")
		patient.play("220\n> EHLO c\n250-\n> MAIL FROM:<a@x.test>\n250\n> RCPT TO:<b@y.test>\n250")
		patient.send("DATA\r\nSubject: early\r\n\r\n.\r\n")
		patient.want("503 5.5.0")
		patient.want("")
		c.c.Close()
		w.shut()
	})
}

// TestStop: clients between messages are told; one in a message may end it, and gets its 250; one that does
// not is cut off after the grace.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, Options{Limits: Limits{Grace: 10 * time.Second}})
		begin := "220\n> EHLO c\n250-\n> MAIL FROM:<a@x.test>\n250\n> RCPT TO:<b@y.test>\n250\n> DATA\n354"
		idle, busy, lazy := w.dial(""), w.dial(""), w.dial("")
		idle.play("220\n> EHLO c\n250-")
		busy.play(begin)
		lazy.play(begin)
		w.store.seen, w.store.wait = make(chan struct{}, 1), make(chan struct{})
		synctest.Wait()
		w.stop()
		idle.want("421 4.3.2")
		idle.want("")
		began := time.Now()
		busy.send("text\r\n.\r\n")
		<-w.store.seen
		close(w.store.wait)
		busy.want("250 2.0.0 queued")
		busy.want("421 4.3.2")
		lazy.want("")
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("the lazy one was cut off after %v", d)
		}
		w.shut()
		if len(w.store.messages()) != 1 {
			t.Error("not exactly one message was taken")
		}
	})
}

// TestSet: a reload leaves open connections alone, and new ones have the new options.
func TestSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, Options{Limits: Limits{Size: 1000}})
		old := w.dial("")
		old.play("220\n> EHLO c\n250-")
		o := w.server.current().Options
		o.Limits.Size = 2000
		if err := w.server.Set(o); err != nil {
			t.Fatal(err)
		}
		old.play("> MAIL FROM:<a@x.test> SIZE=1500\n552\n> MAIL FROM:<a@x.test> SIZE=900\n250\n> RCPT TO:<b@y.test>\n250\n" +
			"> DATA\n354\n> .\n250\n> QUIT\n221")
		young := w.dial("")
		young.play("220\n> EHLO c\n250-\n> MAIL FROM:<a@x.test> SIZE=1500\n250")
		young.c.Close()
		w.shut()
	})
}

// TestImplicitTLS speaks TLS from the first octet.
func TestImplicitTLS(t *testing.T) {
	_, config := relaytest.Certificate(t, "mx.test")
	synctest.Test(t, func(t *testing.T) {
		w := open(t, Options{Security: Implicit, Certificate: fixedCertificate(config)})
		here := w.dialRaw("192.0.2.7")
		here.secure()
		here.play("220\n> EHLO c\n250-mx.test\n> STARTTLS\n503\n> QUIT\n221")
		here.c.Close()
		w.shut()
	})
}

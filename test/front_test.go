//go:build interop

package test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"mailretr/test/real"
)

// A crowd is many clients of a listener. Each message is sent once: what its client was not told is not known, and it may
// arrive or not.
type crowd struct {
	*ledger
	port int
	seed uint64

	mu    sync.Mutex
	acked map[string]bool
	next  int
}

// client sends messages of 5 KB, a few on each connection, until ctx ends.
func (c *crowd) client(ctx context.Context) {
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", c.port))
		if err != nil {
			time.Sleep(5 * time.Millisecond) // the daemon is not there yet: another process
			continue
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		client := smtp.NewClient(conn)
		client.CommandTimeout, client.SubmissionTimeout = 20*time.Second, 20*time.Second
		for range 20 {
			if c.send(client) != nil {
				break
			}
		}
		client.Close()
		stop()
	}
}

func (c *crowd) send(client *smtp.Client) error {
	c.mu.Lock()
	c.next++
	number := fmt.Sprintf("no-front-%d", c.next)
	octets := text(c.seed*1e6+uint64(c.next), number, 5000)
	c.mu.Unlock()
	c.ledger.mu.Lock()
	c.given[number] = sha256.Sum256([]byte(body(normal(octets))))
	c.ledger.mu.Unlock()
	err := client.SendMail("sender@example.org", []string{"jaco@kroon.co.za"}, strings.NewReader(normal(octets)))
	if err == nil {
		c.mu.Lock()
		c.acked[number] = true
		c.mu.Unlock()
	}
	return err
}

// missing is how many were acknowledged and have not arrived.
func (c *crowd) missing() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	for number := range c.acked {
		if c.taken[number] == 0 {
			n++
		}
	}
	return n
}

// TestFrontKilled kills the daemon with SIGKILL at random moments while 64 clients bring mail and it is delivered: what a
// client was told 250 for arrives. MAILRETR_FRONT_KILLS sets the number of kills (test/soak: 500).
func TestFrontKilled(t *testing.T) {
	kills := number("MAILRETR_FRONT_KILLS", 50)
	const clients, connections = 64, 4
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 5))
	c := &crowd{ledger: newLedger(t), port: real.Port(t), seed: seed % 1000, acked: map[string]bool{}}
	sink := real.StartSink(t, false, c.take)
	p := newProgram(t, fmt.Sprintf("deliver: {smtp: \"127.0.0.1:%d\", connections: %d}\n", sink.Port, connections)+
		"bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}\nqueue: {retry: [1s]}\n"+
		fmt.Sprintf("log: {level: warn}\nlisten: [{smtp: \"127.0.0.1:%d\"}]\n", c.port))
	ctx, stop := context.WithCancel(t.Context())
	var crew sync.WaitGroup
	for range clients {
		crew.Go(func() { c.client(ctx) })
	}
	for range kills {
		p.serve()
		real.Wait(t, 20*time.Second, "a greeting", func() bool {
			conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.port))
			if err != nil {
				return false
			}
			defer conn.Close()
			b := make([]byte, 4)
			n, _ := conn.Read(b)
			return string(b[:n]) == "220 "
		})
		time.Sleep(time.Duration(20+random.IntN(200)) * time.Millisecond) // the random moment
		p.kill()
	}
	stop()
	crew.Wait()
	p.serve()
	eventually(t, time.Minute, "a queue in which nothing waits but what is held", func() bool {
		return len(p.lines("queue", "list")) == len(p.lines("queue", "list", "--state", "held"))
	})
	// What was being attempted at two ends of the process is held: it may be what ends it. Nothing else may be.
	held := p.lines("queue", "list", "--state", "held")
	for _, m := range held {
		if !strings.Contains(fmt.Sprint(m), "ended again and again") {
			t.Errorf("held: %v", m)
		}
	}
	if len(held) > 0 {
		if _, talk, code := p.run("queue", "release", "--all", "--yes"); code != 0 {
			t.Fatalf("releasing: %d %s", code, talk)
		}
	}
	eventually(t, time.Minute, "all acknowledged messages at the MTA", func() bool { return c.missing() == 0 })
	eventually(t, time.Minute, "an empty queue", func() bool { return len(p.lines("queue", "list")) == 0 })
	t.Logf("%d kills; %d messages were held, having been attempted at two of them", kills, len(held))
	c.judge(kills * connections)
}

// judge checks the history: what was acknowledged arrived, nothing has other octets, and at most this many came twice.
func (c *crowd) judge(duplicates int) {
	c.t.Helper()
	twice, unknown := 0, 0
	for number, n := range c.taken {
		if n > 1 {
			twice += n - 1
		}
		if !c.acked[number] {
			unknown++
		}
	}
	for _, w := range c.wrong {
		c.t.Error(w)
	}
	if twice > duplicates {
		c.t.Errorf("%d duplicates, %d are allowed", twice, duplicates)
	}
	if len(c.acked) == 0 {
		c.t.Error("nothing was acknowledged")
	}
	c.t.Logf("%d acknowledged, each arrived; %d came whose client was not told; %d duplicates (%d allowed)", len(c.acked),
		unknown, twice, duplicates)
}

// script is a client that is not ours: Python's, with TLS, a login, and LMTP.
const script = `
import smtplib, ssl, sys
port, lmtp = int(sys.argv[1]), int(sys.argv[2])
context = ssl.create_default_context(cafile=sys.argv[3])
with smtplib.SMTP("localhost", port, timeout=20) as s:
    s.starttls(context=context)
    s.login("jaco", "open sesame")
    refused = s.sendmail("a@example.org", ["b@example.net", "c@example.net"],
        b"Subject: python\r\n\r\n.dot\r\n..\r\n8-bit \xe4\r\n", mail_options=["BODY=8BITMIME", "RET=HDRS"],
        rcpt_options=["NOTIFY=FAILURE"])
    assert refused == {}, refused
    try:
        s.sendmail("a@example.org", ["b@example.net"], b"x" * 200000)
        sys.exit("a message that is too large was taken")
    except smtplib.SMTPSenderRefused as e:
        assert e.smtp_code == 552, e
    try:
        with smtplib.SMTP("localhost", port, timeout=20) as other:
            other.starttls(context=context)
            other.login("jaco", "wrong")
        sys.exit("a wrong password was taken")
    except smtplib.SMTPAuthenticationError as e:
        assert e.smtp_code == 535, e
with smtplib.LMTP("localhost", lmtp) as s:
    assert s.sendmail("a@example.org", ["b@example.net"], b"Subject: lmtp\r\n\r\nx\r\n") == {}
`

// TestFrontPython takes mail from a client that was not written by us.
func TestFrontPython(t *testing.T) {
	dir := t.TempDir()
	cert, key := real.Certificate(t, dir)
	users := "jaco:{SHA512-CRYPT}$6$saltstring$b4SOQO.YI.BXjgbKQa.97c9EQud0NW8Txr5rCRGsAucjEsL95TW5MDF/7KcC3bcG5NoxZbmB6Lh82fxg8soAZ0\n"
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []string
	sink := real.StartSink(t, false, func(m real.Taken) string {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(m.Octets))
		return ""
	})
	port, lmtp := real.Port(t), real.Port(t)
	p := newProgram(t, fmt.Sprintf("deliver: {smtp: \"127.0.0.1:%d\"}\n", sink.Port)+
		"bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}\nlisten:\n"+
		fmt.Sprintf("  - {smtp: \"localhost:%d\", networks: [192.0.2.1], users: %s/users, limits: {size: 100K},\n", port, dir)+
		fmt.Sprintf("     tls: {cert: %s, key: %s}}\n  - lmtp: \"localhost:%d\"\n", cert, key, lmtp))
	p.serve()
	eventually(t, 20*time.Second, "a listener", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("localhost:%d", lmtp))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	out, err := exec.Command("python3", "-c", script, fmt.Sprint(port), fmt.Sprint(lmtp), cert).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	eventually(t, 20*time.Second, "both messages at the MTA", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) == 2
	})
	all := strings.Join(got, "")
	for _, want := range []string{"Subject: python\r\n\r\n.dot\r\n..\r\n8-bit \xe4\r\n", "with ESMTPSA\r\n", "with LMTP\r\n"} {
		if !strings.Contains(all, want) || strings.Count(all, "Received: ") != 2 {
			t.Errorf("%q is not in %q", want, all)
		}
	}
	if err := p.stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
}

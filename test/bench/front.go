package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mailretr/test/real"
)

// The listener beside Postfix: both take the same load from Postfix's own smtp-source, each message durable
// before its 250, on the same disk, with a next hop that is away.

const (
	frontMessages = 20_000
	frontOctets   = 5 << 10
	frontClients  = 64
)

// load is how long the load took, from the start of smtp-source to its end.
func (b *bench) load(port int) time.Duration {
	real.Wait(b, 30*time.Second, "a greeting", func() bool {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err != nil {
			return false
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		greeting := make([]byte, 4)
		n, _ := c.Read(greeting)
		return string(greeting[:n]) == "220 "
	})
	cmd := real.PostfixTool("sbin/smtp-source", "-s", fmt.Sprint(frontClients), "-m", fmt.Sprint(frontMessages),
		"-l", fmt.Sprint(frontOctets), "-f", "sender@example.org", "-t", "jaco@example.net",
		fmt.Sprintf("127.0.0.1:%d", port))
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("smtp-source: %v: %s", err, out)
	}
	return time.Since(began)
}

// frontPostfix lets Postfix take the load.
func (b *bench) frontPostfix() time.Duration {
	defer b.end()
	p := real.StartPostfix(b, "defer_transports = smtp\nvirtual_mailbox_domains =\nrelayhost = [127.0.0.1]:1\n"+
		"smtpd_relay_restrictions = permit_mynetworks,reject\n")
	took := b.load(p.Port)
	if n := p.Queued(); n < frontMessages { // one that moves from directory to directory is met twice
		b.Fatalf("Postfix has %d messages", n)
	}
	return took
}

// frontOurs lets mailretr take it.
func (b *bench) frontOurs() time.Duration {
	defer b.end()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		b.Fatalf("%v", err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	port, path := real.Port(b), filepath.Join(dir, "mailretr.yaml")
	conf := fmt.Sprintf("hostname: mx.example.org\nstate: %[1]s/state\nsocket: %[1]s/run/socket\n"+
		"deliver: {smtp: \"127.0.0.1:1\"}\nlisten: [{smtp: \"127.0.0.1:%[2]d\"}]\n"+
		"bounce: {from: mailer-daemon@example.org, postmaster: postmaster@example.org}\n", dir, port)
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		b.Fatalf("%v", err)
	}
	cmd := b.launch(place{dir: dir}, "mailretr", b.program, "--config", path, "serve")
	defer finish(b, cmd)
	took := b.load(port)
	out, err := exec.Command(b.program, "--config", path, "queue", "list", "--json").Output()
	if n := strings.Count(string(out), "\n"); err != nil || n != frontMessages {
		b.Fatalf("mailretr has %d messages, %v", n, err)
	}
	return took
}

// front takes turns: the machine may have other work.
func (b *bench) front() chart {
	c := chart{unit: "messages/s"}
	var theirs, ours time.Duration
	for _, postfix := range []bool{true, false, false, true} {
		who, took, sum := "mailretr", time.Duration(0), &ours
		if postfix {
			who, took, sum = "Postfix", b.frontPostfix(), &theirs
		} else {
			took = b.frontOurs()
		}
		*sum += took
		c.add(who, frontMessages/took.Seconds())
	}
	ratio := theirs.Seconds() / ours.Seconds()
	c.note("mailretr takes %.2f times as many", ratio)
	c.want("at least Postfix's rate", ratio >= 1)
	return c
}

var frontRows = []section{{
	fmt.Sprintf("listener: %d messages of %d octets from %d clients", frontMessages, frontOctets, frontClients),
	(*bench).front,
}}

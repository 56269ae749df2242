package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

func (p place) protocol() string {
	if p.row.imap {
		return "imap"
	}
	return "pop3"
}

func (b *bench) write(p place, name, text string) string {
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatalf("%v", err)
	}
	return path
}

// fetchmail runs once, in the foreground, as people run it from cron.
func (b *bench) fetchmail(p place) *exec.Cmd {
	path, err := exec.LookPath("fetchmail")
	if err != nil {
		b.Fatalf("fetchmail is not installed: test/run installs it")
	}
	rc := b.write(p, "fetchmailrc", fmt.Sprintf("set no bouncemail\npoll 127.0.0.1 protocol %s port %d\n"+
		"  user %q password %q is %q here smtphost \"127.0.0.1/%d\" smtpaddress kroon.co.za\n  sslproto '' no keep fetchall\n",
		p.protocol(), p.port, p.user, "secret", p.user, p.mta))
	return b.launch(p, "fetchmail", path, "-f", rc, "--pidfile", filepath.Join(p.dir, "fetchmail.pid"),
		"-i", filepath.Join(p.dir, "fetchids"))
}

// mailretr runs its daemon, from its start.
func (b *bench) mailretr(p place) *exec.Cmd { return b.mailretrWith(p, "") }

// mailretrWith has more maildrops, as YAML.
func (b *bench) mailretrWith(p place, more string) *exec.Cmd {
	connections := 4
	if p.row.one {
		connections = 1
	}
	b.write(p, "pass", "secret\n")
	conf := b.write(p, "mailretr.yaml", fmt.Sprintf(`
hostname: mail.kroon.co.za
state: %[1]s/state
socket: %[1]s/run/socket
deliver: {smtp: "127.0.0.1:%[2]d", connections: %[3]d}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
log: {level: warn}
maildrops:
  - {name: jaco, url: "%[4]s://%[6]s@127.0.0.1:%[5]d", tls: none, password: {file: %[1]s/pass}, to: jaco@kroon.co.za, after: delete}
%[7]s`, p.dir, p.mta, connections, p.protocol(), p.port, p.user, more))
	return b.launch(p, "mailretr", b.program, "--config", conf, "serve")
}

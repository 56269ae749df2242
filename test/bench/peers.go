package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// A peer is a program that does a part of what mailretr does, as Debian has it.
type peer struct {
	name       string
	pop3, imap bool
	start      func(*bench, place) *exec.Cmd // runs once, as people run it from cron
}

var peers = []peer{
	{"fetchmail", true, true, (*bench).fetchmail},
	{"getmail6", true, true, (*bench).getmail},
	{"mpop", true, false, (*bench).mpop},
	{"fdm", true, true, (*bench).fdm},
	{"mbsync", false, true, (*bench).mbsync},
}

func (p peer) speaks(imap bool) bool { return imap && p.imap || !imap && p.pop3 }

func (b *bench) find(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		b.Fatalf("%s is not installed: test/bench/run installs it", name)
	}
	return path
}

// fetchmail runs once, in the foreground.
func (b *bench) fetchmail(p place) *exec.Cmd {
	path := b.find("fetchmail")
	security := "sslproto ''"
	if p.tls {
		security = "ssl no sslcertck"
	}
	policy := "no keep fetchall"
	if p.keep {
		policy = "keep"
	}
	uidl := ""
	if p.keep && !p.row.imap {
		uidl = "uidl"
	}
	rc := b.write(p, "fetchmailrc", fmt.Sprintf("set no bouncemail\npoll 127.0.0.1 protocol %s port %d %s\n"+
		"  user %q password %q is %q here smtphost \"127.0.0.1/%d\" smtpaddress kroon.co.za\n  %s %s\n",
		p.protocol(), p.port, uidl, p.user, "secret", p.user, p.mta, security, policy))
	return b.launch(p, "fetchmail", path, "-f", rc, "--pidfile", filepath.Join(p.dir, "fetchmail.pid"),
		"-i", filepath.Join(p.dir, "fetchids"))
}

// near makes an empty Maildir for peers that deliver there.
func (b *bench) near(p place) string {
	dir := filepath.Join(p.dir, "near")
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			b.Fatalf("%v", err)
		}
	}
	return dir
}

// msmtp is how mpop and getmail6 reach an MTA.
func msmtp(p place) []string {
	return []string{"--host=127.0.0.1", fmt.Sprintf("--port=%d", p.mta), "--from=sender@example.org", "--",
		p.user + "@kroon.co.za"}
}

// getmail runs getmail6 once. Its Maildir delivery waits for minutes when it misses the end of a child, so it always
// delivers to the MTA.
func (b *bench) getmail(p place) *exec.Cmd {
	kind := "SimplePOP3"
	if p.row.imap {
		kind = "SimpleIMAP"
	}
	if p.tls {
		kind += "SSL"
	}
	args := "'" + strings.Join(msmtp(p), "', '") + "',"
	rc := b.write(p, "getmailrc", fmt.Sprintf("[retriever]\ntype = %sRetriever\nserver = 127.0.0.1\nport = %d\n"+
		"username = %s\npassword = secret\n[destination]\ntype = MDA_external\npath = %s\narguments = (%s)\n"+
		"allow_root_commands = True\n[options]\ndelete = %t\nread_all = %t\nverbose = 0\n",
		kind, p.port, p.user, b.find("msmtp"), args, !p.keep, !p.keep))
	return b.launch(p, "getmail", b.find("getmail"), "--getmaildir="+p.dir, "--rcfile="+rc)
}

// mpop runs once.
func (b *bench) mpop(p place) *exec.Cmd {
	onOff := map[bool]string{true: "on", false: "off"}
	delivery := "mda " + b.find("msmtp") + " " + strings.Join(msmtp(p), " ")
	if p.maildir {
		delivery = "maildir " + b.near(p)
	}
	rc := b.write(p, "mpoprc", fmt.Sprintf("account default\nhost 127.0.0.1\nport %d\ntls %s\ntls_starttls off\n"+
		"tls_certcheck off\nauth user\nuser %s\npassword secret\nkeep %s\nuidls_file %s\ndelivery %s\n",
		p.port, onOff[p.tls], p.user, onOff[p.keep], filepath.Join(p.dir, "uidls"), delivery))
	return b.launch(p, "mpop", b.find("mpop"), "-C", rc, "-q")
}

// fdm runs once.
func (b *bench) fdm(p place) *exec.Cmd {
	action := fmt.Sprintf("smtp server \"127.0.0.1\" port %d from \"sender@example.org\" to \"%s@kroon.co.za\"", p.mta, p.user)
	if p.maildir {
		action = fmt.Sprintf("maildir %q", b.near(p))
	}
	kind, only := p.protocol(), ""
	switch {
	case p.row.imap && p.keep:
		only = "folder \"INBOX\" new-only keep"
	case p.keep:
		only = fmt.Sprintf("new-only cache %q keep", filepath.Join(p.dir, "cache"))
	}
	if p.tls {
		kind += "s"
	}
	rc := b.write(p, "fdm.conf", fmt.Sprintf("set default-user \"root\"\nset lock-file %q\nset maximum-size 1G\n"+
		"account \"a\" %s server \"127.0.0.1\" port %d user %q pass \"secret\" %s\naction \"d\" %s\nmatch all action \"d\"\n",
		filepath.Join(p.dir, "fdm.lock"), kind, p.port, p.user, only, action))
	return b.launch(p, "fdm", b.find("fdm"), "-f", rc, "fetch")
}

// mbsync runs once. It copies into a Maildir and never deletes upstream.
func (b *bench) mbsync(p place) *exec.Cmd {
	security := "SSLType None\nAuthMechs LOGIN"
	if p.tls {
		security = "SSLType IMAPS\nCertificateFile " + p.ca
	}
	rc := b.write(p, "mbsyncrc", fmt.Sprintf("IMAPAccount a\nHost 127.0.0.1\nPort %d\nUser %s\nPass secret\n%s\n\n"+
		"IMAPStore far\nAccount a\n\nMaildirStore near\nPath %[4]s/\nInbox %[4]s/near\n\n"+
		"Channel c\nFar :far:\nNear :near:\nSync PullNew\nSyncState %[4]s/state\n", p.port, p.user, security, p.dir))
	b.near(p)
	return b.launch(p, "mbsync", b.find("mbsync"), "-c", rc, "c")
}

// mailretr runs its daemon, from its start.
func (b *bench) mailretr(p place) *exec.Cmd { return b.mailretrWith(p, "") }

// mailretrWith has more maildrops, as YAML.
func (b *bench) mailretrWith(p place, more string) *exec.Cmd {
	return b.launch(p, "mailretr", b.program, "--config", b.settings(p, more), "serve")
}

// mailretrOnce collects once without a daemon.
func (b *bench) mailretrOnce(p place) *exec.Cmd {
	return b.launch(p, "mailretr", b.program, "--config", b.settings(p, ""), "poll")
}

// settings writes the configuration of mailretr.
func (b *bench) settings(p place, more string) string {
	connections := 4
	if p.row.one {
		connections = 1
	}
	b.write(p, "pass", "secret\n")
	return b.write(p, "mailretr.yaml", fmt.Sprintf(`
hostname: mail.kroon.co.za
state: %[1]s/state
socket: %[1]s/run/socket
deliver: {smtp: "127.0.0.1:%[2]d", connections: %[3]d}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
log: {level: warn}
%[4]s
maildrops:
  - %[5]s
%[6]s`, p.dir, p.mta, connections, p.top, p.maildrop(p.user, p.user), more))
}

// maildrop is one maildrop of mailretr, as YAML on one line.
func (p place) maildrop(name, user string) string {
	kind, security, after := p.protocol(), "none", "delete"
	if p.tls {
		kind, security = kind+"s", fmt.Sprintf("{ca: %s}", p.ca)
	}
	if p.keep {
		after = "keep"
	}
	return fmt.Sprintf("{name: %s, url: \"%s://%s@127.0.0.1:%d\", tls: %s, password: {file: %s/pass}, to: %s@kroon.co.za, "+
		"after: %s%s}", name, kind, user, p.port, security, p.dir, user, after, p.drop)
}

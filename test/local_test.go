//go:build interop

package test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	mailbox "mailretr/relay/local"
	"mailretr/relay/relaytest"
	"mailretr/store/mail"
	"mailretr/test/real"
)

// odd are messages that fit no rule, in normal form, each with an id of its own in the first line of its header.
func odd(n int) [][]byte {
	var all [][]byte
	for i, raw := range relaytest.Malformed(n) {
		all = append(all, append(fmt.Appendf(nil, "X-Number: %d\r\n", i), relaytest.Normal(raw)...))
	}
	return all
}

// deliver gives each to a client.
func deliver(t *testing.T, c *mailbox.Client, all [][]byte, to mail.Path) {
	t.Helper()
	for i, text := range all {
		m := &mail.Message{Content: relaytest.Of(text), Queued: time.Now(), ID: mail.NewID(time.Now(), nil)}
		m.Envelope.Reverse = "sender@example.org"
		m.Envelope.Recipients = []mail.Recipient{{Forward: to}}
		if r := c.Deliver(t.Context(), m); !r.Done(1) {
			t.Fatalf("%d: %+v", i, r)
		}
	}
}

// fetched reads a folder by IMAP, with no more of the protocol than that takes.
func fetched(t *testing.T, port int, user, folder string) (all [][]byte) {
	t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	br := bufio.NewReader(c)
	for i, command := range []string{"login " + user + " secret", `select "` + folder + `"`, "fetch 1:* body.peek[]"} {
		fmt.Fprintf(c, "t%d %s\r\n", i, command)
		for {
			line, err := br.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if done, ok := strings.CutPrefix(line, fmt.Sprintf("t%d ", i)); ok {
				if !strings.HasPrefix(done, "OK") && !strings.Contains(done, "No messages") {
					t.Fatalf("%s: %s", command, line)
				}
				break
			}
			_, size, ok := strings.Cut(strings.TrimSuffix(line, "}\r\n"), "{")
			if n, err := strconv.Atoi(size); ok && err == nil {
				text := make([]byte, n)
				if _, err := io.ReadFull(br, text); err != nil {
					t.Fatal(err)
				}
				all = append(all, text)
			}
		}
	}
	return all
}

// compare says which messages are not there octet for octet, once each, whatever stands before their number.
func compare(t *testing.T, want, got [][]byte) {
	t.Helper()
	have := map[[32]byte]int{}
	for _, g := range got {
		if i := bytes.Index(g, []byte("X-Number: ")); i >= 0 {
			g = g[i:]
		}
		have[sha256.Sum256(g)]++
	}
	bad := 0
	for _, w := range want {
		if n := have[sha256.Sum256(w)]; n != 1 {
			if bad++; bad < 5 {
				t.Errorf("is there %d times: %.300q", n, w)
			}
		}
	}
	if bad > 0 || len(got) != len(want) {
		t.Errorf("%d of %d are wrong; %d came", bad, len(want), len(got))
	}
}

// throughIMAP is what Dovecot makes of a message: a NUL, which IMAP cannot carry, becomes 0x80.
func throughIMAP(all [][]byte) (out [][]byte) {
	for _, text := range all {
		out = append(out, bytes.ReplaceAll(text, []byte{0}, []byte{0x80}))
	}
	return out
}

// ours are the options for mailboxes of the user to whom Dovecot's mail belongs.
func ours() mailbox.Options {
	return mailbox.Options{User: "nobody", Host: "mx.kroon.co.za", Trace: true, Since: time.Now()}
}

func client(t *testing.T) func(*mailbox.Client, error) *mailbox.Client {
	return func(c *mailbox.Client, err error) *mailbox.Client {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// TestDovecotReadsOurMaildir: a thousand messages that fit no rule, in the inbox and in a folder of ours.
func TestDovecotReadsOurMaildir(t *testing.T) {
	runtime.LockOSThread() // a server ends with the thread that started it, and deliveries for others end threads
	d := real.StartDovecot(t)
	d.User("jaco")
	o := ours()
	o.Folder = func(mail.Origin) string { return "Lists/Entwürfe & mehr" }
	path := filepath.Join(d.Dir, "mail", "{local}")
	all := odd(1000)
	deliver(t, client(t)(mailbox.NewMaildir(mailbox.Maildir{Options: o, Path: path})), all[:800], "jaco@kroon.co.za")
	deliver(t, client(t)(mailbox.NewMaildir(mailbox.Maildir{Options: o, Path: path, Keep: true})), all[800:], "jaco@kroon.co.za")
	compare(t, throughIMAP(all[:800]), fetched(t, d.IMAP, "jaco", "INBOX"))
	compare(t, throughIMAP(all[800:]), fetched(t, d.IMAP, "jaco", "Lists.Entw&APw-rfe &- mehr"))
	if log := d.Log(); strings.Contains(log, "Error") || strings.Contains(log, "Warning") {
		t.Errorf("Dovecot minds:\n%s", log)
	}
}

// TestDovecotReadsOurMbox: Dovecot finds the same beginnings as we wrote. It does not undo the quoting, and keeps some
// fields for itself.
func TestDovecotReadsOurMbox(t *testing.T) {
	runtime.LockOSThread() // a server ends with the thread that started it, and deliveries for others end threads
	d := real.StartDovecotAs(t, real.Setup{Extra: "mail_location = mbox:~/mbox:INBOX=~/inbox\nmbox_write_locks = fcntl\n"})
	d.User("jaco")
	var all [][]byte
	for _, text := range odd(1000) {
		if !bytes.Contains(text, []byte("Status:")) && !bytes.Contains(text, []byte("Content-Length:")) {
			all = append(all, text)
		}
	}
	box := mailbox.Mbox{Options: ours(), Path: filepath.Join(d.Dir, "mail", "{local}", "inbox"), Create: true}
	deliver(t, client(t)(mailbox.NewMbox(box)), all, "jaco@kroon.co.za")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Dovecot's log:\n%s", d.Log())
		}
	})
	got := fetched(t, d.IMAP, "jaco", "INBOX")
	for i := range got {
		got[i] = withoutQuotes(got[i])
	}
	compare(t, throughIMAP(all), got)
}

// withoutQuotes undoes the quoting of mboxrd.
func withoutQuotes(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		if rest := bytes.TrimLeft(line, ">"); len(rest) < len(line) && bytes.HasPrefix(rest, []byte("From ")) {
			line = line[1:]
		}
		out = append(out, line...)
	}
	return out
}

// person makes a user of this machine with a home directory, until the test ends.
func person(t *testing.T, name string) (home string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "home")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	home = filepath.Join(dir, name)
	remove := func() { exec.Command("/usr/sbin/userdel", name).Run() }
	remove() // of a test that was killed
	if out, err := exec.Command("/usr/sbin/useradd", "-m", "-k", "/dev/null", "-d", home, "-s", "/bin/sh", name).CombinedOutput(); err != nil {
		t.Fatalf("useradd: %v\n%s", err, out)
	}
	t.Cleanup(remove)
	os.Chmod(home, 0o700)
	return home
}

// as runs a script as a user.
func as(t *testing.T, name, script string) {
	t.Helper()
	if out, err := exec.Command("su", name, "-c", "cd && umask 077 && "+script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// lying are the messages in a Maildir, with CRLF.
func lying(t *testing.T, dir string) (all [][]byte) {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(dir, "new"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range list {
		text, err := os.ReadFile(filepath.Join(dir, "new", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")))
	}
	return all
}

// preset makes a client of one of the presets, run by root, which the programs expect.
func preset(t *testing.T, name string, argv ...string) *mailbox.Client {
	t.Helper()
	p := mailbox.Presets[name]
	if len(argv) > 0 {
		p.Argv = argv
	}
	o := ours()
	o.User, o.Trace = "root", p.Final
	return client(t)(mailbox.NewCommand(mailbox.Command{Options: o, Argv: p.Argv}))
}

// TestProcmailAndMaildrop: each sorts messages into a Maildir of a user of this machine, octet for octet; a user whom
// they do not know has no mailbox.
func TestProcmailAndMaildrop(t *testing.T) {
	home := person(t, "mrt-jaco")
	as(t, "mrt-jaco", `for d in a b; do mkdir -p $d/new $d/cur $d/tmp; done
		printf 'SENDER=x\nMAILDIR=$HOME\n:0\na/\n' >.procmailrc; echo 'to "$HOME/b/"' >.mailfilter`)
	var all [][]byte
	for _, text := range odd(60) {
		if !bytes.Contains(text, []byte{0}) && len(text) < 100_000 { // neither keeps NUL
			all = append(all, text)
		}
	}
	for name, dir := range map[string]string{"procmail": "a", "maildrop": "b"} {
		t.Run(name, func(t *testing.T) {
			c := preset(t, name)
			deliver(t, c, all, "mrt-jaco+lists@kroon.co.za")
			compare(t, all, lying(t, filepath.Join(home, dir)))
			m := &mail.Message{Content: relaytest.Of(all[0]), Queued: time.Now(), ID: mail.NewID(time.Now(), nil)}
			m.Envelope.Recipients = []mail.Recipient{{Forward: "mrt-nobody@kroon.co.za"}}
			if x := c.Deliver(t.Context(), m).Of(0); x.Outcome == mail.Delivered {
				t.Errorf("%+v", x)
			} else {
				t.Logf("somebody unknown: %s, %s", x.Outcome, x)
			}
		})
	}
}

// TestDovecotLDA: with its sieve and its quota, by its own rules.
func TestDovecotLDA(t *testing.T) {
	d := real.StartDovecotAs(t, real.Setup{Extra: "service auth {\n  unix_listener auth-userdb {\n    mode = 0666\n  }\n}\n" +
		"postmaster_address = postmaster@kroon.co.za\n"})
	d.User("jaco")
	argv := append([]string{mailbox.Presets["dovecot-lda"].Argv[0], "-c", filepath.Join(d.Dir, "dovecot.conf")},
		mailbox.Presets["dovecot-lda"].Argv[1:]...)
	argv[len(argv)-1] = "{local}"
	all := odd(40)
	deliver(t, preset(t, "dovecot-lda", argv...), all, "jaco@kroon.co.za")
	compare(t, throughIMAP(all), fetched(t, d.IMAP, "jaco", "INBOX"))
}

// TestSendmailByCommand: Exim's sendmail takes messages, and its queue has them before it ends.
func TestSendmailByCommand(t *testing.T) {
	e := real.StartExim(t, real.Rules{})
	argv := slices.Clone(mailbox.Presets["sendmail"].Argv)
	argv = append([]string{"/usr/sbin/exim4", "-C", filepath.Join(e.Dir, "exim.conf")}, argv[1:]...)
	c := preset(t, "sendmail", argv...)
	for i, from := range []mail.Path{"sender@example.org", "", `"-oX"@example.org`} {
		m := &mail.Message{Content: relaytest.Of([]byte(text(uint64(i), fmt.Sprintf("n%d", i), 3000))), Queued: time.Now()}
		m.Envelope.Reverse = from
		m.Envelope.Recipients = []mail.Recipient{{Forward: "jaco@kroon.co.za"}}
		if r := c.Deliver(t.Context(), m); !r.Done(1) {
			t.Fatalf("%+v", r)
		}
	}
	eventually(t, time.Minute, "three deliveries", func() bool { return len(e.Delivered("jaco")) == 3 })
	all := strings.Join(e.Delivered("jaco"), "")
	for _, want := range []string{"Return-path: <sender@example.org>", "Return-path: <>", `Return-path: <"-oX"@example.org>`} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s", want)
		}
	}
}

// TestFullDisk: a mailbox on a disk that fills up takes nothing in part, defers, and goes on when there is room.
func TestFullDisk(t *testing.T) {
	dir, err := os.MkdirTemp("", "full")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k,mode=777", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no file system can be mounted here: %v %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", dir).Run() })
	small, large := []byte("X-Number: 1\r\n\r\nsmall\r\n"), append([]byte("X-Number: 2\r\n\r\n"), bytes.Repeat([]byte("large\r\n"), 100_000)...)
	for kind, c := range map[string]*mailbox.Client{
		"maildir": client(t)(mailbox.NewMaildir(mailbox.Maildir{Options: ours(), Path: dir + "/maildir", Create: true})),
		"mbox":    client(t)(mailbox.NewMbox(mailbox.Mbox{Options: ours(), Path: dir + "/mbox", Create: true})),
	} {
		deliver(t, c, [][]byte{small}, "jaco@kroon.co.za")
		m := &mail.Message{Content: relaytest.Of(large), Queued: time.Now(), ID: mail.NewID(time.Now(), nil)}
		m.Envelope.Recipients = []mail.Recipient{{Forward: "jaco@kroon.co.za"}}
		x := c.Deliver(t.Context(), m).Of(0)
		if x.Outcome != mail.Deferred || x.Enhanced != "4.3.1" {
			t.Errorf("%s: %+v", kind, x)
		}
		deliver(t, c, [][]byte{small}, "jaco@kroon.co.za")
	}
	if n := len(lying(t, dir+"/maildir")); n != 2 {
		t.Errorf("%d in the Maildir", n)
	}
	if list, _ := os.ReadDir(dir + "/maildir/tmp"); len(list) > 0 {
		t.Errorf("left in tmp: %v", list)
	}
	b, err := os.ReadFile(dir + "/mbox")
	if err != nil || bytes.Count(b, []byte("\nsmall\n\n")) != 2 || bytes.Contains(b, []byte("large")) {
		t.Errorf("the mbox has %d octets, %v", len(b), err)
	}
}

// TestLocalKilled: the daemon is killed with SIGKILL again and again while it collects from Dovecot and delivers into a
// Maildir. Every message is there, octet for octet, and none twice: its name says that it was delivered.
func TestLocalKilled(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 4))
	d := real.StartDovecot(t)
	d.User("jaco")
	p := newProgram(t, fmt.Sprintf(`
deliver: {maildir: {path: "@DIR@/mail/{local}", user: root}}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
queue: {retry: [1s]}
poll: 1s
maildrops:
  - {name: jaco, url: "pop3://jaco@localhost:%d", tls: none, password: {file: @DIR@/pass}, to: jaco@kroon.co.za, after: delete}
`, d.POP3))
	box := filepath.Join(p.dir, "mail", "jaco")
	if err := os.Mkdir(filepath.Dir(box), 0o700); err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	kills := number("MAILRETR_KILLS", 5)
	for kill := range kills + 1 {
		for i := range 30 {
			octets := text(uint64(kill*100+i), fmt.Sprintf("n%d", kill*100+i), 2000)
			all = append(all, []byte(normal(octets)))
			d.Put("jaco", []byte(octets))
		}
		p.serve()
		if kill < kills {
			had := len(lying(t, box))
			eventually(t, time.Minute, "a delivery", func() bool { return len(lying(t, box)) > had })
			time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond) // the random moment
			p.kill()
		}
	}
	eventually(t, time.Minute, "an empty maildrop", func() bool { return d.Count("jaco") == 0 })
	eventually(t, time.Minute, "all messages", func() bool {
		if len(lying(t, box)) >= len(all) {
			return true
		}
		p.run("queue", "release", "--all", "--yes") // what was in flight at two ends is held
		return false
	})
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	var got [][]byte
	for _, text := range lying(t, box) {
		got = append(got, []byte(body(string(text))))
	}
	for i := range all {
		all[i] = []byte(body(string(all[i])))
	}
	compare(t, all, got)
}

// TestUsersOfThisMachine: root collects by IMAP from two folders, and delivers into the home directory of whom the mail
// is for, with that user's rights, into the folders that it was in. Whoever is not known here gets a bounce sent.
func TestUsersOfThisMachine(t *testing.T) {
	home := person(t, "mrt-anna")
	d := real.StartDovecot(t)
	d.User("anna")
	d.Put("anna", []byte(text(1, "n1", 2000)))
	d.PutIn("anna", "Lists.go", "", []byte(text(2, "n2", 2000)))
	p := newProgram(t, fmt.Sprintf(`
deliver: {maildir: {path: "~/Maildir", user: "{local}", folder: keep}}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: mrt-anna@kroon.co.za}
queue: {retry: [1s]}
maildrops:
  - {name: anna, url: "imap://anna@localhost:%d", tls: none, password: {file: @DIR@/pass}, to: mrt-anna+x@kroon.co.za, folders: ["*"], after: delete}
`, d.IMAP))
	if out, talk, code := p.run("poll"); code != 0 {
		t.Fatalf("poll ended with %d: %s%s", code, out, talk)
	}
	for dir, subject := range map[string]string{"Maildir": "n1", "Maildir/.Lists.go": "n2"} {
		all := lying(t, filepath.Join(home, dir))
		if len(all) != 1 || !bytes.Contains(all[0], []byte("Subject: "+subject+"\r\n")) ||
			!bytes.HasPrefix(all[0], []byte("Delivered-To: mrt-anna+x@kroon.co.za\r\nReturn-Path: <sender@example.org>\r\n")) {
			t.Errorf("%s: %q", dir, all)
		}
	}
	as(t, "mrt-anna", "test -z \"$(find Maildir ! -user mrt-anna -o -perm /077)\"")
}

//go:build interop

package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailretr/test/real"
)

// bed is a Dovecot, a line, a recording MTA and a program between them, with a ledger of both ends.
type bed struct {
	*ledger
	d    *real.Dovecot
	line *real.Line
	sink *real.Sink
	p    *program
}

// conf is the configuration of a bed; state "" means beside the configuration.
func newBed(t *testing.T, protocol string, take func(real.Taken) string, extra string) *bed {
	b := &bed{ledger: newLedger(t), d: real.StartDovecot(t)}
	if take == nil {
		take = b.take
	}
	b.sink = real.StartSink(t, false, take)
	b.line = real.StartLine(t, map[string]int{"pop3": b.d.POP3, "imap": b.d.IMAP}[protocol], 0)
	b.d.User("jaco")
	b.p = newProgram(t, fmt.Sprintf(`
deliver: {smtp: "127.0.0.1:%d"}
bounce: {from: mailer-daemon@kroon.co.za, postmaster: postmaster@kroon.co.za}
poll: 1s
maildrops:
  - {name: jaco, url: "%s://jaco@localhost:%d", tls: none, password: {file: @DIR@/pass}, to: jaco@kroon.co.za, after: delete}
%s`, b.sink.Port, protocol, b.line.Port, extra))
	return b
}

// status returns the status as text.
func (b *bed) status() string {
	out, _, _ := b.p.run("status", "--json")
	return out
}

// hasten ends the waiting of messages whose bodies were cut.
func (b *bed) hasten(maildrop string) {
	b.t.Helper()
	for _, mark := range b.p.lines("seen", "list", maildrop) { // a status may have been lost with its process
		if mark["mark"] != "aside" {
			continue
		}
		uid := mark["uid"].(string)
		if out, talk, code := b.p.run("seen", "forget", maildrop, uid); code != 0 {
			b.t.Fatalf("seen forget %s: %s%s", uid, out, talk)
		}
	}
}

// arrives waits until everything is at the MTA and the maildrop empty, and judges.
func (b *bed) arrives(duplicates int) {
	b.t.Helper()
	eventually(b.t, 2*time.Minute, "all messages at the MTA", func() bool { return b.missing() == 0 })
	eventually(b.t, time.Minute, "an empty maildrop", func() bool { return b.d.Count("jaco") == 0 })
	if err := b.p.stop(); err != nil {
		b.t.Errorf("stopping: %v", err)
	}
	b.judge(duplicates)
}

// TestLineCutAtRandomOctets cuts each session at another octet, then mends the line.
func TestLineCutAtRandomOctets(t *testing.T) {
	for _, protocol := range []string{"pop3", "imap"} {
		t.Run(protocol, func(t *testing.T) {
			b := newBed(t, protocol, nil, "queue: {retry: [1s]}\n")
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 9))
			b.fillMore(b.d, "jaco", 300, seed)
			b.line.CutAfter(1 + r.Int64N(100))
			b.p.serve()
			eventually(t, time.Minute, "a status that names the cut", func() bool {
				return strings.Contains(b.status(), "unreachable") || strings.Contains(b.status(), "connect")
			})
			for range 25 {
				b.line.CutAfter(1 + r.Int64N(200<<10))
				b.p.run("poll", "jaco")
			}
			if !strings.Contains(b.p.logged(), "maildrop=jaco") {
				t.Error("the log says nothing of jaco")
			}
			b.line.CutAfter(0)
			b.hasten("jaco")
			b.p.run("poll", "jaco")
			b.arrives(0)
		})
	}
}

// TestDiskFull gives the state a small file system of its own. Collecting stops before it is full, delivering goes on, the
// status says so, and everything arrives when there is room.
func TestDiskFull(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=96m,mode=0700", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mounting a small file system needs root: %v %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	for _, protocol := range []string{"pop3", "imap"} {
		t.Run(protocol, func(t *testing.T) {
			state := filepath.Join(dir, protocol)
			b := newBed(t, protocol, nil, "queue: {retry: [1s], reserve: 24M}\n")
			conf, err := os.ReadFile(b.p.conf)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(conf), b.p.dir+"/state", state, 1)
			if err := os.WriteFile(b.p.conf, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			b.fillMore(b.d, "jaco", 120, 5)
			b.put(b.d, "jaco", 8<<20, 5) // there is room for the others, and for the beginning of this one
			filler := filepath.Join(dir, "filler")
			if err := os.WriteFile(filler, make([]byte, 66<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			b.p.serve()
			eventually(t, 20*time.Second, "a status that names the disk", func() bool { return strings.Contains(b.status(), "disk") })
			if !strings.Contains(b.p.logged(), "disk") {
				t.Errorf("the log does not name the disk")
			}
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			b.p.run("poll", "jaco")
			b.arrives(0)
			os.RemoveAll(state)
		})
	}
}

// TestFewDescriptors lets the daemon have so few file descriptors that it runs out of them.
func TestFewDescriptors(t *testing.T) {
	b := newBed(t, "imap", nil, "queue: {retry: [1s]}\n")
	b.fillMore(b.d, "jaco", 300, 6)
	b.p.serve()
	eventually(t, time.Minute, "a beginning", func() bool { return b.missing() < 300 })
	limit := func(n int) {
		t.Helper()
		out, err := exec.Command("prlimit", fmt.Sprintf("--pid=%d", b.p.daemon.Process.Pid), fmt.Sprintf("--nofile=%d:1024", n)).CombinedOutput()
		if err != nil {
			t.Fatalf("prlimit: %v %s", err, out)
		}
	}
	limit(24)
	b.fillMore(b.d, "jaco", 200, 7)
	eventually(t, time.Minute, "a log that names it", func() bool { return strings.Contains(b.p.logged(), "too many open files") })
	if b.p.daemon.ProcessState == nil {
		// The database may have ended the process (notes say so of its rotation); a supervisor starts it again.
		b.p.kill()
	}
	b.p.serve()
	b.arrives(4)
}

// TestMTAFailsAtEachVerb: the recording MTA refuses with 451 and with 421 at each stage for a while, and everything
// arrives once.
func TestMTADefersAfterDATA(t *testing.T) {
	for _, reply := range []string{"451 4.3.0 later", "421 4.3.2 shutting down", "452 4.3.1 full"} {
		t.Run(reply[:3], func(t *testing.T) {
			var b *bed
			calls := 0
			take := func(m real.Taken) string {
				b.mu.Lock()
				calls++
				n := calls
				b.mu.Unlock()
				if n <= 200 && n%3 != 0 {
					return reply
				}
				return b.take(m)
			}
			b = newBed(t, "pop3", take, "queue: {retry: [1s]}\n")
			b.fillMore(b.d, "jaco", 100, 8)
			b.p.serve()
			b.arrives(0)
		})
	}
}

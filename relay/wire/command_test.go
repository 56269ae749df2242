package wire

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func byCommand(t *testing.T, argv ...string) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), Options{Address: "mail.test:110", TLS: TLS{Mode: Plain}, Command: argv, Idle: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestCommandIsTheConnection(t *testing.T) {
	c := byCommand(t, "sh", "-c", `echo "+OK ready"; read x; echo "+OK you said $x"`)
	if b, err := c.ReadLine(100); err != nil || string(b) != "+OK ready" {
		t.Fatalf("%q, %v", b, err)
	}
	if err := c.Alive(); err != nil {
		t.Errorf("a peek: %v", err)
	}
	say(t, c, "CAPA\n")
	if b, err := c.ReadLine(100); err != nil || string(b) != "+OK you said CAPA" {
		t.Fatalf("%q, %v", b, err)
	}
	if up, down := c.Octets(); up != 5 || down != 28 {
		t.Errorf("%d up, %d down", up, down)
	}
}

func TestCommandThatFailsSaysWhy(t *testing.T) {
	c := byCommand(t, "sh", "-c", `echo "ssh: no route" >&2; printf 'to \033[2J host\n' >&2; exit 255`)
	_, err := c.ReadLine(100)
	want := `reading: sh ended: exit status 255: ssh: no route; to \x1b[2J host`
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	var e *Error
	if !errors.As(err, &e) || e.TLS() || e.Protocol() {
		t.Errorf("%#v", e)
	}
	if _, err := Dial(t.Context(), Options{Address: "mail.test:110", Command: []string{"/nowhere/ssh"}}); err == nil ||
		!strings.HasPrefix(err.Error(), "connecting to mail.test:110 by /nowhere/ssh: ") {
		t.Errorf("%v", err)
	}
}

func TestCommandsComplaintIsBounded(t *testing.T) {
	c := byCommand(t, "sh", "-c", `yes nonsense | head -c 10000000 >&2; echo the reason >&2; exit 1`)
	_, err := c.ReadLine(100)
	if kept := c.line.Conn.(*command).said.kept; len(kept) > maxComplaint {
		t.Errorf("%d octets are kept", len(kept))
	}
	if err == nil || len(err.Error()) > 2*maxComplaint || !strings.HasSuffix(err.Error(), "the reason") {
		t.Errorf("%.3000v", err)
	}
}

// What a command has started ends with the connection.
func TestCommandEndsAsAGroup(t *testing.T) {
	for what, end := range map[string]func(*Conn){
		"close": func(c *Conn) { c.Close() },
		"abort": func(c *Conn) { c.Abort(errors.New("stop")) },
	} {
		t.Run(what, func(t *testing.T) {
			c := byCommand(t, "sh", "-c", `sleep 600 & echo $! $$; trap '' TERM; while :; do sleep 600; done`)
			b, err := c.ReadLine(100)
			if err != nil {
				t.Fatal(err)
			}
			pids := strings.Fields(string(b))
			end(c)
			for _, s := range pids {
				pid, err := strconv.Atoi(s)
				if err != nil {
					t.Fatal(err)
				}
				ends(t, pid)
			}
		})
	}
}

// ends waits until a process has ended.
func ends(t *testing.T, pid int) {
	t.Helper()
	for n := 0; alive(pid); n++ {
		if n > 1000 {
			t.Fatalf("%d is still there", pid)
		}
		<-time.After(5 * time.Millisecond) // another process: no clock of ours
	}
}

// alive says whether a process runs; one that only nobody has waited for does not.
func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !os.IsNotExist(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestR20_NoShellSeesACommand(t *testing.T) {
	dir := t.TempDir()
	evil := "$(touch " + dir + "/evil); `touch " + dir + "/evil` > " + dir + "/evil %h"
	c := byCommand(t, "printf", "%s\\n", evil)
	if b, err := c.ReadLine(1000); err != nil || string(b) != evil {
		t.Errorf("%q, %v", b, err)
	}
	if err := prepare(t.Context(), []string{"test", "-n", evil}, time.Minute); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "evil")); err == nil {
		t.Error("a shell has seen it")
	}
}

func TestBefore(t *testing.T) {
	dir := t.TempDir()
	mark := filepath.Join(dir, "up")
	o := Options{Address: "mail.test:110", TLS: TLS{Mode: Plain}, Before: []string{"touch", mark},
		Command: []string{"sh", "-c", "test -e " + mark + " && echo +OK || echo -ERR"}}
	c, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if b, err := c.ReadLine(100); err != nil || string(b) != "+OK" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestBeforeThatFailsIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	for _, x := range []struct{ script, says string }{
		{"echo no tunnel >&2; exit 3", "exit status 3: no tunnel"},
		{"echo working >&2; sleep 600 & echo $! > " + file + "; sleep 600", "not done within 200ms: i/o timeout: working"},
	} {
		_, err := Dial(t.Context(), Options{Address: "mail.test:110", Before: []string{"sh", "-c", x.script},
			BeforeWait: 200 * time.Millisecond, Command: []string{"false"}})
		want := "running sh before connecting to mail.test:110: " + x.says
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	ends(t, pid)
}

// A tunnel goes into the background and stays there.
func TestBeforeMayLeaveSomethingBehind(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	if err := prepare(t.Context(), []string{"sh", "-c", "sleep 600 & echo $! > " + file}, time.Minute); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Error("it was ended")
	}
	syscall.Kill(pid, syscall.SIGKILL)
}

// What we were told to reach the server by says of itself that it fails: nothing is said of the server, and least of
// all that its security is in doubt.
func TestOurOwnWayFails(t *testing.T) {
	fails := []string{"sh", "-c", "echo no route >&2; exit 3"}
	for key, o := range map[string]Options{
		"preconnect": {Before: fails},
		"dial":       {Command: fails, TLS: TLS{Mode: Implicit}},
		"proxy":      {Proxy: &Proxy{Address: "127.0.0.1:1"}},
	} {
		o.Address = "mail.test:995"
		_, err := Dial(t.Context(), o)
		var says interface {
			Wrong() string
			Advice() string
		}
		if !errors.As(err, &says) || !strings.Contains(says.Wrong(), key) || !strings.Contains(says.Advice(), key+":") {
			t.Errorf("%s: %v", key, err)
		}
		if e := (*Error)(nil); !errors.As(err, &e) || e.TLS() || !strings.Contains(err.Error(), "mail.test:995") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mailretr/relay/relaytest"
	"mailretr/store/mail"
)

// shell makes a client that runs a script of /bin/sh.
func shell(t testing.TB, script string, change ...func(*Command)) *Client {
	t.Helper()
	o := Command{Options: options(t), Argv: []string{"/bin/sh", "-c", script, "sh", "{recipient}"}}
	for _, f := range change {
		f(&o)
	}
	return open(t)(NewCommand(o))
}

// Every exit code means what the table says.
func TestS9_ExitCodes(t *testing.T) {
	for code := range 256 {
		want := mail.Result{Outcome: mail.Deferred}
		switch {
		case code == 0:
			want.Outcome = mail.Delivered
		case slices.Contains([]int{65, 67, 68, 69, 76, 77}, code):
			want.Outcome = mail.Failed
		}
		err := ended{code: code, said: "words"}.verdict()
		x := (&Client{}).result(err, mail.OpBody)
		if x.Outcome != want.Outcome || x.Scope != mail.OfRecipient {
			t.Errorf("%d: %+v", code, x)
		}
		if code != 0 && (!strings.HasSuffix(x.Reply, " words") || x.Reply[4:9] != x.Enhanced ||
			(x.Enhanced[0] == '5') != (x.Outcome == mail.Failed)) {
			t.Errorf("%d: %+v", code, x)
		}
	}
	for script, want := range map[string]string{
		"exit 67": "550|554 5.1.1 no such user here", "echo not for you; exit 77": "554 5.7.0 not for you",
		"echo 5.2.2 full up >&2; exit 73": "554 5.2.2 full up", "echo 4.2.2 full up >&2; exit 73": "451 4.2.0 4.2.2 full up",
		"exit 64": "451 4.3.5 it was called wrongly", "exit 78": "451 4.3.5 its configuration is wrong",
		"kill -9 $$": "451 4.3.0 the program was ended", "exit 99": "451 4.3.0 the program failed for now",
		"cat >/dev/null; echo later >&2; exit 75": "451 4.3.0 later",
	} {
		x := shell(t, script).Deliver(t.Context(), message(letter, "one@x.example")).Of(0)
		if !strings.HasSuffix(want, x.Reply) || x.Outcome == mail.Delivered || x.Err == nil {
			t.Errorf("%s: %+v", script, x)
		}
	}
}

// The time-out ends a program with all that it has started, also where that does not want to.
func TestS8_TimeoutEndsTheGroup(t *testing.T) {
	for name, script := range map[string]string{
		"willing":   `sleep 1000 & echo $! >"$F"; cat >/dev/null; wait`,
		"unwilling": `trap '' TERM; (trap '' TERM; sleep 1000) & echo $! >"$F"; while :; do sleep 1000; done`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "pid")
			c := shell(t, "F="+file+"; "+script, func(o *Command) { o.Timeout = 300 * time.Millisecond })
			began := time.Now()
			x := c.Deliver(t.Context(), message(letter, "one@x.example")).Of(0)
			if x.Outcome != mail.Deferred || !strings.Contains(fmt.Sprint(x.Err), "within 300ms") {
				t.Errorf("%+v", x)
			}
			if d := time.Since(began); d > 15*time.Second {
				t.Errorf("it took %v", d)
			}
			text, err := os.ReadFile(file)
			must(t, err)
			var pid int
			fmt.Sscan(string(text), &pid)
			for range 500 { // its end is another process's doing
				if syscall.Kill(pid, 0) != nil || zombie(pid) {
					return
				}
				<-time.After(10 * time.Millisecond)
			}
			t.Errorf("%d lives", pid)
		})
	}
}

// zombie says whether a process has ended and nobody has asked for it yet.
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(b), ") Z ")
}

// A program need not read, may leave somebody behind, and may write more than anybody wants to know.
func TestProgramsWithManners(t *testing.T) {
	big := letter + strings.Repeat("more\r\n", 500_000)
	for name, script := range map[string]string{
		"reads nothing":     "exit 0",
		"closes its input":  "exec <&-; exit 0",
		"leaves a daemon":   "cat >/dev/null; sleep 8 & exit 0",
		"writes a lot":      "cat >/dev/null; head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2",
		"writes what it is": "cat",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r := shell(t, script).Deliver(t.Context(), message(big, "one@x.example")); !r.Done(1) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Nobody sees the end of a message that has none: of a content that breaks, nothing is given to a program.
func TestS9_NoHalfMessage(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	c := shell(t, "cat >"+out)
	m := message(letter+strings.Repeat("more\r\n", 50_000), "one@x.example")
	m.Content.(*relaytest.Content).Cut = 100_000
	if r := c.Deliver(t.Context(), m); !r.All(mail.Deferred) {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("the program ran")
	}
	// And where the spool itself breaks while the program reads, it is ended before it sees an end.
	j := &job{argv: []string{"/bin/sh", "-c", "cat >/dev/null; echo end >" + out}, who: &who{self: true},
		stdin: &reader{ctx: context.Background(), r: brokenReader{}}}
	if e, err := j.run(t.Context()); err == nil {
		t.Errorf("%+v", e)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("the program saw an end")
	}
}

type brokenReader struct{}

func (brokenReader) Read(p []byte) (int, error) { return copy(p, "half\r\n"), relaytest.ErrCut }

func TestPresetsAreTemplates(t *testing.T) {
	for name, p := range Presets {
		argv, err := parseArgv(p.Argv, "argument", argumentWords)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		m := message(letter, "jaco@x.example")
		m.Envelope.Reverse = ""
		list, err := expandArgv(argv, wordsOf(m, "jaco@x.example"))
		if err != nil || strings.Contains(strings.Join(list, " "), "{") {
			t.Errorf("%s: %q, %v", name, list, err)
		}
	}
}

func TestTemplates(t *testing.T) {
	allowed := map[string][]string{"user": recipientWords, "path": pathWords, "argument": argumentWords, "filter": messageWords}
	for _, x := range []struct{ purpose, text, wrong string }{
		{"path", "/a/{local}", ""}, {"path", "/a/{recipient}", "not known"}, {"path", "/a/{", "without"}, {"path", "/a/}", "without"},
		{"argument", "{sender|<>}{{}}", ""}, {"filter", "{local}", "not known"}, {"filter", "{sender}", ""}, {"user", "{local}", ""},
		{"user", "{folder}", "not known"}, {"argument", "{}", "not known"},
	} {
		_, err := parse(x.text, x.purpose, allowed[x.purpose])
		if (err == nil) != (x.wrong == "") || err != nil && !strings.Contains(err.Error(), x.wrong) {
			t.Errorf("%s %q: %v", x.purpose, x.text, err)
		}
	}
	if _, err := NewCommand(Command{Argv: []string{"/bin/{local}"}}); err == nil {
		t.Error("an address names the program")
	}
	if _, err := NewMaildir(Maildir{Path: "mail/{local}"}); err == nil {
		t.Error("a relative path")
	}
}

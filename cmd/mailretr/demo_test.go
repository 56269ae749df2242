package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mailretr/cmd/mailretr/demo"
	"mailretr/cmd/mailretr/term"
)

// demoApp is an app whose temporary files are in a directory of the test.
func demoApp(t *testing.T) (a *app, out, talk *bytes.Buffer, dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Setenv("TMPDIR", dir)
	out, talk = &bytes.Buffer{}, &bytes.Buffer{}
	a = newApp(strings.NewReader(""), out, talk)
	a.out, a.talk = &term.Out{Writer: out}, &term.Out{Writer: talk}
	return a, out, talk, dir
}

// cpu is the processor time that this process has used.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func empty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The whole promise, with the pauses that a person sees.
func TestDemo(t *testing.T) {
	a, out, talk, dir := demoApp(t)
	before := cpu(t)
	if code := a.run(t.Context(), []string{"demo", "--json"}); code != exOK {
		t.Errorf("exit code %d: %s", code, talk)
	}
	// Under ten seconds, of a machine that is not busy with other things: its own work, and the pauses.
	if took := cpu(t) - before + 6*demoPace*11/10; took > 10*time.Second {
		t.Errorf("it takes %s", took)
	}
	empty(t, dir)
	var v demo.Summary
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if !v.OK || v.Delivered != 25 || v.Deferred != 5 || v.Refused != 1 || len(v.Maildrops) != 2 {
		t.Errorf("%+v", v)
	}
	if v.Bounce == nil || !strings.Contains(v.Bounce.From, "<mailer-daemon@home.example>") ||
		!strings.Contains(v.Bounce.Text, "550 5.1.1 no such user here") {
		t.Errorf("%+v", v.Bounce)
	}
	for _, b := range v.Maildrops {
		most, least := b.Body+b.Body/100+32<<10, b.Body
		if b.Refused {
			most, least = 32<<10, 0
		}
		if b.Line > most || b.Line < least {
			t.Errorf("%s: %d octets on the line", b.Name, b.Line)
		}
	}
	if v.Saved < 8*v.Line {
		t.Errorf("saved %d for %d", v.Saved, v.Line)
	}
}

// What is printed fits a terminal and says each step.
func TestDemoAsText(t *testing.T) {
	a, out, _, dir := demoApp(t)
	if err := a.demo(t.Context(), 50*time.Millisecond, time.Minute); err != nil {
		t.Error(err)
	}
	empty(t, dir)
	for _, want := range []string{
		"family (POP3): 12 small messages are collected", "jaco (IMAP): 12 small messages are collected",
		"550 5.1.1 no such user here", "the MTA is given the 4.0M message, and says: 451 4.3.0 Zip module failure",
		"attempt 5: the MTA says 451", "attempt 6: the MTA takes the 4.0M message", "the MTA takes the bounce",
		"without a queue", "5 × 4.0M", "| From: Mail Delivery System <mailer-daemon@home.example>",
		"As promised: 25 messages", "Removed " + dir,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for l := range strings.Lines(out.String()) {
		if len([]rune(l)) > 100 && !strings.Contains(l, dir) {
			t.Errorf("wide: %q", l)
		}
	}
}

func TestDemoThatFails(t *testing.T) {
	a, out, _, dir := demoApp(t)
	err := a.demo(t.Context(), time.Hour, time.Second)
	if code(err) != exSoftware || !strings.Contains(out.String(), "Not as promised:\n") ||
		!strings.Contains(out.String(), "zip@studio.example arrived 0 times") {
		t.Errorf("%v\n%s", err, out)
	}
	empty(t, dir)
}

func TestDemoStopped(t *testing.T) {
	a, out, talk, dir := demoApp(t)
	ctx, stop := context.WithCancel(t.Context())
	a.out.Writer = writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), "is given the") { // in the middle of it
			stop()
		}
		return out.Write(p)
	})
	err := a.demo(ctx, time.Hour, time.Minute)
	if code(err) != exTempFail || !strings.Contains(talk.String(), "stopped") {
		t.Errorf("%v: %s", err, talk)
	}
	empty(t, dir)
	if !strings.Contains(out.String(), "Removed "+dir) {
		t.Errorf("%s", out)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

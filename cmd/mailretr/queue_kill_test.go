package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// killed runs a verb as a program of its own and kills it after a while; done says that it ended before, and well.
func killed(t *testing.T, after time.Duration, args ...string) (done bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(ctx, exe)
	c.Args = append([]string{"mailretr"}, args...)
	out, err := c.CombinedOutput()
	if err != nil && ctx.Err() == nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return err == nil
}

// listOf is what is queued, with what does not change by itself.
func listOf(t *testing.T) string {
	t.Helper()
	code, out, talk := call(t, "queue", "export", t.TempDir()+"/x", "--all", "--json")
	if code != 0 {
		t.Fatal(talk)
	}
	lines := strings.Split(out, "\n")
	for i, l := range lines { // the schedule is that of the adoption where a file was adopted
		id, rest, _ := strings.Cut(l, `"queued"`)
		_, rest, _ = strings.Cut(rest, `"message_size"`)
		rest, hold, held := strings.Cut(rest, `"hold"`)
		if rest, _, _ = strings.Cut(rest, `"attempts"`); held {
			hold, _, _ = strings.Cut(hold, `"attempts"`)
		}
		lines[i] = id + rest + hold
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// An import that is killed at any instant and repeated until it ends has taken each message once, and what was held is.
func TestImportIsKilled(t *testing.T) {
	dir, _ := place(t)
	const n = 40
	queueMany(t, n)
	if code, _, talk := call(t, "queue", "hold", "--from", "a1*", "--yes"); code != 0 {
		t.Fatal(talk)
	}
	want := listOf(t)
	copied := filepath.Join(dir, "copy")
	if code, _, talk := call(t, "queue", "export", copied, "--all"); code != 0 {
		t.Fatal(talk)
	}
	if code, _, talk := call(t, "queue", "remove", "--all", "--yes"); code != 0 {
		t.Fatal(talk)
	}
	kills := 0
	for d := 20 * time.Millisecond; !killed(t, d, "queue", "import", copied); d += d / 8 {
		if kills++; d > time.Minute {
			t.Fatal("it never ends")
		}
	}
	t.Logf("%d kills", kills)
	if got := listOf(t); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if code, _, talk := call(t, "queue", "import", copied); code != 0 || talk != fmt.Sprintf("0 messages imported, %d in the queue already\n", n) {
		t.Errorf("%d %s", code, talk)
	}
}

// A restore that is killed at any instant leaves no state, and the next one goes on from nothing.
func TestRestoreIsKilled(t *testing.T) {
	dir, _ := place(t)
	queueMany(t, 40)
	want := listOf(t)
	file := filepath.Join(dir, "backup.tar")
	if code, _, talk := call(t, "backup", file); code != 0 {
		t.Fatal(talk)
	}
	if err := os.Rename(filepath.Join(dir, "state"), filepath.Join(dir, "before")); err != nil {
		t.Fatal(err)
	}
	kills := 0
	for d := 20 * time.Millisecond; !killed(t, d, "restore", file, "--release"); d += d / 8 {
		if kills++; d > time.Minute {
			t.Fatal("it never ends")
		}
		_, err := os.Lstat(filepath.Join(dir, "state", "restoring"))
		if list, _ := os.ReadDir(filepath.Join(dir, "state")); err != nil && len(list) > 1 {
			break // it was whole already when it was killed
		}
		if err == nil && kills%3 == 0 {
			if code, out, talk := call(t, "queue"); code == 0 {
				t.Fatalf("half a state was opened: %s%s", out, talk)
			}
		}
	}
	t.Logf("%d kills", kills)
	if got := listOf(t); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// An edit that is killed was made, or was not.
func TestEditIsKilled(t *testing.T) {
	place(t)
	queueOne(t, "451 no")
	names := []string{"jaco@kroon.co.za", "anna@kroon.co.za"}
	kills := 0
	for d := 10 * time.Millisecond; kills < 15; d += 7 * time.Millisecond {
		if killed(t, d, "queue", "edit", "TKMYPQN8", "--replace", names[0]+","+names[1]) {
			break
		}
		kills++
		code, out, talk := call(t, "queue", "-v", "--json")
		before, after := strings.Contains(out, names[0]), strings.Contains(out, names[1])
		if code != 0 || before == after || strings.Count(out, "\n") != 1 {
			t.Fatalf("%d %s%s", code, out, talk)
		}
		if after {
			names[0], names[1] = names[1], names[0]
		}
	}
}

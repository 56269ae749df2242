//go:build interop

package test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What the last stage of the container file says, by instruction.
func stage(t *testing.T) (said map[string][]string) {
	t.Helper()
	octets, err := os.ReadFile("../cmd/mailretr/dist/Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(octets), "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "", "#":
		case "FROM":
			said = map[string][]string{word: {rest}}
		case "ARG", "COPY", "ENV", "USER", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD", "WORKDIR", "RUN":
			said[word] = append(said[word], rest)
		default:
			t.Errorf("what is %q?", word)
		}
	}
	return said
}

// contained is a directory with all that the last stage has, and a configuration.
func contained(t *testing.T, said map[string][]string, user int) (root string) {
	t.Helper()
	root = t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	built := filepath.Join(t.TempDir(), "mailretr")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", built, "../cmd/mailretr")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, c := range said["COPY"] {
		words := strings.Fields(c)
		from, to, owner := words[len(words)-2], filepath.Join(root, words[len(words)-1]), 0
		if strings.Contains(c, "--chown="+said["USER"][0]) {
			owner = user
		}
		must(t, "mkdir", "-p", filepath.Dir(to))
		switch {
		case from == "/out/mailretr":
			must(t, "cp", built, to)
		case strings.HasPrefix(from, "/out/"):
			must(t, "mkdir", "-m", "0700", to)
		default:
			must(t, "cp", "-rL", from, to)
		}
		if err := os.Chown(to, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "mkdir", filepath.Join(root, "etc/mailretr"), filepath.Join(root, "proc"))
	config := strings.ReplaceAll(packagedConfig, "unix:/run/mailretr-smtp/socket", "unix:/run/mailretr/smtp")
	if err := os.WriteFile(filepath.Join(root, "etc/mailretr/mailretr.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// Where no container can be run, its last stage is put together by hand, with what it copies and nothing else, and
// entered as its user: the demo runs there, the daemon starts and stops, and the health check tells it apart from none.
func TestContainer(t *testing.T) {
	said := stage(t)
	if said["FROM"][0] != "scratch" || len(said["ENV"]) != 1 || said["CMD"][0] != `["serve"]` || said["ENTRYPOINT"][0] != `["/mailretr"]` {
		t.Fatal(said)
	}
	uid, _, _ := strings.Cut(said["USER"][0], ":")
	user, err := strconv.Atoi(uid)
	if err != nil || user == 0 {
		t.Fatal(said["USER"])
	}
	root := contained(t, said, user)
	in := func(args ...string) *exec.Cmd {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		t.Cleanup(cancel)
		cmd := exec.CommandContext(ctx, "/mailretr", args...)
		cmd.Dir, cmd.Env = "/", said["ENV"]
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uint32(user), Gid: uint32(user)},
			Pdeathsig: syscall.SIGKILL}
		cmd.WaitDelay = time.Second
		return cmd
	}
	if out, err := in("demo").CombinedOutput(); err != nil {
		t.Fatalf("demo: %v: %s", err, out)
	}
	if err := in("status", "--probe").Run(); err == nil {
		t.Error("the health check finds a daemon that is not there")
	}
	serve := in("serve")
	var log strings.Builder
	serve.Stderr = &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	healthy := false
	for until := time.Now().Add(20 * time.Second); !healthy && time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		healthy = in("status", "--probe").Run() == nil
	}
	serve.Process.Signal(syscall.SIGTERM)
	if err := serve.Wait(); err != nil || !healthy {
		t.Error(healthy, err, log.String())
	}
}

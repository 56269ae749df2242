//go:build interop

package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mailretr/test/real"
)

// binary builds the program once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "mailretr")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "mailretr")
	out, err := exec.Command("go", "build", "-o", path, "mailretr/cmd/mailretr").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building: %w\n%s", err, out)
	}
	return path, nil
})

// A program is one configuration and state directory, and perhaps a daemon that works on it.
type program struct {
	t      *testing.T
	dir    string
	conf   string
	daemon *exec.Cmd
	log    *os.File
	since  int // of the log, when the daemon was started
}

// newProgram makes a directory with a configuration; @DIR@ in it is the directory.
func newProgram(t *testing.T, yaml string) *program {
	t.Helper()
	if _, err := binary(); err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, dir: t.TempDir()}
	p.conf = filepath.Join(p.dir, "mailretr.yaml")
	p.configure(yaml)
	if err := os.WriteFile(filepath.Join(p.dir, "pass"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", p.logged())
		}
	})
	return p
}

// configure writes the configuration.
func (p *program) configure(yaml string) {
	p.t.Helper()
	head := fmt.Sprintf("hostname: mail.kroon.co.za\nstate: %[1]s/state\nsocket: %[1]s/run/socket\n", p.dir)
	yaml = head + strings.ReplaceAll(yaml, "@DIR@", p.dir)
	if err := os.WriteFile(p.conf, []byte(yaml), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// serve starts the daemon.
func (p *program) serve() {
	p.t.Helper()
	path, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	if p.log == nil {
		if p.log, err = os.Create(filepath.Join(p.dir, "log")); err != nil {
			p.t.Fatal(err)
		}
	}
	p.since = len(p.logged())
	p.daemon = exec.Command(path, "--config", p.conf, "serve")
	p.daemon.Stdout, p.daemon.Stderr = p.log, p.log
	p.daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.daemon.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// kill ends the daemon with SIGKILL and waits for it.
func (p *program) kill() {
	if p.daemon != nil && p.daemon.Process != nil {
		p.daemon.Process.Kill()
		p.daemon.Wait()
		p.daemon = nil
	}
}

// stop ends the daemon in good order and says how. It waits until the daemon serves: before, it may not even know yet
// what SIGTERM means.
func (p *program) stop() error {
	eventually(p.t, time.Minute, "a daemon that serves", p.serves)
	p.daemon.Process.Signal(syscall.SIGTERM)
	err := p.daemon.Wait()
	p.daemon = nil
	return err
}

// serves says whether the daemon has come so far.
func (p *program) serves() bool { return strings.Contains(p.logged()[p.since:], "serving") }

func (p *program) logged() string {
	b, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	return string(b)
}

// run runs a verb to its end and returns what it printed, and its exit code.
func (p *program) run(args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	path, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"--config", p.conf}, args...)...)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err = cmd.Run()
	if ctx.Err() != nil {
		p.t.Fatalf("mailretr %s does not end:\n%s%s", strings.Join(args, " "), out.String(), talk.String())
	}
	if exit, ok := err.(*exec.ExitError); ok {
		return out.String(), talk.String(), exit.ExitCode()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return out.String(), talk.String(), 0
}

// lines runs a verb with --json and returns its objects.
func (p *program) lines(args ...string) (all []map[string]any) {
	p.t.Helper()
	out, talk, code := p.run(append(args, "--json")...)
	if code != 0 {
		p.t.Fatalf("mailretr %v ended with %d: %s%s", args, code, out, talk)
	}
	dec := json.NewDecoder(strings.NewReader(out))
	for dec.More() {
		var x map[string]any
		if err := dec.Decode(&x); err != nil {
			p.t.Fatalf("mailretr %v: %v in %s", args, err, out)
		}
		all = append(all, x)
	}
	return all
}

// eventually waits for something that another process does.
func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	real.Wait(t, limit, what, ok)
}

// normal brings octets to the normal form, by this test's own reckoning: CRLF line ends, no bare CR, a final CRLF.
func normal(octets string) string {
	var b strings.Builder
	for i := 0; i < len(octets); i++ {
		switch c := octets[i]; {
		case c == '\r' && i+1 < len(octets) && octets[i+1] == '\n':
			b.WriteString("\r\n")
			i++
		case c == '\n':
			b.WriteString("\r\n")
		case c == '\r':
			b.WriteByte(' ')
		default:
			b.WriteByte(c)
		}
	}
	if s := b.String(); !strings.HasSuffix(s, "\r\n") {
		b.WriteString("\r\n")
	}
	return b.String()
}

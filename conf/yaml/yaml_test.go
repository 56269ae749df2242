package yaml

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mailretr/conf"
)

var update = flag.Bool("update", false, "write the golden files")

// load writes the files into a directory and loads mailretr.yaml. Names ending in "!" get a loose mode.
func load(t *testing.T, files map[string]string) (conf.Config, []conf.Problem, error) {
	t.Helper()
	return loadIn(t, t.TempDir(), files)
}

func loadIn(t *testing.T, dir string, files map[string]string) (conf.Config, []conf.Problem, error) {
	t.Helper()
	for name, text := range files {
		mode := os.FileMode(0o600)
		if n, loose := strings.CutSuffix(name, "!"); loose {
			name, mode = n, 0o644
		}
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
	}
	return Load(context.Background(), paths(dir))
}

func paths(dir string) conf.Paths {
	return conf.Paths{Config: filepath.Join(dir, "mailretr.yaml"), State: "/s", Socket: "/r/control.sock"}
}

// said returns the problems as text, the directory shown as DIR.
func said(dir string, problems []conf.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		line := p.String()
		if dir != "" {
			line = strings.ReplaceAll(line, dir, "DIR")
		}
		fmt.Fprintln(&b, line)
	}
	return b.String()
}

const head = `hostname: mail.example.org
deliver: {smtp: "localhost:25"}
bounce: {from: "Mail <mailer-daemon@example.org>", postmaster: postmaster@example.org}
`

const drop = `maildrops:
  - {name: a, url: "imaps://a@mail.example.org", password: {env: A}, to: a@example.org}
`

func TestDesignExample(t *testing.T) {
	text, err := os.ReadFile("testdata/design.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, problems, err := load(t, map[string]string{"mailretr.yaml": string(text)})
	if err != nil || len(problems) != 0 {
		t.Fatal(err, problems)
	}
	m := c.Maildrops[1]
	if m.Protocol != "pop3" || m.Port != 995 || m.User != "kroon" || m.TLS.Mode != conf.ModeImplicit ||
		m.Poll != 15*time.Minute || m.Multidrop.StripPrefix[0] != "kroon-" || m.Deliver != "default" {
		t.Errorf("catchall: %+v", m)
	}
	m = c.Maildrops[0]
	if m.First.Mode != conf.FirstNew || m.After.Act != conf.Delete || m.Poll != 5*time.Minute ||
		!reflect.DeepEqual(m.Folders, conf.Named("INBOX")) || m.To[0] != "jaco@kroon.co.za" {
		t.Errorf("jaco: %+v", m)
	}
	d := c.Deliver[0]
	if d.Kind != "smtp" || d.Address != "localhost:25" || d.TLS.Mode != conf.ModeNone || d.Hello != c.Hostname {
		t.Errorf("deliver: %+v", d)
	}
	if c.Bounce.FromName != "Mail Delivery System" || c.Bounce.From != "mailer-daemon@kroon.co.za" {
		t.Errorf("bounce: %+v", c.Bounce)
	}
	if c.Queue.Expire != 120*time.Hour || len(c.Queue.Retry) != 7 || c.State != "/var/lib/mailretr" {
		t.Errorf("queue: %+v %s", c.Queue, c.State)
	}
}

// TestDescribeLoads keeps the example from going stale: as it stands, and with each commented setting alone.
func TestDescribeLoads(t *testing.T) {
	var b bytes.Buffer
	if err := Describe(&b); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("testdata/describe.yaml", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile("testdata/describe.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(golden), b.String()); d != "" {
		t.Error(d)
	}
	c, problems, err := load(t, map[string]string{"mailretr.yaml": b.String()})
	if err != nil || len(problems) != 0 || len(c.Maildrops) != 1 {
		t.Fatal(err, problems)
	}
	// All commented lines at once: contradictions are told, but every key and every value is understood.
	var all []string
	for _, line := range strings.Split(b.String(), "\n") {
		rest := strings.TrimLeft(line, " ")
		if strings.HasPrefix(rest, "#") && !strings.HasPrefix(rest, "# ") {
			line = line[:len(line)-len(rest)] + rest[1:]
		}
		all = append(all, line)
	}
	_, problems, _ = load(t, map[string]string{"mailretr.yaml": strings.Join(all, "\n")})
	for _, p := range problems {
		if p.Severity == conf.Error && !strings.Contains(p.Text, "exclude") && !strings.Contains(p.Text,
			"already") &&
			!strings.Contains(p.Text, "url has another") && !strings.Contains(p.Text, "contradicts") &&
			!strings.Contains(p.Text, "more.yaml") && !strings.Contains(p.Text, "in a circle") {
			t.Error(p)
		}
	}
}

// TestH10_EveryMistake has all mistakes of several files in one run.
func TestH10_EveryMistake(t *testing.T) {
	dir := t.TempDir()
	files := make(map[string]string)
	for _, name := range []string{"mailretr.yaml", "conf.d/10-twice.yaml", "conf.d/20-tabs.yaml",
		"conf.d/30-two.yaml", "conf.d/40-latin1.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata/broken", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name+"!"] = string(text)
	}
	c, problems, err := loadIn(t, dir, files)
	if !errors.Is(err, ErrConfig) {
		t.Errorf("error %v", err)
	}
	got := said(dir, problems)
	if *update {
		if err := os.WriteFile("testdata/broken/problems.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/broken/problems.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
	if strings.Contains(got, "geheim") {
		t.Error("a password is shown")
	}
	if len(c.Maildrops) != 1 || c.Maildrops[0].Name != "fine" || len(c.Bad) != 6 {
		t.Errorf("%d maildrops left, %d bad", len(c.Maildrops), len(c.Bad))
	}
}

// What a file that cannot be parsed may hold is not said to be missing.
func TestOneMistakeIsOneLine(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"tab":      head + "limits:\n\tlarge: 2\n" + drop,
		"bracket":  strings.Replace(head, "25\"}", "25\"", 1) + drop,
		"indented": head + drop + "   to: b\n",
		"binary":   "a\x00b",
		"latin1":   head + drop + "# \xe9\n",
	} {
		_, problems, err := loadIn(t, dir, map[string]string{"mailretr.yaml": text})
		if !errors.Is(err, ErrConfig) || len(problems) != 1 {
			t.Errorf("%s: %v\n%s", name, err, said(dir, problems))
		}
	}
	_, problems, err := loadIn(t, dir, map[string]string{"mailretr.yaml": head + drop, "conf.d/x.yaml": "a: [\n"})
	if !errors.Is(err, ErrConfig) || len(problems) != 1 {
		t.Errorf("%v\n%s", err, said(dir, problems))
	}
}

// What a login or a handshake would find missing is found by check, as far as it can be known here.
func TestFilesAreLookedAt(t *testing.T) {
	dir := t.TempDir()
	text := head + `maildrops:
  - {name: a, url: "imaps://a@mail.example.org", password: {file: none}, to: a@example.org}
  - {name: b, url: "imaps://b@mail.example.org", password: {file: empty}, to: a@example.org}
  - {name: c, url: "imaps://c@mail.example.org", password: {file: two}, to: a@example.org, tls: {ca: none.pem}}
`
	_, problems, err := loadIn(t, dir, map[string]string{"mailretr.yaml": text, "empty": "", "two": "canary\ncanary\n"})
	out := said(dir, problems)
	if err != nil || strings.Contains(out, "canary") || len(problems) != 4 {
		t.Errorf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"none: no such file or directory; put the password into that file", "(file DIR/empty) is empty; write it",
		"(file DIR/two) has a line break or NUL inside; write it", "ca: cannot be read now",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing says %q:\n%s", want, out)
		}
	}
}

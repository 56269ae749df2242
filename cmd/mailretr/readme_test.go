package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// Whoever copies a configuration out of the README has one that check finds nothing in but the passwords to be put there.
func TestReadmeConfigurations(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(found) < 9 {
		t.Fatalf("%d examples", len(found))
	}
	// The third is a section of the second.
	multidrop := regexp.MustCompile(`(?m)^ +multidrop: .*\n`)
	if found[2][1] = multidrop.ReplaceAllString(found[1][1], found[2][1]); found[2][1] == found[1][1] {
		t.Fatal("the section of multi-drop has no place")
	}
	found[3][1] = found[0][1] + found[3][1] // another section of the first
	// The others have the same beginning.
	begin, _, _ := strings.Cut(found[0][1], "maildrops:")
	for i := range found[4:] {
		x := &found[4+i][1]
		if key, _, _ := strings.Cut(*x, ":"); key == "deliver" || key == "bounce" || key == "metrics" || key == "notify" || key == "web" { // in the place of the first one's
			first := found[0][1]
			if strings.Contains(*x, "\nmaildrops:") {
				first, _, _ = strings.Cut(first, "maildrops:")
			}
			*x = regexp.MustCompile(`(?m)^`+key+`: .*\n`).ReplaceAllLiteralString(first, "") + *x
			continue
		}
		*x = begin + *x
	}
	for _, x := range found {
		dir := t.TempDir()
		config := filepath.Join(dir, "mailretr.yaml")
		write(t, filepath.Join(dir, "pass"), canary+"\n")
		text := regexp.MustCompile(`/etc/mailretr/\w+\.pass`).ReplaceAllString(x[1], filepath.Join(dir, "pass"))
		write(t, filepath.Join(dir, "bounce.tmpl"), "{{define \"subject\"}}Undelivered{{end}}")
		text = strings.ReplaceAll(text, "/etc/mailretr/bounce.tmpl", filepath.Join(dir, "bounce.tmpl"))
		// Nor are there the files of a listener.
		text = regexp.MustCompile(`(?m)^ +(tls: {cert|users): .*\n`).ReplaceAllString(text, "")
		if n := strings.Count(x[1], "\n"); n > 30 {
			t.Errorf("an example of %d lines", n)
		}
		write(t, config, text)
		if code, out, talk := call(t, "check", "--config", config); code != exOK || strings.Contains(out, "warning") {
			t.Errorf("%d %s%s\n%s", code, out, talk, text)
		}
	}
}

// Each verb of the program stands in the README, and the other way round.
func TestReadmeVerbs(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, commands, _ := strings.Cut(string(readme), "## Commands")
	commands, _, _ = strings.Cut(commands, "\n## ")
	for _, c := range verbs(newApp(nil, nil, nil)) {
		if !regexp.MustCompile("`(mailretr )?" + c.Name() + `\b`).MatchString(commands) {
			t.Errorf("%s is not in the README", c.Name())
		}
	}
}

// A core file would have the passwords in it.
func TestH3_NoCoreFiles(t *testing.T) {
	if code := run([]string{"--config", filepath.Join(t.TempDir(), "none"), "check"}); code != exConfig {
		t.Errorf("exit code %d", code)
	}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &l); err != nil || l.Cur != 0 || l.Max != 0 {
		t.Errorf("%+v, %v", l, err)
	}
}

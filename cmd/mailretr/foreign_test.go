package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailretr/conf/fetchmailrc/samples"
)

// Each sample becomes a configuration that check accepts, or a line says what is missing in it.
func TestSamplesBecomeConfigurations(t *testing.T) {
	good := 0
	for i, text := range samples.All() {
		dir := t.TempDir()
		rc := filepath.Join(dir, "rc")
		write(t, rc, text)
		got, _, talk := call(t, "import", "fetchmailrc", rc, "--hostname", "mail.kroon.co.za", "--write", filepath.Join(dir, "new"))
		if got != exOK {
			if got != exConfig || !strings.Contains(talk, rc) {
				t.Errorf("%d: %d %s\n%s", i, got, talk, text)
			}
			continue
		}
		good++
		if got, out, talk := call(t, "--config", filepath.Join(dir, "new", "mailretr.yaml"), "check"); got != exOK {
			t.Errorf("%d: %d %s%s\n%s", i, got, out, talk, text)
		}
	}
	if good < 150 {
		t.Errorf("only %d samples are accepted", good)
	}
}

// H3: a password goes into its file, and nowhere else.
func TestH3_AnImportTellsNoPassword(t *testing.T) {
	dir := t.TempDir()
	rc := filepath.Join(dir, "rc")
	write(t, rc, "poll isp.example proto pop3 esmtpname us esmtppassword '"+canary+"' user jaco pass '"+canary+"' is jaco here\n"+
		"poll other.example proto pop3 user jaco bogus '"+canary+"'\n")
	made := filepath.Join(dir, "new")
	for _, args := range [][]string{{}, {"--json"}, {"--check"}, {"--write", made}} {
		_, out, talk := call(t, append([]string{"import", "fetchmailrc", rc, "--hostname", "mail.kroon.co.za"}, args...)...)
		if strings.Contains(out+talk, canary) {
			t.Errorf("%v: %s%s", args, out, talk)
		}
	}
	for _, name := range []string{"jaco.pass", "deliver-default.pass"} {
		b, err := os.ReadFile(filepath.Join(made, name))
		fi, _ := os.Stat(filepath.Join(made, name))
		if err != nil || string(b) != canary+"\n" || fi.Mode() != 0o600 {
			t.Errorf("%s: %v %q", name, err, b)
		}
	}
}

// What fetchmail has collected and kept is neither collected again nor deleted; what came later is collected.
func TestWhatWasCollectedBeforeIsNotCollectedAgain(t *testing.T) {
	s, j := newLetters(t, 5)
	host := strings.TrimPrefix(j.url, "pop3://jaco@")
	host, _, _ = strings.Cut(host, ":")
	ids := filepath.Join(t.TempDir(), "fetchids")
	write(t, ids, "jaco@"+host+" uid0\njaco@"+host+" uid1\njaco@"+host+" uid2\n")
	j.to(`{smtp: "127.0.0.1:1"}`)
	b, err := os.ReadFile(j.path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, j.path, strings.ReplaceAll(string(b), "pop3://a@127.0.0.1:1", j.url))
	if code, _, talk := call(t, "--config", j.path, "import", "seen", ids); code != exOK || !strings.Contains(talk, "3 marked as known") {
		t.Fatalf("%d %s", code, talk)
	}
	j.visit("after: delete", nil)
	j.once(s, 2)
	if n := len(s.Left()); n != 3 {
		t.Errorf("%d are left", n)
	}
}

//go:build interop

package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"mailretr/test/real"
)

// packaged builds the Debian package.
func packaged(t *testing.T) (deb string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("../cmd/mailretr/dist/deb/build", dir)
	cmd.Env = append(os.Environ(), "VERSION=0.0.1", "MAINTAINER=Test <test@example.org>")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return only(t, filepath.Join(dir, "*.deb"))
}

func only(t *testing.T, pattern string) string {
	t.Helper()
	list, err := filepath.Glob(pattern)
	if err != nil || len(list) != 1 {
		t.Fatal(err, list)
	}
	return list[0]
}

// upgrade makes a package of the same files with a later version.
func upgrade(t *testing.T, deb string) string {
	t.Helper()
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	later := filepath.Join(dir, "later.deb")
	must(t, "dpkg-deb", "-R", deb, tree)
	must(t, "sed", "-i", "s/^Version: .*/Version: 0.0.2/", filepath.Join(tree, "DEBIAN/control"))
	if err := os.Remove(filepath.Join(tree, "DEBIAN/conffiles")); err != nil { // nfpm's has an empty line only
		t.Error(err)
	}
	must(t, "dpkg-deb", "-Zgzip", "-z1", "-b", tree, later)
	return later
}

func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

const packagedConfig = `hostname: mail.example.org
deliver: {smtp: "localhost:2", tls: none}
listen: [{smtp: "unix:/run/mailretr-smtp/socket", mode: "0666"}]
metrics: {listen: "unix:/run/mailretr/metrics"}
bounce: {from: "Mail Delivery System <mailer-daemon@example.org>", postmaster: postmaster@example.org}
`

// The package is installed in a clean Debian, its daemon is started by systemd under its hardened unit and takes mail
// from any user, and the queue outlives an upgrade, a removal, and a purge.
func TestPackage(t *testing.T) {
	deb := packaged(t)
	manual(t, deb)
	later := upgrade(t, deb)
	m := real.Boot(t)
	install(t, m, deb)
	if out := m.Do("systemctl", "is-enabled", "mailretr"); out != "enabled" {
		t.Error(out)
	}
	installed(t, m)
	hardened(t, m)

	m.Write("/etc/mailretr/mailretr.yaml", []byte(packagedConfig), 0o640)
	m.Do("chgrp", "mailretr", "/etc/mailretr/mailretr.yaml")
	begin(t, m)
	m.Do("ln", "-s", "/usr/bin/mailretr", "/usr/sbin/sendmail")
	out, err := m.Feed("Subject: kept\n\nbody\n", "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "sendmail",
		"-f", "app@example.org", "jaco@example.org")
	if err != nil {
		t.Fatal(err, out)
	}
	id := waits(t, m, "after it was brought", "")
	confined(t, m)
	m.Do("systemctl", "reload", "mailretr")

	before := m.Do("systemctl", "show", "-P", "MainPID", "mailretr")
	install(t, m, later)
	if after := m.Do("systemctl", "show", "-P", "MainPID", "mailretr"); after == before || after == "0" {
		t.Error("it was not restarted", before, after)
	}
	waits(t, m, "after the upgrade", id)

	m.Do("dpkg", "-r", "mailretr")
	if out, err := m.Try("systemctl", "is-active", "mailretr"); err == nil {
		t.Error("it runs on after it was removed:", out)
	}
	install(t, m, later)
	begin(t, m)
	waits(t, m, "after it was removed and installed", id)
	if out := m.Do("dpkg", "--purge", "mailretr"); !strings.Contains(out, "/var/lib/mailretr is kept") {
		t.Error(out)
	}
	install(t, m, later)
	begin(t, m)
	waits(t, m, "after it was purged and installed", id)
	stops(t, m)
	if out, err := m.Try("mailretr", "queue"); err == nil || !strings.Contains(out, "runuser -u mailretr") {
		t.Error("root may change whose the state is:", out)
	}
	if out := m.Do("runuser", "-u", "mailretr", "--", "mailretr", "queue"); !strings.HasPrefix(out, id) {
		t.Error(out)
	}
	asRoot(t, m)
}

// installed: the directories are there, nothing runs, and nothing has failed, as long as there is no configuration.
func installed(t *testing.T, m *real.Machine) {
	t.Helper()
	for path, want := range map[string]string{"/etc/mailretr": "750 root:mailretr", "/etc/mailretr/conf.d": "750 root:mailretr",
		"/var/lib/mailretr": "700 mailretr:mailretr"} {
		if got := m.Do("stat", "-c", "%a %U:%G", path); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	if out, err := m.Try("systemctl", "is-active", "mailretr"); err == nil {
		t.Error("it runs without a configuration:", out)
	}
	if out := m.Do("systemctl", "--failed", "--no-legend"); out != "" {
		t.Error(out)
	}
}

func install(t *testing.T, m *real.Machine, deb string) {
	t.Helper()
	octets, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	m.Write("/tmp/mailretr.deb", octets, 0o644)
	t.Log(m.Do("dpkg", "-i", "/tmp/mailretr.deb"))
}

// begin starts the daemon, which says itself when it is ready.
func begin(t *testing.T, m *real.Machine) {
	t.Helper()
	if out, err := m.Try("systemctl", "start", "mailretr"); err != nil {
		t.Fatal(err, out, m.Do("journalctl", "-u", "mailretr", "--no-pager"))
	}
	if out := m.Do("systemctl", "show", "-P", "SubState", "mailretr"); out != "running" {
		t.Fatal(out, m.Do("journalctl", "-u", "mailretr", "--no-pager"))
	}
}

// waits says that the message is in the queue, alone, and returns its id.
func waits(t *testing.T, m *real.Machine, when, id string) string {
	t.Helper()
	out, err := m.Try("mailretr", "queue")
	got, _, _ := strings.Cut(out, "\t")
	if err != nil || strings.Contains(out, "\n") || !strings.HasSuffix(out, "app@example.org → jaco@example.org") ||
		id != "" && got != id {
		t.Errorf("%s: %v: %s", when, err, out)
	}
	return got
}

// hardened asks systemd about the unit: no line of it is unknown, and little is left open.
func hardened(t *testing.T, m *real.Machine) {
	t.Helper()
	m.Do("systemd-analyze", "verify", "/usr/lib/systemd/system/mailretr.service")
	out := m.Do("systemd-analyze", "security", "--offline=true", "--threshold=15", "/usr/lib/systemd/system/mailretr.service")
	t.Log(regexp.MustCompile("Overall exposure level.*").FindString(out))
	if out, err := m.Try("env", "XDG_RUNTIME_DIR=/run", "systemd-analyze", "--user", "verify", "/usr/lib/systemd/user/mailretr.service"); err != nil {
		t.Error(err, out)
	}
}

// confined looks at the process itself.
func confined(t *testing.T, m *real.Machine) {
	t.Helper()
	status := m.Do("cat", "/proc/"+m.Do("systemctl", "show", "-P", "MainPID", "mailretr")+"/status")
	for _, want := range []string{"NoNewPrivs:\t1", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "Seccomp:\t2"} {
		if !strings.Contains(status, want) {
			t.Errorf("no %q in %s", want, status)
		}
	}
	if strings.Contains(status, "Uid:\t0") {
		t.Error("it runs as root")
	}
}

// stops: the daemon ends within seconds, and well.
func stops(t *testing.T, m *real.Machine) {
	t.Helper()
	began := time.Now()
	m.Do("systemctl", "stop", "mailretr")
	if out := m.Do("systemctl", "show", "-P", "Result", "mailretr"); out != "success" || time.Since(began) > 20*time.Second {
		t.Error(out, time.Since(began))
	}
}

// asRoot delivers to another user's Maildir below the drop-in that lets it.
func asRoot(t *testing.T, m *real.Machine) {
	t.Helper()
	m.Do("useradd", "--create-home", "jaco")
	m.Do("install", "-D", "/usr/share/doc/mailretr/examples/local.conf", "/etc/systemd/system/mailretr.service.d/local.conf")
	m.Do("systemctl", "daemon-reload")
	m.Do("systemd-analyze", "verify", "/usr/lib/systemd/system/mailretr.service")
	m.Do("chown", "-R", "root:", "/var/lib/mailretr")
	local := strings.Replace(packagedConfig, `{smtp: "localhost:2", tls: none}`, `{maildir: {path: "~/Maildir", user: "{local}"}}`, 1)
	m.Write("/etc/mailretr/mailretr.yaml", []byte(local), 0o640)
	begin(t, m)
	m.Do("mailretr", "queue", "flush")
	var names []string
	for until := time.Now().Add(20 * time.Second); len(names) == 0 && time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		names, _ = filepath.Glob(m.Path("/home/jaco/Maildir/new/*"))
	}
	if len(names) != 1 {
		t.Fatal(names, m.Do("mailretr", "queue", "-v"), m.Do("journalctl", "-u", "mailretr", "--no-pager", "-n", "20"))
	}
	info, err := os.Stat(names[0])
	if err != nil || fmt.Sprint(info.Sys().(*syscall.Stat_t).Uid) != m.Do("id", "-u", "jaco") {
		t.Error(err, info)
	}
	stops(t, m)
}

// The pages of the package are clean for groff, and man finds them.
func manual(t *testing.T, deb string) {
	t.Helper()
	tree := t.TempDir()
	must(t, "dpkg-deb", "-x", deb, tree)
	pages, err := filepath.Glob(filepath.Join(tree, "usr/share/man/man?/*.gz"))
	if err != nil || len(pages) < 50 {
		t.Fatal(err, len(pages))
	}
	for _, page := range pages {
		cmd := exec.Command("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=100")
		var said strings.Builder
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil || said.Len() > 0 {
			t.Errorf("%s: %v: %s", filepath.Base(page), err, said.String())
		}
	}
	out := must(t, "env", "LC_ALL=C.UTF-8", "man", "-M", filepath.Join(tree, "usr/share/man"), "mailretr.yaml")
	if !strings.Contains(out, "hostname: mail.example.org") {
		t.Error(out)
	}
}

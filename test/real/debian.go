package real

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// CleanDebian is where test/unpack puts a Debian that has nothing but what it cannot do without, and systemd.
const CleanDebian = "/var/cache/mailretr-test/debian"

// A Machine is a clean Debian whose process 1 is systemd, in namespaces of its own: what is done in it is gone with it.
type Machine struct {
	t   TB
	pid int // of systemd, as we see it
}

// boot becomes systemd over a copy of $1 that is kept in memory. Groups of the name $2 become the roots of all cgroups.
const boot = `set -e
for procs in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do
	[ -e "$procs" ] || continue
	group="${procs%/*}/$2"
	mkdir -p "$group"
	for file in cpuset.cpus cpuset.mems; do # of version 1: nobody may be in a group without
		[ ! -e "$group/$file" ] || [ -s "$group/$file" ] || cat "${procs%/*}/$file" >"$group/$file" || true
	done
	echo $$ >"$group/cgroup.procs"
done
exec unshare --mount --pid --fork --cgroup --uts --ipc --net --kill-child /bin/sh -ec '
	mount --make-rprivate /
	over=$(mktemp -d)
	mount -t tmpfs tmpfs "$over"
	mkdir "$over/upper" "$over/work" "$over/root"
	mount -t overlay overlay -o lowerdir="$1",upperdir="$over/upper",workdir="$over/work" "$over/root"
	cd "$over/root"
	mount -t proc proc proc
	mount -t sysfs -o ro sysfs sys
	for dir in run tmp dev; do mount -t tmpfs -o mode=0755 tmpfs $dir; done
	chmod 1777 tmp
	for device in null zero full random urandom tty; do
		touch dev/$device
		mount --bind /dev/$device dev/$device
	done
	mkdir dev/pts dev/shm
	mount -t devpts -o newinstance,gid=5,mode=0620,ptmxmode=0666 devpts dev/pts
	ln -s pts/ptmx dev/ptmx
	if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
		mount -t cgroup2 cgroup2 sys/fs/cgroup
	else
		mount -t tmpfs -o mode=0755 tmpfs sys/fs/cgroup
		mkdir sys/fs/cgroup/systemd
		mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
	fi
	mkdir -p before
	pivot_root . before
	umount -l /before
	container=test exec /lib/systemd/systemd --unit=multi-user.target --log-target=journal
' boot "$1"`

// Boot starts a machine, and ends it with the test. It takes root, and a kernel that lets it mount.
func Boot(t TB) *Machine {
	t.Helper()
	if _, err := os.Stat(CleanDebian); err != nil {
		t.Fatalf("%v: test/run unpacks it", err)
	}
	group := fmt.Sprintf("mailretr-test-%d", os.Getpid())
	var said strings.Builder
	cmd := exec.Command("/bin/sh", "-c", boot, "boot", CleanDebian, group)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v", err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // and with it all that is in the namespace
		<-ended
		remove(group)
	})
	m := &Machine{t: t}
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); {
		if m.pid == 0 {
			m.pid = child(cmd.Process.Pid)
		}
		if m.pid != 0 {
			if out, _ := m.Try("systemctl", "is-system-running"); out == "running" || out == "degraded" {
				return m
			}
		}
		select {
		case <-ended:
			t.Fatalf("systemd did not start: %s", said.String())
		case <-time.After(50 * time.Millisecond): // another process: nothing to synchronise with
		}
	}
	t.Fatalf("systemd did not come up: %s", said.String())
	return nil
}

// child is the child of a process that runs systemd, 0 where there is none yet.
func child(pid int) (found int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscan(string(b), &found); err != nil {
		return 0
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", found))
	if err != nil || filepath.Base(exe) != "systemd" {
		return 0
	}
	return found
}

// remove removes cgroups of this name with those below them, as they become empty.
func remove(group string) {
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); {
		var all []string
		tops, _ := filepath.Glob("/sys/fs/cgroup/*/" + group)
		for _, top := range append(tops, "/sys/fs/cgroup/"+group) {
			_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					all = append(all, path)
				}
				return nil
			})
		}
		if len(all) == 0 {
			return
		}
		for _, path := range slices.Backward(all) {
			_ = syscall.Rmdir(path)
		}
		time.Sleep(20 * time.Millisecond) // until the kernel has let go of those that were killed
	}
}

// Try runs a command in the machine and returns all that it says.
func (m *Machine) Try(args ...string) (string, error) { return m.Feed("", args...) }

// Feed is Try with something on the standard input.
func (m *Machine) Feed(in string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target", fmt.Sprint(m.pid), "--all", "--wd=/",
		"/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"}, args...)...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Do is Try for what has to work.
func (m *Machine) Do(args ...string) string {
	m.t.Helper()
	out, err := m.Try(args...)
	if err != nil {
		m.t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

// Path is where a file of the machine is for us.
func (m *Machine) Path(name string) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", m.pid), name)
}

// Write makes a file in the machine, which belongs to root.
func (m *Machine) Write(name string, octets []byte, mode os.FileMode) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(m.Path(name)), 0o755); err != nil {
		m.t.Fatalf("%v", err)
	}
	if err := os.WriteFile(m.Path(name), octets, mode); err != nil {
		m.t.Fatalf("%v", err)
	}
}

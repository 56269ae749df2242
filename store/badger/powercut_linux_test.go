package badger

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestPowerCut takes the file system away under a process with 24 writers, without its journal being written:
// what was not synced is gone. It needs root and a block device (a loop device with direct I/O will do) with
// ext4 or xfs that it may mount:
//
//	MAILRETR_POWERCUT_DEVICE=/dev/loop0 MAILRETR_POWERCUT_CUTS=50 go test -run PowerCut ./store/badger
func TestPowerCut(t *testing.T) {
	device := os.Getenv("MAILRETR_POWERCUT_DEVICE")
	if device == "" {
		t.Skip("MAILRETR_POWERCUT_DEVICE names no block device that may be cut off")
	}
	cuts, err := strconv.Atoi(os.Getenv("MAILRETR_POWERCUT_CUTS"))
	if err != nil {
		cuts = 10
	}
	t.Setenv(envWriters, "24")
	mnt := t.TempDir()
	run := func(words ...string) {
		t.Helper()
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", words, err, out)
		}
	}
	run("mount", device, mnt)
	t.Cleanup(func() { exec.Command("umount", mnt).Run() })
	dir := filepath.Join(mnt, "state"+strconv.Itoa(os.Getpid()))
	h := newHistory()
	for range cuts {
		h.runUntil(t, dir, "", time.Duration(50+rand.IntN(400))*time.Millisecond, func(p *os.Process) {
			shutdown(t, mnt)
			p.Kill()
		})
		run("umount", mnt)
		run("mount", device, mnt)
		h.judge(t, dir)
	}
	t.Logf("%d cuts, %d acknowledged, %d ended; %q", cuts, len(h.sums), len(h.ended), h.notes)
	must(t, os.RemoveAll(dir))
}

// shutdown is the ioctl that both file systems have for such tests (EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN),
// told not to write the journal.
func shutdown(t *testing.T, mnt string) {
	const (
		goingDown  = 0x8004587d
		noLogFlush = 2
	)
	f, err := os.Open(mnt)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	how := uint32(noLogFlush)
	_, _, no := unix.Syscall(unix.SYS_IOCTL, f.Fd(), goingDown, uintptr(unsafe.Pointer(&how)))
	if no != 0 {
		t.Error("shutdown:", no)
	}
}
